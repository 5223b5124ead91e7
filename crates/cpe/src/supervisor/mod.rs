//! One deployment's unit and DPE: brings what is to what is wanted.
//!
//! ```text
//!            unit inactive or failed ── start, with backoff ──┐
//!                                                             ▼
//!  Starting ── unit active, bus name there ──▶ Loading ── generation taken ──▶ as the DPE says:
//!     ▲                                           ▲                          Active, Degraded,
//!     │                                           │                               Failed
//!     └── DPE died: event, systemd restarts it ───┴─── newer generation stored ─────┘
//!
//!  Destroying: Unload ── unloaded (durable) ──▶ StopUnit ──▶ CleanUnit ──▶ document deleted,
//!                                                                          event: gone
//! ```
//!
//! It is level-triggered: a signal, a timer or a change of the store only makes it look again, and
//! every look starts from the store, the unit and the DPE as they are. So a lost signal costs time,
//! never correctness, and a CPE that was killed at any point goes on where it was.
//!
//! Services stop when their DPE is away for longer than their lease. So nothing stands between a
//! dead DPE and its next start: not the event log, which is written later if the disk is full, and
//! no pause that is longer than a third of the lease.

mod destroy;
mod keep;
mod runs;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::names::dpe_unit;
use cpe_status::DeploymentState;
use cpe_store::{Destroying, Row, Store};
use tokio::time::Instant;

use self::runs::Unrecorded;
use crate::backoff::Backoff;
use crate::dpe::{self, DpeCall, Report};
use crate::host::Host;
use crate::registry::{Deployment, View};
use crate::systemd;

/// Time to the next look where something is awaited and nothing was heard.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Pause after a call that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Pause before events that could not be recorded are tried again.
const RECORD_AGAIN: Duration = Duration::from_secs(2);

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

