//! Assigning a bundle (scheduler-spec/04 §14).

use super::commit::mark_assigned;
use super::instances::Limits;
use super::{Attempt, assign_resource, caches, instance_order, instances, score_lines};
use crate::constraints::colocation;
use crate::model::{Cause, Cluster, Colocation, NodeId, Replica, ResourceId, Score};
use crate::status::failures;

/// Assigns the containers like instances, then the other parts of each replica, then the implicit
/// clone.
/// Repeated calls repeat everything for parts that are not assigned yet, and the score lines for
/// all.
pub(super) fn assign(
    cluster: &mut Cluster,
    id: ResourceId,
    prefer: Option<NodeId>,
    attempt: Attempt,
) {
    let Some(data) = cluster.resource(id).bundle_data() else {
        return;
    };
    let replicas = data.replicas.clone();
    let clone = data.clone;
    let limits = Limits {
        total: data.replica_count,
        per_node: data.per_host,
    };
    cluster.resource_mut(id).assigning = true;
    score_lines::record(cluster, "pcmk__bundle_assign", id);

    let containers: Vec<ResourceId> = replicas.iter().map(|r| r.container).collect();
    let sorted = instance_order::for_assignment(cluster, &containers);
    instances::assign(cluster, id, &sorted, limits);
    for replica in &replicas {
        assign_replica(cluster, replica, clone, prefer, attempt);
    }
    if let Some(clone) = clone {
        let mut table = std::mem::take(&mut cluster.resource_mut(clone).allowed);
        for (node, entry) in table.iter_mut() {
            let own = replicas.iter().any(|r| r.node.is_some_and(|n| n.0 == node));
            entry.score = if own {
                Score::ZERO
            } else {
                Score::MINUS_INFINITY
            };
        }
        cluster.resource_mut(clone).allowed = table;
        cluster.note(clone, Cause::Bundle);
        assign_resource(cluster, clone, prefer, attempt);
    }
    cluster.resource_mut(id).assigning = false;
    mark_assigned(cluster, id);
}

/// Assigns the other parts of a replica: address, connection, and the resource inside.
fn assign_replica(
    cluster: &mut Cluster,
    replica: &Replica,
    clone: Option<ResourceId>,
    prefer: Option<NodeId>,
    attempt: Attempt,
) {
    if let Some(ip) = replica.ip {
        assign_resource(cluster, ip, prefer, attempt);
    }
    if let Some(connection) = replica.connection {
        follow_host_connection(cluster, replica.container, connection);
        assign_resource(cluster, connection, prefer, attempt);
    }
    let (Some(child), Some(clone), Some((own, _))) = (replica.child, clone, replica.node) else {
        return;
    };
    let mut table = std::mem::take(&mut cluster.resource_mut(child).allowed);
    for (node, entry) in table.iter_mut() {
        if node != own {
            entry.score = Score::MINUS_INFINITY;
        } else if failures::threshold_reached(cluster, child, own).is_none() {
            entry.score = Score::INFINITY;
        }
    }
    cluster.resource_mut(child).allowed = table;
    cluster.note(child, Cause::Bundle);
    cluster.resource_mut(clone).assigning = true;
    assign_resource(cluster, child, Some(own), attempt);
    // Also where colocations led back here while the clone was being assigned: it is then assigned
    // below this call, before its instances.
    cluster.resource_mut(clone).assigning = false;
}

/// A container on a remote node: its connection goes where the remote node's own connection is.
fn follow_host_connection(cluster: &mut Cluster, container: ResourceId, connection: ResourceId) {
    let Some(host) = cluster.resource(container).assigned else {
        return;
    };
    if !cluster.is_remote_kind(host) {
        return;
    }
    let Some(primary) = cluster.node(host).connection else {
        return;
    };
    colocation::store_late(
        cluster,
        Colocation {
            id: "#replica-remote-with-host-remote".into(),
            dependent: connection,
            primary,
            score: Score::INFINITY,
            dependent_role: None,
            primary_role: None,
            attribute: "#uname".into(),
            explicit: false,
            influence: true,
        },
    );
    let sets = &mut caches::of_mut(cluster).colocated_sets;
    sets.invalidate(connection);
    sets.invalidate(primary);
}
