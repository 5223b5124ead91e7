//! Connections to remote, guest and bundle nodes: their state, and which node an action goes
//! through (scheduler-spec/05 §10.1, §10.5).

use crate::model::*;

/// State of a remote node's connection, as far as ordering depends on it (§10.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConnectionState {
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
pub(crate) fn connection_state(
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

/// The node that hosts the connection through which an action on a remote, guest or bundle node
/// goes (§10.5).
pub(crate) fn router(cluster: &Cluster, id: ActionId) -> Option<NodeId> {
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
