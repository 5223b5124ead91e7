//! What the CPE must never forget: the documents of every deployment, the orders that were given,
//! and the event log.
//!
//! ```text
//! words ──▶ outcomes: what follows from a request, and what the event log tells of it
//!   │           │
//!   └──▶ Store, a trait ◀── sqlite: one database file of one host
//!                       ◀── the crate cpe-store-etcd: etcd, which several hosts share
//!                       ◀── conformance: the tests that every store passes
//! ```
//!
//! A change and the event that tells of it are one transaction, so neither can exist without the
//! other. Everything that a caller may have caused is an outcome of the call. An [`Error`] says
//! that the store could not do it, and whether it may have been done all the same.

#![warn(missing_docs)]

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod journal;
mod outcomes;
pub mod sqlite;
mod store;
mod words;

pub use error::{Error, Result};
pub use journal::{new_event, to_journal};
pub use outcomes::{
    Change, Runs, adopted, created, dropped, forgotten, look_for, renumbered, runs, taken_over,
    updated,
};
pub use store::{Answer, Store};
pub use words::{
    CALLER_PRINCIPAL, Created, Destroying, Details, Document, Ending, Filter, Generation, Given,
    Keep, KeptAside, Marked, Needs, News, OrderKey, Ownership, Page, Row, Run, Taken, Updated,
    orders,
};
