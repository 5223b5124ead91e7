//! Chapter 5, first half: the actions that each resource and node needs.
//!
//! Stage interface: [`definitions::check`] (P6), [`schedule`] (P8a–P8d), [`nodes::schedule`] (P10),
//! [`settle::settle`] (before P12).

pub(crate) mod collective;
pub(crate) mod definitions;
mod migration;
pub(crate) mod nodes;
pub(crate) mod notifications;
mod primitive;
pub(crate) mod probes;
mod recurring;
pub(crate) mod settle;

use crate::model::*;
use crate::status::failures::{Scope, fail_count};
use crate::transition::actions::clear_failcount;
use crate::transition::orderings::{self, side, side_of};

/// P8a–P8d: deferred definition checks, probes, fail-count clearing of removed resources, actions
/// of every resource.
pub(crate) fn schedule(cluster: &mut Cluster) {
    definitions::check_deferred(cluster);
    if cluster.options.startup_probes {
        probes::schedule(cluster);
    }
    if cluster.options.stop_removed_resources {
        clear_removed(cluster);
    }
    for top in cluster.top_level.clone() {
        collective::schedule(cluster, top);
    }
}

/// P8c: fail counts of removed resources are cleared before they stop (05 §4.8).
fn clear_removed(cluster: &mut Cluster) {
    for top in cluster.top_level.clone() {
        if !cluster.resource(top).removed {
            continue;
        }
        for node in cluster.node_order.clone() {
            if !cluster.node(node).online {
                continue;
            }
            let (count, _) = fail_count(cluster, top, node, Scope::EFFECTIVE);
            if count != Score::ZERO {
                let clear = clear_failcount(cluster, top, node);
                let first = side_of(cluster, clear);
                orderings::create(cluster, first, side(top, Task::Stop), OrderFlags::SEQ);
            }
        }
    }
}
