//! What others have of a driver.

use ownership::{Answer, Change, Order, Outcome};
use tokio::sync::{mpsc, oneshot, watch};

use crate::store::Trouble;

/// How a host's part in the cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the machine says.
    pub host: ownership::Status,
    /// Why the store has not answered lately.
    pub trouble: Option<Trouble>,
}

/// What somebody asks of a driver.
#[derive(Debug)]
pub(crate) enum Asked {
    Order(Order, oneshot::Sender<Outcome>),
    Change(Change, oneshot::Sender<Answer>),
}

/// Orders go in, status comes out. Its copies are of the same driver.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) asked: mpsc::Sender<Asked>,
    pub(crate) status: watch::Receiver<Status>,
}

impl Handle {
    /// Wants something of a host. `None`: the driver has ended, or it is a change, which has a call
    /// of its own.
    pub async fn order(&self, order: Order) -> Option<Outcome> {
        if matches!(order, Order::Change(_)) {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        self.asked.send(Asked::Order(order, answer)).await.ok()?;
        answered.await.ok()
    }

    /// Changes a document's record. `None`: the driver has ended, or somebody else asks the same.
    pub async fn change(&self, change: Change) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked::Change(change, answer);
        self.asked.send(asked).await.ok()?;
        answered.await.ok()
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }
}
