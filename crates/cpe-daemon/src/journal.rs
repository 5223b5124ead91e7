//! Lines of the log as entries of the journal, by its [native protocol].
//!
//! [native protocol]: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use cpe_terminal::escape_text;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::outlet::{Outlet, Sink};

/// Where the journal listens.
pub(crate) const SOCKET: &str = "/run/systemd/journal/socket";
/// Bytes of a field that are written. An entry must fit into a datagram, about 200 KiB.
const LONGEST_FIELD: usize = 48 << 10;

/// Writes the events of this process into the journal.
pub(crate) struct Journal {
    outlet: Outlet,
    identifier: String,
}

impl Journal {
    /// The journal that listens there.
    ///
    /// # Errors
    /// If none does.
    pub(crate) fn open(socket: &Path) -> io::Result<Journal> {
        let program = std::env::args_os().next().map(PathBuf::from);
        let name = program.as_deref().and_then(Path::file_name);
        let identifier = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let way = Way {
            socket: UnixDatagram::unbound()?,
            path: socket.to_owned(),
            identifier: identifier.clone(),
        };
        way.socket.set_nonblocking(true)?;
        // An empty entry is ignored. One that is not taken now will be later.
        match way.socket.send_to(&[], socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        Ok(Journal {
            outlet: Outlet::new(way),
            identifier,
        })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        let mut entry = Entry::new(&self.identifier, about.level());
        entry.put("TARGET", about.target());
        if let (Some(file), Some(line)) = (about.file(), about.line()) {
            entry.put("CODE_FILE", file);
            entry.put("CODE_LINE", &line.to_string());
        }
        event.record(&mut entry);
        self.outlet.put(entry.0);
    }
}

/// The socket of the journal.
struct Way {
    socket: UnixDatagram,
    path: PathBuf,
    identifier: String,
}

impl Sink for Way {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        self.socket
            .send_to(entry, &self.path)
            .map_err(|error| match error.kind() {
                // It is being started again.
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => ErrorKind::WouldBlock.into(),
                _ => error,
            })
    }

    fn missing(&self, lines: u64) -> Vec<u8> {
        let mut entry = Entry::new(&self.identifier, &Level::WARN);
        entry.put(
            "MESSAGE",
            &format!("{lines} lines are missing here: the journal did not take them"),
        );
        entry.0
    }
}

/// An entry of the journal, as it goes over the socket.
struct Entry(Vec<u8>);

impl Entry {
    fn new(identifier: &str, level: &Level) -> Entry {
        let mut entry = Entry(Vec::with_capacity(256));
        let priority = match *level {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "5",
            Level::DEBUG => "6",
            Level::TRACE => "7",
        };
        entry.put("PRIORITY", priority);
        entry.put("SYSLOG_IDENTIFIER", identifier);
        entry
    }

    /// Name, length and value: so a value may have line breaks. What guests say must not drive the
    /// terminal of who reads it: `journalctl -o cat` writes values as they are.
    fn put(&mut self, name: &str, value: &str) {
        let value = escape_text(value);
        let value = &value.as_bytes()[..value.len().min(LONGEST_FIELD)];
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'\n');
        self.0
            .extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(&name(field.name()), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(&name(field.name()), &format!("{value:?}"));
    }
}

/// A field's name as the journal takes it: `cpe_deployment` becomes `CPE_DEPLOYMENT`.
fn name(field: &str) -> String {
    let allowed = field.chars().map(|c| if c == '.' { '_' } else { c });
    let allowed = allowed.filter(|c| c.is_ascii_alphanumeric() || *c == '_');
    let name: String = allowed.map(|c| c.to_ascii_uppercase()).collect();
    name.trim_start_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The fields of an entry.
    fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while let Some(end) = entry.iter().position(|byte| *byte == b'\n') {
            let name = String::from_utf8(entry[..end].to_vec()).unwrap();
            let (length, rest) = entry[end + 1..].split_at(8);
            let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            fields.insert(name, String::from_utf8(rest[..length].to_vec()).unwrap());
            entry = &rest[length + 1..];
        }
        fields
    }

    #[test]
    fn an_event_is_an_entry_with_its_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = UnixDatagram::bind(&path).unwrap();
        let log = tracing_subscriber::registry().with(Journal::open(&path).unwrap());
        tracing::subscriber::with_default(log, || {
            tracing::warn!(cpe_deployment = "shop", "two\n{}", "lines");
        });
        let mut entry = [0; 1024];
        assert_eq!(journal.recv(&mut entry).unwrap(), 0);
        let length = journal.recv(&mut entry).unwrap();
        let fields = fields(&entry[..length]);
        assert_eq!(fields["MESSAGE"], "two\nlines");
        assert_eq!(fields["CPE_DEPLOYMENT"], "shop");
        assert_eq!(fields["PRIORITY"], "4");
        assert!(fields["CODE_FILE"].ends_with("journal.rs"));
    }

    #[test]
    fn what_a_guest_says_drives_no_terminal() {
        let mut entry = Entry::new("cpe", &Level::INFO);
        entry.put("MESSAGE", "start: \u{1b}]0;owned\u{7}\n\u{202e} x");
        entry.put("REASON", "\u{9b}31m");
        let fields = fields(&entry.0);
        assert_eq!(
            fields["MESSAGE"],
            "start: \\u{1b}]0;owned\\u{7}\n\\u{202e} x"
        );
        assert_eq!(fields["REASON"], "\\u{9b}31m");
    }

    #[test]
    fn a_journal_that_reads_nothing_keeps_nobody_waiting_and_gets_everything_later() {
        const LINES: usize = 3000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = UnixDatagram::bind(&path).unwrap();
        let log = tracing_subscriber::registry().with(Journal::open(&path).unwrap());
        tracing::subscriber::with_default(log, || {
            for number in 0..LINES {
                tracing::info!("line {number}");
            }
        });
        // All of them were said, and nobody has read one.
        let mut entry = [0; 1024];
        journal.recv(&mut entry).unwrap();
        for number in 0..LINES {
            let length = journal.recv(&mut entry).unwrap();
            assert_eq!(
                fields(&entry[..length])["MESSAGE"],
                format!("line {number}")
            );
        }
    }

    #[test]
    fn an_entry_fits_into_a_datagram() {
        let mut entry = Entry::new("dpe", &Level::INFO);
        entry.put("MESSAGE", &"x".repeat(1 << 20));
        assert!(entry.0.len() < LONGEST_FIELD + 200);
    }

    #[test]
    fn names_are_those_that_the_journal_takes() {
        assert_eq!(name("log.target"), "LOG_TARGET");
        assert_eq!(name("_priv é"), "PRIV");
    }
}
