//! What is calculated on demand and kept for the rest of the run.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::digests::Digests;
use super::operations::OptionsKey;
use crate::model::OperationOptions;
use crate::model::{NodeId, ResourceId, Score, Table, Task, Text};
use crate::xml::ElementId;

/// A cache that fills itself through a shared reference.
type Filled<Key, Value> = RefCell<FxHashMap<Key, Value>>;

/// Per-run caches, filled through shared references.
#[derive(Debug, Default)]
pub struct Caches {
    /// Parameters per resource and node (`None` = evaluated without node, or the same everywhere).
    pub parameters: Filled<(ResourceId, Option<NodeId>), Arc<Table>>,
    /// Templates by id.
    pub templates: OnceCell<FxHashMap<Box<str>, ElementId>>,
    /// What defaults come to.
    pub defaults: Filled<super::defaults::Key, Arc<[(Text, Text)]>>,
    /// Options of operations.
    pub options: Filled<OptionsKey, Arc<OperationOptions>>,
    /// Digests per node, resource, task, interval (02 §20.4). Task `Other("stonith-on")` for
    /// unfencing.
    pub digests: Filled<(NodeId, ResourceId, Task, u32), Digests>,
    /// The top-level resources whose ids match a pattern of a location constraint.
    pub patterns: Filled<Text, Arc<[ResourceId]>>,
    /// By location rule: where it passes, whatever the resource, and the score that it gives.
    pub rules: Filled<ElementId, Arc<[(NodeId, Score)]>>,
    /// What the actions of collectives' children have in common.
    pub parts: crate::ordering::parts::Answers,
    /// What the parts of collectives make of their actions.
    pub marks: crate::ordering::marks::Remembered,
    /// Nodes of groups, each as of a number of commitments (`Cluster::commitments`).
    pub group_nodes: Filled<ResourceId, (u64, Option<NodeId>)>,
    /// What lies behind dependents.
    pub merges: RefCell<crate::assignment::MergeMemory>,
    /// What must be together, where capacities matter.
    pub together: crate::assignment::Sets,
    /// The empty table.
    pub nothing: Arc<Table>,
}
