//! Implied orderings of probes (scheduler-spec/05 §8.4): what waits for a stop waits for the probes
//! that might find something to stop.

use smallvec::smallvec;

use super::expand;
use crate::assignment::instances;
use crate::model::*;
use crate::transition::orderings::link;

/// Orders probes before the restarts that they could cause (step A), and before the actions that
/// wait for stops of the probed resource (step B).
pub(super) fn order(cluster: &mut Cluster) {
    let leading = leading_to_undoable(cluster);
    for top in cluster.top_level.clone() {
        for leaf in cluster.leaves(top) {
            order_restarts(cluster, leaf, &leading);
        }
    }
    for index in 0..cluster.orderings.len() {
        order_after_stops(cluster, index);
    }
}

fn probes_of(cluster: &Cluster, id: ResourceId) -> expand::Actions {
    expand::matches(cluster, id, &OperationKey::once(Task::Monitor))
}

/// Whether something that step A orders may be reached from an action, by action. Most actions lead
/// to nothing that runs already and could have to stop, and need not be followed again from each
/// probe.
fn leading_to_undoable(cluster: &Cluster) -> Vec<bool> {
    let mut leading = vec![false; cluster.actions.len()];
    let mut found: Vec<ActionId> = Vec::new();
    for (index, leads) in leading.iter_mut().enumerate() {
        let id = ActionId::new(index);
        if !undone_by(cluster, id).is_empty() {
            *leads = true;
            found.push(id);
        }
    }
    while let Some(id) = found.pop() {
        for link in &cluster.action(id).before {
            if !std::mem::replace(&mut leading[link.first.index()], true) {
                found.push(link.first);
            }
        }
    }
    leading
}

/// The stops or demotes that undo what an action does, if it starts or promotes a primitive.
fn undone_by(cluster: &Cluster, id: ActionId) -> expand::Actions {
    let action = cluster.action(id);
    let undone = match action.task {
        Task::Start => Task::Stop,
        Task::Promote => Task::Demote,
        _ => return Default::default(),
    };
    let Some(resource) = action
        .resource
        .filter(|r| cluster.resource(*r).is_primitive())
    else {
        return Default::default();
    };
    let mut actions = expand::matches(cluster, resource, &OperationKey::once(undone));
    actions.retain(|action| !cluster.action(*action).pseudo);
    actions
}

/// Step A: the restarts that the probes of a primitive could cause wait for them.
fn order_restarts(cluster: &mut Cluster, leaf: ResourceId, leading: &[bool]) {
    for probe in probes_of(cluster, leaf) {
        for index in (0..cluster.action(probe).after.len()).rev() {
            let entry = cluster.action(probe).after[index];
            order_clone_starts(cluster, leaf, probe, entry);
            let mut visited = Vec::new();
            if leading[entry.then.index()] {
                restarts(cluster, probe, entry.then, leading, &mut visited);
            }
            for id in visited {
                cluster.action_mut(id).visiting = false;
            }
        }
    }
}

/// A1: an unrunnable probe of a clone keeps inactive instances from starting.
fn order_clone_starts(cluster: &mut Cluster, leaf: ResourceId, probe: ActionId, entry: OutLink) {
    let then = cluster.action(entry.then);
    let Some(resource) = then.resource else {
        return;
    };
    let applies = cluster.resource(resource).is_collective()
        && !cluster.action(probe).runnable
        && !entry.flags.has(OrderFlags::GATE)
        && resource == cluster.top(leaf)
        && then.task == Task::Start;
    if !applies {
        return;
    }
    for index in (0..cluster.action(entry.then).after.len()).rev() {
        let start = cluster.action(entry.then).after[index].then;
        let action = cluster.action(start);
        let Some(instance) = action.resource else {
            continue;
        };
        if action.task == Task::Start
            && cluster.locations_of(instance, Where::Active).is_empty()
            && cluster.top(instance) == resource
        {
            link(cluster, probe, start, OrderFlags::SEQ | OrderFlags::GATE);
        }
    }
}

/// A2: what would be restarted because of the probed resource stops only after the probe.
fn restarts(
    cluster: &mut Cluster,
    probe: ActionId,
    after: ActionId,
    leading: &[bool],
    visited: &mut Vec<ActionId>,
) {
    let Some(probed) = cluster.action(probe).resource else {
        return;
    };
    if cluster.action(probe).task != Task::Monitor || !mark_visited(cluster, after, visited) {
        return;
    }
    let Some(resource) = cluster.action(after).resource else {
        return follow(cluster, probe, after, None, leading, visited);
    };
    if probed != resource {
        for action in undone_by(cluster, after) {
            link(cluster, probe, action, OrderFlags::SEQ);
        }
    }
    let mut compatible = None;
    if cluster.resource(resource).is_collective()
        && cluster.resource(resource).meta.is_true("interleave")
    {
        compatible = Some(instances::find_compatible(
            cluster,
            probed,
            resource,
            None,
            Where::Assigned,
            None,
        ));
    }
    follow(cluster, probe, after, compatible, leading, visited);
}

