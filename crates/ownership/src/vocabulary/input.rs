//! What a host's machine gets to know.

use super::grant::Grant;
use super::ids::{ChangeId, DeploymentId, HostId, RequestId, Session};
use super::records::{HostRecord, Needs};
use super::store::{Reply, StoreError, WatchEvent};

/// What a host is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub host: HostId,
    /// Version, capacity and labels. State and `confirmed_lost` count where the store has no record
    /// of the host; the session does not.
    pub record: HostRecord,
    /// Of this boot of this machine.
    pub boot: u64,
    /// A number that no other start has, for delays that differ.
    pub entropy: u64,
}

/// What an earlier process has left under `/run`, which a boot empties.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The newest session.
    pub session: Option<Session>,
    /// Units of DPEs that have not ended, with their grants.
    pub units: Vec<(DeploymentId, Grant)>,
}

/// Something has happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The store answers. An answer may come late or twice, or not at all.
    Answer(RequestId, Result<Reply, StoreError>),
    /// A watch says something.
    Watched(RequestId, WatchEvent),
    /// Nothing of the unit that ran under the grant of this revision runs any more.
    DpeEnded(DeploymentId, u64),
    /// The DPE under the grant of this revision has no epoch left.
    EpochsUsedUp(DeploymentId, u64),
    /// Somebody wants something.
    Order(Order),
    /// The time of [`Host::deadline`](crate::Host::deadline) has come.
    Tick,
}

/// What people want. A change is answered by [`Effect::Answer`](crate::Effect::Answer), the others
/// by [`Effect::Ordered`](crate::Effect::Ordered).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The host takes no deployments and hands over its own.
    Drain(HostId),
    /// The host takes deployments.
    Activate(HostId),
    /// The host, which is not alive, is lost.
    ConfirmLost(HostId),
    /// The host, which is not alive and has no deployments, is forgotten. If it comes back it joins
    /// as a new one.
    Remove(HostId),
    /// The host that has this deployment hands it over to that one.
    Move(DeploymentId, HostId),
    /// A document is to change.
    Change(Change),
}

/// A change of a document, answered by [`Effect::Answer`](crate::Effect::Answer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The same for each attempt, also at another host.
    pub id: ChangeId,
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// What.
    pub what: What,
}

/// What is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// There is to be one, with these needs and this shortest lease of its guests, ms.
    Create(Needs, u32),
    /// It gets another document; this is the generation that the caller has seen.
    Update(u64),
    /// It is to end.
    Destroy,
}
