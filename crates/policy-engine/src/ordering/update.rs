//! Applying one link (scheduler-spec/05 §13.4, §13.5, 04 §12.3): each flag of the link is one kind
//! of influence.

use super::marks::{self, Marks};
use super::parts;
use super::propagate::{Changed, evaluate, evaluate_after};
use crate::assignment::{self, instances};
use crate::model::*;
use crate::transition::actions;
use crate::transition::orderings::link;

/// One influence to apply.
#[derive(Clone, Copy)]
struct Influence {
    kind: OrderFlags,
    /// Effective marks of the first action.
    first: Marks,
    /// Then's node.
    node: Option<NodeId>,
}

/// Applies all flags of the link `then.before[index]` (§13.4).
pub(super) fn apply(
    cluster: &mut Cluster,
    then: ActionId,
    index: usize,
    first_marks: Marks,
    then_marks: Marks,
) -> Changed {
    let mut changed = Changed::default();
    let first = cluster.action(then).before[index].first;
    let (first_resource, then_resource) = (
        cluster.action(first).resource,
        cluster.action(then).resource,
    );
    let mut node = cluster.action(then).node;
    let has =
        |cluster: &Cluster, flag: OrderFlags| cluster.action(then).before[index].flags.has(flag);
    let influence = |kind, node| Influence {
        kind,
        first: first_marks,
        node,
    };
    let mut run = |cluster: &mut Cluster, kind, node| {
        if let Some(resource) = then_resource {
            changed.also(update(
                cluster,
                resource,
                first,
                then,
                influence(kind, node),
            ));
        }
    };

    if has(cluster, OrderFlags::PUSH_LOCAL) {
        let flags = &mut cluster.action_mut(then).before[index].flags;
        *flags = flags.without(OrderFlags::PUSH_LOCAL) | OrderFlags::PUSH;
        node = cluster.action(first).node;
    }
    let mut direct = Changed::default();
    if has(cluster, OrderFlags::PUSH) {
        if then_resource.is_some() {
            run(cluster, OrderFlags::PUSH, node);
        } else if !first_marks.optional && cluster.action(then).optional {
            cluster.action_mut(then).optional = false;
            direct.then = true;
        }
    }
    if has(cluster, OrderFlags::RESTART) {
        run(cluster, OrderFlags::RESTART, node);
    }
    if has(cluster, OrderFlags::PULL) {
        if let Some(resource) = first_resource {
            direct.also(update(
                cluster,
                resource,
                first,
                then,
                influence(OrderFlags::PULL, node),
            ));
        } else if !first_marks.optional && cluster.action(first).runnable {
            cluster.action_mut(first).runnable = false;
            direct.first = true;
        }
    }
    if has(cluster, OrderFlags::PULL_PROMOTED) {
        run(cluster, OrderFlags::PULL_PROMOTED, node);
    }
    if has(cluster, OrderFlags::MIN_GATE) {
        if then_resource.is_some() {
            run(cluster, OrderFlags::MIN_GATE, node);
        } else if first_marks.runnable {
            let action = cluster.action_mut(then);
            action.seen += 1;
            if action.seen >= action.min_required && !action.runnable {
                action.runnable = true;
                direct.then = true;
            }
        }
    }
    if has(cluster, OrderFlags::CONN_PROBE) && then_resource.is_some() {
        let active = first_resource.is_some_and(|r| !cluster.resource(r).active_on.is_empty());
        if !first_marks.runnable && active {
            cluster.action_mut(then).before[index].flags = OrderFlags::NONE;
        } else {
            run(cluster, OrderFlags::GATE, node);
        }
    }
    if has(cluster, OrderFlags::GATE) {
        if then_resource.is_some() {
            run(cluster, OrderFlags::GATE, node);
        } else if !first_marks.runnable && cluster.action(then).runnable {
            cluster.action_mut(then).runnable = false;
            direct.then = true;
        }
    }
    for kind in [
        OrderFlags::MIG_GATE,
        OrderFlags::FALLBACK,
        OrderFlags::SEQ,
        OrderFlags::ONE_WAY,
    ] {
        if has(cluster, kind) {
            run(cluster, kind, node);
        }
    }
    if has(cluster, OrderFlags::SHOW_THEN)
        && cluster.action(first).runnable
        && !first_marks.optional
    {
        cluster.action_mut(then).always_in_graph = true;
    }
    if has(cluster, OrderFlags::SHOW_FIRST) && !then_marks.optional {
        cluster.action_mut(first).always_in_graph = true;
    }
    let strict = OrderFlags::PUSH | OrderFlags::PULL | OrderFlags::RESTART;
    if cluster.action(then).before[index].flags.any(strict)
        && let Some(resource) = first_resource.map(|r| cluster.resource(r))
        && !resource.managed
        && resource.blocked
    {
        let stop = cluster.action(first);
        if !stop.runnable && stop.task == Task::Stop {
            direct.then |= cluster.set_runnable(then, false);
        }
    }
    changed.also(direct);
    changed
}

