//! The actions that take a primitive from its role and node to the wanted ones (scheduler-spec/05
//! §5).

use super::{migration, recurring};
use crate::model::*;
use crate::transition::orderings::link;
use crate::transition::{actions, fencing};

/// Creates all actions of a primitive: stops and starts (also optional ones), role changes,
/// recurring actions, migration.
pub(super) fn schedule(cluster: &mut Cluster, id: ResourceId) {
    if cluster.resource(id).next_role == Role::Unknown {
        let resource = cluster.resource_mut(id);
        resource.next_role = if resource.assigned.is_none() {
            Role::Stopped
        } else {
            Role::Started
        };
    }
    let current = cluster.current_node(id);
    for source in cluster.resource(id).dangling_sources.clone() {
        let stop = actions::required_once(cluster, id, Task::Stop, source);
        cluster.action_mut(stop).migration_abort = true;
    }

    let resource = cluster.resource(id);
    let (assigned, next_role) = (resource.assigned, resource.next_role);
    let moving = current.is_some()
        && assigned.is_some()
        && current != assigned
        && next_role >= Role::Started;
    let mut may_migrate = moving && migration::can_migrate(cluster, id, current);
    let mut need_stop = moving;
    let mut need_promote = false;
    let multiply_active =
        settle_partial_migration(cluster, id, current, &mut may_migrate, &mut need_stop);
    note_multiply_active(cluster, id, multiply_active, &mut need_stop);

    let resource = cluster.resource(id);
    if resource.start_pending {
        let start = actions::optional(cluster, id, OperationKey::once(Task::Start), assigned);
        cluster.action_mut(start).always_in_graph = true;
    }
    let resource = cluster.resource(id);
    if moving {
        // the stop is needed already
    } else if resource.failed {
        if resource.stop_if_failed {
            need_stop = true;
        } else if next_role == Role::Promoted {
            need_promote = true;
        }
    } else if resource.blocked {
        need_stop = true;
    } else if resource.role > Role::Started && current.is_some() && assigned.is_some() {
        let start = actions::optional(cluster, id, OperationKey::once(Task::Start), assigned);
        need_stop |= !cluster.action(start).optional;
    }

    schedule_restart(cluster, id, current, need_stop, need_promote);
    schedule_transition(cluster, id);
    recurring::schedule(cluster, id);
    if let (true, Some(current)) = (may_migrate, current) {
        migration::schedule(cluster, id, current);
    }
}

/// §5.1 step 5: a partial migration continues, or is ignored. Returns whether the resource counts
/// as multiply active.
fn settle_partial_migration(
    cluster: &mut Cluster,
    id: ResourceId,
    current: Option<NodeId>,
    may_migrate: &mut bool,
    need_stop: &mut bool,
) -> bool {
    let resource = cluster.resource(id);
    let (source, target) = (resource.partial_source, resource.partial_target);
    if source.is_some()
        && target.is_some()
        && *may_migrate
        && resource.active_on.len() == 2
        && current == source
        && resource.assigned == target
    {
        return false;
    }
    if source.is_some() || target.is_some() {
        *need_stop = true;
        *may_migrate = false;
        let resource = cluster.resource_mut(id);
        resource.partial_source = None;
        resource.partial_target = None;
        return false;
    }
    let counts = |n: &&NodeId| {
        let node = cluster.node(**n);
        resource.needs_fencing || node.online && !node.unclean
    };
    resource.active_on.iter().filter(counts).count() > 1
}

/// Reports a resource that is active on several nodes, and lets it stop as `multiple-active` says
/// (§5.1 step 6).
fn note_multiply_active(
    cluster: &mut Cluster,
    id: ResourceId,
    multiply_active: bool,
    need_stop: &mut bool,
) {
    if !multiply_active {
        cluster.resource_mut(id).stop_unexpected = false;
        return;
    }
    let resource = cluster.resource(id);
    let response = match resource.multiple_active {
        MultipleActive::StopStart => "attempting recovery",
        MultipleActive::StopUnexpected => "stopping unexpected instances",
        MultipleActive::StopOnly => "shutting it down",
        MultipleActive::Block => "waiting for an administrator",
    };
    let text = format!(
        "{} resource {} might be active on {} nodes ({response})",
        resource.agent.class,
        resource.id,
        resource.active_on.len()
    );
    cluster.say(Level::Error, text);
    let resource = cluster.resource_mut(id);
    match resource.multiple_active {
        MultipleActive::StopStart => *need_stop = true,
        MultipleActive::StopUnexpected => {
            *need_stop = true;
            resource.stop_unexpected = true;
        }
        MultipleActive::StopOnly | MultipleActive::Block => {}
    }
}

/// One step on the way from role to role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Stop,
    Start,
    Promote,
    Demote,
}

/// The next intermediate role from `from` towards `to` (§5.2, first table).
fn towards(from: Role, to: Role) -> Role {
    use Role::*;
    match (from, to) {
        (Unknown, Unknown) => Unknown,
        (Unknown, _) => Stopped,
        (Stopped, Unknown | Stopped) => Stopped,
        (Stopped, Started) => Started,
        (Stopped, Unpromoted | Promoted) => Unpromoted,
        (Started, Unknown | Stopped) => Stopped,
        (Started, other) => other,
        (Unpromoted, Unknown | Stopped | Started) => Stopped,
        (Unpromoted, other) => other,
        (Promoted, Unknown) => Stopped,
        (Promoted, Promoted) => Promoted,
        (Promoted, _) => Unpromoted,
    }
}

