//! The way to the store that hosts share: the socket of this host's cpe. Each call is a connection
//! of its own, so that a cpe that was started again is found at once.

use std::io::{Error, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use controller::Change;
use cpe_facts::{Reply, Request, Row, receive, send, socket_in};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use super::packed::{pack, unpack};
use super::shared::{Known, Refusal, Remote};

/// How long a call may take. A DPE that begins waits so long before it renews leases without what
/// other hosts know.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause before a cpe that is not there is asked again.
const PAUSE: Duration = Duration::from_millis(25);

/// See above.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    /// Revision of the grant under which this DPE runs.
    grant: u64,
}

impl Socket {
    /// In the folder of the host's part in its cluster.
    pub(crate) fn new(folder: &Path, grant: u64) -> Socket {
        Socket {
            path: socket_in(folder),
            grant,
        }
    }

    /// Asks until there is an answer. All that is asked may be asked twice.
    fn ask(&self, request: &Request) -> Result<Vec<Reply>, Refusal> {
        let until = Instant::now() + PATIENCE;
        loop {
            let error = match self.exchange(request, until) {
                Ok(replies) => return Ok(replies),
                Err(error) => error,
            };
            // What cannot be said or read now cannot be later.
            if error.kind() == ErrorKind::InvalidData || Instant::now() + PAUSE >= until {
                return Err(away(&format!("{}: {error}", self.path.display())));
            }
            thread::sleep(PAUSE);
        }
    }

    fn exchange(&self, request: &Request, until: Instant) -> std::io::Result<Vec<Reply>> {
        let stream = connect(&self.path, until)?;
        let mut way = Way { stream, until };
        send(&mut way, request)?;
        let mut replies = Vec::new();
        loop {
            let reply: Reply = receive(&mut way)?;
            let more = matches!(reply, Reply::Rows { more: true, .. });
            replies.push(reply);
            if !more {
                return Ok(replies);
            }
        }
    }
}

fn away(why: &str) -> Refusal {
    Refusal::Away(why.to_owned())
}

fn unexpected(reply: Reply) -> Refusal {
    match reply {
        Reply::NotOwner => Refusal::NotOwner,
        Reply::Overtaken { at, writer } => Refusal::Overtaken { at, writer },
        Reply::Away(why) | Reply::Refused(why) => Refusal::Away(why),
        other => away(&format!("cpe answers something else: {other:?}")),
    }
}

impl Remote for Socket {
    fn all(&self) -> Result<Known, Refusal> {
        let mut known = Known::default();
        for reply in self.ask(&Request::Read)? {
            let (rows, at) = match reply {
                Reply::Rows { rows, at, .. } => (rows, at),
                other => return Err(unexpected(other)),
            };
            known.at = at;
            for Row { key, value } in rows {
                let value = unpack(value.unwrap_or_default());
                let value = value.map_err(|error| away(&format!("row {key}: {error}")))?;
                known.rows.insert(key, value);
            }
        }
        Ok(known)
    }

    fn write(&self, after: u64, writer: &str, changes: &[Change]) -> Result<u64, Refusal> {
        let row = |change: &Change| {
            let value = change.value.as_deref().map(pack).transpose()?;
            let key = change.key.clone();
            Ok(Row { key, value })
        };
        let rows: std::io::Result<Vec<Row>> = changes.iter().map(row).collect();
        let request = Request::Write {
            grant: self.grant,
            after,
            writer: writer.to_owned(),
            rows: rows.map_err(|error| away(&error.to_string()))?,
        };
        match self.ask(&request)?.pop() {
            Some(Reply::Written { at }) => Ok(at),
            Some(other) => Err(unexpected(other)),
            None => Err(away("cpe says nothing")),
        }
    }
}

fn left(until: Instant) -> std::io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        false => Ok(left),
        true => Err(Error::new(ErrorKind::TimedOut, "no answer in time")),
    }
}

