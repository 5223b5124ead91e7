//! Whether this DPE may send. On a host that stands alone it always may. Where several hosts share
//! deployments it has a grant, which its host's cpe has written before its start, and may send only
//! while the host's permit lasts: another host may run the deployment after that.
//!
//! The permit is looked at immediately before each Hello, each renewal of a lease, each call that
//! changes a guest, and each call to a fencing device. What is looked at earlier proves nothing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use controller::EpochRule;
use cpe_permit::{Guard, May, grant_in, grant_of, permit_in};

/// How often it is looked whether the permit goes on, once it is over. A host may have a thousand
/// DPEs, and all of them look.
const LOOK: Duration = Duration::from_millis(200);

/// What stands in the way while the permit is over, for people.
pub(crate) const SILENT: &str = "this host may not act now: its permit is over or missing, since the store of its cluster does not answer or cpe does not run (see `journalctl -u cpe`)";

/// A DPE that has no right to run its deployment here: its program ends with
/// [`NO_RIGHT`](crate::NO_RIGHT), and is not started again before there is another grant.
#[derive(Debug)]
pub struct NoRight(String);

impl NoRight {
    pub(crate) fn because(text: impl std::fmt::Display) -> NoRight {
        NoRight(text.to_string())
    }
}

impl std::fmt::Display for NoRight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoRight {}

/// The right to send. Its copies are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permit(Option<Arc<Granted>>);

#[derive(Debug)]
struct Granted {
    guard: Guard,
    revision: u64,
    first: u64,
    last: u64,
}

impl Permit {
    /// That of a deployment, whose grant and permit are below this folder. `None`: the host is in
    /// no cluster.
    ///
    /// # Errors
    /// If there is no grant that can be read.
    pub(crate) fn of(folder: Option<&Path>, deployment: &str) -> Result<Permit, NoRight> {
        let Some(folder) = folder else {
            return Ok(Permit::default());
        };
        let path = grant_in(folder, deployment);
        let unreadable = |error| format!("the grant to run {deployment} cannot be read: {error}");
        let grant = grant_of(&path).map_err(|error| NoRight(unreadable(error)))?;
        let Some(grant) = grant else {
            let path = path.display();
            return Err(NoRight(format!(
                "this host has no grant to run {deployment}: there is no {path}"
            )));
        };
        let epochs = grant.epoch(0).zip(grant.epoch(ownership::MOST_RESTARTS));
        let Some((first, last)) = epochs else {
            let path = path.display();
            return Err(NoRight(format!(
                "{path}: no epoch can be made of this grant"
            )));
        };
        let guard = Guard::new(&permit_in(folder), grant);
        Ok(Permit(Some(Arc::new(Granted {
            guard,
            revision: grant.revision,
            first,
            last,
        }))))
    }

    /// The revision of its grant. `None`: the host is in no cluster.
    pub(crate) fn revision(&self) -> Option<u64> {
        self.0.as_ref().map(|it| it.revision)
    }

    /// Where epochs come from.
    pub(crate) fn rule(&self) -> EpochRule {
        match &self.0 {
            None => EpochRule::Standalone,
            Some(it) => EpochRule::Granted {
                first: it.first,
                last: it.last,
            },
        }
    }

    /// The highest epoch that is this DPE's to take.
    pub(crate) fn last_epoch(&self) -> u64 {
        self.0.as_ref().map_or(u64::MAX, |it| it.last)
    }

    /// What it may do now.
    pub(crate) fn look(&self) -> May {
        let guard = self.0.as_ref().map(|it| &it.guard);
        guard.map_or(May::Send(u64::MAX), Guard::may)
    }

    /// To be asked immediately before everything that is sent.
    pub(crate) fn may_send(&self) -> bool {
        matches!(self.look(), May::Send(_))
    }

    /// Waits until something may be sent. It is to be sent at once then.
    pub(crate) async fn wait(&self) {
        while !self.may_send() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until what it may do has to be looked at again; `seen`: what it was.
    pub(crate) async fn changed(&self, seen: May) {
        match seen {
            May::Send(u64::MAX) => std::future::pending().await,
            May::Send(until_us) => {
                let left_us = until_us.saturating_sub(cpe_permit::now_us());
                tokio::time::sleep(Duration::from_micros(left_us)).await;
            }
            May::Wait | May::Exit => tokio::time::sleep(LOOK).await,
        }
    }
}

/// The epoch of the last start, in memory (`/run`): a disk that takes nothing must not give two
/// starts the same one. On a host that stands alone the wall clock keeps them apart.
#[derive(Debug)]
pub(crate) struct LastEpoch(Option<PathBuf>);

impl LastEpoch {
    /// In this directory.
    pub(crate) fn in_directory(directory: Option<&Path>) -> LastEpoch {
        LastEpoch(directory.map(|directory| directory.join("epoch")))
    }