/// Applies one influence by the method of `method`'s variant (§13.5).
fn update(
    cluster: &mut Cluster,
    method: ResourceId,
    first: ActionId,
    then: ActionId,
    influence: Influence,
) -> Changed {
    match cluster.resource(method).variant {
        Variant::Primitive => update_own(cluster, first, then, influence),
        Variant::Group(_) => {
            if is_void(cluster, first, influence) {
                return Changed::default();
            }
            let mut changed = update_own(cluster, first, then, influence);
            let Some(resource) = cluster.action(then).resource else {
                return changed;
            };
            let task = cluster.action(then).task.clone();
            if !parts::may_have(cluster, resource, &task) {
                return changed;
            }
            for child in cluster.resource(resource).children.clone() {
                if let Some(action) = actions::newest_task(cluster, child, &task, influence.node) {
                    changed.also(update(cluster, child, first, action, influence));
                }
            }
            changed
        }
        Variant::Clone(_) | Variant::Bundle(_) => {
            update_collective(cluster, first, then, influence)
        }
    }
}

/// Whether the first action's state alone keeps an influence from changing anything, so that no
/// part needs to be looked at.
fn is_void(cluster: &Cluster, first: ActionId, influence: Influence) -> bool {
    let (own, marks) = (cluster.action(first), influence.first);
    match influence.kind {
        OrderFlags::SEQ => true,
        OrderFlags::ONE_WAY | OrderFlags::FALLBACK => own.runnable,
        OrderFlags::GATE => marks.runnable,
        OrderFlags::PUSH => marks.optional || own.migratable,
        OrderFlags::PULL => marks.optional && !marks.migratable,
        _ => false,
    }
}

/// Says why a mark of `id` was cleared, if it is because of another resource (§2.8).
fn explain(cluster: &mut Cluster, id: ActionId, because: ActionId, word: &str) {
    let (own, other) = (cluster.action(id), cluster.action(because));
    if own.resource == other.resource || own.reason.is_some() {
        return;
    }
    let task = other.task.name();
    let reason = match other.resource {
        Some(resource) => format!("{word} {} {task}", cluster.resource(resource).id),
        None => format!("{word} {task}"),
    };
    cluster.action_mut(id).set_reason(reason, false);
}

fn require(cluster: &mut Cluster, id: ActionId, because: ActionId) {
    if cluster.set_optional(id, false) {
        explain(cluster, id, because, "required");
    }
}

fn forbid(cluster: &mut Cluster, id: ActionId, because: ActionId) {
    if cluster.set_runnable(id, false) {
        explain(cluster, id, because, "unrunnable");
    }
}

fn stay(cluster: &mut Cluster, id: ActionId, because: ActionId) {
    if std::mem::take(&mut cluster.action_mut(id).migratable) {
        explain(cluster, id, because, "unmigrateable");
    }
}

