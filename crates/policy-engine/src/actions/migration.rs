//! Live migration (scheduler-spec/05 §7).

use crate::model::*;
use crate::transition::actions;
use crate::transition::orderings::{order, side};

/// Whether a resource may migrate away from `current` (§7.1).
pub(super) fn can_migrate(cluster: &Cluster, id: ResourceId, current: Option<NodeId>) -> bool {
    let resource = cluster.resource(id);
    let clean = |node: Option<NodeId>| node.is_some_and(|n| !cluster.node(n).unclean);
    resource.migratable
        && resource.managed
        && !resource.failed
        && !resource.start_pending
        && clean(current)
        && clean(resource.assigned)
}

/// Creates the migration actions of a primitive that moves from `current` to its assigned node
/// (§7.2). Whether the migration happens is decided when orderings are applied.
pub(super) fn schedule(cluster: &mut Cluster, id: ResourceId, current: NodeId) {
    let Some(target) = cluster.resource(id).assigned else {
        return;
    };
    let once = |cluster: &mut Cluster, task, node| {
        actions::optional(cluster, id, OperationKey::once(task), Some(node))
    };
    let start = once(cluster, Task::Start, target);
    let stop = once(cluster, Task::Stop, current);
    let continues = cluster.resource(id).partial_target.is_some();
    let migrate_to = (!continues).then(|| once(cluster, Task::MigrateTo, current));
    let migrate_from = once(cluster, Task::MigrateFrom, target);
    cluster.action_mut(start).migratable = true;
    cluster.action_mut(stop).migratable = true;
    cluster.action_mut(start).pseudo = true;
    cluster.action_mut(migrate_from).migratable = true;
    let needs = cluster.action(start).needs;
    match migrate_to {
        Some(migrate_to) => {
            let action = cluster.action_mut(migrate_to);
            action.migratable = true;
            action.needs = needs;
            order(
                cluster,
                id,
                Task::Monitor,
                id,
                Task::MigrateTo,
                OrderFlags::SEQ,
            );
            let flags = OrderFlags::SEQ | OrderFlags::MIG_GATE;
            order(cluster, id, Task::MigrateTo, id, Task::MigrateFrom, flags);
        }
        None => {
            cluster.action_mut(migrate_from).needs = needs;
            order(
                cluster,
                id,
                Task::Monitor,
                id,
                Task::MigrateFrom,
                OrderFlags::SEQ,
            );
        }
    }
    let gate = OrderFlags::SEQ | OrderFlags::MIG_GATE;
    order(cluster, id, Task::MigrateFrom, id, Task::Stop, gate);
    let flags = gate | OrderFlags::FALLBACK;
    crate::transition::orderings::create(
        cluster,
        side(id, Task::MigrateFrom),
        side(id, Task::Start),
        flags,
    );

    let source_name = cluster.node(current).name.clone();
    let target_name = cluster.node(target).name.clone();
    for action in migrate_to.into_iter().chain([migrate_from]) {
        let action = cluster.action_mut(action);
        action.set_meta("migrate_source", source_name.clone());
        action.set_meta("migrate_target", target_name.clone());
    }
    let connection = cluster.resource(id).remote_connection;
    if let Some(migrate_to) = migrate_to.filter(|_| !connection) {
        cluster
            .action_mut(migrate_to)
            .set_meta("record-pending", "true");
    }
}
