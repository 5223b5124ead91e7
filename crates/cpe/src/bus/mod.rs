//! The objects that this daemon serves. Documented in `docs/bus/cpe1.*.xml`, against which a test
//! compares them.

use std::sync::{Arc, Weak};

use cpe_bus::{Error, Fields, Result};
use zbus::message::Header;

use crate::authorisation::{self, Right};
use crate::session::Session;

pub(crate) mod deployment;
pub(crate) mod events;
pub(crate) mod manager;

/// Objects hang on the connection that the session holds, so they may not hold the session in turn.
#[derive(Clone)]
struct Link(Weak<Session>);

impl Link {
    fn new(session: &Arc<Session>) -> Link {
        Link(Arc::downgrade(session))
    }

    fn session(&self) -> Result<Arc<Session>> {
        self.0.upgrade().ok_or_else(|| {
            Error::NotReady("the daemon is losing its connection to the bus; try again".into())
        })
    }

    /// The session, if the caller may do it.
    async fn permit(&self, right: Right, header: &Header<'_>) -> Result<Arc<Session>> {
        let session = self.session()?;
        authorisation::require(right, &session.core.config.access, &session.bus, header).await?;
        Ok(session)
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

impl From<crate::store::Error> for StoreFailed {
    fn from(error: crate::store::Error) -> Self {
        StoreFailed(error)
    }
}

/// A failure of the disk on its way to a caller.
struct StoreFailed(crate::store::Error);

impl From<StoreFailed> for Error {
    fn from(failed: StoreFailed) -> Self {
        tracing::error!("{}", failed.0);
        Error::Failed(format!("nothing was changed: {}", failed.0))
    }
}
