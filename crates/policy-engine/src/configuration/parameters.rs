//! Parameters of resources and operations (scheduler-spec/01 §14, §17.5).

use crate::model::{Cluster, NodeId, ResourceId, Table, Task};
use std::sync::Arc;

/// A resource's parameters on a node (or without node): own sets, then its ancestors', never overwriting. Cached; one evaluation
/// for all nodes if no set has a rule.
pub fn of_resource(_cluster: &Cluster, _resource: ResourceId, _node: Option<NodeId>) -> Arc<Table> {
    Arc::default()
}

/// Instance attributes of the `op` that configures (task, interval) of a resource, evaluated for a node; empty if there is none.
pub fn of_operation(
    _cluster: &Cluster,
    _resource: ResourceId,
    _task: &Task,
    _interval_ms: u32,
    _node: Option<NodeId>,
) -> Arc<Table> {
    Arc::default()
}
