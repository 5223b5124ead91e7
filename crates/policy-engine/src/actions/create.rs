//! The only way actions come into being (scheduler-spec/05 §2.3).

use crate::model::{ActionId, Cluster, NodeId, OperationKey, ResourceId, Task};

/// Finds or creates `<resource>_<key>` on `node`: numbering, options, runnability and all side effects of 05 §2.3, §2.7.
pub fn action(
    _cluster: &mut Cluster,
    _resource: ResourceId,
    _key: OperationKey,
    _node: Option<NodeId>,
    _optional: bool,
) -> ActionId {
    unimplemented!()
}

/// Existing actions of a resource with that key, oldest first; with a node: on that node, and node-less ones, **which get the node**.
pub fn find_all(
    _cluster: &mut Cluster,
    _resource: ResourceId,
    _key: &OperationKey,
    _node: Option<NodeId>,
) -> Vec<ActionId> {
    Vec::new()
}

/// Existing actions of a resource with that key on exactly that node, oldest first.
pub fn find_exact(
    _cluster: &Cluster,
    _resource: ResourceId,
    _key: &OperationKey,
    _node: NodeId,
) -> Vec<ActionId> {
    Vec::new()
}

/// A required one-off action: `stop`, `demote`, … (status, 02 §14, §16).
pub fn required(cluster: &mut Cluster, resource: ResourceId, task: Task, node: NodeId) -> ActionId {
    action(
        cluster,
        resource,
        OperationKey::once(task),
        Some(node),
        false,
    )
}

/// The required `clear_failcount` of a resource on a node (02 §19.4).
pub fn clear_failcount(cluster: &mut Cluster, resource: ResourceId, node: NodeId) -> ActionId {
    let id = required(cluster, resource, Task::ClearFailcount, node);
    cluster.action_mut(id).set_meta("op_no_wait", "true");
    id
}

/// The required history deletion of a resource on a node (02 §21).
pub fn delete_history(cluster: &mut Cluster, resource: ResourceId, node: NodeId) -> ActionId {
    required(cluster, resource, Task::LrmDelete, node)
}
