//! One file per command, or per family of commands that do the same with other words.

pub mod administer;
pub mod deploy;
pub mod destroy;
pub mod events;
pub mod explain;
pub mod list;
pub mod man;
pub mod plan;
pub mod status;
pub mod validate;
