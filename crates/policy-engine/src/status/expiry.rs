//! Entries that are too old to count: expired failures, and shutdown locks (scheduler-spec/02
//! §10.2, §21).

use super::entry::Entry;
use super::failures::{self, Scope};
use super::history::number;
use crate::configuration::digests::{self, Comparison};
use crate::model::{Cluster, DeferredCheck, NodeId, OrderFlags, ResourceId, Score, Turn};
use crate::scalar;
use crate::transition::{actions, fencing, orderings};
use crate::xml::Element;

/// Whether an entry's failure has expired. May create the clearing of the fail count.
pub(super) fn expired(
    cluster: &mut Cluster,
    id: ResourceId,
    node: NodeId,
    entry: &Entry<'_>,
) -> bool {
    if entry.status == 7 {
        return false;
    }
    let timeout = scalar::seconds(cluster.resource(id).failure_timeout_ms);
    let reconnect = cluster.resource(id).reconnect_interval_ms;
    let changed = number(entry.element, "last-rc-change", 0);
    let (mut expired, mut clear) = (false, None);
    if timeout > 0 && entry.element.get("last-rc-change").is_some() {
        expired = cluster.now >= changed.saturating_add(timeout)
            && !remote_must_be_fenced(cluster, id, entry);
        let (count, last) = failures::count(cluster, id, node, Scope::EFFECTIVE, Some(entry));
        let over = last.saturating_add(timeout).saturating_add(1);
        if count != Score::ZERO && cluster.now < over {
            cluster.recheck_at(over, Turn::Failure);
        } else if entry.is_last_failure() || (entry.is_unexpected() && !found_a_state(entry)) {
            cluster.turn_at(changed.saturating_add(timeout), Turn::Failure);
        }
        if expired {
            let (all, _) = failures::count(cluster, id, node, Scope::default(), Some(entry));
            if all != Score::ZERO {
                if count == Score::ZERO {
                    clear = Some("it expired");
                } else {
                    expired = false;
                }
            } else if entry.is_last_failure() && reconnect > 0 {
                clear = Some("reconnect interval is set");
            }
        }
    }
    if !expired
        && entry.is_last_failure()
        && matches!(entry.operation, "start" | "monitor")
        && definition_changed(cluster, id, node, entry)
    {
        clear = Some("resource parameters have changed");
    }
    if let Some(reason) = clear {
        clear_failcount(cluster, id, node, reason);
    }
    expired && !found_a_state(entry)
}

/// A probe that found out the state never expires.
fn found_a_state(entry: &Entry<'_>) -> bool {
    entry.is_probe() && matches!(number(entry.element, "rc-code", 0), 0 | 7 | 8 | 190 | 191)
}

/// The remote exception of step 2: a failed connection monitor counts until the remote node was
/// fenced.
fn remote_must_be_fenced(cluster: &Cluster, id: ResourceId, entry: &Entry<'_>) -> bool {
    let resource = cluster.resource(id);
    resource.reconnect_interval_ms > 0
        && cluster.options.fencing_enabled
        && entry.operation == "monitor"
        && entry.interval_ms > 0
        && cluster
            .find_node(&resource.id)
            .is_some_and(|node| !cluster.node(node).remote_fenced)
}

/// Step 4: whether the definition of the failed operation has changed since.
fn definition_changed(
    cluster: &mut Cluster,
    id: ResourceId,
    node: NodeId,
    entry: &Entry<'_>,
) -> bool {
    if failures::address_comes_later(cluster, id) {
        cluster.deferred_checks.push(DeferredCheck {
            entry: entry.element.id(),
            resource: id,
            node,
            last_failure: true,
        });
        return false;
    }
    let digests = digests::compare(
        cluster,
        id,
        &entry.task(),
        entry.interval_ms,
        node,
        entry.element,
    );
    matches!(digests.result, Comparison::Restart | Comparison::Changed)
}

/// Step 5: clears the fail count, after the fencing of a remote node that is to be connected again.
fn clear_failcount(cluster: &mut Cluster, id: ResourceId, node: NodeId, reason: &'static str) {
    let clear = actions::clear_failcount(cluster, id, node);
    cluster.action_mut(clear).set_reason(reason);
    let resource = cluster.resource(id);
    if cluster.options.fencing_enabled && resource.reconnect_interval_ms > 0 {
        let name = resource.id.clone();
        if let Some(remote) = cluster.find_node(&name) {
            let fence = fencing::action(cluster, remote, fencing::Request::default());
            orderings::link(cluster, fence, clear, OrderFlags::PUSH);
        }
    }
}

/// §21, first part: the `shutdown-lock` of an `lrm_resource`.
pub(super) fn shutdown_lock(
    cluster: &mut Cluster,
    lrm_resource: Element<'_>,
    id: ResourceId,
    node: NodeId,
) {
    let locked = number(lrm_resource, "shutdown-lock", 0);
    if locked == 0 {
        return;
    }
    let limit = cluster.options.shutdown_lock_limit_ms;
    if limit > 0 && cluster.now > locked.saturating_add(scalar::seconds(limit)) {
        actions::delete_history(cluster, id, node);
    } else {
        let resource = cluster.resource_mut(id);
        resource.lock_node = Some(node);
        resource.lock_time = locked;
    }
}
