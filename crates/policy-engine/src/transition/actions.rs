//! The only way actions come into being (scheduler-spec/05 §2.3), and how existing ones are found.
//!
//! Finding has side effects that later decisions rely on: an action without node takes the node
//! that is asked for, its reason may be erased, and whether it can run is evaluated again.

use super::fencing;
use crate::configuration::operations;
use crate::configuration::parameters;
use crate::model::*;

/// Finds or creates `<resource>_<key>` on `node`: numbering, options, runnability and all side
/// effects of 05 §2.3, §2.7.
pub(crate) fn action(
    cluster: &mut Cluster,
    resource: ResourceId,
    key: OperationKey,
    node: Option<NodeId>,
    optional: bool,
) -> ActionId {
    let found = find_all(cluster, resource, &key, node).into_iter().next();
    let id = found.unwrap_or_else(|| create(cluster, resource, key, node, optional));
    update_optional(cluster, id, optional);
    evaluate_parameters(cluster, id);
    evaluate_runnable(cluster, id);
    id
}

/// [`action`], optional unless it is required already.
pub(crate) fn optional(
    cluster: &mut Cluster,
    resource: ResourceId,
    key: OperationKey,
    node: Option<NodeId>,
) -> ActionId {
    action(cluster, resource, key, node, true)
}

/// [`action`], required.
pub(crate) fn required(
    cluster: &mut Cluster,
    resource: ResourceId,
    key: OperationKey,
    node: Option<NodeId>,
) -> ActionId {
    action(cluster, resource, key, node, false)
}

/// Finds the recurring action with that key on `node`, or creates its cancellation; required. A new
/// one has the options of an operation called `cancel`, not those of the cancelled one.
pub(crate) fn cancellation(
    cluster: &mut Cluster,
    resource: ResourceId,
    key: OperationKey,
    node: NodeId,
) -> ActionId {
    if find_all(cluster, resource, &key, Some(node)).is_empty() {
        create_for(
            cluster,
            resource,
            key.clone(),
            Task::Cancel,
            Some(node),
            false,
        );
    }
    required(cluster, resource, key, Some(node))
}

/// Creates an action of a resource, without looking for an existing one.
fn create(
    cluster: &mut Cluster,
    resource: ResourceId,
    key: OperationKey,
    node: Option<NodeId>,
    optional: bool,
) -> ActionId {
    let task = match key.notify {
        None => key.task.clone(),
        Some(NotifyPhase::Pre | NotifyPhase::Post) => Task::Notify,
        Some(NotifyPhase::ConfirmedPre | NotifyPhase::ConfirmedPost) => Task::Notified,
    };
    create_for(cluster, resource, key, task, node, optional)
}

/// [`create`], for a task that the key does not tell.
#[inline]
fn create_for(
    cluster: &mut Cluster,
    resource: ResourceId,
    key: OperationKey,
    task: Task,
    node: Option<NodeId>,
    optional: bool,
) -> ActionId {
    let options = match key.notify {
        None => operations::options(cluster, resource, &task, key.interval_ms, node),
        Some(_) => operations::notification_options(cluster, resource, &task),
    };
    let owner = cluster.resource(resource);
    let needs = match task {
        Task::Start | Task::Promote if owner.needs_fencing => Needs::Fencing,
        Task::Start | Task::Promote if owner.needs_quorum => Needs::Quorum,
        _ => Needs::Nothing,
    };
    let mut action = blank(key, task, node, options);
    action.resource = Some(resource);
    action.needs = needs;
    action.optional = optional;
    let id = push(cluster, action);
    let action = &cluster.actions[id.index()];
    cluster.resources[resource.index()]
        .actions
        .push(id, &action.key, &action.task, action.node);
    let task = action.task.clone();
    cluster.note_action(resource, &task);
    id
}

/// An action with neither resource nor links.
fn blank(
    key: OperationKey,
    task: Task,
    node: Option<NodeId>,
    options: Arc<OperationOptions>,
) -> Action {
    Action {
        key,
        on_dc: task == Task::LrmDelete,
        task,
        cancelled_task: None,
        resource: None,
        node,
        options,
        own_meta: OwnMeta::new(),
        extra: None,
        needs: Needs::Nothing,
        priority: 0,
        reason: None,
        min_required: 0,
        seen: 0,
        text_key: None,
        pseudo: false,
        runnable: true,
        optional: true,
        always_in_graph: false,
        migratable: false,
        migration_abort: false,
        reschedule: false,
        node_in_meta: false,
        deduplicated: false,
        in_graph: false,
        visiting: false,
        before: Vec::new(),
        after: Vec::new(),
    }
}

fn push(cluster: &mut Cluster, action: Action) -> ActionId {
    let id = ActionId::new(cluster.actions.len());
    cluster.actions.push(action);
    id
}

