//! One file per command, or per family of similar commands.

pub(crate) mod administer;
pub(crate) mod agents;
pub(crate) mod attribute;
mod change;
mod confirm;
pub(crate) mod deploy;
pub(crate) mod destroy;
pub(crate) mod diff;
pub(crate) mod edit;
pub(crate) mod events;
pub(crate) mod explain;
mod fence_agents;
pub(crate) mod fencing;
pub(crate) mod guest;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod pki;
pub(crate) mod plan;
mod renewal;
pub(crate) mod rollback;
pub(crate) mod status;
pub(crate) mod ticket;
pub(crate) mod transitions;
pub(crate) mod validate;
pub(crate) mod wait;
