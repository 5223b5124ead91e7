//! Choosing the roles of a promotable clone's instances (scheduler-spec/04 §9.3–9.5).

use super::promotion_scores::PromotionScores;
use super::{apply, colocations, instance_order, preferences};
use crate::model::{
    Cluster, ColocationId, LocationId, NodeId, NodeTable, PromotionCause, QuorumPolicy, ResourceId,
    Role, Score, ScoreLine, Variant, Where,
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
    let (priority, cause) = match cluster.next_role_of(instance) {
        Role::Unknown | Role::Started => match scores.of(cluster, instance, node) {
            Some(score) => (score, PromotionCause::Agent),
            None => (-1, PromotionCause::NoAgentScore),
        },
        Role::Unpromoted | Role::Stopped => (Score::MINUS_INFINITY.0, PromotionCause::Role),
        Role::Promoted => {
            let priority = cluster.resource(instance).effective_priority;
            (priority, PromotionCause::Role)
        }
    };
    cluster.note_promotion_part(instance, Score(priority), cause);
    let mut sum = Score(priority);
    for id in [instance, clone] {
        for i in (0..cluster.resource(id).locations.len()).rev() {
            let location = cluster.resource(id).locations[i];
            let score = promoted_location_score(cluster, location, node);
            if score != Score::ZERO {
                cluster.note_promotion_part(instance, score, PromotionCause::Location(location));
                sum = sum.add(score);
            }
        }
    }
    cluster.resource_mut(instance).effective_priority = sum.0;
    for id in colocations::this_with(cluster, instance) {
        let colocation = cluster.colocation(id).clone();
        let delta = apply::apply(cluster, instance, colocation.primary, &colocation);
        if delta != 0 {
            cluster.note_promotion_part(instance, Score(delta), PromotionCause::Primary(id));
        }
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
    note_placement(cluster, clone, &instances);
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
            let before =
                (cluster.journal.is_some()).then(|| cluster.resource(clone).allowed.clone());
            preferences::add_dependent_preferences(cluster, clone, id);
            if let Some(before) = before {
                note_dependent(cluster, clone, &instances, id, &before);
            }
        }
    }
    let lost = cluster.resource(clone).tickets.iter().any(|constraint| {
        let constraint = &cluster.ticket_constraints[constraint.index()];
        let ticket = &cluster.tickets[constraint.ticket.index()];
        constraint.role == Some(Role::Promoted) && (!ticket.granted || ticket.standby)
    });
    if lost {
        cluster.adjust_everywhere(clone, Score::MINUS_INFINITY);
        for instance in &instances {
            let cause = PromotionCause::Ticket;
            cluster.note_promotion_part(*instance, Score::MINUS_INFINITY, cause);
        }
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

/// Records what the clone's own scores add to the priorities of its instances.
fn note_placement(cluster: &mut Cluster, clone: ResourceId, instances: &[ResourceId]) {
    if cluster.journal.is_none() {
        return;
    }
    for instance in instances {
        if let Some(node) = cluster.location_of(*instance, Where::Assigned)
            && cluster.resource(*instance).promotion_priority >= 0
            && let Some(entry) = cluster.resource(clone).allowed.get(node)
            && entry.score != Score::ZERO
        {
            let score = entry.score;
            cluster.note_promotion_part(*instance, score, PromotionCause::Placement);
        }
    }
}

/// Records what the preferences of a dependent have added, where `before` is the table without
/// them.
fn note_dependent(
    cluster: &mut Cluster,
    clone: ResourceId,
    instances: &[ResourceId],
    colocation: ColocationId,
    before: &NodeTable,
) {
    for instance in instances {
        let Some(node) = cluster.location_of(*instance, Where::Assigned) else {
            continue;
        };
        let score = |table: &NodeTable| table.get(node).map(|entry| entry.score);
        let (old, new) = (score(before), score(&cluster.resource(clone).allowed));
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            let score = if new.is_infinity() || new.is_minus_infinity() {
                new
            } else {
                Score(new.0.saturating_sub(old.0))
            };
            cluster.note_promotion_part(*instance, score, PromotionCause::Dependent(colocation));
        }
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
