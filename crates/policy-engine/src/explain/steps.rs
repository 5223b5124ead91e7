//! What is done with a resource, in order; what each action waits for, and why one is not possible.

use std::collections::BTreeSet;

use super::answer::{Statement, Step, Value, constraint};
use super::failures::operation_text;
use super::{Explainer, codes};
use crate::model::{Action, ActionId, OrderFlags, ResourceId, Score, Task};
use crate::output::summary::ResourceChange;

/// Things that an action waits for, at most this many.
const WAITS: usize = 8;

/// The way from an action back to one that it waits for, over pseudo-actions.
type Path = Vec<(ActionId, ActionId)>;

impl<'s> Explainer<'s> {
    /// An action in words: what is done, and where.
    fn action_text(&self, id: ActionId) -> String {
        let action = self.cluster.action(id);
        let interval = i64::from(action.interval_ms());
        let what = match (&action.task, &action.cancelled_task) {
            (Task::Cancel, Some(task)) => {
                format!("end of {}", operation_text(task.name(), interval))
            }
            (Task::ClearFailcount, _) => "its failures are forgotten".to_owned(),
            (Task::LrmDelete | Task::Delete, _) => "its history is deleted".to_owned(),
            (task, _) => operation_text(task.name(), interval),
        };
        match (action.node.map(|node| self.node_name(node)), &action.task) {
            (Some(node), Task::MigrateTo) => format!("live migration from {node}"),
            (Some(node), Task::MigrateFrom) => format!("live migration to {node}"),
            (Some(node), _) => format!("{what} on {node}"),
            (None, _) => what,
        }
    }

