//! A deployment that is to end: first in the guests, then on this host.

use cpe_bus::{Event, EventKind};
use cpe_status::{DeploymentState, DpeState};
use cpe_store::{Destroying, Row, new_event};
use tokio::time::Instant;

use super::{Failure, LOOK_AGAIN, Next, Result, Supervisor};
use crate::systemd::{ActiveState, Unit};

impl Supervisor {
    pub(super) async fn destroy(&mut self, row: Row, how: Destroying, unit: Unit) -> Result<Next> {
        let since = *self.destroying_since.get_or_insert_with(Instant::now);
        if row.loaded == 0 {
            // No DPE was ever given its document, so nothing was ever started.
            return self.unloaded().await;
        }
        let deadline = since + self.host.core.config.dpe.unload_timeout;
        if deadline <= Instant::now() {
            if how == Destroying::LeaveServices {
                tracing::warn!(
                    cpe_deployment = row.name,
                    "the DPE of {} does not finish; its services were to stay, so it is ended",
                    row.name
                );
                return self.unloaded().await;
            }
            self.report_overdue(&row).await?;
        }
        let look = Instant::now() + LOOK_AGAIN;
        let look = match self.overdue_reported {
            true => look,
            false => deadline.min(look),
        };
        match unit.active {
            ActiveState::Active => self.unload(&row, how, &unit, look).await,
            ActiveState::Activating | ActiveState::Deactivating | ActiveState::Maintenance => {
                self.set_view(
                    DeploymentState::Destroying,
                    unit.pid,
                    "systemd is starting its DPE",
                );
                Ok(Next::Until(look))
            }
            ActiveState::Inactive | ActiveState::Failed => {
                self.start(&unit, DeploymentState::Destroying).await
            }
        }
    }

    /// The unit is active: its DPE is to end the deployment in the guests.
    async fn unload(
        &mut self,
        row: &Row,
        how: Destroying,
        unit: &Unit,
        look: Instant,
    ) -> Result<Next> {
        let Some(dpe) = self.dpe().await? else {
            return self.await_name(row, unit).await;
        };
        if dpe.state == DpeState::Unloaded {
            return self.unloaded().await;
        }
        if dpe.generation == 0 {
            // It has lost its state; without the document it does not know what to stop.
            self.asked_to_unload = None;
            return self.load(row).await;
        }
        if self.asked_to_unload != Some(how) || dpe.state != DpeState::Unloading {
            let stop_services = how == Destroying::StopServices;
            let client = self.client().await?;
            client
                .unload(stop_services)
                .await
                .map_err(|error| Failure::Call {
                    method: "Unload",
                    error,
                })?;
            self.asked_to_unload = Some(how);
        }
        let remark = match how {
            Destroying::StopServices => "its services are being stopped",
            Destroying::LeaveServices => "its services are being left to themselves",
        };
        self.set_view(DeploymentState::Destroying, unit.pid, remark);
        Ok(Next::Until(look))
    }

    async fn unloaded(&mut self) -> Result<Next> {
        self.store().unloaded(&self.deployment.name).await?;
        Ok(Next::Now)
    }

    /// Everything is done in the guests: stops the unit, deletes its state, forgets the deployment.
    pub(super) async fn finish(&mut self) -> Result<Next> {
        self.set_view(DeploymentState::Destroying, 0, "its DPE is being stopped");
        if self.is_shared() {
            // Membership stops it, since it is unloaded, and lets go of the deployment. Then
            // nobody runs it, and it is forgotten.
            return Ok(Next::Until(Instant::now() + LOOK_AGAIN));
        }
        let systemd = &self.host.systemd;
        systemd.stop(&self.unit).await?;
        systemd.reset_failed(&self.unit).await?;
        if let Err(error) = systemd.clean_state(&self.unit).await {
            tracing::warn!(
                cpe_deployment = self.deployment.name,
                "the state of {} could not be deleted: {error}",
                self.unit
            );
        }
        let guests = self.guests(&self.deployment.row()).await?;
        let _changes = self.host.core.changes.lock().await;
        let name = &self.deployment.name;
        let addresses: Vec<String> = guests.into_keys().collect();
        self.store().forget(name, &addresses).await?;
        self.host.core.forget(name);
        Ok(Next::Gone)
    }

    /// Says once that a destroy takes too long, and what an administrator can do.
    async fn report_overdue(&mut self, row: &Row) -> Result<()> {
        if self.overdue_reported {
            return Ok(());
        }
        let event = Event {
            state: DeploymentState::Destroying.as_str().into(),
            reason: format!(
                "its services could not be stopped within {} s; they are still being stopped. `cpectl status {}` says which; \
                 `cpectl destroy --keep-services {}` ends it without stopping them",
                self.host.core.config.dpe.unload_timeout.as_secs(),
                row.name,
                row.name
            ),
            ..new_event(EventKind::DeploymentFailed, &row.name)
        };
        self.store().record(event).await?;
        self.overdue_reported = true;
        Ok(())
    }
}
