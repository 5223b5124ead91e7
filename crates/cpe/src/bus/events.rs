//! `org.cloudpolicy.Cpe1.Events`: the event log, to read, to follow and to write.

use std::sync::Arc;

use cpe_bus::fields::Reader;
use cpe_bus::names::CPE_PATH;
use cpe_bus::{Event, Fields, Result};
use zbus::Connection;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;

use super::{Link, StoreFailed};
use crate::authorisation::Right;
use crate::session::Session;
use crate::store::Filter;

/// Events per reply, at most and by default.
const MOST: u32 = 10_000;
const USUAL: u32 = 1000;
/// Longest text of a filter, in bytes.
const MAX_FILTER: usize = 256;

pub(crate) struct EventsObject {
    link: Link,
}

impl EventsObject {
    pub(crate) fn new(session: &Arc<Session>) -> EventsObject {
        EventsObject {
            link: Link::new(session),
        }
    }

    /// Tells everyone who listens.
    pub(crate) async fn signal(connection: &Connection, event: &Event) -> zbus::Result<()> {
        let emitter = SignalEmitter::new(connection, CPE_PATH)?;
        EventsObject::recorded(&emitter, event.to_fields()).await
    }
}

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Events", introspection_docs = false)]
impl EventsObject {
    #[zbus(out_args("events", "next_cursor"))]
    async fn query(
        &self,
        after_cursor: u64,
        limit: u32,
        filter: Fields,
    ) -> Result<(Vec<Fields>, u64)> {
        let session = self.link.session()?;
        let filter = read_filter(&filter)?;
        let limit = if limit == 0 { USUAL } else { limit.min(MOST) };
        let page = session
            .core
            .store
            .run(move |store| store.query(after_cursor, limit, &filter))
            .await
            .map_err(StoreFailed)?;
        Ok((
            page.events.iter().map(Event::to_fields).collect(),
            page.next,
        ))
    }

    #[zbus(out_args("cursor"))]
    async fn record(&self, event: Fields, #[zbus(header)] header: Header<'_>) -> Result<u64> {
        let session = self.link.permit(Right::Record, &header).await?;
        let mut event = Event::from_fields(&event)?;
        event.cursor = 0;
        if event.time == 0 {
            event.time = crate::clock::now();
        }
        Ok(session
            .core
            .store
            .run(move |store| store.record(event))
            .await
            .map_err(StoreFailed)?)
    }

    #[zbus(signal)]
    async fn recorded(emitter: &SignalEmitter<'_>, event: Fields) -> zbus::Result<()>;
}

fn read_filter(fields: &Fields) -> Result<Filter> {
    const KEYS: [&str; 6] = [
        "deployment",
        "assembly",
        "service",
        "kind",
        "since",
        "until",
    ];
    let reader = Reader::new("filter", fields);
    if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
        // Ignored, it would give events that the caller did not ask for.
        return Err(reader.invalid(
            unknown,
            &format!("one of {}", KEYS.join(", ")),
            "an unknown key",
        ));
    }
    Ok(Filter {
        deployment: reader.text("deployment", MAX_FILTER)?,
        assembly: reader.text("assembly", MAX_FILTER)?,
        service: reader.text("service", MAX_FILTER)?,
        kind: reader.text("kind", MAX_FILTER)?,
        since: reader.optional_u64("since")?,
        until: reader.optional_u64("until")?,
    })
}
