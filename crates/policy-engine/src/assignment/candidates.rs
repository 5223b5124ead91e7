//! Comparing nodes as candidates for a resource (scheduler-spec/03 §10).

use super::merge_sort::merge_sort;
use super::utilization;
use crate::model::{Cluster, NodeId, NodeTable, PlacementStrategy, Score};
use std::cmp::Ordering;

/// The nodes of a table, best first. `current`: where the resource is now, preferred among equally loaded nodes.
pub fn sorted(cluster: &Cluster, table: &NodeTable, current: Option<NodeId>) -> Vec<NodeId> {
    let scored = table
        .iter()
        .map(|(node, entry)| (node, entry.score))
        .collect();
    sort(cluster, scored, current)
}

/// All nodes by their base scores, best first.
pub fn sorted_by_base_score(cluster: &Cluster) -> Vec<NodeId> {
    let scored = cluster
        .node_order
        .iter()
        .map(|node| (*node, cluster.node(*node).base_score))
        .collect();
    sort(cluster, scored, None)
}

fn sort(
    cluster: &Cluster,
    mut scored: Vec<(NodeId, Score)>,
    current: Option<NodeId>,
) -> Vec<NodeId> {
    // an unusable node ties with a banned one
    for (node, score) in &mut scored {
        if !cluster.node(*node).is_available() {
            *score = Score::MINUS_INFINITY;
        }
    }
    let strategy = cluster.options.placement_strategy;
    let names = |a: NodeId, b: NodeId| cluster.node(a).name.cmp(&cluster.node(b).name);
    let load = |a: NodeId, b: NodeId| {
        let count = |node: NodeId| cluster.node(node).assigned_count;
        let away = |node: NodeId| Some(node) != current;
        count(a).cmp(&count(b)).then(away(a).cmp(&away(b)))
    };
    match strategy {
        PlacementStrategy::Minimal => {
            scored.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| names(a.0, b.0)));
        }
        PlacementStrategy::Balanced => {
            // more free capacity in more attributes is no total order
            merge_sort(&mut scored, &mut |a, b| {
                b.1.cmp(&a.1)
                    .then_with(|| utilization::compare_capacity(cluster, a.0, b.0))
                    .then_with(|| load(a.0, b.0))
                    .then_with(|| names(a.0, b.0))
            });
        }
        PlacementStrategy::Default | PlacementStrategy::Utilization => {
            scored.sort_by(|a, b: &(NodeId, Score)| -> Ordering {
                b.1.cmp(&a.1)
                    .then_with(|| load(a.0, b.0))
                    .then_with(|| names(a.0, b.0))
            });
        }
    }
    scored.into_iter().map(|(node, _)| node).collect()
}
