//! Definition changes: differences between the history and the configuration (scheduler-spec/05
//! §4).

use rustc_hash::FxHashMap;

use super::recurring;
use crate::configuration::digests::{self, Comparison};
use crate::configuration::{operations, parameters};
use crate::model::*;
use crate::scalar;
use crate::status::failures::{Scope, fail_count};
use crate::status::history;
use crate::transition::orderings::{self, order, side, side_of};
use crate::transition::{actions, fencing};
use crate::xml::Element;

/// P6: checks every active operation in the histories, node by node.
pub(crate) fn check(cluster: &mut Cluster) {
    let document = cluster.document.clone();
    let Some(status) = document.section("status") else {
        return;
    };
    let mut states: FxHashMap<&str, Element<'_>> = FxHashMap::default();
    for state in status.children_named("node_state") {
        if let Some(name) = state.get("uname") {
            states.entry(name).or_insert(state);
        }
    }
    let position = tree_positions(cluster);
    for node_id in cluster.node_order.clone() {
        let node = cluster.node(node_id);
        if !node.maintenance && !node.is_available() {
            continue;
        }
        let Some(histories) = states
            .get(&*node.name)
            .and_then(|state| state.child("lrm"))
            .and_then(|lrm| lrm.child("lrm_resources"))
        else {
            continue;
        };
        for entry in histories.children_named("lrm_resource") {
            if entry.children().next().is_none() {
                continue;
            }
            for id in matching_primitives(cluster, entry.get("id").unwrap_or_default(), &position) {
                check_history(cluster, id, node_id, entry);
            }
        }
    }
}

/// Where each resource stands in the tree, depth first.
fn tree_positions(cluster: &Cluster) -> Vec<u32> {
    fn walk(cluster: &Cluster, id: ResourceId, next: &mut u32, out: &mut [u32]) {
        out[id.index()] = *next;
        *next += 1;
        for child in &cluster.resource(id).children {
            walk(cluster, *child, next, out);
        }
    }
    let (mut out, mut next) = (vec![u32::MAX; cluster.resources.len()], 0);
    for top in &cluster.top_level {
        walk(cluster, *top, &mut next, &mut out);
    }
    out
}

/// All primitives known by that name, last in the tree first (§4.1).
fn matching_primitives(cluster: &Cluster, name: &str, position: &[u32]) -> Vec<ResourceId> {
    let Some(found) = cluster.by_name.get(name) else {
        return Vec::new();
    };
    let mut found: Vec<_> = found
        .iter()
        .copied()
        .filter(|id| cluster.resource(*id).is_primitive() && position[id.index()] != u32::MAX)
        .collect();
    found.sort_by_key(|id| std::cmp::Reverse(position[id.index()]));
    found.dedup();
    found
}

/// Checks a primitive against one node's history: its agent, then each active operation (§4.2).
fn check_history(cluster: &mut Cluster, id: ResourceId, node: NodeId, entry: Element<'_>) {
    let resource = cluster.resource(id);
    if resource.removed {
        if !cluster.in_anonymous_clone(id) {
            schedule_cleanup(cluster, id, node);
        }
        return;
    }
    let changed = changed_agent_attributes(cluster, id, entry);
    let active = resource.active_on.contains(&node);
    if changed > 0 {
        for _ in 0..changed {
            let reason = "Device definition changed";
            fencing::trigger_unfencing(cluster, Some(id), Some(node), reason);
        }
        if active {
            actions::required_once(cluster, id, Task::Stop, node);
            cluster.resource_mut(id).start_pending = true;
        }
        schedule_cleanup(cluster, id, node);
    }
    if !active {
        return;
    }
    let operations = history::sorted_operations(cluster, entry);
    let (start, stop) = history::active_window(cluster, &operations);
    if start < stop {
        return;
    }
    let document = cluster.document.clone();
    for (index, operation) in operations.iter().enumerate() {
        if (index as isize) < start {
            continue;
        }
        check_active(cluster, id, node, document.element(*operation));
    }
}

