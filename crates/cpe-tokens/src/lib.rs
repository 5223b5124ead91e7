//! Bearer tokens for the gateway: `cpectl token` makes them, `cpe-gateway` checks them.
//!
//! A token is `cpe_ID_SECRET`, with a secret of 256 random bits that is shown once. The file keeps
//! its SHA-256: who reads the file cannot call. A secret of that length needs no slow hash, since
//! nobody can go through all of them.

#![warn(missing_docs)]

mod file;
mod token;

pub use file::{Error, FILE, GATEWAY_GROUP, Tokens};
pub use token::{Entry, ID_RULE, Presented, Refused, is_id, secret};
