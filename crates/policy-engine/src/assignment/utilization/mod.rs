//! Utilization: which resources fit on which node (scheduler-spec/03 §18).

mod colocated_set;

pub(super) use colocated_set::{ColocatedSets, update_placement};

use std::cmp::Ordering;

use super::reference_quirks::hash_order;
use crate::model::{Amounts, Cluster, NodeId, ResourceId, Score, ScoreLine, Table, Text, TooFull};
use crate::scalar;

/// The number of a utilization value; the smallest if the text is not a number.
fn amount(text: &str) -> i32 {
    scalar::integer(text).map_or(i32::MIN, |value| {
        value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    })
}

/// The amounts of a table of utilization attributes.
pub(super) fn amounts(table: &Table) -> Amounts {
    table
        .iter()
        .map(|(name, value)| (name.clone(), amount(value)))
        .collect()
}

fn get(amounts: &Amounts, name: &str) -> i32 {
    amounts.get(name).copied().unwrap_or(0)
}

/// Adds `change` to an attribute's amount.
fn change(amounts: &mut Amounts, name: &Text, change: i32) {
    let amount = amounts.entry(name.clone()).or_insert(0);
    *amount = amount.saturating_add(change);
}

/// Fills in the nodes' capacities before assignment.
pub(super) fn prepare(cluster: &mut Cluster) {
    for node in &mut cluster.nodes {
        node.capacity = amounts(&node.utilization);
    }
    record_capacities(cluster, "Original");
}

/// Records the remaining capacities after assignment.
pub(super) fn finish(cluster: &mut Cluster) {
    record_capacities(cluster, "Remaining");
}

fn record_capacities(cluster: &mut Cluster, when: &str) {
    if !cluster.run.utilization {
        return;
    }
    for node in cluster.node_order.clone() {
        if cluster.is_bundle_node(node) {
            continue;
        }
        let node = cluster.node(node);
        let capacity = listed(&node.capacity, &node.utilization);
        let line = format!("{when}: {} capacity:{capacity}", node.name);
        cluster.score_lines.push(ScoreLine::Utilization(line));
    }
}

/// Amounts as text. An amount that is still as configured is printed as it was written.
fn listed(amounts: &Amounts, configured: &Table) -> String {
    let text = |(name, left): (&Text, &i32)| match configured.text(name) {
        Some(text) if amount(text) == *left => format!(" {name}={text}"),
        _ => format!(" {name}={left}"),
    };
    let entries = amounts.iter().map(|entry| (&**entry.0, entry));
    hash_order::by_key(entries).into_iter().map(text).collect()
}

/// Subtracts a resource's utilization from the capacity of its node.
pub(super) fn consume(cluster: &mut Cluster, id: ResourceId, node: NodeId) {
    let used = amounts(&cluster.resource(id).utilization);
    for (name, amount) in &used {
        let taken = amount.saturating_neg();
        change(&mut cluster.node_mut(node).capacity, name, taken);
    }
    if cluster.run.utilization {
        let line = format!(
            "pcmk__assign_resource: {} utilization on {}:{}",
            cluster.resource(id).id,
            cluster.node(node).name,
            listed(&used, &cluster.resource(id).utilization)
        );
        cluster.score_lines.push(ScoreLine::Utilization(line));
    }
}

/// Adds a resource's utilization to the capacity of the node that it leaves.
pub(super) fn release(cluster: &mut Cluster, id: ResourceId, node: NodeId) {
    for (name, amount) in amounts(&cluster.resource(id).utilization) {
        change(&mut cluster.node_mut(node).capacity, &name, amount);
    }
}

/// Compares nodes by their remaining capacity: the node that has more in more attributes comes
/// first (§18.1).
pub(super) fn compare_capacity(cluster: &Cluster, a: NodeId, b: NodeId) -> Ordering {
    let (a, b) = (&cluster.node(a).capacity, &cluster.node(b).capacity);
    let mut more = 0;
    for (name, amount) in a {
        more += compare_amounts(*amount, get(b, name));
    }
    for (name, amount) in b {
        if !a.contains_key(name) {
            more += compare_amounts(0, *amount);
        }
    }
    0.cmp(&more)
}

fn compare_amounts(a: i32, b: i32) -> i32 {
    match a.cmp(&b) {
        Ordering::Greater => 1,
        Ordering::Equal => 0,
        Ordering::Less => -1,
    }
}

/// Bans a primitive from nodes without capacity for its colocated set (§18.2); from nodes without
/// capacity for the primitive, if no node has enough for the set: then it returns the node with the
/// most capacity.
pub(super) fn ban_full_nodes(cluster: &mut Cluster, id: ResourceId) -> Option<NodeId> {
    let mut demand = colocated_set::demand(cluster, id);
    let usable: Vec<NodeId> = cluster
        .resource(id)
        .allowed
        .iter()
        .filter(|(node, entry)| cluster.is_usable_at(*node, entry.score))
        .map(|(node, _)| node)
        .collect();
    let usable = hash_order::sorted(cluster, &cluster.resource(id).allowed, usable);
    let most_free = usable.iter().copied().reduce(|best, node| {
        if compare_capacity(cluster, node, best) == Ordering::Less {
            node
        } else {
            best
        }
    });
    let fits = |cluster: &Cluster, node: NodeId, demand: &Amounts| {
        let capacity = &cluster.node(node).capacity;
        demand
            .iter()
            .all(|(name, amount)| *amount <= get(capacity, name))
    };
    let any_fits = usable.iter().any(|node| fits(cluster, *node, &demand));
    if !any_fits {
        demand = amounts(&cluster.resource(id).utilization);
    }
    for node in usable {
        if !fits(cluster, node, &demand) {
            note_too_full(cluster, id, node, &demand);
            cluster.adjust(id, node, Score::MINUS_INFINITY);
        }
    }
    most_free.filter(|_| !any_fits)
}

/// Records the amounts that kept a resource from a node.
fn note_too_full(cluster: &mut Cluster, id: ResourceId, node: NodeId, needed: &Amounts) {
    let Some(mut journal) = cluster.journal.take() else {
        return;
    };
    let there = cluster.node(node);
    journal.too_full.push(TooFull {
        resource: id,
        node,
        needed: needed.clone(),
        free: there.capacity.clone(),
        taken_by: there.assigned.clone(),
    });
    cluster.journal = Some(journal);
}
