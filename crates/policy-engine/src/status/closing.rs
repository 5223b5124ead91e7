//! The end of a resource's history on a node: the consequences of its failures, and where it is
//! active (scheduler-spec/02 §16).

use super::active::{self, Health};
use super::reports;
use crate::model::{Cluster, NodeId, OnFail, OperationKey, ResourceId, Role, Score, Task};
use crate::transition::{actions, fencing};

/// Closes a history whose strongest failure response is `on_fail` (§16).
pub(super) fn close(cluster: &mut Cluster, id: ResourceId, node: NodeId, on_fail: OnFail) {
    let known_active = cluster.resource(id).role > Role::Stopped;
    note_known(cluster, id, node);
    fence_if_active_on_lost_node(cluster, id, node, known_active);

    let applied = if cluster.node(node).unclean {
        OnFail::Ignore
    } else {
        on_fail
    };
    apply(cluster, id, node, applied, known_active);

    let resource = cluster.resource(id);
    if resource.remote_connection
        && resource.failed
        && let Some(remote) = resource.remote_node
        && cluster.node(remote).unclean
    {
        cluster.node_mut(remote).seen = true;
    }

    if known_active {
        let health = match on_fail {
            OnFail::Ignore => Health::Sound,
            _ => Health::Failed,
        };
        reports::removed(cluster, id, node);
        active::register(cluster, id, node, health);
        let resource = cluster.resource_mut(id);
        match applied {
            OnFail::Ignore => {}
            OnFail::Demote | OnFail::Block => resource.failed = true,
            _ => fail_and_stop(cluster, id),
        }
    } else if cluster
        .resource(id)
        .history_name
        .as_ref()
        .is_some_and(|name| name.contains(':'))
    {
        cluster.set_history_name(id, None);
    } else {
        let stop = OperationKey::once(Task::Stop);
        for action in actions::find_all(cluster, id, &stop, Some(node)) {
            cluster.action_mut(action).optional = true;
        }
    }

    let resource = cluster.resource_mut(id);
    if resource.role == Role::Stopped
        && !resource.active_on.is_empty()
        && resource.partial_target.is_some()
        && resource.partial_source == Some(node)
    {
        resource.role = Role::Started;
    }
}

/// Step 1: the resource, and the anonymous collectives above it, are known on the node.
fn note_known(cluster: &mut Cluster, id: ResourceId, node: NodeId) {
    if cluster.resource(id).role == Role::Unknown {
        return;
    }
    let mut next = Some(id);
    while let Some(id) = next {
        let resource = cluster.resource_mut(id);
        resource.known_on.insert(node);
        next = resource.parent.filter(|_| !resource.unique);
    }
}

/// Step 2: a lost node on which the resource is active has to be fenced.
fn fence_if_active_on_lost_node(
    cluster: &mut Cluster,
    id: ResourceId,
    node: NodeId,
    known_active: bool,
) {
    let this = cluster.node(node);
    if !known_active || this.online || this.maintenance || !cluster.resource(id).managed {
        return;
    }
    let name = cluster.resource(id).id.clone();
    let thought_active = format!("{name} is thought to be active there");
    if cluster.is_guest(node) {
        let resource = cluster.resource_mut(id);
        resource.failed = true;
        resource.stop_if_failed = true;
        fencing::mark(cluster, node, &thought_active);
    } else if cluster.options.fencing_enabled {
        let recoverable = cluster.is_remote_node(node)
            && cluster
                .node(node)
                .connection
                .is_some_and(|connection| !cluster.resource(connection).failed);
        if recoverable {
            // Assignment makes the node clean again if the connection can be moved.
            cluster.node_mut(node).seen = false;
            let reason = format!(
                "{name} is active there (fencing will be revoked if remote connection can be re-established elsewhere)"
            );
            fencing::mark(cluster, node, &reason);
        } else {
            fencing::mark(cluster, node, &thought_active);
        }
    }
}

fn fail_and_stop(cluster: &mut Cluster, id: ResourceId) {
    let resource = cluster.resource_mut(id);
    resource.failed = true;
    resource.stop_if_failed = true;
}

/// Step 4: applies the failure response.
fn apply(cluster: &mut Cluster, id: ResourceId, node: NodeId, on_fail: OnFail, known_active: bool) {
    match on_fail {
        OnFail::Ignore => {}
        OnFail::Demote => {
            cluster.resource_mut(id).failed = true;
            actions::required_once(cluster, id, Task::Demote, node);
        }
        OnFail::Fence => {
            let reason = format!("{} failed there", cluster.resource(id).id);
            fencing::mark(cluster, node, &reason);
        }
        OnFail::Standby => {
            let node = cluster.node_mut(node);
            node.standby = true;
            node.fail_standby = true;
        }
        OnFail::Block => {
            let resource = cluster.resource_mut(id);
            resource.managed = false;
            resource.blocked = true;
        }
        OnFail::Ban => cluster.adjust(id, node, Score::MINUS_INFINITY),
        OnFail::Stop => cluster.resource_mut(id).next_role = Role::Stopped,
        OnFail::Restart => {
            if known_active {
                fail_and_stop(cluster, id);
                actions::required_once(cluster, id, Task::Stop, node);
            }
        }
        OnFail::RestartContainer => {
            fail_and_stop(cluster, id);
            match cluster.resource(id).launcher {
                Some(launcher) if cluster.in_bundle(id) => {
                    cluster.containers_to_stop.push(launcher);
                }
                Some(launcher) => {
                    actions::required_once(cluster, launcher, Task::Stop, node);
                }
                None if known_active => {
                    actions::required_once(cluster, id, Task::Stop, node);
                }
                None => {}
            }
        }
        OnFail::ResetRemote => {
            fail_and_stop(cluster, id);
            if cluster.options.fencing_enabled
                && cluster.resource(id).remote_connection
                && let Some(remote) = cluster.resource(id).remote_node
                && cluster.is_remote_node(remote)
                && !cluster.node(remote).remote_fenced
            {
                fencing::mark(cluster, remote, "remote connection is unrecoverable");
            }
            if known_active {
                actions::required_once(cluster, id, Task::Stop, node);
            }
            if cluster.resource(id).reconnect_interval_ms > 0 {
                cluster.resource_mut(id).next_role = Role::Stopped;
            }
        }
    }
}
