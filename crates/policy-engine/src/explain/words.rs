//! The words of explanations, one function for each kind of fact.

use crate::model::{
    ActionId, Cause, Choice, Cluster, ColocationId, Entry, NodeId, Role, Score, Task, Where,
};
use crate::xml::ElementId;

/// What the reader calls nodes, resources and clusters: the field's words, or those of a product
/// built on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where resources run.
    pub node: &'static str,
    /// Plural of the word before.
    pub nodes: &'static str,
    /// What runs on a node.
    pub resource: &'static str,
    /// Plural of the word before.
    pub resources: &'static str,
    /// All nodes and resources together.
    pub cluster: &'static str,
}

impl Terms {
    /// The field's own words.
    pub const CLUSTER: Terms = Terms {
        node: "node",
        nodes: "nodes",
        resource: "resource",
        resources: "resources",
        cluster: "cluster",
    };
}

/// A role as a participle.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Unknown | Role::Started => "started",
        Role::Stopped => "stopped",
        Role::Unpromoted => "started (unpromoted)",
        Role::Promoted => "promoted",
    }
}

/// How the node was chosen.
pub(super) fn choice(terms: &Terms, choice: Choice) -> String {
    let Terms {
        node,
        nodes,
        resources,
        ..
    } = terms;
    match choice {
        Choice::Unmanaged => ", because it is not managed".into(),
        Choice::StopAll => {
            format!(", because all {resources} are to be stopped (stop-all-resources)")
        }
        Choice::Best => format!(
            ", the best of the usable {nodes} (of equally good ones, the one with the least on it)"
        ),
        Choice::Stays => format!(", because no usable {node} is better than the one it is on"),
        Choice::Preferred => format!(", the preferred one among equally good {nodes}"),
        Choice::Nowhere => format!(", because no usable {node} is left"),
    }
}

/// Whether a score is 0, which is not worth a line as a first score.
pub(super) fn is_zero(score: Option<Score>) -> bool {
    score == Some(Score::ZERO)
}

/// The difference between two scores.
pub(super) fn change(before: Option<Score>, after: Option<Score>) -> String {
    match (before, after) {
        (_, None) => "removed".to_owned(),
        (None, Some(after)) => format!("= {after}"),
        (_, Some(after)) if after.is_infinity() || after.is_minus_infinity() => {
            format!("= {after}")
        }
        (Some(before), Some(after)) if before.is_infinity() || before.is_minus_infinity() => {
            format!("= {after}")
        }
        (Some(before), Some(after)) => format!("{:+}", after.0 - before.0),
    }
}

/// Why a score changed.
pub(super) fn cause(terms: &Terms, cluster: &Cluster, entry: &Entry) -> String {
    let Terms {
        node,
        nodes,
        resource: thing,
        cluster: whole,
        ..
    } = terms;
    let resource = cluster.resource(entry.resource);
    match &entry.cause {
        Cause::Base => format!("what every {thing} starts with there"),
        Cause::Failure(element) => failure(cluster, *element),
        Cause::State => format!("the state of the {whole} ({node} or history)"),
        Cause::Ticket(id) => {
            format!("ticket constraint {id}: its ticket is not granted, or in standby")
        }
        Cause::ShutdownLock => format!("shutdown-lock: it waits for the {node} that shut down"),
        Cause::Location(id) => format!("location constraint {}", cluster.location(*id).id),
        Cause::Stickiness => format!("resource-stickiness {}: it runs there", resource.stickiness),
        Cause::MigrationThreshold => format!(
            "migration-threshold {}: it failed too often there",
            resource.migration_threshold
        ),
        Cause::ExclusiveDiscovery => format!(
            "resource-discovery=exclusive: only the {nodes} that constraints name are candidates"
        ),
        Cause::Container => format!("the rules for containers, guests and remote {nodes}"),
        Cause::PromotionScore => {
            "its promotion score: it is placed where it can be promoted".into()
        }
        Cause::Primary(id) => primary(terms, cluster, *id),
        Cause::Dependent(id) => dependent(cluster, *id),
        Cause::RoleStopped => "it must not run (target-role, or a failure that stops it)".into(),
        Cause::Utilization => "placement-strategy: not enough capacity is free there".into(),
        Cause::EnoughInstances => "the clone has all its instances elsewhere".into(),
        Cause::InstanceLimit => format!(
            "no (further) instance is possible there: the {node} is not usable, has its share, or is banned for the clone"
        ),
        Cause::Bundle => "the bundle puts it into its container".into(),
        Cause::Other => "built-in rules".into(),
    }
}

/// A recorded failure.
fn failure(cluster: &Cluster, element: ElementId) -> String {
    let element = cluster.document.element(element);
    let operation = element.get("operation_key").or(element.get("id"));
    let operation = operation.unwrap_or("an operation");
    let code = element.get("rc-code").unwrap_or("unknown");
    match element.get("exit-reason") {
        Some(reason) if !reason.is_empty() => {
            format!("{operation} failed there (exit code {code}, {reason})")
        }
        _ => format!("{operation} failed there (exit code {code})"),
    }
}

/// A colocation with a primary, which attracts or repels.
fn primary(terms: &Terms, cluster: &Cluster, id: ColocationId) -> String {
    let colocation = cluster.colocation(id);
    let nodes = cluster.locations_of(colocation.primary, Where::Assigned);
    let names: Vec<&str> = nodes
        .iter()
        .map(|node| &*cluster.node(*node).name)
        .collect();
    let place = match names.as_slice() {
        [] => format!("which has no {}", terms.node),
        names => format!("which is on {}", names.join(" and ")),
    };
    format!(
        "colocation {} (score {}) with {}, {place}",
        colocation.id,
        colocation.score,
        cluster.resource(colocation.primary).id
    )
}

/// A colocation of a dependent, whose preferences count.
fn dependent(cluster: &Cluster, id: ColocationId) -> String {
    let colocation = cluster.colocation(id);
    format!(
        "colocation {} (score {}): {} is colocated with it, and its preferences count",
        colocation.id,
        colocation.score,
        cluster.resource(colocation.dependent).id
    )
}

/// Why a node cannot run any resource.
pub(super) fn node_problem(cluster: &Cluster, id: NodeId) -> Option<String> {
    let node = cluster.node(id);
    let problem = if node.unclean {
        "it is unclean: it must be fenced first"
    } else if !node.online {
        "it is offline"
    } else if node.shutdown {
        "it shuts down"
    } else if node.standby {
        "it is in standby"
    } else if node.maintenance {
        "it is in maintenance"
    } else {
        return None;
    };
    Some(format!("not usable: {problem}"))
}

/// An action in words: its task, its interval, its node.
pub(super) fn action(cluster: &Cluster, id: ActionId) -> String {
    let action = cluster.action(id);
    let task = match (&action.task, &action.cancelled_task) {
        (Task::Cancel, Some(task)) => format!("cancel of {task}"),
        (Task::Monitor, _) if action.interval_ms() == 0 => "probe".to_owned(),
        (task, _) => task.to_string(),
    };
    let interval = match action.interval_ms() {
        0 => String::new(),
        interval => format!(" every {interval} ms"),
    };
    match action.node {
        Some(node) => format!("{task}{interval} on {}", cluster.node(node).name),
        None => format!("{task}{interval}"),
    }
}
