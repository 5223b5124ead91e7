//! What several hosts share of a DPE's facts: SQLite in front, and a remote store behind it.
//!
//! A write is on this host's disk first. If a change in it must be shared ([`durability`]), all
//! changes up to it are sent then, in order, and the write ends when the remote store has them; the
//! others are sent by a thread, half a second later. The remote store takes changes only from the
//! owner of the deployment: the DPE of a former one ends.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use controller::{Change, Durable};

use super::classes::{Durability, durability};
use super::local::{Local, Store, not_owner};
use super::{FactStore, Place};

/// So much later what need not be shared first is sent: within the second that the loss of a host
/// may cost.
const LATER: Duration = Duration::from_millis(500);

/// The row that says under which grant the rows of this host's disk were written. The controller
/// ignores rows of kinds that it does not know.
const GRANT: &str = "grant";

/// Why the remote store has not taken something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another host owns the deployment now.
    #[error("another host owns this deployment")]
    NotOwner,
    /// It may have been written, or not: it is sent again.
    #[error("the shared store does not answer: {0}")]
    Away(String),
}

/// Where hosts share facts, as one owner of a deployment reaches it. Calls block, for a bounded
/// time.
pub trait Remote: fmt::Debug + Send + Sync {
    /// All rows.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn all(&self) -> Result<BTreeMap<String, String>, Refusal>;

    /// Writes changes in order. Those that were written before may be written again, unless
    /// something newer was.
    ///
    /// # Errors
    /// Why it has not taken all of them.
    fn write(&self, changes: &[Change]) -> Result<(), Refusal>;
}

/// A directory of this host, and what is behind it.
#[derive(Debug)]
pub struct SharedPlace {
    local: Local,
    remote: Arc<dyn Remote>,
    grant: u64,
}

impl SharedPlace {
    /// Under the grant of this revision. What an earlier grant has left in the directory is
    /// dropped.
    pub fn new(directory: &std::path::Path, remote: Arc<dyn Remote>, grant: u64) -> SharedPlace {
        SharedPlace {
            local: Local::at(directory),
            remote,
            grant,
        }
    }
}

impl Place for SharedPlace {
    fn open(&self) -> anyhow::Result<(Box<dyn FactStore>, Durable)> {
        let (mut local, mut rows) = self.local.open_rows()?;
        let grant = rows.remove(GRANT);
        let remote = self.remote.all().map_err(refused)?;
        let mut unsent = VecDeque::new();
        if grant == Some(self.grant.to_string()) {
            // This host has run it since: its rows are the newer ones.
            unsent.extend(difference(&remote, &rows));
        } else {
            rows = remote;
            FactStore::replace(&mut local, &marked(&rows, self.grant))?;
        }
        let durable = Durable::from_rows(&rows)?;
        let shared = Shared {
            local,
            rows,
            grant: self.grant,
            line: Arc::new(Line::new(Arc::clone(&self.remote), unsent)),
        };
        let line = Arc::clone(&shared.line);
        thread::Builder::new()
            .name("facts".to_owned())
            .spawn(move || line.send_later())?;
        Ok((Box::new(shared), durable))
    }

    fn read(&self) -> anyhow::Result<Durable> {
        self.local.read()
    }

    fn read_late(&self) -> anyhow::Error {
        self.local.read_late()
    }
}

fn marked(rows: &BTreeMap<String, String>, grant: u64) -> BTreeMap<String, String> {
    let mut rows = rows.clone();
    rows.insert(GRANT.to_owned(), grant.to_string());
    rows
}

/// What makes the second of the first.
fn difference(from: &BTreeMap<String, String>, to: &BTreeMap<String, String>) -> Vec<Change> {
    let gone = from.keys().filter(|key| !to.contains_key(*key));
    let gone = gone.map(|key| (key.clone(), None));
    let new = to
        .iter()
        .filter(|(key, value)| from.get(*key) != Some(value));
    let new = new.map(|(key, value)| (key.clone(), Some(value.clone())));
    let all = gone.chain(new);
    all.map(|(key, value)| Change { key, value }).collect()
}

fn refused(refusal: Refusal) -> anyhow::Error {
    match refusal {
        Refusal::NotOwner => not_owner(),
        away => anyhow!(away),
    }
}

#[derive(Debug)]
struct Shared {
    local: Store,
    /// As they are on this host's disk.
    rows: BTreeMap<String, String>,
    grant: u64,
    line: Arc<Line>,
}

