//! Steps C1–C4: what score tables start from (scheduler-spec/03 §7.4–7.8): shutdown locks, location
//! entries, stickiness, failure thresholds, exclusive discovery.

use super::locations;
use crate::model::{
    Cause, Cluster, Level, NodeId, OperationKey, ProbeMode, ResourceId, Score, Task, Turn, Variant,
};
use crate::scalar;
use crate::status::failures;
use crate::transition::actions;

/// C1–C4: shutdown locks, location entries, stickiness, failure thresholds, exclusive discovery.
pub(crate) fn apply_criteria(cluster: &mut Cluster) {
    if cluster.options.shutdown_lock {
        for resource in cluster.top_level.clone() {
            lock(cluster, resource);
        }
    }
    locations::apply_all(cluster);
    for resource in cluster.top_level.clone() {
        stick(cluster, resource);
    }
    for node in cluster.node_order.clone() {
        let failures = has_failures(cluster, node);
        for i in 0..cluster.top_level.len() {
            let resource = cluster.top_level[i];
            if failures {
                ban_after_failures(cluster, resource, node);
            }
            ban_undiscovered(cluster, resource, node);
        }
    }
}

/// Shutdown locks (§7.4): a resource whose only node shuts down cleanly waits for that node.
fn lock(cluster: &mut Cluster, id: ResourceId) {
    match cluster.resource(id).variant {
        Variant::Primitive => {}
        Variant::Group(_) => {
            for member in cluster.resource(id).children.clone() {
                lock(cluster, member);
            }
            return;
        }
        Variant::Clone(_) | Variant::Bundle(_) => return,
    }
    let resource = cluster.resource(id);
    if resource.fence_device || resource.remote_connection {
        return;
    }
    if let Some(node) = resource.lock_node {
        if !resource.active_on.is_empty() {
            let resource = cluster.resource_mut(id);
            resource.lock_node = None;
            resource.lock_time = 0;
            actions::delete_history(cluster, id, node);
        }
    } else if let [node] = resource.active_on[..] {
        let active = cluster.node(node);
        if active.shutdown && !active.unclean {
            let since = active
                .attributes
                .text("shutdown")
                .and_then(scalar::integer)
                .filter(|since| *since > 0)
                .unwrap_or(cluster.now);
            let resource = cluster.resource_mut(id);
            resource.lock_node = Some(node);
            resource.lock_time = since;
        }
    }
    let Some(locked_to) = cluster.resource(id).lock_node else {
        return;
    };
    let limit_ms = cluster.options.shutdown_lock_limit_ms;
    if limit_ms > 0 {
        let since = cluster.resource(id).lock_time;
        cluster.recheck_at(
            since
                .saturating_add(scalar::seconds(limit_ms))
                .saturating_add(1),
            Turn::Wait,
        );
    }
    for node in cluster.node_order.clone() {
        if node != locked_to {
            cluster.adjust(id, node, Score::MINUS_INFINITY);
        }
    }
    cluster.note(id, Cause::ShutdownLock);
}

/// Stickiness (§7.6): a managed primitive that is active on exactly one node prefers that node.
fn stick(cluster: &mut Cluster, id: ResourceId) {
    for i in 0..cluster.resource(id).children.len() {
        let child = cluster.resource(id).children[i];
        stick(cluster, child);
    }
    let resource = cluster.resource(id);
    if !resource.is_primitive() || !resource.managed || resource.stickiness <= Score::ZERO {
        return;
    }
    if let [node] = resource.active_on[..]
        && (cluster.options.symmetric || resource.allowed.contains(node))
    {
        cluster.adjust(id, node, resource.stickiness);
        cluster.note(id, Cause::Stickiness);
    }
}

/// Whether anything failed on a node: a fail count is a node attribute.
fn has_failures(cluster: &Cluster, node: NodeId) -> bool {
    // fail counts of launched resources are recorded on the same node, so nothing is missed
    cluster
        .node(node)
        .attributes
        .iter()
        .any(|(name, _)| name.starts_with("fail-count-"))
}

/// Failure thresholds (§7.7).
fn ban_after_failures(cluster: &mut Cluster, id: ResourceId, node: NodeId) {
    for i in 0..cluster.resource(id).children.len() {
        let child = cluster.resource(id).children[i];
        ban_after_failures(cluster, child, node);
    }
    if !cluster.resource(id).is_primitive() {
        return;
    }
    let clearing = OperationKey::once(Task::ClearFailcount);
    if !actions::find_exact(cluster, id, &clearing, node).is_empty() {
        return;
    }
    if let Some(banned) = failures::threshold_reached(cluster, id, node) {
        cluster.adjust(banned, node, Score::MINUS_INFINITY);
        cluster.note(banned, Cause::MigrationThreshold);
        report_threshold(cluster, id, banned, node);
    }
}

fn report_threshold(cluster: &mut Cluster, id: ResourceId, banned: ResourceId, node: NodeId) {
    let (count, _) = failures::fail_count(cluster, id, node, failures::Scope::WITH_LAUNCHED);
    let text = format!(
        "{} cannot run on {} due to reaching migration threshold (clean up resource to allow again)| failures={} migration-threshold={}",
        cluster.resource(banned).id,
        cluster.node(node).name,
        count.0,
        cluster.resource(id).migration_threshold.0
    );
    cluster.say(Level::State, text);
}

/// Exclusive discovery (§7.8): nodes that are not named exclusively are not candidates.
fn ban_undiscovered(cluster: &mut Cluster, id: ResourceId, node: NodeId) {
    let exclusive = cluster.resource(id).exclusive_discovery
        || cluster.resource(cluster.top(id)).exclusive_discovery;
    if !exclusive {
        return;
    }
    for i in 0..cluster.resource(id).children.len() {
        let child = cluster.resource(id).children[i];
        ban_undiscovered(cluster, child, node);
    }
    if let Some(entry) = cluster.resource_mut(id).allowed.get_mut(node)
        && entry.mode != ProbeMode::Exclusive
    {
        entry.score = Score::MINUS_INFINITY;
        cluster.note(id, Cause::ExclusiveDiscovery);
    }
}
