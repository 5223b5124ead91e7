//! Deployments of several hosts that are to be forgotten.
//!
//! A deployment that is destroyed is unloaded by the supervisor of the host that runs it. Then
//! membership stops its unit and gives up its record, and with it the right to run it: no
//! supervisor is left that could forget the deployment. So that is done here, as soon as no host
//! has it any more; by the host that had it last, or by whichever is there.
//!
//! What a DPE has saved on this host is deleted as soon as its deployment is gone, whoever has
//! forgotten it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::names::dpe_unit;
use tokio::time::{Instant, timeout};

use crate::host::Host;
use crate::registry::{Deployment, Place};
use crate::systemd::{self, ActiveState};

/// How often it is looked, if nothing is heard.
const LOOK: Duration = Duration::from_secs(10);
/// Before another host does it than the one that had it last.
const OTHERS_WAIT: Duration = Duration::from_secs(10);

/// What is known of deployments that are over.
#[derive(Default)]
struct Known {
    /// All of the last look.
    all: BTreeMap<String, Arc<Deployment>>,
    /// Those that this host has, or had last.
    ours: BTreeSet<String>,
    /// Since when nobody has one that is being destroyed.
    since: BTreeMap<String, Instant>,
}

/// Looks for such deployments for as long as the connection lasts. On a host that shares none there
/// are none: its supervisors finish them.
pub(crate) async fn run(host: Arc<Host>) {
    if !host.core.config.shares_deployments() {
        return;
    }
    let mut known = Known::default();
    let mut registry = host.core.registry.watch();
    let mut places = host.core.registry.places();
    loop {
        registry.mark_unchanged();
        places.mark_unchanged();
        known.look(&host).await;
        let news = async {
            tokio::select! {
                _ = registry.changed() => {}
                _ = places.changed() => {}
            }
        };
        let _ = timeout(LOOK, news).await;
    }
}

impl Known {
    async fn look(&mut self, host: &Host) {
        let all = host.core.registry.all();
        let all: BTreeMap<String, Arc<Deployment>> =
            all.into_iter().map(|it| (it.name.clone(), it)).collect();
        let before = std::mem::replace(&mut self.all, all.clone());
        for name in before.keys().filter(|name| !all.contains_key(*name)) {
            self.ours.remove(name);
            self.since.remove(name);
            if let Err(error) = clean(host, name).await {
                tracing::debug!("what the DPE of {name} has saved here is not deleted: {error}");
            }
        }
        for (name, deployment) in &all {
            match deployment.current().place {
                Place::Here { .. } | Place::Pending => self.ours.insert(name.clone()),
                Place::There(_) => self.ours.remove(name),
                Place::Unknown => false,
                Place::Nowhere => {
                    self.end(host, deployment).await;
                    continue;
                }
            };
            self.since.remove(name);
        }
    }

    /// Nobody has it: if it is over, it is forgotten.
    async fn end(&mut self, host: &Host, deployment: &Deployment) {
        let (name, row) = (&deployment.name, deployment.row());
        // No DPE was ever given its document, so nothing was ever started, and nobody has it.
        let was_never_run = row.loaded == 0 && !row.unloaded;
        if row.destroying.is_none() || !(row.unloaded || was_never_run) {
            self.since.remove(name);
            return;
        }
        let since = *self.since.entry(name.clone()).or_insert_with(Instant::now);
        let is_ours = self.ours.contains(name) && row.unloaded;
        if !(is_ours || since.elapsed() >= OTHERS_WAIT && is_well(host)) {
            return;
        }
        if let Err(error) = forget(host, deployment).await {
            tracing::warn!(
                cpe_deployment = name,
                "{name} is over, and cannot be forgotten yet: {error}"
            );
        }
    }
}

/// Whether this host hears of what others do.
fn is_well(host: &Host) -> bool {
    let status = host.core.cluster.get().map(membership::Handle::status);
    status.is_some_and(|status| status.host.may_act && status.trouble.is_none())
}

async fn forget(host: &Host, deployment: &Deployment) -> anyhow::Result<()> {
    let (core, name) = (&host.core, &deployment.name);
    let facts = core.facts(&deployment.row()).await;
    let facts = facts.map_err(|error| anyhow::anyhow!(error.message()))?;
    let addresses: Vec<String> = facts.guests().into_keys().collect();
    let _changes = core.changes.lock().await;
    // As it is now: somebody may have created another one of that name.
    let row = core.store.deployment(name).await?;
    let is_it = |row: &cpe_store::Row| row.created == deployment.row().created;
    if row.is_some_and(|row| is_it(&row) && row.destroying.is_some()) {
        core.store.unloaded(name).await?;
        core.store.forget(name, &addresses).await?;
    }
    core.forget(name);
    Ok(())
}

/// Deletes what a DPE that does not run has saved on this host.
async fn clean(host: &Host, name: &str) -> systemd::Result<()> {
    let unit = dpe_unit(name);
    let state = host.systemd.unit(&unit).await?.active;
    if matches!(state, ActiveState::Inactive | ActiveState::Failed) {
        host.systemd.reset_failed(&unit).await?;
        host.systemd.clean_state(&unit).await?;
    }
    Ok(())
}
