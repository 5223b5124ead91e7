//! Instances of clones and bundles: assignment (04 §7) and finding compatible ones (04 §8.4).

use crate::model::{Cluster, ResourceId, Role, Text};

/// The instance of `collective` that is compatible with `matched` (04 §8.4): on the same node, or with the same value of `attribute`;
/// with that role if one is given; `current`: by current instead of assigned location.
pub fn find_compatible(
    _cluster: &Cluster,
    _matched: ResourceId,
    _collective: ResourceId,
    _role: Option<Role>,
    _current: bool,
    _attribute: Option<&Text>,
) -> Option<ResourceId> {
    None
}

/// Sorts the instance list of a clone by instance number (04 §5, points 1 and 4).
pub fn sort_by_number(_cluster: &mut Cluster, _clone: ResourceId) {}
