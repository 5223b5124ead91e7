//! `cpe-agent`, the guest agent: executes resource agents in an assembly.
//!
//! Data flows one way: [`server`] (connections) → [`engine`] (decides) → [`classes`] (how a
//! resource is operated) → [`process`] (programs). What must outlive the process lies in [`store`];
//! the rules that can be wrong in a dangerous way are pure: [`lease`] and [`activity`]. What
//! resource agents report about their guest comes in through [`attributes`].
//!
//! Invariants: the engine never waits for anything but its queue and the clock; a record is on disk
//! before its operation begins, and before anybody learns that it has ended; after the end of the
//! lease only stops begin.

#![warn(missing_docs)]

mod accept;
pub mod activity;
pub mod attributes;
pub mod classes;
pub mod cli;
pub mod clock;
pub mod configure;
pub mod device;
pub mod ending;
pub mod engine;
pub mod former;
pub mod guard;
pub mod lease;
pub mod machine;
pub mod network;
pub mod process;
pub mod remains;
mod renewal;
pub mod reset;
pub mod secrets;
pub mod server;
pub mod standing;
pub mod store;
