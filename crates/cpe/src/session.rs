//! One connection to the bus and everything that hangs on it.
//!
//! When the bus restarts, all that was built on the connection (objects, signal subscriptions, the
//! supervisors) is dropped and made anew on the next one. So there is one way to come up, after a
//! start of the daemon as after a restart of the bus, and it always begins by looking at how things
//! are.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use cpe_bus::names::{
    CPE_NAME, CPE_PATH, DPE_INTERFACE, DPE_PATH, deployment_of_unit, deployment_path,
    unescape_label,
};
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use zbus::fdo::{DBusProxy, RequestNameFlags, RequestNameReply};
use zbus::message::Message;
use zbus::proxy::CacheProperties;
use zbus::{Connection, MessageStream};

use crate::bus::deployment::DeploymentObject;
use crate::bus::events::EventsObject;
use crate::bus::manager::ManagerObject;
use crate::core::Core;
use crate::dpe::Dpes;
use crate::reconciliation;
use crate::registry::Deployment;
use crate::store::{Filter, Row};
use crate::supervisor;
use crate::sync::lock;
use crate::systemd::{self, JobResult, Systemd};

/// Longest wait for a reply of the bus, systemd or a DPE.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// Signals of one kind that may wait to be looked at before the connection stops reading.
const SIGNAL_QUEUE: NonZeroUsize = NonZeroUsize::new(4096).expect("invariant: 4096 is not 0");

pub(crate) struct Session {
    pub core: Arc<Core>,
    pub connection: Connection,
    pub bus: DBusProxy<'static>,
    pub systemd: Systemd,
    /// Bounds how many DPEs are being started at the same time.
    pub starts: Semaphore,
    pub dpes: Dpes,
    tasks: Mutex<JoinSet<()>>,
}

impl Session {
    /// Connects and serves. The bus name is taken last, when every call can be answered.
    pub(crate) async fn open(core: Arc<Core>) -> anyhow::Result<Arc<Session>> {
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
        let systemd = Systemd::new(&connection).await?;
        let dpes = Dpes::new(&connection, &bus);
        let starts = Semaphore::new(core.config.dpe.concurrent_starts);
        let session = Arc::new(Session {
            core,
            connection,
            bus,
            systemd,
            starts,
            dpes,
            tasks: Mutex::default(),
        });
        if let Err(error) = session.serve().await {
            session.close().await;
            return Err(error);
        }
        Ok(session)
    }

