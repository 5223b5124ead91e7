//! Chapter 2: the `status` section. What runs where, what failed, which nodes are usable.
//!
//! Stage interface: [`unpack`] (step A7), and [`failures`] for fail counts.

pub mod failures;
pub mod history;

use crate::model::Cluster;

/// Step A7: tickets, node states, histories. Creates actions (02 §2) in the order that the specification demands.
pub fn unpack(_cluster: &mut Cluster) {}
