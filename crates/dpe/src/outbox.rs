//! Events on their way to the CPE's log, in order, as often as it takes. The controller keeps them
//! until they are acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use controller::{EVENTS_KEPT, Input};
use cpe_bus::proxies::CpeEventsProxy;
use cpe_bus::{Error, Event, Fields};
use cpe_daemon::Pauses;
use tokio::sync::{mpsc, watch};
use zbus::Connection;
use zbus::proxy::CacheProperties;

/// First pause before an event that the log did not take is brought again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause: how late at most the log gets an event once it is back on a bus that never went
/// away. (When the bus itself comes back, the next attempt is made at once.)
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A log that has not answered by then is asked again: the same event twice is one event.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

/// The loop's end of the outbox. Putting an event in never waits.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<Event>,
    /// To [`deliver`], which takes one at a time.
    delivery: mpsc::Sender<Event>,
    /// Events that the log has not acknowledged.
    unacknowledged: usize,
}

impl Outbox {
    /// An empty outbox, and what is to be given to [`deliver`].
    pub(crate) fn new() -> (Outbox, mpsc::Receiver<Event>) {
        let (delivery, events) = mpsc::channel(1);
        let outbox = Outbox {
            waiting: VecDeque::new(),
            delivery,
            unacknowledged: 0,
        };
        (outbox, events)
    }

    /// Puts an event in, in place of the oldest if there are too many.
    pub(crate) fn push(&mut self, event: Event) {
        if self.waiting.len() >= EVENTS_KEPT
            && let Some(oldest) = self.waiting.pop_front()
        {
            tracing::error!(
                cpe_deployment = oldest.deployment,
                "{EVENTS_KEPT} events wait for the event log; the oldest is lost: {}",
                oldest.id
            );
        } else {
            self.unacknowledged += 1;
        }
        self.waiting.push_back(event);
    }

    /// Passes the next event on when it can be delivered; waits while there is none. May be dropped
    /// and called again.
    pub(crate) async fn pass_on(&mut self) {
        if !self.waiting.is_empty()
            && let Ok(place) = self.delivery.reserve().await
            && let Some(event) = self.waiting.pop_front()
        {
            place.send(event);
            return;
        }
        std::future::pending().await
    }

    /// The log has one more event, or has refused it for good.
    pub(crate) fn acknowledge(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    /// Whether the log has all events.
    pub(crate) fn is_delivered(&self) -> bool {
        self.unacknowledged == 0
    }
}

/// Delivers events until the shell ends.
pub(crate) async fn deliver(
    mut events: mpsc::Receiver<Event>,
    mut bus: watch::Receiver<Option<Connection>>,
    inputs: mpsc::Sender<Input>,
) {
    while let Some(event) = events.recv().await {
        let id = event.id.clone();
        let fields = event.to_fields();
        if bring(&id, &fields, &mut bus).await.is_none() {
            return;
        }
        if inputs.send(Input::EventRecorded { id }).await.is_err() {
            return;
        }
    }
}

/// Brings an event to the log until it takes it, or refuses it for good; `None` when the shell
/// ends.
async fn bring(
    id: &str,
    fields: &Fields,
    bus: &mut watch::Receiver<Option<Connection>>,
) -> Option<()> {
    let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
    loop {
        let connection = connection(bus).await?;
        let recorded = tokio::time::timeout(RECORD_TIMEOUT, record(&connection, fields.clone()));
        let late = |_| Err(Error::NotReady("the event log does not answer".to_owned()));
        match recorded.await.unwrap_or_else(late) {
            Ok(_) => return Some(()),
            Err(error @ (Error::InvalidArgument(_) | Error::TooLarge(_))) => {
                // It will not get better, and those behind it must not wait for it.
                tracing::error!("the event log refuses event {id}: {}", error.message());
                return Some(());
            }
            Err(error) => {
                tracing::debug!("event {id} waits: {}", error.message());
                // The end of the connection is the best moment to try the next one.
                let _ = tokio::time::timeout(pauses.next_pause(), bus.changed()).await;
            }
        }
    }
}

async fn connection(bus: &mut watch::Receiver<Option<Connection>>) -> Option<Connection> {
    let connection = bus.wait_for(Option::is_some).await.ok()?;
    connection.clone()
}

async fn record(connection: &Connection, fields: Fields) -> cpe_bus::Result<u64> {
    CpeEventsProxy::builder(connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await?
        .record(fields)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize) -> Event {
        Event {
            id: number.to_string(),
            deployment: "shop".into(),
            ..Event::default()
        }
    }

    #[tokio::test]
    async fn it_passes_events_on_in_order_and_waits_for_none() {
        let (mut outbox, mut events) = Outbox::new();
        for number in 0..3 {
            outbox.push(event(number));
        }
        assert!(!outbox.is_delivered());
        for number in 0..3 {
            outbox.pass_on().await;
            assert_eq!(events.recv().await.unwrap().id, number.to_string());
            outbox.acknowledge();
        }
        assert!(outbox.is_delivered());
        let more = tokio::time::timeout(Duration::from_millis(10), outbox.pass_on());
        assert!(more.await.is_err(), "it passed on what it does not have");
    }

    #[tokio::test]
    async fn a_full_outbox_drops_the_oldest_and_never_waits() {
        let (mut outbox, mut events) = Outbox::new();
        for number in 0..=EVENTS_KEPT {
            outbox.push(event(number));
        }
        assert_eq!(outbox.unacknowledged, EVENTS_KEPT);
        outbox.pass_on().await;
        assert_eq!(events.recv().await.unwrap().id, "1");
    }
}
