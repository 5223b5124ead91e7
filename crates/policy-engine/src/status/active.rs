//! Registers that a resource is active on a node, with all consequences (scheduler-spec/02 §17).

use crate::model::{Cluster, MultipleActive, NodeId, ResourceId, Role, Score};

/// Whether an active resource has failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Sound,
    Failed,
}

/// Registers a resource as active on a node, and its ancestors.
pub(super) fn register(cluster: &mut Cluster, resource: ResourceId, node: NodeId, health: Health) {
    if cluster.resource(resource).active_on.contains(&node) {
        return;
    }
    cluster.resource_mut(resource).active_on.push(node);
    if cluster.resource(resource).is_primitive() {
        cluster.node_mut(node).running.push(resource);
        if health == Health::Sound {
            add_priority(cluster, resource, node);
        }
        if cluster.node(node).maintenance {
            let resource = cluster.resource_mut(resource);
            resource.managed = false;
            resource.maintenance = true;
        }
    }
    if !cluster.resource(resource).managed {
        cluster.adjust(resource, node, Score::INFINITY);
        let mut parent = cluster.resource(resource).parent;
        while let Some(ancestor) = parent {
            cluster.resource_mut(ancestor).active_on.push(node);
            parent = cluster.resource(ancestor).parent;
        }
        return;
    }
    if cluster.resource(resource).is_primitive() && is_multiply_active(cluster, resource) {
        apply_multiple_active(cluster, resource);
    }
    if let Some(parent) = cluster.resource(resource).parent {
        register(cluster, parent, node, Health::Sound);
    }
}

/// §17 step 2: the priorities that count for `priority-fencing-delay`.
fn add_priority(cluster: &mut Cluster, resource: ResourceId, node: NodeId) {
    let priority = cluster.resource(resource).priority;
    if priority == 0 {
        return;
    }
    let amount = priority + i32::from(cluster.resource(resource).role == Role::Promoted);
    let hosts = cluster
        .guest_launcher(node)
        .map(|launcher| cluster.resource(launcher).active_on.clone())
        .unwrap_or_default();
    for node in std::iter::once(node).chain(hosts) {
        let sum = &mut cluster.node_mut(node).priority;
        *sum = sum.saturating_add(amount);
    }
}

fn is_multiply_active(cluster: &Cluster, resource: ResourceId) -> bool {
    let resource = cluster.resource(resource);
    let counts = |node: &&NodeId| {
        let node = cluster.node(**node);
        resource.needs_fencing || (node.online && !node.unclean)
    };
    resource.active_on.iter().filter(counts).count() > 1
}

fn apply_multiple_active(cluster: &mut Cluster, resource: ResourceId) {
    match cluster.resource(resource).multiple_active {
        MultipleActive::StopOnly => cluster.ban_own_table(resource),
        MultipleActive::Block => {
            let siblings = cluster
                .resource(resource)
                .parent
                .map(|parent| cluster.resource(parent))
                .filter(|parent| parent.is_group() || parent.is_bundle())
                .filter(|parent| parent.multiple_active == MultipleActive::Block)
                .map(|parent| parent.children.clone())
                .unwrap_or_default();
            for blocked in std::iter::once(resource).chain(siblings) {
                let blocked = cluster.resource_mut(blocked);
                blocked.managed = false;
                blocked.blocked = true;
            }
        }
        MultipleActive::StopStart | MultipleActive::StopUnexpected => {}
    }
}
