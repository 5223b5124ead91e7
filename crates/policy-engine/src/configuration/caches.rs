//! The caches of configuration: results that are calculated on demand and kept for the run.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::digests::Digests;
use super::operations::OptionsKey;
use crate::model::{Cluster, NodeId, OperationOptions, ResourceId, Table, Task, Text};
use crate::xml::ElementId;

/// A cache that fills itself through a shared reference.
type Filled<Key, Value> = RefCell<FxHashMap<Key, Value>>;

/// The caches of this stage.
#[derive(Debug, Default)]
pub(super) struct Caches {
    /// Parameters per resource and node (`None` = evaluated without node, or the same everywhere).
    pub(super) parameters: Filled<(ResourceId, Option<NodeId>), Arc<Table>>,
    /// Templates by id.
    pub(super) templates: OnceCell<FxHashMap<Box<str>, ElementId>>,
    /// Effective defaults.
    pub(super) defaults: Filled<super::defaults::Key, Arc<[(Text, Text)]>>,
    /// Options of operations.
    pub(super) options: Filled<OptionsKey, Arc<OperationOptions>>,
    /// Digests per node, resource, task, interval (02 §20.4). Task `Other("stonith-on")` for
    /// unfencing.
    pub(super) digests: Filled<(NodeId, ResourceId, Task, u32), Digests>,
    /// Whether date specifications hold.
    pub(super) date_specs: Filled<ElementId, bool>,
    /// The empty table.
    pub(super) nothing: Arc<Table>,
}

/// The caches of a run.
pub(super) fn of(cluster: &Cluster) -> &Caches {
    cluster.caches.get()
}
