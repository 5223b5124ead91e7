//! P9: orderings of actions behind remote connections (scheduler-spec/05 §10).

use super::{create, side, side_of};
use crate::actions::fencing;
use crate::model::*;

/// State of a remote node's connection, as far as ordering depends on it (§10.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionState {
    /// Unknown.
    Unknown,
    /// Up, and stays up.
    Alive,
    /// Down for now; comes up on another node.
    Resting,
    /// Failed for good.
    Failed,
    /// Will be stopped cleanly.
    Stopped,
}

/// State of `connection`, which connects to `node`.
pub fn connection_state(
    cluster: &Cluster,
    connection: ResourceId,
    node: NodeId,
) -> ConnectionState {
    let resource = cluster.resource(connection);
    let current = cluster.current_node(connection);
    if resource.next_role == Role::Stopped || resource.assigned.is_none() {
        if current.is_some_and(|n| cluster.node(n).unclean) {
            return ConnectionState::Failed;
        }
        if !resource.failed {
            return ConnectionState::Stopped;
        }
        let remote = cluster.node(node);
        if resource.next_role == Role::Stopped
            && resource.reconnect_interval_ms > 0
            && remote.remote_fenced
            && !shutdown_requested(remote)
        {
            return ConnectionState::Unknown;
        }
        return ConnectionState::Failed;
    }
    let Some(current) = current else {
        return ConnectionState::Unknown;
    };
    let host = cluster.node(current);
    if host.unclean || !host.online {
        return ConnectionState::Resting;
    }
    let migrating = resource.active_on.len() > 1
        && resource.partial_source.is_some()
        && resource.partial_target.is_some();
    if migrating {
        ConnectionState::Resting
    } else {
        ConnectionState::Alive
    }
}

fn shutdown_requested(node: &Node) -> bool {
    node.attributes
        .text("shutdown")
        .is_some_and(|value| value != "0")
}

/// Orders every action on a remote, guest or bundle node against its connection.
pub fn order(cluster: &mut Cluster) {
    if !cluster.has_remote_nodes {
        return;
    }
    for index in (0..cluster.actions.len()).rev() {
        let id = ActionId::new(index);
        let action = cluster.action(id);
        let Some(resource) = action.resource else {
            continue;
        };
        if cluster.resource(resource).remote_connection && action.task == Task::ClearFailcount {
            let first = side_of(cluster, id);
            create(cluster, first, side(resource, Task::Start), OrderFlags::SEQ);
            continue;
        }
        let Some(node) = action.node else { continue };
        if !cluster.is_remote_kind(node) || action.pseudo {
            continue;
        }
        let Some(connection) = cluster.node(node).connection else {
            continue;
        };
        if action.task == Task::Start {
            let actions = cluster.resource(resource).actions.to_vec();
            for other in actions.into_iter().rev() {
                let stop = cluster.action(other);
                if stop.task == Task::Stop && stop.node != Some(node) {
                    let then = side_of(cluster, other);
                    create(
                        cluster,
                        side(connection, Task::Start),
                        then,
                        OrderFlags::SEQ,
                    );
                }
            }
        }
        match cluster.resource(connection).launcher {
            Some(launcher) => order_on_guest(cluster, id, node, connection, launcher),
            None => order_on_remote(cluster, id, node, connection),
        }
    }
}

fn after_start(cluster: &mut Cluster, of: ResourceId, action: ActionId, flags: OrderFlags) {
    let then = side_of(cluster, action);
    let flags = OrderFlags::INTERNAL | OrderFlags::GATE | flags;
    create(cluster, side(of, Task::Start), then, flags);
}

fn before_stop(cluster: &mut Cluster, of: ResourceId, action: ActionId, flags: OrderFlags) {
    let first = side_of(cluster, action);
    create(
        cluster,
        first,
        side(of, Task::Stop),
        OrderFlags::INTERNAL | flags,
    );
}

/// The task as the tables of §10.3 and §10.4 see it: migration actions count as stops.
fn effective_task(cluster: &Cluster, action: ActionId) -> Task {
    match &cluster.action(action).task {
        Task::MigrateTo | Task::MigrateFrom => Task::Stop,
        task => task.clone(),
    }
}

