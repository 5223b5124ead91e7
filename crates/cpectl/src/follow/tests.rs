//! The follower against a daemon that is away at the worst moments and forgets signals.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use cpe_bus::{Event, Fields};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use super::*;

/// A private bus that can be restarted on the same address.
struct Bus {
    directory: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Bus {
    fn start() -> Bus {
        let mut bus = Bus {
            directory: tempfile::tempdir().expect("a directory"),
            daemon: None,
        };
        bus.restart();
        bus
    }

    fn restart(&mut self) {
        self.stop();
        let socket = self.directory.path().join("bus");
        let _ = std::fs::remove_file(&socket);
        let daemon = Command::new("dbus-daemon")
            .args([
                "--session",
                "--nofork",
                &format!("--address=unix:path={}", socket.display()),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon (package dbus-daemon or dbus)");
        self.daemon = Some(daemon);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    fn selection(&self) -> BusSelection {
        BusSelection::Address(format!("unix:path={}/bus", self.directory.path().display()))
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A pretended daemon with only an event log.
struct FakeCpe {
    log: Arc<Mutex<BTreeMap<u64, Event>>>,
}

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Events")]
impl FakeCpe {
    async fn query(&self, after_cursor: u64, _limit: u32, _filter: Fields) -> (Vec<Fields>, u64) {
        let log = self.log.lock().unwrap();
        // Small pages, so that following takes many.
        let page: Vec<&Event> = log
            .range(after_cursor + 1..)
            .map(|(_, event)| event)
            .take(3)
            .collect();
        let next = page.last().map_or(after_cursor, |event| event.cursor);
        (page.into_iter().map(Event::to_fields).collect(), next)
    }

    #[zbus(signal)]
    async fn recorded(emitter: &SignalEmitter<'_>, event: Fields) -> zbus::Result<()>;
}

async fn serve(bus: &Bus, log: &Arc<Mutex<BTreeMap<u64, Event>>>) -> Connection {
    bus.selection()
        .builder()
        .serve_at(
            "/org/cloudpolicy/cpe1",
            FakeCpe {
                log: Arc::clone(log),
            },
        )
        .name(CPE_NAME)
        .build()
        .await
        .expect("the pretended daemon")
}

#[tokio::test]
async fn every_event_is_seen_once_and_in_order_whatever_is_lost_or_restarted() {
    let mut bus = Bus::start();
    let log = Arc::new(Mutex::new(BTreeMap::new()));
    let mut cursor = 0u64;
    let mut record = |count: u64| {
        let mut new = Vec::new();
        for _ in 0..count {
            cursor += 1;
            let event = Event {
                id: format!("e{cursor}"),
                cursor,
                kind: "test.event".into(),
                ..Event::default()
            };
            log.lock().unwrap().insert(cursor, event.clone());
            new.push(event);
        }
        new
    };
    record(7);
    let mut daemon = serve(&bus, &log).await;
    let client = Client::connect(&bus.selection())
        .await
        .map_err(|failure| failure.message)
        .expect("the bus");
    let mut follower = Follower::new(&client, Filter::default(), 2)
        .await
        .map_err(|failure| failure.message)
        .expect("a follower");
    drop(client);
    let mut seen = Vec::new();
    let mut expected = 5;
    for round in 0..24u64 {
        match round % 6 {
            // Signals as they should be; twice the same; one left out; none at all.
            0 | 1 => {
                for event in record(3) {
                    for _ in 0..=(round % 6) {
                        let emitter = SignalEmitter::new(&daemon, "/org/cloudpolicy/cpe1").unwrap();
                        FakeCpe::recorded(&emitter, event.to_fields())
                            .await
                            .unwrap();
                    }
                }
                expected += 3;
            }
            2 => {
                for event in record(4).into_iter().skip(2) {
                    let emitter = SignalEmitter::new(&daemon, "/org/cloudpolicy/cpe1").unwrap();
                    FakeCpe::recorded(&emitter, event.to_fields())
                        .await
                        .unwrap();
                }
                expected += 4;
            }
            // The daemon is away while something is recorded.
            3 | 4 => {
                daemon.close().await.unwrap();
                record(5);
                expected += 5;
                daemon = serve(&bus, &log).await;
            }
            // The bus goes, and everything with it.
            _ => {
                bus.restart();
                record(2);
                expected += 2;
                daemon = serve(&bus, &log).await;
            }
        }
        while seen.len() < expected {
            let event = follower.next_within(Duration::from_secs(60)).await;
            seen.push(
                event
                    .unwrap_or_else(|| panic!("round {round}: {} of {expected} events", seen.len()))
                    .cursor,
            );
        }
        assert_eq!(
            follower.next_within(Duration::from_millis(30)).await,
            None,
            "round {round}: one too many"
        );
    }
    assert_eq!(seen, (3..=cursor).collect::<Vec<_>>());
}

#[test]
fn a_filter_fits_as_the_daemon_filters() {
    let filter = Filter {
        deployment: "shop".into(),
        kind: "service.*".into(),
        ..Filter::default()
    };
    let event = |deployment: &str, kind: &str| Event {
        deployment: deployment.into(),
        kind: kind.into(),
        ..Event::default()
    };
    assert!(filter.fits(&event("shop", "service.failed")));
    assert!(!filter.fits(&event("shop", "assembly.lost")));
    assert!(!filter.fits(&event("store", "service.failed")));
    assert_eq!(filter.to_fields().len(), 2);
}
