//! Merging preferences into a score table (scheduler-spec/03 §14.1, §14.2), step by step or by
//! their sum.

use std::cmp::Ordering;

use super::saturating_sum::ScoreSum;
use super::summed::Preferences;
use crate::assignment::{caches, colocations};
use crate::constraints::colocation::Side;
use crate::model::{
    Cause, Cluster, Colocation, ColocationId, NodeEntry, NodeId, NodeTable, ResourceId, Score,
};

/// How preferences are merged.
#[derive(Clone, Copy, Debug)]
pub(in crate::assignment) struct Mode {
    /// Which colocations lead on from a resource: normally those of its dependents.
    pub side: Side,
    /// What becomes of scores that would be negative.
    pub negative: Negative,
    /// What becomes of the first step if it leaves no usable node; all later ones are undone.
    pub without_usable_node: WithoutUsableNode,
}

/// What becomes of a score that a preference would make negative.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::assignment) enum Negative {
    /// It becomes negative.
    Kept,
    /// It stays 0, or is marked as unusable and ends as 1.
    Avoided,
}

/// What becomes of a step that leaves no usable node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::assignment) enum WithoutUsableNode {
    /// Its scores count.
    Keep,
    /// It is undone, with all steps behind it.
    Undo,
}

/// Marks a node that must not be used, while the merge is under way.
const UNUSABLE: Score = Score(-100_000_000);

/// Merges the preferences of the dependent of one of `primary`'s "with this" colocations into the
/// primary's table (§14.1).
pub(in crate::assignment) fn add_dependent_preferences(
    cluster: &mut Cluster,
    primary: ResourceId,
    id: ColocationId,
) {
    let colocation = cluster.colocation(id);
    if !colocations::has_influence(cluster, colocation, colocation.primary) {
        return;
    }
    let mode = Mode {
        side: Side::WithThis,
        negative: match cluster.resource(primary).is_clone() {
            true => Negative::Avoided,
            false => Negative::Kept,
        },
        without_usable_node: WithoutUsableNode::Undo,
    };
    let table = &cluster.resource(primary).allowed;
    let mut merger = Merger::new(cluster, primary, table, mode);
    let work = merger.merged(colocation.dependent, table, id);
    let changed = |(node, entry): (NodeId, &NodeEntry)| entry.score != work[node.index()];
    let changed = table.iter().any(changed);
    merger.finish();
    if changed {
        put(&work, &mut cluster.resource_mut(primary).allowed);
    }
    let cache = caches::of_mut(cluster).preferences.get_mut();
    cache.return_buffer(work);
    cluster.note(primary, Cause::Dependent(id));
}

/// The factor behind a colocation: single precision, multiplied before it is divided.
pub(super) fn factor(factor: f32, colocation: &Colocation) -> f32 {
    factor * colocation.score.0 as f32 / Score::INFINITY.0 as f32
}

/// Merges the preferences of `source`, and of all resources behind it, into a table that belongs to
/// `target`, through the colocation `via`.
pub(in crate::assignment) fn merge(
    cluster: &Cluster,
    source: ResourceId,
    target: ResourceId,
    table: &mut NodeTable,
    via: ColocationId,
    mode: Mode,
) {
    Merger::new(cluster, target, table, mode).merge_into(source, table, via);
}

/// Puts merged scores into the table that they are for.
fn put(scores: &[Score], table: &mut NodeTable) {
    for (node, entry) in table.iter_mut() {
        entry.score = scores[node.index()];
    }
}

