//! The scheduler: a cluster's configuration and state in, a transition graph out. Pure: no I/O, no
//! clock, no global state.
//!
//! ```text
//! xml → upgrade → configuration → status → constraints → assignment
//!       (ch. 1)   (ch. 1)         (ch. 2)  (ch. 3, 5)    (ch. 3, 4)
//!     → actions → ordering → graph
//!       (ch. 5)   (ch. 5)    (ch. 5)
//! ```
//!
//! Each stage is a folder whose first file says what it reads and writes; all of them work on one
//! [`model::Cluster`], and write actions and orderings through `transition`. Each uses only what
//! lies below it: `tests/layers.rs` has the order, and holds it. `schedule.rs` is the run, step
//! by step. `simulation` executes a graph on a copy of the input, `output` renders texts. The rules
//! are those of Pacemaker 3.0.2's scheduler. [`mod@lint`] checks a decision before it is carried
//! out.

#![warn(missing_docs)]

mod actions;
mod assignment;
mod cib;
mod configuration;
mod constraints;
mod expansion;
pub mod explain;
pub mod graph;
pub mod lint;
mod misread;
pub mod model;
mod ordering;
pub mod output;
mod scalar;
mod schedule;
mod schema;
mod score;
pub mod simulation;
mod status;
mod transition;
mod upgrade;
pub mod xml;

pub use cib::{Cib, Error, upgrade_configuration};
pub use configuration::date_specs::is_possible_range;
pub use configuration::dates::{ClockTime, parse_clock_time, parse_interval};
pub use configuration::digests::of_attributes as parameters_digest;
pub use configuration::pattern::Pattern;
pub use expansion::{Kind as ExpansionKind, TooLarge};
pub use graph::{
    ActionHead, ActionKind, GraphAction, ResourceIdentity, SingleOperation, Synapse,
    TransitionGraph, operation_digest, single_operation,
};
pub use lint::lint;
pub use misread::{DONE_ONCE, Misread, misread};
pub use model::{Cluster, FEATURE_SET, Level, Message, RunOptions, Zone};
pub use scalar::milliseconds as parse_milliseconds;
pub use schedule::{Schedule, load, schedule, schedule_loaded};
pub use schema::Invalid;
pub use score::Score;
pub use upgrade::{Change, Voice};
