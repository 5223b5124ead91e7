//! The socket by which DPEs of this host read and write the facts that hosts share. So etcd has a
//! connection from each host, and not from each DPE.
//!
//! The kernel says who asks: the process at the other end (SO_PEERCRED), whose control group names
//! its unit. A DPE gets the facts of its own deployment, and no others. All DPEs are one user, and
//! this daemon does not even see which (`PrivateUsers=`).
//!
//! One connection is one exchange. What is asked for is carried out beside all others, and writes
//! of several DPEs together; the place of each in the line of its deployment is the store's to
//! keep.

use std::fs::Permissions;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cpe_bus::names::deployment_of_unit;
use cpe_facts::{MOST_BYTES, MOST_CHANGES, Reply, Request, Row, frame, length, read, socket_in};
use cpe_store_etcd::{FactChange, FactRows, FactWrite, Facts, FactsOf, GroupedFacts};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

/// Exchanges at a time. Others wait in the kernel.
const AT_ONCE: usize = 64;
/// Bytes of a message that is small: more than any but that of a document.
const SMALL: usize = 64 << 10;
/// Large messages that are in memory at a time.
const LARGE_AT_ONCE: usize = 8;
/// How long the other end may take to say what it wants, and to take what it is told.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the store may take. The other end has gone before.
const STORE: Duration = Duration::from_secs(2);
/// Pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// Of which deployment the other end is.
type Whose = fn(&UnixStream) -> Result<String>;

/// Serves the socket in this folder, beside everything else.
///
/// # Errors
/// If it cannot be made.
pub(super) async fn serve(settings: &cpe_etcd::Settings, folder: &Path) -> anyhow::Result<()> {
    let facts = GroupedFacts::new(Facts::new(settings).await?);
    let path = socket_in(folder);
    let listener = listen(&path);
    let listener = listener.with_context(|| format!("DPEs cannot use {}", path.display()))?;
    tokio::spawn(accept(listener, facts, whose));
    Ok(())
}

/// Takes the place of the socket of the process before. Everybody may connect, and is asked who it
/// is.
fn listen(path: &Path) -> Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

async fn accept(listener: UnixListener, facts: GroupedFacts, whose: Whose) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let large = Arc::new(Semaphore::new(LARGE_AT_ONCE));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("a DPE cannot be heard: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        let deployment = match whose(&stream) {
            Ok(deployment) => deployment,
            Err(error) => {
                refuse(&stream, &error);
                continue;
            }
        };
        // Nobody closes it.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (facts, large) = (facts.clone(), Arc::clone(&large));
        tokio::spawn(async move {
            if let Err(error) = exchange(stream, &deployment, &facts, &large).await {
                let told = "a DPE has not said, or not heard, everything";
                tracing::debug!(cpe_deployment = deployment, "{told}: {error}");
            }
            drop(place);
        });
    }
}

/// Tells who is not heard why. Nobody waits for it to listen.
fn refuse(stream: &UnixStream, error: &Error) {
    tracing::debug!("facts are not told: {error}");
    if let Ok(bytes) = frame(&Reply::Refused(error.to_string())) {
        let _ = stream.try_write(&bytes);
    }
}

/// The deployment of the process at the other end, if that is one of its DPE's unit.
fn whose(stream: &UnixStream) -> Result<String> {
    // A handle of that process: where there is one, its number is nobody else's meanwhile.
    let process = getsockopt(stream, sockopt::PeerPidfd).ok();
    let pid = stream.peer_cred()?.pid();
    let pid = pid.ok_or_else(|| Error::other("it is not known who asks"))?;
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let own = std::fs::read_to_string("/proc/self/cgroup")?;
    if let Some(process) = process {
        let mut ends = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ends, PollTimeout::ZERO)? > 0 {
            return Err(Error::other("who asks has ended"));
        }
    }
    let deployment = deployment_in(&groups, &own);
    let deployment = deployment.ok_or_else(|| {
        Error::other(format!(
            "process {pid}, which asks, is not of a unit dpe@NAME.service"
        ))
    })?;
    Ok(deployment.to_owned())
}

/// The deployment of a DPE's unit, by `/proc/PID/cgroup`, and by the same of this process: what a
/// user's own manager has started may have any name, and does not count for the host's cpe.
fn deployment_in<'a>(groups: &'a str, own: &str) -> Option<&'a str> {
    let path = |groups: &'a str| groups.lines().find_map(|line| line.strip_prefix("0::"));
    let of_a_user = |groups: &str| groups.contains("/user@");
    if of_a_user(groups) && !of_a_user(own) {
        return None;
    }
    deployment_of_unit(path(groups)?.rsplit('/').next()?)
}

async fn exchange(
    mut stream: UnixStream,
    deployment: &str,
    facts: &GroupedFacts,
    large: &Semaphore,
) -> Result<()> {
    let (request, _place) = timeout(PATIENCE, receive(&mut stream, large)).await??;
    for reply in answer(facts, deployment, request).await {
        timeout(PATIENCE, stream.write_all(&frame(&reply)?)).await??;
    }
    Ok(())
}

