//! The words that are spoken with the store: those of etcd that are used, as data. Keys and values
//! are typed; how they are written is for the shell.

use std::sync::Arc;

use super::ids::{ChangeId, DeploymentId, HostId, LeaseId, Session};
use super::records::{DeploymentRecord, HostRecord, Meta, OwnerRecord};

/// Compares, or operations, in one transaction: etcd's default limit.
pub const MOST_OPERATIONS: usize = 128;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `meta`
    Meta,
    /// `host/H`
    Host(HostId),
    /// `alive/H`, bound to H's lease. Nobody deletes it otherwise: with the key its lease is gone,
    /// so that a delayed request cannot write it again.
    Alive(HostId),
    /// `dep/N`
    Deployment(DeploymentId),
    /// `own/N`
    Owner(DeploymentId),
    /// `change/ID`: what came of a change, so that an unknown outcome can be looked up.
    Change(ChangeId),
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Key::Meta`].
    Meta(Meta),
    /// Of [`Key::Host`].
    Host(Arc<HostRecord>),
    /// Of [`Key::Alive`].
    Alive(Session),
    /// Of [`Key::Deployment`].
    Deployment(Arc<DeploymentRecord>),
    /// Of [`Key::Owner`].
    Owner(Arc<OwnerRecord>),
    /// Of [`Key::Change`]: it was done and made this generation; `None`: it was refused and is
    /// never done.
    Change(Option<u64>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Value,
    /// Of the last write: `ref(KEY)`.
    pub revision: u64,
    /// The lease that it ends with.
    pub lease: Option<LeaseId>,
}

/// What has to hold when a transaction is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// There is no such key.
    Absent(Key),
    /// The key was last written at this revision.
    Revision(Key, u64),
    /// The key has this value.
    Holds(Key, Value),
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writes; refused if there is no such lease.
    Put(Key, Value, Option<LeaseId>),
    /// Deletes.
    Delete(Key),
    /// Reads.
    Get(Key),
}

/// A transaction: one branch, as a whole, at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// All of this has to hold
    pub compare: Vec<Compare>,
    /// for this to be done;
    pub then: Vec<Operation>,
    /// else this is.
    pub otherwise: Vec<Operation>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A transaction; linearizable, also if it only reads.
    Txn(Txn),
    /// A new lease that ends this long after its last renewal, ms.
    LeaseGrant(u64),
    /// Renews a lease. A reply proves nothing: a leader that is not one any more gives it too.
    LeaseKeepAlive(LeaseId),
    /// Everything, linearizable.
    List,
    /// All changes from this revision on, until the stream ends.
    Watch(u64),
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnReply {
    /// The compares held.
    pub succeeded: bool,
    /// Of the store after it.
    pub revision: u64,
    /// What was read, as far as it is there.
    pub found: Vec<Entry>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::Txn`].
    Txn(TxnReply),
    /// To [`Request::LeaseGrant`].
    Granted(LeaseId),
    /// To [`Request::LeaseKeepAlive`].
    KeptAlive,
    /// To [`Request::List`], with the store's revision.
    Listed(u64, Vec<Entry>),
}

/// An answer that says that nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// No such lease.
    NoLease,
}

/// What a watch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// Everything up to this revision, in order.
    Changes(u64, Vec<Changed>),
    /// The history does not go back that far.
    Compacted,
    /// The stream has ended.
    Ended,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Of what.
    pub key: Key,
    /// The new value; `None`: deleted.
    pub value: Option<Value>,
    /// When.
    pub revision: u64,
    /// The lease that it ends with.
    pub lease: Option<LeaseId>,
}
