//! Which host runs which deployment, as the deterministic state machine of one host: time and
//! inputs in, effects out. No I/O, no clock, no threads.
//!
//! A shell gives a [`Host`] what the store answers and what becomes of DPEs' units, and does what
//! the host wants. All hosts of a cluster run the same machine, and speak with nobody but the
//! store.
//!
//! ```text
//!             ┌─▶ membership: session, permit ──────────────┐
//!  Input ─────┼─▶ view: what the store says ─▶ candidates ──┼─▶ requests to the store
//!             └─▶ holdings: what runs here ─────────────────┴─▶ permit, starts and stops of DPEs
//! ```
//!
//! # What holds, and what keeps it
//!
//! - *A deployment is owned by one host*: by a record that changes only in transactions which
//!   compare its revision. The revision is the [`Grant`], and the DPE's epochs are made of it.
//! - *A former owner's DPE is silent before another one starts*: DPEs send only under a [`Permit`]
//!   that is counted from the **sending** of a transaction which found the session alive. Who takes
//!   a deployment compares that the session is over, and waits longer than any such permit from
//!   the **answer**. No clock but CLOCK_BOOTTIME of each host has a part in it.
//! - *What was let go of is never run again under the same grant*: the request that gives it away
//!   may arrive late.
//! - *A lease is renewed only after a proof*: a host whose answers are lost must not stay alive.
//! - *Silence of the store stops nothing*: units are stopped when a transaction says that the
//!   session is over, not when none is answered.
//!
//! `docs/dev/scale-out.md` derives the durations; they are in [`timing`].

#![warn(missing_docs)]

mod host;
mod machines;
mod vocabulary;

pub use host::{Host, HostView, Overview, OwnedView, Owner, Status};
pub use vocabulary::{
    Answer, Change, ChangeId, Changed, Compare, DeploymentId, DeploymentRecord, Effect, Entry,
    Grant, HostId, HostRecord, HostState, Input, Kept, Key, LeaseId, MOST_OPERATIONS,
    MOST_RESTARTS, Meta, Needs, Operation, Order, Origin, Outcome, OwnerRecord, Permit, Refusal,
    Reply, Request, RequestId, Session, Settings, StoreError, Txn, TxnReply, Value, WatchEvent,
    What, timing,
};