/// The table of `source` with the preferences of all resources that it is colocated with (§9.1).
pub(in crate::assignment) fn with_primaries(cluster: &Cluster, source: ResourceId) -> NodeTable {
    let group = source;
    let mut source = source;
    while cluster.resource(source).is_group() {
        match cluster.resource(source).children.last() {
            Some(last) => source = *last,
            None => break,
        }
    }
    let mode = Mode {
        side: Side::ThisWith,
        negative: Negative::Kept,
        without_usable_node: WithoutUsableNode::Keep,
    };
    let mut table = cluster.resource(source).allowed.clone();
    let mut merger = Merger::new(cluster, source, &table, mode);
    let mut work = merger.scores(&table);
    // a sum does not know of a group that must not be merged again through its first member
    merger.preferences.sums &= group == source;
    *merger.is_merging(group) = true;
    *merger.is_merging(source) = true;
    if merger.has_usable(&work) {
        merger.follow(source, &mut work, 1.0);
    }
    *merger.is_merging(group) = false;
    *merger.is_merging(source) = false;
    merger.finish();
    put(&work, &mut table);
    table
}

/// One merge under way. Its scores are a list by [`NodeId`], in which nodes
/// that are not in the table are banned.
pub(super) struct Merger<'c> {
    cluster: &'c Cluster,
    mode: Mode,
    preferences: Preferences<'c>,
}

impl<'c> Merger<'c> {
    pub(super) fn new(
        cluster: &'c Cluster,
        target: ResourceId,
        table: &NodeTable,
        mode: Mode,
    ) -> Self {
        let mut preferences = Preferences::new(cluster, target, mode.side);
        let available = &mut preferences.cache.available;
        available.clear();
        available.resize(cluster.nodes.len(), false);
        for (node, _) in table.iter() {
            available[node.index()] = cluster.node(node).is_available();
        }
        Merger {
            cluster,
            mode,
            preferences,
        }
    }

    /// Merges without sums.
    #[cfg(test)]
    pub(super) fn step_by_step(mut self) -> Self {
        self.preferences.sums = false;
        self
    }

    /// Merges the preferences of `source`, and of all resources behind it, into a table.
    pub(super) fn merge_into(
        mut self,
        source: ResourceId,
        table: &mut NodeTable,
        via: ColocationId,
    ) {
        let work = self.merged(source, table, via);
        self.finish();
        put(&work, table);
    }

    /// The scores of a table with the preferences of `source` and of all resources behind it.
    fn merged(&mut self, source: ResourceId, table: &NodeTable, via: ColocationId) -> Vec<Score> {
        let mut work = self.scores(table);
        let factor = factor(1.0, self.cluster.colocation(via));
        let without_usable_node = self.mode.without_usable_node;
        self.merge(source, &mut work, via, factor, without_usable_node);
        work
    }

    fn scores(&mut self, table: &NodeTable) -> Vec<Score> {
        let mut scores = self.preferences.cache.take_buffer();
        scores.resize(self.cluster.nodes.len(), Score::MINUS_INFINITY);
        for (node, entry) in table.iter() {
            scores[node.index()] = entry.score;
        }
        scores
    }

    fn finish(self) {
        self.preferences.finish();
    }

    fn is_merging(&mut self, id: ResourceId) -> &mut bool {
        &mut self.preferences.cache.merging[id.index()]
    }

    fn merge(
        &mut self,
        source: ResourceId,
        work: &mut Vec<Score>,
        via: ColocationId,
        factor: f32,
        without_usable_node: WithoutUsableNode,
    ) {
        if *self.is_merging(source) {
            return;
        }
        *self.is_merging(source) = true;
        let resource = self.cluster.resource(source);
        if !resource.is_group() {
            self.merge_single(source, work, via, factor, without_usable_node);
        } else if let Some(first) = resource.children.first() {
            self.merge(*first, work, via, factor, without_usable_node);
        }
        *self.is_merging(source) = false;
    }

