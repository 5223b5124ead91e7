//! What is calculated on demand and kept for the rest of the run.

use super::digests::Digests;
use super::operations::OperationOptions;
use crate::model::{NodeId, ResourceId, Table, Task};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::sync::Arc;

/// Per-run caches, filled through shared references.
#[derive(Debug, Default)]
pub struct Caches {
    /// Parameters per resource and node (`None` = evaluated without node).
    pub parameters: RefCell<FxHashMap<(ResourceId, Option<NodeId>), Arc<Table>>>,
    /// Options per resource, task, interval, notification key, and node (only where the node matters).
    pub options:
        RefCell<FxHashMap<(ResourceId, Task, u32, bool, Option<NodeId>), Arc<OperationOptions>>>,
    /// Digests per node, resource, task, interval (02 §20.4). Task `Other("stonith-on")` for unfencing.
    pub digests: RefCell<FxHashMap<(NodeId, ResourceId, Task, u32), Digests>>,
}
