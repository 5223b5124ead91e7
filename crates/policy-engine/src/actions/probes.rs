//! Probes: one-off monitors that find out whether a resource runs where the history does not say
//! (scheduler-spec/05 §8.1–8.2, 04 §15.4, §18).

use crate::model::*;
use crate::transition::orderings::{self, order, side, side_of};
use crate::transition::{actions, connections, fencing};

/// P8b: for each node, each resource.
pub(crate) fn schedule(cluster: &mut Cluster) {
    for node_id in cluster.node_order.clone() {
        let node = cluster.node(node_id);
        if !node.online {
            if cluster.is_remote_node(node_id)
                && node.connection.is_some_and(|c| {
                    connections::connection_state(cluster, c, node_id)
                        == connections::ConnectionState::Failed
                })
            {
                fencing::mark(cluster, node_id, "the connection is unrecoverable");
            }
            continue;
        }
        if node.unclean || !node.probes_allowed {
            continue;
        }
        for top in cluster.top_level.clone() {
            probe(cluster, top, node_id);
        }
    }
}

/// Probes a resource of any variant on a node; true if a probe was created.
fn probe(cluster: &mut Cluster, id: ResourceId, node: NodeId) -> bool {
    match cluster.resource(id).variant {
        Variant::Primitive => probe_primitive(cluster, id, node),
        Variant::Group(_) => probe_all(cluster, cluster.resource(id).children.clone(), node),
        Variant::Clone(_) => probe_clone(cluster, id, node),
        Variant::Bundle(_) => probe_bundle(cluster, id, node),
    }
}

fn probe_all(cluster: &mut Cluster, ids: Vec<ResourceId>, node: NodeId) -> bool {
    let mut any = false;
    for id in ids {
        any |= probe(cluster, id, node);
    }
    any
}

fn probe_clone(cluster: &mut Cluster, clone: ResourceId, node: NodeId) -> bool {
    if cluster.resource(clone).exclusive_discovery {
        let exclusive = cluster
            .resource(clone)
            .allowed
            .get(node)
            .is_some_and(|e| e.mode == ProbeMode::Exclusive);
        if !exclusive {
            cluster.resource_mut(clone).allowed.remove(node);
            return false;
        }
    }
    if let Variant::Clone(data) = &mut cluster.resource_mut(clone).variant
        && !std::mem::replace(&mut data.sorted_for_probes, true)
    {
        cluster.sort_by_number(clone);
    }
    let resource = cluster.resource(clone);
    if resource.unique {
        return probe_all(cluster, resource.children.clone(), node);
    }
    // asked for every node and instance
    let instances = &resource.children;
    let known = |id: &&ResourceId| is_known(cluster, **id, node);
    let assigned = |id: &&ResourceId| cluster.is_at(**id, node, Where::Assigned);
    let chosen = (instances.iter().find(known))
        .or_else(|| instances.iter().find(assigned))
        .or_else(|| instances.first())
        .copied();
    chosen.is_some_and(|instance| probe(cluster, instance, node))
}

/// Whether the history on a node has the state of a resource or of a resource below it.
fn is_known(cluster: &Cluster, id: ResourceId, node: NodeId) -> bool {
    let resource = cluster.resource(id);
    if resource.is_primitive() {
        return resource.known_on.contains(node);
    }
    let mut children = resource.children.iter();
    children.any(|child| is_known(cluster, *child, node))
}

fn probe_bundle(cluster: &mut Cluster, bundle: ResourceId, node: NodeId) -> bool {
    let Some(data) = cluster.resource(bundle).bundle_data().cloned() else {
        return false;
    };
    let mut any = false;
    for (number, replica) in data.replicas.iter().enumerate() {
        if let Some(ip) = replica.ip {
            any |= probe(cluster, ip, node);
        }
        if let Some(child) = replica.child
            && replica.node.is_some_and(|(own, _)| own == node)
        {
            any |= probe(cluster, child, node);
        }
        if probe(cluster, replica.container, node) {
            any = true;
            if data.per_host == 1 && !replica.probes_awaited {
                await_probes(cluster, bundle, number);
            }
        }
        if let Some(connection) = replica.connection
            && probe(cluster, connection, node)
        {
            any = true;
            let key = OperationKey::once(Task::Monitor);
            if let Some(probe) = actions::find_all(cluster, connection, &key, Some(node))
                .first()
                .copied()
            {
                let then = side_of(cluster, probe);
                let first = side(replica.container, Task::Start);
                orderings::create(cluster, first, then, OrderFlags::CONN_PROBE);
            }
        }
    }
    any
}

