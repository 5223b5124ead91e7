//! Built-in orderings of a clone (scheduler-spec/04 §11).

use super::unpack_resource;
use crate::model::*;
use crate::transition::orderings::order;

/// The clone's pseudo-actions around its instances', and instances one after the other if it is
/// ordered.
pub(super) fn unpack(cluster: &mut Cluster, clone: ResourceId) {
    let Some(ordered) = cluster
        .resource(clone)
        .clone_data()
        .map(|data| data.ordered)
    else {
        return;
    };
    let promotable = cluster.resource(clone).promotable;
    order(
        cluster,
        clone,
        Task::Stopped,
        clone,
        Task::Start,
        OrderFlags::SEQ,
    );
    order(
        cluster,
        clone,
        Task::Start,
        clone,
        Task::Running,
        OrderFlags::GATE,
    );
    order(
        cluster,
        clone,
        Task::Stop,
        clone,
        Task::Stopped,
        OrderFlags::GATE,
    );
    if promotable {
        order(
            cluster,
            clone,
            Task::Demoted,
            clone,
            Task::Stop,
            OrderFlags::SEQ,
        );
        order(
            cluster,
            clone,
            Task::Running,
            clone,
            Task::Promote,
            OrderFlags::GATE,
        );
    }
    if ordered {
        cluster.sort_by_number(clone);
    }
    let instances = cluster.resource(clone).children.clone();
    for (index, instance) in instances.iter().copied().enumerate() {
        unpack_resource(cluster, instance);
        let gated = OrderFlags::GATE | OrderFlags::SHOW_FIRST;
        order(cluster, clone, Task::Start, instance, Task::Start, gated);
        order(
            cluster,
            instance,
            Task::Start,
            clone,
            Task::Running,
            OrderFlags::SHOW_THEN,
        );
        order(
            cluster,
            clone,
            Task::Stop,
            instance,
            Task::Stop,
            OrderFlags::SHOW_FIRST,
        );
        order(
            cluster,
            instance,
            Task::Stop,
            clone,
            Task::Stopped,
            OrderFlags::SHOW_THEN,
        );
        if ordered {
            for later in instances[index + 1..].iter().copied() {
                order(
                    cluster,
                    instance,
                    Task::Start,
                    later,
                    Task::Start,
                    OrderFlags::SEQ,
                );
                order(
                    cluster,
                    later,
                    Task::Stop,
                    instance,
                    Task::Stop,
                    OrderFlags::SEQ,
                );
            }
        }
    }
    if promotable {
        promotable_orderings(cluster, clone);
        promotable_instances(cluster, clone, &instances, ordered);
    }
}

/// Row 11: how starting, stopping, promoting and demoting a collective as a whole follow each
/// other.
pub(super) fn promotable_orderings(cluster: &mut Cluster, id: ResourceId) {
    for (first, then) in [
        (Task::Stopped, Task::Start),
        (Task::Stopped, Task::Promote),
        (Task::Demoted, Task::Stop),
        (Task::Demoted, Task::Start),
        (Task::Demoted, Task::Promote),
        (Task::Running, Task::Promote),
        (Task::Demote, Task::Demoted),
    ] {
        order(cluster, id, first, id, then, OrderFlags::SEQ);
    }
}

/// Rows 12–17.
fn promotable_instances(
    cluster: &mut Cluster,
    clone: ResourceId,
    instances: &[ResourceId],
    ordered: bool,
) {
    let mut previous: Option<ResourceId> = None;
    for instance in instances.iter().copied() {
        order(
            cluster,
            instance,
            Task::Demote,
            instance,
            Task::Promote,
            OrderFlags::SEQ,
        );
        order(
            cluster,
            clone,
            Task::Promote,
            instance,
            Task::Promote,
            OrderFlags::SEQ,
        );
        order(
            cluster,
            instance,
            Task::Promote,
            clone,
            Task::Promoted,
            OrderFlags::SEQ,
        );
        let before = previous.filter(|_| ordered);
        if let Some(before) = before {
            order(
                cluster,
                before,
                Task::Promote,
                instance,
                Task::Promote,
                OrderFlags::SEQ,
            );
        }
        order(
            cluster,
            clone,
            Task::Demote,
            instance,
            Task::Demote,
            OrderFlags::SHOW_FIRST,
        );
        order(
            cluster,
            instance,
            Task::Demote,
            clone,
            Task::Demoted,
            OrderFlags::SHOW_THEN,
        );
        if let Some(before) = before {
            order(
                cluster,
                instance,
                Task::Demote,
                before,
                Task::Demote,
                OrderFlags::SEQ,
            );
        }
        previous = Some(instance);
    }
}