impl Shared {
    /// Has these changes sent, and waits for that if one of them must be shared first.
    fn share(&mut self, changes: Vec<Change>) -> anyhow::Result<()> {
        let shared_first = changes.iter().any(|change| {
            let old = self.rows.get(&change.key).map(String::as_str);
            durability(&change.key, old, change.value.as_deref()) == Durability::Shared
        });
        for change in &changes {
            match &change.value {
                Some(value) => self.rows.insert(change.key.clone(), value.clone()),
                None => self.rows.remove(&change.key),
            };
        }
        self.line.put(changes);
        match shared_first {
            // Also what an earlier write could not send.
            true => self.line.send(),
            false => self.line.outcome(),
        }
    }
}

impl FactStore for Shared {
    fn write(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        self.local.write(changes)?;
        self.share(changes.to_vec())
    }

    fn replace(&mut self, rows: &BTreeMap<String, String>) -> anyhow::Result<()> {
        self.local.replace(&marked(rows, self.grant))?;
        let changes = difference(&self.rows, rows);
        self.share(changes)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.line.end();
    }
}

/// What is still to be sent, in order, each row once.
#[derive(Debug)]
struct Line {
    remote: Arc<dyn Remote>,
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// Held while something is sent, so that nothing overtakes.
    sending: Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<Change>,
    /// What was to be shared first could not be: until it is, nothing follows from anything.
    must_be_sent: bool,
    /// Another host owns the deployment.
    is_over: bool,
    ended: bool,
}

