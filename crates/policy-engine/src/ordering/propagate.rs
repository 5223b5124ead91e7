//! The propagation algorithm (scheduler-spec/05 §13): how the flags of each action change those of
//! the actions ordered after it, and of those ordered before it.
//!
//! It is recursive, depth first, and ends because flags only change in one direction. The order of
//! evaluation decides which reason is set first, so it must stay as it is.

use rustc_hash::FxHashMap;

use super::child_actions::{Answers, Kind, Wanted};
use super::effective_flags::{self, PartFlagsCache};
use crate::assignment::colocations;
use crate::model::*;
use crate::transition::actions;
use crate::transition::orderings::link;

/// Answers that are kept while flags propagate.
#[derive(Debug, Default)]
pub struct PropagationCache {
    /// Which kinds of actions the children of collectives have.
    pub(super) answers: Answers,
    /// The flags of collectives' actions, derived from their parts.
    pub(super) part_flags: PartFlagsCache,
    /// Nodes of groups, each as of a number of commitments (`Cluster::commitments`).
    group_nodes: FxHashMap<ResourceId, (u64, Option<NodeId>)>,
}

/// Propagation of flags along the links of a cluster's actions.
pub(crate) struct Propagation<'c> {
    pub(super) cluster: &'c mut Cluster,
    pub(super) cache: &'c mut PropagationCache,
}

/// Which side of a link changed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Changed {
    /// The first action.
    pub first: bool,
    /// The then action.
    pub then: bool,
}

impl Changed {
    /// Adds the sides that changed in `other`.
    pub(super) fn also(&mut self, other: Changed) {
        self.first |= other.first;
        self.then |= other.then;
    }
}

impl<'c> Propagation<'c> {
    /// Propagation with the answers that are known already.
    pub(crate) fn new(cluster: &'c mut Cluster, cache: &'c mut PropagationCache) -> Self {
        Propagation { cluster, cache }
    }

