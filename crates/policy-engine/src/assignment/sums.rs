//! The wishes of a dependent, and of everything behind it.
//!
//! The primaries of a chain ask, one after the other, for the wishes of all that is left of it; and
//! where dependents have dependents in common, one merge meets the same ones on many paths. What a
//! dependent and all behind it add to a score is the same each time, a [`Shift`]. So it is summed
//! up once, and remembered ([`MergeMemory`]).

use std::borrow::Cow;
use std::sync::Arc;

use super::merge_memory::{Key, MergeMemory, Sum};
use super::shift::Shift;
use super::{caches, colocations, merge, wishes};
use crate::constraints::colocation::Side;
use crate::model::{AttributeLookup, Cluster, Colocation, ColocationId, ResourceId, Score};

/// How much work the merges of a run may be, counted in scores of nodes: the paths through
/// entangled colocations can be exponentially many. When it is used up, only the dependents
/// themselves are heard, and nothing behind them.
pub(super) fn work_for(elements: usize) -> u64 {
    WORK_MIN.max(WORK_PER_ELEMENT * elements as u64)
}

/// For each element of the input.
const WORK_PER_ELEMENT: u64 = 4_000;

/// For each step, besides its scores.
const WORK_PER_STEP: usize = 40;

/// For small inputs.
const WORK_MIN: u64 = 10_000_000;

/// What dependents wish of one target.
pub(super) struct Wishes<'c> {
    cluster: &'c Cluster,
    target: ResourceId,
    /// In which colocations it finds what lies behind a resource.
    pub side: Side,
    pub memory: MergeMemory,
    /// Whether it sums up.
    pub sums: bool,
    /// Work that is left.
    pub left: u64,
}

impl<'c> Wishes<'c> {
    pub(super) fn new(cluster: &'c Cluster, target: ResourceId, side: Side) -> Self {
        let mut memory = caches::of(cluster).merges.take();
        cluster.for_each_changed(|changed| memory.forget(changed));
        memory.prepare(cluster.resources.len(), cluster.nodes.len());
        Wishes {
            cluster,
            target,
            side,
            memory,
            sums: !asks_hosts(cluster, target),
            left: caches::work_left(cluster),
        }
    }

    /// Accounts for the work.
    pub(super) fn finish(self) {
        let caches = caches::of(self.cluster);
        caches.work_left.set(Some(self.left));
        caches.merges.replace(self.memory);
    }

    /// Spends the work of a step. False if none is left. `scores`: how often it looks at the score
    /// of each node.
    pub(super) fn spend(&mut self, scores: usize) -> bool {
        let work = WORK_PER_STEP + scores * self.cluster.nodes.len();
        self.left = self.left.saturating_sub(work as u64);
        self.left > 0
    }

    /// The colocations behind a resource.
    pub(super) fn behind(&self, source: ResourceId) -> Cow<'c, [ColocationId]> {
        colocations::list(self.cluster, source, self.side)
    }

    /// Whether what lies behind a colocation is heard.
    pub(super) fn is_heard(&self, colocation: &Colocation) -> bool {
        self.side == Side::ThisWith
            || colocations::has_influence(self.cluster, colocation, colocation.primary)
    }

    /// A source's own wishes, in a list that may be given back to the memory.
    pub(super) fn own(&mut self, source: ResourceId, via: ColocationId, factor: f32) -> Vec<Score> {
        self.spend(4);
        let mut own = self.memory.room();
        let via = self.cluster.colocation(via);
        wishes::collect(self.cluster, source, self.target, via, factor, &mut own);
        own
    }

    /// What a source (no group) and all behind it wish. `None` if nothing lies behind it, or it
    /// depends on the way there.
    pub(super) fn sum(
        &mut self,
        source: ResourceId,
        via: ColocationId,
        factor: f32,
    ) -> Option<Arc<Sum>> {
        if !self.sums || self.has_no_sum(source) {
            return None;
        }
        if asks_hosts(self.cluster, source) {
            self.set_without_sum(source);
            return None;
        }
        let behind = self.behind(source);
        if behind.is_empty() {
            return None;
        }
        let key = self.key(source, via, factor);
        let known = self.memory.get(key);
        if known.is_some() || self.memory.is_full(self.cluster.nodes.len()) {
            return known;
        }
        if std::mem::replace(&mut self.memory.summing[source.index()], true) {
            self.set_without_sum(source);
            return None;
        }
        let sum = self.sum_up(key, via, factor, &behind);
        self.memory.summing[source.index()] = false;
        sum
    }

    fn sum_up(
        &mut self,
        key: Key,
        via: ColocationId,
        factor: f32,
        behind: &[ColocationId],
    ) -> Option<Arc<Sum>> {
        let cluster = self.cluster;
        let own = self.own(key.source, via, factor);
        let mut all: Vec<Shift> = own.iter().copied().map(Shift::of).collect();
        let mut rests_on = vec![key.source, cluster.colocation(via).dependent];
        let mut parts = Vec::new();
        for via in behind.iter().copied() {
            let colocation = cluster.colocation(via);
            let Some(next) = self.speaker(self.side.other(colocation)) else {
                continue;
            };
            if !self.is_heard(colocation) {
                continue;
            }
            if !self.spend(3) {
                return None;
            }
            let factor = merge::factor(factor, colocation);
            if self.behind(next).is_empty() && !asks_hosts(cluster, next) {
                let own = self.own(next, via, factor);
                add(&mut all, own.iter().copied().map(Shift::of));
                self.memory.give_back(own);
                rests_on.extend([next, colocation.dependent]);
                continue;
            }
            let sum = stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.sum(next, via, factor));
            let Some(sum) = sum else {
                if self.has_no_sum(next) {
                    self.set_without_sum(key.source);
                }
                return None;
            };
            add(&mut all, sum.all.iter().copied());
            parts.push(self.key(next, via, factor));
        }
        let sum = Arc::new(Sum { own, all });
        self.memory.keep(key, sum.clone(), &rests_on, &parts);
        Some(sum)
    }

    /// Who speaks for a resource: a group's first member for the group.
    fn speaker(&self, id: ResourceId) -> Option<ResourceId> {
        let resource = self.cluster.resource(id);
        if resource.is_group() {
            resource.children.first().copied()
        } else {
            Some(id)
        }
    }

    fn has_no_sum(&self, source: ResourceId) -> bool {
        let this_with = self.side == Side::ThisWith;
        self.memory.without_sum.contains(&(source, this_with))
    }

    fn set_without_sum(&mut self, source: ResourceId) {
        let this_with = self.side == Side::ThisWith;
        self.memory.without_sum.insert((source, this_with));
    }

    fn key(&self, source: ResourceId, via: ColocationId, factor: f32) -> Key {
        let same = wishes::are_the_same_by_any_way(self.cluster, source, via, factor);
        Key {
            source,
            via: (!same).then_some(via),
            factor: factor.to_bits(),
            this_with: self.side == Side::ThisWith,
        }
    }
}

/// Whether hosts of guest nodes count for a resource, or its colocations depend on where they are.
fn asks_hosts(cluster: &Cluster, id: ResourceId) -> bool {
    AttributeLookup::for_colocation(cluster, "", id).asks_hosts()
}

fn add(all: &mut [Shift], more: impl Iterator<Item = Shift>) {
    for (shift, more) in all.iter_mut().zip(more) {
        *shift = shift.then(more);
    }
}
