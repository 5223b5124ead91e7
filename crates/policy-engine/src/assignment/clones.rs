//! Assigning a clone (scheduler-spec/04 §6).

use super::commit::mark_assigned;
use super::instances::Limits;
use super::{
    Attempt, assign_resource, colocations, instance_order, instances, preferences, promotion,
    promotion_scores, score_lines,
};
use crate::model::{Cluster, NodeId, ResourceId};

/// Assigns a clone's instances, and chooses their roles if it is promotable.
pub(super) fn assign(
    cluster: &mut Cluster,
    id: ResourceId,
    prefer: Option<NodeId>,
    attempt: Attempt,
) {
    let clone = cluster.resource(id);
    if !clone.unassigned || clone.assigning {
        return;
    }
    let Some(data) = clone.clone_data() else {
        return;
    };
    let limits = Limits {
        total: data.clone_max,
        per_node: data.clone_node_max,
    };
    let promotable = clone.promotable;
    cluster.resource_mut(id).assigning = true;
    if promotable {
        promotion_scores::add_to_instances(cluster, id);
    }
    for colocation in colocations::this_with(cluster, id) {
        let primary = cluster.colocation(colocation).primary;
        assign_resource(cluster, primary, prefer, attempt);
    }
    for colocation in colocations::with_this(cluster, id) {
        preferences::add_dependent_preferences(cluster, id, colocation);
    }
    score_lines::record(cluster, "pcmk__clone_assign", id);
    let sorted = instance_order::for_assignment(cluster, &cluster.resource(id).children);
    cluster.resource_mut(id).children = sorted.clone();
    instances::assign(cluster, id, &sorted, limits);
    if promotable {
        promotion::choose_roles(cluster, id);
    }
    cluster.resource_mut(id).assigning = false;
    mark_assigned(cluster, id);
}
