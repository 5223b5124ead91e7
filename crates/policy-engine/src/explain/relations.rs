//! Reasons that lie with others: with what runs inside a resource or beside it, with what it has to
//! be with, and with what has to stop first.

use std::collections::BTreeSet;

use super::answer::{Statement, Value, and, constraint};
use super::causes::role_text;
use super::places::weight;
use super::steps::participle;
use super::{Explainer, codes, time_text};
use crate::model::{Cause, Entry, NodeId, OnFail, ResourceId, Task};
use crate::scalar;

impl Explainer<'_> {
    /// A failure of what runs inside a resource: a guest, or a container.
    pub(super) fn failed_inside(&self, id: ResourceId) -> Option<Statement> {
        let tops = self.cluster.top_level.iter();
        let all = tops.flat_map(|top| self.cluster.leaves(*top));
        let mut inside = all.filter(|leaf| self.cluster.resource(*leaf).launcher == Some(id));
        inside.find_map(|leaf| {
            let failures = self.failures(leaf);
            let failure = self.what_failed(failures.first()?);
            let name = Value::from(self.name(leaf));
            let parameters = vec![("inside", name), ("failure", failure.into())];
            Some(self.say(&codes::FAILED_INSIDE, parameters))
        })
    }

    /// Why a guest or a container has to be recovered that has not failed itself: something in it
    /// asks for fencing, or its connection is gone.
    pub(super) fn lost_inside(&self, id: ResourceId) -> Option<Statement> {
        let mut nodes = self.cluster.node_order.iter().copied();
        let node = nodes.find(|node| self.cluster.guest_launcher(*node) == Some(id))?;
        if let Some((_, failure)) = self.failed_with(node, OnFail::Fence) {
            let parameters = vec![("failure", failure.into())];
            return Some(self.say(&codes::FENCE_FAILURE, parameters));
        }
        let connection = self.cluster.node(node).connection?;
        let is_gone = self.cluster.resource(connection).active_on.is_empty();
        let name = vec![("connection", Value::from(self.name(connection)))];
        is_gone.then(|| self.say(&codes::CONNECTION_GONE, name))
    }

    /// That the guest is lost on which a resource runs.
    pub(super) fn lost_with_guest(&self, id: ResourceId) -> Option<Statement> {
        let nodes = self.cluster.resource(id).active_on.iter().copied();
        let mut guests = nodes.filter(|node| self.cluster.is_guest(*node));
        guests.find_map(|node| self.node_fencing(node))
    }

    /// That another agent is configured than the one that has started a resource.
    pub(super) fn agent_changed(&self, id: ResourceId) -> Option<Statement> {
        let node = self.cluster.current_node(id)?;
        let history = self.history(id, node).first()?.parent()?;
        let known = ["class", "provider", "type"].map(|name| history.get(name));
        let agent = &self.cluster.resource(id).agent;
        let (class, kind) = (Some(&*agent.class), Some(&*agent.kind));
        let configured = [class, agent.provider.as_deref(), kind];
        let shown = |parts: [Option<&str>; 3]| {
            let parts: Vec<&str> = parts.into_iter().flatten().collect();
            parts.join(":")
        };
        let (was, is) = (shown(known), shown(configured));
        (was != is).then(|| {
            let parameters = vec![("was", Value::from(was)), ("is", is.into())];
            self.say(&codes::AGENT_CHANGED, parameters)
        })
    }

    /// That a resource is defined otherwise than when it was started: since when, and why its agent
    /// does not reload that.
    pub(super) fn definition_changed(&self, id: ResourceId) -> Statement {
        let all = self.journal.redefined.iter();
        let mut own = all.filter(|it| it.resource == id);
        let Some(changed) = own.next() else {
            return self.plain(&codes::DEFINITION_CHANGED);
        };
        let entry = self.cluster.document.element(changed.entry);
        let mut parameters = Vec::new();
        let time = entry.get("last-rc-change").and_then(scalar::integer);
        if let Some(time) = time.filter(|time| *time > 0).and_then(time_text) {
            parameters.push(("time", Value::from(time)));
        }
        let names = entry.get("op-force-restart").unwrap_or_default();
        let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        let restart_for = match (changed.reloads_others, names.as_slice()) {
            (true, [_, ..]) => format!(
                "its agent reloads other parameters, but not {}",
                and(&names)
            ),
            _ if entry.get("op-restart-digest").is_some() => {
                return self.say(&codes::DEFINITION_CHANGED, parameters);
            }
            _ => "its agent does not reload parameters".to_owned(),
        };
        parameters.push(("restart_for", restart_for.into()));
        self.say(&codes::DEFINITION_CHANGED, parameters)
    }

    /// The order constraint that makes a resource stop because another one stops.
    pub(super) fn stopped_by_order(&self, id: ResourceId) -> Option<Statement> {
        let node = self.cluster.current_node(id);
        let stop = self.find(id, Task::Stop, node)?;
        let mut found = Vec::new();
        self.real_inputs(stop, &mut Vec::new(), &mut BTreeSet::new(), &mut found);
        found.iter().find_map(|(first, path)| {
            let action = self.cluster.action(*first);
            let other = action.resource.filter(|other| *other != id)?;
            let order = self.constraint_on(path).filter(|it| it.kind.is_none())?;
            let parameters = vec![
                ("root", Value::from(self.name(other))),
                ("change", participle(&action.task).into()),
                ("constraint", constraint(&order.id)),
            ];
            Some(self.say(&codes::RESTART_BY_ORDER, parameters))
        })
    }

    /// What a resource has to be with, and which cannot be started or promoted now.
    pub(super) fn colocated_obstacle(&self, id: ResourceId) -> Option<Statement> {
        let mut actions = self.cluster.resource(id).actions.iter();
        let other = actions.find_map(|action| {
            let reason = self.cluster.action(*action).reason.as_deref()?;
            let name = reason.strip_prefix("colocation with ")?;
            self.cluster.find_resource(name)
        })?;
        let theirs = self.line_of(other);
        let own = self.line_of(id).into_iter();
        let mut own = own.flat_map(|at| &self.cluster.resource(at).this_with);
        let colocation = own
            .find(|known| theirs.contains(&self.cluster.colocation(**known).primary))
            .map(|known| self.cluster.colocation(*known));
        let mut parameters = vec![("primary", Value::from(self.cleanup_name(other)))];
        if let Some(colocation) = colocation.filter(|it| it.explicit) {
            let id = self.constraint_of_set(&colocation.id);
            parameters.push(("constraint", constraint(&id)));
            let role = role_text(colocation.primary_role);
            parameters.extend(role.map(|role| ("role", Value::from(role))));
        }
        let reason = self.why_stopped_first(other);
        parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
        Some(self.say(&codes::COLOCATED_IMPOSSIBLE, parameters))
    }

    /// A probe that has to come first and is not possible.
    pub(super) fn probe_obstacle(&self, id: ResourceId) -> Option<Statement> {
        let mut actions = self.cluster.resource(id).actions.iter();
        let probe = actions.find_map(|action| {
            let action = self.cluster.action(*action);
            let is_probe = action.task == Task::Monitor && action.interval_ms() == 0;
            (is_probe && !action.runnable && !action.optional).then_some(action)
        })?;
        let node = probe.node?;
        let mut parameters = vec![("node", Value::from(self.node_name(node)))];
        let reason = self.node_problem(node);
        parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
        Some(self.say(&codes::PROBE_IMPOSSIBLE, parameters))
    }

    /// What keeps a resource from every node, though no node is at fault.
    pub(super) fn unmet(&self, id: ResourceId) -> Option<Statement> {
        let clone = self.clone_of(id);
        let data = clone.and_then(|clone| self.cluster.resource(clone).clone_data());
        if let Some(clone) = clone
            && data.is_some_and(|data| data.clone_max == 0)
        {
            let clone = vec![("clone", Value::from(self.name(clone)))];
            return Some(self.say(&codes::NO_INSTANCES, clone));
        }
        let mut found = self.missing_primaries(id);
        found.extend(self.missing_partners(id));
        // One whose own reason is being told already explains nothing.
        let explains = |it: &Statement| it.parameters.iter().any(|(name, _)| *name == "reason");
        let best = found.iter().position(explains).unwrap_or(0);
        (!found.is_empty()).then(|| found.swap_remove(best))
    }

    /// Why a resource runs nowhere, whatever speaks for nodes.
    pub(super) fn not_to_run(&self, id: ResourceId) -> Statement {
        if self.cluster.options.stop_all_resources {
            return self.plain(&codes::STOP_ALL);
        }
        let ordered = self.target_role(id);
        let ordered = ordered.filter(|role| role.code == &codes::TARGET_ROLE_STOPPED);
        ordered
            .or_else(|| self.unmet(id))
            .or_else(|| self.bound_inside(id))
            .unwrap_or_else(|| self.plain(&codes::NOT_TO_RUN))
    }

    /// That a constraint binds what is inside a bundle, and not the bundle: so it was placed before
    /// its container was.
    fn bound_inside(&self, id: ResourceId) -> Option<Statement> {
        let bundle = self.cluster.bundle_of(id)?;
        let inside = self.line_of(id).into_iter();
        let inside = inside.take_while(|at| *at != bundle);
        let mut all = inside.flat_map(|at| {
            let resource = self.cluster.resource(at);
            resource.this_with.iter().chain(&resource.with_this)
        });
        let bound = all.find(|known| self.cluster.colocation(**known).explicit)?;
        let of = self.constraint_of_set(&self.cluster.colocation(*bound).id);
        let parameters = vec![
            ("constraint", constraint(&of)),
            ("name", self.cleanup_name(id).into()),
            ("bundle", self.name(bundle).into()),
        ];
        Some(self.say(&codes::BOUND_INSIDE, parameters))
    }

    /// Mandatory colocations with something that is nowhere in the role that they mean.
    fn missing_primaries(&self, id: ResourceId) -> Vec<Statement> {
        let line = self.line_of(id).into_iter();
        let all = line.flat_map(|at| &self.cluster.resource(at).this_with);
        let all = all.map(|known| self.cluster.colocation(*known));
        let missing = all.filter(|colocation| {
            let places = self.places_of(colocation.primary, colocation.primary_role);
            colocation.explicit && colocation.score.is_infinity() && places.is_empty()
        });
        let told = missing.map(|colocation| {
            let of = self.constraint_of_set(&colocation.id);
            let primary = Value::from(self.cleanup_name(colocation.primary));
            let mut parameters = vec![("constraint", constraint(&of)), ("primary", primary)];
            let role = role_text(colocation.primary_role);
            parameters.extend(role.map(|role| ("role", Value::from(role))));
            let reason = self.why_stopped_first(colocation.primary);
            parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
            self.say(&codes::COLOCATION_NO_PRIMARY, parameters)
        });
        told.collect()
    }

    fn why_stopped_first(&self, id: ResourceId) -> Option<Statement> {
        let leaf = self.stopped_leaf(id)?;
        self.behind(leaf, || self.short_reason(leaf))
    }

    /// That an instance could start only beside one of another clone, of which there is none more.
    fn missing_partners(&self, id: ResourceId) -> Vec<Statement> {
        let Some(clone) = self.clone_of(id) else {
            return Vec::new();
        };
        let data = self.cluster.resource(clone).clone_data();
        if data.is_none_or(|data| !data.interleave) {
            return Vec::new();
        }
        let line = self.line_of(id);
        let orders = self.orders_of(id).into_iter().filter(|order| {
            let first = self.cluster.resource(order.first);
            let other = first.is_clone() && !line.contains(&order.first);
            other && line.contains(&order.then) && order.kind.is_none()
        });
        let told = orders.map(|order| {
            let (other, of) = (self.name(order.first), constraint(&order.id));
            let places = self.places_of(order.first, None);
            if !places.is_empty() {
                let places = self.node_names(&places);
                let clone = Value::from(self.name(clone));
                let known = [("other", other.into()), ("constraint", of)];
                let mut parameters = vec![("clone", clone), ("places", places.into())];
                parameters.extend(known);
                return self.say(&codes::NO_PARTNER, parameters);
            }
            let first = format!("{other} has to be {}", participle(&order.first_task));
            let shown = self.terms.constraint(&order.id);
            let mut parameters = vec![
                ("first", Value::from(first)),
                ("constraint", format!("order constraint {shown}").into()),
            ];
            let reason = self.why_stopped_first(order.first);
            parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
            self.say(&codes::FIRST_IMPOSSIBLE, parameters)
        });
        told.collect()
    }

    /// What keeps a dependent from a node, or what follows it in turn: whom, and why.
    pub(super) fn kept_away(
        &self,
        dependent: ResourceId,
        primary: ResourceId,
        node: NodeId,
    ) -> Option<(ResourceId, Statement)> {
        let (mut next, mut at) = (vec![(dependent, primary)], 0);
        while let Some((dependent, primary)) = next.get(at).copied() {
            at += 1;
            let leaf = self.cluster.leaves(dependent).first().copied()?;
            if let Some(worst) = self.speaks_against(leaf, primary, node) {
                let reason = self.behind(leaf, || Some(self.cause(leaf, worst)))?;
                return Some((dependent, reason));
            }
            let followers = self.cluster.resource(leaf).with_this.iter();
            let followers = followers.map(|known| self.cluster.colocation(*known).dependent);
            let known = |id: &ResourceId| next.iter().any(|(known, _)| known == id);
            let new: Vec<ResourceId> = followers.filter(|id| !known(id)).collect();
            next.extend(new.into_iter().map(|id| (id, leaf)));
        }
        None
    }

    /// What speaks most against a node for a dependent, and not because its primary is elsewhere.
    fn speaks_against(
        &self,
        dependent: ResourceId,
        primary: ResourceId,
        node: NodeId,
    ) -> Option<&Entry> {
        let is_no_reason = |cause: &Cause| match cause {
            Cause::Primary(known) => {
                let known = self.cluster.colocation(*known);
                known.primary == primary || self.cluster.is_ancestor(known.primary, primary)
            }
            Cause::Base | Cause::Container | Cause::Bundle => true,
            _ => false,
        };
        let entries = self.notes.at(dependent, node);
        let entries = entries.filter(|entry| !is_no_reason(&entry.cause) && weight(entry) < 0);
        entries.min_by_key(|entry| weight(entry))
    }

    /// Something in the same group that is blocked, and why.
    pub(super) fn blocked_beside(&self, id: ResourceId) -> Option<Statement> {
        let parent = self.cluster.resource(id).parent?;
        let beside = self.cluster.leaves(parent).into_iter();
        let mut beside = beside.filter(|it| *it != id && self.cluster.resource(*it).blocked);
        let found = beside.find_map(|other| {
            let reason = self.behind(other, || Some(self.blocked(other)))?;
            (reason.code != &codes::BLOCKED).then_some((other, reason))
        });
        let (other, reason) = found?;
        let parameters = vec![
            ("other", Value::from(self.name(other))),
            ("group", self.name(parent).into()),
            ("reason", reason.into()),
        ];
        Some(self.say(&codes::BLOCKED_BESIDE, parameters))
    }
}
