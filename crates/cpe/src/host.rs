//! What every part of the daemon works with, on one connection to the bus: the bus itself, systemd,
//! the DPEs, and what the process keeps over all connections.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::proxy::CacheProperties;

use crate::authorisation::{Assumed, Identities};
use crate::core::Core;
use crate::dpe::Dpes;
use crate::places::Places;
use crate::readers::Readers;
use crate::rooms::Rooms;
use crate::sync::{Pace, lock};
use crate::systemd::Systemd;
use crate::visitors::Visitors;

/// Longest wait for a reply of the bus, systemd or a DPE.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two further attempts to start a DPE, of all deployments together. A deployment on
/// its own does not notice. If none of a thousand can start (no memory, a broken program), the host
/// is not kept busy with that.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

pub(crate) struct Host {
    pub core: Arc<Core>,
    pub connection: Connection,
    pub bus: DBusProxy<'static>,
    pub systemd: Arc<Systemd>,
    pub dpes: Dpes,
    /// Bounds how many DPEs are being started simultaneously.
    pub starts: Semaphore,
    /// Spreads further attempts to start DPEs that do not stay.
    pub retries: Pace,
    pub visitors: Visitors,
    pub identities: Identities,
    pub assumed: Assumed,
    pub readers: Readers,
    pub rooms: Rooms,
    /// At the last look, no DPE ran with guests that no stored deployment has.
    pub nothing_left_out: AtomicBool,
    /// Bounds how many orders with an id are under way.
    pub orders: Places,
    /// What ends with the connection; `None`: it has ended. Their number is bounded by
    /// `limits.deployments` and by [`Places`]: two for each deployment, one for each order under
    /// way, and a handful besides.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Host {
    /// Connects. Nothing is served, and nothing is listened to, yet.
    pub(crate) async fn connect(core: Arc<Core>) -> anyhow::Result<Arc<Host>> {
        let connection = core
            .bus
            .builder()
            .method_timeout(REPLY_TIMEOUT)
            .build()
            .await
            .with_context(|| {
                format!(
                    "cannot connect to the {} bus; is it running, and may this user use it?",
                    core.bus
                )
            })?;
        let bus = DBusProxy::builder(&connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        Ok(Arc::new(Host {
            systemd: Arc::new(Systemd::new(&connection).await?),
            dpes: Dpes::new(&connection, &bus),
            starts: Semaphore::new(core.config.dpe.concurrent_starts),
            retries: Pace::new(RETRY_INTERVAL),
            visitors: Visitors::default(),
            identities: Identities::default(),
            assumed: Assumed::default(),
            readers: Readers::default(),
            rooms: Rooms::default(),
            nothing_left_out: AtomicBool::new(false),
            orders: Places::default(),
            tasks: Mutex::new(Some(JoinSet::new())),
            core,
            connection,
            bus,
        }))
    }

    /// Runs a task until it is done or the connection ends. `None`: it has ended, and the task is
    /// not begun.
    pub(crate) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortHandle> {
        let mut tasks = lock(&self.tasks);
        let tasks = tasks.as_mut()?;
        while tasks.try_join_next().is_some() {}
        Some(tasks.spawn(task))
    }

    /// Has the deployment's supervisor look at how things are.
    pub(crate) fn wake(&self, deployment: &str) {
        if let Some(deployment) = self.core.registry.get(deployment) {
            deployment.wake();
        }
    }

    /// Returns when the connection is lost.
    pub(crate) async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Ends all tasks and the connection. Disk writes under way are finished.
    pub(crate) async fn close(&self) {
        let tasks = lock(&self.tasks).take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
        let _ = self.connection.clone().close().await;
    }
}