/// True if the action was not visited yet.
fn mark_visited(cluster: &mut Cluster, id: ActionId, visited: &mut Vec<ActionId>) -> bool {
    let action = cluster.action_mut(id);
    if action.visiting {
        return false;
    }
    action.visiting = true;
    visited.push(id);
    true
}

/// Goes on along the links behind `after`. `compatible`: set for interleaved collectives, the only
/// instance that is followed.
fn follow(
    cluster: &mut Cluster,
    probe: ActionId,
    after: ActionId,
    compatible: Option<Option<ResourceId>>,
    leading: &[bool],
    visited: &mut Vec<ActionId>,
) {
    for index in (0..cluster.action(after).after.len()).rev() {
        let next = cluster.action(after).after[index];
        if !leading[next.then.index()] {
            continue;
        }
        if !next.flags.has(OrderFlags::PUSH)
            && !leads_to_child(cluster, probe, after, next.then, compatible)
        {
            continue;
        }
        stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
            restarts(cluster, probe, next.then, leading, visited);
        });
    }
}

/// Whether a link without PUSH leads from a collective to one of its children that concerns the
/// probed resource.
fn leads_to_child(
    cluster: &Cluster,
    probe: ActionId,
    after: ActionId,
    next: ActionId,
    compatible: Option<Option<ResourceId>>,
) -> bool {
    let Some(resource) = cluster.action(after).resource else {
        return false;
    };
    let probed_parent = cluster
        .action(probe)
        .resource
        .and_then(|r| cluster.resource(r).parent);
    if cluster.resource(resource).is_primitive() || probed_parent == Some(resource) {
        return false;
    }
    let Some(child) = cluster.action(next).resource else {
        return false;
    };
    let child_resource = cluster.resource(child);
    if child_resource.rank() > 1 || child_resource.parent != Some(resource) {
        return false;
    }
    compatible.is_none_or(|instance| instance == Some(child))
}

/// Step B, for one ordering.
fn order_after_stops(cluster: &mut Cluster, index: usize) {
    let Ordering { first, then, flags } = cluster.orderings[index];
    let Some(resource) = first.resource else {
        return;
    };
    if flags.is_none() || then.resource == Some(resource) {
        return;
    }
    let is_stop = cluster.ordering_key(first.key).ends_in(&Task::Stop)
        || (first.action).is_some_and(|action| cluster.action(action).task == Task::Stop);
    if !is_stop {
        return;
    }
    let then_key = cluster.ordering_key(then.key);
    let then_task = match then.action {
        Some(action) => &cluster.action(action).task,
        None => &then_key.task,
    };
    let launcher = cluster.resource(resource).launcher;
    if launcher.is_some() && launcher == then.resource && *then_task == Task::Stop {
        return;
    }
    let mut implied = OrderFlags::SEQ;
    for kept in [OrderFlags::FIRST_NOT_MIGRATING, OrderFlags::SAME_NODE] {
        if flags.has(kept) {
            implied |= kept;
        }
    }
    if matches!(flags, OrderFlags::SWAP | OrderFlags::LOAD) {
        implied = flags;
    }
    let probes = probes_of(cluster, resource);
    if probes.is_empty() {
        return;
    }
    let thens = match (then.action, then.resource) {
        (Some(action), _) => smallvec![action],
        (None, Some(resource)) => expand::matches(cluster, resource, then_key),
        (None, None) => return,
    };
    for probe in probes {
        for then in &thens {
            if !exempt(cluster, probe, *then) {
                link(cluster, probe, *then, implied);
            }
        }
    }
}

/// Unfencing comes before probes of its node, and a node's shutdown does not wait for probes
/// elsewhere.
fn exempt(cluster: &Cluster, probe: ActionId, then: ActionId) -> bool {
    let (probe, then) = (cluster.action(probe), cluster.action(then));
    match then.task {
        Task::Stonith => then.meta("stonith_action") == Some("on") && then.node == probe.node,
        Task::DoShutdown => then.node != probe.node,
        _ => false,
    }
}
