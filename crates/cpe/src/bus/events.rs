//! `org.cloudpolicy.Cpe1.Events`: the event log, to read, to follow and to write.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cpe_bus::fields::Reader;
use cpe_bus::names::{CPE_PATH, check_deployment_name, dpe_unit};
use cpe_bus::{Error, Event, Fields, Result};
use cpe_store::{Filter, Page, Store};
use zbus::message::Header;
use zbus::names::UniqueName;
use zbus::object_server::SignalEmitter;

use super::link::{self, Permit};
use super::{About, Link, failed, stored};
use crate::authorisation::Caller;
use crate::host::Host;
use crate::rights::{Interface, Role, Strangers};

/// Events per reply, at most and by default.
const MOST: u32 = 10_000;
const USUAL: u32 = 1000;
/// Longest text of a filter, in bytes.
const MAX_FILTER: usize = 256;
/// Events that are read at a time to be signalled.
const SIGNALLED_AT_ONCE: u32 = 256;
/// Pause after the events could not be read.
const RETRY: Duration = Duration::from_secs(5);

pub(super) struct EventsObject {
    link: Link,
}

impl EventsObject {
    pub(super) fn new(host: &Arc<Host>) -> EventsObject {
        EventsObject {
            link: Link::new(host, Interface::Events),
        }
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
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(Vec<Fields>, u64)> {
        let look = self.link.look(&header, About::All).await?;
        let (filter, log) = read_filter(&filter)?;
        if !link::sees_something(&look, &look.policy, &look.who) {
            // How many events there are, neither the next cursor nor a refusal must tell.
            return Ok((Vec::new(), after_cursor));
        }
        check_cursor(&*look.core.store, after_cursor, &log)?;
        let limit = if limit == 0 { USUAL } else { limit.min(MOST) };
        if let Some(sender) = header.sender() {
            look.readers.reads(sender, &look.who, &look.policy);
        }
        // How many hidden events there are, the next cursor must not tell.
        let looked_at = match look.policy.looks(&look.who) {
            true => limit,
            false => MOST,
        };
        let page = look
            .core
            .store
            .query(after_cursor, looked_at, filter)
            .await
            .map_err(|error| failed(&error))?;
        let page = shown(page, limit, |event| look.sees(&event.deployment));
        let events = page.events.iter().map(Event::to_fields);
        Ok((events.collect(), page.next))
    }

    #[zbus(out_args("cursor"))]
    async fn record(&self, event: Fields, #[zbus(header)] header: Header<'_>) -> Result<u64> {
        let permit = self.link.permit(&header, About::All).await?;
        let Permit {
            host,
            caller,
            policy,
        } = permit;
        let mut event = Event::from_fields(&event)?;
        if policy.highest_granted(&caller.who) < Some(Role::Admin) {
            speaks_for(&host, &caller, &event.deployment).await?;
        }
        event.cursor = 0;
        if event.time == 0 {
            event.time = cpe_daemon::now();
        }
        stored(host.core.store.record(event)).await
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn log_id(&self) -> zbus::fdo::Result<String> {
        let host = self.link.host();
        let host = host.map_err(|error| zbus::fdo::Error::Failed(error.message()))?;
        Ok(host.core.store.log().to_owned())
    }

    #[zbus(signal)]
    async fn recorded(emitter: &SignalEmitter<'_>, event: Fields) -> zbus::Result<()>;
}

/// What of a page may be seen, at most `limit` events.
fn shown(page: Page, limit: u32, may_see: impl Fn(&Event) -> bool) -> Page {
    let mut events = page.events;
    events.retain(may_see);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_cut = events.len() > limit;
    events.truncate(limit);
    let next = match events.last() {
        Some(last) if is_cut => last.cursor,
        _ => page.next,
    };
    Page { events, next }
}

/// Refuses a recorder that is not the DPE of the deployment that its event is about: all DPEs are
/// of one user, and one of them must not forge the events of another.
async fn speaks_for(host: &Host, caller: &Caller, deployment: &str) -> Result<()> {
    check_deployment_name(deployment)?;
    let known = host.core.registry.get(deployment);
    if known.is_some_and(|known| known.view().pid == caller.pid && caller.pid != 0) {
        return Ok(());
    }
    // It may have started a moment ago.
    let unit = host.systemd.unit(&dpe_unit(deployment)).await;
    let unit = unit.map_err(|error| Error::NotReady(error.to_string()))?;
    if unit.pid == caller.pid && caller.pid != 0 {
        return Ok(());
    }
    Err(Error::AccessDenied(format!(
        "process {} is not the DPE of `{deployment}`: a DPE may record events of its own deployment only",
        caller.pid
    )))
}

/// Refuses a cursor that this log never gave: the reader would wait for events that it has already
/// passed, and miss those in between without a word.
fn check_cursor(store: &dyn Store, cursor: u64, log: &str) -> Result<()> {
    let (current, head) = (store.log(), *store.head().borrow());
    if !log.is_empty() && log != current {
        return Err(Error::OtherLog(format!(
            "the cursor is of event log {log}, this is {current}: the database was lost or restored; read it from its beginning \
             (after cursor 0)"
        )));
    }
    if cursor > head {
        return Err(Error::OtherLog(format!(
            "cursor {cursor} is above the newest event of this log, {head}: the database was lost or restored; read it from its \
             beginning (after cursor 0)"
        )));
    }
    Ok(())
}

/// The filter, and the id of the log that the cursor is of (empty if the caller does not say).
fn read_filter(fields: &Fields) -> Result<(Filter, String)> {
    const KEYS: [&str; 7] = [
        "deployment",
        "assembly",
        "service",
        "kind",
        "since",
        "until",
        "log",
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
    let filter = Filter {
        deployment: reader.text("deployment", MAX_FILTER)?,
        assembly: reader.text("assembly", MAX_FILTER)?,
        service: reader.text("service", MAX_FILTER)?,
        kind: reader.text("kind", MAX_FILTER)?,
        since: reader.optional_u64("since")?,
        until: reader.optional_u64("until")?,
    };
    Ok((filter, reader.text("log", MAX_FILTER)?))
}

/// Sends every recorded event as a signal, in order. What was recorded while there was no bus is
/// sent on the next one.
pub(super) async fn follow(host: Arc<Host>) {
    let core = &host.core;
    let mut head = core.store.head();
    loop {
        let after = core.signalled.load(Ordering::Relaxed);
        let page = core
            .store
            .query(after, SIGNALLED_AT_ONCE, Filter::default())
            .await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::error!("events cannot be read: {error}");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        if page.events.is_empty() {
            core.signalled.store(page.next, Ordering::Relaxed);
            // Marks the head as seen before the next look, so that nothing slips in between.
            if *head.borrow_and_update() > page.next {
                continue;
            }
            if head.changed().await.is_err() {
                return;
            }
        }
        for event in page.events {
            if let Err(error) = signal(&host, &event).await {
                tracing::debug!("event {} could not be sent: {error}", event.cursor);
                return;
            }
            core.signalled.store(event.cursor, Ordering::Relaxed);
        }
    }
}

/// To everybody on the bus or, where strangers see nothing, to each reader who may see it.
async fn signal(host: &Host, event: &Event) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(&host.connection, CPE_PATH)?;
    let policy = host.core.policy();
    if policy.strangers == Strangers::Look {
        return EventsObject::recorded(&emitter, event.to_fields()).await;
    }
    let readers = host.readers.those(&policy, |who| {
        link::sees(host, &policy, who, &event.deployment)
    });
    for reader in readers {
        let reader = UniqueName::try_from(reader)?;
        let emitter = emitter.clone().set_destination(reader.into());
        EventsObject::recorded(&emitter, event.to_fields()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cpe_bus::EventKind;

    use super::*;

    #[test]
    fn the_next_cursor_does_not_count_what_is_hidden() {
        let page = || {
            let event = |cursor: u64, deployment: &str| Event {
                cursor,
                ..Event::new(EventKind::DeploymentCreated, deployment, 1)
            };
            let events = vec![event(3, "shop"), event(4, "wiki"), event(7, "shop")];
            Page { events, next: 9 }
        };
        let next = |limit: u32| {
            let page = shown(page(), limit, |event| event.deployment == "shop");
            let cursors: Vec<u64> = page.events.iter().map(|event| event.cursor).collect();
            (cursors, page.next)
        };
        assert_eq!(next(1), (vec![3], 3));
        assert_eq!(next(2), (vec![3, 7], 9));
        assert_eq!(next(3), (vec![3, 7], 9));
        assert_eq!(shown(page(), 1, |event| event.deployment == "mail").next, 9);
    }
}
