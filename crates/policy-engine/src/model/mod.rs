//! The working set of one scheduling run: arenas of nodes, resources, constraints and actions.
//!
//! Data flows one way: `configuration` and `status` fill the [`Cluster`], `assignment` places
//! resources, `actions` and `ordering` decide which actions are done in which order, `graph`
//! selects. Each field of the model says who writes it.

mod action;
mod action_list;
mod attributes;
mod caches;
mod changes;
mod cluster;
mod collective;
mod constraint;
mod definition;
mod ids;
mod journal;
mod node;
mod nvset;
mod options;
mod queries;
mod resource;
mod scores;
mod table;
mod vocabulary;
mod zone;

pub use crate::score::Score;
pub use action::*;
pub use action_list::ActionList;
pub use attributes::*;
pub use caches::Caches;
pub use changes::{ChangedResources, ChildActions};
pub use cluster::*;
pub use collective::*;
pub use constraint::*;
pub use definition::*;
pub use ids::*;
pub use journal::*;
pub use node::*;
pub use nvset::*;
pub use options::*;
pub use queries::{Where, base_name, instance_number, is_of_ban, is_of_move};
pub use resource::*;
pub use table::*;
pub use vocabulary::*;
pub use zone::Zone;

pub(crate) use std::sync::Arc;
