//! Chapter 5, second half: orderings become links between actions, along which actions make each
//! other required or not runnable.
//!
//! Stage interface: [`remote::order`] (P9), [`apply`] (P11).

mod child_actions;
mod effective_flags;
mod expand;
pub(crate) mod inputs;
mod probes;
mod propagate;
pub(crate) mod remote;
mod update;

use crate::model::*;
pub(crate) use propagate::Propagation;
pub(crate) use propagate::PropagationCache;

/// P11: turns orderings into links and propagates until nothing changes (05 §12). Returns
/// the flags of collectives' actions that it has derived, for the graph.
pub(crate) fn apply(cluster: &mut Cluster) -> PropagationCache {
    let mut cache = PropagationCache::default();
    expand::expand(cluster);
    for index in (0..cluster.actions.len()).rev() {
        let id = ActionId::new(index);
        let action = cluster.action(id);
        if !action.runnable && matches!(action.task, Task::Start | Task::Promote) {
            Propagation::new(cluster, &mut cache).block_dependents(id);
        }
    }
    probes::order(cluster);
    for index in (0..cluster.actions.len()).rev() {
        Propagation::new(cluster, &mut cache).evaluate(ActionId::new(index));
    }
    disable_invalid(cluster);
    cache
}

/// Disables links that cannot be kept: a guest's content before its launcher, and loops of load
/// orderings (05 §14).
fn disable_invalid(cluster: &mut Cluster) {
    for index in (0..cluster.actions.len()).rev() {
        let id = ActionId::new(index);
        for link in (0..cluster.action(id).before.len()).rev() {
            let InLink { first, flags, .. } = cluster.action(id).before[link];
            if inside_launcher(cluster, first, id, flags) {
                let text = format!(
                    "Invalid ordering constraint between {} and {}: a guest's content cannot be ordered before the guest's launcher",
                    crate::transition::actions::key_text(cluster, first),
                    crate::transition::actions::key_text(cluster, id),
                );
                cluster.say(Level::Warning, text);
                cluster.action_mut(id).before[link].flags = OrderFlags::NONE;
            } else if flags == OrderFlags::LOAD {
                let action = cluster.action(id);
                if action.resource.is_some()
                    && action.task == Task::MigrateTo
                    && loops(cluster, id, id, link)
                {
                    cluster.action_mut(id).before[link].flags = OrderFlags::NONE;
                }
            }
        }
    }
}

/// Whether `first` runs on a guest whose launcher is the resource of `then`.
fn inside_launcher(cluster: &Cluster, first: ActionId, then: ActionId, flags: OrderFlags) -> bool {
    if flags.has(OrderFlags::INTERNAL) || cluster.action(first).resource.is_none() {
        return false;
    }
    let launcher = cluster
        .action(first)
        .node
        .and_then(|n| cluster.guest_launcher(n));
    launcher.is_some() && launcher == cluster.action(then).resource
}

/// Whether following inputs from `action` through `link` leads back to `start`.
fn loops(cluster: &mut Cluster, start: ActionId, action: ActionId, link: usize) -> bool {
    let first = cluster.action(action).before[link].first;
    if cluster.action(first).visiting || !inputs::is_wanted_input(cluster, action, link) {
        return false;
    }
    if first == start {
        return true;
    }
    cluster.action_mut(first).visiting = true;
    let mut found = false;
    for index in (0..cluster.action(first).before.len()).rev() {
        if stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
            loops(cluster, start, first, index)
        }) {
            found = true;
            break;
        }
    }
    cluster.action_mut(first).visiting = false;
    found
}
