//! From definitions to resources (scheduler-spec/01 §11, §15).

use super::caches::Caches;
use super::definition::{Invalid, report};
use super::nvset;
use super::rules::RuleContext;
use super::{bundles, clones, remote, settings};
use crate::model::*;
use crate::model::{Content, Definition};
use crate::scalar;

/// Steps A4 and A5: remote and guest nodes, all resources, links, sorting by priority.
pub(super) fn unpack_section(cluster: &mut Cluster) {
    let document = cluster.document.clone();
    let Some(section) = document.section("resources") else {
        return;
    };
    let implied = remote::implied_connections(cluster, section);
    for element in section.children() {
        let Some(id) = element.get("id").filter(|id| !id.is_empty()) else {
            report(
                cluster,
                element,
                &Invalid("expected an id, found none".into()),
            );
            continue;
        };
        if element.name() == "template" {
            cluster.templates.entry(id.into()).or_default();
            continue;
        }
        match Definition::read(cluster, element) {
            Ok(definition) => {
                let definition = Arc::new(definition);
                match unpack(cluster, &definition, None, None) {
                    Ok(id) => cluster.list_resource(id),
                    Err(invalid) => report(cluster, element, &invalid),
                }
            }
            Err(invalid) => report(cluster, element, &invalid),
        }
    }
    for connection in implied {
        if let Ok(id) = unpack(cluster, &Arc::new(connection), None, None) {
            cluster.list_resource(id);
        }
    }
    remote::link(cluster);
    let mut order = std::mem::take(&mut cluster.top_level);
    order.sort_by_key(|id| std::cmp::Reverse(cluster.resource(*id).priority));
    cluster.top_level = order;
}

/// Makes a resource with all its children from a definition (§11.3). `instance`: the number of the
/// clone instance that it is or belongs to. An invalid definition leaves nothing behind.
pub(super) fn unpack(
    cluster: &mut Cluster,
    definition: &Arc<Definition>,
    parent: Option<ResourceId>,
    instance: Option<u32>,
) -> Result<ResourceId, Invalid> {
    let mark = cluster.resources.len();
    let result = unpack_tree(cluster, definition, parent, instance);
    if result.is_err() {
        drop_since(cluster, mark);
    }
    result
}

/// Takes the youngest resources out of the arena.
fn drop_since(cluster: &mut Cluster, mark: usize) {
    let dropped = cluster.resources.split_off(mark);
    for resource in &dropped {
        if let Some(list) = cluster.by_name.get_mut(&resource.id) {
            list.retain(|id| id.index() < mark);
        }
    }
    for node in &mut cluster.nodes {
        node.connection = node.connection.filter(|id| id.index() < mark);
    }
    let caches = cluster.caches.get_mut::<Caches>();
    let parameters = caches.parameters.get_mut();
    parameters.retain(|(resource, _), _| resource.index() < mark);
}

fn unpack_tree(
    cluster: &mut Cluster,
    definition: &Arc<Definition>,
    parent: Option<ResourceId>,
    instance: Option<u32>,
) -> Result<ResourceId, Invalid> {
    let config = &definition.config;
    let internal_id = match instance {
        Some(number) => format!("{}:{number}", definition.id).into(),
        None => definition.id.clone(),
    };
    let variant = match &definition.content {
        Content::Primitive => Variant::Primitive,
        Content::Group(_) => Variant::Group(GroupData {
            ordered: true,
            colocated: true,
        }),
        Content::Clone(_) => Variant::Clone(CloneData::default()),
        Content::Bundle(..) => Variant::Bundle(BundleData::default()),
    };
    let mut resource = Resource::new(
        internal_id,
        definition.id.clone(),
        variant,
        config.clone(),
        definition.agent.clone(),
    );
    resource.parent = parent;
    resource.instance = instance;
    resource.meta = settings::meta(cluster, config, &definition.agent, parent, instance);
    let id = cluster.add_resource(resource);
    settings::apply(cluster, id);
    match &definition.content {
        Content::Primitive => clones::check_primitive(cluster, id)?,
        Content::Group(members) => unpack_group(cluster, id, members, instance)?,
        Content::Clone(child) => clones::unpack(cluster, id, child.as_ref())?,
        Content::Bundle(element, child) => {
            bundles::unpack(cluster, id, *element, child.as_ref())?;
        }
    }
    allow_nodes(cluster, id);
    let mut utilization = Table::new();
    let context = RuleContext::default();
    nvset::evaluate(cluster, &config.utilization, &context, &mut utilization);
    if !utilization.is_empty() {
        cluster.resource_mut(id).utilization = utilization;
    }
    if let Some(template) = &definition.template {
        let users = cluster.templates.entry(template.clone()).or_default();
        let user = &cluster.resources[id.index()].id;
        users.insert(user.clone());
    }
    Ok(id)
}

/// Reads a group's meta-attributes and creates its members (§15.2).
fn unpack_group(
    cluster: &mut Cluster,
    id: ResourceId,
    members: &[Arc<Definition>],
    instance: Option<u32>,
) -> Result<(), Invalid> {
    let meta = &cluster.resource(id).meta;
    let flag = |name: &str| meta.text(name).and_then(scalar::boolean) != Some(false);
    let data = GroupData {
        ordered: flag("ordered"),
        colocated: flag("collocated"),
    };
    cluster.resource_mut(id).variant = Variant::Group(data);
    for member in members {
        match unpack(cluster, member, Some(id), instance) {
            Ok(member) => cluster.resource_mut(id).children.push(member),
            Err(invalid) => {
                let message = format!(
                    "{}: {}: member \"{}\" is ignored",
                    definition_path(cluster, id),
                    invalid.0,
                    member.id
                );
                cluster.say(Level::Error, message);
            }
        }
    }
    match cluster.resource(id).children.is_empty() {
        true => Err(Invalid(
            "expected a group with at least one valid primitive, found none".into(),
        )),
        false => Ok(()),
    }
}

fn definition_path(cluster: &Cluster, id: ResourceId) -> Text {
    cluster.resource(id).id.clone()
}

/// The score table of a new resource and its descendants (§11.4).
pub(super) fn allow_nodes(cluster: &mut Cluster, id: ResourceId) {
    let resource = cluster.resource(id);
    let is_guest_connection = remote::is_guest_connection(resource);
    if cluster.options.symmetric {
        allow_everywhere(cluster, id, Extent::Discovered);
    } else if is_guest_connection {
        allow_everywhere(cluster, id, Extent::All);
    }
}

/// The nodes that a resource may be on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Those on which resources are probed: not the nodes of bundles, and none if discovery is
    /// exclusive.
    Discovered,
    /// All nodes.
    All,
}

/// Adds nodes with their base scores.
fn allow_everywhere(cluster: &mut Cluster, id: ResourceId, extent: Extent) {
    let all = extent == Extent::All;
    if cluster.resource(id).exclusive_discovery && !all {
        return;
    }
    for child in cluster.resource(id).children.clone() {
        allow_everywhere(cluster, child, extent);
    }
    let Cluster {
        nodes,
        node_order,
        resources,
        ..
    } = cluster;
    let table = &mut resources[id.index()].allowed;
    for node in node_order {
        let info = &nodes[node.index()];
        if table.contains(*node) || (info.probe_mode == ProbeMode::Never && !all) {
            continue;
        }
        table.insert(
            *node,
            NodeEntry {
                score: info.base_score,
                mode: info.probe_mode,
                count: 0,
            },
        );
    }
}
