//! Remote and guest nodes: they are as alive as their connection resource (scheduler-spec/02 §7).

use super::nodes;
use crate::model::{Cluster, NodeId, Role};
use crate::scalar;
use crate::xml::Element;

/// Decides whether a remote node is online, from the state of its connection (§7.1).
pub(super) fn determine_online(cluster: &mut Cluster, node: NodeId) {
    let Some(connection) = cluster.node(node).connection else {
        cluster.node_mut(node).online = false;
        return;
    };
    let connection = cluster.resource(connection);
    let launcher = connection.launcher;
    let host = match (launcher, connection.active_on.as_slice()) {
        (Some(_), [host]) => Some(*host),
        _ => None,
    };
    let (role, next_role, failed) = (connection.role, connection.next_role, connection.failed);
    let launcher_failed = launcher.is_some_and(|l| cluster.resource(l).failed);
    let launcher_stopped = launcher.is_some_and(|l| cluster.role_of(l) == Role::Stopped);
    let host_lost = host.is_some_and(|h| !cluster.node(h).online && cluster.node(h).unclean);

    let node = cluster.node_mut(node);
    if role == Role::Started {
        node.online = true;
        if next_role == Role::Stopped {
            node.shutdown = true;
        }
    }
    if launcher_failed {
        node.online = false;
        node.remote_reset = true;
    } else if failed {
        node.online = false;
    } else if role == Role::Stopped || launcher_stopped {
        node.online = false;
        node.remote_reset = false;
    } else if host_lost {
        node.online = false;
        node.remote_reset = true;
    }
}

/// Reads the attributes and flags in a remote node's state (§7.2).
pub(super) fn read_flags(cluster: &mut Cluster, node: NodeId, state: Element<'_>) {
    let in_maintenance = nodes::attribute_integer(state, "node_in_maintenance") >= 1;
    let this = cluster.node_mut(node);
    this.remote_maintenance = in_maintenance;
    if !this.remote_reset {
        this.unclean = false;
        this.seen = true;
    }
    nodes::read_attributes(cluster, node, state);
    if nodes::shutdown_requested(cluster, node) {
        cluster.node_mut(node).shutdown = true;
    }
    let unmanaged = cluster
        .node(node)
        .connection
        .is_some_and(|c| !cluster.resource(c).managed);
    let remote_without_fencing = cluster.is_remote_node(node) && !cluster.options.fencing_enabled;
    let this = cluster.node_mut(node);
    this.standby |= this.attributes.is_true("standby");
    this.maintenance |= this.attributes.is_true("maintenance") || unmanaged;
    if let Some(text) = this.attributes.text("resource-discovery-enabled")
        && scalar::boolean(text) != Some(true)
        && !remote_without_fencing
    {
        this.probes_allowed = false;
    }
}

/// Completes the remote nodes after all histories (§7.3).
pub(super) fn after_histories(cluster: &mut Cluster) {
    for node in cluster.node_order.clone() {
        if !cluster.is_remote_kind(node) {
            continue;
        }
        if let (true, Some(connection)) =
            (cluster.node(node).shutdown, cluster.node(node).connection)
        {
            cluster.resource_mut(connection).next_role = Role::Stopped;
        }
        if !cluster.node(node).unpacked {
            determine_online(cluster, node);
        }
    }
}
