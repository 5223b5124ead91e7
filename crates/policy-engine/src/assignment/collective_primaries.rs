//! Clones and bundles as primaries (scheduler-spec/04 §8.2, §8.5, §8.6, §8.8): which of their
//! instances a dependent is placed or promoted relative to.

use super::apply::apply;
use super::compatible::{find_compatible, instance_at};
use super::{candidates, unassign_for_good};
use crate::model::{
    AttributeLookup, Cluster, Colocation, Level, NodeId, ResourceId, Role, Score, Variant, Where,
    same_value,
};

/// Applies a colocation whose primary is a clone. Returns by how much the dependent's priority
/// changed.
pub(super) fn apply_clone(
    cluster: &mut Cluster,
    dependent: ResourceId,
    clone: ResourceId,
    colocation: &Colocation,
) -> i32 {
    if cluster.resource(clone).unassigned {
        return 0;
    }
    if cluster.resource(clone).promotable
        && let Some(role) = colocation.primary_role
    {
        if cluster.resource(dependent).unassigned {
            place_near_role(cluster, dependent, clone, colocation, role);
            return 0;
        }
        if colocation.dependent_role == Some(Role::Promoted) {
            return promote_near_role(cluster, dependent, clone, colocation, role);
        }
    }
    if is_interleaved(cluster, clone, colocation) {
        return match find_compatible(cluster, dependent, clone, None, Where::Assigned, None) {
            Some(instance) => apply(cluster, dependent, instance, colocation),
            None => {
                if colocation.score.is_infinity() {
                    unassign_for_good(cluster, dependent);
                }
                0
            }
        };
    }
    let instances = cluster.resource(clone).children.clone();
    if colocation.score.is_infinity() {
        let nodes: Vec<NodeId> = instances
            .into_iter()
            .filter(|instance| !is_blocked(cluster, *instance))
            .filter_map(|instance| cluster.location_of(instance, Where::Assigned))
            .collect();
        restrict_to(cluster, dependent, &nodes);
        return 0;
    }
    let mut delta = Score::ZERO;
    for instance in instances {
        delta = delta.add(Score(apply(cluster, dependent, instance, colocation)));
    }
    delta.0
}

/// Whether the dependent's instances pair with the primary's: the dependent asks for it, and both
/// have as many per node.
fn is_interleaved(cluster: &mut Cluster, clone: ResourceId, colocation: &Colocation) -> bool {
    let dependent = cluster.resource(colocation.dependent);
    if !dependent.is_collective() || !dependent.meta.is_true("interleave") {
        return false;
    }
    let per_node = |id: ResourceId| match &cluster.resource(id).variant {
        Variant::Clone(clone) => clone.clone_node_max,
        Variant::Bundle(bundle) => bundle.per_host,
        Variant::Primitive | Variant::Group(_) => 1,
    };
    if per_node(colocation.dependent) == per_node(clone) {
        return true;
    }
    let text = format!(
        "Cannot interleave {} and {}: they allow different numbers of instances per node",
        dependent.id,
        cluster.resource(clone).id
    );
    cluster.say(Level::Error, text);
    false
}

fn is_blocked(cluster: &Cluster, instance: ResourceId) -> bool {
    cluster.any_below(instance, |resource| resource.blocked)
}

/// Bans a dependent from all other nodes.
fn restrict_to(cluster: &mut Cluster, dependent: ResourceId, nodes: &[NodeId]) {
    for (node, entry) in cluster.resource_mut(dependent).allowed.iter_mut() {
        if !nodes.contains(&node) {
            entry.score = Score::MINUS_INFINITY;
        }
    }
}

