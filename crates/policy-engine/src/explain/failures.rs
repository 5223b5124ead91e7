//! Recorded failures in words: which operation, with which result, when, how many of how many, what
//! is done about it, when it is forgotten.

use super::answer::{Statement, Value};
use super::{Explainer, codes, time_text};
use crate::configuration::operations;
use crate::model::{NodeId, OnFail, ResourceId, Score, Task, base_name};
use crate::scalar;
use crate::xml::{Element, ElementId};

/// A recorded failure of a resource.
pub(super) struct Failure<'s> {
    pub(super) node: NodeId,
    pub(super) entry: Element<'s>,
    pub(super) on_fail: OnFail,
}

impl Failure<'_> {
    pub(super) fn operation(&self) -> &str {
        self.entry.get("operation").unwrap_or("operation")
    }

    fn code(&self) -> i64 {
        number(self.entry, "rc-code")
    }
}

fn number(entry: Element<'_>, name: &str) -> i64 {
    entry.get(name).and_then(scalar::integer).unwrap_or(0)
}

/// An operation in words: a monitor without an interval is a probe.
pub(super) fn operation_text(operation: &str, interval_ms: i64) -> String {
    match (operation, interval_ms) {
        ("monitor", 0) => "probe".to_owned(),
        (operation, 0) => operation.to_owned(),
        (operation, interval) => format!("{operation} every {}", duration(interval)),
    }
}

fn duration(ms: i64) -> String {
    match ms % 1000 {
        0 => format!("{} s", ms / 1000),
        _ => format!("{ms} ms"),
    }
}

/// What went wrong, as a verb.
fn failed_text(entry: Element<'_>) -> String {
    let (code, status) = (number(entry, "rc-code"), number(entry, "op-status"));
    let reason = entry.get("exit-reason").filter(|it| !it.is_empty());
    let said = reason.map_or_else(String::new, |reason| format!(": \"{reason}\""));
    match (status, meaning(code)) {
        (2, _) => format!("timed out{said}"),
        (_, Some(meaning)) => format!("failed with exit code {code} ({meaning}){said}"),
        (_, None) => format!("failed with exit code {code}{said}"),
    }
}

/// What an exit code of an agent means.
fn meaning(code: i64) -> Option<&'static str> {
    Some(match code {
        0 => "success: it was not expected to run",
        1 => "error",
        2 => "invalid parameter",
        3 => "not implemented",
        4 => "insufficient privileges",
        5 => "not installed",
        6 => "not configured",
        7 => "not running",
        8 => "running and promoted",
        9 => "failed while promoted",
        124 => "timeout",
        189 => "the agent could not be executed",
        190 => "degraded",
        191 => "promoted and degraded",
        193 => "no result",
        _ => return None,
    })
}

/// The name of a response to failures, as `on-fail` has it, and what it does.
pub(super) fn response(on_fail: OnFail) -> (&'static str, &'static str) {
    match on_fail {
        OnFail::Ignore => ("ignore", "nothing is done about it"),
        OnFail::Demote => ("demote", "it is demoted, and promoted again"),
        OnFail::Restart => ("restart", "it is stopped and started again"),
        OnFail::ResetRemote => ("fence", "the connection is dropped and made again"),
        OnFail::RestartContainer => ("restart-container", "its container is restarted"),
        OnFail::Ban => (
            "migrate",
            "it leaves the node until the failure is forgotten",
        ),
        OnFail::Block => (
            "block",
            "nothing is done with it until an administrator has looked",
        ),
        OnFail::Stop => (
            "stop",
            "it is stopped everywhere until the failure is forgotten",
        ),
        OnFail::Standby => ("standby", "all resources leave the node"),
        OnFail::Fence => ("fence", "the node is fenced"),
    }
}

