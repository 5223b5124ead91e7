//! Why an action is not possible: what has to be done before it and cannot be done, down to what
//! has a reason of its own.

use std::collections::BTreeSet;

use super::answer::{Statement, Value};
use super::orders::Order;
use super::steps::participle;
use super::{Explainer, codes};
use crate::model::{Action, ActionId, OrderFlags, ResourceId, Role, Task};
use crate::scalar;

impl Explainer<'_> {
    /// Why an action that is wanted is not possible.
    pub(super) fn impossible(&self, id: ActionId) -> Option<Statement> {
        let action = self.cluster.action(id);
        if let Some(node) = action.node
            && (!self.cluster.node(node).online || self.cluster.node(node).pending)
            && let Some(reason) = self.node_problem(node)
        {
            let node = self.node_name(node);
            return Some(self.say(
                &codes::NODE_UNREACHABLE,
                vec![("node", node.into()), ("reason", reason.into())],
            ));
        }
        let (resource, task, order) = self.obstacle(id)?;
        let name = self.name(resource);
        let verb = participle(&task);
        let leaf = self.stopped_leaf(resource)?;
        let (root, chain) = self.root_obstacle(leaf);
        let unpromoted = self.why_unpromoted(resource, &task);
        let reason = unpromoted.or_else(|| self.behind(root, || self.short_reason(root)));
        let reason = reason.unwrap_or_else(|| self.plain(&codes::STATE));
        let order = order.or_else(|| self.constraint_between(resource, action.resource?));
        let any = order.as_ref().map_or(&[][..], |order| &order.any_of);
        let reason = match any {
            [] | [_] => Value::from(reason),
            any => any
                .iter()
                .filter_map(|it| self.stopped_leaf(*it))
                .filter_map(|leaf| self.behind(leaf, || self.short_reason(leaf)))
                .collect::<Vec<_>>()
                .into(),
        };
        let first = match any {
            [_, _, ..] => {
                let names: Vec<String> = any.iter().map(|it| self.cleanup_name(*it)).collect();
                let names = names.join(" or ");
                format!("{names} (one is enough: require-all=false) has to be {verb}")
            }
            _ => match self.enough_first(resource, action.resource) {
                Some(enough) => enough,
                None => format!("{name} has to be {verb}"),
            },
        };
        let mut parameters = vec![("first", Value::from(first)), ("reason", reason)];
        if !chain.is_empty() {
            parameters.push(("chain", chain.into()));
        }
        if let Some(own) = action.resource {
            let via = match (order, self.common_group(own, resource)) {
                (_, Some(group)) => Some(format!("group {group}")),
                (Some(order), None) => Some(format!(
                    "order constraint {}",
                    self.terms.constraint(&order.id)
                )),
                (None, None) => None,
            };
            parameters.extend(via.map(|via| ("constraint", Value::from(via))));
        }
        Some(self.say(&codes::FIRST_IMPOSSIBLE, parameters))
    }

    /// Why nothing of a resource is promoted, if that has to come first.
    fn why_unpromoted(&self, id: ResourceId, task: &Task) -> Option<Statement> {
        if task.folded() != Task::Promote {
            return None;
        }
        let leaves = self.cluster.leaves(id).into_iter();
        let mut runs = leaves.filter(|leaf| {
            let leaf = self.cluster.resource(*leaf);
            leaf.promotable && leaf.assigned.is_some() && leaf.next_role != Role::Promoted
        });
        let leaf = runs.next()?;
        let reason = self.behind(leaf, || self.promotion(leaf))?;
        Some(self.of(leaf, reason))
    }

    /// That so many instances of a clone have to run before what is not part of it.
    fn enough_first(&self, first: ResourceId, own: Option<ResourceId>) -> Option<String> {
        let clone = self.cluster.top(first);
        let min = self.cluster.resource(clone).meta.text("clone-min");
        let min = min.and_then(scalar::integer)?;
        let is_part = own.is_some_and(|own| self.cluster.top(own) == clone);
        (min > 1 && !is_part).then(|| {
            let name = self.name(clone);
            format!("{min} instances of {name} (clone-min) have to be started")
        })
    }

    /// What has to be done before an action and is not possible, as it was recorded, or else as the
    /// links show it; with the constraint on the way.
    fn obstacle(&self, id: ActionId) -> Option<(ResourceId, Task, Option<Order>)> {
        let action = self.cluster.action(id);
        let own = action.resource;
        let recorded = action.reason.as_deref();
        let named = |word| {
            let named = recorded.and_then(|reason| self.named_in(reason, word));
            let (resource, task) = named.filter(|(it, _)| Some(*it) != own)?;
            let order = own.and_then(|own| self.constraint_between(resource, own));
            Some((resource, task, order))
        };
        if let Some(found) = named("unrunnable ") {
            return Some(found);
        }
        // What requires an action need not be what stands in its way.
        let Some((culprit, order)) = self.culprit(id, own, &mut BTreeSet::new()) else {
            return named("required ");
        };
        let first = self.cluster.action(culprit);
        Some((first.resource?, first.task.clone(), order))
    }

    /// What is behind a start that is not possible, down to what has a reason of its own, and what
    /// is on the way.
    fn root_obstacle(&self, leaf: ResourceId) -> (ResourceId, Vec<String>) {
        let (mut root, mut seen, mut chain) = (leaf, vec![leaf], Vec::new());
        loop {
            let resource = self.cluster.resource(root);
            if resource.assigned.is_none() || !resource.managed {
                break;
            }
            let mut starts = resource.actions.iter().copied();
            let start = starts.find(|start| {
                let start = self.cluster.action(*start);
                start.task == Task::Start && !start.runnable
            });
            let next = start.and_then(|start| self.obstacle(start));
            let Some((next, ..)) = next else { break };
            let Some(leaf) = self.stopped_leaf(next).filter(|leaf| !seen.contains(leaf)) else {
                break;
            };
            chain.push(self.name(next));
            seen.push(leaf);
            root = leaf;
        }
        (root, chain)
    }

    /// The part of a resource that explains why it does not run.
    pub(super) fn stopped_leaf(&self, id: ResourceId) -> Option<ResourceId> {
        let leaves = self.cluster.leaves(id);
        let held = |leaf: &&ResourceId| {
            let mut actions = self.cluster.resource(**leaf).actions.iter();
            actions.any(|action| {
                let action = self.cluster.action(*action);
                action.task == Task::Start && !action.runnable && !action.optional
            })
        };
        let held = leaves
            .iter()
            .find(held)
            .filter(|leaf| self.cluster.resource(**leaf).assigned.is_some());
        let stopped = |leaf: &&ResourceId| self.cluster.resource(**leaf).assigned.is_none();
        let stopped = leaves.iter().find(stopped);
        held.or(stopped).or(leaves.first()).copied()
    }

    /// The action of another resource that is not possible, behind one that waits for it, and the
    /// constraint on the way.
    fn culprit(
        &self,
        id: ActionId,
        own: Option<ResourceId>,
        seen: &mut BTreeSet<ActionId>,
    ) -> Option<(ActionId, Option<Order>)> {
        if !seen.insert(id) {
            return None;
        }
        let then = self.cluster.action(id);
        let strict = OrderFlags::GATE
            | OrderFlags::MIN_GATE
            | OrderFlags::ONE_WAY
            | OrderFlags::PULL
            | OrderFlags::PUSH
            | OrderFlags::RESTART;
        for link in then
            .before
            .iter()
            .rev()
            .filter(|link| link.flags.any(strict))
        {
            let first = self.cluster.action(link.first);
            let resource = first.resource;
            let primitive = resource.is_some_and(|it| self.cluster.resource(it).is_primitive());
            if first.runnable && !self.undone_below(first) {
                continue;
            }
            let ends = resource
                .zip(then.resource)
                .filter(|(a, b)| self.are_apart(*a, *b));
            let order = ends.and_then(|(a, b)| self.constraint_between(a, b));
            let is_other = resource.is_some() && resource != own;
            if is_other && primitive {
                return Some((link.first, order));
            }
            if let Some((culprit, further)) = self.culprit(link.first, own, seen) {
                return Some((culprit, order.or(further)));
            }
            let above_own = own.zip(resource);
            let above_own = above_own.is_some_and(|(own, it)| self.cluster.is_ancestor(it, own));
            if is_other && !above_own {
                return Some((link.first, order));
            }
        }
        None
    }

    /// Whether an action of a collective is not possible because those of its parts are not.
    fn undone_below(&self, action: &Action) -> bool {
        let Some(resource) = action.resource else {
            return false;
        };
        if self.cluster.resource(resource).is_primitive() {
            return false;
        }
        let leaves = self.cluster.leaves(resource);
        let task = action.task.folded();
        task == Task::Start
            && leaves
                .iter()
                .all(|leaf| self.cluster.resource(*leaf).assigned.is_none())
    }
}
