//! A deployment that is to run: its unit is started, its DPE gets the current document.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::names::IN_DOUBT;
use cpe_bus::{Error as BusError, Fields, json};
use cpe_status::{DeploymentState, DeploymentStatus, DpeState};
use cpe_store::{Document, Row};
use tokio::time::Instant;

use super::{Failure, LOOK_AGAIN, Next, Result, Supervisor};
use crate::facts::Facts;
use crate::sync::turn;
use crate::systemd::{ActiveState, Unit};

/// No lease is so short that starts without a pause would help it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The patience with a DPE that does not appear on the bus doubles this often at most.
const MOST_DOUBLINGS: u32 = 5;
/// Starts in a row without a DPE that lasts before the deployment is called failed.
const FAILED_AFTER: u32 = 5;

impl Supervisor {
    pub(super) async fn keep(&mut self, row: Row, unit: Unit) -> Result<Next> {
        match unit.active {
            ActiveState::Active => self.manage(row, &unit).await,
            ActiveState::Activating | ActiveState::Deactivating | ActiveState::Maintenance => {
                self.set_view(
                    DeploymentState::Starting,
                    unit.pid,
                    "systemd is starting its DPE",
                );
                Ok(Next::Until(Instant::now() + LOOK_AGAIN))
            }
            ActiveState::Inactive | ActiveState::Failed => {
                self.start(&unit, DeploymentState::Starting).await
            }
        }
    }

