//! Fail counts (scheduler-spec/02 §19).

use crate::model::{Cluster, NodeId, ResourceId};

/// Fail count of a resource on a node, and the time of the last failure (0 = none).
///
/// `effective`: expired failures do not count. `with_launched`: add the counts of launched resources.
pub fn fail_count(
    _cluster: &mut Cluster,
    _resource: ResourceId,
    _node: NodeId,
    _effective: bool,
    _with_launched: bool,
) -> (crate::model::Score, i64) {
    (crate::model::Score::ZERO, 0)
}

/// The resource to ban because the migration threshold is reached on the node (02 §19.3): itself or the topmost ancestor.
pub fn threshold_reached(
    _cluster: &mut Cluster,
    _resource: ResourceId,
    _node: NodeId,
) -> Option<ResourceId> {
    None
}