    /// `rule`, above what is noted.
    pub(crate) fn above(&self, rule: EpochRule) -> EpochRule {
        let EpochRule::Granted { first, last } = rule else {
            return rule;
        };
        let noted = self.0.as_ref().map(std::fs::read_to_string);
        let noted = noted.and_then(Result::ok);
        let noted = noted.and_then(|text| text.trim().parse::<u64>().ok());
        let first = noted.map_or(first, |noted| first.max(noted.saturating_add(1)));
        EpochRule::Granted { first, last }
    }

    /// Notes the epoch of a start, before it is told to anybody.
    pub(crate) fn note(&self, epoch: u64) {
        let Some(path) = &self.0 else { return };
        let new = path.with_extension("new");
        let written = std::fs::write(&new, epoch.to_string());
        let written = written.and_then(|()| std::fs::rename(&new, path));
        if let Err(error) = written
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!("{}: {error}", path.display());
        }
    }
}

/// For tests: one that is as it is told.
#[cfg(test)]
pub(crate) mod played {
    use cpe_permit::{PermitFile, grant_text, now_us};
    use ownership::{Grant, Session};

    use super::*;

    const SESSION: Session = Session { boot: 1, number: 1 };

    /// Who writes it.
    pub(crate) struct Writer(PermitFile);

    impl Writer {
        /// It lasts, or is over.
        pub(crate) fn lasts(&self, lasts: bool) {
            self.write(SESSION, lasts);
        }

        /// It is that of another session.
        pub(crate) fn is_of_another(&self) {
            let number = SESSION.number + 1;
            self.write(Session { number, ..SESSION }, true);
        }

        fn write(&self, session: Session, lasts: bool) {
            let more_us = if lasts { 3_600_000_000 } else { 0 };
            let until_us = now_us() + more_us;
            let written = self.0.write(ownership::Permit { session, until_us });
            written.unwrap();
        }
    }

    pub(crate) fn grant(revision: u64) -> Grant {
        Grant {
            session: SESSION,
            incarnation: 1,
            revision,
        }
    }

    /// Writes the grant of deployment shop.
    pub(crate) fn write_grant(folder: &Path, text: &str) {
        let path = grant_in(folder, "shop");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// In this folder; it lasts.
    pub(crate) fn permit(folder: &Path) -> (Writer, Permit) {
        write_grant(folder, &grant_text(grant(7)));
        let writer = Writer(PermitFile::open(&permit_in(folder)).unwrap());
        writer.lasts(true);
        (writer, Permit::of(Some(folder), "shop").unwrap())
    }
}

#[cfg(test)]
mod tests {
    use cpe_permit::grant_text;

    use super::played::{grant, write_grant};
    use super::*;

    #[test]
    fn without_a_grant_that_can_be_read_there_is_no_right() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = || Permit::of(Some(folder.path()), "shop").unwrap_err();
        assert!(refusal().to_string().contains("has no grant"));
        write_grant(folder.path(), "{");
        assert!(refusal().to_string().contains("grant/shop: EOF"));
        write_grant(folder.path(), &grant_text(grant(1 << 44)));
        assert!(refusal().to_string().contains("no epoch"));
        write_grant(folder.path(), &grant_text(grant(7)));
        let permit = Permit::of(Some(folder.path()), "shop").unwrap();
        let first = (1 << 56) + (7 << 12);
        let last = first + 0xfff;
        assert_eq!(permit.rule(), EpochRule::Granted { first, last });
        assert_eq!(permit.revision(), Some(7));
        // There is no permit yet: as if it were over.
        assert!(!permit.may_send());
    }

    #[test]
    fn who_stands_alone_always_may() {
        let permit = Permit::of(None, "shop").unwrap();
        assert!(permit.may_send());
        assert_eq!(permit.rule(), EpochRule::Standalone);
        assert_eq!(permit.last_epoch(), u64::MAX);
    }

    #[tokio::test]
    async fn it_goes_on_when_the_permit_does_and_ends_when_that_is_of_another_session() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, permit) = played::permit(folder.path());
        writer.lasts(false);
        let waits = tokio::time::timeout(LOOK * 4, permit.wait());
        assert!(waits.await.is_err());
        writer.lasts(true);
        permit.wait().await;
        writer.is_of_another();
        assert_eq!(permit.look(), May::Exit);
    }

    #[test]
    fn two_starts_have_two_epochs_whatever_the_disk_does() {
        let folder = tempfile::tempdir().unwrap();
        let (first, last) = (100, 199);
        let rule = EpochRule::Granted { first, last };
        let noted = LastEpoch::in_directory(Some(folder.path()));
        assert_eq!(noted.above(rule), rule);
        noted.note(100);
        let above = EpochRule::Granted { first: 101, last };
        assert_eq!(noted.above(rule), above);
        // Of an earlier grant.
        noted.note(7);
        assert_eq!(noted.above(rule), rule);
        noted.note(u64::MAX);
        let none = EpochRule::Granted {
            first: u64::MAX,
            last,
        };
        assert_eq!(noted.above(rule), none);
        assert_eq!(noted.above(EpochRule::Standalone), EpochRule::Standalone);
        assert_eq!(LastEpoch::in_directory(None).above(rule), rule);
    }
}