    /// systemd does not run the unit: starts it, with a growing pause if that keeps failing.
    pub(super) async fn start(&mut self, unit: &Unit, state: DeploymentState) -> Result<Next> {
        self.nameless_since = None;
        if self.is_shared() {
            // Membership has started it with its grant, or does so now; one that has ended gets
            // another one.
            let remark = format!("its DPE {}; it is started with its grant", unit.end);
            self.set_view(state, 0, &remark);
            return Ok(Next::Until(Instant::now() + LOOK_AGAIN));
        }
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
            self.set_view(state, 0, &remark);
            return Ok(Next::Until(time));
        }
        self.set_view(state, 0, "its DPE is being started");
        if unit.active == ActiveState::Failed {
            self.host.systemd.reset_failed(&self.unit).await?;
        }
        if self.backoff.attempts() > 0 {
            self.host.retries.turn().await;
        }
        let longest = self.longest_pause().await;
        self.backoff.attempt(longest);
        let result = {
            let _turn = turn(&self.host.starts).await;
            self.host.systemd.start(&self.unit).await
        };
        if let Err(error) = result {
            self.set_view(state, 0, &error.to_string());
            self.warn_once(error.to_string());
        }
        Ok(Next::Now)
    }

    /// Services run on for as long as their lease: a DPE that dies twice must be back within it.
    async fn longest_pause(&self) -> Duration {
        let facts = self.host.core.facts(&self.deployment.row()).await;
        match facts {
            Ok(facts) => (facts.lease / 3).max(SHORTEST_PAUSE),
            // The document cannot be read now; the configured maximum holds.
            Err(_) => Duration::MAX,
        }
    }

    /// The unit is active: its DPE is to hold the current document.
    async fn manage(&mut self, row: Row, unit: &Unit) -> Result<Next> {
        let Some(dpe) = self.dpe().await? else {
            return self.await_name(&row, unit).await;
        };
        // Stored here, and given to no DPE yet.
        let newly_stored = row.loaded != row.generation;
        if dpe.state == DpeState::Unloaded
            || (dpe.generation >= row.generation && dpe.generation > 0 && newly_stored)
        {
            return self.renumber(&row, dpe.generation).await;
        }
        if dpe.generation > row.generation {
            return self.take_over(&row).await;
        }
        if dpe.generation < row.generation || dpe.state == DpeState::Empty {
            self.set_view(
                DeploymentState::Loading,
                unit.pid,
                "its DPE is loading the document",
            );
            return self.load(&row).await;
        }
        self.backoff.good();
        let state = match dpe.state {
            // It ends what an older database had destroyed. Then it gets the document again.
            DpeState::Unloading => DeploymentState::Loading,
            state => DeploymentState::from(state),
        };
        self.set_view(state, unit.pid, "");
        Ok(Next::News)
    }

    /// The database was lost or restored, and then an administrator stored this document. It is the
    /// latest word, and gets a generation above the DPE's, so that the DPE takes it.
    async fn renumber(&self, row: &Row, above: u64) -> Result<Next> {
        let keep = self.host.core.keep();
        let _changes = self.host.core.changes.lock().await;
        let renumbered = self.store().renumber(&row.name, above, keep).await?;
        if let Some(row) = renumbered {
            self.deployment.set_row(row);
        }
        Ok(Next::Now)
    }

    /// The database was replaced by a backup, and the DPE holds a newer document: that one is in
    /// force, and nobody said that it should not be.
    async fn take_over(&self, row: &Row) -> Result<Next> {
        let call = |method, error| Failure::Call { method, error };
        let client = self.client().await?;
        let document = client.get_document().await;
        let (document, generation) = document.map_err(|error| call("GetDocument", error))?;
        let status = client.get_status().await;
        let status = status.map_err(|error| call("GetStatus", error))?;
        drop(client);
        let uuid = json::from_json::<DeploymentStatus>(&status)
            .map(|status| status.uuid)
            .ok()
            .filter(|uuid| !uuid.is_empty())
            .unwrap_or_else(|| row.uuid.clone());
        let keep = self.host.core.keep();
        let document = Document {
            claims: self.host.core.documents.claims_of(document.clone()).await,
            text: document,
            ..Document::default()
        };
        let _changes = self.host.core.changes.lock().await;
        let (store, name) = (self.store(), &row.name);
        let taken = store.take_over(name, &uuid, generation, document, keep);
        let taken = taken.await?;
        if let Some(row) = taken {
            tracing::warn!(
                cpe_deployment = row.name,
                "{}: generation {generation} is taken over from its running DPE",
                row.name
            );
            self.deployment.set_row(row);
        }
        Ok(Next::Now)
    }

    /// Gives the DPE the current document.
    pub(super) async fn load(&mut self, row: &Row) -> Result<Next> {
        let found = self.store().document(&row.name, 0).await?;
        let Some((document, generation)) = found else {
            return Ok(Next::Now);
        };
        // Before the call: whoever destroys this deployment must know that the DPE may have
        // services running.
        self.store().loaded(&row.name, generation).await?;
        let mut options = Fields::new();
        put(&mut options, "uuid", row.uuid.as_str());
        put(&mut options, IN_DOUBT, self.in_doubt(row).await?);
        let client = self.client().await?;
        match client.load(&document, generation, options).await {
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
                self.set_view(DeploymentState::Failed, 0, &remark);
                self.warn_once(remark);
                Ok(Next::Until(Instant::now() + LOOK_AGAIN))
            }
            Err(error) => Err(Failure::Call {
                method: "Load",
                error,
            }),
        }
    }

    /// The assemblies of the current document in which services of this deployment may run already:
    /// all if a DPE was given a document before, or else those where a destroyed deployment has
    /// left its services. It matters to a DPE that has no state, which knows of none.
    async fn in_doubt(&self, row: &Row) -> Result<Vec<String>> {
        if row.loaded > 0 {
            let facts = self.facts(row).await?;
            return Ok(facts.assemblies.iter().cloned().collect());
        }
        let guests = self.guests(row).await?;
        let addresses: Vec<String> = guests.keys().cloned().collect();
        let left = self.store().left_behind(&addresses).await?;
        let named = left.iter().filter_map(|address| guests.get(address));
        Ok(named.cloned().collect())
    }

    /// The addresses of the guests of the current document, and their assemblies.
    pub(super) async fn guests(&self, row: &Row) -> Result<BTreeMap<String, String>> {
        Ok(self.facts(row).await?.guests())
    }

    async fn facts(&self, row: &Row) -> Result<Arc<Facts>> {
        let facts = self.host.core.facts(row).await;
        facts.map_err(|error| Failure::Call {
            method: "its document",
            error,
        })
    }

    /// The unit is active, but nobody answers for it on the bus.
    pub(super) async fn await_name(&mut self, row: &Row, unit: &Unit) -> Result<Next> {
        // If the bus takes no more connections, a restart does not help, and a thousand harm.
        let doublings = self.nameless_restarts.min(MOST_DOUBLINGS);
        let patience = self.host.core.config.dpe.name_timeout * (1 << doublings);
        let since = *self.nameless_since.get_or_insert_with(Instant::now);
        if since.elapsed() < patience {
            self.set_view(
                DeploymentState::Starting,
                unit.pid,
                "its DPE is not on the bus yet",
            );
            return Ok(Next::Until(since + patience));
        }
        self.nameless_since = None;
        self.nameless_restarts += 1;
        self.host.core.dpe_not_on_the_bus(&self.unit);
        self.note_useless(row, "it was not on the bus in time; cpe has it restarted");
        if self.is_shared() {
            self.host.core.renew_grant(&row.name).await;
            return Ok(Next::Until(Instant::now() + LOOK_AGAIN));
        }
        self.host.systemd.restart(&self.unit).await?;
        Ok(Next::Now)
    }
}
