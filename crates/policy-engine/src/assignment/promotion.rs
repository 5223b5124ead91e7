//! Choosing the roles of a promotable clone's instances (scheduler-spec/04 §9.3–9.5).

use super::promotion_scores::PromotionScores;
use super::{apply, colocations, instance_order, preferences};
use crate::model::{
    Cluster, LocationId, NodeId, QuorumPolicy, ResourceId, Role, Score, ScoreLine, Variant, Where,
};

/// Decides which of the clone's assigned instances will be promoted.
pub(super) fn choose_roles(cluster: &mut Cluster, clone: ResourceId) {
    reset_counts(cluster, clone);
    let mut scores = PromotionScores::new(cluster);
    for instance in cluster.resource(clone).children.clone() {
        set_priority(cluster, clone, instance, &mut scores);
    }
    combine(cluster, clone);
    let sorted = instance_order::for_promotion(cluster, &cluster.resource(clone).children);
    cluster.resource_mut(clone).children = sorted.clone();
    let mut promoted = 0;
    for instance in sorted {
        select(cluster, clone, instance, &mut promoted);
    }
}

fn reset_counts(cluster: &mut Cluster, clone: ResourceId) {
    for (_, entry) in cluster.resource_mut(clone).allowed.iter_mut() {
        entry.count = 0;
    }
}

/// An instance's priority (§9.3): its promotion score, location constraints for the promoted role,
/// and colocations with roles.
fn set_priority(
    cluster: &mut Cluster,
    clone: ResourceId,
    instance: ResourceId,
    scores: &mut PromotionScores,
) {
    if cluster.role_of(instance) == Role::Started {
        for id in cluster.subtree(instance) {
            let resource = cluster.resource_mut(id);
            if resource.role == Role::Started {
                resource.role = Role::Unpromoted;
            }
        }
    }
    let Some(node) = cluster.location_of(instance, Where::Assigned) else {
        return;
    };
    let priority = match cluster.next_role_of(instance) {
        Role::Unknown | Role::Started => scores.of(cluster, instance, node).unwrap_or(-1),
        Role::Unpromoted | Role::Stopped => Score::MINUS_INFINITY.0,
        Role::Promoted => cluster.resource(instance).effective_priority,
    };
    let priority = [instance, clone]
        .into_iter()
        .flat_map(|id| cluster.resource(id).locations.iter().rev())
        .fold(Score(priority), |sum, location| {
            sum.add(promoted_location_score(cluster, *location, node))
        });
    cluster.resource_mut(instance).effective_priority = priority.0;
    for id in colocations::this_with(cluster, instance) {
        let colocation = cluster.colocation(id).clone();
        apply::apply(cluster, instance, colocation.primary, &colocation);
    }
    let promoted = cluster.next_role_of(instance) == Role::Promoted;
    let resource = cluster.resource_mut(instance);
    resource.promotion_priority = if promoted {
        Score::INFINITY.0
    } else {
        resource.effective_priority
    };
}

/// What a location constraint says about being promoted on a node.
fn promoted_location_score(cluster: &Cluster, location: LocationId, node: NodeId) -> Score {
    let location = cluster.location(location);
    if location.role != Some(Role::Promoted) {
        return Score::ZERO;
    }
    location
        .nodes
        .iter()
        .filter(|(other, _)| *other == node)
        .fold(Score::ZERO, |sum, (_, score)| sum.add(*score))
}

