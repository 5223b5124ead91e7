//! Fencing: which nodes, which action, with which digests and delay (scheduler-spec/05 §9.1–9.5, 02
//! §4).

use super::actions;
use crate::configuration::digests;
use crate::model::*;
use crate::scalar;
use crate::transition::orderings;

/// A request for a fencing action. By default: the operation of option `fencing-action`, optional.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Request<'r> {
    /// `on`, `off`, `reboot`; `None`: the value of option `fencing-action`.
    pub operation: Option<&'r str>,
    /// It has to be carried out (if the node can be fenced).
    pub required: bool,
    /// Why.
    pub reason: Option<&'r str>,
    /// A more important node is fenced later (`priority-fencing-delay`).
    pub priority_delay: bool,
}

impl Request<'_> {
    /// Unfencing, if it turns out to be required.
    pub(crate) const ON: Request<'static> = Request {
        operation: Some("on"),
        required: false,
        reason: None,
        priority_delay: false,
    };
}

/// Marks a node for fencing (02 §4.1, 05 §9.1).
pub(crate) fn mark(cluster: &mut Cluster, node: NodeId, reason: &str) {
    let request = Request {
        reason: Some(reason),
        ..Request::default()
    };
    mark_for(cluster, node, request);
}

/// Marks a node for fencing, with the delay that gives more important nodes a head start.
pub(crate) fn mark_with_priority_delay(cluster: &mut Cluster, node: NodeId, reason: &str) {
    let request = Request {
        reason: Some(reason),
        priority_delay: true,
        ..Request::default()
    };
    mark_for(cluster, node, request);
}

fn mark_for(cluster: &mut Cluster, node: NodeId, request: Request<'_>) {
    if let Some(launcher) = cluster.guest_launcher(node) {
        let launcher_resource = cluster.resource(launcher);
        if launcher_resource.failed || !launcher_resource.managed {
            return;
        }
        let launcher_resource = cluster.resource_mut(launcher);
        launcher_resource.failed = true;
        launcher_resource.stop_if_failed = true;
        cluster.node_mut(node).remote_reset = true;
        let how = format!(
            "(by recovering its guest resource {})",
            cluster.resource(launcher).id
        );
        let text = format!(
            "Guest node {} will be fenced {how}",
            cluster.node(node).name
        );
        say_why(cluster, text, request);
        return;
    }
    if cluster.is_remote_kind(node) {
        let connection = cluster.node(node).connection;
        let known = cluster.node(node).remote_reset;
        if let Some(connection) = connection {
            let resource = cluster.resource_mut(connection);
            if resource.removed_launched {
                resource.failed = true;
                resource.stop_if_failed = true;
                return;
            }
            if resource.managed {
                cluster.node_mut(node).remote_reset = true;
            }
        } else {
            cluster.node_mut(node).remote_reset = true;
        }
        if cluster.node(node).remote_reset && !known {
            report_fencing(cluster, node, request);
        }
        cluster.node_mut(node).unclean = true;
        let request = Request {
            priority_delay: false,
            ..request
        };
        action(cluster, node, request);
        return;
    }
    if !cluster.node(node).unclean {
        report_fencing(cluster, node, request);
        cluster.node_mut(node).unclean = true;
        action(cluster, node, request);
    }
}

/// Says that a node is to be fenced, or would have to be.
fn report_fencing(cluster: &mut Cluster, node: NodeId, request: Request<'_>) {
    let kind = match cluster.is_remote_kind(node) {
        true => "Remote",
        false => "Cluster",
    };
    let what = match can_fence(cluster, node) {
        true => "will be fenced",
        false => "is unclean",
    };
    let text = format!("{kind} node {} {what}", cluster.node(node).name);
    say_why(cluster, text, request);
}

fn say_why(cluster: &mut Cluster, text: String, request: Request<'_>) {
    let text = match request.reason {
        Some(reason) => format!("{text}: {reason}"),
        None => text,
    };
    cluster.say(Level::State, text);
}

