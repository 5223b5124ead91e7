//! Fail counts (scheduler-spec/02 §19): node attributes `fail-count-RSC#OPERATION_INTERVAL`, and
//! what they mean.

use super::entry::Entry;
use super::history::{TransitionKey, number};
use crate::model::{Cluster, NodeId, OperationKey, ResourceId, Score, Task, Turn, base_name};
use crate::scalar;
use crate::xml::Element;

/// Which failures a caller counts (§19.2).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope {
    /// Expired failures do not count.
    pub effective: bool,
    /// Add those of launched resources.
    pub with_launched: bool,
}

impl Scope {
    /// Without expired failures.
    pub(crate) const EFFECTIVE: Scope = Scope {
        effective: true,
        with_launched: false,
    };
    /// Without expired failures, with those of launched resources.
    pub(crate) const WITH_LAUNCHED: Scope = Scope {
        effective: true,
        with_launched: true,
    };
}

/// Fail count of a resource on a node, and the time of the last failure (0 = none).
pub(crate) fn fail_count(
    cluster: &mut Cluster,
    resource: ResourceId,
    node: NodeId,
    scope: Scope,
) -> (Score, i64) {
    count(cluster, resource, node, scope, None)
}

/// §19.2; `entry`: the history entry that is being read, for the block test.
pub(super) fn count(
    cluster: &mut Cluster,
    id: ResourceId,
    node: NodeId,
    scope: Scope,
    entry: Option<&Entry<'_>>,
) -> (Score, i64) {
    let (mut count, mut last) = recorded(cluster, id, node);
    if count > Score::ZERO
        && cluster.resource(id).failure_timeout_ms > 0
        && failure_blocks(cluster, id, node, entry)
    {
        cluster.resource_mut(id).failure_timeout_ms = 0;
    }
    let timeout = scalar::seconds(cluster.resource(id).failure_timeout_ms);
    if scope.effective && count > Score::ZERO && last > 0 && timeout > 0 {
        let over = last.saturating_add(timeout).saturating_add(1);
        if cluster.now >= over {
            count = Score::ZERO;
        }
        cluster.turn_at(over, Turn::Failure);
    }
    if scope.with_launched && !cluster.resource(id).launched.is_empty() && !cluster.in_bundle(id) {
        for launched in cluster.resource(id).launched.clone() {
            let (more, later) = self::count(cluster, launched, node, scope, entry);
            count = Score(count.0.saturating_add(more.0));
            last = last.max(later);
        }
    }
    if count <= Score::ZERO || last <= 0 {
        last = 0;
    }
    (count, last)
}

/// Sum of the matching fail counts and time of the last matching failure.
fn recorded(cluster: &Cluster, id: ResourceId, node: NodeId) -> (Score, i64) {
    let resource = cluster.resource(id);
    let name = if resource.unique {
        resource.known_as()
    } else {
        base_name(resource.known_as())
    };
    let (mut count, mut last) = (Score::ZERO, 0);
    for (attribute, value) in cluster.node(node).attributes.iter() {
        if let Some(rest) = attribute.strip_prefix("fail-count-") {
            if names_failure_of(rest, name, resource.unique)
                && let Some(score) = cluster.options.score(value)
            {
                count = count.add(score);
            }
        } else if let Some(rest) = attribute.strip_prefix("last-failure-")
            && names_failure_of(rest, name, resource.unique)
            && let Some(time) = scalar::integer(value)
        {
            last = last.max(time);
        }
    }
    (count, last)
}

/// Whether `rest` is `NAME#OPERATION_INTERVAL`, or `NAME:N#…` for a resource that is not unique
/// (§19.1).
fn names_failure_of(rest: &str, name: &str, unique: bool) -> bool {
    let Some((own, rest)) = rest.as_bytes().split_at_checked(name.len()) else {
        return false;
    };
    // The name is part of a regular expression: its dots match anything.
    if !name
        .bytes()
        .zip(own)
        .all(|(expected, found)| expected == b'.' || expected == *found)
    {
        return false;
    }
    let Ok(mut rest) = std::str::from_utf8(rest) else {
        return false;
    };
    if !unique && let Some(numbered) = rest.strip_prefix(':') {
        let without = numbered.trim_start_matches(|c: char| c.is_ascii_digit());
        if without.len() == numbered.len() {
            return false;
        }
        rest = without;
    }
    rest.strip_prefix('#')
        .and_then(|operation| operation.rsplit_once('_'))
        .is_some_and(|(operation, interval)| {
            !operation.is_empty()
                && !interval.is_empty()
                && interval.bytes().all(|b| b.is_ascii_digit())
        })
}

