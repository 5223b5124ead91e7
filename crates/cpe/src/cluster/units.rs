//! Units of DPEs, started and stopped as this host is granted deployments.
//!
//! Whether a unit has ended is looked at, for all of them with one question: a signal may be lost,
//! and while the bus is away nothing is known, which is not the same as ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpe_bus::names::{deployment_of_unit, dpe_unit};
use membership::{Event, Runner, grant_of};
use ownership::{DeploymentId, Grant};
use tokio::sync::mpsc;

use super::Current;
use crate::sync::lock;
use crate::systemd::{ActiveState, Systemd};

/// By it a DPE knows that it has to have a grant, and where.
const FOLDER: &str = "CPE_CLUSTER";
/// All of them.
const PATTERN: &str = "dpe@*.service";
/// How often it is looked which of them run.
const LOOK: Duration = Duration::from_secs(1);

/// See above. Its copies are the same.
#[derive(Clone)]
pub(super) struct Units {
    pub(super) systemd: Current,
    /// With what an earlier process has begun, `unit/NAME`.
    folder: PathBuf,
    /// Under which revision units run, as far as this process has started or found them.
    pub(super) running: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Units {
    pub(super) fn new(systemd: Current, folder: &Path) -> Units {
        Units {
            systemd,
            folder: folder.to_owned(),
            running: Arc::default(),
        }
    }

    fn systemd(&self) -> Result<Arc<Systemd>, String> {
        let systemd = self.systemd.borrow().clone();
        systemd.ok_or_else(|| "there is no connection to the bus".to_owned())
    }

    /// Tells which units have ended that nobody has stopped.
    pub(super) async fn tell_ends(self, events: mpsc::Sender<Event>) {
        loop {
            tokio::time::sleep(LOOK).await;
            for (name, revision) in self.ended().await {
                tracing::warn!(
                    cpe_deployment = name,
                    revision,
                    "the DPE of {name} has ended under its grant, and is not started again"
                );
                let ended = Event::Ended(DeploymentId::new(&name), revision);
                if events.send(ended).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Units that have ended since the last look.
    pub(super) async fn ended(&self) -> Vec<(String, u64)> {
        // Before the list: what is started while it is made is not in it.
        let known = lock(&self.running).clone();
        let Ok(systemd) = self.systemd() else {
            return Vec::new();
        };
        let Ok(units) = systemd.present(PATTERN).await else {
            return Vec::new();
        };
        let present: BTreeSet<&str> = units
            .iter()
            .filter_map(|unit| deployment_of_unit(unit))
            .collect();
        let mut ended = Vec::new();
        for (name, revision) in known {
            if present.contains(name.as_str()) || !has_ended(&systemd, &name).await {
                continue;
            }
            let mut running = lock(&self.running);
            if running.get(&name) == Some(&revision) {
                running.remove(&name);
                ended.push((name, revision));
            }
        }
        ended
    }
}

/// systemd neither runs the unit nor is about to.
async fn has_ended(systemd: &Systemd, name: &str) -> bool {
    let unit = systemd.unit(&dpe_unit(name)).await;
    let is_over = |state| matches!(state, ActiveState::Inactive | ActiveState::Failed);
    unit.is_ok_and(|unit| is_over(unit.active))
}

impl Runner for Units {
    async fn running(&self) -> Result<Vec<DeploymentId>, String> {
        // What runs has to be known before anything is decided: the bus is waited for.
        let mut systemd = self.systemd.clone();
        let connected = systemd.wait_for(Option::is_some).await;
        connected.map_err(|_| "this process ends".to_owned())?;
        let units = self.systemd()?.present(PATTERN).await;
        let units = units.map_err(|error| error.to_string())?;
        let names = units.iter().filter_map(|unit| deployment_of_unit(unit));
        let mut found = Vec::new();
        for name in names {
            let grant = grant_of(&self.folder.join("unit").join(name));
            if let Some(grant) = grant.map_err(|error| error.to_string())? {
                lock(&self.running).insert(name.to_owned(), grant.revision);
            }
            found.push(DeploymentId::new(name));
        }
        Ok(found)
    }

    async fn start(&self, deployment: &DeploymentId, grant: Grant) -> Result<(), String> {
        let unit = dpe_unit(deployment.as_str());
        let systemd = self.systemd()?;
        let text = |error: crate::systemd::Error| error.to_string();
        // Without it a DPE would believe that it stands alone, and send without a permit.
        let wanted = format!("{FOLDER}={}", self.folder.display());
        let set = systemd.environment(&unit).await.map_err(text)?;
        if !set.contains(&wanted) {
            return Err(format!(
                "{unit} does not set {wanted}, without which a DPE asks for no grant: install 80-cluster-dpe.conf of /usr/share/doc/cpe/ for dpe@.service"
            ));
        }
        // Its last end, without a grant, was a failure.
        systemd.reset_failed(&unit).await.map_err(text)?;
        systemd.start(&unit).await.map_err(text)?;
        let name = deployment.as_str().to_owned();
        lock(&self.running).insert(name, grant.revision);
        Ok(())
    }

    async fn stop(&self, deployment: &DeploymentId) -> Result<(), String> {
        let name = deployment.as_str();
        let systemd = self.systemd()?;
        let stopped = systemd.stop(&dpe_unit(name)).await;
        stopped.map_err(|error| error.to_string())?;
        if !has_ended(&systemd, name).await {
            return Err(format!("something of {} still runs", dpe_unit(name)));
        }
        lock(&self.running).remove(name);
        Ok(())
    }
}