/// How many of type, class and provider differ between the configuration and a history.
fn changed_agent_attributes(cluster: &Cluster, id: ResourceId, entry: Element<'_>) -> usize {
    let agent = &cluster.resource(id).agent;
    let class = (!agent.class.is_empty()).then_some(&*agent.class);
    let kind = (!agent.kind.is_empty()).then_some(&*agent.kind);
    [
        entry.get("type") != kind,
        entry.get("class") != class,
        entry.get("provider") != agent.provider.as_deref(),
    ]
    .into_iter()
    .filter(|differs| *differs)
    .count()
}

/// §4.2 step 5, for one operation of the active period.
fn check_active(cluster: &mut Cluster, id: ResourceId, node: NodeId, entry: Element<'_>) {
    let Some(name) = entry.get("operation") else {
        return;
    };
    let task = Task::parse(name);
    let interval_ms = interval_of(entry);
    if interval_ms > 0 && (cluster.resource(id).maintenance || cluster.node(node).maintenance) {
        cancel(
            cluster,
            id,
            &task,
            interval_ms,
            node,
            entry,
            "maintenance mode",
        );
        return;
    }
    let compared = matches!(
        task,
        Task::Monitor | Task::Start | Task::Promote | Task::MigrateFrom
    );
    if interval_ms == 0 && !compared {
        return;
    }
    if needs_address(cluster, id) {
        let check = DeferredCheck {
            entry: entry.id(),
            resource: id,
            node,
            last_failure: false,
        };
        cluster.deferred_checks.push(check);
        return;
    }
    check_changed(cluster, id, node, entry);
}

/// Whether a resource is a bundle connection whose address depends on where its container runs (04
/// §15.5).
pub(crate) fn needs_address(cluster: &Cluster, id: ResourceId) -> bool {
    let resource = cluster.resource(id);
    resource.nesting_allowed
        && resource.remote_connection
        && parameters::of_resource(cluster, id, None)
            .text("addr")
            .is_some_and(|addr| addr.eq_ignore_ascii_case("#uname"))
}

