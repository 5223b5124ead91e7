//! Node attributes, fail counts and failed operations, shown on request (scheduler-spec/06 §B.12).

use crate::model::{Cluster, FailedOperation, NodeId, Score, Text};
use crate::output::{Item, failures};
use crate::scalar;
use crate::simulation::specification::OperationName;

/// Beginnings of the names of attributes that are not for people.
const HIDDEN: [&str; 6] = [
    "fail-count",
    "last-failure",
    "shutdown",
    "terminate",
    "standby",
    "#",
];

/// The attributes of a node that people look at, by name.
pub fn attributes(cluster: &Cluster, node: NodeId) -> Vec<(Text, Text)> {
    let attributes = cluster.node(node).attributes.iter();
    let mut shown: Vec<(Text, Text)> = attributes
        .filter(|(name, _)| !HIDDEN.iter().any(|hidden| name.starts_with(hidden)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    shown.sort();
    shown
}

/// A resource that failed on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailCount {
    /// The resource as the history knows it.
    pub resource: Text,
    /// From how many failures on it is banned.
    pub migration_threshold: Score,
    /// Failures.
    pub count: Score,
    /// Epoch seconds of the last one.
    pub last_failure: Option<i64>,
}

/// The fail counts of the resources that a node's history knows, expired ones included.
pub fn fail_counts(cluster: &Cluster, node: NodeId) -> Vec<FailCount> {
    let name = &*cluster.node(node).name;
    let status = cluster.document.section("status");
    let resources = status
        .iter()
        .flat_map(|status| status.children_named("node_state"))
        .filter(|state| state.get("uname") == Some(name))
        .flat_map(|state| state.children_named("lrm"))
        .flat_map(|lrm| lrm.children_named("lrm_resources"))
        .flat_map(|resources| resources.children_named("lrm_resource"));
    resources
        .filter_map(|resource| fail_count(cluster, node, resource.get("id")?))
        .collect()
}

fn fail_count(cluster: &Cluster, node: NodeId, resource: &str) -> Option<FailCount> {
    let values = |prefix: &str| -> Vec<&Text> {
        let attributes = cluster.node(node).attributes.iter();
        attributes
            .filter(|(name, _)| {
                let rest = name.strip_prefix(prefix);
                let rest = rest.and_then(|name| name.strip_prefix(resource));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
            })
            .map(|(_, value)| value)
            .collect()
    };
    let counts = values("fail-count-");
    let count = counts
        .iter()
        .filter_map(|value| cluster.options.score(value))
        .fold(Score::ZERO, Score::add);
    if count == Score::ZERO {
        return None;
    }
    let known = cluster.find_resource(resource);
    let threshold = known.map(|id| cluster.resource(id).migration_threshold);
    let times = values("last-failure-");
    Some(FailCount {
        resource: resource.into(),
        migration_threshold: threshold.unwrap_or(Score::INFINITY),
        count,
        last_failure: times.iter().filter_map(|time| scalar::integer(time)).max(),
    })
}

/// A failed operation, for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Operation key.
    pub key: Text,
    /// Node name.
    pub node: Text,
    /// Exit code.
    pub code: i64,
    /// Call id.
    pub call: i64,
    /// Operation status.
    pub status: i64,
    /// Why, in the agent's words; may be empty.
    pub reason: String,
    /// Epoch seconds.
    pub last_change: Option<i64>,
    /// Time in the queue, ms.
    pub queued_ms: Option<i64>,
    /// Run time, ms.
    pub exec_ms: Option<i64>,
}

/// The failed operations, in order of recording.
pub fn failed_operations(cluster: &Cluster) -> Vec<Failure> {
    let failures = cluster.failed_operations.iter();
    failures
        .filter(|failure| !failure.masked_probe && OperationName::parse(&failure.key).is_some())
        .map(|failure| describe(cluster, failure))
        .collect()
}

fn describe(cluster: &Cluster, failure: &FailedOperation) -> Failure {
    let entry = cluster.document.element(failure.entry);
    let optional = |name: &str| entry.get(name).and_then(scalar::integer);
    Failure {
        key: failure.key.clone(),
        node: cluster.node(failure.node).name.clone(),
        code: failures::integer(cluster, failure, "rc-code"),
        call: failures::integer(cluster, failure, "call-id"),
        status: failures::integer(cluster, failure, "op-status"),
        reason: entry.get("exit-reason").unwrap_or_default().to_owned(),
        last_change: optional("last-rc-change"),
        queued_ms: optional("queue-time"),
        exec_ms: optional("exec-time"),
    }
}

/// The list of node attributes; `None` if there are none.
pub fn attributes_item(cluster: &Cluster) -> Option<Item> {
    let items = per_online_node(cluster, |node| {
        attributes(cluster, node)
            .iter()
            .map(|(name, value)| Item::Line(format!("{name:<32}\t: {value:<10}")))
            .collect()
    });
    (!items.is_empty()).then(|| Item::List("Node Attributes".into(), items))
}

/// Fail counts, and failed operations if there are any. `date` writes an instant (epoch seconds) in
/// words.
pub fn failure_items(cluster: &Cluster, date: impl Fn(i64) -> String) -> Vec<Item> {
    let counts = per_online_node(cluster, |node| {
        let line = |count: &FailCount| {
            let mut line = format!(
                "{}: migration-threshold={} fail-count={}",
                count.resource, count.migration_threshold, count.count
            );
            if let Some(time) = count.last_failure {
                line.push_str(&format!(" last-failure='{}'", date(time)));
            }
            Item::Line(line)
        };
        fail_counts(cluster, node).iter().map(line).collect()
    });
    let mut items = vec![Item::List("Migration Summary".into(), counts)];
    let failed: Vec<Item> = failed_operations(cluster)
        .iter()
        .map(|failure| Item::Line(failure_line(failure, &date)))
        .collect();
    if !failed.is_empty() {
        items.push(Item::Spacer);
        items.push(Item::List("Failed Resource Actions".into(), failed));
    }
    items
}

fn failure_line(failure: &Failure, date: &impl Fn(i64) -> String) -> String {
    let mut line = format!(
        "{} on {} '{}' ({}): call={}, status='{}'",
        failure.key,
        failure.node,
        failures::exit_text(failure.code),
        failure.code,
        failure.call,
        failures::status_text(failure.status),
    );
    if !failure.reason.is_empty() {
        line.push_str(&format!(", exitreason='{}'", failure.reason));
    }
    if let Some(time) = failure.last_change {
        line.push_str(&format!(", last-rc-change='{}'", date(time)));
    }
    if let Some(queued) = failure.queued_ms {
        line.push_str(&format!(", queued={queued}ms"));
    }
    if let Some(exec) = failure.exec_ms {
        line.push_str(&format!(", exec={exec}ms"));
    }
    line
}

/// `Node: NAME:` lists of the online nodes for which there are items.
fn per_online_node(cluster: &Cluster, items: impl Fn(NodeId) -> Vec<Item>) -> Vec<Item> {
    let online = cluster
        .node_order
        .iter()
        .filter(|node| cluster.node(**node).online);
    online
        .filter_map(|node| {
            let items = items(*node);
            let title = format!("Node: {}", cluster.node(*node).name);
            (!items.is_empty()).then_some(Item::List(title, items))
        })
        .collect()
}
