//! The certificate authority of a host: it issues, lists and revokes the certificates that guests'
//! agents and DPEs show each other on networks.
//!
//! A folder that only root may enter holds the CA's key, an index of all that was issued, and the
//! list of what is revoked. Every file is replaced as a whole, and is on disk before anything
//! follows from it: a certificate is in the index before it is handed out, and a revocation before
//! it is published. A command that was killed in between is finished by the next one.
//!
//! Whoever is issued a certificate gets a folder with three files, which [`cpe_bus::identity`]
//! reads: `identity.pem` (certificate and key), `ca.pem`, `revoked.pem`. Keys of others are not
//! kept here.

#![warn(missing_docs)]

mod authority;
mod disk;
mod error;
mod index;
mod lists;

pub use authority::{Authority, Issued, Recipient};
pub use error::{Error, Result};
pub use index::{Entry, LONGEST_DAYS, State};
