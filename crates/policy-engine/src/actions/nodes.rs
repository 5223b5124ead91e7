//! P10: actions about nodes: fencing, shutdown, and everything on them that depends on it
//! (scheduler-spec/05 §9.6–9.9, 01 §1 D6).

use super::notifications;
use crate::model::*;
use crate::transition::actions;
use crate::transition::fencing::{self, Request};
use crate::transition::orderings::{self, link};

/// Schedules fencing and shutdown of nodes, in node list order.
pub(crate) fn schedule(cluster: &mut Cluster) {
    let have_managed = cluster
        .top_level
        .iter()
        .any(|top| cluster.any_below(*top, |resource| resource.managed));
    let (mut dc_down, mut fencings, mut shutdowns) = (None, Vec::new(), Vec::new());
    for node_id in cluster.node_order.clone() {
        let node = cluster.node(node_id);
        if cluster.is_guest(node_id) {
            if node.remote_reset && have_managed && fencing::can_fence(cluster, node_id) {
                fence_guest(cluster, node_id);
            }
            continue;
        }
        if have_managed && node.unclean && fencing::can_fence(cluster, node_id) {
            let request = Request {
                required: true,
                reason: Some("node is unclean"),
                ..Request::default()
            };
            let text = format!("Scheduling node {} for fencing", node.name);
            cluster.say(Level::State, text);
            let fence = fencing::action(cluster, node_id, request);
            order_against_fencing(cluster, node_id, fence);
            if cluster.dc == Some(node_id) {
                dc_down = Some(fence);
            } else {
                if let (false, Some(previous)) =
                    (cluster.options.concurrent_fencing, fencings.last())
                {
                    link(cluster, *previous, fence, OrderFlags::SEQ);
                }
                fencings.push(fence);
            }
        } else if node.kind == NodeKind::Cluster && node.online && node.shutdown {
            let shutdown = shut_down(cluster, node_id);
            if cluster.dc == Some(node_id) {
                dc_down = Some(shutdown);
            } else {
                shutdowns.push(shutdown);
            }
        }
        if cluster.node(node_id).unclean && !fencing::can_fence(cluster, node_id) {
            let text = format!(
                "Node {} is unclean but cannot be fenced",
                cluster.node(node_id).name
            );
            cluster.say(Level::State, text);
        }
    }
    let Some(dc_down) = dc_down else { return };
    if cluster.action(dc_down).task == Task::DoShutdown {
        for shutdown in shutdowns.iter().rev() {
            link(cluster, *shutdown, dc_down, OrderFlags::SEQ);
        }
    }
    let last_only = if cluster.options.concurrent_fencing {
        fencings.len()
    } else {
        1
    };
    for fence in fencings.iter().rev().take(last_only) {
        link(cluster, *fence, dc_down, OrderFlags::SEQ);
    }
}

/// Fencing of a guest or bundle node: its launcher is stopped (05 §9.8).
fn fence_guest(cluster: &mut Cluster, node: NodeId) {
    let Some(launcher) = cluster.guest_launcher(node) else {
        return;
    };
    let stop = actions::newest_task(cluster, launcher, &Task::Stop, None);
    let restarts = actions::newest_task(cluster, launcher, &Task::Start, None).is_some();
    let operation = if restarts { "reboot" } else { "off" };
    let request = Request {
        operation: Some(operation),
        required: true,
        reason: Some("guest is unclean"),
        ..Request::default()
    };
    let fence = fencing::action(cluster, node, request);
    let action = cluster.action_mut(fence);
    action.pseudo = true;
    action.runnable = true;
    match stop {
        Some(stop) if cluster.action(stop).pseudo => {
            if let Some(host) = cluster.action(stop).node {
                let request = Request {
                    required: true,
                    ..Request::default()
                };
                let host_fence = fencing::action(cluster, host, request);
                let flags = OrderFlags::GATE | OrderFlags::PUSH;
                link(cluster, host_fence, fence, flags);
            }
        }
        Some(stop) => {
            link(cluster, stop, fence, OrderFlags::GATE | OrderFlags::PUSH);
        }
        None => {
            let connection = cluster.node(node).connection;
            let stop = connection.and_then(|c| actions::newest_task(cluster, c, &Task::Stop, None));
            if let Some(stop) = stop {
                link(cluster, stop, fence, OrderFlags::SEQ);
            }
        }
    }
    order_against_fencing(cluster, node, fence);
}

