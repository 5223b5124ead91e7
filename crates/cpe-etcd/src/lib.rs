//! A client of etcd, the store that several hosts share.
//!
//! It speaks with one member at a time and goes on to the next one when that does not answer. Every
//! call has a deadline, every message a greatest size, and every error says whether something may
//! have been done. What keys and values mean is for its users.
//!
//! ```text
//! Settings ──▶ Client ──▶ words: transactions, lists, leases
//!                 │
//!                 └─────▶ Watch: changes, in order
//! ```

#![warn(missing_docs)]

mod client;
mod error;
mod members;
mod settings;
mod watch;
mod words;

pub use client::{Client, MemberStatus};
pub use error::{Error, Result};
pub use settings::{CALL, Settings, Tls};
pub use watch::{Batch, Watch};
pub use words::{Change, Compare, Entry, Listed, MOST_OPERATIONS, Operation, Txn, TxnReply};
