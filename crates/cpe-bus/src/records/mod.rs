//! The records that travel as `a{sv}`: operations and their results, events, and the small answers
//! around them.
//!
//! Each has `to_fields`, which writes every key, and `from_fields`, which ignores keys that it does
//! not know and checks type, range and length of those it does (see [`crate::fields`]). A record
//! read by `from_fields` is bounded in memory.
//!
//! zbus can derive such readers (`DeserializeDict`), but they refuse an integer of another width
//! that fits, report a wrong type without the key's name, and do so before a method's body runs,
//! with an error that is not one of ours. The bounds would need a second pass over every field, so
//! the derive would save the writing of `to_fields` only.

pub mod agent;
pub mod attribute;
mod configure;
mod deployment;
mod event;
pub mod facts;
mod generation;
mod operation;
pub mod question;

pub use agent::{AgentDescription, HelloReply, HelloSettings, Leaving};
pub use attribute::{NodeAttribute, NodeAttributes};
pub use deployment::{DeploymentEntry, ProblemRecord};
pub use event::Event;
pub use facts::GuestFacts;
pub use generation::GenerationEntry;
pub use operation::{
    EXIT_REASON, FEATURE_SET, Operation, OperationRecord, OperationState, OperationStatus,
    ResourceClass, exit_reason, rc,
};
pub use question::{Question, Reply};

/// Longest id of an event or an operation, and longest name of anything, in bytes.
pub const MAX_ID: usize = cpe_status::limits::MAX_VALUE_NAME;
/// Longest parameter value, in bytes.
pub const MAX_VALUE: usize = cpe_status::limits::MAX_PARAMETER;
/// Most parameters, meta attributes, annotations or details of one record.
pub const MAX_ENTRIES: usize = 512;
/// Longest exit reason or reason of an event, in bytes.
pub const MAX_REASON: usize = 2048;
/// Most output of a resource agent that a record carries, in bytes.
pub const MAX_OUTPUT: usize = 4096;
/// Most of each stream of a verbose operation that its result carries, in bytes.
pub const MAX_SAID: usize = 64 * 1024;
/// Longest detail of an event, in bytes.
pub const MAX_DETAIL: usize = 16 * 1024;