    /// Evaluates all links of `then` to actions ordered before it (§13.1).
    pub(super) fn evaluate(&mut self, then: ActionId) {
        // A chain of orderings may be as long as the configuration: grow the stack instead of
        // overflowing it.
        stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.evaluate_here(then));
    }

    /// Evaluates all actions that are ordered after `first`, newest link first.
    pub(super) fn evaluate_after(&mut self, first: ActionId) {
        for index in (0..self.cluster.action(first).after.len()).rev() {
            let then = self.cluster.action(first).after[index].then;
            self.evaluate(then);
        }
    }

    fn evaluate_here(&mut self, then: ActionId) {
        let before = effective_flags::own(self.cluster, then);
        let counting = self.cluster.action(then).min_required > 0;
        if counting {
            let action = self.cluster.action_mut(then);
            action.seen = 0;
            action.runnable = false;
        }
        let mut then_changed = false;
        for index in (0..self.cluster.action(then).before.len()).rev() {
            then_changed |= self.evaluate_link(then, index);
        }
        if counting {
            then_changed = effective_flags::own(self.cluster, then) != before;
        }
        if then_changed {
            if before.runnable && !self.cluster.action(then).runnable {
                self.block_dependents(then);
            }
            self.evaluate(then);
            self.evaluate_after(then);
        }
    }

    /// The node of an action; for the start of a group the node of its members.
    fn node_of(&mut self, id: ActionId) -> Option<NodeId> {
        let action = self.cluster.action(id);
        match action.resource {
            Some(resource)
                if action.task == Task::Start && self.cluster.resource(resource).is_group() =>
            {
                self.group_node(resource)
            }
            _ => action.node,
        }
    }

    /// The node of a group. It is needed for each link of each member, so it is kept until a
    /// resource is assigned to another node.
    fn group_node(&mut self, group: ResourceId) -> Option<NodeId> {
        let as_of = self.cluster.commitments;
        let known = self.cache.group_nodes.get(&group).copied();
        if let Some((_, node)) = known.filter(|known| known.0 == as_of) {
            return node;
        }
        let node = self.cluster.location_of(group, Where::Assigned);
        self.cache.group_nodes.insert(group, (as_of, node));
        node
    }

    /// §13.1 step 2 for one link; true if `then` changed.
    fn evaluate_link(&mut self, then: ActionId, index: usize) -> bool {
        let InLink { first, flags, .. } = self.cluster.action(then).before[index];
        let (first_node, then_node) = (self.node_of(first), self.node_of(then));
        if flags.has(OrderFlags::SAME_NODE)
            && first_node.is_some()
            && then_node.is_some()
            && first_node != then_node
        {
            self.cluster.action_mut(then).before[index].flags = OrderFlags::NONE;
            return false;
        }
        let (first_resource, then_resource) = (
            self.cluster.action(first).resource,
            self.cluster.action(then).resource,
        );
        if let Some(resource) = first_resource
            && flags.has(OrderFlags::CANCELS)
            && !self.cluster.action(then).optional
        {
            self.cluster.set_optional(first, true);
            if self.cluster.action(first).task == Task::ReloadAgent {
                self.cluster.resource_mut(resource).reload = false;
            }
        }
        let mut mapped = first;
        if let (Some(a), Some(b)) = (first_resource, then_resource)
            && a != b
            && !self.cluster.is_ancestor(a, b)
        {
            mapped = remap(self.cluster, first, a);
        }
        let mut changed = Changed::default();
        if mapped != first {
            if link(self.cluster, mapped, then, flags) {
                changed.then = true;
                self.cluster.action_mut(then).before[index].flags = OrderFlags::NONE;
            }
        } else {
            let first_flags = self.effective_flags(first, then_node);
            let then_flags = self.effective_flags(then, first_node);
            changed.also(self.apply(then, index, first_flags, then_flags));
        }
        if changed.first {
            self.evaluate_after(mapped);
            self.evaluate(mapped);
        }
        changed.then
    }

    /// Blocks the resources that are colocated with a start or promotion that cannot happen (§13.6,
    /// 04 §8.10).
    pub(super) fn block_dependents(&mut self, id: ActionId) {
        let action = self.cluster.action(id);
        let (Some(resource), task) = (action.resource, action.task.clone()) else {
            return;
        };
        if !matches!(task, Task::Start | Task::Promote) {
            return;
        }
        let top = self.cluster.top_including_bundle(resource);
        let wanted = Wanted {
            task: task.clone(),
            node: None,
        };
        if self.any_child(top, Kind::Runnable, &wanted)
            || self.any_child(top, Kind::Missing, &wanted)
        {
            return;
        }
        for colocation in colocations::with_this(self.cluster, top) {
            let colocation = self.cluster.colocation(colocation);
            if !colocation.score.is_infinity()
                || task == Task::Promote && colocation.primary_role != Some(Role::Promoted)
            {
                continue;
            }
            let blocked = match colocation.dependent_role {
                Some(Role::Promoted) => Task::Promote,
                _ => Task::Start,
            };
            self.block(colocation.dependent, &blocked, resource);
        }
    }

    fn block(&mut self, id: ResourceId, task: &Task, because: ResourceId) {
        let actions = self.cluster.resource(id).actions.to_vec();
        for action in actions.into_iter().rev() {
            if !self.cluster.action(action).runnable || self.cluster.action(action).task != *task {
                continue;
            }
            let reason = format!("colocation with {}", self.cluster.resource(because).id);
            self.cluster.set_runnable(action, false);
            self.cluster.action_mut(action).set_reason(reason);
            stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.block_dependents(action));
            self.evaluate(action);
        }
        for child in self.cluster.resource(id).children.clone() {
            self.block(child, task, because);
        }
    }
}

/// The action for which actions of other resources wait, instead of a collective's action: its
/// completion, or the confirmation of its notifications (§13.2, 04 §12.2).
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