/// Orders everything that runs on a node, or waits for it, against its fencing (05 §9.7).
fn order_against_fencing(cluster: &mut Cluster, node: NodeId, fence: ActionId) {
    for top in cluster.top_level.clone() {
        for leaf in cluster.leaves(top) {
            if cluster.resource(leaf).managed {
                order_leaf_against_fencing(cluster, leaf, node, fence);
            }
        }
    }
}

fn order_leaf_against_fencing(
    cluster: &mut Cluster,
    leaf: ResourceId,
    node: NodeId,
    fence: ActionId,
) {
    order_starts(cluster, leaf, node, fence);
    order_stops(cluster, leaf, node, fence);
}

/// Nothing that needs fencing or quorum starts before the node is known to be down.
fn order_starts(cluster: &mut Cluster, leaf: ResourceId, node: NodeId, fence: ActionId) {
    let resource = cluster.resource(leaf);
    let known = resource.known_on.contains(node)
        || resource.parent.is_some_and(|p| {
            let parent = cluster.resource(p);
            parent.is_clone() && !parent.unique && parent.known_on.contains(node)
        });
    let unknown_here = resource.allowed.contains(node) && !known;
    let actions = resource.actions.to_vec();
    for id in actions.into_iter().rev() {
        let action = cluster.action(id);
        match action.needs {
            Needs::Fencing => {
                link(cluster, fence, id, OrderFlags::SEQ);
            }
            Needs::Quorum if action.task == Task::Start && unknown_here => {
                link(cluster, fence, id, OrderFlags::SEQ | OrderFlags::GATE);
            }
            _ => {}
        }
    }
}

/// Stops and demotes on a fenced node are done by the fencing.
fn order_stops(cluster: &mut Cluster, leaf: ResourceId, node: NodeId, fence: ActionId) {
    let implicit = cluster.resource(leaf).needs_fencing || cluster.is_guest(node);
    let in_bundle = cluster.in_bundle(leaf);
    let stops = actions::find_all(cluster, leaf, &OperationKey::once(Task::Stop), Some(node));
    let parent_stop = if !stops.is_empty() && implicit {
        actions::newest_task(cluster, cluster.top(leaf), &Task::Stop, None)
    } else {
        None
    };
    for stop in stops {
        let action = cluster.action_mut(stop);
        action.pseudo = true;
        action.runnable = true;
        if implicit {
            if !in_bundle {
                link(cluster, fence, stop, OrderFlags::INTERNAL);
            }
            if let Some(parent_stop) = parent_stop {
                link(cluster, fence, parent_stop, OrderFlags::INTERNAL);
            }
        }
        if cluster.resource(leaf).notify {
            notifications::order_after_fencing(cluster, leaf, stop, fence);
        }
    }
    for demote in actions::find_all(cluster, leaf, &OperationKey::once(Task::Demote), Some(node)) {
        let gone = cluster.action(demote).node.is_some_and(|n| {
            let node = cluster.node(n);
            !node.online || node.unclean
        });
        if !gone && !cluster.resource(leaf).failed {
            continue;
        }
        let action = cluster.action_mut(demote);
        action.pseudo = true;
        action.runnable = true;
        if implicit && !in_bundle {
            link(
                cluster,
                fence,
                demote,
                OrderFlags::INTERNAL | OrderFlags::SEQ,
            );
        }
    }
}

/// Shutdown of a node: after every stop on it (05 §9.9).
fn shut_down(cluster: &mut Cluster, node: NodeId) -> ActionId {
    let key = format!("do_shutdown-{}", cluster.node(node).name);
    let shutdown = actions::singleton(cluster, &key, Task::DoShutdown, Some(node));
    cluster.action_mut(shutdown).optional = false;
    for index in (0..cluster.actions.len()).rev() {
        let id = ActionId::new(index);
        let action = cluster.action(id);
        let (Some(resource), Task::Stop, true) =
            (action.resource, &action.task, action.node == Some(node))
        else {
            continue;
        };
        let owner = cluster.resource(resource);
        if owner.maintenance || cluster.node(node).maintenance || !(owner.managed || owner.blocked)
        {
            continue;
        }
        cluster.action_mut(id).optional = false;
        let (first, then) = (
            orderings::side_of(cluster, id),
            orderings::side_of(cluster, shutdown),
        );
        orderings::create(cluster, first, then, OrderFlags::SEQ | OrderFlags::GATE);
    }
    cluster.action_mut(shutdown).set_meta("op_no_wait", "true");
    shutdown
}