/// A replica's container may be running under another replica's name: look before starting one.
/// Said once for all nodes.
fn await_probes(cluster: &mut Cluster, bundle: ResourceId, number: usize) {
    let Variant::Bundle(data) = &mut cluster.resource_mut(bundle).variant else {
        return;
    };
    data.replicas[number].probes_awaited = true;
    let containers: Vec<_> = data
        .replicas
        .iter()
        .map(|replica| replica.container)
        .collect();
    let probed = containers[number];
    for other in containers.into_iter().filter(|other| *other != probed) {
        let first = side(probed, Task::Monitor);
        let then = side(other, Task::Start);
        let flags = OrderFlags::SEQ | OrderFlags::SAME_NODE;
        orderings::create(cluster, first, then, flags);
    }
}

fn probe_primitive(cluster: &mut Cluster, id: ResourceId, node_id: NodeId) -> bool {
    if !may_probe(cluster, id, node_id) {
        return false;
    }
    if cluster.is_guest(node_id) && !guest_stays(cluster, id, node_id) {
        return false;
    }
    let probe = actions::required(
        cluster,
        id,
        OperationKey::once(Task::Monitor),
        Some(node_id),
    );
    cluster.action_mut(probe).optional = false;
    fencing::order_after_unfencing(cluster, id, node_id, probe, OrderFlags::SEQ);

    let resource = cluster.resource(id);
    let expected = if !resource.active_on.contains(&node_id) {
        Some(&cluster.expected_codes.not_running)
    } else if resource.role == Role::Promoted {
        Some(&cluster.expected_codes.promoted)
    } else {
        None
    };
    if let Some(expected) = expected.cloned() {
        cluster.action_mut(probe).set_meta("op_target_rc", expected);
    }

    let top = cluster.top(id);
    let target = if cluster.resource(top).is_clone() {
        top
    } else {
        id
    };
    let mut flags = OrderFlags::SEQ;
    if !cluster.action(probe).runnable && cluster.locations_of(target, Where::Active).is_empty() {
        flags |= OrderFlags::GATE;
    }
    let first = side_of(cluster, probe);
    orderings::create(cluster, first.clone(), side(target, Task::Start), flags);
    orderings::create(
        cluster,
        first,
        side(target, Task::ReloadAgent),
        OrderFlags::SEQ,
    );
    true
}

/// Nothing is known there of a resource, and a probe is due (checks 1–7 of 05 §8.2).
pub(crate) fn is_due(cluster: &Cluster, id: ResourceId, node_id: NodeId) -> bool {
    let node = cluster.node(node_id);
    node.online && !node.unclean && node.probes_allowed && may_probe(cluster, id, node_id)
}

/// Checks 2–7 of 05 §8.2.
fn may_probe(cluster: &Cluster, id: ResourceId, node_id: NodeId) -> bool {
    let (resource, node) = (cluster.resource(id), cluster.node(node_id));
    if node.kind == NodeKind::Remote {
        let launches_guest = resource
            .launched
            .iter()
            .any(|l| cluster.resource(*l).remote_connection);
        if resource.fence_device
            || resource.remote_connection
            || launches_guest && cluster.is_guest(node_id)
        {
            return false;
        }
    }
    if resource.launcher.is_some() && !resource.remote_connection
        || resource.removed
        || resource.known_on.contains(node_id)
    {
        return false;
    }
    let entry = resource.allowed.get(node_id);
    let exclusive =
        resource.exclusive_discovery || cluster.resource(cluster.top(id)).exclusive_discovery;
    if exclusive && entry.is_none_or(|e| e.mode != ProbeMode::Exclusive) {
        return false;
    }
    entry.map_or(node.probe_mode, |e| e.mode) != ProbeMode::Never
}

/// Check 8 of 05 §8.2: a guest that is stopped, or about to stop, is not probed; instead its
/// launcher's fate is awaited.
fn guest_stays(cluster: &mut Cluster, id: ResourceId, node_id: NodeId) -> bool {
    let Some(launcher_id) = cluster.guest_launcher(node_id) else {
        return true;
    };
    let (launcher, node) = (cluster.resource(launcher_id), cluster.node(node_id));
    let top = cluster.top(id);
    let awaited = if launcher.role == Role::Stopped {
        match launcher.assigned {
            Some(host) if !launcher.known_on.contains(host) => Some(Task::Monitor),
            _ => None,
        }
    } else {
        let leaves = launcher.role > Role::Stopped
            && launcher
                .assigned
                .is_none_or(|host| !launcher.active_on.contains(&host));
        let stops = node.remote_reset
            || node.unclean
            || launcher.failed
            || launcher.next_role == Role::Stopped
            || leaves;
        if !stops {
            return true;
        }
        Some(Task::Stop)
    };
    if let Some(task) = awaited {
        order(
            cluster,
            launcher_id,
            task,
            top,
            Task::Start,
            OrderFlags::SEQ,
        );
    }
    false
}