/// Why a look failed. The supervisor warns and retries.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] cpe_store::Error),
    #[error(transparent)]
    Systemd(#[from] systemd::Error),
    #[error(transparent)]
    Dpe(#[from] dpe::Error),
    /// A method of the DPE, or what is read for one.
    #[error("{method}: {}", .error.message())]
    Call {
        method: &'static str,
        error: cpe_bus::Error,
    },
}

type Result<T> = std::result::Result<T, Failure>;

struct Supervisor {
    host: Arc<Host>,
    deployment: Arc<Deployment>,
    unit: String,
    /// Main process of the unit at the last look; 0 if there is none.
    pid: u32,
    backoff: Backoff,
    /// Since when the unit has been active without its name on the bus.
    nameless_since: Option<Instant>,
    /// How often it was restarted for that since its DPE was last seen.
    nameless_restarts: u32,
    /// What happened to its DPE and is not in the event log yet.
    unrecorded: Unrecorded,
    /// Since when this process has been destroying it.
    destroying_since: Option<Instant>,
    /// What the DPE was asked to do with its services at the end.
    asked_to_unload: Option<Destroying>,
    overdue_reported: bool,
    last_warning: String,
}

/// Gives every deployment that this host runs a supervisor, until the connection ends, or another
/// host runs it.
pub(crate) async fn supervise_all(host: Arc<Host>) {
    let mut registry = host.core.registry.watch();
    let mut places = host.core.registry.places();
    let mut supervised: BTreeMap<String, (Arc<Deployment>, u64)> = BTreeMap::new();
    loop {
        places.mark_unchanged();
        let all = registry.borrow_and_update().clone();
        let runs_here = |(name, it): (String, Arc<Deployment>)| {
            let revision = it.run_by()?;
            Some((name, (it, revision)))
        };
        let wanted: BTreeMap<_, _> = all.into_iter().filter_map(runs_here).collect();
        for (name, (deployment, revision)) in &wanted {
            // One that was destroyed and created again is another one of the same name.
            let same = supervised.get(name);
            let is_same = |(known, by): &(Arc<Deployment>, u64)| {
                Arc::ptr_eq(known, deployment) && by == revision
            };
            if !same.is_some_and(is_same) {
                let work = run(Arc::clone(&host), Arc::clone(deployment), *revision);
                host.spawn(work);
            }
        }
        supervised = wanted;
        let heard = tokio::select! {
            heard = registry.changed() => heard,
            heard = places.changed() => heard,
        };
        if heard.is_err() {
            return;
        }
    }
}

/// Runs until the deployment is gone, is not run here by this revision any more, or the connection
/// ends. Who lets go of a deployment sees to its unit.
async fn run(host: Arc<Host>, deployment: Arc<Deployment>, revision: u64) {
    let leaves = Arc::clone(&deployment);
    tokio::select! {
        // First: what is seen from then on is not this host's.
        biased;
        () = leaves.leaves(revision) => {}
        () = supervise(host, deployment) => {}
    }
}

async fn supervise(host: Arc<Host>, deployment: Arc<Deployment>) {
    let dpe = &host.core.config.dpe;
    let mut supervisor = Supervisor {
        unit: dpe_unit(&deployment.name),
        pid: 0,
        backoff: Backoff::new(dpe.backoff_initial, dpe.backoff_maximum),
        nameless_since: None,
        nameless_restarts: 0,
        unrecorded: Unrecorded::at(&host.core.config.cluster.name),
        destroying_since: None,
        asked_to_unload: None,
        overdue_reported: false,
        last_warning: String::new(),
        host,
        deployment,
    };
    loop {
        let next = match supervisor.reconcile().await {
            Ok(next) => {
                supervisor.last_warning.clear();
                next
            }
            Err(failure) => {
                supervisor.warn_once(failure.to_string());
                Next::Until(Instant::now() + RETRY)
            }
        };
        match next {
            Next::Now => {}
            Next::News => supervisor.deployment.woken().await,
            Next::Until(time) => {
                let _ = tokio::time::timeout_at(time, supervisor.deployment.woken()).await;
            }
            Next::Gone => return,
        }
    }
}

impl Supervisor {
    /// One look, and the next step from what is to what is wanted.
    async fn reconcile(&mut self) -> Result<Next> {
        let row = match self.row().await {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(Next::Gone),
            // The disk fails. What is known in memory is enough to keep the DPE running.
            Err(Failure::Store(error)) => {
                self.host.core.store_fails(&error);
                self.deployment.row()
            }
            Err(failure) => return Err(failure),
        };
        if row.destroying.is_some() && row.unloaded {
            return self.finish().await;
        }
        let unit = self.host.systemd.unit(&self.unit).await?;
        self.pid = unit.pid;
        self.note_run(&row, &unit).await;
        let told = row.state;
        let next = match row.destroying {
            Some(how) => self.destroy(row, how, unit).await,
            None => self.keep(row, unit).await,
        };
        self.tell_state(told).await;
        match next {
            Ok(Next::News) if !self.unrecorded.is_empty() => {
                Ok(Next::Until(Instant::now() + RECORD_AGAIN))
            }
            next => next,
        }
    }

    /// Tells the other hosts the state, unless they were told.
    async fn tell_state(&self, told: DeploymentState) {
        let state = self.deployment.view().state;
        if !self.is_shared() || state == told {
            return;
        }
        let noted = self.store().note_state(&self.deployment.name, state).await;
        if let Err(error) = noted {
            self.host.core.store_fails(&error);
        }
    }

    /// Whether other hosts may run it too: then membership starts and stops its unit, and nobody
    /// else.
    fn is_shared(&self) -> bool {
        self.host.core.config.shares_deployments()
    }

    /// What the DPE says about itself, if it is on the bus.
    async fn dpe(&mut self) -> Result<Option<Report>> {
        let report = self
            .host
            .dpes
            .report(&self.deployment.name, self.pid)
            .await?;
        if report.is_some() {
            (self.nameless_since, self.nameless_restarts) = (None, 0);
        }
        Ok(report)
    }

    async fn client(&self) -> Result<DpeCall> {
        Ok(self
            .host
            .dpes
            .upkeep(&self.deployment.name, self.pid)
            .await?)
    }

    async fn row(&self) -> Result<Option<Row>> {
        Ok(self.store().deployment(&self.deployment.name).await?)
    }

    fn store(&self) -> &dyn Store {
        &*self.host.core.store
    }

    fn set_view(&self, state: DeploymentState, pid: u32, remark: &str) {
        self.deployment.set_view(View {
            state,
            pid,
            remark: remark.to_owned(),
        });
    }

    /// Writes a warning to the log, unless it was the last one too.
    fn warn_once(&mut self, warning: String) {
        if warning != self.last_warning {
            tracing::warn!(
                cpe_deployment = self.deployment.name,
                "{}: {warning}; retrying",
                self.deployment.name
            );
            self.last_warning = warning;
        }
    }
}