/// Finds or creates the action without resource whose whole key is `text`; a new one is optional.
pub(crate) fn singleton(
    cluster: &mut Cluster,
    text: &str,
    task: Task,
    node: Option<NodeId>,
) -> ActionId {
    let id = match cluster.singletons.get(text) {
        Some(id) => *id,
        None => {
            let mut action = blank(OperationKey::once(task.clone()), task, node, Arc::default());
            let key: Text = text.into();
            action.text_key = Some(key.clone());
            let id = push(cluster, action);
            cluster.singletons.insert(key, id);
            id
        }
    };
    let action = cluster.action_mut(id);
    if action.node.is_none() {
        action.node = node;
    }
    id
}

/// Finds or creates the pseudo-action called `name` (05 §2.3): optional, runnable, no node.
pub(crate) fn pseudo(cluster: &mut Cluster, name: &str) -> ActionId {
    let id = singleton(cluster, name, Task::Other(name.into()), None);
    let action = cluster.action_mut(id);
    action.pseudo = true;
    action.runnable = true;
    id
}

/// Flags of a pseudo-action of a collective.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pseudo {
    /// It need not happen.
    pub optional: bool,
    /// It can happen.
    pub runnable: bool,
}

/// Finds or creates a pseudo-action of a group, clone or bundle.
pub(crate) fn collective_pseudo(
    cluster: &mut Cluster,
    resource: ResourceId,
    key: OperationKey,
    flags: Pseudo,
) -> ActionId {
    let id = action(cluster, resource, key, None, flags.optional);
    let action = cluster.action_mut(id);
    action.pseudo = true;
    action.runnable = flags.runnable;
    id
}

/// Existing actions of a resource with that key, oldest first; with a node: on that node, and
/// node-less ones, **which get the node**.
pub(crate) fn find_all(
    cluster: &mut Cluster,
    resource: ResourceId,
    key: &OperationKey,
    node: Option<NodeId>,
) -> Vec<ActionId> {
    let actions = &mut cluster.actions;
    let mut found = Vec::new();
    let mut placed = false;
    for id in cluster.resources[resource.index()]
        .actions
        .with_key(key, node)
    {
        let action = &mut actions[id.index()];
        if action.key != *key {
            continue;
        }
        if node.is_some() {
            if action.node.is_none() {
                action.node = node;
                placed = true;
            } else if action.node != node {
                continue;
            }
        }
        found.push(id);
    }
    if placed {
        cluster.note_action(resource, &key.task);
    }
    found
}

/// The oldest action of a resource with that key, on that node if one is given.
pub(crate) fn find_first(
    cluster: &Cluster,
    resource: ResourceId,
    key: &OperationKey,
    node: Option<NodeId>,
) -> Option<ActionId> {
    let list = &cluster.resource(resource).actions;
    list.with_key(key, node).find(|id| {
        let action = cluster.action(*id);
        action.key == *key && (node.is_none() || action.node == node)
    })
}

/// Existing actions of a resource with that key on exactly that node, oldest first.
pub(crate) fn find_exact(
    cluster: &Cluster,
    resource: ResourceId,
    key: &OperationKey,
    node: NodeId,
) -> Vec<ActionId> {
    let on_node = |id: &ActionId| {
        let action = cluster.action(*id);
        action.node == Some(node) && action.key == *key
    };
    cluster
        .resource(resource)
        .actions
        .with_key(key, Some(node))
        .filter(on_node)
        .collect()
}

/// The newest action of a resource with that task (05 §1.2 "find-first"), on that node if one is
/// given.
pub(crate) fn newest_task(
    cluster: &Cluster,
    resource: ResourceId,
    task: &Task,
    node: Option<NodeId>,
) -> Option<ActionId> {
    cluster
        .resource(resource)
        .actions
        .newest_with_task(task, node)
        .find(|id| {
            let action = cluster.action(*id);
            action.task == *task && (node.is_none() || action.node == node)
        })
}

/// The newest action of a resource with that key.
pub(crate) fn newest_key(
    cluster: &Cluster,
    resource: ResourceId,
    key: &OperationKey,
) -> Option<ActionId> {
    let list = &cluster.resource(resource).actions;
    list.with_key(key, None)
        .rev()
        .find(|id| cluster.action(*id).key == *key)
}

/// A required one-off action: `stop`, `demote`, … (status, 02 §14, §16).
pub(crate) fn required_once(
    cluster: &mut Cluster,
    resource: ResourceId,
    task: Task,
    node: NodeId,
) -> ActionId {
    required(cluster, resource, OperationKey::once(task), Some(node))
}

/// The required `clear_failcount` of a resource on a node (02 §19.4).
pub(crate) fn clear_failcount(
    cluster: &mut Cluster,
    resource: ResourceId,
    node: NodeId,
) -> ActionId {
    let id = required_once(cluster, resource, Task::ClearFailcount, node);
    cluster.action_mut(id).set_meta("op_no_wait", "true");
    id
}

