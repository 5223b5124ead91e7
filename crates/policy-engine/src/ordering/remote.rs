//! P9: orderings of actions behind remote connections (scheduler-spec/05 §10).

use crate::model::*;
use crate::transition::connections::{ConnectionState, connection_state};
use crate::transition::fencing;
use crate::transition::orderings::{create, side, side_of};

/// Orders every action on a remote, guest or bundle node against its connection.
pub(crate) fn order(cluster: &mut Cluster) {
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

/// Orders an action on a remote node against its connection, depending on the connection's state
/// (§10.3).
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
                fencing::mark(cluster, node, reason);
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
                fencing::mark(cluster, node, reason);
            }
            if state == ConnectionState::Stopped && cluster.current_node(connection).is_some() {
                before_stop(cluster, connection, action, OrderFlags::GATE);
            } else {
                after_start(cluster, connection, action, none);
            }
        }
    }
}

/// Orders an action on a guest or bundle node against its connection and its launcher (§10.4).
fn order_on_guest(
    cluster: &mut Cluster,
    action: ActionId,
    node: NodeId,
    connection: ResourceId,
    launcher: ResourceId,
) {
    let failed = cluster.resource(launcher).failed;
    if failed {
        fencing::mark(cluster, node, "container failed");
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
