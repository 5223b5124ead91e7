//! What is said about failures, in the words of Pacemaker's scheduler, so that administrators find
//! them again.

use super::entry::Entry;
use super::history::number;
use crate::configuration::dates;
use crate::model::{Cluster, Level, NodeId, ResourceId};

/// A failure that counts.
pub(super) fn unexpected(
    cluster: &mut Cluster,
    resource: ResourceId,
    node: NodeId,
    entry: &Entry<'_>,
) {
    let text = format!(
        "Unexpected result ({}) was recorded for {} of {} on {}{} | {}",
        reason(entry),
        operation(entry),
        cluster.resource(resource).id,
        cluster.node(node).name,
        time(cluster, entry),
        source(entry),
    );
    cluster.say(Level::State, text);
}

/// A failure that is ignored.
pub(super) fn ignored(
    cluster: &mut Cluster,
    resource: ResourceId,
    node: NodeId,
    entry: &Entry<'_>,
) {
    let text = format!(
        "Pretending failed {} ({}) of {} on {}{} succeeded | {}",
        operation(entry),
        reason(entry),
        cluster.resource(resource).id,
        cluster.node(node).name,
        time(cluster, entry),
        source(entry),
    );
    cluster.say(Level::State, text);
}

/// A stop that failed for good, on a node that cannot be fenced.
pub(super) fn unrecoverable(
    cluster: &mut Cluster,
    resource: ResourceId,
    node: NodeId,
    entry: &Entry<'_>,
) {
    let text = format!(
        "No further recovery can be attempted for {} because {} on {} failed ({}){} | {}",
        cluster.resource(resource).id,
        operation(entry),
        cluster.node(node).name,
        reason(entry),
        time(cluster, entry),
        source(entry),
    );
    cluster.say(Level::Error, text);
}

/// A failure that keeps `banned` from a node. That an agent is not installed is nothing special.
pub(super) fn hard(cluster: &mut Cluster, banned: ResourceId, node: NodeId, entry: &Entry<'_>) {
    if entry.rc == 5 {
        return;
    }
    let text = format!(
        "Preventing {} from restarting on {} because of hard failure ({}) | {}",
        cluster.resource(banned).id,
        cluster.node(node).name,
        reason(entry),
        source(entry),
    );
    cluster.say(Level::Error, text);
}

/// A failure that keeps `banned` from every node.
pub(super) fn fatal(cluster: &mut Cluster, banned: ResourceId, entry: &Entry<'_>) {
    let text = format!(
        "Preventing {} from restarting anywhere because of fatal failure ({}) | {}",
        cluster.resource(banned).id,
        reason(entry),
        source(entry),
    );
    cluster.say(Level::Error, text);
}

/// A resource that is active, but not configured any more, and so will be stopped.
pub(super) fn removed(cluster: &mut Cluster, resource: ResourceId, node: NodeId) {
    let found = cluster.resource(resource);
    if found.removed && found.managed {
        let (id, name) = (&found.id, &cluster.node(node).name);
        let text = format!("Detected active orphan {id} running on {name}");
        cluster.say(Level::State, text);
    }
}

fn operation<'d>(entry: &Entry<'d>) -> &'d str {
    if entry.is_probe() {
        "probe"
    } else {
        entry.operation
    }
}

/// The exit code in words, and what the agent said.
fn reason(entry: &Entry<'_>) -> String {
    let result = match entry.rc {
        0 => "ok",
        1 => "error",
        2 => "invalid parameter",
        3 => "unimplemented feature",
        4 => "insufficient privileges",
        5 => "not installed",
        6 => "not configured",
        7 => "not running",
        8 => "promoted",
        9 => "promoted (failed)",
        _ => "error",
    };
    match entry.element.get("exit-reason") {
        Some(said) if !said.is_empty() => format!("{result}: {said}"),
        _ => result.to_owned(),
    }
}

/// ` at Nov 14 22:13:20 2023`, or nothing if that is not known.
fn time(cluster: &Cluster, entry: &Entry<'_>) -> String {
    let at = number(entry.element, "last-rc-change", 0);
    if at <= 0 {
        return String::new();
    }
    let run = &cluster.run;
    let offset_s = run.utc_offset_s.unwrap_or_else(|| run.zone.offset_s(at));
    let local = at.saturating_add(offset_s);
    dates::in_words(local).map_or_else(String::new, |date| format!(" at {date}"))
}

/// Where the failure was read.
fn source(entry: &Entry<'_>) -> String {
    let id = entry.element.get("id").unwrap_or_default();
    format!("rc={} id={id}", entry.rc)
}
