//! What constraints may have in common, calculated once for the run.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{Cluster, NodeId, ResourceId, Score, Text};
use crate::xml::ElementId;

/// A cache that fills itself through a shared reference.
type Filled<Key, Value> = RefCell<FxHashMap<Key, Value>>;

/// The caches of this stage.
#[derive(Debug, Default)]
pub(super) struct Caches {
    /// The top-level resources whose ids match a pattern of a location constraint.
    pub(super) patterns: Filled<Text, Arc<[ResourceId]>>,
    /// By location rule: where it passes, whatever the resource, and the score that it gives.
    pub(super) rules: Filled<ElementId, Arc<[(NodeId, Score)]>>,
}

/// The caches of a run.
pub(super) fn of(cluster: &Cluster) -> &Caches {
    cluster.caches.get()
}
