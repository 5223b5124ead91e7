//! The objects that this daemon serves. They watch what lies below, and nothing below calls them.
//! Documented in `docs/bus/org.cloudpolicy.Cpe1.*.xml`, against which a test compares them.

use std::sync::Arc;

use cpe_bus::names::CPE_PATH;
use cpe_bus::{Error, Fields, Result};
use cpe_store::Answer;

use crate::host::Host;

mod assume;
mod commands;
mod deployment;
mod events;
mod given;
mod history;
mod host_failure;
mod hosts;
mod link;
mod manager;
mod objects;
mod owner;
mod sinks;

use events::EventsObject;
pub(crate) use given::{Left, carry_on, left as orders_left};
use hosts::HostsObject;
use link::{About, Link};
use manager::ManagerObject;
use objects::Objects;

/// Puts all objects up: from here on orders can be given, also before the name is taken. `_left`:
/// the orders that were under way before, which must have been found by then.
pub(crate) async fn publish(host: &Arc<Host>, _left: &Left) -> zbus::Result<Arc<Objects>> {
    let objects = Arc::new(Objects::default());
    let server = host.connection.object_server();
    let manager = ManagerObject::new(host, &objects);
    server.at(CPE_PATH, manager).await?;
    server.at(CPE_PATH, EventsObject::new(host)).await?;
    server.at(CPE_PATH, HostsObject::new(host)).await?;
    objects.synchronize(host).await?;
    // Last, so that it does not signal each of the others.
    objects.list(host).await?;
    Ok(objects)
}

/// Signals from now on what happens: deployments that come and go, and events.
pub(crate) fn follow(host: &Arc<Host>, objects: Arc<Objects>) {
    host.spawn(Arc::clone(&objects).follow(Arc::clone(host)));
    host.spawn(objects.follow_rights(Arc::clone(host)));
    host.spawn(events::follow(Arc::clone(host)));
}

/// No option is left; one that a caller relies on must not be ignored.
fn no_options(options: &Fields) -> Result<()> {
    match options.keys().next() {
        None => Ok(()),
        Some(key) => Err(Error::InvalidArgument(format!(
            "unknown option `{key}`: this version does not know it"
        ))),
    }
}

/// What the store says; a failure of the disk goes to the log and to the caller.
async fn stored<T>(answer: Answer<'_, T>) -> Result<T> {
    answer.await.map_err(|error| failed(&error))
}

fn failed(error: &cpe_store::Error) -> Error {
    tracing::error!("{error}");
    match error.leaves_nothing_open() {
        true if matches!(error, cpe_store::Error::Unavailable(_)) => {
            Error::NotReady(format!("nothing was changed: {error}"))
        }
        true => Error::Failed(format!("nothing was changed: {error}")),
        false => Error::OutcomeUnknown(error.to_string()),
    }
}

fn not_found(deployment: &str) -> Error {
    Error::NotFound(format!(
        "there is no deployment `{deployment}` on this host"
    ))
}
