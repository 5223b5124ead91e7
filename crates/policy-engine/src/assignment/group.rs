//! Assigning a group (scheduler-spec/03 §16).

use super::commit::mark_assigned;
use super::{Attempt, assign_resource, score_lines};
use crate::model::{Cluster, NodeId, ResourceId};

/// Assigns the members in order. Returns the first node that a member got, if the group is
/// colocated.
pub(super) fn assign(
    cluster: &mut Cluster,
    id: ResourceId,
    prefer: Option<NodeId>,
    attempt: Attempt,
) -> Option<NodeId> {
    let resource = cluster.resource(id);
    let colocated = resource.group_data().is_some_and(|group| group.colocated);
    if !resource.unassigned {
        return if colocated {
            first_node(cluster, id)
        } else {
            None
        };
    }
    if resource.assigning {
        return None;
    }
    let Some(first) = resource.children.first().copied() else {
        mark_assigned(cluster, id);
        return None;
    };
    let role = cluster.resource(first).role;
    let group = cluster.resource_mut(id);
    group.assigning = true;
    group.role = role;
    score_lines::record(cluster, "pcmk__group_assign", id);

    let mut node = None;
    for member in cluster.resource(id).children.clone() {
        let got = assign_resource(cluster, member, prefer, attempt);
        node = node.or(got);
    }

    let next_role = cluster.resource(first).next_role;
    let group = cluster.resource_mut(id);
    group.next_role = next_role;
    group.assigning = false;
    mark_assigned(cluster, id);
    node.filter(|_| colocated)
}

fn first_node(cluster: &Cluster, group: ResourceId) -> Option<NodeId> {
    cluster
        .resource(group)
        .children
        .iter()
        .find_map(|member| cluster.resource(*member).assigned)
}