/// The response to a failure as parameters.
fn responded(on_fail: OnFail) -> [(&'static str, Value); 2] {
    let (name, effect) = response(on_fail);
    [("on_fail", name.into()), ("response", effect.into())]
}

/// What is forgotten now need not be forgotten by hand.
fn without_needless_remedy(mut failure: Statement) -> Statement {
    if failure.text_of("forgotten") == Some(FORGOTTEN_NOW) {
        failure.remedy.clear();
    }
    failure
}

/// What is said of a failure whose time is over.
const FORGOTTEN_NOW: &str = "its time is over, and it is forgotten now (failure-timeout)";

impl<'s> Explainer<'s> {
    /// The recorded failures of a primitive, those with the weightiest response first.
    pub(super) fn failures(&self, id: ResourceId) -> Vec<Failure<'s>> {
        let mut entries: Vec<ElementId> = Vec::new();
        for failed in &self.cluster.failed_operations {
            if failed.resource == id && !entries.contains(&failed.entry) {
                entries.push(failed.entry);
            }
        }
        for entry in self.notes.failures() {
            if let crate::model::Cause::Failure(element) = entry.cause
                && self.is_or_holds(entry.resource, id)
                && self.owner_is(element, id)
                && !entries.contains(&element)
            {
                entries.push(element);
            }
        }
        let mut found: Vec<Failure<'s>> = entries
            .into_iter()
            .filter_map(|entry| self.failure_of(id, entry))
            .filter(|failure| !matches!((failure.operation(), failure.code()), ("monitor", 0 | 8)))
            .collect();
        found.sort_by_key(|failure| std::cmp::Reverse(failure.on_fail));
        found.dedup_by(|later, earlier| {
            later.node == earlier.node
                && later.entry.get("operation_key") == earlier.entry.get("operation_key")
                && later.entry.get("last-rc-change") == earlier.entry.get("last-rc-change")
        });
        found
    }

    fn is_or_holds(&self, holder: ResourceId, id: ResourceId) -> bool {
        holder == id || self.cluster.is_ancestor(holder, id)
    }

    /// Whether a history entry is this resource's.
    fn owner_is(&self, element: ElementId, id: ResourceId) -> bool {
        let entry = self.cluster.document.element(element);
        let history = entry.parent().and_then(|history| history.get("id"));
        let resource = self.cluster.resource(id);
        history.is_some_and(|name| {
            let is_own = *name == **resource.known_as() || *name == *resource.id;
            is_own || !resource.unique && base_name(name) == &*resource.config_id
        })
    }

    /// A history entry as a failure of a resource, with the node in whose history it is.
    pub(super) fn failure_of(&self, id: ResourceId, entry: ElementId) -> Option<Failure<'s>> {
        let entry = self.cluster.document.element(entry);
        let node = self.node_of(entry)?;
        let task = Task::parse(entry.get("operation")?);
        let interval = u32::try_from(number(entry, "interval")).unwrap_or(0);
        let options = operations::options(self.cluster, id, &task, interval, Some(node));
        Some(Failure {
            node,
            entry,
            on_fail: options.on_fail,
        })
    }

    fn node_of(&self, entry: Element<'_>) -> Option<NodeId> {
        let mut above = entry.parent();
        while let Some(element) = above {
            if element.name() == "node_state" {
                let name = element.get("uname").or(element.get("id"))?;
                let by_id = element
                    .get("id")
                    .and_then(|id| self.cluster.find_node_by_id(id));
                return by_id.or_else(|| self.cluster.find_node(name));
            }
            above = element.parent();
        }
        None
    }

    /// What happened, where and when.
    pub(super) fn what_failed(&self, failure: &Failure<'_>) -> Statement {
        let operation = operation_text(failure.operation(), number(failure.entry, "interval"));
        let mut parameters = vec![
            ("operation", Value::from(operation)),
            ("failed", failed_text(failure.entry).into()),
            ("node", self.node_name(failure.node).into()),
            ("exit_code", failure.code().into()),
        ];
        if let Some(reason) = failure.entry.get("exit-reason").filter(|it| !it.is_empty()) {
            parameters.push(("exit_reason", reason.into()));
        }
        if let Some(time) = self.time_of(failure).and_then(time_text) {
            parameters.push(("time", time.into()));
        }
        self.say(&codes::OPERATION_FAILED, parameters)
    }

    fn time_of(&self, failure: &Failure<'_>) -> Option<i64> {
        let time = failure
            .entry
            .get("last-rc-change")
            .and_then(scalar::integer);
        time.filter(|time| *time > 0)
    }

    /// The failure with everything that is known about it.
    pub(super) fn failure_in_full(&self, id: ResourceId, failure: &Failure<'_>) -> Statement {
        let mut parameters = vec![
            ("failure", Value::from(self.what_failed(failure))),
            ("node", self.node_name(failure.node).into()),
            ("resource", self.cleanup_name(id).into()),
        ];
        let (operation, interval) = (failure.operation(), number(failure.entry, "interval"));
        if let Some((count, last)) = self.fail_count(id, failure.node, operation, interval) {
            let threshold = self.cluster.resource(id).migration_threshold;
            parameters.push(("count", count.to_string().into()));
            parameters.push(("threshold", threshold.to_string().into()));
            if let Some(fatal) = self.fatal(operation, count) {
                parameters.push(("fatal", fatal.into()));
            }
            if threshold > count || failure.on_fail != OnFail::Restart {
                parameters.extend(responded(failure.on_fail));
            }
            parameters.push(("forgotten", self.forgotten(id, last).into()));
        } else if let Some(time) = self.time_of(failure) {
            parameters.extend(responded(failure.on_fail));
            parameters.push(("forgotten", self.forgotten(id, time).into()));
        }
        without_needless_remedy(self.say(&codes::FAILURE, parameters))
    }

    /// The name under which a failure is forgotten.
    pub(super) fn cleanup_name(&self, id: ResourceId) -> String {
        self.cluster.resource(id).config_id.to_string()
    }

    fn fatal(&self, operation: &str, count: Score) -> Option<&'static str> {
        let fatal = operation == "start" && count.is_infinity();
        (fatal && self.cluster.options.start_failure_is_fatal)
            .then_some("start-failure-is-fatal=true")
    }

    /// When a failure is forgotten, or that it is not.
    pub(super) fn forgotten(&self, id: ResourceId, last: i64) -> String {
        let resource = self.cluster.resource(id);
        let timeout = resource.failure_timeout_ms;
        if timeout == 0 {
            return match resource.meta.text("failure-timeout") {
                Some(text) if !matches!(text, "0" | "0s") => {
                    "it is not forgotten by itself: on-fail=block suspends failure-timeout".into()
                }
                _ => "it is not forgotten by itself (no failure-timeout)".into(),
            };
        }
        let end = last.saturating_add(scalar::seconds(timeout));
        if last > 0 && end <= self.cluster.now {
            return FORGOTTEN_NOW.into();
        }
        match time_text(end) {
            Some(time) if last > 0 => format!("it is forgotten at {time} (failure-timeout)"),
            _ => format!(
                "it is forgotten {} after it happened (failure-timeout)",
                duration(i64::from(timeout))
            ),
        }
    }

    /// The fail count of an operation on a node, and the time of its last failure.
    fn fail_count(
        &self,
        id: ResourceId,
        node: NodeId,
        operation: &str,
        interval: i64,
    ) -> Option<(Score, i64)> {
        let known = self.cluster.resource(id).known_as();
        let attributes = &self.cluster.node(node).attributes;
        let names = [&**known, base_name(known)];
        let (name, count) = names.iter().find_map(|name| {
            let text = attributes.text(&format!("fail-count-{name}#{operation}_{interval}"))?;
            Some((name, self.cluster.options.score(text)?))
        })?;
        let last = attributes.text(&format!("last-failure-{name}#{operation}_{interval}"));
        let last = last.and_then(scalar::integer).unwrap_or(0);
        (count > Score::ZERO).then_some((count, last))
    }

    /// All failures of a resource that are still recorded, on all nodes or on one.
    pub(super) fn failure_list(&self, id: ResourceId, only: Option<NodeId>) -> Vec<Statement> {
        let failures = self.failures(id);
        let wanted = |node: NodeId| only.is_none_or(|only| only == node);
        let recorded = failures.iter().filter(|failure| wanted(failure.node));
        let mut list: Vec<Statement> = recorded
            .map(|failure| self.failure_in_full(id, failure))
            .collect();
        let of_kin: Vec<Failure<'_>> = self
            .kin(id)
            .iter()
            .flat_map(|it| self.failures(*it))
            .collect();
        for node in self.cluster.node_order.iter().filter(|node| wanted(**node)) {
            for (operation, interval) in self.counted(id, *node) {
                let known = of_kin.iter().any(|failure| {
                    failure.node == *node
                        && failure.operation() == operation
                        && number(failure.entry, "interval") == interval
                });
                if !known && let Some(count) = self.fail_count(id, *node, &operation, interval) {
                    list.push(self.bare_count(id, *node, (&operation, interval), count));
                }
            }
        }
        list
    }

    /// The instances that share the fail counts of a resource, itself among them.
    fn kin(&self, id: ResourceId) -> Vec<ResourceId> {
        let resource = self.cluster.resource(id);
        if resource.unique {
            return vec![id];
        }
        let mut kin = self.cluster.leaves(self.cluster.top(id));
        kin.retain(|other| self.cluster.resource(*other).config_id == resource.config_id);
        kin
    }

    /// Operations of a resource that have a fail count on a node.
    fn counted(&self, id: ResourceId, node: NodeId) -> Vec<(String, i64)> {
        let known = self.cluster.resource(id).known_as();
        let names = [&**known, base_name(known)];
        let mut found: Vec<(String, i64)> = Vec::new();
        for (attribute, _) in self.cluster.node(node).attributes.iter() {
            let Some((name, operation)) = attribute
                .strip_prefix("fail-count-")
                .and_then(|rest| rest.split_once('#'))
            else {
                continue;
            };
            let parsed = operation
                .rsplit_once('_')
                .and_then(|(operation, interval)| Some((operation, interval.parse().ok()?)));
            if names.contains(&name)
                && let Some((operation, interval)) = parsed
            {
                found.push((operation.to_owned(), interval));
            }
        }
        found
    }

    fn bare_count(
        &self,
        id: ResourceId,
        node: NodeId,
        (operation, interval): (&str, i64),
        (count, last): (Score, i64),
    ) -> Statement {
        let threshold = self.cluster.resource(id).migration_threshold;
        let mut parameters = vec![
            (
                "operation",
                Value::from(operation_text(operation, interval)),
            ),
            ("node", self.node_name(node).into()),
            ("count", count.to_string().into()),
            ("threshold", threshold.to_string().into()),
            ("forgotten", self.forgotten(id, last).into()),
            ("resource", self.cleanup_name(id).into()),
        ];
        if let Some(time) = time_text(last).filter(|_| last > 0) {
            parameters.push(("time", time.into()));
        }
        without_needless_remedy(self.say(&codes::FAIL_COUNT, parameters))
    }

    /// Why failures keep a resource from a node: too many of them.
    pub(super) fn too_often(&self, id: ResourceId, node: NodeId) -> Statement {
        let failures: Vec<Failure<'_>> = self
            .kin(id)
            .iter()
            .flat_map(|it| self.failures(*it))
            .collect();
        let here = failures.iter().filter(|failure| failure.node == node);
        let counted = here.filter_map(|failure| {
            let interval = number(failure.entry, "interval");
            let count = self.fail_count(id, node, failure.operation(), interval)?;
            Some((failure, count))
        });
        let Some((failure, (count, last))) = counted.max_by_key(|(_, (count, _))| *count) else {
            let counts = self.counted(id, node).into_iter();
            let counts = counts.filter_map(|(operation, interval)| {
                let count = self.fail_count(id, node, &operation, interval)?;
                Some((operation, interval, count))
            });
            return match counts.max_by_key(|(_, _, (count, _))| *count) {
                Some((operation, interval, count)) => {
                    self.bare_count(id, node, (&operation, interval), count)
                }
                None => self.too_often_beside(id, node),
            };
        };
        let threshold = self.cluster.resource(id).migration_threshold;
        let mut parameters = vec![
            ("failure", Value::from(self.what_failed(failure))),
            ("count", count.to_string().into()),
            ("threshold", threshold.to_string().into()),
            ("forgotten", self.forgotten(id, last).into()),
            ("failed_on", self.node_name(node).into()),
            ("resource", self.cleanup_name(id).into()),
        ];
        match self.fatal(failure.operation(), count) {
            Some(fatal) => parameters.push(("fatal", fatal.into())),
            None => parameters.push(("often", count.to_string().into())),
        }
        self.say(&codes::FAILED_TOO_OFTEN, parameters)
    }

    /// Why one failure keeps a resource from a node.
    pub(super) fn failure_bans(&self, id: ResourceId, entry: ElementId, node: NodeId) -> Statement {
        let Some(failure) = self.failure_of(id, entry) else {
            return self.plain(&codes::STATE);
        };
        let parameters = vec![
            ("failure", Value::from(self.what_failed(&failure))),
            ("failed_on", self.node_name(failure.node).into()),
            ("resource", self.cleanup_name(id).into()),
        ];
        let code = failure.code();
        if failure.on_fail == OnFail::Stop {
            return self.stopped_by(id, &failure);
        }
        if code == 5 && failure.node == node {
            return self.say(&codes::NOT_INSTALLED, parameters);
        }
        if failure.node != node && matches!(code, 2 | 6) {
            return self.say(&codes::FATAL, parameters);
        }
        let there = self.say(&codes::FAILED_THERE, parameters);
        let consequence = match failure.on_fail {
            OnFail::ResetRemote => "after that it is started nowhere until its node is fenced",
            _ if failure.node != node => "this keeps it from every node",
            OnFail::Block => "it is not started again anywhere before somebody has looked",
            _ if code == 6 => "this mistake in its configuration keeps it from every node",
            _ => return there,
        };
        self.with(there, "consequence", consequence)
    }

    /// A failure of another part of the same instance of a clone, which keeps all of it away.
    pub(super) fn failure_beside(&self, id: ResourceId, node: NodeId) -> Option<Statement> {
        let top = self.cluster.top(id);
        let parts = self.cluster.leaves(top);
        let parts = parts
            .iter()
            .filter(|_| self.cluster.resource(top).is_clone());
        let mut failures =
            parts.flat_map(|part| self.failures(*part).into_iter().map(|it| (*part, it)));
        let (part, failure) = failures.find(|(_, failure)| failure.node == node)?;
        let there = self.failure_bans(part, failure.entry.id(), node);
        Some(self.with(there, "failure", self.failure_of_part(part, &failure)))
    }

    /// The same for failures that are too many.
    fn too_often_beside(&self, id: ResourceId, node: NodeId) -> Statement {
        let parts = self.cluster.leaves(self.cluster.top(id));
        // What a guest or a container runs counts for it too.
        let launched = self.cluster.resource(id).launched.iter().copied();
        let mut parts = launched.chain(parts).filter(|part| *part != id);
        let Some(part) = parts.find(|part| !self.counted(*part, node).is_empty()) else {
            return self.plain(&codes::STATE);
        };
        let there = self.too_often(part, node);
        let failures = self.kin(part).into_iter().flat_map(|it| self.failures(it));
        match failures.into_iter().find(|failure| failure.node == node) {
            Some(failure) if there.code == &codes::FAILED_TOO_OFTEN => {
                self.with(there, "failure", self.failure_of_part(part, &failure))
            }
            _ => self.of(part, there),
        }
    }

    /// What happened, with whom it happened to.
    pub(super) fn failure_of_part(&self, part: ResourceId, failure: &Failure<'_>) -> Statement {
        let what = self.what_failed(failure);
        let operation = what.text_of("operation").unwrap_or_default();
        let of = format!("{}: {operation}", self.cleanup_name(part));
        self.with(what, "operation", of)
    }

    /// A failure whose response is to stop the resource.
    pub(super) fn stopped_by(&self, id: ResourceId, failure: &Failure<'_>) -> Statement {
        self.say(
            &codes::STOPPED_BY_FAILURE,
            vec![
                ("failure", self.what_failed(failure).into()),
                ("on_fail", response(failure.on_fail).0.into()),
                ("resource", self.cleanup_name(id).into()),
            ],
        )
    }

    /// An operation under way.
    pub(super) fn pending(&self, id: ResourceId) -> Option<Statement> {
        let resource = self.cluster.resource(id);
        let (task, node) = (resource.pending_task.as_ref()?, resource.pending_node?);
        let interval = i64::from(resource.pending_interval_ms);
        let mut parameters = vec![
            (
                "operation",
                Value::from(operation_text(task.name(), interval)),
            ),
            ("node", self.node_name(node).into()),
        ];
        let since = self.history(id, node).into_iter().find(|entry| {
            entry.get("op-status") == Some("-1") && entry.get("operation") == Some(task.name())
        });
        let since = since.and_then(|entry| entry.get("last-rc-change")?.parse().ok());
        if let Some(time) = since.and_then(time_text) {
            parameters.push(("time", time.into()));
        }
        Some(self.say(&codes::PENDING, parameters))
    }

    /// The state of a node, as the status section has it.
    pub(super) fn node_states(&self, node: NodeId) -> impl Iterator<Item = Element<'s>> {
        let cluster = self.cluster;
        let status = cluster.document.section("status").into_iter();
        let states = status.flat_map(|status| status.children_named("node_state"));
        states.filter(move |state| {
            let id = state.get("id");
            id.and_then(|id| cluster.find_node_by_id(id)) == Some(node)
        })
    }

    /// The history of a resource on a node.
    pub(super) fn history(&self, id: ResourceId, node: NodeId) -> Vec<Element<'s>> {
        let resource = self.cluster.resource(id);
        let known = resource.known_as();
        self.node_states(node)
            .filter_map(|state| state.child("lrm")?.child("lrm_resources"))
            .flat_map(|resources| resources.children_named("lrm_resource"))
            .filter(|history| {
                let name = history.get("id");
                name == Some(&**known) || name == Some(base_name(known))
            })
            .flat_map(|history| history.children_named("lrm_rsc_op"))
            .collect()
    }

    /// That a monitor found a resource stopped that is not managed.
    pub(super) fn found_stopped(&self, id: ResourceId) -> Option<Statement> {
        for node in &self.cluster.node_order {
            let history = self.history(id, *node);
            let monitor = history.into_iter().find(|entry| {
                number(*entry, "interval") > 0
                    && number(*entry, "rc-code") == 7
                    && number(*entry, "op-status") == 0
            });
            let Some(entry) = monitor else { continue };
            let operation = entry.get("operation").unwrap_or("monitor");
            let mut parameters = vec![
                (
                    "operation",
                    Value::from(operation_text(operation, number(entry, "interval"))),
                ),
                ("node", self.node_name(*node).into()),
            ];
            if let Some(time) = time_text(number(entry, "last-rc-change")) {
                parameters.push(("time", time.into()));
            }
            return Some(self.say(&codes::UNCHANGED_UNMANAGED, parameters));
        }
        None
    }
}
