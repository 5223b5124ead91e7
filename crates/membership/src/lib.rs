//! A host's part in a cluster: carries out what [`ownership::Host`] wants, and tells it what comes
//! of it.
//!
//! ```text
//!   etcd ◀──▶ store ──┐                ┌──▶ Folder: session, permit, grants, under /run
//!                     ├──▶ Driver ─────┤              ▲
//!   people ─▶ Handle ─┘   (a Host)     └──▶ Runner: DPEs ── Guard: may I send?
//! ```
//!
//! What is said to etcd and when, what starts and what stops is decided in `ownership`, and is
//! simulated there. Here is only what that needs of the world: texts for its keys and values, files
//! that a process leaves for the next one, CLOCK_BOOTTIME, and the order in which effects are
//! carried out: one that fails ends the driver, before anything that follows from it.

#![warn(missing_docs)]

mod driver;
mod error;
mod folder;
mod handle;
mod keys;
mod pulse;
mod runner;
mod seen;
mod store;
mod units;
mod values;

pub use cpe_permit::{Guard, May, boot, grant_of, now_us};
pub use driver::{Cluster, Driver};
pub use error::{Error, Result};
pub use folder::Folder;
pub use handle::{Handle, Status};
pub use keys::{OWN, READ, WRITE};
pub use runner::{Event, Runner};
pub use store::Trouble;