    /// Merges the preferences of a resource that is not a group.
    fn merge_single(
        &mut self,
        source: ResourceId,
        work: &mut Vec<Score>,
        via: ColocationId,
        factor: f32,
        without_usable_node: WithoutUsableNode,
    ) {
        let sum = self.preferences.sum(source, via, factor);
        if let Some(sum) = &sum
            && self.keeps_a_usable_node(work, &sum.all)
        {
            let sums = work.iter().zip(&sum.all);
            let summed = sums.map(|(score, sum)| sum.apply(*score)).collect();
            let start = std::mem::replace(work, summed);
            if cfg!(debug_assertions) {
                self.check(source, start, via, factor, work);
            }
            return;
        }
        let mut before = self.preferences.cache.take_buffer();
        before.extend_from_slice(work);
        match &sum {
            Some(sum) => self.add(&sum.own, work),
            None => {
                let own = self.preferences.own(source, via, factor);
                self.add(&own, work);
                self.preferences.cache.return_buffer(own);
            }
        }
        let usable = self.has_usable(work);
        let undone = without_usable_node == WithoutUsableNode::Undo && !usable;
        if undone {
            std::mem::swap(work, &mut before);
        }
        self.preferences.cache.return_buffer(before);
        if usable {
            self.follow(source, work, factor);
        }
        if !undone && self.mode.negative == Negative::Avoided {
            for score in work.iter_mut().filter(|score| **score == UNUSABLE) {
                *score = Score(1);
            }
        }
    }

    /// Debug builds check a sum against the steps that it stands for, unless there are very many.
    fn check(
        &mut self,
        source: ResourceId,
        start: Vec<Score>,
        via: ColocationId,
        factor: f32,
        summed: &[Score],
    ) {
        let sums = std::mem::replace(&mut self.preferences.sums, false);
        let work_left = std::mem::replace(&mut self.preferences.work_left, 50_000);
        let mut stepped = start;
        self.merge_single(source, &mut stepped, via, factor, WithoutUsableNode::Undo);
        assert!(
            self.preferences.work_left == 0 || stepped == summed,
            "{stepped:?} {summed:?}"
        );
        self.preferences.work_left = work_left;
        self.preferences.sums = sums;
    }

    /// Merges the preferences of the resources behind `source`.
    fn follow(&mut self, source: ResourceId, work: &mut Vec<Score>, factor: f32) {
        let cluster = self.cluster;
        for id in self.preferences.colocations(source).iter().copied() {
            if !self.preferences.spend(1) {
                return;
            }
            let colocation = cluster.colocation(id);
            if self.preferences.has_influence(colocation) {
                let next = self.preferences.side.other(colocation);
                let attenuated = self::factor(factor, colocation);
                stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
                    self.merge(next, work, id, attenuated, WithoutUsableNode::Undo);
                });
            }
        }
    }

    /// Adds a resource's own preferences.
    fn add(&self, own: &[Score], work: &mut [Score]) {
        let pairs = work.iter_mut().zip(own);
        if self.mode.negative == Negative::Kept {
            for (score, preference) in pairs {
                *score = score.add(*preference);
            }
            return;
        }
        for (score, preference) in pairs.filter(|(score, _)| **score != UNUSABLE) {
            let sum = score.add(*preference);
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
        let mut nodes = self.preferences.cache.available.iter().zip(work);
        nodes.any(|(available, score)| *available && *score >= Score::ZERO)
    }

    /// Whether no step of a sequence of additions is undone, because one node stays usable
    /// throughout it.
    fn keeps_a_usable_node(&self, work: &[Score], all: &[ScoreSum]) -> bool {
        let mut nodes = self.preferences.cache.available.iter().zip(work).zip(all);
        let usable =
            nodes.any(|((available, score), sum)| *available && sum.stays_usable_from(*score));
        usable
            && (self.mode.negative == Negative::Kept
                || work.iter().zip(all).all(|(score, sum)| {
                    score.is_minus_infinity() && *score != UNUSABLE || sum.stays_usable_from(*score)
                }))
    }
}

/// Whether some node of the table is usable with its score.
pub(in crate::assignment) fn has_usable(cluster: &Cluster, table: &NodeTable) -> bool {
    table
        .iter()
        .any(|(node, entry)| cluster.is_usable_at(node, entry.score))
}
