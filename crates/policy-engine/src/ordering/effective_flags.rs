//! The effective flags of an action, which for a collective's action derive from those of its
//! children's actions (scheduler-spec/05 §13.3, 04 §10.2).
//!
//! A collective's action is required if an action of any instance is, and runnable if an action of
//! any instance is (for groups: of all members). Deriving the flags changes the collective's
//! action: flags that turn out to be wrong are cleared.

use rustc_hash::FxHashMap;

use super::child_actions::{Kind, Wanted};
use super::propagate::Propagation;
use crate::model::*;
use crate::transition::actions;

/// The flags of an action that take part in propagation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ActionFlags {
    /// Need not be executed.
    pub optional: bool,
    /// May be executed.
    pub runnable: bool,
    /// No agent is invoked.
    pub pseudo: bool,
    /// May be part of a live migration.
    pub migratable: bool,
    /// In the graph even if optional.
    pub always_in_graph: bool,
}

/// An action's own flags.
pub(super) fn own(cluster: &Cluster, id: ActionId) -> ActionFlags {
    let action = cluster.action(id);
    ActionFlags {
        optional: action.optional,
        runnable: action.runnable,
        pseudo: action.pseudo,
        migratable: action.migratable,
        always_in_graph: action.always_in_graph,
    }
}

/// The flags of a collective's action, derived from its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PartFlags {
    required: bool,
    runnable: bool,
    /// The action itself becomes not runnable.
    forbids: bool,
}

/// Derived flags by action and node, each with the number of changes below its resource at that
/// time. They are needed for each link of an action.
pub(super) type PartFlagsCache = FxHashMap<(ActionId, Option<NodeId>), (u32, PartFlags)>;

