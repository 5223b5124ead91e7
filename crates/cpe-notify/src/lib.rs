//! `cpe-notify` delivers the events of the Cloud Policy Engine to others: to webhooks, as
//! CloudEvents over HTTP, and to alert agents, as Pacemaker runs them.
//!
//! It is a client of `cpe`'s bus like any other: it reads the event log by cursor, at its own pace,
//! and nothing in the way of an event waits for it. Each sink goes its own way from event to event,
//! and what it has delivered is on disk before the next one: an event arrives at least once, in
//! order, and always with the same id.
//!
//! ```text
//! serve          puts the parts together, on one connection to the bus after another
//! bus            org.cloudpolicy.Notify1: how it stands, dead letters, a test
//! sinks          all sinks: which there are, and that each has a worker
//! worker         one sink: from event to event ─▶ deliver/: one attempt, over HTTP or by a program
//! event_log      where events come from
//! store          cursors and dead letters, on disk
//! config         /etc/cpe/sinks.d/*.toml
//! ```
//!
//! Each line uses only those below it; `tests/layers.rs` has the whole order.

#![warn(missing_docs)]

pub mod config;
pub mod deliver;
pub mod environment;
pub mod event_log;
pub mod retry;
pub mod serve;
pub mod signature;
pub mod sinks;
pub mod store;
pub mod worker;

mod bus;
mod text;
