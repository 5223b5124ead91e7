//! Nothing gains a role before what it is ordered after.

use smallvec::SmallVec;

use super::Finding;
use super::doing::Doing;
use super::view::View;
use crate::model::*;

/// A key of orderings' sides, as the rules read it.
struct Key {
    /// `None`: of recurring operations and notifications.
    doing: Option<Doing>,
    gains_a_role: bool,
}

/// Looks at every ordering, configured or built in, of something before a start, a promotion or a
/// migration. If both actions are in the graph, one waits for the other.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let cluster = view.cluster;
    let keys: Vec<Key> = cluster.ordering_keys.iter().map(Key::read).collect();
    view.looked_at(cluster.orderings.len());
    // Orderings that follow each other are mostly about the same start, and about probes before it,
    // which are its inputs in the same order.
    let (mut last, mut thens): (_, &[u32]) = (None, &[]);
    let mut inputs: &[u32] = &[];
    for ordering in &cluster.orderings {
        let then = ordering.then;
        if !keys[then.key.index()].gains_a_role {
            continue;
        }
        if then.action.is_some() {
            let named = then.action.and_then(|action| view.place(action));
            check_ordering(view, ordering, named.as_slice(), &keys, findings);
            continue;
        }
        if last != Some((then.resource, then.key)) {
            last = Some((then.resource, then.key));
            thens = all_with_key(view, then, &keys);
            inputs = match thens {
                [only] => view.numbers(*only),
                _ => &[],
            };
        }
        if let Some(first) = ordering.first.action
            && let Some((next, rest)) = inputs.split_first()
            && *next == first.number()
        {
            inputs = rest;
            continue;
        }
        check_ordering(view, ordering, thens, &keys, findings);
    }
}

impl Key {
    fn read(key: &OperationKey) -> Key {
        let once = key.notify.is_none() && key.interval_ms == 0;
        let doing = Doing::of(&key.task);
        Key {
            doing: Some(doing).filter(|doing| once && *doing != Doing::Other),
            gains_a_role: once
                && matches!(
                    doing,
                    Doing::Start | Doing::Promote | Doing::MigrateTo | Doing::MigrateFrom
                ),
        }
    }
}

fn check_ordering(
    view: &View<'_>,
    ordering: &Ordering,
    thens: &[u32],
    keys: &[Key],
    findings: &mut Vec<Finding>,
) {
    for then in thens.iter().copied() {
        let mut expect = |first: u32| {
            if !view.waits_directly(then, first) && !is_kept(view, ordering, first, then) {
                findings.push(Finding::BeforeRequired {
                    action: view.name(then),
                    required: view.name(first),
                });
            }
        };
        match ordering.first.action {
            // mostly a probe before a start
            Some(action) if view.has_input(then, action.number()) => {}
            Some(action) => view.place(action).into_iter().for_each(expect),
            None => {
                let firsts = all_with_key(view, ordering.first, keys).iter();
                firsts.for_each(|first| expect(*first));
            }
        }
    }
}

/// All actions of the graph that a side of an ordering is about, if it does not name one.
fn all_with_key<'v>(view: &'v View<'_>, side: OrderingSide, keys: &[Key]) -> &'v [u32] {
    match (side.resource, keys[side.key.index()].doing) {
        (Some(resource), Some(doing)) => view.actions(resource, doing),
        _ => &[],
    }
}

/// Whether an ordering between two actions is kept although the one is not an input of the other:
/// because it does not count for them, or is kept through others.
fn is_kept(view: &View<'_>, ordering: &Ordering, first: u32, then: u32) -> bool {
    let flags = ordering.flags;
    let nodes = (view.node(first), view.node(then));
    if first == then
        || !always_holds(view.cluster, ordering)
        || flags.has(OrderFlags::SAME_NODE)
            && matches!(nodes, (Some(one), Some(other)) if one != other)
        || !flags.has(OrderFlags::INTERNAL) && in_own_guest(view, first, then)
    {
        return true;
    }
    let ends = ends(view, first, then);
    let is_done = |end: &u32| view.waits_directly(then, *end);
    ends.is_some_and(|ends| ends.is_empty() || ends.iter().any(is_done))
        || view.waits_indirectly(then, first)
}

/// The actions with which a task of a group, clone or bundle ends, as far as they are in the graph:
/// what is ordered after the task, and is not a part of the collective, waits for one of them, or
/// does not wait. `None`: it waits for the task itself.
fn ends(view: &View<'_>, first: u32, then: u32) -> Option<SmallVec<[u32; 2]>> {
    let cluster = view.cluster;
    let completion = view.entry(first).doing.completion()?;
    let (first, then) = (view.entry(first).resource?, view.entry(then).resource?);
    if cluster.resource(first).is_primitive() || then == first || cluster.is_ancestor(first, then) {
        return None;
    }
    let ends = view.actions(first, completion).iter().copied();
    Some(ends.chain(view.confirmation(first, completion)).collect())
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
    let node = view.node(first);
    let launcher = node.and_then(|node| view.cluster.guest_launcher(node));
    launcher.is_some() && launcher == view.entry(then).resource
}