/// What a single step needs (§5.2, second table); `None` ends the walk.
fn step(from: Role, to: Role) -> Option<Step> {
    use Role::*;
    Some(match (from, to) {
        (Unknown, Stopped) => Step::Stop,
        (Stopped, Started | Unpromoted) => Step::Start,
        (Started, Stopped) => Step::Stop,
        (Started, Promoted) => Step::Promote,
        (Unpromoted, Stopped | Started) => Step::Stop,
        (Unpromoted, Promoted) => Step::Promote,
        (Promoted, Stopped | Started | Unpromoted) => Step::Demote,
        _ => return None,
    })
}

/// §5.3: down to Stopped and up again to the current role; optional unless needed.
fn schedule_restart(
    cluster: &mut Cluster,
    id: ResourceId,
    current: Option<NodeId>,
    need_stop: bool,
    need_promote: bool,
) {
    cluster.resource_mut(id).restarting = true;
    let (original, next_role) = (cluster.resource(id).role, cluster.resource(id).next_role);
    let mut role = original;
    while role != Role::Stopped {
        let next = towards(role, Role::Stopped);
        let Some(step) = step(role, next) else { break };
        schedule_step(cluster, id, step, current, !need_stop);
        role = next;
    }
    while original <= next_role && role != original && !cluster.resource(id).blocked {
        let next = towards(role, original);
        let required = need_stop || next == Role::Promoted && need_promote;
        let Some(step) = step(role, next) else { break };
        schedule_step(cluster, id, step, cluster.resource(id).assigned, !required);
        role = next;
    }
    cluster.resource_mut(id).restarting = false;
}

/// §5.4: from the current role to the next role.
fn schedule_transition(cluster: &mut Cluster, id: ResourceId) {
    let mut role = cluster.resource(id).role;
    loop {
        let next_role = cluster.resource(id).next_role;
        if role == next_role {
            return;
        }
        let next = towards(role, next_role);
        let Some(step) = step(role, next) else { return };
        schedule_step(cluster, id, step, cluster.resource(id).assigned, false);
        role = next;
    }
}

fn schedule_step(
    cluster: &mut Cluster,
    id: ResourceId,
    step: Step,
    node: Option<NodeId>,
    optional: bool,
) {
    match step {
        Step::Stop => stop(cluster, id, optional),
        Step::Start => start(cluster, id, node, optional),
        Step::Promote => promote(cluster, id, node, optional),
        Step::Demote => demote(cluster, id, optional),
    }
}

/// With `multiple-active=stop_unexpected`, the instance on the assigned node is the expected one
/// and stays.
fn is_expected(cluster: &Cluster, id: ResourceId, node: Option<NodeId>) -> bool {
    let resource = cluster.resource(id);
    resource.stop_unexpected
        && resource.restarting
        && resource.next_role > Role::Stopped
        && node.is_some()
        && node == resource.assigned
}

fn stop(cluster: &mut Cluster, id: ResourceId, optional: bool) {
    let mut optional = optional;
    for node in cluster.resource(id).active_on.clone() {
        if is_expected(cluster, id, Some(node)) {
            continue;
        }
        let resource = cluster.resource(id);
        if let Some(target) = resource.partial_target {
            if target == node && resource.assigned == Some(node) {
                continue;
            }
            optional = false;
        }
        let stop = actions::action(
            cluster,
            id,
            OperationKey::once(Task::Stop),
            Some(node),
            optional,
        );
        let resource = cluster.resource(id);
        let (managed, unfence) = (resource.managed, resource.needs_unfencing);
        let reason = if resource.assigned.is_none() {
            Some("node availability")
        } else if resource.stop_unexpected && resource.restarting {
            Some("being multiply active")
        } else {
            None
        };
        let action = cluster.action_mut(stop);
        if let Some(reason) = reason {
            action.replace_reason(reason);
        }
        if !managed {
            action.runnable = false;
        }
        if unfence {
            let unfencing = fencing::action(cluster, node, fencing::Request::ON);
            link(cluster, stop, unfencing, OrderFlags::PULL);
        }
    }
}

fn start(cluster: &mut Cluster, id: ResourceId, node: Option<NodeId>, optional: bool) {
    let start = actions::optional(cluster, id, OperationKey::once(Task::Start), node);
    if let Some(node) = node {
        fencing::order_after_unfencing(cluster, id, node, start, OrderFlags::PUSH);
    }
    let expected = is_expected(cluster, id, node);
    let action = cluster.action_mut(start);
    if action.runnable && !optional {
        action.optional = false;
    }
    if expected {
        action.pseudo = true;
    }
}

fn promote(cluster: &mut Cluster, id: ResourceId, node: Option<NodeId>, optional: bool) {
    if let Some(node) = node {
        let starts = actions::find_exact(cluster, id, &OperationKey::once(Task::Start), node);
        if starts.iter().any(|start| !cluster.action(*start).runnable) {
            for promote in
                actions::find_exact(cluster, id, &OperationKey::once(Task::Promote), node)
            {
                cluster.action_mut(promote).runnable = false;
            }
            return;
        }
    }
    let promote = actions::action(
        cluster,
        id,
        OperationKey::once(Task::Promote),
        node,
        optional,
    );
    if is_expected(cluster, id, node) {
        cluster.action_mut(promote).pseudo = true;
    }
}

fn demote(cluster: &mut Cluster, id: ResourceId, optional: bool) {
    for node in cluster.resource(id).active_on.clone() {
        if !is_expected(cluster, id, Some(node)) {
            actions::action(
                cluster,
                id,
                OperationKey::once(Task::Demote),
                Some(node),
                optional,
            );
        }
    }
}
