//! Comparing nodes as candidates for a resource (scheduler-spec/03 §10).

use std::cmp::Ordering;

use super::reference_quirks::{hash_order, merge_sort};
use super::utilization;
use crate::model::{Cluster, NodeId, NodeTable, PlacementStrategy, Score};

/// The nodes of a table, best first. `current`: where the resource is now, preferred among equally
/// loaded nodes.
pub(super) fn sorted(cluster: &Cluster, table: &NodeTable, current: Option<NodeId>) -> Vec<NodeId> {
    let scored = if cluster.options.placement_strategy == PlacementStrategy::Balanced {
        let listed = hash_order::listed(cluster, table).into_iter();
        listed
            .filter_map(|node| Some((node, table.get(node)?.score)))
            .collect()
    } else {
        table
            .iter()
            .map(|(node, entry)| (node, entry.score))
            .collect()
    };
    sort(cluster, scored, current)
}

/// All nodes by their base scores, best first.
pub(super) fn sorted_by_base_score(cluster: &Cluster) -> Vec<NodeId> {
    let scored = cluster
        .node_order
        .iter()
        .map(|node| (*node, cluster.node(*node).base_score))
        .collect();
    sort(cluster, scored, None)
}

/// The best node of a table: the first of [`sorted`].
pub(super) fn best(
    cluster: &Cluster,
    table: &NodeTable,
    current: Option<NodeId>,
) -> Option<NodeId> {
    if cluster.options.placement_strategy == PlacementStrategy::Balanced {
        return sorted(cluster, table, current).first().copied();
    }
    table
        .iter()
        .map(|(node, entry)| (node, score_of(cluster, node, entry.score)))
        .min_by(|a, b| compare(cluster, *a, *b, current))
        .map(|(node, _)| node)
}

fn sort(
    cluster: &Cluster,
    mut scored: Vec<(NodeId, Score)>,
    current: Option<NodeId>,
) -> Vec<NodeId> {
    for (node, score) in &mut scored {
        *score = score_of(cluster, *node, *score);
    }
    if cluster.options.placement_strategy == PlacementStrategy::Balanced {
        // More free capacity in more attributes is not a total order: which node comes first
        // depends on how they were listed.
        merge_sort(&mut scored, &mut |a, b| compare(cluster, a, b, current));
    } else {
        scored.sort_by(|a, b| compare(cluster, *a, *b, current));
    }
    scored.into_iter().map(|(node, _)| node).collect()
}

/// An unusable node ties with a banned one.
fn score_of(cluster: &Cluster, node: NodeId, score: Score) -> Score {
    if cluster.node(node).is_available() {
        score
    } else {
        Score::MINUS_INFINITY
    }
}

/// The better node first (§10.1).
fn compare(
    cluster: &Cluster,
    (a, score_a): (NodeId, Score),
    (b, score_b): (NodeId, Score),
    current: Option<NodeId>,
) -> Ordering {
    let strategy = cluster.options.placement_strategy;
    let (node_a, node_b) = (cluster.node(a), cluster.node(b));
    let capacity = || match strategy {
        PlacementStrategy::Balanced => utilization::compare_capacity(cluster, a, b),
        _ => Ordering::Equal,
    };
    let load = || match strategy {
        PlacementStrategy::Minimal => Ordering::Equal,
        _ => (node_a.assigned_count, Some(a) != current)
            .cmp(&(node_b.assigned_count, Some(b) != current)),
    };
    score_b
        .cmp(&score_a)
        .then_with(capacity)
        .then_with(load)
        .then_with(|| node_a.name.cmp(&node_b.name))
}