    /// What to know about an action beside what it does.
    fn remark_on(&self, action: &Action) -> &'static str {
        let resource = action.resource.map(|id| self.cluster.resource(id));
        let under_way = resource.is_some_and(|it| {
            it.pending_task.as_ref() == Some(&action.task) && it.pending_node == action.node
        });
        let fenced = action
            .node
            .is_some_and(|node| self.cluster.node(node).unclean);
        match (action.pseudo, fenced) {
            (true, true) => " (done by the fencing)",
            (true, false) if action.resource.is_some_and(|it| self.stays_on_one(it)) => {
                " (it goes on running there)"
            }
            (true, false) => " (done by the migration)",
            (false, _) if under_way => " (under way)",
            (false, _) => "",
        }
    }

    /// The actions of a resource in their order.
    pub(super) fn steps(&self, id: ResourceId) -> Vec<Step> {
        let actions = self.cluster.resource(id).actions.iter().copied();
        let (mut done, mut impossible) = (Vec::new(), Vec::new());
        let managed = self.cluster.resource(id).managed;
        for action in actions {
            let it = self.cluster.action(action);
            if it.in_graph && it.task != Task::Notify && !it.task.is_completion() {
                done.push(action);
            } else if managed
                && it.node.is_some()
                && !it.in_graph
                && !it.optional
                && !it.runnable
                && !it.pseudo
                && matches!(
                    it.task,
                    Task::Start | Task::Stop | Task::Promote | Task::Demote
                )
            {
                impossible.push(action);
            }
        }
        done.sort_by_key(|action| (self.order.rank(*action), *action));
        let done = done.into_iter().map(|action| Step {
            action: self.action_text(action) + self.remark_on(self.cluster.action(action)),
            impossible: false,
            waits: self.waits(action),
        });
        let impossible = impossible.into_iter().map(|action| Step {
            action: self.action_text(action),
            impossible: true,
            waits: self.impossible(action).into_iter().collect(),
        });
        done.chain(impossible).collect()
    }

    /// What an action waits for.
    pub(super) fn waits(&self, id: ActionId) -> Vec<Statement> {
        let mut found: Vec<(ActionId, Path)> = Vec::new();
        self.real_inputs(id, &mut Vec::new(), &mut BTreeSet::new(), &mut found);
        let behind: BTreeSet<ActionId> = found
            .iter()
            .flat_map(|(first, _)| self.order.all_before(*first))
            .collect();
        found.retain(|(first, _)| !behind.contains(first));
        let mut statements: Vec<Statement> = Vec::new();
        for (first, path) in &found {
            let statement = self.wait(id, *first, path);
            self.merge(&mut statements, statement);
        }
        statements.truncate(WAITS);
        statements
    }

    /// Waits for several instances because of one constraint are one.
    fn merge(&self, statements: &mut Vec<Statement>, new: Statement) {
        let same = statements.iter_mut().find(|known| {
            let mergeable = [
                &codes::AFTER_ORDER,
                &codes::AFTER_PROBE,
                &codes::AFTER_NOTIFICATION,
            ];
            mergeable.contains(&known.code)
                && known.code == new.code
                && known.text_of("constraint") == new.text_of("constraint")
        });
        let Some(known) = same else {
            statements.push(new);
            return;
        };
        if let (Some(old), Some(more)) = (known.text_of("first"), new.text_of("first"))
            && !old.contains(more)
        {
            let both = format!("{old} and {more}");
            *known = self.with(known.clone(), "first", both);
        }
    }

    /// The real actions behind the inputs of an action.
    pub(super) fn real_inputs(
        &self,
        id: ActionId,
        path: &mut Path,
        seen: &mut BTreeSet<ActionId>,
        found: &mut Vec<(ActionId, Path)>,
    ) {
        for first in self.order.before(id) {
            if !seen.insert(first) {
                continue;
            }
            let action = self.cluster.action(first);
            let resource = action.resource.map(|it| self.cluster.resource(it));
            let is_real = !action.pseudo || resource.is_some_and(|it| it.is_primitive());
            path.push((first, id));
            match is_real && action.task != Task::Notify {
                true => found.push((first, path.clone())),
                false => self.real_inputs(first, path, seen, found),
            }
            path.pop();
        }
    }

    /// One action that another waits for.
    fn wait(&self, own: ActionId, first: ActionId, path: &Path) -> Statement {
        let (then, before) = (self.cluster.action(own), self.cluster.action(first));
        if before.task == Task::Stonith {
            let unfencing = before.meta("stonith_action") == Some("on");
            let code = match unfencing {
                true => &codes::AFTER_UNFENCING,
                false => &codes::AFTER_FENCING,
            };
            let node = before
                .node
                .map(|node| self.node_name(node))
                .unwrap_or_default();
            return self.say(code, vec![("node", node.into())]);
        }
        let done = ("first", Value::from(self.done(own, first)));
        let Some((resource, other)) = then.resource.zip(before.resource) else {
            return self.say(&codes::AFTER_OTHER, vec![done]);
        };
        if resource == other {
            return self.say(&codes::AFTER_OWN, vec![done]);
        }
        if before.task == Task::Monitor && before.interval_ms() == 0 {
            return self.say(&codes::AFTER_PROBE, vec![done]);
        }
        if let Some(order) = self.constraint_on(path) {
            return self.after_order(order, done, (other, &before.task), resource);
        }
        if let Some(group) = self.common_group(resource, other) {
            let members = self.cluster.resource(resource).parent;
            let members = members.map(|it| &self.cluster.resource(it).children);
            let place = |id| members.and_then(|all| all.iter().position(|it| *it == id));
            let position = match place(other) < place(resource) {
                true => "a member before",
                false => "a member after",
            };
            return self.say(
                &codes::AFTER_GROUP,
                vec![done, ("position", position.into()), ("group", group.into())],
            );
        }
        self.built_in(own, first, path, done)
    }

    fn after_order(
        &self,
        order: super::orders::Order,
        done: (&'static str, Value),
        (other, before): (ResourceId, &Task),
        resource: ResourceId,
    ) -> Statement {
        let mut parameters = vec![done, ("constraint", constraint(&order.id))];
        if let Some(kind) = order.kind {
            parameters.push(("kind", kind.into()));
        }
        let backward = matches!(before, Task::Stop | Task::Demote);
        parameters.extend(self.instances_meant(other, resource, backward));
        self.say(&codes::AFTER_ORDER, parameters)
    }

    /// Which instances of a clone come first: `interleave` of what comes after in the constraint
    /// says so, for stops too. Inside one clone nothing is left to say.
    fn instances_meant(
        &self,
        first: ResourceId,
        then: ResourceId,
        backward: bool,
    ) -> Option<(&'static str, Value)> {
        let (first, then) = (self.cluster.top(first), self.cluster.top(then));
        if first == then || !self.cluster.resource(first).is_clone() {
            return None;
        }
        let holder = if backward { first } else { then };
        let interleave = self.cluster.resource(holder).clone_data()?.interleave;
        self.cluster.resource(then).clone_data()?;
        let clone = self.name(first);
        let all = match interleave {
            false => format!(
                "all instances of {clone}, because interleave=false on {}",
                self.name(holder)
            ),
            true => "only the instance that belongs to it: interleave=true".into(),
        };
        Some(("all", Value::from(all)))
    }

    /// The same where an instance is restarted only because it needs all instances, and not the one
    /// beside it alone.
    fn instances_to_blame(
        &self,
        first: ResourceId,
        then: ResourceId,
    ) -> Option<(&'static str, Value)> {
        let then_clone = self.cluster.resource(self.cluster.top(then)).clone_data();
        if then_clone.is_none_or(|data| data.interleave) {
            return None;
        }
        let node = self.cluster.current_node(then)?;
        let first_clone = self.cluster.leaves(self.cluster.top(first));
        let mut beside = first_clone.into_iter().filter(|leaf| {
            let leaf = self.cluster.resource(*leaf);
            leaf.active_on.contains(&node) || leaf.assigned == Some(node)
        });
        match beside.any(|leaf| self.acts(leaf)) {
            true => None,
            false => self.instances_meant(first, then, false),
        }
    }

    fn built_in(
        &self,
        own: ActionId,
        first: ActionId,
        path: &Path,
        done: (&'static str, Value),
    ) -> Statement {
        let before = self.cluster.action(first);
        let loads = path.iter().find_map(|(action, _)| {
            let key = self.cluster.action(*action).text_key.as_deref()?;
            key.strip_prefix("load_stopped_")
        });
        if let Some(node) = loads {
            let node = Value::from(node.split_once('_').map_or(node, |it| it.0));
            let node = match before.node {
                Some(node) => Value::from(self.node_name(node)),
                None => node,
            };
            return self.say(&codes::AFTER_CAPACITY, vec![done, ("node", node)]);
        }
        let swapped = path.iter().any(|(first, then)| {
            let links = self.cluster.action(*then).before.iter();
            let mut links = links.filter(|link| link.first == *first);
            links.any(|link| link.flags.has(OrderFlags::SWAP))
        });
        let (resource, other) = (self.cluster.action(own).resource, before.resource);
        if swapped
            && let Some((resource, other)) = resource.zip(other)
            && let Some(id) = self.apart(resource, other)
        {
            return self.say(
                &codes::AFTER_APART,
                vec![done, ("constraint", constraint(&id))],
            );
        }
        if let Some(other) = other
            && let Some(node) = self.cluster.resource(other).remote_node
        {
            let node = Value::from(self.node_name(node));
            return self.say(&codes::AFTER_CONNECTION, vec![done, ("node", node)]);
        }
        self.say(&codes::AFTER_OTHER, vec![done])
    }

    /// The colocation that keeps two resources apart.
    fn apart(&self, a: ResourceId, b: ResourceId) -> Option<String> {
        let ids = |id: ResourceId| [id, self.cluster.top(id)];
        let (a, b) = (ids(a), ids(b));
        let found = self.cluster.colocations.iter().find(|it| {
            it.score < Score::ZERO
                && (a.contains(&it.dependent) && b.contains(&it.primary)
                    || b.contains(&it.dependent) && a.contains(&it.primary))
        })?;
        Some(self.constraint_of_set(&found.id))
    }

    /// The order constraint that a way goes over.
    pub(super) fn constraint_on(&self, path: &Path) -> Option<super::orders::Order> {
        for (first, then) in path {
            let (first, then) = (self.cluster.action(*first), self.cluster.action(*then));
            if let Some((a, b)) = first.resource.zip(then.resource)
                && self.are_apart(a, b)
                && let Some(order) = self.constraint_between(a, b)
            {
                return Some(order);
            }
        }
        let (first, _) = path.last()?;
        let (_, then) = path.first()?;
        let ends = self.cluster.action(*first).resource;
        let (a, b) = ends.zip(self.cluster.action(*then).resource)?;
        self.constraint_between(a, b)
    }

    pub(super) fn are_apart(&self, a: ResourceId, b: ResourceId) -> bool {
        a != b && !self.cluster.is_ancestor(a, b) && !self.cluster.is_ancestor(b, a)
    }

    /// The group that two resources are members of.
    pub(super) fn common_group(&self, a: ResourceId, b: ResourceId) -> Option<String> {
        let (a, b) = (self.cluster.resource(a), self.cluster.resource(b));
        let parent = self.cluster.resource(a.parent?);
        (a.parent == b.parent && parent.is_group()).then(|| parent.config_id.to_string())
    }

    /// An action as something that has been done.
    fn done(&self, own: ActionId, first: ActionId) -> String {
        let (then, action) = (self.cluster.action(own), self.cluster.action(first));
        let node = action
            .node
            .map(|node| self.node_name(node))
            .unwrap_or_default();
        let Some(resource) = action.resource else {
            return self.action_text(first);
        };
        if then.resource == action.resource {
            return match &action.cancelled_task {
                Some(task) => {
                    let interval = i64::from(action.interval_ms());
                    format!("its {} has ended", operation_text(task.name(), interval))
                }
                None => format!("its {}", self.action_text(first)),
            };
        }
        let name = self.name(resource);
        let interval = i64::from(action.interval_ms());
        match &action.task {
            Task::Start => format!("{name} has been started on {node}"),
            Task::Stop => format!("{name} has been stopped on {node}"),
            Task::Promote => format!("{name} has been promoted on {node}"),
            Task::Demote => format!("{name} has been demoted on {node}"),
            Task::MigrateTo => format!("{name} has left {node} by live migration"),
            Task::MigrateFrom => format!("{name} has arrived on {node} by live migration"),
            Task::Monitor if interval == 0 => format!("the probe of {name} on {node}"),
            task => format!(
                "{} of {name} on {node}",
                operation_text(task.name(), interval)
            ),
        }
    }

    /// Why it is restarted: what comes first is started, or its definition has changed.
    pub(super) fn why_restarted(
        &self,
        id: ResourceId,
        change: Option<&ResourceChange>,
    ) -> Statement {
        let reason = change.and_then(|change| change.reason.as_deref());
        let reason = reason.unwrap_or_default();
        if reason.contains("definition change") {
            return self.definition_changed(id);
        }
        let Some((mut root, mut task)) = self.named_in(reason, "required ") else {
            let known = self.unnamed_restart(id, reason);
            return known.unwrap_or_else(|| self.recorded(reason));
        };
        let via = self.via(root, id);
        let instances = self.instances_to_blame(root, id);
        let mut chain: Vec<String> = vec![self.name(id)];
        for _ in 0..self.cluster.resources.len() {
            let leaf = self.cluster.leaves(root).first().copied().unwrap_or(root);
            let further = self
                .schedule
                .summary
                .iter()
                .find_map(|change| match change {
                    crate::output::summary::Change::Resource(change)
                        if change.resource == self.cluster.resource(leaf).id =>
                    {
                        self.named_in(change.reason.as_deref()?, "required ")
                    }
                    _ => None,
                });
            let Some((next, next_task)) = further.filter(|(next, _)| *next != root) else {
                break;
            };
            chain.push(self.name(root));
            (root, task) = (next, next_task);
        }
        chain.reverse();
        let done = participle(&task);
        let leaves = self.cluster.leaves(root);
        let failed = leaves.iter().find(|it| self.cluster.resource(**it).failed);
        let named = failed.copied().unwrap_or(root);
        let mut parameters = vec![
            ("root", Value::from(self.name(named))),
            ("change", done.into()),
        ];
        if let Some(reason) = failed.and_then(|it| self.behind(*it, || self.short_reason(*it))) {
            parameters.push(("reason", reason.into()));
        }
        if let Some(instances) = instances {
            let clone = self.name(self.cluster.top(id));
            parameters.push(("clone", clone.into()));
            parameters.push(instances);
        }
        if chain.len() > 1 {
            parameters.push(("chain", chain.join(", then ").into()));
        }
        parameters.extend(via.map(|via| ("constraint", Value::from(via))));
        self.say(&codes::RESTART_AFTER, parameters)
    }

    /// Why it is restarted, where no other resource was recorded as the reason.
    fn unnamed_restart(&self, id: ResourceId, reason: &str) -> Option<Statement> {
        let node = self.cluster.current_node(id);
        if reason == "required stonith" {
            return node.and_then(|node| self.node_fencing(node));
        }
        if let Some(changed) = self.agent_changed(id) {
            return Some(changed);
        }
        let actions = self.cluster.resource(id).actions.iter();
        let mut reasons = actions.filter_map(|it| self.cluster.action(*it).reason.as_deref());
        let is_redefined = self.journal.redefined.iter().any(|it| it.resource == id);
        if is_redefined || reasons.any(|reason| reason.contains("definition change")) {
            return Some(self.definition_changed(id));
        }
        if let Some(inside) = self.failed_inside(id) {
            return Some(inside);
        }
        let failures = self.failures(id);
        let failure = failures.first().map(|failure| self.what_failed(failure));
        failure.or_else(|| self.stopped_by_order(id))
    }

    /// What makes one resource follow another, in words.
    fn via(&self, first: ResourceId, then: ResourceId) -> Option<String> {
        if let Some(group) = self.common_group(first, then) {
            return Some(format!("group {group}"));
        }
        let order = self.constraint_between(first, then)?;
        Some(format!(
            "order constraint {}",
            self.terms.constraint(&order.id)
        ))
    }

    /// The resource and the task of a recorded reason "WORD RESOURCE TASK".
    pub(super) fn named_in(&self, reason: &str, word: &str) -> Option<(ResourceId, Task)> {
        let rest = reason.strip_prefix(word)?;
        let (name, task) = rest.rsplit_once(' ')?;
        Some((self.cluster.find_resource(name)?, Task::parse(task)))
    }

    /// A recorded reason that has no code of its own.
    fn recorded(&self, reason: &str) -> Statement {
        match reason {
            "" => self.plain(&codes::STATE),
            reason => self.say(&codes::RECORDED, vec![("detail", reason.into())]),
        }
    }
}

/// What a task does, as a participle.
pub(super) fn participle(task: &Task) -> &'static str {
    let folded = match task {
        Task::Notified => Task::Start,
        task => task.folded(),
    };
    match folded {
        Task::Start => "started",
        Task::Stop => "stopped",
        Task::Promote => "promoted",
        Task::Demote => "demoted",
        _ => "done",
    }
}
