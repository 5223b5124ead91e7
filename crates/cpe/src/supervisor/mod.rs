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

mod destroy;
mod keep;

use std::sync::Arc;
use std::time::Duration;

use cpe_bus::names::dpe_unit;
use cpe_status::DeploymentState;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::bus::deployment::DeploymentObject;
use crate::dpe::{self, DpeCall, Report};
use crate::registry::{Deployment, View};
use crate::session::Session;
use crate::store::{self, Destroying, Row, Run, Store};
use crate::systemd::{self, ActiveState, Unit};

/// Time to the next look where something is awaited and nothing was heard.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Pause after a call that failed.
const RETRY: Duration = Duration::from_secs(1);

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
    Store(#[from] store::Error),
    #[error(transparent)]
    Systemd(#[from] systemd::Error),
    #[error(transparent)]
    Dpe(#[from] dpe::Error),
    /// A method of the DPE.
    #[error("{method}: {}", .error.message())]
    Call {
        method: &'static str,
        error: cpe_bus::Error,
    },
}

type Result<T> = std::result::Result<T, Failure>;

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
    overdue_reported: bool,
    last_warning: String,
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
        overdue_reported: false,
        last_warning: String::new(),
        session,
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
            Next::News => supervisor.deployment.wake.notified().await,
            Next::Until(time) => {
                let _ = tokio::time::timeout_at(time, supervisor.deployment.wake.notified()).await;
            }
            Next::Gone => return,
        }
    }
}

impl Supervisor {
    /// One look, and the next step from what is to what is wanted.
    async fn reconcile(&mut self) -> Result<Next> {
        let Some(row) = self.row().await? else {
            return Ok(Next::Gone);
        };
        if row.destroying.is_some() && row.unloaded {
            return self.finish().await;
        }
        let unit = self.session.systemd.unit(&self.unit).await?;
        self.note_run(&row, &unit).await?;
        match row.destroying {
            Some(how) => self.destroy(row, how, unit).await,
            None => self.keep(row, unit).await,
        }
    }

    /// Has the event log know of this run, and of the end of the last one.
    async fn note_run(&self, row: &Row, unit: &Unit) -> Result<()> {
        let ended = || Run::Ended {
            cause: unit.end.to_string(),
        };
        let run = match unit.active {
            ActiveState::Active => Run::Alive {
                invocation: unit.invocation.clone(),
                pid: unit.pid,
            },
            ActiveState::Inactive | ActiveState::Failed => ended(),
            // Waiting for systemd's restart, or in the next run already.
            ActiveState::Activating if unit.pid == 0 || unit.invocation != row.invocation => {
                ended()
            }
            ActiveState::Activating | ActiveState::Deactivating | ActiveState::Maintenance => {
                return Ok(());
            }
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

    /// What the DPE says about itself, if it is on the bus.
    async fn dpe(&mut self) -> Result<Option<Report>> {
        let report = self.session.dpes.report(&self.deployment.name).await?;
        if report.is_some() {
            self.nameless_since = None;
        }
        Ok(report)
    }

    async fn client(&self) -> Result<DpeCall> {
        let client = self.session.dpes.client(&self.deployment.name).await;
        Ok(client.map_err(dpe::Error::from)?)
    }

    async fn row(&self) -> Result<Option<Row>> {
        let name = self.deployment.name.clone();
        self.store(move |store| store.deployment(&name)).await
    }

    async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> store::Result<T> + Send + 'static,
    ) -> Result<T> {
        Ok(self.session.core.store.run(work).await?)
    }

    async fn set_view(&self, state: DeploymentState, pid: u32, remark: &str) {
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
