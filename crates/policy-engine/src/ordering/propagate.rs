//! The propagation algorithm (scheduler-spec/05 §13): what each action means for those ordered
//! after it, and back.
//!
//! Plainly recursive, depth first; it ends because marks only change in one direction. The order of
//! evaluation decides which reason is set first, so it must stay as it is.

use super::parts::{self, Kind, Wanted};
use super::{marks, update};
use crate::assignment::colocations;
use crate::model::*;
use crate::transition::actions;
use crate::transition::orderings::link;

/// Which side of a link changed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Changed {
    /// The first action.
    pub first: bool,
    /// The then action.
    pub then: bool,
}

impl Changed {
    /// Adds what `other` found.
    pub(super) fn also(&mut self, other: Changed) {
        self.first |= other.first;
        self.then |= other.then;
    }
}

/// Evaluates everything that is ordered before `then` (§13.1).
pub(super) fn evaluate(cluster: &mut Cluster, then: ActionId) {
    // A chain of orderings may be as long as the configuration: grow the stack instead of
    // overflowing it.
    stacker::maybe_grow(64 * 1024, 1024 * 1024, || evaluate_here(cluster, then));
}

/// Evaluates everything that is ordered after `first`, newest link first.
pub(super) fn evaluate_after(cluster: &mut Cluster, first: ActionId) {
    for index in (0..cluster.action(first).after.len()).rev() {
        let then = cluster.action(first).after[index].then;
        evaluate(cluster, then);
    }
}

fn evaluate_here(cluster: &mut Cluster, then: ActionId) {
    let before = marks::own(cluster, then);
    let counting = cluster.action(then).min_required > 0;
    if counting {
        let action = cluster.action_mut(then);
        action.seen = 0;
        action.runnable = false;
    }
    let mut then_changed = false;
    for index in (0..cluster.action(then).before.len()).rev() {
        then_changed |= evaluate_link(cluster, then, index);
    }
    if counting {
        then_changed = marks::own(cluster, then) != before;
    }
    if then_changed {
        if before.runnable && !cluster.action(then).runnable {
            block_dependents(cluster, then);
        }
        evaluate(cluster, then);
        evaluate_after(cluster, then);
    }
}

/// Where an action happens; the start of a group where its members are assigned.
fn node_of(cluster: &Cluster, id: ActionId) -> Option<NodeId> {
    let action = cluster.action(id);
    match action.resource {
        Some(resource) if action.task == Task::Start && cluster.resource(resource).is_group() => {
            group_node(cluster, resource)
        }
        _ => action.node,
    }
}

/// The node of a whole group, asked for each link of each member; remembered until something is
/// assigned to another node.
fn group_node(cluster: &Cluster, group: ResourceId) -> Option<NodeId> {
    let as_of = cluster.commitments;
    let known = cluster.caches.group_nodes.borrow().get(&group).copied();
    if let Some((_, node)) = known.filter(|known| known.0 == as_of) {
        return node;
    }
    let node = cluster.location_of(group, false);
    let mut cache = cluster.caches.group_nodes.borrow_mut();
    cache.insert(group, (as_of, node));
    node
}

