//! What was found out about what lies behind dependents, remembered between merges until a resource
//! on which it rests changes.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::shift::Shift;
use crate::model::{ColocationId, ResourceId, Score};

/// So many shifts are kept, of all merges and nodes together; each takes some twenty bytes.
const SHIFTS: usize = 2_000_000;

/// A merge, apart from its target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    /// Whose wishes are merged.
    pub source: ResourceId,
    /// By way of which colocation; `None` if it is all the same.
    pub via: Option<ColocationId>,
    /// The bits of the factor.
    pub factor: u32,
    /// Whether it goes on to what resources are colocated with.
    pub this_with: bool,
}

/// What a merge adds, by node.
#[derive(Debug)]
pub(super) struct Sum {
    /// The source's own wishes.
    pub own: Vec<Score>,
    /// The wishes of the source and all behind it, provided that no step is undone.
    pub all: Vec<Shift>,
}

#[derive(Debug)]
struct Known {
    sum: Arc<Sum>,
    /// Merges that this one is part of.
    part_of: Vec<Key>,
}

/// What is remembered between the merges of a run.
#[derive(Debug, Default)]
pub(super) struct MergeMemory {
    known: FxHashMap<Key, Known>,
    /// What rests on a resource, by resource.
    resting: Vec<Vec<Key>>,
    /// Sources, by direction, that have no sum: behind them the colocations go round in a circle,
    /// so that what is heard depends on where one comes from, or hosts of guest nodes count.
    pub without_sum: FxHashSet<(ResourceId, bool)>,
    /// Marks of resources whose merge is under way: each contributes once. All false between
    /// merges.
    pub merging: Vec<bool>,
    /// Marks of resources whose wishes are being summed up. All false between merges.
    pub summing: Vec<bool>,
    /// Of the merge under way: nodes that are in the table and available. By node.
    pub available: Vec<bool>,
    /// Lists that are not in use: merges are many and short.
    spare: Vec<Vec<Score>>,
}

impl MergeMemory {
    /// Makes room for a merge in a cluster with so many resources and nodes.
    pub(super) fn prepare(&mut self, resources: usize, nodes: usize) {
        self.merging.resize(resources, false);
        self.summing.resize(resources, false);
        self.resting.resize_with(resources, Vec::new);
        if self.is_full(nodes) {
            self.forget_all();
        }
    }

    /// An empty list for scores of nodes, to be given back.
    pub(super) fn room(&mut self) -> Vec<Score> {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes back what [`MergeMemory::room`] gave.
    pub(super) fn give_back(&mut self, mut scores: Vec<Score>) {
        scores.clear();
        self.spare.push(scores);
    }

    /// Forgets all merges, because nodes changed or there is no room.
    pub(super) fn forget_all(&mut self) {
        self.known.clear();
        self.resting.iter_mut().for_each(Vec::clear);
    }

    /// Whether no more merges of so many nodes are to be remembered.
    pub(super) fn is_full(&self, nodes: usize) -> bool {
        self.known.len() * nodes >= SHIFTS
    }

    /// What is known about a merge.
    pub(super) fn get(&self, key: Key) -> Option<Arc<Sum>> {
        self.known.get(&key).map(|known| known.sum.clone())
    }

    /// Remembers a merge. `rests_on`: the resources whose tables it has read; `parts`: other merges
    /// that it contains.
    pub(super) fn keep(&mut self, key: Key, sum: Arc<Sum>, rests_on: &[ResourceId], parts: &[Key]) {
        for resource in rests_on {
            self.resting[resource.index()].push(key);
        }
        for part in parts {
            if let Some(part) = self.known.get_mut(part) {
                part.part_of.push(key);
            }
        }
        let part_of = Vec::new();
        self.known.insert(key, Known { sum, part_of });
    }

    /// Forgets what rests on a resource that is about to change.
    #[inline]
    pub(super) fn forget(&mut self, resource: ResourceId) {
        if let Some(resting) = self.resting.get_mut(resource.index())
            && !resting.is_empty()
        {
            let resting = std::mem::take(resting);
            self.forget_merges(resting);
        }
    }

    #[cold]
    fn forget_merges(&mut self, mut keys: Vec<Key>) {
        while let Some(key) = keys.pop() {
            if let Some(known) = self.known.remove(&key) {
                keys.extend(known.part_of);
            }
        }
    }
}
