//! The preferences of a resource and of all resources behind it.
//!
//! The primaries of a chain of colocations ask, one after the other, for the preferences of the
//! rest of it; and where dependents have dependents in common, one merge reaches the same ones on
//! many paths. What a dependent and all resources behind it add to a score is the same each time, a
//! [`ScoreSum`]. So it is summed up once, and kept ([`PreferenceCache`]).

use std::borrow::Cow;
use std::sync::Arc;

use super::cache::{Key, PreferenceCache, Sum};
use super::saturating_sum::ScoreSum;
use super::{merge, own};
use crate::assignment::{caches, colocations};
use crate::constraints::colocation::Side;
use crate::model::{AttributeLookup, Cluster, Colocation, ColocationId, ResourceId, Score};

/// How much work the merges of a run may be, counted in scores of nodes, for an input with that
/// number of elements: the paths through entangled colocations can be exponentially many. When it
/// is used up, only the preferences of direct dependents count, and none behind them.
pub(in crate::assignment) fn work_for(elements: usize) -> u64 {
    WORK_MIN.max(WORK_PER_ELEMENT * elements as u64)
}

/// For each element of the input.
const WORK_PER_ELEMENT: u64 = 4_000;

/// For each step, besides its scores.
const WORK_PER_STEP: usize = 40;

/// For small inputs.
const WORK_MIN: u64 = 10_000_000;

/// The preferences that flow into one target.
pub(super) struct Preferences<'c> {
    cluster: &'c Cluster,
    target: ResourceId,
    /// Which colocations lead on from a resource.
    pub side: Side,
    pub cache: PreferenceCache,
    /// Whether preferences are summed up; otherwise they are merged step by step.
    pub sums: bool,
    /// Work that is left.
    pub work_left: u64,
}

impl<'c> Preferences<'c> {
    /// Takes the cache of the run, without what changed since the last merge.
    pub(super) fn new(cluster: &'c Cluster, target: ResourceId, side: Side) -> Self {
        let mut cache = caches::of(cluster).preferences.take();
        cluster.for_each_changed(|changed| cache.invalidate(changed));
        cache.prepare(cluster.resources.len(), cluster.nodes.len());
        Preferences {
            cluster,
            target,
            side,
            cache,
            sums: !depends_on_hosts(cluster, target),
            work_left: caches::work_left(cluster),
        }
    }

    /// Gives the cache back, and accounts for the work.
    pub(super) fn finish(self) {
        let caches = caches::of(self.cluster);
        caches.work_left.set(Some(self.work_left));
        caches.preferences.replace(self.cache);
    }

    /// Spends the work of a step. False if none is left. `scores`: how often the step looks at the
    /// score of each node.
    pub(super) fn spend(&mut self, scores: usize) -> bool {
        let work = WORK_PER_STEP + scores * self.cluster.nodes.len();
        self.work_left = self.work_left.saturating_sub(work as u64);
        self.work_left > 0
    }

    /// The colocations that lead on from a resource, to those behind it.
    pub(super) fn colocations(&self, source: ResourceId) -> Cow<'c, [ColocationId]> {
        colocations::list(self.cluster, source, self.side)
    }

    /// Whether the preferences behind a colocation count.
    pub(super) fn has_influence(&self, colocation: &Colocation) -> bool {
        self.side == Side::ThisWith
            || colocations::has_influence(self.cluster, colocation, colocation.primary)
    }

    /// A source's own preferences, by node, in a buffer that may be returned to the cache.
    pub(super) fn own(&mut self, source: ResourceId, via: ColocationId, factor: f32) -> Vec<Score> {
        self.spend(4);
        let mut own = self.cache.take_buffer();
        let via = self.cluster.colocation(via);
        own::collect(self.cluster, source, self.target, via, factor, &mut own);
        own
    }

    /// The preferences of a source (not a group) and of all resources behind it. `None` if there
    /// are none behind it, or they depend on the way to the source.
    pub(super) fn sum(
        &mut self,
        source: ResourceId,
        via: ColocationId,
        factor: f32,
    ) -> Option<Arc<Sum>> {
        if !self.sums || self.has_no_sum(source) {
            return None;
        }
        if depends_on_hosts(self.cluster, source) {
            self.set_without_sum(source);
            return None;
        }
        let colocations = self.colocations(source);
        if colocations.is_empty() {
            return None;
        }
        let key = self.key(source, via, factor);
        let known = self.cache.get(key);
        if known.is_some() || self.cache.is_full(self.cluster.nodes.len()) {
            return known;
        }
        if std::mem::replace(&mut self.cache.summing[source.index()], true) {
            self.set_without_sum(source);
            return None;
        }
        let sum = self.sum_up(key, via, factor, &colocations);
        self.cache.summing[source.index()] = false;
        sum
    }

    fn sum_up(
        &mut self,
        key: Key,
        via: ColocationId,
        factor: f32,
        colocations: &[ColocationId],
    ) -> Option<Arc<Sum>> {
        let cluster = self.cluster;
        let own = self.own(key.source, via, factor);
        let mut all: Vec<ScoreSum> = own.iter().copied().map(ScoreSum::of).collect();
        let mut depends_on = vec![key.source, cluster.colocation(via).dependent];
        let mut parts = Vec::new();
        for via in colocations.iter().copied() {
            let colocation = cluster.colocation(via);
            let Some(next) = self.first_member(self.side.other(colocation)) else {
                continue;
            };
            if !self.has_influence(colocation) {
                continue;
            }
            if !self.spend(3) {
                return None;
            }
            let factor = merge::factor(factor, colocation);
            if self.colocations(next).is_empty() && !depends_on_hosts(cluster, next) {
                let own = self.own(next, via, factor);
                add(&mut all, own.iter().copied().map(ScoreSum::of));
                self.cache.return_buffer(own);
                depends_on.extend([next, colocation.dependent]);
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
        self.cache.insert(key, sum.clone(), &depends_on, &parts);
        Some(sum)
    }

    /// The resource whose preferences count for a resource: for a group its first member.
    fn first_member(&self, id: ResourceId) -> Option<ResourceId> {
        let resource = self.cluster.resource(id);
        if resource.is_group() {
            resource.children.first().copied()
        } else {
            Some(id)
        }
    }

    fn has_no_sum(&self, source: ResourceId) -> bool {
        self.cache.without_sum.contains(&(source, self.side))
    }

    fn set_without_sum(&mut self, source: ResourceId) {
        self.cache.without_sum.insert((source, self.side));
    }

    fn key(&self, source: ResourceId, via: ColocationId, factor: f32) -> Key {
        let independent = own::are_independent_of_way(self.cluster, source, via, factor);
        Key {
            source,
            via: (!independent).then_some(via),
            factor: factor.to_bits(),
            side: self.side,
        }
    }
}

/// Whether hosts of guest nodes count for a resource, or its colocations depend on where they are.
fn depends_on_hosts(cluster: &Cluster, id: ResourceId) -> bool {
    AttributeLookup::for_colocation(cluster, "", id).asks_hosts()
}

fn add(all: &mut [ScoreSum], more: impl Iterator<Item = ScoreSum>) {
    for (sum, more) in all.iter_mut().zip(more) {
        *sum = sum.then(more);
    }
}