/// What the other end wants. No memory is taken for what is too long; for what is long, as much as
/// arrives, and not by many at a time.
async fn receive<'a>(
    stream: &mut UnixStream,
    large: &'a Semaphore,
) -> Result<(Request, Option<SemaphorePermit<'a>>)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let long = length(head)?;
    let place = match long > SMALL {
        true => large.acquire().await.ok(),
        false => None,
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(long).unwrap_or(u64::MAX);
    stream.take(most).read_to_end(&mut bytes).await?;
    match bytes.len() == long {
        true => Ok((read(&bytes)?, place)),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

async fn answer(facts: &GroupedFacts, deployment: &str, request: Request) -> Vec<Reply> {
    match request {
        Request::Read => match timeout(STORE, facts.all(deployment)).await {
            Ok(Ok(all)) => pages(all),
            Ok(Err(error)) => vec![refusal(&error)],
            Err(_) => vec![away()],
        },
        Request::Write {
            grant,
            after,
            writer,
            rows,
        } => {
            let changes = match changes(rows) {
                Ok(changes) => changes,
                Err(why) => return vec![Reply::Refused(why)],
            };
            let write = FactsOf {
                deployment: deployment.to_owned(),
                owner: grant,
                after,
                writer,
                changes,
            };
            vec![match timeout(STORE, facts.write(write)).await {
                Ok(Ok(FactWrite::Done(at))) => Reply::Written { at },
                Ok(Ok(FactWrite::NotOwner)) => Reply::NotOwner,
                Ok(Ok(FactWrite::Overtaken { at, writer })) => Reply::Overtaken { at, writer },
                Ok(Err(error)) => refusal(&error),
                Err(_) => away(),
            }]
        }
    }
}

fn away() -> Reply {
    Reply::Away(format!("it has not answered for {} s", STORE.as_secs()))
}

fn refusal(error: &cpe_store::Error) -> Reply {
    match error {
        cpe_store::Error::Refused(why) => Reply::Refused(why.clone()),
        other => Reply::Away(other.to_string()),
    }
}

fn changes(rows: Vec<Row>) -> std::result::Result<Vec<FactChange>, String> {
    let count = rows.len();
    if count > MOST_CHANGES {
        return Err(format!(
            "{count} rows are too many at once: {MOST_CHANGES} are allowed"
        ));
    }
    let strange = rows
        .iter()
        .find(|row| !row.key.starts_with(char::is_alphanumeric));
    if let Some(row) = strange {
        return Err(format!("“{}” is no key of a fact", row.key));
    }
    let change = |Row { key, value }| FactChange { key, value };
    Ok(rows.into_iter().map(change).collect())
}

/// All rows, in messages that are short enough.
fn pages(all: FactRows) -> Vec<Reply> {
    let at = all.at;
    let (mut pages, mut page, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (key, value) in all.rows {
        let size = key.len() + value.len();
        if bytes + size > MOST_BYTES && !page.is_empty() {
            let rows = std::mem::take(&mut page);
            let more = true;
            pages.push(Reply::Rows { rows, more, at });
            bytes = 0;
        }
        bytes += size;
        let value = Some(value);
        page.push(Row { key, value });
    }
    pages.push(Reply::Rows {
        rows: page,
        more: false,
        at,
    });
    pages
}

#[cfg(test)]
mod tests {
    use cpe_facts::LONGEST;
    use etcd_lab::{Lab, Rights};
    use membership::{OWN, READ, WRITE};

    use super::*;

    /// The test is a DPE of this deployment.
    fn shop(_: &UnixStream) -> Result<String> {
        Ok("shop".to_owned())
    }

    async fn ask(path: &Path, request: &Request) -> Vec<Reply> {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(&frame(request).unwrap()).await.unwrap();
        hear(&mut stream).await
    }

    async fn hear(stream: &mut UnixStream) -> Vec<Reply> {
        let mut replies = Vec::new();
        loop {
            let mut head = [0; 4];
            if stream.read_exact(&mut head).await.is_err() {
                return replies;
            }
            let mut bytes = vec![0; length(head).unwrap()];
            stream.read_exact(&mut bytes).await.unwrap();
            replies.push(read(&bytes).unwrap());
        }
    }

    fn row(key: &str, value: &str) -> Row {
        Row {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    fn write(grant: u64, after: u64, rows: Vec<Row>) -> Request {
        let writer = "test".to_owned();
        Request::Write {
            grant,
            after,
            writer,
            rows,
        }
    }

    #[test]
    fn a_deployment_is_known_by_the_unit_of_its_dpe() {
        let unit = "0::/system.slice/system-dpe.slice/dpe@shop.service\n";
        let own = "0::/system.slice/cpe.service\n";
        assert_eq!(deployment_in(unit, own), Some("shop"));
        let user = "0::/user.slice/user@7.service/app.slice/dpe@a-1.service\n";
        assert_eq!(
            deployment_in(user, own),
            None,
            "any user may call a unit so"
        );
        let of_user = "0::/user.slice/user@7.service/app.slice/cpe.service\n";
        assert_eq!(deployment_in(user, of_user), Some("a-1"));
        for other in [
            own,
            "0::/system.slice/dpe@shop.service/inner\n",
            "0::/system.slice/dpe@NO.service\n",
            "",
        ] {
            assert_eq!(deployment_in(other, own), None, "{other}");
        }
    }

    #[tokio::test]
    async fn who_is_of_no_dpe_s_unit_is_told_so_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = socket_in(folder.path());
        let listener = listen(&path).unwrap();
        let stream = UnixStream::connect(&path).await.unwrap();
        let (served, _) = listener.accept().await.unwrap();
        let error = whose(&served).unwrap_err();
        assert!(error.to_string().contains("dpe@NAME.service"), "{error}");
        refuse(&served, &error);
        drop(served);
        let mut stream = stream;
        let told = hear(&mut stream).await;
        assert_eq!(told, [Reply::Refused(error.to_string())]);
        // The next process takes its place.
        drop(listener);
        listen(&path).unwrap();
    }

    #[test]
    fn rows_are_told_in_messages_that_are_short_enough() {
        let rows: Vec<_> = (0..40)
            .map(|n| (format!("n/{n}"), "\"".repeat(SMALL)))
            .collect();
        let all = pages(FactRows {
            rows: rows.clone(),
            at: 7,
        });
        let mut told = Vec::new();
        for (number, reply) in all.iter().enumerate() {
            assert!(frame(reply).unwrap().len() < LONGEST);
            let Reply::Rows { rows, more, at } = reply else {
                panic!("{reply:?}");
            };
            assert_eq!((*more, *at), (number + 1 < all.len(), 7));
            told.extend(rows.iter().cloned());
        }
        assert!(all.len() > 2);
        assert_eq!(told.len(), rows.len());
        assert_eq!(
            pages(FactRows {
                rows: vec![],
                at: 0
            })
            .len(),
            1
        );
    }

    #[test]
    fn keys_that_are_not_facts_are_refused() {
        assert!(changes(vec![row(".writer", "1")]).is_err());
        assert!(changes(vec![row("", "1")]).is_err());
        let many: Vec<_> = (0..=MOST_CHANGES).map(|_| row("a", "1")).collect();
        assert!(changes(many).unwrap_err().contains("too many"));
    }

    #[tokio::test]
    async fn a_dpe_reads_and_writes_facts_of_its_own_deployment_in_a_line() {
        let rights = Rights {
            read: READ,
            write: WRITE,
            own: OWN,
        };
        let lab = Lab::start(1, &["a"], rights).await.unwrap();
        let client = lab.client("a").await.unwrap();
        let own = async |name: &str| {
            let key = cluster_keys::owner(name);
            let put = cpe_etcd::Operation::Put(key, b"{}".to_vec(), None);
            let txn = cpe_etcd::Txn {
                then: vec![put],
                ..cpe_etcd::Txn::default()
            };
            client.txn(txn).await.unwrap().revision
        };
        let (grant, _) = (own("shop").await, own("other").await);
        let folder = tempfile::tempdir().unwrap();
        let path = socket_in(folder.path());
        let facts = Facts::new(&lab.settings("a").unwrap()).await.unwrap();
        let facts = GroupedFacts::new(facts);
        let served = facts.clone();
        let listener = listen(&path).unwrap();
        let serving = tokio::spawn(accept(listener, served, shop));

        let none = Reply::Rows {
            rows: vec![],
            more: false,
            at: 0,
        };
        assert_eq!(ask(&path, &Request::Read).await, [none]);
        let first = vec![
            row("assembly/a", "1"),
            row("loaded", &"x".repeat(SMALL * 4)),
        ];
        let written = ask(&path, &write(grant, 0, first.clone())).await;
        let [Reply::Written { at }] = written[..] else {
            panic!("{written:?}");
        };
        let all = Reply::Rows {
            rows: first,
            more: false,
            at,
        };
        assert_eq!(ask(&path, &Request::Read).await, [all]);
        // Once more, and under another grant.
        let overtaken = Reply::Overtaken {
            at,
            writer: "test".to_owned(),
        };
        assert_eq!(ask(&path, &write(grant, 0, vec![])).await, [overtaken]);
        let foreign = write(grant + 1, at, vec![]);
        assert_eq!(ask(&path, &foreign).await, [Reply::NotOwner]);
        assert_eq!(facts.all("other").await.unwrap().rows, []);
        // Who says nothing is not waited for by others.
        let silent = UnixStream::connect(&path).await.unwrap();
        assert_eq!(ask(&path, &Request::Read).await.len(), 1);
        drop(silent);
        serving.abort();
    }
}
