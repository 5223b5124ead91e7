//! Runs one fence agent for a DPE, outside the DPE's sandbox, in a unit of its own.
//!
//! ```text
//!  dpe@shop ──▶ /run/cpe/fence/shop/sock ──▶ systemd starts cpe-fence@N.service for it
//!       request ─────────────────────────▶ who calls? secrets read; the agent runs as cpe-fence
//!       ◀──────────────────────── reply    nothing of the agent is left
//! ```
//!
//! One connection is one run. The program is as small as it can be, since it begins as root: it
//! looks which unit calls, reads the files that parameters refer to, and has the agent run as
//! another user, without a capability, apart from the agents that run at the same time. It needs
//! neither cpe nor a bus. It ends the agent when the time is over, and when the DPE has gone.

#![warn(missing_docs)]

mod agent;
mod apart;
mod caller;
mod protocol;
mod remains;
mod secrets;
mod serve;

pub use crate::agent::User;
pub use crate::caller::Callers;
pub use crate::protocol::{
    ACTIONS, MAX_REPLY, MAX_REQUEST, MAX_RUN, Parameter, Reply, Request, SECRETS, Value,
};
pub use crate::remains::Confinement;
pub use crate::serve::{Settings, serve};
