//! One database file of one host: SQLite.
//!
//! The file (`cpe.db`, write-ahead log, synced at every commit) is owned by one process. Calls
//! block for a disk write; they are made away from the event loop, on threads for what blocks.

mod backup;
mod condition;
mod deployments;
mod documents;
mod events;
mod handle;
mod mark;
mod open;
mod orders;
mod stored;

pub use handle::Sqlite;
