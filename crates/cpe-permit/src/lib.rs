//! The right to run a deployment, on the disk of a host that shares deployments with others: its
//! grant, which its DPE reads when it starts, and the permit of the host, which each DPE reads
//! immediately before everything that it sends.
//!
//! Below one folder, which a boot empties:
//!
//! | file | |
//! | --- | --- |
//! | `permit` | until when DPEs of which session may send |
//! | `grant/NAME` | the right to run the deployment of that name |
//!
//! `docs/dev/scale-out.md` says why nothing more is needed: section 5, and "Why the former owner is
//! silent first" in section 18.

#![warn(missing_docs)]

mod clock;
mod error;
mod grant;
mod permit;

pub use clock::{boot, now_us};
pub use grant::{grant_in, grant_of, grant_text, permit_in};
pub use permit::{Guard, May, PermitFile};
