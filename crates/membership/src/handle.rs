//! What others have of a driver.

use ownership::{Answer, Change, Order};
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
    Order(Order),
    Change(Change, oneshot::Sender<Answer>),
}

/// Orders go in, status comes out. Its copies are of the same driver.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) asked: mpsc::Sender<Asked>,
    pub(crate) status: watch::Receiver<Status>,
}

impl Handle {
    /// Wants something of a host, which is tried until it is done. Changes have a call of their
    /// own. Whether the driver still runs.
    pub async fn order(&self, order: Order) -> bool {
        self.asked.send(Asked::Order(order)).await.is_ok()
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
