//! The follower against a daemon that is away at the worst moments and forgets signals.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cpe_bus::names::{CPE_NAME, CPE_PATH};
use cpe_bus::{Event, Fields};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use super::*;
use bus::Bus;

#[path = "../../tests/support/bus.rs"]
mod bus;

/// The log of a daemon, which outlives the daemon.
#[derive(Clone, Default)]
struct Log {
    events: Arc<Mutex<BTreeMap<u64, Event>>>,
    id: Arc<Mutex<String>>,
    /// So many are recorded while the next query is answered.
    meanwhile: Arc<AtomicU64>,
}

impl Log {
    /// Records this number of events.
    fn record(&self, count: u64) -> Vec<Event> {
        let mut log = self.events.lock().unwrap();
        let last = log.keys().next_back().copied().unwrap_or(0);
        let new: Vec<Event> = (last + 1..=last + count)
            .map(|cursor| Event {
                id: format!("e{cursor}"),
                cursor,
                kind: "test.event".into(),
                ..Event::default()
            })
            .collect();
        log.extend(new.iter().map(|event| (event.cursor, event.clone())));
        new
    }
}

/// The object of a fake daemon that has only an event log.
struct FakeEvents(Log);

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Events")]
impl FakeEvents {
    async fn query(
        &self,
        after_cursor: u64,
        _limit: u32,
        filter: Fields,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> cpe_bus::Result<(Vec<Fields>, u64)> {
        let meanwhile = self.0.meanwhile.swap(0, Ordering::SeqCst);
        for event in self.0.record(meanwhile) {
            FakeEvents::recorded(&emitter, event.to_fields()).await?;
        }
        let wanted = cpe_bus::fields::Reader::new("filter", &filter).text("log", 64)?;
        if wanted != self.log_id().await {
            return Err(Error::OtherLog("another log".into()));
        }
        let log = self.0.events.lock().unwrap();
        // Small pages, so that following takes many.
        let page: Vec<&Event> = log
            .range(after_cursor + 1..)
            .map(|(_, event)| event)
            .take(3)
            .collect();
        let next = page.last().map_or(after_cursor, |event| event.cursor);
        Ok((page.into_iter().map(Event::to_fields).collect(), next))
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn log_id(&self) -> String {
        self.0.id.lock().unwrap().clone()
    }

    #[zbus(signal)]
    async fn recorded(emitter: &SignalEmitter<'_>, event: Fields) -> zbus::Result<()>;
}

/// A bus with a fake daemon on it.
struct World {
    bus: Bus,
    log: Log,
    daemon: Connection,
}

impl World {
    async fn new() -> World {
        let (bus, log) = (Bus::start(), Log::default());
        *log.id.lock().unwrap() = "first".to_owned();
        let daemon = World::serve(&bus, &log).await;
        World { bus, log, daemon }
    }

    async fn serve(bus: &Bus, log: &Log) -> Connection {
        bus.selection()
            .builder()
            .serve_at(CPE_PATH, FakeEvents(log.clone()))
            .name(CPE_NAME)
            .build()
            .await
            .expect("the fake daemon")
    }

    async fn announce(&self, event: &Event) {
        let emitter = SignalEmitter::new(&self.daemon, CPE_PATH).unwrap();
        let announced = FakeEvents::recorded(&emitter, event.to_fields()).await;
        announced.unwrap();
    }

    /// Records events while something goes wrong; returns how many.
    async fn disturb(&mut self, round: usize) -> usize {
        match round % 6 {
            0 => {
                let events = self.log.record(3);
                for event in &events {
                    self.announce(event).await;
                }
                events.len()
            }
            // Each signal comes twice.
            1 => {
                let events = self.log.record(3);
                for event in &events {
                    self.announce(event).await;
                    self.announce(event).await;
                }
                events.len()
            }
            // The first two signals are lost.
            2 => {
                let events = self.log.record(4);
                for event in &events[2..] {
                    self.announce(event).await;
                }
                events.len()
            }
            // The daemon is away while something is recorded.
            3 | 4 => {
                self.daemon.clone().close().await.unwrap();
                let events = self.log.record(5);
                self.daemon = World::serve(&self.bus, &self.log).await;
                events.len()
            }
            // The bus goes, and everything with it.
            _ => {
                self.bus.restart();
                let events = self.log.record(2);
                self.daemon = World::serve(&self.bus, &self.log).await;
                events.len()
            }
        }
    }
}

#[tokio::test]
async fn a_log_that_was_lost_is_followed_from_the_beginning_of_the_next() {
    let mut world = World::new().await;
    world.log.record(7);
    let client = Client::connect(&world.bus.selection()).await.unwrap();
    let mut follower = Follower::new(&client, Filter::default(), 0).await.unwrap();
    for cursor in 1..=7 {
        assert_eq!(follower.next().await.cursor, cursor);
    }
    assert!(!follower.was_replaced());
    world.daemon.clone().close().await.unwrap();
    world.log.events.lock().unwrap().clear();
    *world.log.id.lock().unwrap() = "second".to_owned();
    world.log.record(9);
    world.daemon = World::serve(&world.bus, &world.log).await;
    for cursor in 1..=9 {
        assert_eq!(follower.next().await.cursor, cursor);
    }
    assert!(follower.was_replaced());
    assert!(!follower.was_replaced());
}

#[tokio::test]
async fn every_event_is_seen_once_and_in_order_whatever_is_lost_or_restarted() {
    let mut world = World::new().await;
    world.log.record(7);
    let client = Client::connect(&world.bus.selection())
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
    for round in 0..24 {
        expected += world.disturb(round).await;
        while seen.len() < expected {
            let event = follower.next_within(Duration::from_secs(60)).await;
            let missing = || panic!("round {round}: {} of {expected} events", seen.len());
            seen.push(event.unwrap_or_else(missing).cursor);
        }
        assert_eq!(
            follower.next_within(Duration::from_millis(30)).await,
            None,
            "round {round}: one too many"
        );
    }
    let cursors: Vec<u64> = (3..).take(expected).collect();
    assert_eq!(seen, cursors);
}

/// More signals than a connection keeps come before an answer.
#[tokio::test]
async fn many_events_while_the_log_is_asked_do_not_stop_the_answer() {
    let world = World::new().await;
    world.log.record(1);
    world.log.meanwhile.store(500, Ordering::SeqCst);
    let client = Client::connect(&world.bus.selection()).await.unwrap();
    let mut follower = Follower::new(&client, Filter::default(), 0).await.unwrap();
    for cursor in 1..=501 {
        let event = follower.next_within(Duration::from_secs(60)).await;
        assert_eq!(event.map(|event| event.cursor), Some(cursor));
    }
}