/// §19.2 step 2: a failure whose `op` says literally `on-fail="block"`.
fn failure_blocks(
    cluster: &Cluster,
    id: ResourceId,
    node: NodeId,
    entry: Option<&Entry<'_>>,
) -> bool {
    let resource = cluster.resource(id);
    let base = base_name(&resource.id);
    let blocking = resource.config.operations.iter().filter(|op| {
        op.attributes
            .iter()
            .any(|(name, value)| &**name == "on-fail" && &**value == "block")
    });
    for op in blocking {
        let matches = |entry: Element<'_>| {
            let same = entry
                .get("operation")
                .is_some_and(|name| name.eq_ignore_ascii_case(&op.name))
                && number(entry, "interval", 0) == i64::from(op.interval_ms);
            if !same {
                return false;
            }
            let entry_id = entry.get("id").unwrap_or("");
            let expected = entry
                .get("transition-key")
                .and_then(TransitionKey::parse)
                .map_or(-1, |key| key.expected_rc);
            entry_id == format!("{base}_last_failure_0")
                || (entry_id == format!("{base}_{}_{}", op.name, op.interval_ms)
                    && number(entry, "rc-code", 0) != expected)
        };
        let found = match entry {
            Some(entry) => matches(entry.element),
            None => history_of(cluster, node, base).any(matches),
        };
        if found {
            return true;
        }
    }
    false
}

/// All entries of the histories of `id` on a node.
fn history_of<'c>(
    cluster: &'c Cluster,
    node: NodeId,
    id: &'c str,
) -> impl Iterator<Item = Element<'c>> {
    let name = cluster.node(node).name.clone();
    let status = cluster.document.section("status");
    status
        .into_iter()
        .flat_map(|status| status.children_named("node_state"))
        .filter(move |state| state.get("uname") == Some(&*name))
        .filter_map(|state| state.child("lrm")?.child("lrm_resources"))
        .flat_map(|resources| resources.children_named("lrm_resource"))
        .filter(move |lrm_resource| lrm_resource.get("id") == Some(id))
        .flat_map(|lrm_resource| lrm_resource.children_named("lrm_rsc_op"))
}

/// The resource to ban because the migration threshold is reached on the node (02 §19.3): itself or
/// the topmost ancestor.
pub(crate) fn threshold_reached(
    cluster: &mut Cluster,
    id: ResourceId,
    node: NodeId,
) -> Option<ResourceId> {
    let clear = OperationKey::once(Task::ClearFailcount);
    if !crate::transition::actions::find_exact(cluster, id, &clear, node).is_empty() {
        return None;
    }
    let resource = cluster.resource(id);
    let threshold = resource.migration_threshold;
    if threshold == Score::ZERO || resource.failure_ignored {
        return None;
    }
    let (count, _) = fail_count(cluster, id, node, Scope::WITH_LAUNCHED);
    if count <= Score::ZERO || threshold.0 - count.0 > 0 {
        return None;
    }
    Some(if cluster.resource(id).unique {
        id
    } else {
        cluster.top(id)
    })
}

/// Whether a bundle connection's address is its container's node, so that its digests are known
/// only after assignment (02 §10.2).
pub(super) fn address_comes_later(cluster: &Cluster, id: ResourceId) -> bool {
    cluster.resource(id).remote_connection
        && cluster.in_bundle(id)
        && crate::configuration::parameters::of_resource(cluster, id, None).text("addr")
            == Some("#uname")
}

#[cfg(test)]
mod tests {
    use super::names_failure_of;

    #[test]
    fn only_counts_with_operation_and_interval_match() {
        assert!(names_failure_of("db#monitor_10000", "db", true));
        assert!(!names_failure_of("db", "db", true));
        assert!(!names_failure_of("db2#monitor_10000", "db", true));
        assert!(!names_failure_of("db:1#monitor_0", "db", true));
        assert!(names_failure_of("db:1#monitor_0", "db", false));
        assert!(!names_failure_of("db:#monitor_0", "db", false));
        assert!(
            names_failure_of("aXb#start_0", "a.b", true),
            "a dot matches anything"
        );
        assert!(!names_failure_of("db#monitor_", "db", true));
    }
}
