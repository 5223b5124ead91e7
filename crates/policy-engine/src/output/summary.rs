//! The transition summary: the change of each node and resource, in one line (scheduler-spec/06
//! §B.9–B.11).
//!
//! [`transition`] evaluates it, [`lines`] writes it.

use crate::model::{Action, ActionId, Cluster, NodeId, OperationKey, ResourceId, Role, Task, Text};
use crate::transition::actions::find_first;

/// One thing that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A node is fenced, unfenced or shut down.
    Node {
        /// `reboot`, `off`, `on`; `None` for a shutdown.
        fencing: Option<Text>,
        /// Name of the node.
        node: Text,
        /// The guest or container resource, for guest and bundle nodes.
        launcher: Option<Text>,
        /// Why.
        reason: Text,
    },
    /// A resource is started, stopped, moved, …
    Resource(ResourceChange),
}

/// What happens to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceChange {
    /// `Start`, `Stop`, `Move`, …
    pub verb: &'static str,
    /// Internal id.
    pub resource: Text,
    /// Node that it leaves, or stays on.
    pub from: Option<Text>,
    /// Node that it goes to, or stays on.
    pub to: Option<Text>,
    /// Role before.
    pub role: Role,
    /// Role after.
    pub next_role: Role,
    /// Why.
    pub reason: Option<Text>,
    /// It should happen, but cannot.
    pub blocked: bool,
}

/// Evaluates the summary, of roles and actions as `actions::settle` left them.
pub fn transition(cluster: &Cluster) -> Vec<Change> {
    let mut changes = Vec::new();
    for action in cluster.actions.iter().rev() {
        changes.extend(node_change(cluster, action));
    }
    for resource in &cluster.top_level {
        below(cluster, *resource, &mut changes);
    }
    changes
}

fn node_change(cluster: &Cluster, action: &Action) -> Option<Change> {
    let fencing = match action.task {
        Task::Stonith => Some(action.meta("stonith_action").unwrap_or("reboot").into()),
        Task::DoShutdown => None,
        _ => return None,
    };
    if action.optional {
        return None;
    }
    let (reason, node) = (action.reason.clone()?, action.node?);
    let launcher = cluster.guest_launcher(node);
    Some(Change::Node {
        fencing,
        node: cluster.node(node).name.clone(),
        launcher: launcher.map(|launcher| cluster.resource(launcher).id.clone()),
        reason,
    })
}

/// The changes of a resource and its parts, in the order in which people read them.
fn below(cluster: &Cluster, id: ResourceId, changes: &mut Vec<Change>) {
    if cluster.resource(id).is_primitive() {
        return primitive(cluster, id, changes);
    }
    for part in cluster.parts(id) {
        below(cluster, part, changes);
    }
}

/// The actions of one primitive that the summary looks at, and where it goes.
struct Outlook {
    resource: ResourceId,
    current: Option<NodeId>,
    next: Option<NodeId>,
    start: Option<ActionId>,
    stop: Option<ActionId>,
    promote: Option<ActionId>,
    demote: Option<ActionId>,
}

/// A verdict before it is put into words.
struct Verdict {
    verb: &'static str,
    from: Option<NodeId>,
    to: Option<NodeId>,
    action: Option<ActionId>,
    /// Whose reason is shown, if not the action's.
    reason_of: Option<ActionId>,
}

fn find(cluster: &Cluster, id: ResourceId, task: Task, node: Option<NodeId>) -> Option<ActionId> {
    find_first(cluster, id, &OperationKey::once(task), node)
}

fn primitive(cluster: &Cluster, id: ResourceId, changes: &mut Vec<Change>) {
    if !cluster.may_change(id) {
        return;
    }
    let resource = cluster.resource(id);
    let (current, next) = (cluster.current_node(id), resource.assigned);
    let start = find(cluster, id, Task::Start, next);
    let start_runnable = start.is_some_and(|start| cluster.action(start).runnable);
    let stop_filter = current.filter(|_| start_runnable);
    let mut stop = find(cluster, id, Task::Stop, stop_filter);
    if stop.is_none() && resource.stop_unexpected {
        stop = find(cluster, id, Task::Stop, None);
    }
    let outlook = Outlook {
        resource: id,
        current,
        next,
        start,
        stop,
        promote: find(cluster, id, Task::Promote, next),
        demote: find(cluster, id, Task::Demote, next),
    };

    let verdicts = if resource.role == resource.next_role {
        same_role(cluster, &outlook).into_iter().collect()
    } else {
        other_role(cluster, &outlook)
    };
    for verdict in verdicts {
        changes.push(Change::Resource(change(cluster, id, verdict)));
    }
}

