//! Recurring actions (scheduler-spec/05 §6).

use rustc_hash::FxHashMap;

use crate::configuration::operations;
use crate::model::*;
use crate::transition::orderings::{self, link, side, side_of};
use crate::transition::{actions, fencing};

/// A configured recurring operation that qualifies (§6.2).
struct Recurring {
    task: Task,
    interval_ms: u32,
    /// `None` = unspecified.
    role: Option<Role>,
}

/// Schedules and cancels the recurring actions of a primitive (§6.1).
pub(super) fn schedule(cluster: &mut Cluster, id: ResourceId) {
    let resource = cluster.resource(id);
    if resource.blocked || resource.maintenance {
        return;
    }
    let active = resource.next_role != Role::Stopped || !resource.managed;
    let node = resource
        .assigned
        .filter(|n| active && !cluster.node(*n).maintenance);
    let start =
        node.map(|n| actions::optional(cluster, id, OperationKey::once(Task::Start), Some(n)));
    for operation in qualifying(cluster, id) {
        if let (Some(start), Some(node)) = (start, node) {
            when_active(cluster, id, &operation, start, node);
        }
        when_stopped(cluster, id, &operation);
    }
}

fn qualifying(cluster: &Cluster, id: ResourceId) -> Vec<Recurring> {
    let list = &cluster.resource(id).config.operations;
    let mut twins: FxHashMap<(&str, u32), usize> = FxHashMap::default();
    for op in list.iter().filter(|op| op.id.is_some()) {
        *twins.entry((&op.name, op.interval_ms)).or_default() += 1;
    }
    let mut out = Vec::new();
    for op in list {
        let task = Task::parse(&op.name);
        let never = matches!(
            task,
            Task::Start
                | Task::Stop
                | Task::Demote
                | Task::Promote
                | Task::ReloadAgent
                | Task::MigrateTo
                | Task::MigrateFrom
        );
        if op.interval_ms == 0 || op.id.is_none() || never {
            continue;
        }
        if twins[&(&*op.name, op.interval_ms)] > 1 {
            continue;
        }
        let role = match op.role.as_deref().map(Role::parse) {
            None | Some(Some(Role::Unknown)) => None,
            Some(None) => continue,
            Some(role) => role,
        };
        if operations::find_enabled(cluster, id, &op.name, op.interval_ms).is_none() {
            continue;
        }
        out.push(Recurring {
            task,
            interval_ms: op.interval_ms,
            role,
        });
    }
    out
}

/// §6.3: operations for roles other than Stopped, on the assigned node.
fn when_active(
    cluster: &mut Cluster,
    id: ResourceId,
    operation: &Recurring,
    start: ActionId,
    node: NodeId,
) {
    if operation.role == Some(Role::Stopped) {
        return;
    }
    let key = OperationKey::every(operation.task.clone(), operation.interval_ms);
    let existing = actions::find_exact(cluster, id, &key, node);
    let optional = cluster.action(start).optional
        && !existing.is_empty()
        && !existing.iter().any(|a| cluster.action(*a).reschedule);
    let (role, next_role) = (cluster.resource(id).role, cluster.resource(id).next_role);
    let matches = match operation.role {
        None => next_role != Role::Promoted,
        Some(wanted) => wanted == next_role,
    };
    if !matches {
        if !optional {
            return;
        }
        let cancel = cancel(cluster, id, &operation.task, operation.interval_ms, node);
        let then = match (role, next_role) {
            (Role::Started | Role::Unpromoted, Role::Promoted) => Task::Promote,
            (Role::Started | Role::Unpromoted, Role::Stopped) => Task::Stop,
            (Role::Promoted, _) => Task::Demote,
            _ => return,
        };
        let first = side_of(cluster, cancel);
        orderings::create(cluster, first, side(id, then), OrderFlags::GATE);
        return;
    }
    let monitor = actions::action(cluster, id, key, Some(node), optional);
    let host = cluster.node(node);
    if !cluster.action(start).runnable || !host.online || host.unclean {
        cluster.action_mut(monitor).runnable = false;
    }
    if next_role == Role::Promoted {
        let expected = cluster.expected_codes.promoted.clone();
        cluster
            .action_mut(monitor)
            .set_meta("op_target_rc", expected);
    }
    if !cluster.resource(id).managed {
        return;
    }
    let after = |cluster: &mut Cluster, task, flags| {
        let then = side_of(cluster, monitor);
        orderings::create(cluster, side(id, task), then, flags);
    };
    after(cluster, Task::Start, OrderFlags::PUSH | OrderFlags::GATE);
    after(
        cluster,
        Task::ReloadAgent,
        OrderFlags::PUSH | OrderFlags::GATE,
    );
    if next_role == Role::Promoted {
        after(cluster, Task::Promote, OrderFlags::SEQ | OrderFlags::GATE);
    } else if role == Role::Promoted {
        after(cluster, Task::Demote, OrderFlags::SEQ | OrderFlags::GATE);
    }
}

