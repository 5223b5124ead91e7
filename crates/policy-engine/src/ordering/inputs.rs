//! Which actions and which of their inputs belong into the graph (scheduler-spec/05 §15.2, §15.3).

use crate::model::*;

/// Sorts an action's inputs by number and merges those from the same action (§15.2); once per
/// action.
pub(crate) fn deduplicate(cluster: &mut Cluster, id: ActionId) {
    let action = cluster.action_mut(id);
    if action.deduplicated {
        return;
    }
    action.deduplicated = true;
    // The stored order is oldest first; among links from one action the newest stays.
    action.before.reverse();
    action.before.sort_by_key(|link| link.first);
    action.before.dedup_by(|later, earlier| {
        let same = later.first == earlier.first;
        if same {
            earlier.flags |= later.flags;
        }
        same
    });
    for link in &mut action.before {
        link.graphed = false;
    }
}

/// Whether an action belongs into the graph (§15.3 a).
pub(crate) fn is_wanted(cluster: &Cluster, id: ActionId) -> bool {
    let action = cluster.action(id);
    if !action.runnable || action.optional && !action.always_in_graph {
        return false;
    }
    if let Some(resource) = action.resource
        && !cluster.resource(resource).managed
        && action.task != Task::Monitor
        && action
            .meta("interval")
            .is_none_or(|interval| interval == "0")
    {
        return false;
    }
    if action.pseudo || matches!(action.task, Task::Stonith | Task::DoShutdown) {
        return true;
    }
    let Some(node_id) = action.node else {
        return false;
    };
    let node = cluster.node(node_id);
    if action.on_dc || cluster.is_guest(node_id) && !node.remote_reset {
        return true;
    }
    node.online && !node.unclean
}

/// Whether the input `action.before[link]` belongs into the graph (§15.3 b). Disables load and
/// anti-colocation links that do not apply.
pub(crate) fn is_wanted_input(cluster: &mut Cluster, id: ActionId, link: usize) -> bool {
    let (action, input) = (cluster.action(id), cluster.action(id).before[link]);
    let (first, flags) = (cluster.action(input.first), input.flags);
    let weak = OrderFlags::SHOW_FIRST | OrderFlags::SHOW_THEN | OrderFlags::SEQ;
    if input.graphed {
        return true;
    }
    if flags.is_none() {
        return false;
    }
    if !first.runnable
        && (flags.without(weak).is_none() || flags.any(OrderFlags::MIN_GATE | OrderFlags::MIG_GATE))
    {
        return false;
    }
    if first.migratable
        && (flags.has(OrderFlags::FIRST_NOT_MIGRATING)
            || flags == OrderFlags::SEQ && first.key.ends_in(&Task::Stop))
    {
        return false;
    }
    if flags == OrderFlags::LOAD {
        let applies = match action.resource {
            Some(resource) if action.task == Task::MigrateTo => {
                first.node.is_some() && first.node == cluster.resource(resource).assigned
            }
            _ => first.node.is_some() && first.node == action.node && !first.optional,
        };
        return keep(cluster, id, link, applies);
    }
    if flags == OrderFlags::SWAP {
        let elsewhere = first.node.is_some() && action.node.is_some() && first.node != action.node;
        let applies = !elsewhere && !first.optional;
        return keep(cluster, id, link, applies);
    }
    if let Some(resource) = first.resource
        && first.resource != action.resource
        && cluster.resource(resource).failed
        && !cluster.resource(resource).managed
        && first.key.ends_in(&Task::Stop)
        && action
            .resource
            .is_some_and(|r| cluster.resource(r).is_clone())
    {
        return false;
    }
    !first.optional || first.always_in_graph || first.in_graph || is_wanted(cluster, input.first)
}

/// A link that does not apply is disabled.
fn keep(cluster: &mut Cluster, id: ActionId, link: usize, applies: bool) -> bool {
    if !applies {
        cluster.action_mut(id).before[link].flags = OrderFlags::NONE;
    }
    applies
}