/// Places a dependent relative to the instances that will have a role (04 §8.5).
fn place_near_role(
    cluster: &mut Cluster,
    dependent: ResourceId,
    clone: ResourceId,
    colocation: &Colocation,
    role: Role,
) {
    let score = colocation.score;
    let mut places: Vec<(NodeId, Score)> = Vec::new();
    for instance in cluster.resource(clone).children.clone() {
        if cluster.next_role_of(instance) != role {
            continue;
        }
        let Some(node) = cluster.location_of(instance, Where::Assigned) else {
            continue;
        };
        if !score.is_infinity() {
            let mut table = cluster.resource(dependent).allowed.clone();
            let attribute = &colocation.attribute;
            let value = AttributeLookup::for_colocation(cluster, attribute, instance).value(node);
            let lookup = AttributeLookup::for_colocation(cluster, attribute, dependent);
            for (node, entry) in table.iter_mut() {
                if same_value(lookup.value(node), value) {
                    entry.score = entry.score.add(score);
                }
            }
            cluster.resource_mut(dependent).allowed = table;
        }
        let own = cluster
            .leaves(instance)
            .into_iter()
            .find_map(|leaf| cluster.resource(leaf).assigned_entry)
            .map_or(Score::ZERO, |entry| entry.score);
        places.push((node, own));
    }
    let both_promoted = colocation.dependent_role == Some(Role::Promoted) && role == Role::Promoted;
    if !score.is_infinity() || both_promoted {
        return;
    }
    for (node, entry) in cluster.resource_mut(dependent).allowed.iter_mut() {
        // the instance found last counts
        match places.iter().rev().find(|(place, _)| *place == node) {
            Some((_, own)) => entry.score = entry.score.add(*own),
            None => entry.score = Score::MINUS_INFINITY,
        }
    }
}

/// Raises or lowers a dependent's promotion priority (04 §8.6).
fn promote_near_role(
    cluster: &mut Cluster,
    dependent: ResourceId,
    clone: ResourceId,
    colocation: &Colocation,
    role: Role,
) -> i32 {
    let attribute = Some(&colocation.attribute);
    let found = find_compatible(
        cluster,
        dependent,
        clone,
        Some(role),
        Where::Assigned,
        attribute,
    );
    let resource = cluster.resource_mut(dependent);
    if found.is_some() {
        resource.effective_priority = Score(resource.effective_priority).add(colocation.score).0;
        colocation.score.0
    } else if colocation.score.is_infinity() {
        resource.effective_priority = Score::MINUS_INFINITY.0;
        Score::MINUS_INFINITY.0
    } else {
        0
    }
}

/// Applies a colocation whose primary is a bundle. Returns by how much the dependent's priority
/// changed.
pub(super) fn apply_bundle(
    cluster: &mut Cluster,
    dependent: ResourceId,
    bundle: ResourceId,
    colocation: &Colocation,
) -> i32 {
    if cluster.resource(bundle).unassigned {
        return 0;
    }
    if cluster.resource(colocation.dependent).is_collective() {
        match matching_container(cluster, dependent, bundle) {
            Some(container) => return apply(cluster, dependent, container, colocation),
            None if colocation.score.is_infinity() => {
                unassign_for_good(cluster, dependent);
            }
            None => {}
        }
        return 0;
    }
    let replicas = match cluster.resource(bundle).bundle_data() {
        Some(data) => data.replicas.clone(),
        None => return 0,
    };
    let mut delta = Score::ZERO;
    let mut hosts = Vec::new();
    for replica in replicas {
        if !colocation.score.is_infinity() {
            let change = apply(cluster, dependent, replica.container, colocation);
            delta = delta.add(Score(change));
            continue;
        }
        let promoted = replica
            .child
            .is_some_and(|child| cluster.next_role_of(child) >= Role::Promoted);
        if let Some(host) = cluster.resource(replica.container).assigned
            && !is_blocked(cluster, replica.container)
            && (colocation.primary_role != Some(Role::Promoted) || promoted)
        {
            hosts.push(host);
        }
    }
    if colocation.score.is_infinity() {
        restrict_to(cluster, dependent, &hosts);
    }
    delta.0
}

/// The container on the dependent's node, where bundle nodes count as their hosts; of an unplaced
/// dependent the best node that has one.
fn matching_container(
    cluster: &Cluster,
    dependent: ResourceId,
    bundle: ResourceId,
) -> Option<ResourceId> {
    let host = |node: NodeId| {
        if !cluster.is_bundle_node(node) {
            return Some(node);
        }
        cluster.resource(cluster.guest_launcher(node)?).assigned
    };
    let at = |node: NodeId| {
        host(node).and_then(|host| instance_at(cluster, bundle, host, None, Where::Assigned, None))
    };
    let resource = cluster.resource(dependent);
    if let Some(node) = resource.assigned.and_then(host) {
        return at(node);
    }
    candidates::sorted(cluster, &resource.allowed, None)
        .into_iter()
        .find_map(at)
}
