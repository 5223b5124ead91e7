//! The store of several hosts: [`Etcd`] keeps in etcd what [`cpe_store::sqlite`] keeps in a file.
//!
//! ```text
//! cpe ──▶ Etcd ──▶ records: one transaction a change ─────────▶ etcd
//!           │  ──▶ documents: an upload, to which it turns ────▶
//!           └◀──── the log, copied into SQLite ◀── a watch ◀────
//! ```
//!
//! - **Keys** are those of [`cluster_keys`]. Values are JSON; fields that this version does not
//!   know are kept. Chunks of documents are bytes.
//! - **A change of a deployment or an order is one transaction**, which compares the revision of
//!   what it was decided by. A document's chunks are written before the change that turns to it.
//!   Before the end of a deployment its orders are deleted, and it is noted where its services were
//!   left: each of these transactions compares its row.
//! - **What membership knows of a deployment** (`cluster/dep/N`) changes in the same transaction as
//!   the store's own row. Its `destroying` is set when the DPE has *unloaded*: membership stops the
//!   DPE then, which until then is needed to stop services.
//! - **What a host sees of the run of a DPE** is written only while no other host has the
//!   deployment: one that has stood still tells nothing of what was taken from it.
//! - **A call that is not answered** may have been carried out, or be carried out later. It is sent
//!   again as it was: its compares let it be done once. If they fail, the event that was written
//!   with the change tells whether it was this one; if that is not there, it is made impossible
//!   before anything else is said. [`cpe_store::Error::Unknown`] remains if there is no answer for
//!   long. Of facts it is said who has written last ([`Facts::write`]).
//! - **Documents** are compressed (zlib) and written in chunks of at most 512 KiB, each once, under
//!   an id of their own. The transaction that turns to them compares every chunk, so that what a
//!   sweep has taken meanwhile is not turned to. Uploads that no generation names are swept after
//!   an hour. What is read back is bounded and its SHA-256 is compared.
//! - **Events** have one order, that of revisions, and a cursor that is the same at every host:
//!   `incarnation:7 | revision:44 | index:12`. Each host copies them by a watch into a database of
//!   its own, from which queries are answered; who has changed something waits two seconds at most
//!   for its copy, so that it reads what it was told. In etcd they stay for an hour or longer. A
//!   host that was away for longer misses what was swept, and says so.
//! - **Limits**: a transaction has 128 operations and 1,400,000 bytes. Of a deployment's former
//!   documents, at most 40 are dropped at a time; the next change drops more. The limit of
//!   deployments is counted before one is created: hosts that create some at the same moment may
//!   exceed it by as many.

#![warn(missing_docs)]

mod calls;
mod cursor;
mod deployments;
mod documents;
mod facts;
mod grouped;
mod log;
mod orders;
mod records;
mod store;
mod sweep;

pub use facts::{FactChange, FactRows, FactWrite, Facts, FactsOf};
pub use grouped::GroupedFacts;
pub use store::Etcd;
