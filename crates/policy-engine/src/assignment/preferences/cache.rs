//! A cache of summed preferences, one entry per resource and way to it. An entry is dropped when a
//! resource that it was computed from changes.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::saturating_sum::ScoreSum;
use crate::constraints::colocation::Side;
use crate::model::{ColocationId, ResourceId, Score};

/// How many score sums all entries together may have, one per node each. A score sum takes about
/// twenty bytes.
const SCORE_SUMS: usize = 2_000_000;

/// The preferences of one resource and of all resources behind it, apart from their target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    /// Whose preferences they are.
    pub source: ResourceId,
    /// The colocation through which the source is reached; `None` if the preferences do not depend
    /// on it.
    pub via: Option<ColocationId>,
    /// The bits of the factor.
    pub factor: u32,
    /// Which colocations lead on from the source.
    pub side: Side,
}

/// Preferences by node.
#[derive(Debug)]
pub(super) struct Sum {
    /// The source's own preferences.
    pub own: Vec<Score>,
    /// The preferences of the source and of all resources behind it. They hold if no step of the
    /// merge is undone.
    pub all: Vec<ScoreSum>,
}

#[derive(Debug)]
struct CacheEntry {
    sum: Arc<Sum>,
    /// Entries that this one is a part of.
    part_of: Vec<Key>,
}

/// What is kept from one merge to the next within a run: known sums, marks and buffers.
#[derive(Debug, Default)]
pub(in crate::assignment) struct PreferenceCache {
    entries: FxHashMap<Key, CacheEntry>,
    /// The entries that were computed from a resource's table, by resource.
    dependents: Vec<Vec<Key>>,
    /// Sources that have no sum, by side: the colocations behind them form a circle, so that the
    /// preferences depend on where the merge comes from, or the hosts of guest nodes count.
    pub(super) without_sum: FxHashSet<(ResourceId, Side)>,
    /// Marks of resources whose merge is under way: each contributes once. All false between
    /// merges.
    pub(super) merging: Vec<bool>,
    /// Marks of resources whose preferences are being summed up. All false between merges.
    pub(super) summing: Vec<bool>,
    /// Of the merge under way: the nodes that are in the table and available. By node.
    pub(super) available: Vec<bool>,
    /// Buffers that are not in use: there are many merges, and most are short.
    spare: Vec<Vec<Score>>,
}

impl PreferenceCache {
    /// Makes room for a merge in a cluster of that size.
    pub(super) fn prepare(&mut self, resources: usize, nodes: usize) {
        self.merging.resize(resources, false);
        self.summing.resize(resources, false);
        self.dependents.resize_with(resources, Vec::new);
        if self.is_full(nodes) {
            self.clear();
        }
    }

    /// An empty buffer for scores of nodes, to be returned.
    pub(super) fn take_buffer(&mut self) -> Vec<Score> {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes back a buffer from [`PreferenceCache::take_buffer`].
    pub(super) fn return_buffer(&mut self, mut scores: Vec<Score>) {
        scores.clear();
        self.spare.push(scores);
    }

    /// Drops all entries, because nodes changed or there is no room.
    pub(in crate::assignment) fn clear(&mut self) {
        self.entries.clear();
        self.dependents.iter_mut().for_each(Vec::clear);
    }

    /// Whether there is no room for another entry in a cluster with that number of nodes.
    pub(super) fn is_full(&self, nodes: usize) -> bool {
        self.entries.len() * nodes >= SCORE_SUMS
    }

    /// A known sum.
    pub(super) fn get(&self, key: Key) -> Option<Arc<Sum>> {
        self.entries.get(&key).map(|entry| entry.sum.clone())
    }

    /// Adds a sum. `depends_on`: the resources whose tables it was computed from; `parts`: other
    /// entries that it contains.
    pub(super) fn insert(
        &mut self,
        key: Key,
        sum: Arc<Sum>,
        depends_on: &[ResourceId],
        parts: &[Key],
    ) {
        for resource in depends_on {
            self.dependents[resource.index()].push(key);
        }
        for part in parts {
            if let Some(part) = self.entries.get_mut(part) {
                part.part_of.push(key);
            }
        }
        let part_of = Vec::new();
        self.entries.insert(key, CacheEntry { sum, part_of });
    }

    /// Drops the entries that depend on a resource, which is about to change.
    #[inline]
    pub(super) fn invalidate(&mut self, resource: ResourceId) {
        if let Some(dependents) = self.dependents.get_mut(resource.index())
            && !dependents.is_empty()
        {
            let dependents = std::mem::take(dependents);
            self.remove(dependents);
        }
    }

    #[cold]
    fn remove(&mut self, mut keys: Vec<Key>) {
        while let Some(key) = keys.pop() {
            if let Some(entry) = self.entries.remove(&key) {
                keys.extend(entry.part_of);
            }
        }
    }
}