impl Outlook {
    fn verdict(
        &self,
        verb: &'static str,
        from: Option<NodeId>,
        to: Option<NodeId>,
        action: Option<ActionId>,
    ) -> Verdict {
        Verdict {
            verb,
            from,
            to,
            action,
            reason_of: action,
        }
    }
    /// It goes (or stays) where it should be.
    fn to_next(&self, verb: &'static str, action: Option<ActionId>) -> Verdict {
        self.verdict(verb, self.current, self.next, action)
    }
    /// It leaves where it is.
    fn away(&self, verb: &'static str, action: Option<ActionId>) -> Verdict {
        self.verdict(verb, self.current, None, action)
    }
    fn moving(&self) -> bool {
        self.current.is_some() && self.next.is_some() && self.current != self.next
    }
}

/// 06 §B.10 step 5.
fn same_role(cluster: &Cluster, outlook: &Outlook) -> Option<Verdict> {
    let id = outlook.resource;
    outlook.next?;
    let migration = find(cluster, id, Task::MigrateFrom, outlook.next);
    let migrates = migration.is_some_and(|action| cluster.action(action).runnable);
    let resource = cluster.resource(id);
    let required = |action: Option<ActionId>| action.is_some_and(|a| !cluster.action(a).optional);

    if migrates && outlook.current.is_some() {
        return Some(outlook.to_next("Migrate", outlook.start));
    }
    if resource.reload {
        return Some(outlook.to_next("Reload", outlook.start));
    }
    let Some(start) = outlook.start.filter(|_| required(outlook.start)) else {
        if required(outlook.demote) && required(outlook.promote) {
            return Some(Verdict {
                reason_of: outlook.demote,
                ..outlook.to_next("Re-promote", outlook.promote)
            });
        }
        return None;
    };
    if !cluster.action(start).runnable {
        return Some(Verdict {
            reason_of: with_reason(cluster, outlook.stop).or(Some(start)),
            ..outlook.away("Stop", outlook.stop)
        });
    }
    Some(if outlook.moving() {
        let verb = if resource.failed { "Recover" } else { "Move" };
        outlook.to_next(verb, outlook.stop)
    } else if resource.failed {
        outlook.away("Recover", outlook.stop)
    } else {
        outlook.to_next("Restart", outlook.start)
    })
}

/// 06 §B.10 step 6.
fn other_role(cluster: &Cluster, outlook: &Outlook) -> Vec<Verdict> {
    let id = outlook.resource;
    let start_blocked = outlook.start.is_some_and(|a| !cluster.action(a).runnable);
    let resource = cluster.resource(id);
    let (role, next_role) = (resource.role, resource.next_role);
    if outlook.stop.is_some() && (next_role == Role::Stopped || start_blocked) {
        let mut verdicts = Vec::new();
        for node in &resource.active_on {
            let stop = find(cluster, id, Task::Stop, Some(*node));
            verdicts.push(Verdict {
                reason_of: with_reason(cluster, stop).or(outlook.start).or(stop),
                ..outlook.verdict("Stop", Some(*node), None, stop)
            });
        }
        return verdicts;
    }
    let stop_required = outlook.stop.is_some_and(|a| !cluster.action(a).optional);
    let verdict = if outlook.stop.is_some() && resource.failed && resource.stop_if_failed {
        Verdict {
            reason_of: outlook.start.or(outlook.stop),
            ..outlook.to_next("Recover", outlook.stop)
        }
    } else if outlook.moving() {
        outlook.to_next("Move", outlook.stop)
    } else if resource.reload {
        outlook.to_next("Reload", outlook.start)
    } else if stop_required {
        outlook.to_next("Restart", outlook.start)
    } else if role == Role::Promoted {
        outlook.to_next("Demote", outlook.demote)
    } else if next_role == Role::Promoted {
        outlook.to_next("Promote", outlook.promote)
    } else if role == Role::Stopped && next_role > Role::Stopped {
        outlook.to_next("Start", outlook.start)
    } else {
        return Vec::new();
    };
    vec![verdict]
}

