//! Remote and guest nodes that resources imply (scheduler-spec/01 §10).

use super::nodes;
use crate::model::*;
use crate::model::{Definition, NvSet};
use crate::scalar;
use crate::xml::Element;

/// Step A4: creates the nodes of all connections, and returns the implied connections of guest
/// nodes.
pub(super) fn implied_connections(cluster: &mut Cluster, section: Element<'_>) -> Vec<Definition> {
    let mut implied = Vec::new();
    for element in section.children() {
        if is_connection(element) {
            if let Some(id) = element.get("id").filter(|id| !id.is_empty()) {
                nodes::remote(cluster, id);
            }
        } else if element.name() == "primitive" {
            implied.extend(guest(cluster, element));
        } else if element.name() == "group" {
            for member in element.children_named("primitive") {
                implied.extend(guest(cluster, member));
            }
        }
    }
    implied
}

fn is_connection(element: Element<'_>) -> bool {
    let is = |name: &str, value: &str| {
        element
            .get(name)
            .is_some_and(|own| own.eq_ignore_ascii_case(value))
    };
    is("class", "ocf") && is("provider", "pacemaker") && is("type", "remote")
}

/// Whether an agent is the one of connections.
pub(super) fn is_connection_agent(agent: &Agent) -> bool {
    agent.class.eq_ignore_ascii_case("ocf")
        && agent.kind.eq_ignore_ascii_case("remote")
        && agent
            .provider
            .as_deref()
            .is_some_and(|provider| provider.eq_ignore_ascii_case("pacemaker"))
}

/// The connection of the guest node that a primitive launches. Its meta-attributes are read
/// literally: no rules, no templates, later ones override.
fn guest(cluster: &mut Cluster, primitive: Element<'_>) -> Option<Definition> {
    let literal = |wanted: &str| {
        primitive
            .children_named("meta_attributes")
            .flat_map(|set| set.children_named("nvpair"))
            .filter(|pair| pair.get("name") == Some(wanted))
            .filter_map(|pair| pair.get("value"))
            .last()
    };
    let name = literal("remote-node")?;
    let launcher = primitive.get("id")?;
    nodes::remote(cluster, name);
    let timeout = literal("remote-connect-timeout").unwrap_or("60s");
    let optional = |pairs: &[(&'static str, Option<&str>)]| -> Vec<(&'static str, Text)> {
        pairs
            .iter()
            .filter_map(|(name, value)| Some((*name, (*value)?.into())))
            .collect()
    };
    let meta = optional(&[
        ("internal_rsc", Some("true")),
        ("container", Some(launcher)),
        ("allow-migrate", literal("remote-allow-migrate")),
        ("is-managed", literal("is-managed")),
    ]);
    let parameters = optional(&[
        ("addr", literal("remote-addr")),
        ("port", literal("remote-port")),
    ]);
    let start = OperationConfig::implied(&format!("{name}-start-0"), "start", "0", Some(timeout));
    Some(connection(name, meta, parameters, Some(start)))
}

/// An implied connection resource: of a guest node, or of a bundle replica.
pub(super) fn connection(
    name: &str,
    meta: Vec<(&'static str, Text)>,
    parameters: Vec<(&'static str, Text)>,
    start: Option<OperationConfig>,
) -> Definition {
    let monitor_id = format!("{name}-monitor-30s");
    let mut operations = vec![OperationConfig::implied(
        &monitor_id,
        "monitor",
        "30s",
        Some("30s"),
    )];
    operations.extend(start);
    let mut config = ResourceConfig {
        meta: vec![NvSet::implied(format!("{name}-meta_attributes"), meta)],
        operations,
        ..ResourceConfig::default()
    };
    if !parameters.is_empty() {
        let set = NvSet::implied(format!("{name}-instance_attributes"), parameters);
        config.parameters.push(set);
    }
    Definition::implied(name, "ocf", Some("pacemaker"), "remote", config)
}

/// Connects launchers with the resources that they launch, and connections with their nodes
/// (§10.1).
pub(super) fn link(cluster: &mut Cluster) {
    for top in cluster.top_level.clone() {
        for leaf in cluster.leaves(top) {
            let Some(container) = cluster.resource(leaf).meta.get("container").cloned() else {
                continue;
            };
            if let Some(launcher) = cluster.find_resource(&container)
                && launcher != leaf
            {
                cluster.resource_mut(leaf).launcher = Some(launcher);
                cluster.resource_mut(launcher).launched.push(leaf);
            }
        }
        link_node(cluster, top);
    }
}

/// Connects a connection of the resource list with the node of that name.
pub(crate) fn link_node(cluster: &mut Cluster, connection: ResourceId) {
    let resource = cluster.resource(connection);
    if !resource.remote_connection {
        return;
    }
    let Some(node) = cluster.find_node(&resource.id) else {
        return;
    };
    let is_guest = resource.launcher.is_some();
    let startup_fencing = cluster.options.startup_fencing;
    cluster.resource_mut(connection).remote_node = Some(node);
    let node = cluster.node_mut(node);
    node.connection = Some(connection);
    match is_guest {
        true => node.attributes.set("#kind", "container"),
        false => node.unclean = startup_fencing,
    }
}

/// The flags of a connection resource that depend on its meta-attributes: remote or guest, and for
/// remote connections the reconnect interval.
pub(super) fn is_guest_connection(resource: &Resource) -> bool {
    resource.remote_connection && resource.meta.contains("container")
}

/// `allow-migrate` of a resource: connections of remote nodes migrate unless it says otherwise.
pub(super) fn may_migrate(resource: &Resource) -> bool {
    match resource.meta.text("allow-migrate") {
        Some(text) => scalar::boolean(text) == Some(true),
        None => resource.remote_connection && !is_guest_connection(resource),
    }
}
