//! What starts and stops DPEs, for a driver.

use std::future::Future;

use ownership::{DeploymentId, Grant};

/// Starts and stops units of DPEs. Each call ends in bounded time: what comes next for a deployment
/// waits for it.
pub trait Runner: Send + Sync + 'static {
    /// Deployments of which something still runs.
    fn running(&self) -> impl Future<Output = Result<Vec<DeploymentId>, String>> + Send;

    /// Starts the unit of a deployment, whose grant is written. It is asked again after an error.
    fn start(
        &self,
        deployment: &DeploymentId,
        grant: Grant,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Stops the unit of a deployment and returns when nothing of it runs. It is asked again after
    /// an error. There may be none.
    fn stop(&self, deployment: &DeploymentId) -> impl Future<Output = Result<(), String>> + Send;
}

/// What becomes of a unit that nobody has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing of the unit that ran under the grant of this revision runs any more, and it is not
    /// started again.
    Ended(DeploymentId, u64),
    /// The same, since the grant has no epoch left for another start.
    EpochsUsedUp(DeploymentId, u64),
}
