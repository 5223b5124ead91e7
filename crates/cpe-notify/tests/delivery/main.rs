//! Sinks on real servers and real programs; only the event log is faked ([`fake_log::FakeLog`]).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod exec;
mod fake_log;
mod http;
mod server;
mod tls;

use std::path::Path;
use std::time::Duration;

use cpe_bus::{Event, EventKind};
use cpe_notify::config::Places;
use cpe_notify::deliver::Confinement;
use cpe_notify::retry::Patience;
use cpe_notify::sinks::Sinks;
use cpe_notify::store::{Handle, Store};
use cpe_status::SinkStatus;
use tempfile::TempDir;

use fake_log::FakeLog;

/// Patience with the machine, not a measure of speed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sinks with a folder of their own, which outlives them.
struct Daemon {
    folder: TempDir,
    log: FakeLog,
}

impl Daemon {
    fn new() -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sinks")).unwrap();
        Daemon {
            folder,
            log: FakeLog::default(),
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("sinks").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Starts with what is on disk.
    fn start(&self) -> Sinks<FakeLog> {
        let sinks = self.loaded_later();
        assert_eq!(sinks.load().1, 0, "a file is refused");
        sinks
    }

    fn loaded_later(&self) -> Sinks<FakeLog> {
        let store = Store::open(&self.folder.path().join("state")).unwrap();
        let places = Places {
            folder: self.folder.path().join("sinks"),
            credentials: None,
        };
        let (confinement, log) = (Confinement::ProcessGroup, self.log.clone());
        let quick = Patience {
            first: Duration::from_millis(20),
            longest: Duration::from_millis(200),
        };
        Sinks::new(places, confinement, log, Handle::new(store)).with_patience(quick)
    }

    /// Ends as a killed process does, and gives the database back.
    async fn end(&self, sinks: Sinks<FakeLog>) {
        drop(sinks);
        let state = self.folder.path().join("state");
        until("the database is free", async || Store::open(&state).is_ok()).await;
    }
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "not in time: {what}");
}

async fn status(sinks: &Sinks<FakeLog>, name: &str) -> SinkStatus {
    let list = sinks.list().await.unwrap();
    let found = list.sinks.into_iter().find(|sink| sink.name == name);
    found.unwrap()
}

fn event(kind: EventKind) -> Event {
    let mut event = Event::new(kind, "shop", 1_700_000_000_123_456);
    event.assembly = "web1".into();
    event.service = "db".into();
    event.reason = "it returned 1".into();
    event
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn a_sink_whose_file_changes_begins_again_and_the_others_go_on() {
    let daemon = Daemon::new();
    let out = daemon.folder.path().join("out");
    let command = |name: &str| {
        format!(
            "type = \"exec\"\nafter = 0\ncommand = [\"/bin/sh\", \"-c\", \"echo {name} $CRM_alert_rsc >> {}\"]\n",
            out.display()
        )
    };
    daemon.write("a.toml", &command("a"));
    daemon.write("b.toml", "type = \"exec\"\n");
    let sinks = daemon.loaded_later();
    assert_eq!(sinks.load(), (1, 1));
    daemon.log.record(event(EventKind::ServiceFailed));
    until("it arrived", async || text(&out) == "a db\n").await;
    let list = sinks.list().await.unwrap();
    assert!(list.refused[0].reason.contains("`command` is missing"));
    let refused = sinks.dead("b").await.unwrap_err().message();
    assert!(refused.contains("b.toml:1:8"), "{refused}");

    daemon.write("b.toml", &command("b"));
    assert_eq!(sinks.load(), (2, 0));
    until("the new one is told, too", async || {
        text(&out) == "a db\nb db\n"
    })
    .await;
    std::fs::remove_file(daemon.path("a.toml")).unwrap();
    assert_eq!(sinks.load(), (1, 0));
    daemon.log.record(event(EventKind::ServiceRecovered));
    until("only b is told", async || {
        text(&out) == "a db\nb db\nb db\n"
    })
    .await;
    let gone = sinks.redeliver("a", "").await.unwrap_err().message();
    assert_eq!(gone, "there is no sink a; there are: b");
}