/// The influence of an action on another, without regard to children (§13.5 "Primitive").
fn update_own(
    cluster: &mut Cluster,
    first: ActionId,
    then: ActionId,
    influence: Influence,
) -> Changed {
    let (first_before, then_before) = (marks::own(cluster, first), marks::own(cluster, then));
    let marks = influence.first;
    match influence.kind {
        OrderFlags::ONE_WAY => {
            if let Some(resource) = cluster.action(then).resource
                && !first_before.runnable
                && !already_as_wanted(cluster, then, resource)
            {
                require(cluster, then, first);
                forbid(cluster, then, first);
            }
        }
        OrderFlags::PULL if !then_before.optional => {
            if !marks.optional && first_before.optional {
                require(cluster, first, then);
            }
            if marks.migratable && !then_before.migratable {
                stay(cluster, first, then);
            }
        }
        OrderFlags::PULL_PROMOTED => {
            let promoted = cluster
                .action(then)
                .resource
                .is_some_and(|r| cluster.role_of(r) == Role::Promoted);
            if promoted && !then_before.optional {
                require(cluster, first, then);
                if first_before.migratable && !then_before.migratable {
                    stay(cluster, first, then);
                }
            }
        }
        OrderFlags::MIG_GATE => {
            if !then_before.migratable || !then_before.runnable {
                forbid(cluster, first, then);
            }
            if !then_before.optional {
                require(cluster, first, then);
            }
        }
        OrderFlags::FALLBACK if !first_before.runnable => {
            stay(cluster, then, first);
            cluster.action_mut(then).pseudo = false;
        }
        OrderFlags::GATE if then_before.runnable && !marks.runnable => {
            forbid(cluster, then, first);
            stay(cluster, then, first);
        }
        OrderFlags::PUSH if then_before.optional && !marks.optional && !first_before.migratable => {
            require(cluster, then, first);
        }
        OrderFlags::RESTART => restart(cluster, first, then),
        _ => {}
    }
    let mut changed = Changed::default();
    if marks::own(cluster, then) != then_before {
        changed.then = true;
        let parent = cluster
            .action(then)
            .resource
            .and_then(|r| cluster.resource(r).parent);
        if parent.is_some() {
            evaluate(cluster, then);
        }
    }
    changed.first = marks::own(cluster, first) != first_before;
    changed
}

/// Asymmetric orderings do not touch what is as wanted already: a stopped resource's stop, a
/// running one's start where it runs.
fn already_as_wanted(cluster: &Cluster, then: ActionId, id: ResourceId) -> bool {
    let (action, resource) = (cluster.action(then), cluster.resource(id));
    if !action.optional {
        return false;
    }
    let role = cluster.role_of(id);
    role == Role::Stopped && action.task == Task::Stop
        || role >= Role::Started
            && action.task == Task::Start
            && matches!(resource.active_on.as_slice(), [node] if action.node == Some(*node))
}

/// A stop in the middle of a restart (§13.5 "RESTART").
fn restart(cluster: &mut Cluster, first: ActionId, then: ActionId) {
    let (f, t) = (cluster.action(first), cluster.action(then));
    let (Some(first_resource), Some(then_resource)) = (f.resource, t.resource) else {
        return;
    };
    if !cluster.resource(first_resource).is_primitive()
        || !cluster.resource(then_resource).is_primitive()
    {
        return;
    }
    let in_vain =
        !t.runnable && cluster.resource(then_resource).managed && first_resource == then_resource;
    if t.optional && !in_vain {
        return;
    }
    let then_required = !t.optional;
    if f.runnable {
        require(cluster, first, then);
    }
    if then_required {
        require(cluster, first, then);
    }
    if !cluster.action(then).migratable {
        stay(cluster, first, then);
    }
    let f = cluster.action(first);
    if !f.optional && !f.runnable {
        forbid(cluster, then, first);
    }
}

