//! Built-in orderings of a bundle (scheduler-spec/04 §15.2).

use super::{GATE, PULL, SHOW_FIRST, SHOW_THEN, clone, implicit, order_all, unpack_resource};
use crate::constraints::colocation;
use crate::model::Task::{Demote, Demoted, Promote, Promoted, Running, Start, Stop, Stopped};
use crate::model::*;

/// The bundle's pseudo-actions around its replicas', and around its implicit clone.
pub(super) fn unpack(cluster: &mut Cluster, bundle: ResourceId) {
    let Some(data) = cluster.resource(bundle).bundle_data() else {
        return;
    };
    let (replicas, implicit) = (data.replicas.clone(), data.clone);
    for replica in &replicas {
        unpack_replica(cluster, bundle, replica);
    }
    let Some(implicit) = implicit else { return };
    around(cluster, bundle, implicit, Start, Running);
    around(cluster, bundle, implicit, Stop, Stopped);
    clone::unpack(cluster, implicit);
    if cluster.resource(implicit).promotable {
        clone::promotable_orderings(cluster, bundle);
        around(cluster, bundle, implicit, Demote, Demoted);
        around(cluster, bundle, implicit, Promote, Promoted);
    }
}

fn unpack_replica(cluster: &mut Cluster, bundle: ResourceId, replica: &Replica) {
    let container = replica.container;
    unpack_resource(cluster, container);
    order_all(
        cluster,
        [(bundle, Start, container, Start, GATE | SHOW_FIRST)],
    );
    if let Some(child) = replica.child {
        order_all(cluster, [(bundle, Stop, child, Stop, SHOW_FIRST)]);
    }
    let rows = [
        (bundle, Stop, container, Stop, SHOW_FIRST),
        (container, Start, bundle, Running, SHOW_THEN),
        (container, Stop, bundle, Stopped, SHOW_THEN),
    ];
    order_all(cluster, rows);
    if let Some(ip) = replica.ip {
        unpack_resource(cluster, ip);
        let internal = OrderFlags::INTERNAL;
        let rows = [
            (ip, Start, container, Start, GATE | internal),
            (container, Stop, ip, Stop, PULL | internal),
        ];
        order_all(cluster, rows);
        let with_container = implicit("#ip-with-container", ip, container, Score::INFINITY);
        colocation::store(cluster, with_container);
    }
    if let Some(connection) = replica.connection {
        unpack_resource(cluster, connection);
    }
}

/// Bundle task → clone task, clone completion → bundle completion.
fn around(cluster: &mut Cluster, bundle: ResourceId, implicit: ResourceId, task: Task, done: Task) {
    let rows = [
        (bundle, task.clone(), implicit, task, SHOW_FIRST),
        (implicit, done.clone(), bundle, done, SHOW_THEN),
    ];
    order_all(cluster, rows);
}
