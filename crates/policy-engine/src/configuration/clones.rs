//! Clones and their instances (scheduler-spec/01 §15, 04 §2, §3).

use super::definition::Invalid;
use super::resources;
use crate::model::Definition;
use crate::model::*;
use crate::scalar;

/// Most instances of a clone: a bound against mistyped numbers.
pub(crate) const MAX_INSTANCES: i32 = 10_000;
/// Most resources of a cluster, instances included.
const MAX_RESOURCES: usize = 1_000_000;

/// Reads a clone's settings and creates its instances.
pub(super) fn unpack(
    cluster: &mut Cluster,
    id: ResourceId,
    child: Option<&Arc<Definition>>,
) -> Result<(), Invalid> {
    let Some(child) = child else {
        return Err(Invalid(
            "expected a clone with a primitive or a group, found neither".into(),
        ));
    };
    let node_count = i32::try_from(cluster.nodes.len()).unwrap_or(i32::MAX);
    let resource = cluster.resource(id);
    let (unique, promotable) = (resource.unique, resource.promotable);
    let meta = &resource.meta;
    let number = |names: &[&str], default: i32| {
        let value = names.iter().find_map(|name| meta.text(name));
        value.map_or(default, scalar::non_negative)
    };
    let promoted = |names: &[&str]| if promotable { number(names, 1) } else { 0 };
    let mut data = CloneData {
        clone_max: number(&["clone-max"], node_count.max(1)),
        clone_node_max: number(&["clone-node-max"], 1),
        promoted_max: promoted(&["promoted-max", "master-max"]),
        promoted_node_max: promoted(&["promoted-node-max", "master-node-max"]),
        ordered: meta.is_true("ordered"),
        interleave: meta.is_true("interleave"),
        child_config_id: Some(child.id.clone()),
        child: Some(child.clone()),
        ..CloneData::default()
    };
    if data.clone_max > MAX_INSTANCES {
        let message = format!(
            "expected clone-max to be at most {MAX_INSTANCES}, found {}",
            data.clone_max
        );
        return Err(Invalid(message));
    }
    let too_many = !unique && data.clone_node_max > 1;
    if too_many {
        data.clone_node_max = 1;
    }
    let resource = cluster.resource_mut(id);
    resource.variant = Variant::Clone(data);
    resource.meta.set_if_absent("resource-stickiness", "1");
    let unique_text = if unique { "true" } else { "false" };
    resource.meta.set("globally-unique", unique_text);
    if too_many {
        let message = format!(
            "{}: clone-node-max is ignored: expected at most 1 for a clone with globally-unique=false",
            cluster.resource(id).id
        );
        cluster.say(Level::Error, message);
    }
    loop {
        if cluster.resources.len() > MAX_RESOURCES {
            let message = format!(
                "expected at most {MAX_RESOURCES} resources, instances included: lower clone-max"
            );
            return Err(Invalid(message));
        }
        create_instance(cluster, id)?;
        let data = settings(cluster, id);
        if i64::from(data.created) >= i64::from(data.clone_max) {
            return Ok(());
        }
    }
}

/// Creates the next instance of a clone (§15.3): removed with all descendants if there are enough
/// already.
pub(super) fn create_instance(
    cluster: &mut Cluster,
    clone: ResourceId,
) -> Result<ResourceId, Invalid> {
    let data = settings(cluster, clone);
    let number = data.created;
    let Some(child) = data.child.clone() else {
        return Err(Invalid(
            "expected a clone with a primitive or a group, found neither".into(),
        ));
    };
    let instance = resources::unpack(cluster, &child, Some(clone), Some(number))?;
    let clone_max = settings(cluster, clone).clone_max;
    if i64::from(number) >= i64::from(clone_max) {
        for part in cluster.subtree(instance) {
            cluster.resource_mut(part).removed = true;
        }
    }
    let meta = &mut cluster.resource_mut(instance).meta;
    meta.set("clone-max", clone_max.to_string());
    let resource = cluster.resource_mut(clone);
    resource.children.push(instance);
    if let Variant::Clone(data) = &mut resource.variant {
        data.created += 1;
    }
    Ok(instance)
}

fn settings(cluster: &Cluster, clone: ResourceId) -> &CloneData {
    let data = cluster.resource(clone).clone_data();
    data.expect("invariant: only clones have instances")
}

/// What the standard of a primitive's agent forbids (§15.1).
pub(super) fn check_primitive(cluster: &mut Cluster, id: ResourceId) -> Result<(), Invalid> {
    let top = cluster.top(id);
    if !cluster.resource(top).is_clone() {
        return Ok(());
    }
    let resource = cluster.resource(id);
    let class = &resource.agent.class;
    let is_ocf = class.eq_ignore_ascii_case("ocf");
    let is_fencing = class.eq_ignore_ascii_case("stonith");
    if resource.unique && !is_ocf && !is_fencing {
        force_anonymous(cluster, top, id);
    }
    if cluster.resource(top).promotable && !is_ocf {
        let class = cluster.resource(id).agent.class.clone();
        let message = format!(
            "expected an agent of class ocf in a promotable clone, found class \"{class}\": set promotable=false"
        );
        return Err(Invalid(message));
    }
    Ok(())
}

/// Makes a clone anonymous because an agent cannot run as unique instances.
fn force_anonymous(cluster: &mut Cluster, clone: ResourceId, primitive: ResourceId) {
    let node_count = i32::try_from(cluster.nodes.len()).unwrap_or(i32::MAX);
    let message = format!(
        "{}: globally-unique is ignored: agents of class {} cannot run as unique instances",
        cluster.resource(clone).id,
        cluster.resource(primitive).agent.class
    );
    cluster.say(Level::Warning, message);
    if let Variant::Clone(data) = &mut cluster.resource_mut(clone).variant {
        data.clone_node_max = 1;
        data.clone_max = data.clone_max.min(node_count);
    }
    let mut parts = cluster.subtree(clone);
    let mut part = Some(primitive);
    while let Some(id) = part.filter(|id| *id != clone) {
        parts.push(id);
        part = cluster.resource(id).parent;
    }
    for part in parts {
        let resource = cluster.resource_mut(part);
        resource.unique = false;
        resource.meta.set("globally-unique", "false");
    }
}
