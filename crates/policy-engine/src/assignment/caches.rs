//! What assignment remembers while it goes on.

use std::cell::{Cell, RefCell};

use super::merge_memory::MergeMemory;
use super::sums;
use super::together::Sets;
use crate::model::Cluster;

/// The caches of this stage.
#[derive(Debug, Default)]
pub(super) struct Caches {
    /// What lies behind dependents.
    pub(super) merges: RefCell<MergeMemory>,
    /// What must be together, where capacities matter.
    pub(super) together: Sets,
    /// How much work merging may still be; `None` before the first merge.
    pub(super) work_left: Cell<Option<u64>>,
}

/// The caches of a run.
pub(super) fn of(cluster: &Cluster) -> &Caches {
    cluster.caches.get()
}

/// The caches of a run, to change them.
pub(super) fn of_mut(cluster: &mut Cluster) -> &mut Caches {
    cluster.caches.get_mut()
}

/// How much work the merges of the run may still be.
pub(super) fn work_left(cluster: &Cluster) -> u64 {
    let left = of(cluster).work_left.get();
    left.unwrap_or_else(|| sums::work_for(cluster.document.element_count()))
}
