//! A resource's own preferences: by how much it changes the target's score for each node
//! (scheduler-spec/03 §14.3).

use std::cell::LazyCell;

use rustc_hash::FxHashMap;

use crate::assignment::{colocations, locations};
use crate::model::{
    AttributeLookup, Cluster, Colocation, ColocationId, NodeEntry, NodeId, NodeTable, ResourceId,
    Score,
};

/// Collects what `source` adds to the scores of `target` through a colocation, by [`NodeId`]; 0
/// where it adds nothing. It depends on the target only where nodes have hosts whose attributes
/// count instead: in clusters with remote nodes.
pub(super) fn collect(
    cluster: &Cluster,
    source: ResourceId,
    target: ResourceId,
    via: &Colocation,
    factor: f32,
    preferences: &mut Vec<Score>,
) {
    let with_group = with_group_locations(cluster, source, via);
    let table = with_group
        .as_ref()
        .unwrap_or(&cluster.resource(source).allowed);
    let best = BestScores::new(cluster, source, &via.attribute, table);
    let of_target = AttributeLookup::for_colocation(cluster, &via.attribute, target);
    // a primary that avoids its dependent is not drawn to where the dependent cannot be, unless the
    // dependent can only be in one place
    let has_one_place = LazyCell::new(|| {
        colocations::has_influence(cluster, via, via.primary)
            && has_one_allowed(&cluster.resource(via.dependent).allowed)
    });
    let is_void = |best: Score| {
        let stays = cluster.resource(via.primary).stickiness.0 >= -best.0;
        stays || !*has_one_place
    };
    preferences.clear();
    preferences.extend((0..cluster.nodes.len()).map(|node| {
        let best = best.get(&of_target, NodeId::new(node));
        if factor < 0.0 && best < Score::ZERO && is_void(best) {
            return Score::ZERO;
        }
        attenuated(best, factor)
    }));
}

/// Whether the preferences of `source` are independent of the colocation through which they are
/// reached.
pub(super) fn are_independent_of_way(
    cluster: &Cluster,
    source: ResourceId,
    via: ColocationId,
    factor: f32,
) -> bool {
    let via = cluster.colocation(via);
    &*via.attribute == "#uname"
        && !needs_group_locations(cluster, source, via)
        && (factor >= 0.0 || bans_no_node(cluster, source))
}

/// Whether all nodes are available and in a resource's table, none with a negative score.
fn bans_no_node(cluster: &Cluster, id: ResourceId) -> bool {
    let table = &cluster.resource(id).allowed;
    let is_usable = |(node, entry): (NodeId, &NodeEntry)| {
        entry.score >= Score::ZERO && cluster.node(node).is_available()
    };
    !cluster.has_remote_nodes
        && table.iter().filter(|entry| is_usable(*entry)).count() == cluster.nodes.len()
}

/// The table of a later member of a group that is itself a dependent, with the group's location
/// constraints, which only the first member's table has.
fn with_group_locations(
    cluster: &Cluster,
    source: ResourceId,
    via: &Colocation,
) -> Option<NodeTable> {
    let group = (cluster.resource(source).parent)
        .filter(|_| needs_group_locations(cluster, source, via))?;
    let mut table = cluster.resource(source).allowed.clone();
    locations::add_group_locations(cluster, group, source, &mut table);
    Some(table)
}

fn needs_group_locations(cluster: &Cluster, source: ResourceId, via: &Colocation) -> bool {
    let resource = cluster.resource(source);
    let parent = resource.parent.map(|parent| cluster.resource(parent));
    via.dependent == source
        && via.explicit
        && parent.is_some_and(|parent| {
            parent.is_group()
                && !parent.locations.is_empty()
                && parent.children.first() != Some(&source)
        })
}

/// `score × factor`, rounded half away from zero; a preference that would vanish becomes one point
/// with the sign of the factor.
fn attenuated(score: Score, factor: f32) -> Score {
    if score == Score::ZERO {
        return Score::ZERO;
    }
    let product = f64::from(factor * score.0 as f32);
    let rounded = (product + if product < 0.0 { -0.5 } else { 0.5 }) as i64;
    if rounded == 0 {
        return Score(if factor > 0.0 { 1 } else { -1 });
    }
    Score::clamped(rounded)
}

fn has_one_allowed(table: &NodeTable) -> bool {
    let mut allowed = table.iter().filter(|(_, e)| e.score >= Score::ZERO);
    allowed.next().is_some() && allowed.next().is_none()
}

/// The best score of a table per value of a node attribute, over the nodes that are available.
enum BestScores<'t> {
    /// For `#uname` in a cluster without remote nodes: the scores of the table.
    Same(&'t NodeTable),
    /// For `#uname`, which is different on every node: the best score of nodes without a name
    /// attribute, then the scores by node.
    ByNode(Score, Vec<Score>),
    /// By lower-cased value.
    ByValue(FxHashMap<Option<String>, Score>),
}

impl<'t> BestScores<'t> {
    fn new(cluster: &Cluster, source: ResourceId, attribute: &str, table: &'t NodeTable) -> Self {
        if attribute == "#uname" && !cluster.has_remote_nodes {
            return BestScores::Same(table);
        }
        let lookup = AttributeLookup::for_colocation(cluster, attribute, source);
        let available = table
            .iter()
            .filter(|(node, _)| cluster.node(*node).is_available());
        if attribute == "#uname" {
            let mut nameless = Score::MINUS_INFINITY;
            let mut best = vec![Score::MINUS_INFINITY; cluster.nodes.len()];
            for (node, entry) in available {
                let slot = match lookup.named_source(node) {
                    Some(node) => &mut best[node.index()],
                    None => &mut nameless,
                };
                *slot = entry.score.max(*slot);
            }
            return BestScores::ByNode(nameless, best);
        }
        let mut best: FxHashMap<Option<String>, Score> = FxHashMap::default();
        for (node, entry) in available {
            let value = lookup.value(node).map(str::to_ascii_lowercase);
            let score = best.entry(value).or_insert(entry.score);
            *score = entry.score.max(*score);
        }
        BestScores::ByValue(best)
    }

    /// The best score where the attribute has the value that it has on `node` for another resource.
    fn get(&self, lookup: &AttributeLookup<'_>, node: NodeId) -> Score {
        match self {
            BestScores::Same(table) => match table.get(node) {
                Some(entry) if lookup.cluster().node(node).is_available() => entry.score,
                _ => Score::MINUS_INFINITY,
            },
            BestScores::ByNode(nameless, best) => match lookup.named_source(node) {
                Some(node) => best[node.index()],
                None => *nameless,
            },
            BestScores::ByValue(best) => {
                let value = lookup.value(node).map(str::to_ascii_lowercase);
                best.get(&value).copied().unwrap_or(Score::MINUS_INFINITY)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_attenuated_preference_never_vanishes() {
        assert_eq!(attenuated(Score(1000), 0.002), Score(2));
        assert_eq!(attenuated(Score(90), -0.0003), Score(-1));
        assert_eq!(attenuated(Score(-30), 0.0001), Score(1));
        assert_eq!(attenuated(Score::ZERO, 0.5), Score::ZERO);
        assert_eq!(
            attenuated(Score::MINUS_INFINITY, 1.0),
            Score::MINUS_INFINITY
        );
    }
}