/// The influence on a clone's or bundle's action (04 §12.3).
fn update_collective(
    cluster: &mut Cluster,
    first: ActionId,
    then: ActionId,
    influence: Influence,
) -> Changed {
    let Some(resource) = cluster.action(then).resource else {
        return Changed::default();
    };
    if interleaved(cluster, first, then) {
        return update_interleaved(cluster, first, then, influence);
    }
    let instances = marks::instances(cluster, resource);
    // asking groups for their marks has effects of its own
    let of_primitives = instances
        .first()
        .is_some_and(|first| cluster.resource(*first).is_primitive());
    if of_primitives && is_void(cluster, first, influence) {
        return Changed::default();
    }
    let mut changed = update_own(cluster, first, then, influence);
    let task = cluster.action(then).task.clone();
    if !parts::may_have(cluster, resource, &task) {
        return changed;
    }
    for instance in instances {
        let Some(action) = actions::newest_task(cluster, instance, &task, influence.node) else {
            continue;
        };
        if !marks::of_variant(cluster, action, influence.node).runnable {
            continue;
        }
        let of_instance = update(cluster, instance, first, action, influence);
        changed.also(of_instance);
        if of_instance.then {
            evaluate_after(cluster, action);
        }
    }
    changed
}

/// Whether the instances of two collectives are ordered pair by pair.
fn interleaved(cluster: &Cluster, first: ActionId, then: ActionId) -> bool {
    let (Some(a), Some(b)) = (
        cluster.action(first).resource,
        cluster.action(then).resource,
    ) else {
        return false;
    };
    let (ra, rb) = (cluster.resource(a), cluster.resource(b));
    if a == b || !ra.is_collective() || !rb.is_collective() {
        return false;
    }
    let key = &cluster.action(then).key;
    let downwards = key.ends_in(&Task::Stop) || key.ends_in(&Task::Demote);
    if downwards {
        ra.meta.is_true("interleave")
    } else {
        rb.meta.is_true("interleave")
    }
}

fn update_interleaved(
    cluster: &mut Cluster,
    first: ActionId,
    then: ActionId,
    influence: Influence,
) -> Changed {
    let mut changed = Changed::default();
    let (Some(first_collective), Some(then_collective)) = (
        cluster.action(first).resource,
        cluster.action(then).resource,
    ) else {
        return changed;
    };
    let first_key = &cluster.action(first).key;
    let current = first_key.ends_in(&Task::Stopped) || first_key.ends_in(&Task::Demoted);
    let first_task = marks::original_task(cluster, first);
    let then_task = cluster.action(then).task.clone();
    for instance in marks::instances(cluster, then_collective) {
        let found =
            instances::find_compatible(cluster, instance, first_collective, None, current, None);
        let Some(first_instance) = found else {
            let strict = matches!(influence.kind, OrderFlags::GATE | OrderFlags::PUSH);
            if !current && strict && assignment::unassign_for_good(cluster, instance) {
                changed.then = true;
            }
            continue;
        };
        let node = influence.node;
        let Some(first_action) =
            instance_action(cluster, first_instance, &first_task, node, PairSide::First)
        else {
            continue;
        };
        let Some(then_action) =
            instance_action(cluster, instance, &then_task, node, PairSide::Then)
        else {
            continue;
        };
        if link(cluster, first_action, then_action, influence.kind) {
            changed = Changed {
                first: true,
                then: true,
            };
        }
        let Some(method) = cluster.action(then_action).resource else {
            continue;
        };
        let first_marks = marks::of_variant(cluster, first_action, node);
        let pair = Influence {
            first: first_marks,
            ..influence
        };
        changed.also(update(cluster, method, first_action, then_action, pair));
    }
    changed
}

/// Which side of an interleaved pair an action is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PairSide {
    First,
    Then,
}

/// The action of an instance that stands for its collective's; in bundles some tasks are those of
/// the primitive inside.
fn instance_action(
    cluster: &Cluster,
    instance: ResourceId,
    task: &Task,
    node: Option<NodeId>,
    side: PairSide,
) -> Option<ActionId> {
    if !cluster.resource(instance).replica_container {
        return actions::newest_task(cluster, instance, task, node);
    }
    let inside = match side {
        PairSide::First => !matches!(task, Task::Stop | Task::Stopped),
        PairSide::Then => {
            matches!(
                task,
                Task::Promote | Task::Promoted | Task::Demote | Task::Demoted
            )
        }
    };
    let child = cluster
        .replica_of(instance)
        .and_then(|(_, replica)| replica.child);
    match child {
        Some(child) if inside => actions::newest_task(cluster, child, task, None),
        _ => actions::newest_task(cluster, instance, task, node),
    }
}
