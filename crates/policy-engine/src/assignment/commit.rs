//! Assigning a resource to a node, and undoing that (scheduler-spec/03 §15.3).

use super::{Attempt, utilization};
use crate::model::{Cluster, NodeId, ResourceId, Role, Score, Task};

/// How a resource is committed to a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commitment {
    /// Whatever the score and the state of the node.
    pub forced: bool,
    /// Whether a resource that gets no node will stop.
    pub attempt: Attempt,
}

/// Commits a resource (all parts of a collective one) to a node, or to none. True if anything
/// changed.
pub(super) fn commit(
    cluster: &mut Cluster,
    id: ResourceId,
    node: Option<NodeId>,
    how: Commitment,
) -> bool {
    if !cluster.resource(id).is_primitive() {
        let mut changed = false;
        for child in cluster.resource(id).children.clone() {
            changed |= commit(cluster, child, node, how);
        }
        return changed;
    }
    let node = node.filter(|node| how.forced || is_possible(cluster, id, *node));
    let was_unassigned = cluster.resource(id).unassigned;
    let old = cluster.resource(id).assigned;
    leave(cluster, id);
    mark_assigned(cluster, id);
    let Some(node) = node else {
        let stopped = how.attempt == Attempt::Final && stop(cluster, id);
        return stopped || was_unassigned || old.is_some();
    };
    occupy(cluster, id, node, how);
    was_unassigned || old != Some(node)
}

/// Whether an unforced resource may be committed to the node: a guest node may still be down, its
/// connection will bring it up.
fn is_possible(cluster: &Cluster, id: ResourceId, node: NodeId) -> bool {
    let score = cluster
        .resource(id)
        .allowed
        .get(node)
        .map_or(Score::MINUS_INFINITY, |entry| entry.score);
    score >= Score::ZERO && (cluster.node(node).is_available() || cluster.is_guest(node))
}

/// What stays where it is, whatever the scores, has the score of the node there, not that of its
/// table (04 §8.5).
fn occupy(cluster: &mut Cluster, id: ResourceId, node: NodeId, how: Commitment) {
    let fresh = cluster.fresh_entry(node);
    let resource = cluster.resource_mut(id);
    let own = resource.allowed.get(node).filter(|_| !how.forced);
    let mut entry = own.copied().unwrap_or(fresh);
    entry.count += 1;
    if let Some(own) = resource.allowed.get_mut(node) {
        own.count += 1;
    }
    resource.assigned = Some(node);
    resource.assigned_entry = Some(entry);
    cluster.commitments += 1;
    let target = cluster.node_mut(node);
    target.assigned_count += 1;
    target.assigned.push(id);
    utilization::consume(cluster, id, node);
}

fn leave(cluster: &mut Cluster, id: ResourceId) {
    let resource = cluster.resource_mut(id);
    resource.assigned_entry = None;
    let Some(node) = resource.assigned.take() else {
        return;
    };
    cluster.commitments += 1;
    let old = cluster.node_mut(node);
    old.assigned_count -= 1;
    old.assigned.retain(|other| *other != id);
    utilization::release(cluster, id, node);
}

/// Undoes a tentative assignment of a resource and everything below it.
pub(super) fn undo(cluster: &mut Cluster, id: ResourceId) {
    for child in cluster.resource(id).children.clone() {
        undo(cluster, child);
    }
    if cluster.resource(id).is_primitive() {
        leave(cluster, id);
    }
    mark_unassigned(cluster, id);
}

/// Marks a resource as assigned, to a node or to none.
pub(super) fn mark_assigned(cluster: &mut Cluster, id: ResourceId) {
    cluster.resource_mut(id).unassigned = false;
    utilization::update_placement(cluster, id);
}

/// Marks a resource as still to be assigned.
pub(super) fn mark_unassigned(cluster: &mut Cluster, id: ResourceId) {
    cluster.resource_mut(id).unassigned = true;
    utilization::update_placement(cluster, id);
}

/// Stops a resource that has no node, and adjusts its existing actions (05 §5.6). True if anything
/// changed.
fn stop(cluster: &mut Cluster, id: ResourceId) -> bool {
    let resource = cluster.resource_mut(id);
    let mut changed = resource.next_role != Role::Stopped;
    resource.next_role = Role::Stopped;
    for i in 0..cluster.resource(id).actions.len() {
        let action_id = cluster.resource(id).actions[i];
        let action = cluster.action(action_id);
        if action.task == Task::Stop {
            changed |= cluster.set_optional(action_id, false);
        } else if action.task == Task::Start
            || (action.interval_ms() > 0 && action.meta("op_target_rc") != Some("7"))
        {
            changed |= cluster.set_runnable(action_id, false);
        }
    }
    changed
}

/// Commits a resource (and its children) to no node, next role Stopped, and adjusts its existing
/// actions (03 §15.3, 05 §5.6). True if that changed anything.
pub(crate) fn unassign_for_good(cluster: &mut Cluster, resource: ResourceId) -> bool {
    let how = Commitment {
        forced: true,
        attempt: Attempt::Final,
    };
    commit(cluster, resource, None, how)
}
