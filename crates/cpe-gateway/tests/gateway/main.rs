//! The gateway against a double of cpe's bus service, on a real bus: what it answers, to whom, and
//! what it does when things restart.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../../cpectl/tests/support/bus.rs"]
mod bus;
mod changes;
mod contract;
mod double;
mod harness;
mod hostile;
mod hosts;
mod logins;
mod metrics;
mod operations;
mod overlay;
mod page;
mod plans;
mod reading;
mod restarts;
mod room;
mod sinks;
mod sockets;
mod streams;
