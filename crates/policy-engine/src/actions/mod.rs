//! Chapter 5, first half: actions. What has to be done with each resource and node.
//!
//! Stage interface: [`create`] (used by `configuration` and `status` too), [`fencing`] (marking nodes, used by `status` and ticket
//! constraints), [`definitions::check`] (P6), [`schedule`] (P8a–P8d), [`nodes::schedule`] (P10).

pub mod create;
pub mod definitions;
pub mod fencing;
pub mod nodes;
pub mod notifications;

use crate::model::Cluster;

/// P8a–P8d: deferred definition checks, probes, fail-count clearing of removed resources, actions of every resource.
pub fn schedule(_cluster: &mut Cluster) {}
