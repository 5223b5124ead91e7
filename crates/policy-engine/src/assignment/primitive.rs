//! Assigning a primitive (scheduler-spec/03 §12, §15).

use super::commit::{Commitment, commit};
use super::{
    Attempt, apply, assign_resource, caches, candidates, colocations, preferences, score_lines,
    utilization,
};
use crate::model::{
    Cause, Choice, Cluster, ColocationId, NodeId, PlacementStrategy, QuorumPolicy, ResourceId,
    Role, Score,
};

/// Assigns a primitive; its parent first, unless that is being assigned. Returns the node.
pub(super) fn assign(
    cluster: &mut Cluster,
    id: ResourceId,
    prefer: Option<NodeId>,
    attempt: Attempt,
) -> Option<NodeId> {
    if let Some(parent) = cluster.resource(id).parent
        && !cluster.resource(parent).assigning
    {
        assign_resource(cluster, parent, prefer, attempt);
    }
    let resource = cluster.resource(id);
    if !resource.unassigned {
        return resource.assigned;
    }
    if resource.assigning {
        return None;
    }
    cluster.resource_mut(id).assigning = true;

    cluster.note(id, Cause::Other);
    apply_colocations(cluster, id);
    apply_next_role(cluster, id);
    score_lines::record(cluster, "pcmk__primitive_assign", id);
    if cluster.options.fencing_enabled && !cluster.options.have_fencing_device {
        cluster.resource_mut(id).managed = false;
    }
    let forced = Commitment {
        forced: true,
        attempt,
    };
    if !cluster.resource(id).managed {
        let resource = cluster.resource_mut(id);
        resource.next_role = resource.role;
        let current = cluster.current_node(id);
        commit(cluster, id, current, forced);
        cluster.note_choice(id, Choice::Unmanaged);
    } else if cluster.options.stop_all_resources {
        commit(cluster, id, None, forced);
        cluster.note_choice(id, Choice::StopAll);
    } else {
        choose(cluster, id, prefer, attempt);
    }
    cluster.resource_mut(id).assigning = false;

    if cluster.resource(id).remote_connection {
        update_remote_node(cluster, id);
    }
    cluster.resource(id).assigned
}

/// Applies mandatory colocations before optional ones; of each kind those with primaries first,
/// then the preferences of dependents.
fn apply_colocations(cluster: &mut Cluster, id: ResourceId) {
    let by_strength = |list: Vec<ColocationId>| -> [Vec<ColocationId>; 2] {
        let (mandatory, optional) = list.into_iter().partition(|id| {
            let score = cluster.colocation(*id).score;
            score.is_infinity() || score.is_minus_infinity()
        });
        [mandatory, optional]
    };
    let this_with = by_strength(colocations::this_with(cluster, id));
    let with_this = by_strength(colocations::with_this(cluster, id));
    for (this_with, with_this) in this_with.into_iter().zip(with_this) {
        for colocation in this_with {
            apply::follow_primary(cluster, id, colocation);
        }
        for colocation in with_this {
            preferences::add_dependent_preferences(cluster, id, colocation);
        }
    }
}

fn apply_next_role(cluster: &mut Cluster, id: ResourceId) {
    let resource = cluster.resource(id);
    if resource.next_role == Role::Stopped {
        cluster.adjust_everywhere(id, Score::MINUS_INFINITY);
        cluster.note(id, Cause::RoleStopped);
    } else if resource.next_role > resource.role
        && !cluster.options.quorate
        && cluster.options.no_quorum_policy == QuorumPolicy::Freeze
    {
        let resource = cluster.resource_mut(id);
        resource.next_role = resource.role;
    }
}

/// Chooses the best node and commits to it (§15.1, §15.2).
fn choose(cluster: &mut Cluster, id: ResourceId, prefer: Option<NodeId>, attempt: Attempt) {
    let mut prefer = prefer;
    if cluster.options.placement_strategy != PlacementStrategy::Default {
        let most_free = utilization::ban_full_nodes(cluster, id);
        prefer = prefer.or(most_free);
        cluster.note(id, Cause::Utilization);
    }
    if !cluster.resource(id).unassigned {
        return;
    }
    let (chosen, choice) = best(cluster, id, prefer).unzip();
    let how = Commitment {
        forced: false,
        attempt,
    };
    commit(cluster, id, chosen, how);
    cluster.note_choice(id, choice.unwrap_or(Choice::Nowhere));
}

fn best(cluster: &Cluster, id: ResourceId, prefer: Option<NodeId>) -> Option<(NodeId, Choice)> {
    let resource = cluster.resource(id);
    let score = |node: NodeId| resource.allowed.get(node).map(|entry| entry.score);
    let current = cluster.current_node(id);
    let best = candidates::best(cluster, &resource.allowed, current)?;
    let best_score = score(best)?;
    if let Some(node) = prefer
        && let Some(score) = score(node)
        && score >= best_score
        && cluster.is_usable_at(node, score)
    {
        return Some((node, Choice::Preferred));
    }
    let instance_of_unique = resource.parent.is_some_and(|parent| {
        let parent = cluster.resource(parent);
        parent.is_clone() && parent.unique
    });
    if !instance_of_unique
        && best_score > Score::ZERO
        && cluster.node(best).is_available()
        && let Some(current) = current
        && cluster.is_usable_at(current, cluster.node(current).base_score)
        && current != best
        && score(current) == Some(best_score)
    {
        // among equally good nodes it stays where it is
        return Some((current, Choice::Stays));
    }
    Some((best, Choice::Best))
}

/// A remote node is as usable as its connection (§12 step 12).
fn update_remote_node(cluster: &mut Cluster, connection: ResourceId) {
    let resource = cluster.resource(connection);
    let connected = resource.assigned.is_some() && resource.next_role != Role::Stopped;
    let Some(node) = resource.remote_node else {
        return;
    };
    caches::of_mut(cluster).preferences.get_mut().clear();
    let node = cluster.node_mut(node);
    if connected {
        node.online = true;
        if !node.seen {
            node.unclean = false;
        }
    } else {
        node.shutdown = true;
    }
}
