//! What an action amounts to when its resource has children: effective marks (scheduler-spec/05
//! §13.3, 04 §10.2).
//!
//! A collective's action is required if any of its instances' is, and runnable if any of theirs is
//! (for groups: if all are). Asking has lasting effects: marks that turn out to be wrong are
//! cleared on the collective's action.

use rustc_hash::FxHashMap;

use super::parts::{self, Kind, Wanted};
use crate::model::*;
use crate::transition::actions;

/// The marks of an action that take part in propagation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marks {
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

/// An action's own marks.
pub fn own(cluster: &Cluster, id: ActionId) -> Marks {
    let action = cluster.action(id);
    Marks {
        optional: action.optional,
        runnable: action.runnable,
        pseudo: action.pseudo,
        migratable: action.migratable,
        always_in_graph: action.always_in_graph,
    }
}

/// Effective marks of an action, seen from a node (§13.3).
pub fn effective(cluster: &mut Cluster, id: ActionId, node: Option<NodeId>) -> Marks {
    let Some(resource) = cluster.action(id).resource else {
        return own(cluster, id);
    };
    let marks = of_variant(cluster, id, None);
    if node.is_none() || !cluster.resource(resource).is_clone() {
        return marks;
    }
    let mut here = of_variant(cluster, id, node);
    here.runnable |= marks.runnable;
    here
}

/// Marks by the method of the resource's variant.
pub fn of_variant(cluster: &mut Cluster, id: ActionId, node: Option<NodeId>) -> Marks {
    let Some(resource) = cluster.action(id).resource else {
        return own(cluster, id);
    };
    let parts = match cluster.resource(resource).variant {
        Variant::Primitive => return own(cluster, id),
        Variant::Bundle(_) => {
            let parts = bundle_parts(cluster, resource, &cluster.action(id).task);
            of_instances(cluster, id, &parts, node)
        }
        Variant::Group(_) | Variant::Clone(_) => remembered(cluster, id, resource, node),
    };
    if parts.required {
        cluster.set_optional(id, false);
    }
    if parts.forbids {
        cluster.set_runnable(id, false);
    }
    Marks {
        optional: !parts.required,
        runnable: parts.runnable,
        pseudo: true,
        migratable: false,
        always_in_graph: false,
    }
}

/// What the parts of a collective make of its action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OfParts {
    required: bool,
    runnable: bool,
    /// Its own mark says from now on that it is not runnable.
    forbids: bool,
}

/// What parts made of actions, each as of a number of changes below its resource. The same is asked
/// for each link of an action.
pub type Remembered = FxHashMap<(ActionId, Option<NodeId>), (u32, OfParts)>;

fn remembered(
    cluster: &mut Cluster,
    id: ActionId,
    resource: ResourceId,
    node: Option<NodeId>,
) -> OfParts {
    let as_of = |cluster: &Cluster| cluster.resource(resource).child_actions.changes_below;
    let known = cluster.caches.marks.get(&(id, node)).copied();
    let known = known.filter(|known| known.0 == as_of(cluster));
    if let Some((_, parts)) = known
        && !cfg!(debug_assertions)
    {
        return parts;
    }
    let parts = if cluster.resource(resource).is_group() {
        of_group(cluster, id, resource, node)
    } else {
        of_clone(cluster, id, resource, node)
    };
    // debug builds check what is remembered
    debug_assert!(
        known.is_none_or(|known| known == (as_of(cluster), parts)),
        "{known:?} {parts:?}"
    );
    let now = (as_of(cluster), parts);
    cluster.caches.marks.insert((id, node), now);
    parts
}

fn of_group(
    cluster: &mut Cluster,
    id: ActionId,
    group: ResourceId,
    node: Option<NodeId>,
) -> OfParts {
    let task = cluster.action(id).task.clone();
    let wanted = Wanted {
        task: task.folded(),
        node,
    };
    let up = !matches!(wanted.task, Task::Stop | Task::Demote);
    let missing = up && parts::any(cluster, group, Kind::Missing, &wanted);
    let forbids = wanted.task != task && parts::any(cluster, group, Kind::Unrunnable, &wanted);
    OfParts {
        required: parts::any(cluster, group, Kind::Required, &wanted),
        runnable: !missing && !forbids,
        forbids,
    }
}

fn of_clone(
    cluster: &mut Cluster,
    id: ActionId,
    clone: ResourceId,
    node: Option<NodeId>,
) -> OfParts {
    let instances = &cluster.resource(clone).children;
    let of_primitives = instances
        .first()
        .is_some_and(|first| cluster.resource(*first).is_primitive());
    if !of_primitives {
        let instances = instances.clone();
        return of_instances(cluster, id, &instances, node);
    }
    let task = original_task(cluster, id);
    let wanted = Wanted { task, node };
    let runnable = parts::any(cluster, clone, Kind::Runnable, &wanted);
    OfParts {
        required: parts::any(cluster, clone, Kind::Required, &wanted),
        runnable,
        forbids: !runnable && node.is_none(),
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
pub fn instances(cluster: &Cluster, collective: ResourceId) -> Vec<ResourceId> {
    match cluster.resource(collective).bundle_data() {
        Some(data) => data.replicas.iter().map(|r| r.container).collect(),
        None => cluster.resource(collective).children.clone(),
    }
}

/// The task of an instance's action that a collective's action is about: for notification keys the
/// operation notified about; completion tasks are folded back if instances are primitives (04 §10.2
/// step 1).
pub fn original_task(cluster: &Cluster, id: ActionId) -> Task {
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

fn of_instances(
    cluster: &mut Cluster,
    id: ActionId,
    instances: &[ResourceId],
    node: Option<NodeId>,
) -> OfParts {
    let task = original_task(cluster, id);
    let (mut required, mut runnable) = (false, false);
    for instance in instances {
        let only = node.filter(|_| cluster.resource(*instance).is_primitive());
        let Some(action) = actions::newest_task(cluster, *instance, &task, only) else {
            continue;
        };
        let of_instance = of_variant(cluster, action, node);
        required |= !of_instance.optional;
        runnable |= of_instance.runnable;
    }
    OfParts {
        required,
        runnable,
        forbids: !runnable && node.is_none(),
    }
}
