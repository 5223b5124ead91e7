//! What dependents wish of a primary (scheduler-spec/03 §14): before a primary is placed, the
//! preferences of its dependents, of theirs, and so on, flow into its table, weakened by the factor
//! of each colocation on the way.

use std::cmp::Ordering;

use super::shift::Shift;
use super::sums::Wishes;
use super::{caches, colocations};
use crate::constraints::colocation::Side;
use crate::model::{
    Cause, Cluster, Colocation, ColocationId, NodeEntry, NodeId, NodeTable, ResourceId, Score,
};

/// How preferences are merged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mode {
    /// A merge that leaves no usable node is undone.
    pub rollback: bool,
    /// Scores do not become negative: nodes that would are marked unusable, and end as 1.
    pub non_negative: bool,
    /// Follow what resources are colocated with, instead of what is colocated with them.
    pub this_with: bool,
}

/// Marks a node that must not be used, while the merge goes on.
const UNUSABLE: Score = Score(-100_000_000);

/// Merges the wishes of the dependent of one of `primary`'s "with this" colocations into the
/// primary's table (§14.1).
pub(super) fn heed_dependent(cluster: &mut Cluster, primary: ResourceId, id: ColocationId) {
    let colocation = cluster.colocation(id);
    if !colocations::has_influence(cluster, colocation, colocation.primary) {
        return;
    }
    let mode = Mode {
        rollback: true,
        non_negative: cluster.resource(primary).is_clone(),
        this_with: false,
    };
    let table = &cluster.resource(primary).allowed;
    let mut merger = Merger::new(cluster, primary, table, mode);
    let mut work = merger.scores(table);
    merger.merge(
        colocation.dependent,
        &mut work,
        id,
        factor(1.0, colocation),
        mode.rollback,
    );
    let changed = |(node, entry): (NodeId, &NodeEntry)| entry.score != work[node.index()];
    let changed = table.iter().any(changed);
    merger.finish();
    if changed {
        put(&work, &mut cluster.resource_mut(primary).allowed);
    }
    let merges = caches::of_mut(cluster).merges.get_mut();
    merges.give_back(work);
    cluster.note(primary, Cause::Heeds(id));
}

/// The factor behind a colocation: single precision, multiplied before it is divided.
pub(super) fn factor(factor: f32, colocation: &Colocation) -> f32 {
    factor * colocation.score.0 as f32 / Score::INFINITY.0 as f32
}

/// Merges the preferences of `source` into a table that belongs to `target`, by way of a
/// colocation.
pub(super) fn merge(
    cluster: &Cluster,
    source: ResourceId,
    target: ResourceId,
    table: &mut NodeTable,
    via: ColocationId,
    mode: Mode,
) {
    run(cluster, source, target, table, via, mode, true);
}

/// [`merge`], with sums or step by step.
pub(super) fn run(
    cluster: &Cluster,
    source: ResourceId,
    target: ResourceId,
    table: &mut NodeTable,
    via: ColocationId,
    mode: Mode,
    sums: bool,
) {
    let mut merger = Merger::new(cluster, target, table, mode);
    merger.wishes.sums &= sums;
    let mut work = merger.scores(table);
    let factor = factor(1.0, cluster.colocation(via));
    merger.merge(source, &mut work, via, factor, mode.rollback);
    merger.finish();
    put(&work, table);
}

/// Puts merged scores into the table that they are for.
fn put(scores: &[Score], table: &mut NodeTable) {
    for (node, entry) in table.iter_mut() {
        entry.score = scores[node.index()];
    }
}

/// The table of `source` with the preferences of everything that it is colocated with (§9.1).
pub(super) fn with_primaries(cluster: &Cluster, source: ResourceId) -> NodeTable {
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
    let mut table = cluster.resource(source).allowed.clone();
    let mut merger = Merger::new(cluster, source, &table, mode);
    let mut work = merger.scores(&table);
    // sums know nothing of a group that must not be met again through its first member
    merger.wishes.sums &= group == source;
    *merger.is_merging(group) = true;
    *merger.is_merging(source) = true;
    if merger.has_usable(&work) {
        merger.go_on(source, &mut work, 1.0);
    }
    *merger.is_merging(group) = false;
    *merger.is_merging(source) = false;
    merger.finish();
    put(&work, &mut table);
    table
}

/// One merge under way. Its scores are a list by [`NodeId`](crate::model::NodeId), in which nodes
/// that are not in the table are banned.
struct Merger<'c> {
    cluster: &'c Cluster,
    mode: Mode,
    wishes: Wishes<'c>,
}

impl<'c> Merger<'c> {
    fn new(cluster: &'c Cluster, target: ResourceId, table: &NodeTable, mode: Mode) -> Self {
        let side = if mode.this_with {
            Side::ThisWith
        } else {
            Side::WithThis
        };
        let mut wishes = Wishes::new(cluster, target, side);
        let available = &mut wishes.memory.available;
        available.clear();
        available.resize(cluster.nodes.len(), false);
        for (node, _) in table.iter() {
            available[node.index()] = cluster.node(node).is_available();
        }
        Merger {
            cluster,
            mode,
            wishes,
        }
    }

