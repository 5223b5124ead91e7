//! P5: built-in orderings and colocations, which hold for every resource whatever is configured
//! (scheduler-spec/05 §11.6–11.7, 04 §11, §15.2; colocations and bans: 03 §8).

mod bundle;
mod clone;
mod group;
mod primitive;

use super::colocation;
use crate::model::*;
use crate::transition::orderings::order;

/// A row of the tables: what happens first (a task of a resource), what then, how they affect
/// each other.
type Row = (ResourceId, Task, ResourceId, Task, OrderFlags);

// short names for the tables
const SEQ: OrderFlags = OrderFlags::SEQ;
const GATE: OrderFlags = OrderFlags::GATE;
const PUSH: OrderFlags = OrderFlags::PUSH;
const PULL: OrderFlags = OrderFlags::PULL;
const SHOW_FIRST: OrderFlags = OrderFlags::SHOW_FIRST;
const SHOW_THEN: OrderFlags = OrderFlags::SHOW_THEN;

/// P5: for each top-level resource in list order. No colocation follows but those that depend on
/// where resources are.
pub(crate) fn unpack(cluster: &mut Cluster) {
    for top in cluster.top_level.clone() {
        unpack_resource(cluster, top);
    }
    colocation::sort(cluster);
}

fn unpack_resource(cluster: &mut Cluster, id: ResourceId) {
    match cluster.resource(id).variant {
        Variant::Primitive => primitive::unpack(cluster, id),
        Variant::Group(_) => group::unpack(cluster, id),
        Variant::Clone(_) => clone::unpack(cluster, id),
        Variant::Bundle(_) => bundle::unpack(cluster, id),
    }
}

/// Registers the orderings of a table, in its order.
fn order_all<const ROWS: usize>(cluster: &mut Cluster, rows: [Row; ROWS]) {
    for (first, task, then, then_task, flags) in rows {
        order(cluster, first, task, then, then_task, flags);
    }
}

/// An implicit colocation by node. The preferences of its dependent count.
fn implicit(id: &str, dependent: ResourceId, primary: ResourceId, score: Score) -> Colocation {
    Colocation {
        id: id.into(),
        dependent,
        primary,
        score,
        dependent_role: None,
        primary_role: None,
        attribute: "#uname".into(),
        explicit: false,
        influence: true,
    }
}