fn with_reason(cluster: &Cluster, action: Option<ActionId>) -> Option<ActionId> {
    action.filter(|action| cluster.action(*action).reason.is_some())
}

fn change(cluster: &Cluster, id: ResourceId, verdict: Verdict) -> ResourceChange {
    let resource = cluster.resource(id);
    let name = |node: Option<NodeId>| node.map(|node| cluster.node(node).name.clone());
    ResourceChange {
        verb: verdict.verb,
        resource: resource.id.clone(),
        from: name(verdict.from),
        to: name(verdict.to),
        role: resource.role,
        next_role: resource.next_role,
        reason: verdict
            .reason_of
            .and_then(|action| cluster.action(action).reason.clone()),
        blocked: verdict
            .action
            .is_some_and(|action| !cluster.action(action).runnable),
    }
}

impl ResourceChange {
    /// Where it happens, and with roles where they matter (06 §B.10 step 7).
    pub fn details(&self) -> String {
        let need_role = self.role > Role::Started || self.next_role > Role::Unpromoted;
        let same_role = self.role == self.next_role;
        let (role, next_role) = (self.role, self.next_role);
        match (&self.from, &self.to) {
            (None, None) => String::new(),
            (None, Some(to)) if need_role => format!("{role} -> {next_role} {to}"),
            (None, Some(to)) => to.to_string(),
            (Some(from), None) if need_role => format!("{role} {from}"),
            (Some(from), None) => from.to_string(),
            (Some(from), Some(to)) => match (same_role, from == to) {
                (true, true) if need_role => format!("{role} {from}"),
                (true, true) => from.to_string(),
                (true, false) if need_role => format!("{from} -> {to} {role}"),
                (true, false) => format!("{from} -> {to}"),
                (false, true) => format!("{role} -> {next_role} {from}"),
                (false, false) => format!("{role} {from} -> {next_role} {to}"),
            },
        }
    }

    /// Why, and whether it is blocked (06 §B.10 step 8); may be empty.
    pub fn remark(&self) -> String {
        match (&self.reason, self.blocked) {
            (Some(reason), true) => format!("due to {reason} (blocked)"),
            (Some(reason), false) => format!("due to {reason}"),
            (None, true) => "blocked".to_owned(),
            (None, false) => String::new(),
        }
    }
}

/// Columns are made no wider than this for one long name: the other lines would be filled up with
/// megabytes, and a formatter takes a width of 16 bits only.
const MAX_WIDTH: usize = 1_000;

/// The summary as aligned lines (06 §B.9, §B.10 step 9).
pub fn lines(changes: &[Change]) -> Vec<String> {
    let (mut id_width, mut details_width) = (5, 5);
    for change in changes {
        if let Change::Resource(change) = change {
            let length = change.resource.chars().count();
            if length > id_width {
                id_width = length + 2;
            }
            details_width = details_width.max(change.details().chars().count());
        }
    }
    let (id_width, details_width) = (id_width.min(MAX_WIDTH), details_width.min(MAX_WIDTH));
    let line = |change: &Change| match change {
        Change::Node {
            fencing,
            node,
            launcher,
            reason,
        } => {
            let node = match launcher {
                Some(launcher) => format!("{node} (resource: {launcher})"),
                None => node.to_string(),
            };
            match fencing {
                Some(operation) => format!("Fence ({operation}) {node} '{reason}'"),
                None => format!("Shutdown {node} '{reason}'"),
            }
        }
        Change::Resource(change) => {
            let mut line = format!(
                "{:<8}   {:<id_width$}   ( {:>details_width$} )",
                change.verb,
                change.resource,
                change.details()
            );
            let remark = change.remark();
            if !remark.is_empty() {
                line.push_str("  ");
                line.push_str(&remark);
            }
            line
        }
    };
    changes.iter().map(line).collect()
}
