//! The D-Bus interfaces of the Cloud Policy Engine: everything two of its programs must agree on.
//!
//! The daemons, the guest agent and the command line tool meet on D-Bus. This crate holds what they
//! share and nothing that decides: [`names`], the [errors](Error) that cross the bus, the
//! [`records`] that travel as `a{sv}`, the trees of status that travel as [`json`], [event
//! kinds](events) with their journal message ids, client [`proxies`], [`news`] of
//! the event log, and the ways to [reach a
//! bus](mod@connect) and [a guest](peer), and the [certificates](identity) that both show there.
//! The interfaces themselves are documented in `docs/bus/*.xml`; where this crate and those files
//! disagree, the files are right.
//!
//! Invariants: it depends on no other crate of the project but the types of `cpe-status`, and
//! nothing that arrives over a bus can make it panic or allocate without a bound.

#![warn(missing_docs)]

pub mod cloudevents;
pub mod connect;
pub mod error;
pub mod events;
pub mod fields;
pub mod identity;
pub mod json;
pub mod names;
pub mod news;
pub mod orders;
pub mod peer;
pub mod proxies;
pub mod records;

mod stream;
mod wire;

pub use connect::{BusSelection, connect};
pub use cpe_status::{
    Configure, GUEST_SECRETS, GuestSecret, MAX_GUEST_SECRET, SECRET_NAMES, Said, name_secrets,
    names_secret,
};
pub use error::{Error, Result};
pub use events::EventKind;
pub use fields::Fields;
pub use peer::PeerAddress;
pub use records::{
    AgentDescription, DeploymentEntry, Event, GenerationEntry, GuestFacts, HelloReply,
    HelloSettings, Leaving, NodeAttribute, NodeAttributes, Operation, OperationRecord,
    OperationState, OperationStatus, ProblemRecord, Question, Reply, ResourceClass,
};
