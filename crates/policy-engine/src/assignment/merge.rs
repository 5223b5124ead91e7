//! What dependents wish of a primary (scheduler-spec/03 §14): before a primary is placed, the preferences of its dependents, of
//! theirs, and so on, flow into its table, weakened by the factor of each colocation on the way.

use super::{colocations, locations};
use crate::configuration::constraints::colocation::Side;
use crate::explain::Cause;
use crate::model::{
    AttributeLookup, Cluster, Colocation, ColocationId, NodeTable, ResourceId, Score, Variant,
};
use std::cmp::Ordering;

/// How preferences are merged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mode {
    /// A merge that leaves no usable node is undone.
    pub rollback: bool,
    /// Scores do not become negative: nodes that would are marked unusable, and end as 1.
    pub non_negative: bool,
    /// Follow what resources are colocated with, instead of what is colocated with them.
    pub this_with: bool,
}

/// So many merges are done in a run. The paths through entangled colocations can be exponentially many; after this number each
/// dependent's wishes are followed only so far ([`MERGES_PER_DEPENDENT`]).
pub const MERGES: u64 = 3_000_000;

/// See [`MERGES`].
const MERGES_PER_DEPENDENT: u64 = 1000;

/// Marks a node that must not be used, while the merge goes on.
const UNUSABLE: Score = Score(-100_000_000);

/// Merges the wishes of the dependent of one of `primary`'s "with this" colocations into the primary's table (§14.1).
pub fn heed_dependent(cluster: &mut Cluster, primary: ResourceId, id: ColocationId) {
    let colocation = cluster.colocation(id);
    if !colocations::has_influence(cluster, colocation, colocation.primary) {
        return;
    }
    let mode = Mode {
        rollback: true,
        non_negative: cluster.resource(primary).is_clone(),
        this_with: false,
    };
    let mut table = cluster.resource(primary).allowed.clone();
    merge(
        cluster,
        colocation.dependent,
        primary,
        &mut table,
        colocation,
        factor(1.0, colocation),
        mode,
    );
    cluster.resource_mut(primary).allowed = table;
    cluster.note(primary, Cause::Heeds(id));
}

/// The factor behind a colocation: single precision, multiplied before it is divided.
pub fn factor(factor: f32, colocation: &Colocation) -> f32 {
    factor * colocation.score.0 as f32 / Score::INFINITY.0 as f32
}

/// Merges the preferences of `source` into a table that belongs to `target`.
pub fn merge(
    cluster: &Cluster,
    source: ResourceId,
    target: ResourceId,
    table: &mut NodeTable,
    via: &Colocation,
    factor: f32,
    mode: Mode,
) {
    let mut merger = Merger::new(cluster, target, mode);
    merger.merge(source, table, via, factor, mode.rollback);
    merger.finish();
}

/// The table of `source` with the preferences of everything that it is colocated with (§9.1).
pub fn with_primaries(cluster: &Cluster, source: ResourceId) -> NodeTable {
    let group = source;
    let mut source = source;
    while cluster.resource(source).is_group() {
        match cluster.resource(source).children.last() {
            Some(last) => source = *last,
            None => break,
        }
    }
    let mode = Mode {
        this_with: true,
        ..Mode::default()
    };
    let mut merger = Merger::new(cluster, source, mode);
    let mut table = cluster.resource(source).allowed.clone();
    merger.merging[group.index()] = true;
    merger.merging[source.index()] = true;
    if has_usable(cluster, &table) {
        merger.go_on(source, &mut table, 1.0);
    }
    merger.finish();
    table
}

struct Merger<'c> {
    cluster: &'c Cluster,
    /// The resource whose table it is.
    target: ResourceId,
    mode: Mode,
    /// Resources whose merge is under way: each contributes once. By resource.
    merging: Vec<bool>,
    /// Merges that were granted, and how many of them are left until it gives up.
    granted: u64,
    left: u64,
    /// Room that one merge leaves to the next.
    spare: (NodeTable, Vec<Score>),
}

