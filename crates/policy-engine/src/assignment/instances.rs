//! Assigning the instances of a clone, or the containers of a bundle (scheduler-spec/04 §7): as
//! many as possible stay where they are.

use super::commit::{mark_unassigned, undo};
pub(crate) use super::compatible::find_compatible;
use super::{Attempt, assign_resource};
use crate::model::{Cause, Cluster, Limit, NodeId, NodeTable, ResourceId, Score};

/// How many instances there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// In all.
    pub total: i32,
    /// On one node.
    pub per_node: i32,
}

/// Assigns `instances`, which are in order of assignment, within the limits of `collective`.
pub(crate) fn assign(
    cluster: &mut Cluster,
    collective: ResourceId,
    instances: &[ResourceId],
    limits: Limits,
) {
    let mut available = 0;
    let mut table = std::mem::take(&mut cluster.resource_mut(collective).allowed);
    for (node, entry) in table.iter_mut() {
        entry.count = 0;
        available += i32::from(cluster.node(node).is_available());
    }
    cluster.resource_mut(collective).allowed = table;
    let optimal = if available > 0 {
        (limits.total / available).max(1)
    } else {
        1
    };

    let mut assigned = 0;
    for instance in instances {
        if assigned >= limits.total {
            break;
        }
        if !cluster.resource(*instance).unassigned {
            continue;
        }
        if let Some(node) = place_to_stay(cluster, collective, *instance, optimal)
            && stay(cluster, collective, *instance, node, assigned, limits)
        {
            assigned += 1;
        }
    }
    for instance in instances {
        if !cluster.resource(*instance).unassigned {
            continue;
        }
        if assigned >= limits.total {
            cluster.adjust_everywhere(*instance, Score::MINUS_INFINITY);
            cluster.note(*instance, Cause::EnoughInstances);
        } else if assign_one(cluster, collective, *instance, None, Attempt::Final, limits).is_some()
        {
            assigned += 1;
        }
    }
}

/// The node where an instance is now, if it is healthy there and not more than a fair share of
/// instances has the node already.
fn place_to_stay(
    cluster: &Cluster,
    collective: ResourceId,
    instance: ResourceId,
    optimal: i32,
) -> Option<NodeId> {
    let node = cluster.current_node(instance)?;
    let placed = cluster
        .resource(collective)
        .allowed
        .get(node)
        .map_or(0, |entry| entry.count);
    let healthy = !cluster.resource(instance).failed
        && cluster.is_usable_at(node, cluster.node(node).base_score);
    (healthy && i64::from(placed) < i64::from(optimal)).then_some(node)
}

/// Tries to keep an instance on its node (§7.1). Each time another node turns out better for it,
/// one place there is reserved for a later instance, until the own node is the best that is left,
/// or no node is.
fn stay(
    cluster: &mut Cluster,
    collective: ResourceId,
    instance: ResourceId,
    node: NodeId,
    assigned: i32,
    limits: Limits,
) -> bool {
    let usable = cluster
        .resource(instance)
        .allowed
        .get(node)
        .is_some_and(|entry| cluster.is_usable_at(node, entry.score));
    if !usable {
        return false;
    }
    let tables: Vec<(ResourceId, NodeTable)> = cluster
        .subtree(instance)
        .into_iter()
        .map(|id| (id, cluster.resource(id).allowed.clone()))
        .collect();
    let original = cluster.resource(collective).allowed.clone();
    let mark = cluster.journal_mark();
    let mut kept = false;
    for _reserved in 0..(limits.total - assigned) {
        let chosen = assign_one(
            cluster,
            collective,
            instance,
            Some(node),
            Attempt::Tentative,
            limits,
        );
        if chosen == Some(node) {
            kept = true;
            break;
        }
        for (id, table) in &tables {
            cluster.resource_mut(*id).allowed = table.clone();
        }
        cluster.forget_since(mark, instance);
        if chosen.is_none() {
            mark_unassigned(cluster, instance);
            break;
        }
        undo(cluster, instance);
    }
    cluster.resource_mut(collective).allowed = original;
    if kept {
        count(cluster, collective, node);
    }
    kept
}

/// Assigns one instance where its collective allows it (§7.2). Returns its node.
fn assign_one(
    cluster: &mut Cluster,
    collective: ResourceId,
    instance: ResourceId,
    prefer: Option<NodeId>,
    attempt: Attempt,
    limits: Limits,
) -> Option<NodeId> {
    if cluster.resource(instance).assigning {
        return None;
    }
    let banned: Vec<(NodeId, Limit)> = cluster
        .resource(instance)
        .allowed
        .iter()
        .filter_map(|(node, _)| Some((node, limit(cluster, collective, instance, node, limits)?)))
        .collect();
    let concerned: Vec<ResourceId> = std::iter::once(instance)
        .chain(cluster.resource(instance).children.iter().copied())
        .collect();
    for id in concerned {
        let table = &mut cluster.resource_mut(id).allowed;
        for (node, _) in &banned {
            if let Some(entry) = table.get_mut(*node) {
                entry.score = Score::MINUS_INFINITY;
            }
        }
    }
    if let Some(journal) = &mut cluster.journal {
        let limits = banned.iter().map(|(node, limit)| (instance, *node, *limit));
        journal.limits.extend(limits);
    }
    cluster.note(instance, Cause::InstanceLimit);
    let chosen = assign_resource(cluster, instance, prefer, attempt);
    if let Some(node) = chosen {
        count(cluster, collective, node);
    }
    chosen
}

/// Why a collective allows no (further) instance on a node; `None`: it does.
fn limit(
    cluster: &Cluster,
    collective: ResourceId,
    instance: ResourceId,
    node: NodeId,
    limits: Limits,
) -> Option<Limit> {
    if cluster.resource(instance).removed {
        return Some(Limit::Removed);
    }
    if !cluster.node(node).is_available() {
        return Some(Limit::Unavailable);
    }
    match cluster.resource(collective).allowed.get(node) {
        None => Some(Limit::Banned),
        Some(entry) if entry.score < Score::ZERO => Some(Limit::Banned),
        Some(entry) => {
            (i64::from(entry.count) >= i64::from(limits.per_node)).then_some(Limit::Full)
        }
    }
}

/// Counts an instance on a node, in the table of its collective.
fn count(cluster: &mut Cluster, collective: ResourceId, node: NodeId) {
    if let Some(entry) = cluster.resource_mut(collective).allowed.get_mut(node) {
        entry.count += 1;
    }
}