fn is_recurring(cluster: &Cluster, action: ActionId) -> bool {
    let interval = cluster.action(action).meta("interval");
    interval
        .and_then(|text| text.parse::<u64>().ok())
        .is_some_and(|ms| ms > 0)
}

/// §10.3.
fn order_on_remote(cluster: &mut Cluster, action: ActionId, node: NodeId, connection: ResourceId) {
    let state = connection_state(cluster, connection, node);
    let none = OrderFlags::NONE;
    match effective_task(cluster, action) {
        Task::Start | Task::Promote => {
            let push = if state == ConnectionState::Failed {
                OrderFlags::PUSH
            } else {
                none
            };
            after_start(cluster, connection, action, push);
        }
        Task::Stop => match state {
            ConnectionState::Alive => before_stop(cluster, connection, action, OrderFlags::PULL),
            ConnectionState::Failed => {
                let reason = "resources are active but connection is unrecoverable";
                fencing::mark(cluster, node, reason, false);
            }
            _ if cluster.resource(connection).next_role == Role::Stopped => {
                before_stop(cluster, connection, action, OrderFlags::PULL);
            }
            _ => after_start(cluster, connection, action, none),
        },
        Task::Demote => {
            if matches!(state, ConnectionState::Resting | ConnectionState::Unknown) {
                after_start(cluster, connection, action, none);
            }
        }
        _ if is_recurring(cluster, action) => {
            after_start(cluster, connection, action, OrderFlags::PUSH);
        }
        task => {
            if task == Task::Monitor && state == ConnectionState::Failed {
                let reason = "resources are in unknown state and connection is unrecoverable";
                fencing::mark(cluster, node, reason, false);
            }
            if state == ConnectionState::Stopped && cluster.current_node(connection).is_some() {
                before_stop(cluster, connection, action, OrderFlags::GATE);
            } else {
                after_start(cluster, connection, action, none);
            }
        }
    }
}

/// §10.4.
fn order_on_guest(
    cluster: &mut Cluster,
    action: ActionId,
    node: NodeId,
    connection: ResourceId,
    launcher: ResourceId,
) {
    let failed = cluster.resource(launcher).failed;
    if failed {
        fencing::mark(cluster, node, "container failed", false);
    }
    let none = OrderFlags::NONE;
    match effective_task(cluster, action) {
        Task::Start | Task::Promote => {
            after_start(cluster, launcher, action, OrderFlags::PUSH);
            after_start(cluster, connection, action, none);
        }
        Task::Stop | Task::Demote => {
            if !failed {
                before_stop(cluster, connection, action, none);
            }
        }
        task if is_recurring(cluster, action) => {
            if matches!(task, Task::Monitor | Task::Notify) {
                after_start(cluster, connection, action, OrderFlags::PUSH);
            }
        }
        _ => after_start(cluster, connection, action, none),
    }
}

/// The node that hosts the connection through which an action on a remote, guest or bundle node
/// goes (§10.5).
pub fn router(cluster: &Cluster, id: ActionId) -> Option<NodeId> {
    let action = cluster.action(id);
    let node = action.node.filter(|n| cluster.is_remote_kind(*n))?;
    if action.task == Task::Stonith {
        return None;
    }
    let connection = cluster.node(node).connection?;
    let resource = cluster.resource(connection);
    let (began, ends) = (cluster.current_node(connection), resource.assigned);
    let (Some(began_on), Some(ends_on)) = (began, ends) else {
        return began.or(ends);
    };
    let partial = resource.launcher.is_none() && resource.partial_target.is_some();
    let task = match action.task {
        Task::Notify => Task::parse(action.meta("notify_operation").unwrap_or_default()),
        ref task => task.clone(),
    };
    let early = matches!(
        task,
        Task::Cancel | Task::Stop | Task::Demote | Task::MigrateFrom | Task::MigrateTo
    );
    Some(if early && !partial { began_on } else { ends_on })
}
