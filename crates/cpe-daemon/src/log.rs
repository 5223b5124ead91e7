//! Where a daemon's log goes.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use cpe_terminal::escape_text;
use rustix::fs::OFlags;
use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::Layer;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::journal::{self, Journal};
use crate::outlet::{Outlet, Sink};

/// Sets the process' logger up: the journal with structured fields when systemd started us, else
/// standard error. Nobody waits for either.
///
/// The environment variable `CPE_LOG` filters (`debug`, or `dpe=debug,zbus=warn`), by default from
/// info on.
pub fn start_log() {
    let wanted = std::env::var("CPE_LOG").ok();
    let parsed = wanted.as_deref().map(str::parse::<Targets>);
    let (filter, mistake) = match parsed {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (default_filter(), Some(error)),
        None => (default_filter(), None),
    };
    let registry = tracing_subscriber::registry();
    if std::env::var_os("JOURNAL_STREAM").is_some()
        && let Ok(journal) = Journal::open(Path::new(journal::SOCKET))
    {
        registry.with(journal.with_filter(filter)).init();
    } else {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let outlet = Outlet::new(StandardError::open());
        let plain = plain(move || Line::new(outlet.clone()), terminal);
        registry.with(plain.with_filter(filter)).init();
    }
    if let Some(mistake) = mistake {
        tracing::warn!(
            "CPE_LOG is ignored ({mistake}); expected a level or TARGET=LEVEL,…, such as dpe=debug,zbus=warn"
        );
    }
}

/// Lines of text. What guests say in them drives no terminal.
fn plain<S, W>(writer: W, is_terminal: bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        let value = format!("{value:?}");
        let value = escape_text(&value);
        match field.name() {
            "message" => write!(writer, "{value}"),
            name => write!(writer, "{name}={value}"),
        }
    };
    tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_target(false)
        .with_ansi(is_terminal)
        .fmt_fields(debug_fn(field).delimited(" "))
}

fn default_filter() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("zbus", LevelFilter::WARN)
}

/// A line under construction; it goes out as a whole.
struct Line {
    text: Vec<u8>,
    outlet: Outlet,
}

impl Line {
    fn new(outlet: Outlet) -> Line {
        Line {
            text: Vec::new(),
            outlet,
        }
    }
}

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.outlet.put(std::mem::take(&mut self.text));
    }
}

/// Standard error. A pipe or a terminal is opened once more, since others who write to it want to
/// wait. A file keeps nobody waiting; a socket may, and cannot be opened once more: it is what is
/// left where the journal could not be opened.
enum StandardError {
    Own(File),
    Shared,
}

impl StandardError {
    fn open() -> StandardError {
        let path = "/proc/self/fd/2";
        let kind = std::fs::metadata(path).map(|file| file.file_type());
        if !kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device()) {
            return StandardError::Shared;
        }
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(flags)
            .open(path);
        opened.map_or(StandardError::Shared, StandardError::Own)
    }
}

impl Sink for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            StandardError::Own(file) => file.write(line),
            StandardError::Shared => io::stderr().write(line),
        }
    }

    fn missing(&self, lines: u64) -> Vec<u8> {
        format!(" WARN {lines} lines are missing here: nobody took them\n").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_text_drive_no_terminal() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::registry().with(plain(move || writer.clone(), false));
        tracing::subscriber::with_default(log, || {
            let reason = "\u{1b}[31mred\u{7}\u{202e}";
            tracing::info!(unit = "a.service", reason, "start: {reason}");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        assert!(
            text.contains(r"start: \u{1b}[31mred\u{7}\u{202e} unit="),
            "{text:?}"
        );
    }
}