/// Turns a recurring action into its cancellation (§6.4); normally the one that the history
/// created.
pub(super) fn cancel(
    cluster: &mut Cluster,
    id: ResourceId,
    task: &Task,
    interval_ms: u32,
    node: NodeId,
) -> ActionId {
    let key = OperationKey::every(task.clone(), interval_ms);
    let cancel = actions::cancellation(cluster, id, key, node);
    let action = cluster.action_mut(cancel);
    action.task = Task::Cancel;
    action.cancelled_task = Some(task.clone());
    action.set_meta("operation", task.name());
    action.set_meta("interval", interval_ms.to_string());
    cancel
}

/// A recurring operation whose parameters changed is scheduled again (§6.5).
pub(super) fn reschedule(
    cluster: &mut Cluster,
    id: ResourceId,
    task: &Task,
    interval_ms: u32,
    node: NodeId,
) {
    let reason = "Device parameters changed (reschedule)";
    fencing::trigger_unfencing(cluster, Some(id), Some(node), reason);
    let key = OperationKey::every(task.clone(), interval_ms);
    let action = actions::optional(cluster, id, key, Some(node));
    cluster.action_mut(action).reschedule = true;
}

/// §6.6: operations for role Stopped, on all other nodes.
fn when_stopped(cluster: &mut Cluster, id: ResourceId, operation: &Recurring) {
    let resource = cluster.resource(id);
    if operation.role != Some(Role::Stopped) || !resource.unique {
        return;
    }
    let (assigned, next_role, managed) = (resource.assigned, resource.next_role, resource.managed);
    let key = OperationKey::every(operation.task.clone(), operation.interval_ms);
    for node in cluster.node_order.clone() {
        let exists = !actions::find_exact(cluster, id, &key, node).is_empty();
        if assigned == Some(node) {
            if !exists {
                continue;
            }
            let cancel = cancel(cluster, id, &operation.task, operation.interval_ms, node);
            if matches!(next_role, Role::Started | Role::Unpromoted) {
                let first = side_of(cluster, cancel);
                orderings::create(cluster, first, side(id, Task::Start), OrderFlags::GATE);
            }
            continue;
        }
        let monitor = actions::action(cluster, id, key.clone(), Some(node), exists);
        let expected = cluster.expected_codes.not_running.clone();
        cluster
            .action_mut(monitor)
            .set_meta("op_target_rc", expected);
        if managed {
            for probe in
                actions::find_all(cluster, id, &OperationKey::once(Task::Monitor), Some(node))
            {
                link(cluster, probe, monitor, OrderFlags::GATE);
            }
        }
        for stop in actions::find_exact(cluster, id, &OperationKey::once(Task::Stop), node) {
            let (required, runnable) = (
                !cluster.action(stop).optional,
                cluster.action(stop).runnable,
            );
            let action = cluster.action_mut(monitor);
            if required && !action.optional && !managed {
                action.optional = true;
            }
            if !runnable {
                action.runnable = false;
            }
            if managed {
                let (first, then) = (side_of(cluster, stop), side_of(cluster, monitor));
                orderings::create(cluster, first, then, OrderFlags::PUSH | OrderFlags::GATE);
            }
        }
        let host = cluster.node(node);
        if !host.online || host.unclean {
            cluster.action_mut(monitor).runnable = false;
        }
    }
}
