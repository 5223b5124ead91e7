//! The computed colocation lists of a resource (scheduler-spec/03 §11, 04 §8.1).

use crate::model::{Cluster, ColocationId, ResourceId};

/// "This with": colocations in which the resource (or an ancestor on its behalf) is the dependent.
pub fn this_with(_cluster: &Cluster, _resource: ResourceId) -> Vec<ColocationId> {
    Vec::new()
}

/// "With this": colocations in which the resource (or an ancestor on its behalf) is the primary.
pub fn with_this(_cluster: &Cluster, _resource: ResourceId) -> Vec<ColocationId> {
    Vec::new()
}
