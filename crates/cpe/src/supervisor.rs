//! One deployment's unit and DPE: brings what is to what is wanted.
//!
//! ```text
//!            unit inactive or failed ── start, with backoff ──┐
//!                                                             ▼
//!  Starting ── unit active, bus name there ──▶ Loading ── generation taken ──▶ Active / Degraded / Failed (as the DPE says)
//!     ▲                                           ▲                                     │
//!     └── DPE died: event, systemd restarts it ───┴────────── newer generation stored ──┘
//!
//!  Destroying: Unload ── unloaded (durable) ──▶ StopUnit ── CleanUnit ── document deleted, event ──▶ gone
//! ```
//!
//! It is level-triggered: a signal, a timer or a change of the store only makes it look again, and
//! every look starts from the store, the unit and the DPE as they are. So a lost signal costs time,
//! never correctness, and a CPE that was killed at any point goes on where it was.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::fields::Fields;
use cpe_bus::names::{DPE_INTERFACE, DPE_PATH, deployment_path, dpe_name, dpe_unit};
use cpe_bus::proxies::DpeProxy;
use cpe_bus::{Error as BusError, Event, EventKind};
use cpe_status::DeploymentState;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use zbus::OwnedVariant;
use zbus::proxy::CacheProperties;

use crate::backoff::Backoff;
use crate::bus::deployment::DeploymentObject;
use crate::registry::{Deployment, View};
use crate::session::Session;
use crate::store::{Destroying, Row, Run};
use crate::systemd::{Phase, Unit};

/// Look again after this even if nothing was heard, where something is awaited.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Pause after a call that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Starts in a row without a DPE that lasts before the deployment is called failed.
const FAILED_AFTER: u32 = 5;

/// What the supervisor does after a look.
enum Next {
    /// Looks again at once.
    Now,
    /// Waits for news.
    News,
    /// Waits for news, at most until then.
    Until(Instant),
    /// The deployment does not exist any more.
    Gone,
}

/// What went wrong, for people; it is tried again.
type Attempt<T> = Result<T, String>;

struct Supervisor {
    session: Arc<Session>,
    deployment: Arc<Deployment>,
    unit: String,
    backoff: Backoff,
    /// Since when the unit has been active without its name on the bus.
    nameless_since: Option<Instant>,
    /// Since when this process has been destroying it.
    destroying_since: Option<Instant>,
    /// What the DPE was asked to do with its services at the end.
    asked_to_unload: Option<Destroying>,
    overdue_told: bool,
    last_complaint: String,
}

/// Runs until the deployment is gone or the session ends.
pub(crate) async fn run(session: Arc<Session>, deployment: Arc<Deployment>) {
    let dpe = &session.core.config.dpe;
    let mut supervisor = Supervisor {
        unit: dpe_unit(&deployment.name),
        backoff: Backoff::new(dpe.backoff_initial, dpe.backoff_maximum),
        nameless_since: None,
        destroying_since: None,
        asked_to_unload: None,
        overdue_told: false,
        last_complaint: String::new(),
        session,
        deployment,
    };
    loop {
        let next = match supervisor.look().await {
            Ok(next) => {
                supervisor.last_complaint.clear();
                next
            }
            Err(complaint) => {
                supervisor.complain(complaint);
                Next::Until(Instant::now() + RETRY)
            }
        };
        match next {
            Next::Now => {}
            Next::News => supervisor.deployment.poke.notified().await,
            Next::Until(time) => {
                let _ = tokio::time::timeout_at(time, supervisor.deployment.poke.notified()).await;
            }
            Next::Gone => return,
        }
    }
}

impl Supervisor {
    async fn look(&mut self) -> Attempt<Next> {
        let Some(row) = self.row().await? else {
            return Ok(Next::Gone);
        };
        if row.destroying.is_some() && row.unloaded {
            return self.finish().await;
        }
        let unit = self
            .session
            .systemd
            .unit(&self.unit)
            .await
            .map_err(|error| error.to_string())?;
        self.note_run(&row, &unit).await?;
        match row.destroying {
            Some(how) => self.destroy(row, how, unit).await,
            None => self.keep(row, unit).await,
        }
    }

    /// The deployment is to run.
    async fn keep(&mut self, row: Row, unit: Unit) -> Attempt<Next> {
        match unit.phase {
            Phase::Active => self.manage(row, &unit).await,
            Phase::Activating | Phase::Deactivating | Phase::Cleaning => {
                self.show(
                    DeploymentState::Starting,
                    unit.pid,
                    "systemd is starting its DPE",
                )
                .await;
                Ok(Next::Until(Instant::now() + LOOK_AGAIN))
            }
            Phase::Inactive | Phase::Failed => self.start(&unit, DeploymentState::Starting).await,
        }
    }