/// Connects, within that time: who listens may have no place for another one.
fn connect(path: &Path, until: Instant) -> std::io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(left(until)?))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

/// A connection until a time.
struct Way {
    stream: UnixStream,
    until: Instant,
}

impl Read for Way {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.until)?))?;
        self.stream.read(bytes)
    }
}

impl Write for Way {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.until)?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A cpe that says these, one to each call, and does not answer after that.
    fn says(folder: &Path, replies: Vec<Vec<Reply>>) -> thread::JoinHandle<Vec<Request>> {
        let listener = UnixListener::bind(socket_in(folder)).unwrap();
        thread::spawn(move || {
            let mut heard = Vec::new();
            for some in replies {
                let (mut stream, _) = listener.accept().unwrap();
                heard.push(receive(&mut stream).unwrap());
                for reply in some {
                    send(&mut stream, &reply).unwrap();
                }
            }
            heard
        })
    }

    fn row(key: &str, value: &str) -> Row {
        Row {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    fn rows(row: Row, more: bool) -> Reply {
        let rows = vec![row];
        Reply::Rows { rows, more, at: 7 }
    }

    #[test]
    fn rows_are_read_and_written_and_large_ones_too() {
        let folder = tempfile::tempdir().unwrap();
        let document = "<assembly/>".repeat(200_000);
        let packed = pack(&document).unwrap();
        let cpe = says(
            folder.path(),
            vec![
                vec![rows(row("a", "1"), true), rows(row("b", &packed), false)],
                vec![Reply::Written { at: 8 }],
            ],
        );
        let socket = Socket::new(folder.path(), 5);
        let known = socket.all().unwrap();
        assert_eq!((known.at, known.rows.len()), (7, 2));
        assert_eq!(known.rows["b"], document);
        let change = Change {
            key: "b".to_owned(),
            value: Some(document),
        };
        assert_eq!(socket.write(7, "w", &[change]).unwrap(), 8);
        let wrote = Request::Write {
            grant: 5,
            after: 7,
            writer: "w".to_owned(),
            rows: vec![row("b", &packed)],
        };
        assert_eq!(cpe.join().unwrap(), [Request::Read, wrote]);
    }

    #[test]
    fn what_cpe_refuses_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (at, writer) = (9, "other".to_owned());
        let all = [
            (Reply::NotOwner, Refusal::NotOwner),
            (
                Reply::Overtaken {
                    at,
                    writer: writer.clone(),
                },
                Refusal::Overtaken { at, writer },
            ),
            (Reply::Away("etcd".to_owned()), away("etcd")),
            (Reply::Refused("who?".to_owned()), away("who?")),
        ];
        let cpe = says(
            folder.path(),
            all.iter().map(|(said, _)| vec![said.clone()]).collect(),
        );
        let socket = Socket::new(folder.path(), 5);
        for (_, refusal) in all {
            assert_eq!(socket.write(7, "w", &[]).unwrap_err(), refusal);
        }
        cpe.join().unwrap();
    }

    #[test]
    fn a_cpe_that_is_missing_is_waited_for_and_one_that_hangs_not_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let socket = Socket::new(folder.path(), 5);
        let begun = Instant::now();
        let error = socket.all().unwrap_err();
        assert!(error.to_string().contains("store.sock"), "{error}");
        assert!(begun.elapsed() > PATIENCE / 2);
        let path = folder.path().to_owned();
        let cpe = thread::spawn(move || {
            thread::sleep(PATIENCE / 4);
            says(&path, vec![vec![rows(row("a", "1"), false)]]).join()
        });
        socket.all().unwrap();
        cpe.join().unwrap().unwrap();
        std::fs::remove_file(socket_in(folder.path())).unwrap();
        // It listens, and says nothing.
        let _hangs = UnixListener::bind(socket_in(folder.path())).unwrap();
        let begun = Instant::now();
        socket.all().unwrap_err();
        assert!(begun.elapsed() < PATIENCE * 3);
    }
}
