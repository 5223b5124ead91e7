//! Built-in orderings of a primitive (scheduler-spec/05 §11.6, 03 §8.2).

use super::{GATE, PULL, PUSH, SEQ, implicit, order_all};
use crate::constraints::colocation;
use crate::model::Task::{Demote, LrmDelete, MigrateTo, Monitor, Promote, Start, Stop};
use crate::model::*;
use crate::transition::orderings::{self, side, side_of};
use crate::transition::{actions, fencing};

/// Nothing at all for an unmanaged primitive.
pub(super) fn unpack(cluster: &mut Cluster, id: ResourceId) {
    let resource = cluster.resource(id);
    if !resource.managed {
        return;
    }
    let restart = SEQ | PUSH | OrderFlags::RESTART;
    let promotable =
        cluster.resource(cluster.top(id)).promotable || resource.role > Role::Unpromoted;
    order_all(cluster, [(id, Stop, id, Start, restart)]);
    if promotable {
        let rows = [
            (id, Demote, id, Stop, OrderFlags::PULL_PROMOTED),
            (id, Start, id, Promote, GATE),
        ];
        order_all(cluster, rows);
    }
    let cancels = OrderFlags::SAME_NODE | OrderFlags::CANCELS;
    order_all(cluster, [(id, LrmDelete, id, Monitor, cancels)]);

    let resource = cluster.resource(id);
    let (is_device, is_connection) = (resource.fence_device, resource.remote_connection);
    if !is_device && cluster.options.unfencing_in_use && resource.needs_unfencing {
        unfencing(cluster, id);
    }
    let strategy = cluster.options.placement_strategy;
    if strategy != PlacementStrategy::Default && !cluster.resource(id).utilization.is_empty() {
        utilization(cluster, id);
    }
    if let Some(launcher) = cluster.resource(id).launcher {
        with_launcher(cluster, id, launcher);
    }
    if is_device || is_connection {
        ban_from_remote_nodes(cluster, id);
    }
}

/// Allowed nodes, sorted by name.
fn allowed_nodes(cluster: &Cluster, id: ResourceId) -> Vec<NodeId> {
    let table = &cluster.resource(id).allowed;
    cluster
        .node_order
        .iter()
        .copied()
        .filter(|n| table.contains(*n))
        .collect()
}

/// A resource that needs unfencing starts on a node only after that node was unfenced.
fn unfencing(cluster: &mut Cluster, id: ResourceId) {
    for node in allowed_nodes(cluster, id) {
        let unfence = fencing::action(cluster, node, fencing::Request::ON);
        let (before, after) = (side_of(cluster, unfence), side_of(cluster, unfence));
        let same_node = OrderFlags::SAME_NODE;
        orderings::create(cluster, side(id, Stop), before, SEQ | same_node);
        orderings::create(
            cluster,
            after,
            side(id, Start),
            OrderFlags::PUSH_LOCAL | same_node,
        );
    }
}

/// Capacity is free only after the resources that move away have stopped (05 §11.7).
fn utilization(cluster: &mut Cluster, id: ResourceId) {
    for node in cluster.resource(id).active_on.clone() {
        let load = load_stopped(cluster, node);
        let load = side_of(cluster, load);
        orderings::create(cluster, side(id, Stop), load, OrderFlags::LOAD);
    }
    for node in allowed_nodes(cluster, id) {
        let load = load_stopped(cluster, node);
        for task in [Start, MigrateTo] {
            let load = side_of(cluster, load);
            orderings::create(cluster, load, side(id, task), OrderFlags::LOAD);
        }
    }
}

fn load_stopped(cluster: &mut Cluster, node: NodeId) -> ActionId {
    let name = format!("load_stopped_{}", cluster.node(node).name);
    let load = actions::pseudo(cluster, &name);
    let action = cluster.action_mut(load);
    if action.node.is_none() {
        action.node = Some(node);
        action.optional = false;
    }
    load
}

/// A launched resource runs in, or with, its launcher.
fn with_launcher(cluster: &mut Cluster, id: ResourceId, launcher: ResourceId) {
    let (connection, nesting) = {
        let resource = cluster.resource(id);
        (resource.remote_connection, resource.nesting_allowed)
    };
    if connection {
        if !nesting {
            ban_from_remote_nodes(cluster, launcher);
        }
        order_all(cluster, [(launcher, Monitor, id, Stop, SEQ)]);
    } else if let Some(guest) = launched_connection(cluster, launcher) {
        let node = cluster.resource(guest).remote_node;
        for (n, entry) in cluster.resource_mut(id).allowed.iter_mut() {
            if Some(n) != node {
                entry.score = Score::MINUS_INFINITY;
            }
        }
        return;
    }
    let rows = [
        (launcher, Start, id, Start, PUSH | GATE),
        (id, Stop, launcher, Stop, PULL),
    ];
    order_all(cluster, rows);
    let score = if nesting {
        Score(10_000)
    } else {
        Score::INFINITY
    };
    let with_launcher = implicit("#resource-with-container", id, launcher, score);
    colocation::store(cluster, with_launcher);
}

/// The connection that a launcher is, or launches.
fn launched_connection(cluster: &Cluster, launcher: ResourceId) -> Option<ResourceId> {
    let resource = cluster.resource(launcher);
    if resource.remote_connection {
        return Some(launcher);
    }
    resource
        .launched
        .iter()
        .copied()
        .find(|l| cluster.resource(*l).remote_connection)
}

/// -INFINITY on all remote, guest and bundle nodes in the table whose connection is known.
pub(super) fn ban_from_remote_nodes(cluster: &mut Cluster, id: ResourceId) {
    let nodes = &cluster.nodes;
    for (n, entry) in cluster.resources[id.index()].allowed.iter_mut() {
        let node = &nodes[n.index()];
        if node.kind == NodeKind::Remote && node.connection.is_some() {
            entry.score = Score::MINUS_INFINITY;
        }
    }
}