    fn scores(&mut self, table: &NodeTable) -> Vec<Score> {
        let mut scores = self.wishes.memory.room();
        scores.resize(self.cluster.nodes.len(), Score::MINUS_INFINITY);
        for (node, entry) in table.iter() {
            scores[node.index()] = entry.score;
        }
        scores
    }

    fn finish(self) {
        self.wishes.finish();
    }

    fn is_merging(&mut self, id: ResourceId) -> &mut bool {
        &mut self.wishes.memory.merging[id.index()]
    }

    fn merge(
        &mut self,
        source: ResourceId,
        work: &mut Vec<Score>,
        via: ColocationId,
        factor: f32,
        rollback: bool,
    ) {
        if *self.is_merging(source) {
            return;
        }
        *self.is_merging(source) = true;
        let resource = self.cluster.resource(source);
        if !resource.is_group() {
            self.merge_speaker(source, work, via, factor, rollback);
        } else if let Some(first) = resource.children.first() {
            self.merge(*first, work, via, factor, rollback);
        }
        *self.is_merging(source) = false;
    }

    /// Merges the preferences of what is no group.
    fn merge_speaker(
        &mut self,
        source: ResourceId,
        work: &mut Vec<Score>,
        via: ColocationId,
        factor: f32,
        rollback: bool,
    ) {
        let sum = self.wishes.sum(source, via, factor);
        if let Some(sum) = &sum
            && self.goes_smoothly(work, &sum.all)
        {
            let shifts = work.iter().zip(&sum.all);
            let summed = shifts.map(|(score, shift)| shift.apply(*score)).collect();
            let steps = std::mem::replace(work, summed);
            if cfg!(debug_assertions) {
                self.check(source, steps, via, factor, work);
            }
            return;
        }
        let mut before = self.wishes.memory.room();
        before.extend_from_slice(work);
        match &sum {
            Some(sum) => self.add(&sum.own, work),
            None => {
                let own = self.wishes.own(source, via, factor);
                self.add(&own, work);
                self.wishes.memory.give_back(own);
            }
        }
        let usable = self.has_usable(work);
        let undone = rollback && !usable;
        if undone {
            std::mem::swap(work, &mut before);
        }
        self.wishes.memory.give_back(before);
        if usable {
            self.go_on(source, work, factor);
        }
        if !undone && self.mode.non_negative {
            for score in work.iter_mut().filter(|score| **score == UNUSABLE) {
                *score = Score(1);
            }
        }
    }

    /// Debug builds check sums against the steps that they stand for, unless those are very many.
    fn check(
        &mut self,
        source: ResourceId,
        mut steps: Vec<Score>,
        via: ColocationId,
        factor: f32,
        summed: &[Score],
    ) {
        let sums = std::mem::replace(&mut self.wishes.sums, false);
        let left = std::mem::replace(&mut self.wishes.left, 50_000);
        self.merge_speaker(source, &mut steps, via, factor, true);
        assert!(
            self.wishes.left == 0 || steps == summed,
            "{steps:?} {summed:?}"
        );
        self.wishes.left = left;
        self.wishes.sums = sums;
    }

    /// Merges what lies behind `source`.
    fn go_on(&mut self, source: ResourceId, work: &mut Vec<Score>, factor: f32) {
        let cluster = self.cluster;
        for id in self.wishes.behind(source).iter().copied() {
            if !self.wishes.spend(1) {
                return;
            }
            let colocation = cluster.colocation(id);
            if self.wishes.is_heard(colocation) {
                let next = self.wishes.side.other(colocation);
                let weakened = self::factor(factor, colocation);
                stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
                    self.merge(next, work, id, weakened, true);
                });
            }
        }
    }

    /// Adds a dependent's own wishes.
    fn add(&self, own: &[Score], work: &mut [Score]) {
        let pairs = work.iter_mut().zip(own);
        if !self.mode.non_negative {
            for (score, wish) in pairs {
                *score = score.add(*wish);
            }
            return;
        }
        for (score, wish) in pairs.filter(|(score, _)| **score != UNUSABLE) {
            let sum = score.add(*wish);
            *score = match (*score).cmp(&Score::ZERO) {
                // already negative: the dependent may make it worse
                Ordering::Less => sum,
                _ if sum >= Score::ZERO => sum,
                Ordering::Equal => Score::ZERO,
                Ordering::Greater => UNUSABLE,
            };
        }
    }

    fn has_usable(&self, work: &[Score]) -> bool {
        let mut nodes = self.wishes.memory.available.iter().zip(work);
        nodes.any(|(available, score)| *available && *score >= Score::ZERO)
    }

    /// Whether certainly no step of a row of additions is undone, because some node is usable at
    /// each of them.
    fn goes_smoothly(&self, work: &[Score], all: &[Shift]) -> bool {
        let mut nodes = self.wishes.memory.available.iter().zip(work).zip(all);
        let usable =
            nodes.any(|((available, score), shift)| *available && shift.is_smooth_from(*score));
        usable
            && (!self.mode.non_negative
                || work.iter().zip(all).all(|(score, shift)| {
                    score.is_minus_infinity() && *score != UNUSABLE || shift.is_smooth_from(*score)
                }))
    }
}

/// Whether some node of the table is usable with its score.
pub(super) fn has_usable(cluster: &Cluster, table: &NodeTable) -> bool {
    table
        .iter()
        .any(|(node, entry)| cluster.is_usable_at(node, entry.score))
}