impl<'c> Merger<'c> {
    fn new(cluster: &'c Cluster, target: ResourceId, mode: Mode) -> Self {
        let granted = cluster.merges_left.get().max(MERGES_PER_DEPENDENT);
        Merger {
            cluster,
            target,
            mode,
            merging: vec![false; cluster.resources.len()],
            granted,
            left: granted,
            spare: Default::default(),
        }
    }

    /// Accounts for the merges.
    fn finish(self) {
        let used = self.granted - self.left;
        let left = self.cluster.merges_left.get().saturating_sub(used);
        self.cluster.merges_left.set(left);
    }

    fn merge(
        &mut self,
        source: ResourceId,
        table: &mut NodeTable,
        via: &Colocation,
        factor: f32,
        rollback: bool,
    ) {
        if self.left == 0 || self.merging[source.index()] {
            return;
        }
        self.merging[source.index()] = true;
        self.left -= 1;
        let resource = self.cluster.resource(source);
        if matches!(resource.variant, Variant::Group(_)) {
            if let Some(first) = resource.children.first() {
                self.merge(*first, table, via, factor, rollback);
            }
        } else {
            let mut before = std::mem::take(&mut self.spare.0);
            before.clone_from(table);
            self.add_matching(source, table, via, factor);
            let usable = has_usable(self.cluster, table);
            let undone = rollback && !usable;
            if undone {
                std::mem::swap(table, &mut before);
            }
            self.spare.0 = before;
            if usable {
                self.go_on(source, table, factor);
            }
            if !undone && self.mode.non_negative {
                for (_, entry) in table.iter_mut() {
                    if entry.score == UNUSABLE {
                        entry.score = Score(1);
                    }
                }
            }
        }
        self.merging[source.index()] = false;
    }

    /// Merges what lies behind `source`.
    fn go_on(&mut self, source: ResourceId, work: &mut NodeTable, factor: f32) {
        let cluster = self.cluster;
        let side = if self.mode.this_with {
            Side::ThisWith
        } else {
            Side::WithThis
        };
        for id in colocations::list(cluster, source, side).iter().copied() {
            let next = cluster.colocation(id);
            if side == Side::WithThis && !colocations::has_influence(cluster, next, next.primary) {
                continue;
            }
            let weakened = self::factor(factor, next);
            stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
                self.merge(side.other(next), work, next, weakened, true);
            });
        }
    }

    /// Adds the scores of `source` on matching nodes (§14.3).
    fn add_matching(
        &mut self,
        source: ResourceId,
        work: &mut NodeTable,
        via: &Colocation,
        factor: f32,
    ) {
        let cluster = self.cluster;
        let with_group = self.with_group_locations(source, via);
        let table = with_group
            .as_ref()
            .unwrap_or(&cluster.resource(source).allowed);
        let room = std::mem::take(&mut self.spare.1);
        let best = BestScores::new(cluster, source, &via.attribute, table, room);
        let of_target = AttributeLookup::for_colocation(cluster, &via.attribute, self.target);
        // banning what must not be near is no reason to go there, unless it can only go there
        let is_void = |best: Score| {
            !(cluster.resource(via.primary).stickiness.0 < -best.0
                && colocations::has_influence(cluster, via, via.primary)
                && has_one_allowed(&cluster.resource(via.dependent).allowed))
        };
        for (node, entry) in work.iter_mut() {
            let best = best.get(&of_target, node);
            if factor < 0.0 && best < Score::ZERO && is_void(best) {
                continue;
            }
            if entry.score == UNUSABLE {
                continue;
            }
            let sum = entry.score.add(weakened(best, factor));
            entry.score = match entry.score.cmp(&Score::ZERO) {
                // already negative: the dependent may make it worse
                Ordering::Less => sum,
                _ if !self.mode.non_negative || sum >= Score::ZERO => sum,
                Ordering::Equal => Score::ZERO,
                Ordering::Greater => UNUSABLE,
            };
        }
        if let BestScores::ByNode(_, room) = best {
            self.spare.1 = room;
        }
    }

    /// A group's location constraints, which only its first member knows, for a later member that is a dependent itself.
    fn with_group_locations(&self, source: ResourceId, via: &Colocation) -> Option<NodeTable> {
        let cluster = self.cluster;
        let group = cluster.resource(source).parent?;
        let parent = cluster.resource(group);
        if via.dependent != source
            || !via.explicit
            || !parent.is_group()
            || parent.locations.is_empty()
            || parent.children.first() == Some(&source)
        {
            return None;
        }
        let mut table = cluster.resource(source).allowed.clone();
        locations::add_group_locations(cluster, group, source, &mut table);
        Some(table)
    }
}