/// Whether a node can be fenced (02 §4.2, 05 §9.2).
pub(crate) fn can_fence(cluster: &Cluster, node: NodeId) -> bool {
    if let Some(launcher) = cluster.guest_launcher(node) {
        let hosts = &cluster.resource(launcher).active_on;
        return hosts
            .iter()
            .all(|h| cluster.node(*h).online || can_fence(cluster, *h));
    }
    if !cluster.options.fencing_enabled || !cluster.options.have_fencing_device {
        return false;
    }
    if cluster.options.quorate || cluster.options.no_quorum_policy == QuorumPolicy::Ignore {
        return true;
    }
    if !cluster.node(node).online {
        return false;
    }
    if cluster.is_remote_kind(node) && !cluster.options.fence_remote_without_quorum {
        let Some(connection) = cluster.node(node).connection else {
            return true;
        };
        return cluster
            .resource(connection)
            .allowed
            .iter()
            .all(|(n, _)| cluster.node(n).online);
    }
    true
}

/// Finds or creates the fencing action of a node (05 §9.3).
pub(crate) fn action(cluster: &mut Cluster, node: NodeId, request: Request<'_>) -> ActionId {
    let operation: Text = match request.operation {
        Some(operation) => operation.into(),
        None => cluster.options.fencing_action.clone(),
    };
    let key = format!("stonith-{}-{operation}", cluster.node(node).name);
    let fresh = !cluster.singletons.contains_key(&*key);
    let id = actions::singleton(cluster, &key, Task::Stonith, Some(node));
    let mut required = request.required;
    if fresh {
        let (name, uuid) = (
            cluster.node(node).name.clone(),
            cluster.node(node).id.clone(),
        );
        let action = cluster.action_mut(id);
        action.set_meta("on_node", name);
        action.set_meta("on_node_uuid", uuid);
        action.set_meta("stonith_action", operation);
        if cluster.options.unfencing_in_use {
            required |= add_device_digests(cluster, id, node);
        }
    }
    if cluster.options.priority_fencing_delay_ms > 0
        && (request.priority_delay || cluster.action(id).meta("priority-fencing-delay").is_some())
    {
        let delay = priority_fencing_delay(cluster, node);
        cluster
            .action_mut(id)
            .set_meta("priority-fencing-delay", delay.to_string());
    }
    let fence = required && can_fence(cluster, node);
    let action = cluster.action_mut(id);
    if fence {
        action.optional = false;
    }
    if let Some(reason) = request.reason {
        action.set_reason(reason);
    }
    id
}

/// Records the digests of all unfencing devices in a fencing action; true if a device's definition
/// changed (05 §9.3 step 1).
fn add_device_digests(cluster: &mut Cluster, id: ActionId, node: NodeId) -> bool {
    let (mut all, mut secure, mut changed) = (String::new(), String::new(), false);
    for device in unfencing_devices(cluster) {
        let digests = digests::unfencing(cluster, device, node);
        changed |= digests.result == digests::Comparison::Changed;
        inform_of_change(cluster, device, node, &digests);
        let resource = cluster.resource(device);
        let prefix = format!("{}:{}:", resource.id, resource.agent.kind);
        all.push_str(&format!("{prefix}{},", digests.all));
        secure.push_str(&format!(
            "{prefix}{},",
            digests.secure.as_deref().unwrap_or_default()
        ));
    }
    let action = cluster.action_mut(id);
    action.set_meta("digests-all", all);
    action.set_meta("digests-secure", secure);
    changed
}

