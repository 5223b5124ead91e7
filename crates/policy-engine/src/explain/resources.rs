//! A resource: what is done with it, and the one reason that decides.

use super::answer::{Explanation, Statement, SubjectKind, Value};
use super::codes::Code;
use super::{Explainer, codes};
use crate::model::{
    ActionId, MultipleActive, NodeId, OnFail, OperationKey, ResourceId, Role, Score, Task,
};
use crate::output::summary::{Change, ResourceChange};
use crate::transition::actions;

/// A role as a participle.
fn running(role: Role) -> &'static str {
    match role {
        Role::Unknown | Role::Started => "is started",
        Role::Stopped => "is stopped",
        Role::Unpromoted => "is started (unpromoted)",
        Role::Promoted => "is promoted",
    }
}

/// What is done with a resource, and why.
pub(super) struct Verdict {
    pub(super) outcome: Statement,
    pub(super) reason: Option<Statement>,
    /// It is not as it should be.
    pub(super) attention: bool,
}

impl<'s> Explainer<'s> {
    /// Everything about a primitive, on all nodes or on one.
    pub(super) fn resource(&self, id: ResourceId, only: Option<NodeId>) -> Explanation {
        let verdict = self.verdict(id);
        let mut told = Explanation::new(
            SubjectKind::Resource,
            &self.name(id),
            verdict.outcome,
            verdict.reason,
        );
        told.attention = verdict.attention;
        told.remarks = self.remarks(id, told.reason.as_ref());
        let nodes = self.cluster.node_order.iter();
        told.nodes = nodes
            .filter(|node| only.is_none_or(|only| only == **node))
            .map(|node| self.node_line(id, *node))
            .collect();
        told.failures = self.failure_list(id, only);
        told.steps = self.steps(id);
        told
    }

    /// What is done with a primitive, and why.
    pub(super) fn verdict(&self, id: ResourceId) -> Verdict {
        let verdict = self.behind(id, || {
            let (code, change) = self.outcome(id);
            let outcome = self.outcome_statement(id, code, change);
            let reason = self.why(id, code, change);
            Some((code, outcome, reason))
        });
        let Some((code, outcome, reason)) = verdict else {
            let now = vec![("name", self.name(id).into()), ("now", "changes".into())];
            return Verdict {
                outcome: self.say(&codes::STAYS, now),
                reason: None,
                attention: false,
            };
        };
        let attention = self.needs_attention(id, code, reason.as_ref());
        Verdict {
            outcome,
            reason,
            attention,
        }
    }

    /// The reason alone.
    pub(super) fn short_reason(&self, id: ResourceId) -> Option<Statement> {
        let (code, change) = self.outcome(id);
        self.why(id, code, change)
    }