    async fn serve(self: &Arc<Session>) -> anyhow::Result<()> {
        self.listen().await.context("cannot listen to the bus")?;
        if let Err(error) = self.systemd.subscribe().await {
            tracing::warn!(
                "systemd does not answer on the {} bus yet ({error}); DPEs are started when it does",
                self.core.bus
            );
        }
        let server = self.connection.object_server();
        server.at(CPE_PATH, ManagerObject::new(self)).await?;
        server.at(CPE_PATH, EventsObject::new(self)).await?;
        for deployment in self.core.registry.all() {
            server
                .at(
                    deployment_path(&deployment.name),
                    DeploymentObject::new(self, &deployment),
                )
                .await?;
        }
        server.at(CPE_PATH, zbus::fdo::ObjectManager).await?;

        let flags = RequestNameFlags::DO_NOT_QUEUE;
        match self
            .connection
            .request_name_with_flags(CPE_NAME, flags)
            .await
        {
            Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => {}
            Ok(_) | Err(zbus::Error::NameTaken) => {
                bail!(
                    "another cpe owns {CPE_NAME} on the {} bus; stop it first",
                    self.core.bus
                )
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("the {} bus does not let this user own {CPE_NAME}; is org.cloudpolicy.conf installed?", self.core.bus)
                });
            }
        }
        for deployment in self.core.registry.all() {
            self.supervise(deployment);
        }
        self.spawn(reconciliation::run(Arc::clone(self)));
        self.spawn(signal_events(Arc::clone(self)));
        Ok(())
    }

    /// Returns when the connection is lost.
    pub(crate) async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Ends everything that hangs on the connection. Disk writes under way are finished.
    pub(crate) async fn close(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
        for deployment in self.core.registry.all() {
            let _ = self
                .connection
                .object_server()
                .remove::<DeploymentObject, _>(deployment_path(&deployment.name))
                .await;
        }
        let _ = self.connection.clone().close().await;
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Takes a stored deployment up: its object on the bus, and its supervisor.
    pub(crate) async fn add(self: &Arc<Session>, row: Row) -> zbus::Result<()> {
        let known = self.core.registry.get(&row.name).is_some();
        let deployment = self.core.registry.put(row);
        if !known {
            let object = DeploymentObject::new(self, &deployment);
            self.connection
                .object_server()
                .at(deployment_path(&deployment.name), object)
                .await?;
            self.supervise(deployment);
        }
        Ok(())
    }

    fn supervise(self: &Arc<Session>, deployment: Arc<Deployment>) {
        self.spawn(supervisor::run(Arc::clone(self), deployment));
    }

    fn wake(&self, deployment: &str) {
        if let Some(deployment) = self.core.registry.get(deployment) {
            deployment.wake.notify_one();
        }
    }

    /// Signals only say where to look: each one has the supervisor concerned look at how things
    /// are.
    async fn listen(self: &Arc<Session>) -> zbus::Result<()> {
        let names = format!(
            "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',\
             arg0namespace='{DPE_INTERFACE}'"
        );
        self.on(&names, |session, message| {
            let (name, old, new): (String, String, String) = message.body().deserialize()?;
            if let Some(deployment) = session.dpes.owner_changed(&name, &old, &new) {
                session.wake(&deployment);
            }
            Ok(())
        })
        .await?;

        let statuses = format!(
            "type='signal',interface='{DPE_INTERFACE}',member='StatusChanged',path='{DPE_PATH}'"
        );
        self.on(&statuses, |session, message| {
            let header = message.header();
            let sender = header.sender();
            if let Some(deployment) = sender.and_then(|name| session.dpes.deployment_of(name)) {
                session.wake(&deployment);
            }
            Ok(())
        })
        .await?;

        let sender = systemd::NAME;
        let units = format!(
            "type='signal',sender='{sender}',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',\
             path_namespace='{}'",
            systemd::UNITS_PATH
        );
        self.on(&units, |session, message| {
            let header = message.header();
            let label = header
                .path()
                .and_then(|path| path.strip_prefix(systemd::UNITS_PATH)?.strip_prefix('/'));
            if let Some(unit) = label.and_then(unescape_label)
                && let Some(deployment) = deployment_of_unit(&unit)
            {
                session.wake(deployment);
            }
            Ok(())
        })
        .await?;

        let jobs = format!(
            "type='signal',sender='{sender}',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"
        );
        self.on(&jobs, |session, message| {
            let (_, job, _, result): (u32, zbus::OwnedObjectPath, String, String) =
                message.body().deserialize()?;
            session
                .systemd
                .job_removed(job.as_str(), JobResult::from_word(&result));
            Ok(())
        })
        .await?;

        let managers = format!(
            "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{sender}'"
        );
        self.on(&managers, |session, message| {
            let (_, _, new): (String, String, String) = message.body().deserialize()?;
            if !new.is_empty() {
                // systemd executed itself anew: it may have forgotten our subscription, and jobs
                // may have ended unheard.
                let again = Arc::clone(session);
                session.spawn(async move {
                    if let Err(error) = again.systemd.subscribe().await {
                        tracing::warn!("cannot subscribe to systemd: {error}");
                    }
                    again.systemd.forget_jobs();
                    for deployment in again.core.registry.all() {
                        deployment.wake.notify_one();
                    }
                });
            }
            Ok(())
        })
        .await
    }

    async fn on(
        self: &Arc<Session>,
        rule: &str,
        mut handle: impl FnMut(&Arc<Session>, &Message) -> zbus::Result<()> + Send + 'static,
    ) -> zbus::Result<()> {
        let mut stream =
            MessageStream::for_match_rule(rule, &self.connection, Some(SIGNAL_QUEUE)).await?;
        let session = Arc::clone(self);
        self.spawn(async move {
            while let Some(message) = stream.next().await {
                if let Err(error) = message.and_then(|message| handle(&session, &message)) {
                    tracing::debug!("a signal could not be read: {error}");
                }
            }
        });
        Ok(())
    }
}

/// Sends every recorded event as a signal, in order. What was recorded while there was no bus is
/// sent on the next one.
async fn signal_events(session: Arc<Session>) {
    const AT_ONCE: u32 = 256;
    let core = Arc::clone(&session.core);
    let mut head = core.store.head();
    loop {
        let after = core.signalled.load(Ordering::Relaxed);
        let page = match core
            .store
            .run(move |store| store.query(after, AT_ONCE, &Filter::default()))
            .await
        {
            Ok(page) => page,
            Err(error) => {
                tracing::error!("events cannot be read: {error}");
                tokio::time::sleep(Duration::from_secs(5)).await;
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
            continue;
        }
        for event in page.events {
            if let Err(error) = EventsObject::signal(&session.connection, &event).await {
                tracing::debug!("event {} could not be sent: {error}", event.cursor);
                return;
            }
            core.signalled.store(event.cursor, Ordering::Relaxed);
        }
    }
}