fn interval_of(entry: Element<'_>) -> u32 {
    let value = entry.get("interval").and_then(scalar::integer).unwrap_or(0);
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

/// Compares an operation with its definition and clears the fail count if that changed.
fn check_changed(cluster: &mut Cluster, id: ResourceId, node: NodeId, entry: Element<'_>) {
    if !check_definition(cluster, id, node, entry) {
        return;
    }
    let (count, _) = fail_count(cluster, id, node, Scope::EFFECTIVE);
    if count != Score::ZERO {
        actions::clear_failcount(cluster, id, node);
    }
}

/// P8a: checks that had to wait for the assignment (§4.7), last registered first.
pub(crate) fn check_deferred(cluster: &mut Cluster) {
    let document = cluster.document.clone();
    for check in std::mem::take(&mut cluster.deferred_checks)
        .into_iter()
        .rev()
    {
        let entry = document.element(check.entry);
        if check.last_failure {
            let Some(name) = entry.get("operation") else {
                continue;
            };
            let (task, interval_ms) = (Task::parse(name), interval_of(entry));
            let digests = digests::compare(
                cluster,
                check.resource,
                &task,
                interval_ms,
                check.node,
                entry,
            );
            if matches!(digests.result, Comparison::Changed | Comparison::Restart) {
                actions::clear_failcount(cluster, check.resource, check.node);
            }
        } else {
            check_changed(cluster, check.resource, check.node, entry);
        }
    }
}

/// §4.3: true if the definition changed.
fn check_definition(
    cluster: &mut Cluster,
    id: ResourceId,
    node: NodeId,
    entry: Element<'_>,
) -> bool {
    let name = entry.get("operation").unwrap_or_default();
    let (task, interval_ms) = (Task::parse(name), interval_of(entry));
    if interval_ms > 0 && operations::find_enabled(cluster, id, name, interval_ms).is_none() {
        if cluster.options.cancel_removed_actions {
            cancel(cluster, id, &task, interval_ms, node, entry, "removed");
        }
        return true;
    }
    let digests = digests::compare(cluster, id, &task, interval_ms, node, entry);
    if digests.result == Comparison::Match {
        return false;
    }
    let recorded = entry.get("op-secure-digest");
    if cluster.run.sanitized && recorded.is_some() && recorded == digests.secure.as_deref() {
        let text = format!(
            "Only 'private' parameters to {}-interval {name} for {} on {} changed: {}",
            readable_interval(interval_ms),
            cluster.resource(id).id,
            cluster.node(node).name,
            entry.get("transition-magic").unwrap_or("(null)"),
        );
        cluster.inform(text);
        return false;
    }
    let reference = match task {
        Task::Monitor | Task::MigrateFrom | Task::Promote if interval_ms == 0 => Task::Start,
        _ => task.clone(),
    };
    if interval_ms == 0 {
        cluster.note_redefinition(Redefinition {
            resource: id,
            node,
            entry: entry.id(),
            reloads_others: digests.result == Comparison::Restart
                && entry.get("op-restart-digest").is_some(),
        });
    }
    match digests.result {
        Comparison::Restart => force_restart(cluster, id, reference, interval_ms, node),
        _ if interval_ms > 0 => recurring::reschedule(cluster, id, &task, interval_ms, node),
        _ if entry.get("op-restart-digest").is_some() => {
            let reason = "Device parameters changed (reload)";
            fencing::trigger_unfencing(cluster, Some(id), Some(node), reason);
            schedule_reload(cluster, id, node);
        }
        _ => force_restart(cluster, id, reference, interval_ms, node),
    }
    true
}

/// An interval for people: the largest unit in which it is whole.
fn readable_interval(ms: u32) -> String {
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

fn force_restart(
    cluster: &mut Cluster,
    id: ResourceId,
    task: Task,
    interval_ms: u32,
    node: NodeId,
) {
    let required = actions::required(cluster, id, OperationKey::every(task, interval_ms), None);
    cluster
        .action_mut(required)
        .replace_reason("resource definition change");
    fencing::trigger_unfencing(cluster, Some(id), Some(node), "Device parameters changed");
}

/// The agent takes over the new parameters without a restart (§4.5).
fn schedule_reload(cluster: &mut Cluster, id: ResourceId, node: NodeId) {
    let resource = cluster.resource(id);
    if !resource.children.is_empty() {
        for child in resource.children.clone() {
            schedule_reload(cluster, child, node);
        }
        return;
    }
    if !resource.managed || resource.failed {
        return;
    }
    if resource.start_pending {
        actions::required_once(cluster, id, Task::Stop, node);
        return;
    }
    cluster.resource_mut(id).reload = true;
    let reload = actions::required_once(cluster, id, Task::ReloadAgent, node);
    cluster
        .action_mut(reload)
        .set_reason("resource definition change");
    for then in [Task::Stop, Task::Demote] {
        let first = side_of(cluster, reload);
        orderings::create(
            cluster,
            first,
            side(id, then),
            OrderFlags::SEQ | OrderFlags::CANCELS,
        );
    }
}

/// Cancels a recurring operation that the history shows as running (§6.4).
fn cancel(
    cluster: &mut Cluster,
    id: ResourceId,
    task: &Task,
    interval_ms: u32,
    node: NodeId,
    entry: Element<'_>,
    reason: &str,
) {
    let cancel = recurring::cancel(cluster, id, task, interval_ms, node);
    if let Some(call) = entry.get("call-id") {
        cluster.action_mut(cancel).set_meta("call-id", call);
    }
    cluster.action_mut(cancel).set_reason(reason);
    let then = side_of(cluster, cancel);
    orderings::create(cluster, side(id, Task::Stop), then, OrderFlags::SEQ);
}

/// Deletes a resource from a node's history after its stop (§4.6).
fn schedule_cleanup(cluster: &mut Cluster, id: ResourceId, node: NodeId) {
    let host = cluster.node(node);
    if cluster.resource(id).failed || host.unclean || !host.online {
        return;
    }
    actions::required_once(cluster, id, Task::Delete, node);
    order(cluster, id, Task::Stop, id, Task::Delete, OrderFlags::SEQ);
    order(cluster, id, Task::Delete, id, Task::Start, OrderFlags::SEQ);
}
