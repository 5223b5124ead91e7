//! Reading operation histories (scheduler-spec/02 §1.3, §9, §15): entries, their order, and what
//! was active at the end.

use std::cmp::Ordering;

use crate::model::{Cluster, NodeId, OperationKey, ResourceId, Task};
use crate::scalar;
use crate::transition::actions;
use crate::xml::{Document, Element, ElementId};

/// An integer attribute; `default` if absent or invalid.
pub(super) fn number(entry: Element<'_>, name: &str, default: i64) -> i64 {
    entry.get(name).and_then(scalar::integer).unwrap_or(default)
}

/// The parts of a transition key `ACTION:TRANSITION:EXPECTED-RC:UUID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TransitionKey<'e> {
    pub transition: i64,
    pub expected_rc: i64,
    pub uuid: &'e str,
}

impl<'e> TransitionKey<'e> {
    pub(super) fn parse(text: &'e str) -> Option<TransitionKey<'e>> {
        let mut parts = text.splitn(4, ':');
        scalar::integer(parts.next()?)?;
        let transition = scalar::integer(parts.next()?)?;
        let expected_rc = scalar::integer(parts.next()?)?;
        let uuid = parts.next()?.split_whitespace().next()?;
        Some(TransitionKey {
            transition,
            expected_rc,
            uuid,
        })
    }

    /// The key in a magic `STATUS:RC;KEY`.
    fn of_magic(entry: Element<'e>) -> Option<TransitionKey<'e>> {
        let (result, key) = entry.get("transition-magic")?.split_once(';')?;
        let (status, rc) = result.split_once(':')?;
        scalar::integer(status)?;
        scalar::integer(rc)?;
        TransitionKey::parse(key)
    }
}

/// Orders two entries by their call (§9). Not transitive in odd histories: sort with [`sort`] only.
pub(super) fn compare(a: Element<'_>, b: Element<'_>) -> Ordering {
    let same_node = match (a.get("on_node"), b.get("on_node")) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (None, None) => true,
        _ => false,
    };
    if same_node && a.get("id") == b.get("id") {
        return Ordering::Equal;
    }
    let (call_a, call_b) = (number(a, "call-id", -1), number(b, "call-id", -1));
    if call_a == -1 && call_b == -1 {
        return Ordering::Equal;
    }
    if same_node && call_a >= 0 && call_b >= 0 && call_a != call_b {
        return call_a.cmp(&call_b);
    }
    if call_a >= 0 && call_b >= 0 {
        let (a, b) = (
            number(a, "last-rc-change", -1),
            number(b, "last-rc-change", -1),
        );
        return earlier(a, b, 0);
    }
    let (Some(key_a), Some(key_b)) = (TransitionKey::of_magic(a), TransitionKey::of_magic(b))
    else {
        return Ordering::Equal;
    };
    let other_controller = !key_a.uuid.eq_ignore_ascii_case(key_b.uuid);
    if other_controller || key_a.transition == key_b.transition {
        // A pending one comes after everything that is known to have ended.
        return match (call_a, call_b) {
            (_, -1) => Ordering::Less,
            (-1, _) => Ordering::Greater,
            _ => Ordering::Equal,
        };
    }
    let (a, b) = (key_a.transition, key_b.transition);
    if (0 <= a && a < b) || b == -1 {
        Ordering::Less
    } else if (0 <= b && b < a) || a == -1 {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

/// `Less` if `least` ≤ a < b, `Greater` if `least` ≤ b < a, else equal.
fn earlier(a: i64, b: i64, least: i64) -> Ordering {
    if least <= a && a < b {
        Ordering::Less
    } else if least <= b && b < a {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

/// Whether `a` is strictly newer than `b`.
pub(super) fn is_newer(a: Element<'_>, b: Element<'_>) -> bool {
    compare(a, b) == Ordering::Greater
}

/// The top-down merge sort of §9: left half first on ties. Needed because [`compare`] is not
/// transitive.
fn sort(document: &Document, entries: Vec<ElementId>) -> Vec<ElementId> {
    if entries.len() < 2 {
        return entries;
    }
    let mut left = entries;
    let right = left.split_off(left.len() / 2);
    let (left, right) = (sort(document, left), sort(document, right));
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        let order = compare(document.element(left[i]), document.element(right[j]));
        if order.is_le() {
            merged.push(left[i]);
            i += 1;
        } else {
            merged.push(right[j]);
            j += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    merged
}

/// The `lrm_rsc_op` children of an `lrm_resource` in call order (02 §9).
pub(crate) fn sorted_operations(_cluster: &Cluster, lrm_resource: Element<'_>) -> Vec<ElementId> {
    let mut entries: Vec<ElementId> = lrm_resource
        .children_named("lrm_rsc_op")
        .map(|entry| entry.id())
        .collect();
    entries.reverse();
    sort(lrm_resource.document(), entries)
}

/// The active window of a sorted history (02 §15): (start index, stop index), -1 = none.
pub(crate) fn active_window(cluster: &Cluster, operations: &[ElementId]) -> (isize, isize) {
    let (mut start, mut stop) = (-1_isize, -1_isize);
    let (mut implied_monitor, mut implied_clone) = (-1_isize, -1_isize);
    for (i, id) in (0_isize..).zip(operations) {
        let entry = cluster.document.element(*id);
        let Some(operation) = entry.get("operation") else {
            continue;
        };
        let is = |name: &str| operation.eq_ignore_ascii_case(name);
        if is("stop") && entry.get("op-status") == Some("0") {
            stop = i;
        } else if is("start") || is("migrate_from") {
            start = i;
        } else if implied_monitor <= stop
            && is("monitor")
            && matches!(entry.get("rc-code"), Some("0" | "8"))
        {
            implied_monitor = i;
        } else if is("promote") || is("demote") {
            implied_clone = i;
        }
    }
    if start == -1 {
        start = if implied_clone >= 0 {
            implied_clone
        } else {
            implied_monitor
        };
    }
    (start, stop)
}

/// Creates the optional action of every recurring operation in the active window (§15).
pub(super) fn create_recurring(
    cluster: &mut Cluster,
    resource: ResourceId,
    node: NodeId,
    operations: &[ElementId],
) {
    let document = cluster.document.clone();
    let (start, stop) = active_window(cluster, operations);
    for (i, id) in (0_isize..).zip(operations) {
        if !cluster.node(node).online {
            return;
        }
        if (start < stop && i <= stop) || i < start {
            continue;
        }
        let entry = document.element(*id);
        let interval_ms = u32::try_from(number(entry, "interval", 0)).unwrap_or(0);
        if interval_ms == 0 || entry.get("op-status") == Some("-1") {
            continue;
        }
        let Some(operation) = entry.get("operation") else {
            continue;
        };
        let key = OperationKey::every(Task::parse(operation), interval_ms);
        actions::optional(cluster, resource, key, Some(node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_key_has_three_numbers_and_a_uuid() {
        let key = TransitionKey::parse("12:34:7:9f8e7d6c-0000-0000-0000-000000000000").unwrap();
        assert_eq!((key.transition, key.expected_rc), (34, 7));
        assert_eq!(TransitionKey::parse("12:34:7"), None);
        assert_eq!(TransitionKey::parse("a:34:7:u"), None);
    }
}
