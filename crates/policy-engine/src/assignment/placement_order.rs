//! The order of assignment where capacities matter (scheduler-spec/03 §9): resources with the
//! strongest preferences are assigned first.

use super::reference_quirks::merge_sort;
use super::{candidates, preferences};
use crate::model::{Cluster, ResourceId, Score};

/// Sorts the resource list. The order stays in force for all later stages.
pub(super) fn sort(cluster: &mut Cluster) {
    let nodes = candidates::sorted_by_base_score(cluster);
    let keys: Vec<Key> = cluster
        .top_level
        .iter()
        .map(|id| {
            let table = preferences::with_primaries(cluster, *id);
            let score = |node| {
                table
                    .get(node)
                    .map_or(Score::MINUS_INFINITY, |entry| entry.score)
            };
            Key {
                id: *id,
                priority: cluster.resource(*id).priority,
                current: cluster
                    .current_node(*id)
                    .map_or(Score::MINUS_INFINITY, score),
                scores: nodes.iter().map(|node| score(*node)).collect(),
            }
        })
        .collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    merge_sort(&mut order, &mut |a, b| {
        let (a, b) = (&keys[a], &keys[b]);
        b.priority
            .cmp(&a.priority)
            .then(b.current.cmp(&a.current))
            .then_with(|| b.scores.cmp(&a.scores))
    });
    cluster.top_level = order.into_iter().map(|i| keys[i].id).collect();
}

struct Key {
    id: ResourceId,
    priority: i32,
    /// Score where it is now.
    current: Score,
    /// Scores by node, best node first.
    scores: Vec<Score>,
}
