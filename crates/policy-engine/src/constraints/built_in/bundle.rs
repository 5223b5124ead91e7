//! Built-in orderings of a bundle (scheduler-spec/04 §15.2).

use super::{clone, colocate, unpack_resource};
use crate::model::*;
use crate::transition::orderings::{create, order, side};

/// The bundle's pseudo-actions around its replicas', and around its implicit clone.
pub(super) fn unpack(cluster: &mut Cluster, bundle: ResourceId) {
    let Some(data) = cluster.resource(bundle).bundle_data() else {
        return;
    };
    let (replicas, implicit) = (data.replicas.clone(), data.clone);
    let internal = OrderFlags::INTERNAL;
    for replica in &replicas {
        let container = replica.container;
        unpack_resource(cluster, container);
        let gated = OrderFlags::GATE | OrderFlags::SHOW_FIRST;
        order(cluster, bundle, Task::Start, container, Task::Start, gated);
        if let Some(child) = replica.child {
            order(
                cluster,
                bundle,
                Task::Stop,
                child,
                Task::Stop,
                OrderFlags::SHOW_FIRST,
            );
        }
        order(
            cluster,
            bundle,
            Task::Stop,
            container,
            Task::Stop,
            OrderFlags::SHOW_FIRST,
        );
        order(
            cluster,
            container,
            Task::Start,
            bundle,
            Task::Running,
            OrderFlags::SHOW_THEN,
        );
        order(
            cluster,
            container,
            Task::Stop,
            bundle,
            Task::Stopped,
            OrderFlags::SHOW_THEN,
        );
        if let Some(ip) = replica.ip {
            unpack_resource(cluster, ip);
            let flags = OrderFlags::GATE | internal;
            create(
                cluster,
                side(ip, Task::Start),
                side(container, Task::Start),
                flags,
            );
            let flags = OrderFlags::PULL | internal;
            create(
                cluster,
                side(container, Task::Stop),
                side(ip, Task::Stop),
                flags,
            );
            colocate(
                cluster,
                "#ip-with-container",
                ip,
                container,
                Score::INFINITY,
                true,
            );
        }
        if let Some(connection) = replica.connection {
            unpack_resource(cluster, connection);
        }
    }
    let Some(implicit) = implicit else { return };
    for (task, done) in [(Task::Start, Task::Running), (Task::Stop, Task::Stopped)] {
        around(cluster, bundle, implicit, task, done);
    }
    clone::unpack(cluster, implicit);
    if cluster.resource(implicit).promotable {
        clone::promotable_orderings(cluster, bundle);
        for (task, done) in [
            (Task::Demote, Task::Demoted),
            (Task::Promote, Task::Promoted),
        ] {
            around(cluster, bundle, implicit, task, done);
        }
    }
}

/// Bundle task → clone task, clone completion → bundle completion.
fn around(cluster: &mut Cluster, bundle: ResourceId, implicit: ResourceId, task: Task, done: Task) {
    order(
        cluster,
        bundle,
        task.clone(),
        implicit,
        task,
        OrderFlags::SHOW_FIRST,
    );
    order(
        cluster,
        implicit,
        done.clone(),
        bundle,
        done,
        OrderFlags::SHOW_THEN,
    );
}
