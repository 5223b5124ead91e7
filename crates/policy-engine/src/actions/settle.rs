//! What looking at the actions settles, once they are ordered and before any of them gets into the
//! graph (scheduler-spec/06 §F trap 11): an active resource's original role is at least Started,
//! and actions without node get the node on which they are looked for.
//!
//! In Pacemaker's scheduler both are effects of writing the transition summary. Here the summary
//! only reads, so they are a step of their own, for the same resources and actions.

use crate::model::*;
use crate::transition::actions;

/// Settles roles and nodes for every primitive.
pub(crate) fn settle(cluster: &mut Cluster) {
    for resource in cluster.top_level.clone() {
        settle_below(cluster, resource);
    }
}

fn settle_below(cluster: &mut Cluster, id: ResourceId) {
    if cluster.resource(id).is_primitive() {
        return settle_primitive(cluster, id);
    }
    for part in cluster.parts(id) {
        settle_below(cluster, part);
    }
}

fn settle_primitive(cluster: &mut Cluster, id: ResourceId) {
    let current = cluster.current_node(id);
    if current.is_some() && cluster.resource(id).role == Role::Stopped {
        cluster.resource_mut(id).role = Role::Started;
    }
    if !cluster.may_change(id) {
        return;
    }
    let next = cluster.resource(id).assigned;
    let start_runnable =
        place(cluster, id, Task::Start, next).map(|id| cluster.action(id).runnable);
    let stop_at = current.filter(|_| start_runnable == Some(true));
    let stop = place(cluster, id, Task::Stop, stop_at);
    place(cluster, id, Task::Promote, next);
    place(cluster, id, Task::Demote, next);

    let resource = cluster.resource(id);
    if resource.role == resource.next_role {
        if next.is_some() {
            place(cluster, id, Task::MigrateFrom, next);
        }
        return;
    }
    let stops = stop.is_some() || resource.stop_unexpected && has_stop(cluster, id);
    if stops && (resource.next_role == Role::Stopped || start_runnable == Some(false)) {
        for node in resource.active_on.clone() {
            place(cluster, id, Task::Stop, Some(node));
        }
    }
}

fn has_stop(cluster: &Cluster, id: ResourceId) -> bool {
    actions::find_first(cluster, id, &OperationKey::once(Task::Stop), None).is_some()
}

/// The oldest action with that task; if a node is given, on that node, after those without node got
/// it.
fn place(
    cluster: &mut Cluster,
    id: ResourceId,
    task: Task,
    node: Option<NodeId>,
) -> Option<ActionId> {
    let found = actions::find_all(cluster, id, &OperationKey::once(task), node);
    found.first().copied()
}
