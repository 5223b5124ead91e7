//! Fencing, unfencing, shutdown (scheduler-spec/05 §9, 02 §4).

use crate::model::{ActionId, Cluster, NodeId, ResourceId};

/// Marks a node for fencing (02 §4.1, 05 §9.1).
pub fn mark(_cluster: &mut Cluster, _node: NodeId, _reason: &str, _priority_delay: bool) {}

/// Whether a node can be fenced (02 §4.2, 05 §9.2).
pub fn can_fence(_cluster: &Cluster, _node: NodeId) -> bool {
    false
}

/// Finds or creates the fencing action of a node (05 §9.3). `operation`: `None` = option `fencing-action`.
pub fn action(
    _cluster: &mut Cluster,
    _node: NodeId,
    _operation: Option<&str>,
    _optional: bool,
    _reason: Option<&str>,
    _priority_delay: bool,
) -> ActionId {
    unimplemented!()
}

/// Triggers unfencing of a node or of all of a fence device's nodes (05 §9.5).
pub fn trigger_unfencing(
    _cluster: &mut Cluster,
    _resource: Option<ResourceId>,
    _node: Option<NodeId>,
    _reason: &str,
) {
}

/// P10: guest fencing, fencing and shutdown of nodes (05 §9.6).
pub fn schedule(_cluster: &mut Cluster) {}