    /// systemd does not run the unit: it is started, with a growing pause if that keeps failing.
    async fn start(&mut self, unit: &Unit, state: DeploymentState) -> Attempt<Next> {
        self.nameless_since = None;
        let state = match state {
            DeploymentState::Starting if self.backoff.attempts() >= FAILED_AFTER => {
                DeploymentState::Failed
            }
            state => state,
        };
        if let Some(time) = self.backoff.not_before() {
            let pause = time.saturating_duration_since(Instant::now());
            let remark = format!(
                "its DPE {}; it is started again in {} s",
                unit.end,
                pause.as_secs_f32().ceil()
            );
            self.show(state, 0, &remark).await;
            return Ok(Next::Until(time));
        }
        self.show(state, 0, "its DPE is being started").await;
        if unit.phase == Phase::Failed {
            self.session
                .systemd
                .reset_failed(&self.unit)
                .await
                .map_err(|error| error.to_string())?;
        }
        self.backoff.attempt();
        let result = {
            let _turn = self
                .session
                .starts
                .acquire()
                .await
                .map_err(|error| error.to_string())?;
            self.session.systemd.start(&self.unit).await
        };
        match result {
            Ok(()) => Ok(Next::Now),
            Err(error) => {
                self.show(state, 0, &error.to_string()).await;
                self.complain(error.to_string());
                Ok(Next::Now)
            }
        }
    }

    /// The unit is active: its DPE is to hold the current document.
    async fn manage(&mut self, row: Row, unit: &Unit) -> Attempt<Next> {
        let Some(dpe) = self.dpe().await? else {
            return self.await_name(unit).await;
        };
        if dpe.generation > row.generation || dpe.is_unloaded() {
            // The store was restored from a backup. What it holds is the truth, numbered so that
            // the DPE takes it.
            let (name, above, keep) = (
                row.name.clone(),
                dpe.generation,
                self.session.core.config.limits.generations,
            );
            let _changes = self.session.core.changes.lock().await;
            let renumbered = self
                .store(move |store| store.renumber(&name, above, keep))
                .await?;
            if let Some(row) = renumbered {
                self.deployment.set_row(row);
                self.announce_generation().await;
            }
            return Ok(Next::Now);
        }
        if dpe.generation < row.generation || dpe.state == "empty" {
            self.show(
                DeploymentState::Loading,
                unit.pid,
                "its DPE is loading the document",
            )
            .await;
            return self.load(&row).await;
        }
        self.backoff.good();
        let state = match dpe.state.as_str() {
            "active" => DeploymentState::Active,
            "degraded" => DeploymentState::Degraded,
            "failed" => DeploymentState::Failed,
            _ => DeploymentState::Loading,
        };
        self.show(state, unit.pid, "").await;
        Ok(Next::News)
    }

    /// Gives the DPE the current document.
    async fn load(&mut self, row: &Row) -> Attempt<Next> {
        let name = row.name.clone();
        let found = self
            .store(move |store| {
                let found = store.document(&name, 0)?;
                if let Some((_, generation)) = &found {
                    // Before the call: whoever destroys this deployment must know that the DPE may
                    // have services running.
                    store.loaded(&name, *generation)?;
                }
                Ok(found)
            })
            .await?;
        let Some((document, generation)) = found else {
            return Ok(Next::Now);
        };
        let mut options = Fields::new();
        if let Ok(uuid) = zbus::Variant::from(row.uuid.as_str()).try_into_owned() {
            options.insert("uuid".into(), uuid);
        }
        let taken = self
            .proxy()
            .await?
            .load(&document, generation, options)
            .await;
        match taken {
            Ok(()) => {
                tracing::info!(
                    cpe_deployment = row.name,
                    generation,
                    "DPE of {} has taken generation {generation}",
                    row.name
                );
                Ok(Next::Now)
            }
            Err(error @ BusError::InvalidDocument(_)) => {
                let remark = format!("its DPE refuses the document: {}", error.message());
                self.show(DeploymentState::Failed, 0, &remark).await;
                self.complain(remark);
                Ok(Next::Until(Instant::now() + LOOK_AGAIN))
            }
            Err(error) => Err(format!("Load: {}", error.message())),
        }
    }

