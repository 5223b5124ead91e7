//! Events on their way to the CPE's log, in order, as often as it takes. The controller keeps them
//! until they are acknowledged.

use std::time::Duration;

use controller::{Event, Input};
use cpe_bus::Error;
use cpe_bus::proxies::CpeEventsProxy;
use tokio::sync::{mpsc, watch};
use zbus::Connection;
use zbus::proxy::CacheProperties;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Delivers events until the shell ends.
pub(crate) async fn deliver(
    mut events: mpsc::UnboundedReceiver<Event>,
    mut bus: watch::Receiver<Option<Connection>>,
    inputs: mpsc::UnboundedSender<Input>,
) {
    while let Some(event) = events.recv().await {
        let id = event.id.clone();
        let fields = crate::convert::event(event).to_fields();
        let mut pause = SHORTEST_PAUSE;
        loop {
            let Some(connection) = connection(&mut bus).await else {
                return;
            };
            match record(&connection, fields.clone()).await {
                Ok(_) => break,
                Err(error @ (Error::InvalidArgument(_) | Error::TooLarge(_))) => {
                    // It will not get better, and those behind it must not wait for it.
                    tracing::error!("the event log refuses event {id}: {}", error.message());
                    break;
                }
                Err(error) => {
                    tracing::debug!("event {id} waits: {}", error.message());
                    // The end of the connection is the best moment to try the next one.
                    let _ = tokio::time::timeout(pause, bus.changed()).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        if inputs.send(Input::EventRecorded { id }).is_err() {
            return;
        }
    }
}

async fn connection(bus: &mut watch::Receiver<Option<Connection>>) -> Option<Connection> {
    let connection = bus.wait_for(Option::is_some).await.ok()?;
    connection.clone()
}

async fn record(connection: &Connection, fields: cpe_bus::Fields) -> cpe_bus::Result<u64> {
    CpeEventsProxy::builder(connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await?
        .record(fields)
        .await
}