/// Combines the instances' priorities with the other reasons for their nodes (§9.4).
fn combine(cluster: &mut Cluster, clone: ResourceId) {
    if let Variant::Clone(data) = &mut cluster.resource_mut(clone).variant {
        data.choosing_roles = true;
    }
    let instances = cluster.resource(clone).children.clone();
    for instance in &instances {
        let priority = cluster.resource(*instance).promotion_priority;
        if priority >= 0
            && let Some(node) = cluster.location_of(*instance, Where::Assigned)
            && let Some(entry) = cluster.resource_mut(clone).allowed.get_mut(node)
        {
            entry.score = Score(priority).add(entry.score);
        }
    }
    for id in colocations::with_this(cluster, clone) {
        if cluster.colocation(id).primary_role == Some(Role::Promoted) {
            preferences::add_dependent_preferences(cluster, clone, id);
        }
    }
    let lost = cluster.resource(clone).tickets.iter().any(|constraint| {
        let constraint = &cluster.ticket_constraints[constraint.index()];
        let ticket = &cluster.tickets[constraint.ticket.index()];
        constraint.role == Some(Role::Promoted) && (!ticket.granted || ticket.standby)
    });
    if lost {
        cluster.adjust_everywhere(clone, Score::MINUS_INFINITY);
    }
    for instance in instances {
        let resource = cluster.resource(instance);
        let stays_promoted = !resource.managed && cluster.next_role_of(instance) == Role::Promoted;
        let priority = if stays_promoted {
            Score::INFINITY.0
        } else {
            match cluster.location_of(instance, Where::Assigned) {
                None => Score::MINUS_INFINITY.0,
                Some(_) if resource.promotion_priority < 0 => resource.promotion_priority,
                Some(node) => cluster
                    .resource(clone)
                    .allowed
                    .get(node)
                    .map_or(resource.promotion_priority, |entry| entry.score.0),
            }
        };
        cluster.resource_mut(instance).promotion_priority = priority;
    }
}

/// Promotes an instance if it may be (§9.5).
fn select(cluster: &mut Cluster, clone: ResourceId, instance: ResourceId, promoted: &mut i32) {
    let priority = cluster.resource(instance).promotion_priority;
    if cluster.run.scores {
        let node = cluster.location_of(instance, Where::Assigned);
        cluster.score_lines.push(ScoreLine::Promotion {
            resource: instance,
            node,
            score: Score(priority),
        });
    }
    let location = cluster.location_of(instance, Where::Assigned);
    cluster.note_promotion(instance, location, Score(priority));
    let limit = cluster
        .resource(clone)
        .clone_data()
        .map_or(0, |data| data.promoted_max);
    let within_limit = *promoted < limit || !cluster.resource(clone).managed;
    let node = if priority >= 0 && within_limit {
        promotable_on(cluster, clone, instance)
    } else {
        None
    };
    let frozen = cluster.role_of(instance) < Role::Promoted
        && !cluster.options.quorate
        && cluster.options.no_quorum_policy == QuorumPolicy::Freeze;
    match node {
        Some(node) if !frozen => {
            if let Some(entry) = cluster.resource_mut(clone).allowed.get_mut(node) {
                entry.count += 1;
            }
            *promoted += 1;
            for id in cluster.subtree(instance) {
                let resource = cluster.resource_mut(id);
                if resource.next_role == Role::Unknown {
                    resource.next_role = Role::Promoted;
                }
            }
        }
        _ => {
            for id in cluster.subtree(instance) {
                let placed = !cluster.locations_of(id, Where::Assigned).is_empty();
                cluster.resource_mut(id).next_role = if placed {
                    Role::Unpromoted
                } else {
                    Role::Stopped
                };
            }
        }
    }
}

/// The node on which an instance may be promoted (§9.5.1).
fn promotable_on(cluster: &Cluster, clone: ResourceId, instance: ResourceId) -> Option<NodeId> {
    let resource = cluster.resource(instance);
    for member in &resource.children {
        promotable_on(cluster, clone, *member)?;
    }
    let node = cluster.location_of(instance, Where::Assigned)?;
    if !resource.managed && cluster.role_of(instance) != Role::Promoted {
        return None;
    }
    if resource.managed && (resource.effective_priority < 0 || !is_reachable(cluster, node)) {
        return None;
    }
    let entry = cluster.resource(clone).allowed.get(node)?;
    let limit = cluster.resource(clone).clone_data()?.promoted_node_max;
    if resource.managed && i64::from(entry.count) >= i64::from(limit) {
        return None;
    }
    Some(node)
}

/// Available; a guest node only if its container has a node.
fn is_reachable(cluster: &Cluster, node: NodeId) -> bool {
    cluster.node(node).is_available()
        && cluster
            .guest_launcher(node)
            .is_none_or(|launcher| !cluster.locations_of(launcher, Where::Assigned).is_empty())
}
