//! Nothing gains a role before what it is ordered after.

use smallvec::SmallVec;

use super::Finding;
use super::view::View;
use crate::model::*;

/// Looks at every ordering, configured or built in, of something before a start, a promotion or a
/// migration. If both actions are in the graph, one waits for the other.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let cluster = view.cluster;
    let gains: Vec<bool> = cluster.ordering_keys.iter().map(gains_a_role).collect();
    view.looked_at(cluster.orderings.len());
    for ordering in &cluster.orderings {
        if !gains[ordering.then.key.index()] {
            continue;
        }
        let (mut first, mut then) = (None, None);
        let firsts = side(view, ordering.first, &mut first);
        let thens = side(view, ordering.then, &mut then);
        if !firsts.is_empty() && !thens.is_empty() && always_holds(cluster, ordering) {
            check_ordering(view, ordering, firsts, thens, findings);
        }
    }
}

fn gains_a_role(key: &OperationKey) -> bool {
    let gains = matches!(
        key.task,
        Task::Start | Task::Promote | Task::MigrateTo | Task::MigrateFrom
    );
    gains && key.notify.is_none() && key.interval_ms == 0
}

/// The actions of the graph that a side of an ordering is about: one if it names one, else all of
/// its resource with its key. `named` is where a named one is put.
fn side<'v>(view: &'v View<'_>, side: OrderingSide, named: &'v mut Option<u32>) -> &'v [u32] {
    let key = view.cluster.ordering_key(side.key);
    match (side.action, side.resource) {
        (Some(action), _) => {
            *named = view.find(action.number());
            named.as_slice()
        }
        (None, Some(resource)) if key.notify.is_none() && key.interval_ms == 0 => {
            view.actions(resource, &key.task)
        }
        _ => &[],
    }
}

fn check_ordering(
    view: &View<'_>,
    ordering: &Ordering,
    firsts: &[u32],
    thens: &[u32],
    findings: &mut Vec<Finding>,
) {
    for then in thens {
        for first in firsts {
            let ends = match ends(view, *first, *then) {
                Some(ends) if ends.is_empty() => continue,
                ends => ends.unwrap_or_default(),
            };
            let nodes = (view.entry(*first).node, view.entry(*then).node);
            if first == then
                || ordering.flags.has(OrderFlags::SAME_NODE)
                    && matches!(nodes, (Some(one), Some(other)) if one != other)
                || !ordering.flags.has(OrderFlags::INTERNAL) && in_own_guest(view, *first, *then)
                || ends.iter().any(|end| view.waits_directly(*then, *end))
                || view.waits(*then, *first)
            {
                continue;
            }
            findings.push(Finding::BeforeRequired {
                action: view.name(*then),
                required: view.name(*first),
            });
        }
    }
}

/// The actions with which a task of a group, clone or bundle ends, as far as they are in the graph:
/// what is ordered after the task, and is not a part of the collective, waits for one of them, or
/// does not wait. `None`: it waits for the task itself.
fn ends(view: &View<'_>, first: u32, then: u32) -> Option<SmallVec<[u32; 2]>> {
    let cluster = view.cluster;
    let completion = view.entry(first).task.completion()?;
    let (first, then) = (view.entry(first).resource?, view.entry(then).resource?);
    if cluster.resource(first).is_primitive() || then == first || cluster.is_ancestor(first, then) {
        return None;
    }
    let ends = view.actions(first, &completion).iter().copied();
    Some(ends.chain(view.confirmation(first, &completion)).collect())
}

/// Whether Pacemaker's scheduler keeps an ordering whenever both actions are in the graph. It does
/// not for these: capacities and negative colocations, where the nodes decide; what is ordered
/// after a stop that a live migration replaces; interleaved clones, whose instances are ordered in
/// pairs; and a clone after the stop of an unmanaged resource that failed.
fn always_holds(cluster: &Cluster, ordering: &Ordering) -> bool {
    let flags = ordering.flags;
    if flags.is_none()
        || flags == OrderFlags::LOAD
        || flags == OrderFlags::SWAP
        || flags.has(OrderFlags::FIRST_NOT_MIGRATING)
    {
        return false;
    }
    let (Some(first), Some(then)) = (ordering.first.resource, ordering.then.resource) else {
        return true;
    };
    let (one, other) = (cluster.resource(first), cluster.resource(then));
    let stop = cluster
        .ordering_key(ordering.first.key)
        .ends_in(&Task::Stop);
    !(flags == OrderFlags::SEQ && stop && one.migratable
        || one.is_collective() && other.is_collective() && first != then
        || stop && first != then && one.failed && !one.managed && other.is_clone())
}

/// A guest's content cannot come before the guest: such an ordering is ignored.
fn in_own_guest(view: &View<'_>, first: u32, then: u32) -> bool {
    let launcher = view
        .entry(first)
        .node
        .and_then(|node| view.cluster.guest_launcher(node));
    launcher.is_some() && launcher == view.entry(then).resource
}
