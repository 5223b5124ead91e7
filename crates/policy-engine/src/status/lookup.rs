//! From an `lrm_resource` to a resource: configured ones, instances of anonymous clones, and
//! removed ones (scheduler-spec/02 §8).

use crate::configuration;
use crate::model::{Cluster, NodeId, ResourceId, Score, Text, base_name};
use crate::xml::Element;

/// The resource that the history of `id` on `node` belongs to; made if it is not configured any
/// more and has operations.
pub(super) fn resource_of(
    cluster: &mut Cluster,
    lrm_resource: Element<'_>,
    node: NodeId,
    has_operations: bool,
) -> Option<ResourceId> {
    let id = lrm_resource.get("id")?;
    match find(cluster, id, node) {
        Some(found) => {
            let resource = cluster.resource(found);
            if &*resource.id != id && resource.history_name.as_deref() != Some(id) {
                cluster.set_history_name(found, Some(id.into()));
            }
            Some(found)
        }
        None if has_operations => Some(removed(cluster, lrm_resource, id)),
        None => None,
    }
}

/// Finds the primitive to which a history belongs, by its id (§8.1).
fn find(cluster: &mut Cluster, id: &str, node: NodeId) -> Option<ResourceId> {
    let found = match cluster.find_resource(id) {
        Some(found) if cluster.resource(found).is_primitive() => found,
        Some(_) => return None,
        None => {
            let zero = cluster.find_resource(&format!("{}:0", base_name(id)))?;
            if cluster.resource(zero).unique {
                return None;
            }
            zero
        }
    };
    if !cluster.in_anonymous_clone(found) {
        return Some(found);
    }
    if let Some(bundle) = cluster.bundle_of(found) {
        return bundled_child(cluster, bundle, node);
    }
    let clone = cluster.top(found);
    Some(choose_instance(cluster, clone, base_name(id), node))
}

/// The child of the replica whose bundle node is `node`: its primitive.
fn bundled_child(cluster: &Cluster, bundle: ResourceId, node: NodeId) -> Option<ResourceId> {
    let data = cluster.resource(bundle).bundle_data()?;
    let replica = data
        .replicas
        .iter()
        .find(|replica| replica.node.is_some_and(|(n, _)| n == node))?;
    replica.child
}

/// The child itself, or the member of a cloned group, that is called `base` (§8.3 "member for B").
fn member_for(cluster: &Cluster, child: ResourceId, base: &str) -> Option<ResourceId> {
    let resource = cluster.resource(child);
    if !resource.is_group() {
        return Some(child);
    }
    resource.children.iter().copied().find(|member| {
        let member = cluster.resource(*member);
        &*member.id == base || &*member.config_id == base
    })
}

/// Active and pending nodes of all primitives of an instance, without duplicates: the first one is
/// what counts.
fn first_location(cluster: &Cluster, child: ResourceId) -> Option<NodeId> {
    cluster.leaves(child).into_iter().find_map(|leaf| {
        let leaf = cluster.resource(leaf);
        leaf.active_on.first().copied().or(leaf.pending_node)
    })
}

/// Chooses the instance of an anonymous clone that a history on a node belongs to (§8.3).
fn choose_instance(
    cluster: &mut Cluster,
    clone: ResourceId,
    base: &str,
    node: NodeId,
) -> ResourceId {
    let mut chosen = None;
    let mut spare = None;
    let mut no_spare = false;
    for child in cluster.resource(clone).children.iter().copied() {
        match first_location(cluster, child) {
            Some(first) if first == node => {
                if let Some(member) = member_for(cluster, child, base) {
                    if cluster.resource(member).active_on.is_empty() {
                        chosen = Some(member);
                        break;
                    }
                    // Several histories of one anonymous clone on one node.
                    no_spare = true;
                }
            }
            Some(_) => {}
            None if !no_spare && spare.is_none() && !cluster.resource(child).blocked => {
                spare = member_for(cluster, child, base).filter(|member| {
                    cluster
                        .resource(*member)
                        .pending_node
                        .is_none_or(|pending| pending == node)
                });
            }
            None => {}
        }
    }
    if chosen.is_none() && !no_spare {
        chosen = spare;
    }
    if let Some(instance) = chosen {
        let lost = !cluster.node(node).online || cluster.node(node).unclean;
        let clone_max = cluster
            .resource(clone)
            .clone_data()
            .map_or(0, |data| i64::from(data.clone_max));
        if !cluster.resource(instance).needs_fencing
            && lost
            && !cluster.is_guest(node)
            && clone_max != cluster.nodes.len() as i64
        {
            chosen = None;
        }
    }
    chosen.unwrap_or_else(|| {
        let instance = configuration::create_instance(cluster, clone);
        member_for(cluster, instance, base).unwrap_or(instance)
    })
}

/// Creates a resource that only the history knows: it was removed from the configuration (§8.2).
fn removed(cluster: &mut Cluster, lrm_resource: Element<'_>, id: &str) -> ResourceId {
    let class = lrm_resource.get("class").unwrap_or("");
    let provider = lrm_resource.get("provider");
    let kind = lrm_resource.get("type").unwrap_or("");
    let id: Text = id.into();
    let resource = configuration::create_removed(cluster, id.clone(), class, provider, kind);
    cluster.resource_mut(resource).removed = true;
    if cluster.resource(resource).remote_connection {
        let node = configuration::nodes::remote(cluster, &id);
        configuration::remote::link_node(cluster, resource);
        cluster.node_mut(node).shutdown = true;
    }
    if lrm_resource.get("container").is_some() {
        cluster.resource_mut(resource).removed_launched = true;
    }
    if class == "stonith" {
        cluster.options.have_fencing_device = true;
    }
    if cluster.options.stop_removed_resources {
        cluster.adjust_everywhere(resource, Score::MINUS_INFINITY);
    } else {
        cluster.resource_mut(resource).managed = false;
    }
    resource
}