/// §13.1 step 2 for one link; true if `then` changed.
fn evaluate_link(cluster: &mut Cluster, then: ActionId, index: usize) -> bool {
    let InLink { first, flags, .. } = cluster.action(then).before[index];
    let (first_node, then_node) = (node_of(cluster, first), node_of(cluster, then));
    if flags.has(OrderFlags::SAME_NODE)
        && first_node.is_some()
        && then_node.is_some()
        && first_node != then_node
    {
        cluster.action_mut(then).before[index].flags = OrderFlags::NONE;
        return false;
    }
    let (first_resource, then_resource) = (
        cluster.action(first).resource,
        cluster.action(then).resource,
    );
    if let Some(resource) = first_resource
        && flags.has(OrderFlags::CANCELS)
        && !cluster.action(then).optional
    {
        cluster.set_optional(first, true);
        if cluster.action(first).task == Task::ReloadAgent {
            cluster.resource_mut(resource).reload = false;
        }
    }
    let mut mapped = first;
    if let (Some(a), Some(b)) = (first_resource, then_resource)
        && a != b
        && !cluster.is_ancestor(a, b)
    {
        mapped = remap(cluster, first, a);
    }
    let mut changed = Changed::default();
    if mapped != first {
        if link(cluster, mapped, then, flags) {
            changed.then = true;
            cluster.action_mut(then).before[index].flags = OrderFlags::NONE;
        }
    } else {
        let first_marks = marks::effective(cluster, first, then_node);
        let then_marks = marks::effective(cluster, then, first_node);
        changed.also(update::apply(cluster, then, index, first_marks, then_marks));
    }
    if changed.first {
        evaluate_after(cluster, mapped);
        evaluate(cluster, mapped);
    }
    changed.then
}

/// What an action of a collective means for actions of other resources: its completion, or the
/// confirmation of its notifications (§13.2, 04 §12.2).
fn remap(cluster: &Cluster, first: ActionId, resource: ResourceId) -> ActionId {
    let (action, owner) = (cluster.action(first), cluster.resource(resource));
    if owner.is_primitive() || action.key.notify.is_some() || action.key.interval_ms > 0 {
        return first;
    }
    let completion = match &action.task {
        task
        @ (Task::Running | Task::Stopped | Task::Promoted | Task::Demoted | Task::Notified) => {
            task.clone()
        }
        task => match task.completion() {
            Some(completion) => completion,
            None => return first,
        },
    };
    let confirms =
        owner.notify && (owner.is_clone() || owner.is_bundle() || cluster.in_bundle(resource));
    let key = if confirms {
        OperationKey::notification(NotifyPhase::ConfirmedPost, completion)
    } else {
        OperationKey::once(completion)
    };
    actions::newest_key(cluster, resource, &key).unwrap_or(first)
}

/// What depends on a start or promote that cannot happen cannot happen either (§13.6, 04 §8.10).
pub(super) fn block_dependents(cluster: &mut Cluster, id: ActionId) {
    let action = cluster.action(id);
    let (Some(resource), task) = (action.resource, action.task.clone()) else {
        return;
    };
    if !matches!(task, Task::Start | Task::Promote) {
        return;
    }
    let top = cluster.top_including_bundle(resource);
    let wanted = Wanted {
        task: task.clone(),
        node: None,
    };
    if parts::any(cluster, top, Kind::Runnable, &wanted)
        || parts::any(cluster, top, Kind::Missing, &wanted)
    {
        return;
    }
    for colocation in colocations::with_this(cluster, top) {
        let colocation = cluster.colocation(colocation);
        if !colocation.score.is_infinity()
            || task == Task::Promote && colocation.primary_role != Some(Role::Promoted)
        {
            continue;
        }
        let blocked = match colocation.dependent_role {
            Some(Role::Promoted) => Task::Promote,
            _ => Task::Start,
        };
        block(cluster, colocation.dependent, &blocked, resource);
    }
}

fn block(cluster: &mut Cluster, id: ResourceId, task: &Task, because: ResourceId) {
    let actions = cluster.resource(id).actions.to_vec();
    for action in actions.into_iter().rev() {
        if !cluster.action(action).runnable || cluster.action(action).task != *task {
            continue;
        }
        let reason = format!("colocation with {}", cluster.resource(because).id);
        cluster.set_runnable(action, false);
        cluster.action_mut(action).set_reason(reason, false);
        stacker::maybe_grow(64 * 1024, 1024 * 1024, || block_dependents(cluster, action));
        evaluate(cluster, action);
    }
    for child in cluster.resource(id).children.clone() {
        block(cluster, child, task, because);
    }
}
