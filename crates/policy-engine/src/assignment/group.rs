//! Assigning a group (scheduler-spec/03 §16).

use super::commit::set_unassigned;
use super::{assign_resource, dump};
use crate::model::{Cluster, NodeId, ResourceId};

/// Assigns the members in order. Returns the first node that a member got, if the group is
/// colocated.
pub(super) fn assign(
    cluster: &mut Cluster,
    id: ResourceId,
    prefer: Option<NodeId>,
    stop_if_fail: bool,
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
        set_unassigned(cluster, id, false);
        return None;
    };
    let role = cluster.resource(first).role;
    let group = cluster.resource_mut(id);
    group.assigning = true;
    group.role = role;
    dump::record(cluster, "pcmk__group_assign", id);

    let mut node = None;
    for member in cluster.resource(id).children.clone() {
        let got = assign_resource(cluster, member, prefer, stop_if_fail);
        node = node.or(got);
    }

    let next_role = cluster.resource(first).next_role;
    let group = cluster.resource_mut(id);
    group.next_role = next_role;
    group.assigning = false;
    set_unassigned(cluster, id, false);
    node.filter(|_| colocated)
}

fn first_node(cluster: &Cluster, group: ResourceId) -> Option<NodeId> {
    cluster
        .resource(group)
        .children
        .iter()
        .find_map(|member| cluster.resource(*member).assigned)
}
