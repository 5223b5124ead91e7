//! What goes in and out, and what the store keeps: plain data.

mod effect;
mod grant;
mod ids;
mod input;
mod records;
mod store;
pub mod timing;

pub use effect::{Answer, Effect, Outcome, Permit, Refusal};
pub use grant::{Grant, MOST_RESTARTS};
pub use ids::{ChangeId, DeploymentId, HostId, LeaseId, RequestId, Session};
pub(crate) use ids::{STEP, mixed};
pub use input::{Change, Input, Kept, Order, Settings, What};
pub use records::{DeploymentRecord, HostRecord, HostState, Meta, Needs, Origin, OwnerRecord};
pub use store::{
    Changed, Compare, Entry, Key, MOST_OPERATIONS, Operation, Reply, Request, StoreError, Txn,
    TxnReply, Value, WatchEvent,
};