impl Line {
    fn new(remote: Arc<dyn Remote>, changes: VecDeque<Change>) -> Line {
        Line {
            remote,
            waiting: Mutex::new(Waiting {
                changes,
                ..Waiting::default()
            }),
            changed: Condvar::new(),
            sending: Mutex::new(()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, changes: Vec<Change>) {
        let mut waiting = self.waiting();
        for change in changes {
            waiting.changes.retain(|older| older.key != change.key);
            waiting.changes.push_back(change);
        }
        self.changed.notify_all();
    }

    /// Whether what was written may be relied upon, where nothing new must be shared first.
    fn outcome(&self) -> anyhow::Result<()> {
        let waiting = self.waiting();
        let (is_over, must_be_sent) = (waiting.is_over, waiting.must_be_sent);
        drop(waiting);
        match (is_over, must_be_sent) {
            (true, _) => Err(not_owner()),
            (false, true) => self.send(),
            (false, false) => Ok(()),
        }
    }

    /// Sends everything that waits.
    fn send(&self) -> anyhow::Result<()> {
        self.waiting().must_be_sent = true;
        self.try_send().map_err(refused)
    }

    fn try_send(&self) -> Result<(), Refusal> {
        let _sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let changes: Vec<Change> = self.waiting().changes.iter().cloned().collect();
        let sent = match changes.is_empty() {
            true => Ok(()),
            false => self.remote.write(&changes),
        };
        let mut waiting = self.waiting();
        match &sent {
            Ok(()) => {
                // What has changed again meanwhile is sent again.
                waiting.changes.retain(|change| !changes.contains(change));
                waiting.must_be_sent = false;
            }
            Err(Refusal::NotOwner) => waiting.is_over = true,
            Err(Refusal::Away(_)) => {}
        }
        sent
    }

    /// Sends what may come later, until the store is closed.
    fn send_later(&self) {
        let mut last = None;
        loop {
            let waiting = self.waiting();
            let idle = |it: &mut Waiting| it.changes.is_empty() && !it.ended;
            let waiting = self.changed.wait_while(waiting, idle);
            let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let open = |it: &mut Waiting| !it.ended;
            let waited = self.changed.wait_timeout_while(waiting, LATER, open);
            let (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let ended = waiting.ended;
            drop(waiting);
            let refusal = self.try_send().err();
            if refusal.is_some() && refusal != last {
                tracing::warn!("facts are not shared with other hosts yet: {refusal:?}");
            }
            if ended || refusal == Some(Refusal::NotOwner) {
                return;
            }
            last = refusal;
        }
    }

    fn end(&self) {
        self.waiting().ended = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::ends_process;
    use super::*;

    /// A fake, in memory.
    #[derive(Debug, Default)]
    struct Memory {
        rows: Mutex<BTreeMap<String, String>>,
        refusal: Mutex<Option<Refusal>>,
    }

    impl Memory {
        fn refuse(&self, refusal: Option<Refusal>) {
            *self.refusal.lock().unwrap() = refusal;
        }

        fn get(&self, key: &str) -> Option<String> {
            self.rows.lock().unwrap().get(key).cloned()
        }

        fn has_soon(&self, key: &str, value: &str) -> bool {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(5) {
                if self.get(key).as_deref() == Some(value) {
                    return true;
                }
                thread::sleep(Duration::from_millis(20));
            }
            false
        }
    }

    impl Remote for Memory {
        fn all(&self) -> Result<BTreeMap<String, String>, Refusal> {
            match self.refusal.lock().unwrap().clone() {
                Some(refusal) => Err(refusal),
                None => Ok(self.rows.lock().unwrap().clone()),
            }
        }

        fn write(&self, changes: &[Change]) -> Result<(), Refusal> {
            if let Some(refusal) = self.refusal.lock().unwrap().clone() {
                return Err(refusal);
            }
            let mut rows = self.rows.lock().unwrap();
            for change in changes {
                match &change.value {
                    Some(value) => rows.insert(change.key.clone(), value.clone()),
                    None => rows.remove(&change.key),
                };
            }
            Ok(())
        }
    }

    fn change(key: &str, value: &str) -> Change {
        Change {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    const SAFE: &str = r#"{"safe":true}"#;
    const UNSAFE: &str = r#"{"safe":false}"#;

    fn open(
        directory: &std::path::Path,
        remote: &Arc<Memory>,
        grant: u64,
    ) -> (Box<dyn FactStore>, Durable) {
        let remote: Arc<dyn Remote> = Arc::clone(remote) as _;
        SharedPlace::new(directory, remote, grant).open().unwrap()
    }

    #[test]
    fn what_must_be_shared_is_there_when_a_write_ends_and_the_rest_within_a_second() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        store.write(&[change("assembly/a", SAFE)]).unwrap();
        assert_eq!(remote.get("assembly/a"), None, "later");
        assert!(remote.has_soon("assembly/a", SAFE));
        store.write(&[change("service/db", "{}")]).unwrap();
        store.write(&[change("assembly/a", UNSAFE)]).unwrap();
        assert_eq!(remote.get("assembly/a").as_deref(), Some(UNSAFE));
        assert_eq!(remote.get("service/db").as_deref(), Some("{}"), "in order");
        assert_eq!(remote.get(GRANT), None);
    }

    #[test]
    fn without_the_shared_store_only_what_must_be_shared_waits() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        store.write(&[change("assembly/a", SAFE)]).unwrap();
        assert!(remote.has_soon("assembly/a", SAFE));
        remote.refuse(Some(Refusal::Away("cut".to_owned())));
        store.write(&[change("service/db", "{}")]).unwrap();
        let error = store.write(&[change("assembly/a", UNSAFE)]).unwrap_err();
        assert!(!ends_process(&error) && error.to_string().contains("cut"));
        // It is tried again as it was, when this host's disk has it already.
        store.write(&[change("assembly/a", UNSAFE)]).unwrap_err();
        store.write(&[change("service/db", "[]")]).unwrap_err();
        remote.refuse(None);
        store.write(&[change("assembly/a", UNSAFE)]).unwrap();
        assert_eq!(remote.get("assembly/a").as_deref(), Some(UNSAFE));
        assert_eq!(remote.get("service/db").as_deref(), Some("[]"));
    }

    #[test]
    fn the_dpe_of_a_former_owner_ends() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        remote.refuse(Some(Refusal::NotOwner));
        let error = store.write(&[change("loaded", "1")]).unwrap_err();
        assert!(ends_process(&error), "{error}");
        let error = store.write(&[change("service/db", "{}")]).unwrap_err();
        assert!(ends_process(&error), "{error}");
    }

    #[test]
    fn what_an_earlier_grant_has_left_is_dropped_and_what_this_one_has_is_sent() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        store.write(&[change("epoch", "5")]).unwrap();
        drop(store);
        assert!(remote.has_soon("epoch", "5"), "also what waited at the end");
        // It was stopped before it could send this.
        remote
            .rows
            .lock()
            .unwrap()
            .insert("epoch".into(), "4".into());
        let (store, durable) = open(directory.path(), &remote, 1);
        assert_eq!(durable.epoch(), 5);
        assert!(remote.has_soon("epoch", "5"));
        drop(store);
        // Another host had it meanwhile.
        remote
            .rows
            .lock()
            .unwrap()
            .insert("epoch".into(), "9".into());
        let (mut store, durable) = open(directory.path(), &remote, 7);
        assert_eq!(durable.epoch(), 9);
        store
            .replace(&BTreeMap::from([("epoch".into(), "10".into())]))
            .unwrap();
        assert!(remote.has_soon("epoch", "10"));
        drop(store);
        assert_eq!(open(directory.path(), &remote, 7).1.epoch(), 10);
    }
}