/// The required history deletion of a resource on a node (02 §21).
pub(crate) fn delete_history(
    cluster: &mut Cluster,
    resource: ResourceId,
    node: NodeId,
) -> ActionId {
    required_once(cluster, resource, Task::LrmDelete, node)
}

/// The full key of an action.
pub(crate) fn key_text(cluster: &Cluster, id: ActionId) -> Text {
    key_text_in(cluster, id, &mut String::new())
}

/// [`key_text`], put together in `room`, whose text is lost: for many keys one after another.
pub(crate) fn key_text_in(cluster: &Cluster, id: ActionId, room: &mut String) -> Text {
    let action = cluster.action(id);
    match (&action.text_key, action.resource) {
        (Some(text), _) => text.clone(),
        (None, Some(resource)) => {
            room.clear();
            action.key.append(&cluster.resource(resource).id, room);
            room.as_str().into()
        }
        (None, None) => action.key.task.name().into(),
    }
}

/// Makes an action required, unless `optional`. The real one-off actions of an unmanaged resource
/// are always optional (05 §2.3 step 3).
fn update_optional(cluster: &mut Cluster, id: ActionId, optional: bool) {
    let action = cluster.action(id);
    let unmanaged = action
        .resource
        .is_some_and(|r| !cluster.resource(r).managed);
    let forced =
        unmanaged && action.node.is_some() && !action.pseudo && action.meta("interval").is_none();
    if forced {
        cluster.set_optional(id, true);
    } else if !optional {
        cluster.set_optional(id, false);
    }
}

/// Evaluates the instance attributes of the `op` once the node is known.
fn evaluate_parameters(cluster: &mut Cluster, id: ActionId) {
    let action = cluster.action(id);
    let (Some(resource), Some(node)) = (action.resource, action.node) else {
        return;
    };
    if action.extra.is_some() || !action.options.has_parameters {
        return;
    }
    let (task, interval_ms) = (&action.task, action.key.interval_ms);
    let extra = parameters::of_operation(cluster, resource, task, interval_ms, Some(node));
    cluster.action_mut(id).extra = Some(extra);
}

/// Whether an action of a resource can run (05 §2.7).
fn evaluate_runnable(cluster: &mut Cluster, id: ActionId) {
    let action = cluster.action(id);
    let Some(resource) = action.resource else {
        return;
    };
    if action.pseudo {
        return;
    }
    let Some(node_id) = action.node else {
        cluster.set_runnable(id, false);
        return;
    };
    let (on_dc, needs) = (action.on_dc, action.needs);
    let is_stop = action.task == Task::Stop;
    let node = cluster.node(node_id);
    let guest = cluster.is_guest(node_id);
    if !on_dc && !node.online && (!guest || node.remote_reset) {
        let fence = cluster.resource(resource).managed && is_stop && !node.unclean;
        cluster.set_runnable(id, false);
        if fence {
            fencing::mark(cluster, node_id, "stop is unrunnable");
        }
        return;
    }
    if !on_dc && node.pending {
        cluster.set_runnable(id, false);
        return;
    }
    if needs == Needs::Nothing {
        let runnable = !guest || fencing::can_fence(cluster, node_id);
        cluster.action_mut(id).reason = None;
        cluster.set_runnable(id, runnable);
        return;
    }
    match effective_quorum_policy(cluster, resource) {
        QuorumPolicy::Stop => {
            cluster.set_runnable(id, false);
            cluster.action_mut(id).replace_reason("no quorum");
        }
        QuorumPolicy::Freeze => {
            let frozen = !cluster.is_fully_active(resource)
                || cluster.next_role_of(resource) > cluster.role_of(resource);
            if frozen {
                cluster.set_runnable(id, false);
                cluster.action_mut(id).replace_reason("quorum freeze");
            }
        }
        _ => {
            cluster.set_runnable(id, true);
        }
    }
}

/// The quorum policy as it affects a resource now (05 §2.7). Policy `demote` may lower the
/// resource's next role.
fn effective_quorum_policy(cluster: &mut Cluster, resource: ResourceId) -> QuorumPolicy {
    if cluster.options.quorate {
        return QuorumPolicy::Ignore;
    }
    if cluster.options.no_quorum_policy != QuorumPolicy::Demote {
        return cluster.options.no_quorum_policy;
    }
    match cluster.role_of(resource) {
        Role::Promoted | Role::Unpromoted => {
            if cluster.next_role_of(resource) > Role::Unpromoted {
                cluster.resource_mut(resource).next_role = Role::Unpromoted;
            }
            QuorumPolicy::Ignore
        }
        _ => QuorumPolicy::Stop,
    }
}