/// `score × factor`, rounded half away from zero; a preference that would vanish becomes one point, whose sign is the factor's.
fn weakened(score: Score, factor: f32) -> Score {
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

/// Whether some node of the table is usable with its score.
pub fn has_usable(cluster: &Cluster, table: &NodeTable) -> bool {
    table
        .iter()
        .any(|(node, entry)| cluster.is_usable_at(node, entry.score))
}

fn has_one_allowed(table: &NodeTable) -> bool {
    let mut allowed = table.iter().filter(|(_, e)| e.score >= Score::ZERO);
    allowed.next().is_some() && allowed.next().is_none()
}

/// The best score of a table per value of a node attribute, over the nodes that are available.
enum BestScores<'t> {
    /// For `#uname` where all nodes are named and nobody asks for a guest's host: what the table says.
    Same(&'t NodeTable),
    /// For `#uname`, which is different on every node: by node. `None` in front: nodes without name attribute.
    ByNode(Score, Vec<Score>),
    /// Lower-cased value, best score.
    ByValue(Vec<(Option<String>, Score)>),
}

impl<'t> BestScores<'t> {
    /// `room`: a list that may be used for the result.
    fn new(
        cluster: &Cluster,
        source: ResourceId,
        attribute: &str,
        table: &'t NodeTable,
        room: Vec<Score>,
    ) -> Self {
        if attribute == "#uname" && !cluster.has_remote_nodes {
            return BestScores::Same(table);
        }
        let lookup = AttributeLookup::for_colocation(cluster, attribute, source);
        let available = table
            .iter()
            .filter(|(node, _)| cluster.node(*node).is_available());
        if attribute == "#uname" {
            let mut nameless = Score::MINUS_INFINITY;
            let mut best = room;
            best.clear();
            best.resize(cluster.nodes.len(), Score::MINUS_INFINITY);
            for (node, entry) in available {
                let slot = match lookup.named_source(node) {
                    Some(node) => &mut best[node.index()],
                    None => &mut nameless,
                };
                *slot = entry.score.max(*slot);
            }
            return BestScores::ByNode(nameless, best);
        }
        let mut best: Vec<(Option<String>, Score)> = Vec::new();
        for (node, entry) in available {
            let value = lookup.value(node).map(str::to_ascii_lowercase);
            match best.iter_mut().find(|(known, _)| *known == value) {
                Some((_, score)) => *score = entry.score.max(*score),
                None => best.push((value, entry.score)),
            }
        }
        BestScores::ByValue(best)
    }

    /// The best score where the attribute has the value that it has on `node` for another resource.
    fn get(&self, lookup: &AttributeLookup<'_>, node: crate::model::NodeId) -> Score {
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
                let value = lookup.value(node);
                best.iter()
                    .find(|(known, _)| crate::model::same_value(known.as_deref(), value))
                    .map_or(Score::MINUS_INFINITY, |(_, score)| *score)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weakened_preference_never_vanishes() {
        assert_eq!(weakened(Score(1000), 0.002), Score(2));
        assert_eq!(weakened(Score(90), -0.0003), Score(-1));
        assert_eq!(weakened(Score(-30), 0.0001), Score(1));
        assert_eq!(weakened(Score::ZERO, 0.5), Score::ZERO);
        assert_eq!(weakened(Score::MINUS_INFINITY, 1.0), Score::MINUS_INFINITY);
    }
}
