//! Applying one link (scheduler-spec/05 §13.4, §13.5, 04 §12.3): each flag of the link has one
//! kind of effect.

use super::child_actions;
use super::effective_flags::{self, ActionFlags};
use super::propagate::{Changed, Propagation};
use crate::assignment::{self, instances};
use crate::model::*;
use crate::transition::actions;
use crate::transition::orderings::link;

/// A link whose flags are applied.
struct Link {
    first: ActionId,
    then: ActionId,
    /// Position among the inputs of `then`.
    index: usize,
    first_resource: Option<ResourceId>,
    then_resource: Option<ResourceId>,
    /// Where the effect is limited to: then's node.
    node: Option<NodeId>,
    /// Effective flags of the first action.
    first_flags: ActionFlags,
}

/// One effect to apply.
#[derive(Clone, Copy)]
struct FlagEffect {
    kind: OrderFlags,
    /// Effective flags of the first action.
    first: ActionFlags,
    /// Then's node.
    node: Option<NodeId>,
}

impl Propagation<'_> {
    /// Applies all flags of the link `then.before[index]` (§13.4).
    pub(super) fn apply(
        &mut self,
        then: ActionId,
        index: usize,
        first_flags: ActionFlags,
        then_flags: ActionFlags,
    ) -> Changed {
        let (action, first) = (
            self.cluster.action(then),
            self.cluster.action(then).before[index].first,
        );
        let mut link = Link {
            first,
            then,
            index,
            first_resource: self.cluster.action(first).resource,
            then_resource: action.resource,
            node: action.node,
            first_flags,
        };
        let mut changed = self.push(&mut link);
        changed.also(self.apply_flag_to_then(&link, OrderFlags::RESTART));
        changed.also(self.pull(&link));
        changed.also(self.apply_flag_to_then(&link, OrderFlags::PULL_PROMOTED));
        changed.also(self.count_towards_minimum(&link));
        changed.also(self.connect_before_probe(&link));
        changed.also(self.gate(&link));
        for kind in [
            OrderFlags::MIG_GATE,
            OrderFlags::FALLBACK,
            OrderFlags::SEQ,
            OrderFlags::ONE_WAY,
        ] {
            changed.also(self.apply_flag_to_then(&link, kind));
        }
        self.show(&link, then_flags);
        changed.also(self.forbid_after_blocked_stop(&link));
        changed
    }

    /// Whether the link has a flag: steps before may have changed them.
    fn has(&self, link: &Link, flag: OrderFlags) -> bool {
        let flags = self.cluster.action(link.then).before[link.index].flags;
        flags.has(flag)
    }

    /// If the link has a flag, applies it by the method of the then action's resource; nothing if
    /// that has none.
    fn apply_flag_to_then(&mut self, link: &Link, kind: OrderFlags) -> Changed {
        match link.then_resource {
            Some(resource) if self.has(link, kind) => self.apply_flag(link, resource, kind),
            _ => Changed::default(),
        }
    }

    fn apply_flag(&mut self, link: &Link, method: ResourceId, kind: OrderFlags) -> Changed {
        let effect = FlagEffect {
            kind,
            first: link.first_flags,
            node: link.node,
        };
        self.update(method, link.first, link.then, effect)
    }

    /// A required first makes then required; with `PUSH_LOCAL` only on the node of first.
    fn push(&mut self, link: &mut Link) -> Changed {
        if self.has(link, OrderFlags::PUSH_LOCAL) {
            let flags = &mut self.cluster.action_mut(link.then).before[link.index].flags;
            *flags = flags.without(OrderFlags::PUSH_LOCAL) | OrderFlags::PUSH;
            link.node = self.cluster.action(link.first).node;
        }
        let mut changed = self.apply_flag_to_then(link, OrderFlags::PUSH);
        let then = self.cluster.action_mut(link.then);
        if link.then_resource.is_none()
            && then.before[link.index].flags.has(OrderFlags::PUSH)
            && !link.first_flags.optional
            && then.optional
        {
            then.optional = false;
            changed.then = true;
        }
        changed
    }

    /// A required then makes first required.
    fn pull(&mut self, link: &Link) -> Changed {
        let mut changed = Changed::default();
        if !self.has(link, OrderFlags::PULL) {
            return changed;
        }
        if let Some(resource) = link.first_resource {
            return self.apply_flag(link, resource, OrderFlags::PULL);
        }
        let first = self.cluster.action_mut(link.first);
        if !link.first_flags.optional && first.runnable {
            first.runnable = false;
            changed.first = true;
        }
        changed
    }

    /// A runnable first counts towards the number that a gate waits for.
    fn count_towards_minimum(&mut self, link: &Link) -> Changed {
        let mut changed = self.apply_flag_to_then(link, OrderFlags::MIN_GATE);
        if link.then_resource.is_none()
            && link.first_flags.runnable
            && self.has(link, OrderFlags::MIN_GATE)
        {
            let gate = self.cluster.action_mut(link.then);
            gate.seen += 1;
            if gate.seen >= gate.min_required && !gate.runnable {
                gate.runnable = true;
                changed.then = true;
            }
        }
        changed
    }

    /// A probe waits for the start of its connection, unless that cannot start and is up already.
    fn connect_before_probe(&mut self, link: &Link) -> Changed {
        let Some(resource) = link.then_resource else {
            return Changed::default();
        };
        if !self.has(link, OrderFlags::CONN_PROBE) {
            return Changed::default();
        }
        let connection = link.first_resource.map(|id| self.cluster.resource(id));
        let active = connection.is_some_and(|connection| !connection.active_on.is_empty());
        if !link.first_flags.runnable && active {
            self.cluster.action_mut(link.then).before[link.index].flags = OrderFlags::NONE;
            return Changed::default();
        }
        self.apply_flag(link, resource, OrderFlags::GATE)
    }

    /// A first that is not runnable makes then not runnable.
    fn gate(&mut self, link: &Link) -> Changed {
        let mut changed = self.apply_flag_to_then(link, OrderFlags::GATE);
        if link.then_resource.is_none()
            && !link.first_flags.runnable
            && self.has(link, OrderFlags::GATE)
            && self.cluster.action(link.then).runnable
        {
            self.cluster.action_mut(link.then).runnable = false;
            changed.then = true;
        }
        changed
    }

    /// An action may have to be in the graph because the other is required.
    fn show(&mut self, link: &Link, then_flags: ActionFlags) {
        if self.has(link, OrderFlags::SHOW_THEN)
            && self.cluster.action(link.first).runnable
            && !link.first_flags.optional
        {
            self.cluster.action_mut(link.then).always_in_graph = true;
        }
        if self.has(link, OrderFlags::SHOW_FIRST) && !then_flags.optional {
            self.cluster.action_mut(link.first).always_in_graph = true;
        }
    }

    /// What strictly follows the stop of a resource that is blocked and not managed cannot happen.
    fn forbid_after_blocked_stop(&mut self, link: &Link) -> Changed {
        let mut changed = Changed::default();
        let strict = OrderFlags::PUSH | OrderFlags::PULL | OrderFlags::RESTART;
        let flags = self.cluster.action(link.then).before[link.index].flags;
        if flags.any(strict)
            && let Some(resource) = link.first_resource.map(|r| self.cluster.resource(r))
            && !resource.managed
            && resource.blocked
        {
            let stop = self.cluster.action(link.first);
            if !stop.runnable && stop.task == Task::Stop {
                changed.then = self.cluster.set_runnable(link.then, false);
            }
        }
        changed
    }

    /// Applies one effect by the method of `method`'s variant (§13.5).
    fn update(
        &mut self,
        method: ResourceId,
        first: ActionId,
        then: ActionId,
        effect: FlagEffect,
    ) -> Changed {
        match self.cluster.resource(method).variant {
            Variant::Primitive => self.update_own(first, then, effect),
            Variant::Group(_) => {
                if is_void(self.cluster, first, effect) {
                    return Changed::default();
                }
                let mut changed = self.update_own(first, then, effect);
                let Some(resource) = self.cluster.action(then).resource else {
                    return changed;
                };
                let task = self.cluster.action(then).task.clone();
                if !child_actions::may_have(self.cluster, resource, &task) {
                    return changed;
                }
                for child in self.cluster.resource(resource).children.clone() {
                    if let Some(action) =
                        actions::newest_task(self.cluster, child, &task, effect.node)
                    {
                        changed.also(self.update(child, first, action, effect));
                    }
                }
                changed
            }
            Variant::Clone(_) | Variant::Bundle(_) => self.update_collective(first, then, effect),
        }
    }

    /// The effect of an action on another, without regard to children (§13.5 "Primitive").
    fn update_own(&mut self, first: ActionId, then: ActionId, effect: FlagEffect) -> Changed {
        let cluster = &mut *self.cluster;
        let first_before = effective_flags::own(cluster, first);
        let then_before = effective_flags::own(cluster, then);
        let flags = effect.first;
        match effect.kind {
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
                if !flags.optional && first_before.optional {
                    require(cluster, first, then);
                }
                if flags.migratable && !then_before.migratable {
                    stay(cluster, first, then);
                }
            }
            OrderFlags::PULL_PROMOTED => {
                let resource = cluster.action(then).resource;
                let promoted = resource.is_some_and(|r| cluster.role_of(r) == Role::Promoted);
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
            OrderFlags::GATE if then_before.runnable && !flags.runnable => {
                forbid(cluster, then, first);
                stay(cluster, then, first);
            }
            OrderFlags::PUSH
                if then_before.optional && !flags.optional && !first_before.migratable =>
            {
                require(cluster, then, first);
            }
            OrderFlags::RESTART => restart(cluster, first, then),
            _ => {}
        }
        let mut changed = Changed::default();
        if effective_flags::own(cluster, then) != then_before {
            changed.then = true;
            let resource = cluster.action(then).resource;
            let parent = resource.and_then(|r| cluster.resource(r).parent);
            if parent.is_some() {
                self.evaluate(then);
            }
        }
        changed.first = effective_flags::own(self.cluster, first) != first_before;
        changed
    }

    /// The effect on a clone's or bundle's action (04 §12.3).
    fn update_collective(
        &mut self,
        first: ActionId,
        then: ActionId,
        effect: FlagEffect,
    ) -> Changed {
        let Some(resource) = self.cluster.action(then).resource else {
            return Changed::default();
        };
        if interleaved(self.cluster, first, then) {
            return self.update_interleaved(first, then, effect);
        }
        let instances = effective_flags::instances(self.cluster, resource);
        // asking groups for their flags has effects of its own
        let of_primitives = instances
            .first()
            .is_some_and(|first| self.cluster.resource(*first).is_primitive());
        if of_primitives && is_void(self.cluster, first, effect) {
            return Changed::default();
        }
        let mut changed = self.update_own(first, then, effect);
        let task = self.cluster.action(then).task.clone();
        if !child_actions::may_have(self.cluster, resource, &task) {
            return changed;
        }
        for instance in instances {
            let Some(action) = actions::newest_task(self.cluster, instance, &task, effect.node)
            else {
                continue;
            };
            if !self.flags_of_variant(action, effect.node).runnable {
                continue;
            }
            let of_instance = self.update(instance, first, action, effect);
            changed.also(of_instance);
            if of_instance.then {
                self.evaluate_after(action);
            }
        }
        changed
    }

    fn update_interleaved(
        &mut self,
        first: ActionId,
        then: ActionId,
        effect: FlagEffect,
    ) -> Changed {
        let mut changed = Changed::default();
        let (Some(first_collective), Some(then_collective)) = (
            self.cluster.action(first).resource,
            self.cluster.action(then).resource,
        ) else {
            return changed;
        };
        let first_key = &self.cluster.action(first).key;
        let at = match first_key.ends_in(&Task::Stopped) || first_key.ends_in(&Task::Demoted) {
            true => Where::Active,
            false => Where::Assigned,
        };
        let first_task = effective_flags::original_task(self.cluster, first);
        let then_task = self.cluster.action(then).task.clone();
        for instance in effective_flags::instances(self.cluster, then_collective) {
            let found = instances::find_compatible(
                self.cluster,
                instance,
                first_collective,
                None,
                at,
                None,
            );
            let Some(first_instance) = found else {
                let strict = matches!(effect.kind, OrderFlags::GATE | OrderFlags::PUSH);
                if at == Where::Assigned
                    && strict
                    && assignment::unassign_for_good(self.cluster, instance)
                {
                    changed.then = true;
                }
                continue;
            };
            let action_of = |instance, task, side| {
                instance_action(self.cluster, instance, task, effect.node, side)
            };
            let first_action = action_of(first_instance, &first_task, PairSide::First);
            let then_action = action_of(instance, &then_task, PairSide::Then);
            if let (Some(first), Some(then)) = (first_action, then_action) {
                changed.also(self.update_pair(first, then, effect));
            }
        }
        changed
    }

    /// The effect of an instance's action on that of the instance that belongs to it.
    fn update_pair(&mut self, first: ActionId, then: ActionId, effect: FlagEffect) -> Changed {
        let is_new = link(self.cluster, first, then, effect.kind);
        let mut changed = Changed {
            first: is_new,
            then: is_new,
        };
        if let Some(method) = self.cluster.action(then).resource {
            let pair = FlagEffect {
                first: self.flags_of_variant(first, effect.node),
                ..effect
            };
            changed.also(self.update(method, first, then, pair));
        }
        changed
    }
}

/// Whether the first action's state alone keeps an effect from changing anything, so that no
/// part needs to be looked at.
fn is_void(cluster: &Cluster, first: ActionId, effect: FlagEffect) -> bool {
    let (own, flags) = (cluster.action(first), effect.first);
    match effect.kind {
        OrderFlags::SEQ => true,
        OrderFlags::ONE_WAY | OrderFlags::FALLBACK => own.runnable,
        OrderFlags::GATE => flags.runnable,
        OrderFlags::PUSH => flags.optional || own.migratable,
        OrderFlags::PULL => flags.optional && !flags.migratable,
        _ => false,
    }
}

/// Says why a flag of `id` was cleared, if it is because of another resource (§2.8).
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
    cluster.action_mut(id).set_reason(reason);
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

/// Asymmetric orderings do not change actions whose effect is there already: a stopped resource's
/// stop, a running one's start where it runs.
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