    /// The unit is active, but nobody answers for it on the bus.
    async fn await_name(&mut self, unit: &Unit) -> Attempt<Next> {
        let patience = self.session.core.config.dpe.name_timeout;
        let since = *self.nameless_since.get_or_insert_with(Instant::now);
        if since.elapsed() < patience {
            self.show(
                DeploymentState::Starting,
                unit.pid,
                "its DPE is not on the bus yet",
            )
            .await;
            return Ok(Next::Until(since + patience));
        }
        self.nameless_since = None;
        tracing::warn!(
            cpe_deployment = self.deployment.name,
            "{} has not appeared on the bus: it is restarted",
            self.unit
        );
        self.session
            .systemd
            .restart(&self.unit)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Next::Now)
    }

    /// The deployment is to end: first in the guests, then here.
    async fn destroy(&mut self, row: Row, how: Destroying, unit: Unit) -> Attempt<Next> {
        let since = *self.destroying_since.get_or_insert_with(Instant::now);
        if row.loaded == 0 {
            // No DPE was ever given its document, so nothing was ever started.
            return self.unloaded().await;
        }
        let deadline = since + self.session.core.config.dpe.unload_timeout;
        if deadline <= Instant::now() {
            if how == Destroying::LeaveServices {
                tracing::warn!(
                    cpe_deployment = row.name,
                    "the DPE of {} does not finish; its services were to stay, so it is ended",
                    row.name
                );
                return self.unloaded().await;
            }
            self.tell_overdue(&row).await?;
        }
        let look = if self.overdue_told {
            Instant::now() + LOOK_AGAIN
        } else {
            deadline.min(Instant::now() + LOOK_AGAIN)
        };
        match unit.phase {
            Phase::Active => {}
            Phase::Activating | Phase::Deactivating | Phase::Cleaning => {
                self.show(
                    DeploymentState::Destroying,
                    unit.pid,
                    "systemd is starting its DPE",
                )
                .await;
                return Ok(Next::Until(look));
            }
            Phase::Inactive | Phase::Failed => {
                return self.start(&unit, DeploymentState::Destroying).await;
            }
        }
        let Some(dpe) = self.dpe().await? else {
            return self.await_name(&unit).await;
        };
        if dpe.is_unloaded() {
            return self.unloaded().await;
        }
        if dpe.generation == 0 {
            // It has lost its state; without the document it does not know what to stop.
            self.asked_to_unload = None;
            return self.load(&row).await;
        }
        if self.asked_to_unload != Some(how) || dpe.state != "unloading" {
            let stop_services = how == Destroying::StopServices;
            self.proxy()
                .await?
                .unload(stop_services)
                .await
                .map_err(|error| format!("Unload: {}", error.message()))?;
            self.asked_to_unload = Some(how);
        }
        let remark = match how {
            Destroying::StopServices => "its services are being stopped",
            Destroying::LeaveServices => "its services are being left to themselves",
        };
        self.show(DeploymentState::Destroying, unit.pid, remark)
            .await;
        Ok(Next::Until(look))
    }

    async fn unloaded(&mut self) -> Attempt<Next> {
        let name = self.deployment.name.clone();
        self.store(move |store| store.unloaded(&name)).await?;
        Ok(Next::Now)
    }

    /// Everything is done in the guests: stops the unit, deletes its state, forgets the deployment.
    async fn finish(&mut self) -> Attempt<Next> {
        self.show(DeploymentState::Destroying, 0, "its DPE is being stopped")
            .await;
        let systemd = &self.session.systemd;
        systemd
            .stop(&self.unit)
            .await
            .map_err(|error| error.to_string())?;
        systemd
            .reset_failed(&self.unit)
            .await
            .map_err(|error| error.to_string())?;
        if let Err(error) = systemd.clean_state(&self.unit).await {
            tracing::warn!(
                cpe_deployment = self.deployment.name,
                "the state of {} could not be deleted: {error}",
                self.unit
            );
        }
        let changes = self.session.core.changes.lock().await;
        let name = self.deployment.name.clone();
        self.store(move |store| store.forget(&name, "")).await?;
        self.session.core.registry.remove(&self.deployment.name);
        let path = deployment_path(&self.deployment.name);
        if let Err(error) = self
            .session
            .connection
            .object_server()
            .remove::<DeploymentObject, _>(path)
            .await
        {
            tracing::debug!("object of {}: {error}", self.deployment.name);
        }
        drop(changes);
        Ok(Next::Gone)
    }

    /// Says once that a destroy takes too long, and what an administrator can do.
    async fn tell_overdue(&mut self, row: &Row) -> Attempt<()> {
        if self.overdue_told {
            return Ok(());
        }
        let event = Event {
            state: "destroying".into(),
            reason: format!(
                "its services could not be stopped within {} s; they are still being stopped. `cpectl status {}` says which; \
                 `cpectl destroy --keep-services {}` ends it without stopping them",
                self.session.core.config.dpe.unload_timeout.as_secs(),
                row.name,
                row.name
            ),
            ..crate::events::new(EventKind::DeploymentFailed, &row.name)
        };
        self.store(move |store| store.record(event)).await?;
        self.overdue_told = true;
        Ok(())
    }

    /// Has the event log know of this run, and of the end of the last one.
    async fn note_run(&self, row: &Row, unit: &Unit) -> Attempt<()> {
        let run = match unit.phase {
            Phase::Active => Run::Alive {
                invocation: unit.invocation.clone(),
                pid: unit.pid,
            },
            Phase::Inactive | Phase::Failed => Run::Ended {
                cause: unit.end.to_string(),
            },
            // Waiting for systemd's restart, or in the next run already.
            Phase::Activating if unit.pid == 0 || unit.invocation != row.invocation => Run::Ended {
                cause: unit.end.to_string(),
            },
            Phase::Activating | Phase::Deactivating | Phase::Cleaning => return Ok(()),
        };
        let news = match &run {
            Run::Alive { invocation, .. } => *invocation != row.invocation,
            Run::Ended { .. } => row.alive,
        };
        if news {
            let name = row.name.clone();
            self.store(move |store| store.note_run(&name, &run)).await?;
        }
        Ok(())
    }

    /// The DPE's own word, if it is on the bus.
    async fn dpe(&mut self) -> Attempt<Option<DpeSays>> {
        let name = dpe_name(&self.deployment.name);
        let _turn = self.session.dpe_calls.acquire().await;
        let well_known =
            zbus::names::BusName::try_from(name.as_str()).map_err(|error| error.to_string())?;
        match self.session.bus.get_name_owner(well_known).await {
            Ok(owner) => self
                .session
                .note_owner(owner.as_str(), &self.deployment.name),
            Err(zbus::fdo::Error::NameHasNoOwner(_)) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        }
        self.nameless_since = None;
        let reply = self
            .session
            .connection
            .call_method(
                Some(name.as_str()),
                DPE_PATH,
                Some("org.freedesktop.DBus.Properties"),
                "GetAll",
                &(DPE_INTERFACE),
            )
            .await
            .map_err(|error| format!("its DPE does not answer: {error}"))?;
        let mut properties: HashMap<String, OwnedVariant> = reply
            .body()
            .deserialize()
            .map_err(|error| error.to_string())?;
        let mut take = |key: &str| {
            properties
                .remove(key)
                .ok_or_else(|| format!("its DPE has no property {key}"))
        };
        Ok(Some(DpeSays {
            state: take("State")?
                .try_into()
                .map_err(|error| format!("State of its DPE: {error}"))?,
            generation: take("Generation")?
                .try_into()
                .map_err(|error| format!("Generation of its DPE: {error}"))?,
        }))
    }

    async fn proxy(&self) -> Attempt<DpeCall> {
        proxy(&self.session, &self.deployment.name)
            .await
            .map_err(|error| error.to_string())
    }

    async fn row(&self) -> Attempt<Option<Row>> {
        let name = self.deployment.name.clone();
        self.store(move |store| store.deployment(&name)).await
    }

    async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut crate::store::Store) -> crate::store::Result<T> + Send + 'static,
    ) -> Attempt<T> {
        self.session
            .core
            .store
            .run(work)
            .await
            .map_err(|error| error.to_string())
    }

    async fn show(&self, state: DeploymentState, pid: u32, remark: &str) {
        if self.deployment.set_view(View {
            state,
            pid,
            remark: remark.to_owned(),
        }) {
            DeploymentObject::announce_view(&self.session.connection, &self.deployment.name).await;
        }
    }

    async fn announce_generation(&self) {
        DeploymentObject::announce_generation(&self.session.connection, &self.deployment.name)
            .await;
    }

    /// Each complaint once, until something else happens.
    fn complain(&mut self, complaint: String) {
        if complaint != self.last_complaint {
            tracing::warn!(
                cpe_deployment = self.deployment.name,
                "{}: {complaint}; it is tried again",
                self.deployment.name
            );
            self.last_complaint = complaint;
        }
    }
}

/// What a DPE says of itself.
struct DpeSays {
    state: String,
    generation: u64,
}

impl DpeSays {
    fn is_unloaded(&self) -> bool {
        self.state == "unloaded"
    }
}

/// A client of the deployment's DPE, for one call: it waits for its turn, which ends with the
/// value.
pub(crate) struct DpeCall {
    proxy: DpeProxy<'static>,
    _turn: OwnedSemaphorePermit,
}

impl Deref for DpeCall {
    type Target = DpeProxy<'static>;

    fn deref(&self) -> &DpeProxy<'static> {
        &self.proxy
    }
}

pub(crate) async fn proxy(session: &Session, deployment: &str) -> zbus::Result<DpeCall> {
    let turn = Arc::clone(&session.dpe_calls).acquire_owned().await;
    let turn = turn.map_err(|error| zbus::Error::Failure(error.to_string()))?;
    let proxy = DpeProxy::builder(&session.connection)
        .destination(dpe_name(deployment))
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    Ok(DpeCall { proxy, _turn: turn })
}
