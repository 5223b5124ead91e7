//! Finding the instance of a collective that belongs to a resource (scheduler-spec/04 §8.4).

use super::candidates;
use crate::model::{
    AttributeLookup, Cluster, NodeId, ResourceId, Role, Text, Variant, Where, same_value,
};

/// The instance of `collective` that is compatible with `matched`: on the same node, or with the
/// same value of `attribute`; with that role if one is given. `at`: which nodes
/// and roles are compared.
pub(crate) fn find_compatible(
    cluster: &Cluster,
    matched: ResourceId,
    collective: ResourceId,
    role: Option<Role>,
    at: Where,
    attribute: Option<&Text>,
) -> Option<ResourceId> {
    if let Some(node) = cluster.location_of(matched, at) {
        return instance_at(cluster, collective, node, role, at, attribute);
    }
    candidates::sorted(cluster, &cluster.resource(matched).allowed, None)
        .into_iter()
        .find_map(|node| instance_at(cluster, collective, node, role, at, attribute))
}

/// The first instance of `collective` on `node`, or where `attribute` has the same value.
pub(super) fn instance_at(
    cluster: &Cluster,
    collective: ResourceId,
    node: NodeId,
    role: Option<Role>,
    at: Where,
    attribute: Option<&Text>,
) -> Option<ResourceId> {
    let matches = |instance: ResourceId| {
        let here = cluster.is_at(instance, node, at)
            || attribute.is_some_and(|name| {
                let Some(location) = cluster.location_of(instance, at) else {
                    return false;
                };
                let lookup = AttributeLookup::for_colocation(cluster, name, instance);
                same_value(lookup.value(location), lookup.value(node))
            });
        here && role.is_none_or(|role| {
            role == match at {
                Where::Active => cluster.role_of(instance),
                Where::Assigned => cluster.next_role_of(instance),
            }
        }) && !cluster.any_below(instance, |resource| resource.blocked)
    };
    match &cluster.resource(collective).variant {
        Variant::Bundle(bundle) => bundle
            .replicas
            .iter()
            .map(|replica| replica.container)
            .find(|container| matches(*container)),
        _ => cluster
            .resource(collective)
            .children
            .iter()
            .copied()
            .find(|instance| matches(*instance)),
    }
}
