//! Actions of groups, clones and bundles: their members' or instances', and their own
//! pseudo-actions (scheduler-spec/05 §3 item 6, 04 §10.1, §15.1).

use super::{notifications, primitive};
use crate::model::*;
use crate::transition::actions::{self, Pseudo};

/// Synapse priority of completion pseudo-actions and post-notifications: they count failed inputs
/// as done.
pub(crate) const COMPLETION_PRIORITY: i32 = 1_000_000;

/// Creates all actions of a resource of any variant.
pub(crate) fn schedule(cluster: &mut Cluster, id: ResourceId) {
    match cluster.resource(id).variant {
        Variant::Primitive => primitive::schedule(cluster, id),
        Variant::Group(_) => schedule_group(cluster, id),
        Variant::Clone(_) => schedule_clone(cluster, id),
        Variant::Bundle(_) => schedule_bundle(cluster, id),
    }
}

/// An optional, runnable pseudo-action of a collective.
fn plain_pseudo(cluster: &mut Cluster, id: ResourceId, task: Task) -> ActionId {
    let flags = Pseudo {
        optional: true,
        runnable: true,
    };
    actions::collective_pseudo(cluster, id, OperationKey::once(task), flags)
}

fn schedule_group(cluster: &mut Cluster, group: ResourceId) {
    for member in cluster.resource(group).children.clone() {
        schedule(cluster, member);
    }
    for task in [Task::Start, Task::Running, Task::Stop, Task::Stopped] {
        plain_pseudo(cluster, group, task);
    }
    if cluster.resource(group).meta.is_true("promotable") {
        for task in [Task::Demote, Task::Demoted, Task::Promote, Task::Promoted] {
            plain_pseudo(cluster, group, task);
        }
    }
}

/// Which changes any of a collective's instances undergoes.
#[derive(Clone, Copy, Default)]
struct InstanceState {
    active: bool,
    starting: bool,
    stopping: bool,
    restarting: bool,
}

fn schedule_clone(cluster: &mut Cluster, clone: ResourceId) {
    let instances = cluster.resource(clone).children.clone();
    let (start, running, stop, stopped) = schedule_instances(cluster, clone, &instances);
    let notify = cluster.resource(clone).notify;
    if notify {
        notifications::create_for(cluster, clone, &Task::Start, start, running);
        notifications::create_for(cluster, clone, &Task::Stop, stop, stopped);
        notifications::order_start_after_stop(cluster, clone);
    }
    if !cluster.resource(clone).promotable {
        return;
    }
    for instance in &instances {
        schedule(cluster, *instance);
    }
    let required = |cluster: &Cluster, task: Task| {
        instances
            .iter()
            .flat_map(|i| cluster.leaves(*i))
            .any(|leaf| {
                let actions = &cluster.resource(leaf).actions;
                actions
                    .iter()
                    .any(|a| cluster.action(*a).task == task && !cluster.action(*a).optional)
            })
    };
    let promoting = required(cluster, Task::Promote);
    let demoting = required(cluster, Task::Demote);
    for (task, done, needed) in [
        (Task::Promote, Task::Promoted, promoting),
        (Task::Demote, Task::Demoted, demoting),
    ] {
        let pseudo = |cluster: &mut Cluster, task| {
            let flags = Pseudo {
                optional: !needed,
                runnable: true,
            };
            actions::collective_pseudo(cluster, clone, OperationKey::once(task), flags)
        };
        let action = pseudo(cluster, task.clone());
        let done = pseudo(cluster, done);
        cluster.action_mut(done).priority = COMPLETION_PRIORITY;
        if notify {
            notifications::create_for(cluster, clone, &task, action, done);
        }
    }
    if notify {
        notifications::order_promotion(cluster, clone);
    }
}

/// 04 §10.1 steps 1 and 2: instances' actions, then start, running, stop, stopped of the
/// collective.
fn schedule_instances(
    cluster: &mut Cluster,
    id: ResourceId,
    instances: &[ResourceId],
) -> (ActionId, ActionId, ActionId, ActionId) {
    let mut state = InstanceState::default();
    for instance in instances {
        schedule(cluster, *instance);
        observe(cluster, *instance, &mut state);
    }
    let pseudo = |cluster: &mut Cluster, task, optional, runnable| {
        let flags = Pseudo { optional, runnable };
        actions::collective_pseudo(cluster, id, OperationKey::once(task), flags)
    };
    let start = pseudo(cluster, Task::Start, !state.starting, true);
    let may_run = state.active || state.starting;
    let running = pseudo(cluster, Task::Running, !state.starting, may_run);
    cluster.action_mut(running).priority = COMPLETION_PRIORITY;
    let stop = pseudo(cluster, Task::Stop, !state.stopping, true);
    let stopped = pseudo(cluster, Task::Stopped, !state.stopping, true);
    let action = cluster.action_mut(stopped);
    action.priority = COMPLETION_PRIORITY;
    if !state.restarting {
        cluster.action_mut(stop).migratable = true;
    }
    (start, running, stop, stopped)
}

fn observe(cluster: &Cluster, id: ResourceId, state: &mut InstanceState) {
    for leaf in cluster.leaves(id) {
        let resource = cluster.resource(leaf);
        state.active |= !resource.active_on.is_empty();
        let (mut starting, mut stopping) = (false, false);
        for action in resource
            .actions
            .iter()
            .map(|a| cluster.action(*a))
            .filter(|a| !a.optional)
        {
            starting |= action.task == Task::Start && action.runnable;
            stopping |= action.task == Task::Stop && (action.runnable || action.pseudo);
        }
        state.starting |= starting;
        state.stopping |= stopping;
        state.restarting |= starting && stopping;
    }
}

fn schedule_bundle(cluster: &mut Cluster, bundle: ResourceId) {
    let Some(data) = cluster.resource(bundle).bundle_data().cloned() else {
        return;
    };
    for replica in &data.replicas {
        for part in [replica.ip, Some(replica.container), replica.connection]
            .into_iter()
            .flatten()
        {
            schedule(cluster, part);
        }
    }
    let containers: Vec<_> = data.replicas.iter().map(|r| r.container).collect();
    schedule_instances(cluster, bundle, &containers);
    let Some(implicit) = data.clone else { return };
    schedule(cluster, implicit);
    if !cluster.resource(implicit).promotable {
        return;
    }
    for (task, done) in [
        (Task::Promote, Task::Promoted),
        (Task::Demote, Task::Demoted),
    ] {
        plain_pseudo(cluster, bundle, task);
        let done = plain_pseudo(cluster, bundle, done);
        cluster.action_mut(done).priority = COMPLETION_PRIORITY;
    }
}
