//! What others have of a driver.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ownership::{Answer, Change, DeploymentId, HostId, Order, Outcome, Overview, Owner};
use tokio::sync::{mpsc, oneshot, watch};

use crate::store::Trouble;

/// How a host's part in the cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the machine says.
    pub host: ownership::Status,
    /// Why the store has not answered lately.
    pub trouble: Option<Trouble>,
    /// How often owners have changed: [`Handle::host_of`] says something else then.
    pub moves: u64,
}

/// What somebody asks of a driver.
#[derive(Debug)]
pub(crate) enum Asked {
    Order(Order, oneshot::Sender<Outcome>),
    Change(Change, oneshot::Sender<Answer>),
    Renew(DeploymentId),
    Overview(oneshot::Sender<Overview>),
    Owner(DeploymentId, oneshot::Sender<Option<Owner>>),
}

/// Who has which deployment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners(Arc<Mutex<BTreeMap<DeploymentId, HostId>>>);

impl Owners {
    pub(crate) fn note(&self, moved: Vec<(DeploymentId, Option<HostId>)>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, host) in moved {
            match host {
                Some(host) => all.insert(name, host),
                None => all.remove(&name),
            };
        }
    }

    fn get(&self, deployment: &DeploymentId) -> Option<HostId> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(deployment).cloned()
    }
}

/// Orders go in, status comes out. Its copies are of the same driver.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) asked: mpsc::Sender<Asked>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) owners: Owners,
}

impl Handle {
    /// Wants something of a host. `None`: the driver has ended, or it is a change, which has a call
    /// of its own.
    pub async fn order(&self, order: Order) -> Option<Outcome> {
        if matches!(order, Order::Change(_)) {
            return None;
        }
        self.ask(|answer| Asked::Order(order, answer)).await
    }

    /// Changes a document's record. `None`: the driver has ended, or somebody else asks the same.
    pub async fn change(&self, change: Change) -> Option<Answer> {
        self.ask(|answer| Asked::Change(change, answer)).await
    }

    /// What this host knows of all hosts. `None`: the driver has ended.
    pub async fn overview(&self) -> Option<Overview> {
        self.ask(Asked::Overview).await
    }

    /// Who owns a deployment, and since when, as far as this host knows: the driver is asked.
    /// [`Handle::host_of`] asks nobody. `None`: the driver has ended.
    pub async fn owner(&self, deployment: DeploymentId) -> Option<Option<Owner>> {
        self.ask(|answer| Asked::Owner(deployment, answer)).await
    }

    async fn ask<T>(&self, asked: impl FnOnce(oneshot::Sender<T>) -> Asked) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.asked.send(asked(answer)).await.ok()?;
        answered.await.ok()
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Changes whenever the status does.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// The host that owns a deployment, as far as this one knows. It may be gone. Nobody is waited
    /// for, so that it can be asked for each of very many.
    pub fn host_of(&self, deployment: &DeploymentId) -> Option<HostId> {
        self.owners.get(deployment)
    }

    /// The DPE of a deployment that runs here is of no use: it is stopped, and started again under
    /// another grant.
    pub async fn renew(&self, deployment: &DeploymentId) {
        // Without a driver this process ends.
        let _ = self.asked.send(Asked::Renew(deployment.clone())).await;
    }
}
