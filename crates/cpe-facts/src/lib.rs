//! What a DPE and its host's cpe say to each other of the DPE's facts, which hosts share.
//!
//! ```text
//! dpe@shop ──▶ /run/cpe/cluster/store.sock ──▶ cpe: of which unit is it? ──▶ etcd
//!      request ──────────────────────────────▶ facts of deployment shop, and of no other
//!      ◀──────────────────────────── replies   until one has no more
//! ```
//!
//! One connection is one exchange. A request does not say of which deployment it is: cpe asks the
//! kernel who is at the other end.
//!
//! **Writes form a line.** Each says after which one it comes ([`Request::Write`]), and is done
//! only if nothing was written since. So one that is late, or is sent twice, never takes the place
//! of a newer one. A process that begins writes once, also if there is nothing to write: what an
//! earlier one has sent, and was not answered, cannot be done after that.

#![warn(missing_docs)]

mod frame;
mod words;

pub use frame::{LONGEST, frame, length, read, receive, send};
pub use words::{MOST_BYTES, MOST_CHANGES, Reply, Request, Row, socket_in};