    /// The changes of a resource in the transition.
    fn changes(&self, id: ResourceId) -> impl Iterator<Item = &'s ResourceChange> {
        let name = &self.cluster.resource(id).id;
        let changes = self.schedule.summary.iter();
        changes.filter_map(move |change| match change {
            Change::Resource(change) if change.resource == *name => Some(change),
            _ => None,
        })
    }

    fn outcome(&self, id: ResourceId) -> (&'static Code, Option<&'s ResourceChange>) {
        let resource = self.cluster.resource(id);
        let change = self.changes(id).next();
        let starting = resource.start_pending && resource.pending_task == Some(Task::Start);
        let Some(change) = change else {
            let code = match (resource.managed, resource.active_on.is_empty()) {
                (false, _) => &codes::LEFT_ALONE,
                (true, false) if starting => &codes::STARTING,
                (true, true) => &codes::STAYS_STOPPED,
                (true, false) if resource.role == Role::Stopped => &codes::STAYS_STOPPED,
                (true, false) => &codes::STAYS,
            };
            return (code, None);
        };
        let promoted = change.next_role == Role::Promoted;
        let code = match (change.verb, change.blocked) {
            ("Promote", true) if change.role > Role::Stopped => &codes::CANNOT_PROMOTE,
            ("Start" | "Promote", true) => &codes::CANNOT_START,
            ("Start", false) if promoted => &codes::STARTS_PROMOTED,
            ("Promote", false) if change.role <= Role::Stopped => &codes::STARTS_PROMOTED,
            ("Start", false) if !self.nodes_first(id).is_empty() => &codes::STARTS_AFTER,
            ("Start", false) => &codes::STARTS,
            ("Promote", false) if resource.failed && self.is_demoted(id) => &codes::REPROMOTES,
            ("Promote", false) => &codes::PROMOTES,
            ("Stop" | "Move" | "Restart" | "Recover" | "Demote", true) => &codes::CANNOT_STOP,
            ("Stop", false) => &codes::STOPS,
            ("Move", false) => &codes::MOVES,
            ("Migrate", _) => &codes::MIGRATES,
            ("Restart", false) if self.stays_on_one(id) => &codes::STAYS_ONCE,
            ("Restart", false) if self.multiply_active(id).is_some() => &codes::STARTS_ONCE,
            ("Restart", false) => &codes::RESTARTS,
            ("Recover", false) if change.to.is_some() && change.from != change.to => {
                &codes::RECOVERS_ELSEWHERE
            }
            ("Recover", false) => &codes::RECOVERS,
            ("Reload", _) => &codes::RELOADS,
            ("Demote", false) => &codes::DEMOTES,
            ("Re-promote", _) => &codes::REPROMOTES,
            _ => &codes::CHANGES,
        };
        (code, Some(change))
    }

    fn outcome_statement(
        &self,
        id: ResourceId,
        code: &'static Code,
        change: Option<&ResourceChange>,
    ) -> Statement {
        let mut parameters = vec![
            ("name", Value::from(self.name(id))),
            ("now", self.now(id).into()),
        ];
        if let Some(change) = change {
            let of = |node: &Option<crate::model::Text>| node.as_deref().map(Value::from);
            parameters.extend(of(&change.from).map(|from| ("from", from)));
            parameters.extend(of(&change.to).map(|to| ("to", to)));
            parameters.push(("verb", change.verb.into()));
        }
        if code == &codes::STARTS_AFTER {
            parameters.push(("waits", self.nodes_first(id).into()));
        }
        self.say(code, parameters)
    }

    /// What must be done with nodes before a resource starts: the start waits for that.
    fn nodes_first(&self, id: ResourceId) -> Vec<Statement> {
        let start = self.find(id, Task::Start, self.cluster.resource(id).assigned);
        let waits = start.map(|start| self.waits(start)).unwrap_or_default();
        let about_nodes = [&codes::AFTER_FENCING, &codes::AFTER_UNFENCING];
        let waits = waits.into_iter();
        waits
            .filter(|wait| about_nodes.contains(&wait.code))
            .collect()
    }

    /// Why something must be done with a node before a resource starts.
    fn why_nodes_first(&self, id: ResourceId) -> Option<Statement> {
        let wait = self.nodes_first(id).into_iter().next()?;
        if wait.code == &codes::AFTER_UNFENCING {
            let resource = vec![("resource", Value::from(self.name(id)))];
            return Some(self.say(&codes::UNFENCE_FIRST, resource));
        }
        self.node_problem(self.cluster.find_node(wait.text_of("node")?)?)
    }

    /// What it does now.
    fn now(&self, id: ResourceId) -> String {
        let resource = self.cluster.resource(id);
        if resource.active_on.is_empty() || resource.role == Role::Stopped {
            let failed = resource.failed && resource.active_on.is_empty();
            let now = if failed {
                "has failed and is stopped"
            } else {
                "is stopped"
            };
            return now.to_owned();
        }
        let places = super::answer::and(&self.node_names(&resource.active_on));
        let mut nodes = resource.active_on.iter();
        if nodes.all(|node| !self.cluster.node(*node).online) && resource.managed {
            return format!("was last known to run on {places}");
        }
        if resource.start_pending && resource.pending_task == Some(Task::Start) {
            return format!("is being started on {places}");
        }
        let role = running(resource.role);
        match resource.failed {
            true if resource.role == Role::Promoted => format!("has failed on {places} (promoted)"),
            true => format!("has failed on {places}"),
            false => format!("{role} on {places}"),
        }
    }

    /// The one reason that decides.
    fn why(
        &self,
        id: ResourceId,
        code: &'static Code,
        change: Option<&ResourceChange>,
    ) -> Option<Statement> {
        if let Some(reason) = self.unmanaged(id) {
            return Some(reason);
        }
        let resource = self.cluster.resource(id);
        match code {
            code if code == &codes::CANNOT_START || code == &codes::CANNOT_PROMOTE => {
                Some(self.cannot_start(id))
            }
            code if code == &codes::STOPS || code == &codes::CANNOT_STOP => {
                Some(self.why_stopped(id, code == &codes::CANNOT_STOP))
            }
            code if code == &codes::STAYS_STOPPED => Some(self.why_stopped(id, false)),
            code if code == &codes::MOVES || code == &codes::MIGRATES => Some(self.why_moved(id)),
            code if code == &codes::STARTS_AFTER => self
                .why_nodes_first(id)
                .or_else(|| resource.assigned.map(|node| self.chosen(id, node))),
            code if code == &codes::RESTARTS => Some(self.why_restarted(id, change)),
            code if code == &codes::STAYS_ONCE || code == &codes::STARTS_ONCE => {
                self.multiply_active(id)
            }
            code if code == &codes::RELOADS => Some(self.plain(&codes::DEFINITION_RELOAD)),
            code if [
                &codes::RECOVERS,
                &codes::RECOVERS_ELSEWHERE,
                &codes::REPROMOTES,
            ]
            .contains(&code) =>
            {
                self.why_recovered(id)
            }
            code if [&codes::PROMOTES, &codes::STARTS_PROMOTED, &codes::DEMOTES]
                .contains(&code) =>
            {
                let held = self
                    .no_quorum(id)
                    .or_else(|| self.demoted_without_quorum(code));
                held.or_else(|| self.promotion(id))
            }
            _ => {
                if let Some(frozen) = self.no_quorum(id) {
                    return Some(frozen);
                }
                if resource.promotable
                    && code == &codes::STAYS
                    && let Some(promotion) = self.promotion(id)
                {
                    return Some(promotion);
                }
                resource.assigned.map(|node| self.chosen(id, node))
            }
        }
    }

    /// Whether it is demoted in the transition.
    fn is_demoted(&self, id: ResourceId) -> bool {
        let mut actions = self.cluster.resource(id).actions.iter();
        actions.any(|action| {
            let action = self.cluster.action(*action);
            action.task == Task::Demote && action.in_graph
        })
    }

    pub(super) fn find(
        &self,
        id: ResourceId,
        task: Task,
        node: Option<NodeId>,
    ) -> Option<ActionId> {
        actions::find_first(self.cluster, id, &OperationKey::once(task), node)
    }

    fn cannot_start(&self, id: ResourceId) -> Statement {
        if let Some(missing) = self.no_quorum(id) {
            return missing;
        }
        let assigned = self.cluster.resource(id).assigned;
        let tasks = [Task::Start, Task::Promote].into_iter();
        let mut wanted = tasks.filter_map(|task| self.find(id, task, assigned));
        let why = wanted.find_map(|wanted| self.impossible(wanted));
        let why = why.or_else(|| self.colocated_obstacle(id));
        let why = why.or_else(|| self.probe_obstacle(id));
        why.unwrap_or_else(|| self.plain(&codes::STATE))
    }

    /// Why it is stopped, or stays so.
    fn why_stopped(&self, id: ResourceId, cannot: bool) -> Statement {
        let (cluster, resource) = (self.cluster, self.cluster.resource(id));
        if cannot {
            if let Some(missing) = self.no_quorum(id) {
                return missing;
            }
            let node = resource.active_on.first().copied();
            let stop = self.find(id, Task::Stop, node);
            let stop = stop.filter(|stop| !cluster.action(*stop).runnable);
            if let Some(reason) = stop.and_then(|stop| self.impossible(stop)) {
                return reason;
            }
        }
        if cluster.options.stop_all_resources {
            return self.plain(&codes::STOP_ALL);
        }
        if resource.removed {
            return self.removed(id);
        }
        if let Some(role) = self.target_role(id)
            && role.code == &codes::TARGET_ROLE_STOPPED
        {
            return role;
        }
        if let Some(missing) = self.no_quorum(id) {
            return missing;
        }
        if resource.multiple_active == MultipleActive::StopOnly
            && let Some(several) = self.multiply_active(id)
        {
            return several;
        }
        let failures = self.failures(id);
        let stopping = |failure: &&super::failures::Failure<'_>| failure.on_fail == OnFail::Stop;
        if let Some(failure) = failures.iter().find(stopping)
            && resource.assigned.is_none()
        {
            return self.stopped_by(id, failure);
        }
        if let Some(ticket) = self.lost_ticket(id, |_| true)
            && resource.assigned.is_none()
        {
            return ticket;
        }
        if resource.assigned.is_some() {
            return self.cannot_start(id);
        }
        self.nowhere(id)
    }

    /// Why no node is left.
    fn nowhere(&self, id: ResourceId) -> Statement {
        let candidates = self.cluster.node_order.iter().copied();
        let reasons: Vec<(NodeId, Statement)> = candidates
            .map(|node| (node, self.not_there(id, node)))
            .collect();
        if let Some(one) = self.common(&reasons) {
            return one;
        }
        let minor = [
            &codes::NO_CANDIDATE,
            &codes::INSTANCE_THERE,
            &codes::CONTAINER,
        ];
        let major = |reason: &Statement| !minor.contains(&reason.code);
        let any_major = reasons.iter().any(|(_, reason)| major(reason));
        let told: Vec<(NodeId, Statement)> = reasons
            .into_iter()
            .filter(|(_, reason)| major(reason) || !any_major)
            .filter(|(_, reason)| reason.code != &codes::NO_CANDIDATE)
            .collect();
        if told.is_empty() {
            return self.plain(&codes::NO_NODES);
        }
        let reasons = self.grouped(told);
        self.say(
            &codes::NO_NODE,
            vec![("name", self.name(id).into()), ("reasons", reasons.into())],
        )
    }

    /// The reason that is behind all nodes that could be used.
    fn common(&self, reasons: &[(NodeId, Statement)]) -> Option<Statement> {
        let everywhere: [&Code; 12] = [
            &codes::NO_INSTANCES,
            &codes::NO_PARTNER,
            &codes::GUEST_STOPPED,
            &codes::COLOCATION_NO_PRIMARY,
            &codes::GROUP_STOPPED,
            &codes::FATAL,
            &codes::STOPPED_BY_FAILURE,
            &codes::TICKET_MISSING,
            &codes::ENOUGH_INSTANCES,
            &codes::SHUTDOWN_LOCK,
            &codes::ABOVE_CLONE_MAX,
            &codes::REMOVED,
        ];
        let found = reasons.iter().find(|(_, it)| everywhere.contains(&it.code));
        if let Some((_, found)) = found {
            return Some(found.clone());
        }
        let (_, first) = reasons.first()?;
        let same = reasons.iter().all(|(_, reason)| reason.text == first.text);
        (same && reasons.len() > 1 && first.code != &codes::NO_CANDIDATE).then(|| first.clone())
    }

    fn why_moved(&self, id: ResourceId) -> Statement {
        let (cluster, resource) = (self.cluster, self.cluster.resource(id));
        let Some(from) = cluster.current_node(id) else {
            return self.plain(&codes::STATE);
        };
        let reason = self.not_there(id, from);
        let to = resource.assigned;
        if (reason.code == &codes::LOWER || reason.code == &codes::EQUAL)
            && let Some(to) = to
        {
            let name = self.cleanup_name(cluster.top(id));
            let why = match reason.code == &codes::LOWER {
                true => self.better(id, to, from),
                false => self.chosen(id, to),
            };
            let why = match why.code == &codes::EQUAL_FEWEST {
                true => self.say(&codes::MOVED_FOR_BALANCE, why.parameters),
                false => why,
            };
            let why = self.with(why, "resource", name);
            return match self.enough_to_stay(id, from, to) {
                Some(enough) => self.with(why, "enough", enough),
                None => why,
            };
        }
        if reason.code == &codes::NODE_UNCLEAN || self.speaks_of_place(&reason) {
            return reason;
        }
        let at = vec![(from, reason)];
        match self.grouped(at).pop() {
            Some(reason) => reason,
            None => self.plain(&codes::STATE),
        }
    }

    /// The stickiness with which a resource would stay; `None` if none is high enough, or it is not
    /// alone in what it is part of.
    fn enough_to_stay(&self, id: ResourceId, from: NodeId, to: NodeId) -> Option<i64> {
        let resource = self.cluster.resource(id);
        let (there, here) = (self.score_at(id, to)?, self.score_at(id, from)?);
        let is_finite = !there.is_infinity() && !here.is_minus_infinity();
        let is_alone = resource.parent.is_none() && resource.active_on.len() == 1;
        let own = i64::from(resource.stickiness.0.max(0));
        let enough = own + i64::from(there.0) - i64::from(here.0) + 1;
        (is_finite && is_alone && enough < i64::from(Score::INFINITY.0)).then_some(enough)
    }

    /// Whether a reason says by itself which node it is about.
    fn speaks_of_place(&self, reason: &Statement) -> bool {
        let by_itself: [&Code; 9] = [
            &codes::COLOCATION,
            &codes::APART,
            &codes::GROUP_FOLLOWS,
            &codes::NODE_STANDBY,
            &codes::NODE_STANDBY_ON_FAIL,
            &codes::NODE_SHUTDOWN,
            &codes::FAILED_TOO_OFTEN,
            &codes::FAILED_THERE,
            &codes::NODE_OFFLINE,
        ];
        by_itself.contains(&reason.code)
    }

    fn why_recovered(&self, id: ResourceId) -> Option<Statement> {
        let resource = self.cluster.resource(id);
        let failures = self.failures(id);
        let active = failures
            .iter()
            .find(|it| resource.active_on.contains(&it.node));
        let failure = active.or(failures.first());
        if let Some(failure) = failure {
            let moved = resource.assigned.is_some_and(|it| it != failure.node);
            let banned = self.not_there(id, failure.node);
            let by_failure = [
                &codes::FAILED_TOO_OFTEN,
                &codes::FAILED_THERE,
                &codes::NOT_INSTALLED,
            ];
            if moved && by_failure.contains(&banned.code) {
                return Some(banned);
            }
            return Some(self.what_failed(failure));
        }
        let lost = resource.active_on.iter().copied();
        let mut lost = lost.filter(|node| self.cluster.node(*node).unclean);
        let lost = lost.next().filter(|node| !self.cluster.is_guest(*node));
        let lost = lost.and_then(|node| self.node_problem(node));
        lost.or_else(|| self.failed_inside(id))
            .or_else(|| self.lost_with_guest(id))
            .or_else(|| self.lost_inside(id))
            .or_else(|| self.multiply_active(id))
    }

    fn needs_attention(
        &self,
        id: ResourceId,
        code: &'static Code,
        reason: Option<&Statement>,
    ) -> bool {
        if reason.is_some_and(|reason| self.is_ordered(id, code, reason)) {
            return false;
        }
        let well = [&codes::STAYS, &codes::STARTING].contains(&code);
        !well || self.lacks_promotion(id)
    }

    /// Whether somebody wants it as it is: it is stopped by its target-role, because it waits for a
    /// ticket, because enough of its kind run, because the nodes cannot take one more or because
    /// it is not configured any more; or it is left alone by its is-managed or by a ticket that
    /// freezes it, and has not failed.
    fn is_ordered(&self, id: ResourceId, code: &'static Code, reason: &Statement) -> bool {
        let stopped = [
            &codes::ENOUGH_INSTANCES,
            &codes::NO_INSTANCES,
            &codes::TARGET_ROLE_STOPPED,
            &codes::TICKET_MISSING,
            // Only the history knows it, and it does not run.
            &codes::ABOVE_CLONE_MAX,
            &codes::REMOVED,
        ];
        match code {
            code if code == &codes::STAYS_STOPPED => {
                stopped.contains(&reason.code) || self.is_surplus(id)
            }
            code if code == &codes::LEFT_ALONE => {
                let left = [&codes::UNMANAGED, &codes::FROZEN_BY_TICKET];
                left.contains(&reason.code) && !self.cluster.resource(id).failed
            }
            _ => false,
        }
    }

    /// Whether an instance of a clone is one more than its nodes can take, while nobody has asked
    /// for so many: others run wherever the configuration lets them.
    fn is_surplus(&self, id: ResourceId) -> bool {
        let Some(clone) = self.clone_of(id) else {
            return false;
        };
        let resource = self.cluster.resource(clone);
        if resource.meta.contains("clone-max") || self.cluster.in_bundle(id) {
            return false;
        }
        let settled = [
            &codes::INSTANCE_THERE,
            &codes::EXCLUSIVE,
            &codes::OPT_IN,
            &codes::NO_CANDIDATE,
            &codes::LOCATION,
        ];
        // Later members of a group go where the first one goes.
        let line = self.line_of(id).into_iter();
        let instance = line.take_while(|at| *at != clone).last().unwrap_or(id);
        let first = self.cluster.leaves(instance).first().copied();
        let first = first.unwrap_or(id);
        let mut nodes = self.cluster.node_order.iter();
        let places = self.places_of(clone, None);
        !places.is_empty() && nodes.all(|node| settled.contains(&self.not_there(first, *node).code))
    }

    /// Whether no instance of a promotable clone is promoted, although one should be.
    fn lacks_promotion(&self, id: ResourceId) -> bool {
        let resource = self.cluster.resource(id);
        let top = self.cluster.top(id);
        resource.promotable && self.places_of(top, Some(Role::Promoted)).is_empty()
    }
}
