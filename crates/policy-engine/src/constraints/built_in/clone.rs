//! Built-in orderings of a clone (scheduler-spec/04 §11).

use super::{GATE, SEQ, SHOW_FIRST, SHOW_THEN, order_all, unpack_resource};
use crate::model::Task::{Demote, Demoted, Promote, Promoted, Running, Start, Stop, Stopped};
use crate::model::*;

/// The clone's pseudo-actions around its instances', and instances one after the other if it is
/// ordered.
pub(super) fn unpack(cluster: &mut Cluster, clone: ResourceId) {
    let Some(data) = cluster.resource(clone).clone_data() else {
        return;
    };
    let ordered = data.ordered;
    let promotable = cluster.resource(clone).promotable;
    let rows = [
        (clone, Stopped, clone, Start, SEQ),
        (clone, Start, clone, Running, GATE),
        (clone, Stop, clone, Stopped, GATE),
    ];
    order_all(cluster, rows);
    if promotable {
        let rows = [
            (clone, Demoted, clone, Stop, SEQ),
            (clone, Running, clone, Promote, GATE),
        ];
        order_all(cluster, rows);
    }
    if ordered {
        cluster.sort_by_number(clone);
    }
    let instances = cluster.resource(clone).children.clone();
    for (index, instance) in instances.iter().copied().enumerate() {
        unpack_resource(cluster, instance);
        let rows = [
            (clone, Start, instance, Start, GATE | SHOW_FIRST),
            (instance, Start, clone, Running, SHOW_THEN),
            (clone, Stop, instance, Stop, SHOW_FIRST),
            (instance, Stop, clone, Stopped, SHOW_THEN),
        ];
        order_all(cluster, rows);
        for later in instances[index + 1..].iter().filter(|_| ordered).copied() {
            let rows = [
                (instance, Start, later, Start, SEQ),
                (later, Stop, instance, Stop, SEQ),
            ];
            order_all(cluster, rows);
        }
    }
    if promotable {
        promotable_orderings(cluster, clone);
        promotable_instances(cluster, clone, &instances, ordered);
    }
}

/// Row 11: how starting, stopping, promoting and demoting a collective as a whole follow each
/// other.
pub(super) fn promotable_orderings(cluster: &mut Cluster, id: ResourceId) {
    let rows = [
        (id, Stopped, id, Start, SEQ),
        (id, Stopped, id, Promote, SEQ),
        (id, Demoted, id, Stop, SEQ),
        (id, Demoted, id, Start, SEQ),
        (id, Demoted, id, Promote, SEQ),
        (id, Running, id, Promote, SEQ),
        (id, Demote, id, Demoted, SEQ),
    ];
    order_all(cluster, rows);
}

/// Rows 12–17.
fn promotable_instances(
    cluster: &mut Cluster,
    clone: ResourceId,
    instances: &[ResourceId],
    ordered: bool,
) {
    let mut previous: Option<ResourceId> = None;
    for instance in instances.iter().copied() {
        let before = previous.filter(|_| ordered);
        let rows = [
            (instance, Demote, instance, Promote, SEQ),
            (clone, Promote, instance, Promote, SEQ),
            (instance, Promote, clone, Promoted, SEQ),
        ];
        order_all(cluster, rows);
        if let Some(before) = before {
            order_all(cluster, [(before, Promote, instance, Promote, SEQ)]);
        }
        let rows = [
            (clone, Demote, instance, Demote, SHOW_FIRST),
            (instance, Demote, clone, Demoted, SHOW_THEN),
        ];
        order_all(cluster, rows);
        if let Some(before) = before {
            order_all(cluster, [(instance, Demote, before, Demote, SEQ)]);
        }
        previous = Some(instance);
    }
}