/// Says that the definition of a device is another one than when the node was unfenced.
fn inform_of_change(
    cluster: &mut Cluster,
    device: ResourceId,
    node: NodeId,
    digests: &digests::Digests,
) {
    let resource = cluster.resource(device);
    let (id, name) = (&resource.id, &cluster.node(node).name);
    let lines = match digests.result {
        digests::Comparison::Changed => vec![
            format!(
                "Parameters to {id} for unfencing {name} changed, try '{id}:{}:{}'",
                resource.agent.kind,
                digests.secure.as_deref().unwrap_or_default()
            ),
            format!("notice: Unfencing node {name} because the definition of {id} changed"),
        ],
        digests::Comparison::PrivateChanged => vec![format!(
            "Only 'private' parameters to {id} for unfencing {name} changed"
        )],
        _ => return,
    };
    for line in lines {
        cluster.inform(line);
    }
}

/// Fence devices that unfence nodes, last found first.
fn unfencing_devices(cluster: &Cluster) -> Vec<ResourceId> {
    let mut devices = Vec::new();
    for top in &cluster.top_level {
        for leaf in cluster.leaves(*top) {
            let resource = cluster.resource(leaf);
            let provides = resource.meta.text("provides");
            let unfences = resource.needs_unfencing
                || provides.is_some_and(|p| p.eq_ignore_ascii_case("unfencing"));
            if resource.fence_device && unfences {
                devices.push(leaf);
            }
        }
    }
    devices.reverse();
    devices
}

/// The delay in seconds that gives a more important node a head start (05 §9.3 step 2).
fn priority_fencing_delay(cluster: &Cluster, target: NodeId) -> i64 {
    if cluster.node(target).kind != NodeKind::Cluster {
        return 0;
    }
    let members = || cluster.nodes.iter().filter(|n| n.kind == NodeKind::Cluster);
    let online = members().filter(|n| n.online).count();
    let (lowest, highest) = (
        members().map(|n| n.priority).min(),
        members().map(|n| n.priority).max(),
    );
    let applies = !cluster.node(target).online
        && online <= members().count() / 2
        && lowest != highest
        && Some(cluster.node(target).priority) >= highest;
    if applies {
        scalar::seconds(cluster.options.priority_fencing_delay_ms)
    } else {
        0
    }
}

/// Triggers unfencing of a node or of all of a fence device's nodes (05 §9.5).
pub(crate) fn trigger_unfencing(
    cluster: &mut Cluster,
    resource: Option<ResourceId>,
    node: Option<NodeId>,
    reason: &str,
) {
    if !cluster.options.unfencing_in_use
        || resource.is_some_and(|r| !cluster.resource(r).fence_device)
    {
        return;
    }
    let fit = |cluster: &Cluster, node: NodeId| {
        let node = cluster.node(node);
        node.online && !node.unclean && !node.shutdown
    };
    let request = Request {
        required: true,
        reason: Some(reason),
        ..Request::ON
    };
    match (node, resource) {
        (Some(node), _) if fit(cluster, node) => {
            action(cluster, node, request);
        }
        (_, Some(resource)) => {
            let nodes: Vec<_> = cluster
                .resource(resource)
                .allowed
                .iter()
                .map(|(n, _)| n)
                .collect();
            for node in nodes {
                if fit(cluster, node) {
                    action(cluster, node, request);
                }
            }
        }
        _ => {}
    }
}

/// Orders a start (flags PUSH) or a probe (SEQ) after the unfencing of its node, and triggers that
/// if the node was never unfenced (05 §9.5).
pub(crate) fn order_after_unfencing(
    cluster: &mut Cluster,
    resource: ResourceId,
    node: NodeId,
    then: ActionId,
    flags: OrderFlags,
) {
    let owner = cluster.resource(resource);
    if !(owner.fence_device && cluster.options.unfencing_in_use || owner.needs_unfencing) {
        return;
    }
    let unfencing = action(cluster, node, Request::ON);
    orderings::link(cluster, unfencing, then, flags);
    let attributes = &cluster.node(node).attributes;
    if attributes
        .text("#node-unfenced")
        .is_none_or(|value| value == "0")
    {
        let task = cluster.action(then).task.clone();
        let reason = format!("required by {} {task}", cluster.resource(resource).id);
        trigger_unfencing(cluster, None, Some(node), &reason);
    }
}
