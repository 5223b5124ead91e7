//! The caches of assignment: what is kept from one resource to the next.

use std::cell::{Cell, RefCell};

use super::preferences::{self, PreferenceCache};
use super::utilization::ColocatedSets;
use crate::model::Cluster;

/// The caches of this stage.
#[derive(Debug, Default)]
pub(super) struct Caches {
    /// Summed preferences.
    pub(super) preferences: RefCell<PreferenceCache>,
    /// Colocated sets, where capacities matter.
    pub(super) colocated_sets: ColocatedSets,
    /// How much work the merges of preferences may still be; `None` before the first.
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

/// How much work the merges of preferences may still be in this run.
pub(super) fn work_left(cluster: &Cluster) -> u64 {
    let left = of(cluster).work_left.get();
    left.unwrap_or_else(|| preferences::work_for(cluster.document.element_count()))
}
