//! What every part of the daemon shares, for as long as the process lives.

use std::sync::atomic::AtomicU64;

use cpe_bus::BusSelection;
use tokio::sync::Mutex;

use crate::config::Config;
use crate::documents::Reader;
use crate::registry::Registry;
use crate::store::{Handle, KeptAside, Store};

/// MESSAGE_ID of the line that tells of a database that was kept aside.
const DATABASE_KEPT_ASIDE: &str = "5c6f0d1f2b9d4c0fb6a3c1a7c7a4e0d9";

pub(crate) struct Core {
    pub config: Config,
    pub bus: BusSelection,
    pub store: Handle,
    pub registry: Registry,
    pub documents: Reader,
    /// Held while a deployment is changed, so that store and registry change in the same order.
    pub changes: Mutex<()>,
    /// Cursor of the last event that was sent as a signal.
    pub signalled: AtomicU64,
}

impl Core {
    /// Opens the state directory and takes up what is stored there.
    pub(crate) fn open(
        config: Config,
        bus: BusSelection,
        directory: &std::path::Path,
    ) -> anyhow::Result<Core> {
        let (store, kept_aside) = Store::open(directory)?;
        if let Some(kept_aside) = &kept_aside {
            report(kept_aside);
        }
        let rows = store.deployments()?;
        let documents = Reader::new(config.limits.document);
        let store = Handle::new(store);
        let signalled = AtomicU64::new(*store.head().borrow());
        let registry = Registry::default();
        for row in rows {
            registry.put(row);
        }
        Ok(Core {
            config,
            bus,
            store,
            registry,
            documents,
            changes: Mutex::new(()),
            signalled,
        })
    }
}

/// Says loudly that the database is another one now.
pub(crate) fn report(kept_aside: &KeptAside) {
    tracing::error!(
        message_id = DATABASE_KEPT_ASIDE,
        path = %kept_aside.path.display(),
        reason = kept_aside.reason,
        "the database is corrupt ({}); it is kept as {}, and an empty one is used. Running DPEs hold copies of \
         their documents and are taken over, none is stopped; the event log starts empty. To go back to a backup: stop cpe, \
         put the backup in place, start cpe",
        kept_aside.reason,
        kept_aside.path.display()
    );
}