impl Propagation<'_> {
    /// Effective flags of an action, seen from a node (§13.3).
    pub(super) fn effective_flags(&mut self, id: ActionId, node: Option<NodeId>) -> ActionFlags {
        let Some(resource) = self.cluster.action(id).resource else {
            return own(self.cluster, id);
        };
        let flags = self.flags_of_variant(id, None);
        if node.is_none() || !self.cluster.resource(resource).is_clone() {
            return flags;
        }
        let mut here = self.flags_of_variant(id, node);
        here.runnable |= flags.runnable;
        here
    }

    /// Flags by the method of the resource's variant.
    pub(crate) fn flags_of_variant(&mut self, id: ActionId, node: Option<NodeId>) -> ActionFlags {
        let Some(resource) = self.cluster.action(id).resource else {
            return own(self.cluster, id);
        };
        let parts = match self.cluster.resource(resource).variant {
            Variant::Primitive => return own(self.cluster, id),
            Variant::Bundle(_) => {
                let parts = bundle_parts(self.cluster, resource, &self.cluster.action(id).task);
                self.of_instances(id, &parts, node)
            }
            Variant::Group(_) | Variant::Clone(_) => self.cached_part_flags(id, resource, node),
        };
        if parts.required {
            self.cluster.set_optional(id, false);
        }
        if parts.forbids {
            self.cluster.set_runnable(id, false);
        }
        ActionFlags {
            optional: !parts.required,
            runnable: parts.runnable,
            pseudo: true,
            migratable: false,
            always_in_graph: false,
        }
    }

    fn cached_part_flags(
        &mut self,
        id: ActionId,
        resource: ResourceId,
        node: Option<NodeId>,
    ) -> PartFlags {
        let as_of = |cluster: &Cluster| cluster.resource(resource).child_actions.changes_below;
        let known = self.cache.part_flags.get(&(id, node)).copied();
        let known = known.filter(|known| known.0 == as_of(self.cluster));
        if let Some((_, parts)) = known
            && !cfg!(debug_assertions)
        {
            return parts;
        }
        let parts = if self.cluster.resource(resource).is_group() {
            self.of_group(id, resource, node)
        } else {
            self.of_clone(id, resource, node)
        };
        // debug builds check the cache
        debug_assert!(
            known.is_none_or(|known| known == (as_of(self.cluster), parts)),
            "{known:?} {parts:?}"
        );
        let now = (as_of(self.cluster), parts);
        self.cache.part_flags.insert((id, node), now);
        parts
    }

    fn of_group(&mut self, id: ActionId, group: ResourceId, node: Option<NodeId>) -> PartFlags {
        let task = self.cluster.action(id).task.clone();
        let wanted = Wanted {
            task: task.folded(),
            node,
        };
        let up = !matches!(wanted.task, Task::Stop | Task::Demote);
        let missing = up && self.any_child(group, Kind::Missing, &wanted);
        let forbids = wanted.task != task && self.any_child(group, Kind::Unrunnable, &wanted);
        PartFlags {
            required: self.any_child(group, Kind::Required, &wanted),
            runnable: !missing && !forbids,
            forbids,
        }
    }

    fn of_clone(&mut self, id: ActionId, clone: ResourceId, node: Option<NodeId>) -> PartFlags {
        let instances = &self.cluster.resource(clone).children;
        let of_primitives = instances
            .first()
            .is_some_and(|first| self.cluster.resource(*first).is_primitive());
        if !of_primitives {
            let instances = instances.clone();
            return self.of_instances(id, &instances, node);
        }
        let task = original_task(self.cluster, id);
        let wanted = Wanted { task, node };
        let runnable = self.any_child(clone, Kind::Runnable, &wanted);
        PartFlags {
            required: self.any_child(clone, Kind::Required, &wanted),
            runnable,
            forbids: !runnable && node.is_none(),
        }
    }

    fn of_instances(
        &mut self,
        id: ActionId,
        instances: &[ResourceId],
        node: Option<NodeId>,
    ) -> PartFlags {
        let task = original_task(self.cluster, id);
        let (mut required, mut runnable) = (false, false);
        for instance in instances {
            let only = node.filter(|_| self.cluster.resource(*instance).is_primitive());
            let Some(action) = actions::newest_task(self.cluster, *instance, &task, only) else {
                continue;
            };
            let of_instance = self.flags_of_variant(action, node);
            required |= !of_instance.optional;
            runnable |= of_instance.runnable;
        }
        PartFlags {
            required,
            runnable,
            forbids: !runnable && node.is_none(),
        }
    }
}

/// The parts of a bundle that an action of the bundle with that task is about: containers, or
/// instances of the implicit clone.
fn bundle_parts(cluster: &Cluster, bundle: ResourceId, task: &Task) -> Vec<ResourceId> {
    let Some(data) = cluster.resource(bundle).bundle_data() else {
        return Vec::new();
    };
    let by_container = matches!(
        task,
        Task::Start | Task::Running | Task::Stop | Task::Stopped | Task::Monitor | Task::Stonith
    );
    match data.clone {
        Some(clone) if !by_container => cluster.resource(clone).children.clone(),
        _ => data.replicas.iter().map(|r| r.container).collect(),
    }
}

/// The instances of a clone, or the containers of a bundle.
pub(super) fn instances(cluster: &Cluster, collective: ResourceId) -> Vec<ResourceId> {
    match cluster.resource(collective).bundle_data() {
        Some(data) => data.replicas.iter().map(|r| r.container).collect(),
        None => cluster.resource(collective).children.clone(),
    }
}

/// The task of an instance's action that a collective's action is about: for notification keys the
/// operation notified about; completion tasks are folded back if instances are primitives (04 §10.2
/// step 1).
pub(super) fn original_task(cluster: &Cluster, id: ActionId) -> Task {
    let action = cluster.action(id);
    let task = if action.key.notify.is_some() {
        &action.key.task
    } else {
        &action.task
    };
    let first_child = action
        .resource
        .and_then(|r| cluster.resource(r).children.first().copied());
    match first_child {
        Some(child) if cluster.resource(child).is_primitive() => task.folded(),
        _ => task.clone(),
    }
}
