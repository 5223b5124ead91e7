//! The objects that this daemon serves. They watch what lies below, and nothing below calls them.
//! Documented in `docs/bus/org.cloudpolicy.Cpe1.*.xml`, against which a test compares them.

use std::ops::Deref;
use std::sync::{Arc, Weak};

use cpe_bus::names::CPE_PATH;
use cpe_bus::{Error, Fields, Result};
use zbus::message::Header;

use crate::authorisation::{self, Caller, Right};
use crate::host::Host;
use crate::store::{self, Store};
use crate::visitors::Visit;

mod deployment;
mod events;
mod history;
mod host_failure;
mod manager;
mod objects;
mod orders;

use events::EventsObject;
use manager::ManagerObject;
use objects::Objects;

/// Puts all objects up.
pub(crate) async fn publish(host: &Arc<Host>) -> zbus::Result<Arc<Objects>> {
    let objects = Arc::new(Objects::default());
    let server = host.connection.object_server();
    let manager = ManagerObject::new(host, &objects);
    server.at(CPE_PATH, manager).await?;
    server.at(CPE_PATH, EventsObject::new(host)).await?;
    objects.synchronize(host).await?;
    // Last, so that it does not signal each of the others.
    server.at(CPE_PATH, zbus::fdo::ObjectManager).await?;
    Ok(objects)
}

/// Signals from now on what happens: deployments that come and go, and events.
pub(crate) fn follow(host: &Arc<Host>, objects: Arc<Objects>) {
    host.spawn(objects.follow(Arc::clone(host)));
    host.spawn(events::follow(Arc::clone(host)));
}

/// Objects hang on the connection that the host holds, so they may not hold the host in turn.
struct Link(Weak<Host>);

impl Link {
    fn new(host: &Arc<Host>) -> Link {
        Link(Arc::downgrade(host))
    }

    fn host(&self) -> Result<Arc<Host>> {
        self.0.upgrade().ok_or_else(|| {
            Error::NotReady("the daemon is losing its connection to the bus; try again".into())
        })
    }

    /// The host, for a call that everybody may make: of a bounded size, and a bounded number at a
    /// time. Who exceeds that is refused at once, so that nothing waits in memory.
    fn look(&self, header: &Header<'_>) -> Result<Look> {
        let size = header.primary().body_len();
        if size > LARGEST_LOOK {
            return Err(Error::TooLarge(format!(
                "the call has {size} bytes, at most {LARGEST_LOOK} are taken"
            )));
        }
        let host = self.host()?;
        let sender = header.sender().map_or("", |sender| sender.as_str());
        let visit = host.visitors.enter(sender).ok_or_else(|| {
            Error::Busy("too many calls of this kind are under way; wait for replies".into())
        })?;
        Ok(Look {
            host,
            _visit: visit,
        })
    }

    /// The host, if the caller has the right.
    async fn permit(&self, right: Right, header: &Header<'_>) -> Result<Arc<Host>> {
        Ok(self.permit_caller(right, header).await?.0)
    }

    /// The host, if the caller has the right, and who it is.
    async fn permit_caller(
        &self,
        right: Right,
        header: &Header<'_>,
    ) -> Result<(Arc<Host>, Caller)> {
        let host = self.host()?;
        let access = &host.core.config.access;
        let caller = authorisation::require(right, access, &host.bus, header).await?;
        Ok((host, caller))
    }
}

/// Largest call of those that everybody may make, in bytes: a filter of events.
const LARGEST_LOOK: u32 = 64 << 10;

/// The host, for as long as somebody looks.
struct Look {
    host: Arc<Host>,
    _visit: Visit,
}

impl Deref for Look {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

/// No options exist yet; one that a caller relies on must not be ignored.
fn no_options(options: &Fields) -> Result<()> {
    match options.keys().next() {
        None => Ok(()),
        Some(key) => Err(Error::InvalidArgument(format!(
            "unknown option `{key}`: this version has none"
        ))),
    }
}

/// Has the store do something; a failure of the disk goes to the log and to the caller.
async fn store<T: Send + 'static>(
    host: &Host,
    work: impl FnOnce(&mut Store) -> store::Result<T> + Send + 'static,
) -> Result<T> {
    let result = host.core.store.run(work).await;
    result.map_err(|error| failed(&error))
}

fn failed(error: &store::Error) -> Error {
    tracing::error!("{error}");
    Error::Failed(format!("nothing was changed: {error}"))
}

fn not_found(deployment: &str) -> Error {
    Error::NotFound(format!(
        "there is no deployment `{deployment}` on this host"
    ))
}
