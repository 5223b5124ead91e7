//! The only way orderings and links come into being (scheduler-spec/05 §1.3, §7.3, §11.1).

use crate::model::*;

/// Registers the ordering `<first>_<a>_0` before `<then>_<b>_0`, and its mirrors for migration (05
/// §11.2, §7.3).
pub(crate) fn order(
    cluster: &mut Cluster,
    first: ResourceId,
    a: Task,
    then: ResourceId,
    b: Task,
    flags: OrderFlags,
) {
    create(cluster, side(first, a), side(then, b), flags);
}

/// One side of an ordering that is to be: an action, or whatever actions of a resource have a key.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    resource: Option<ResourceId>,
    key: OperationKey,
    action: Option<ActionId>,
}

/// The one-off `task` of a resource as a side of an ordering.
pub(crate) fn side(resource: ResourceId, task: Task) -> Side {
    Side {
        resource: Some(resource),
        key: OperationKey::once(task),
        action: None,
    }
}

/// An existing action as a side of an ordering.
pub(crate) fn side_of(cluster: &Cluster, action: ActionId) -> Side {
    Side {
        resource: cluster.action(action).resource,
        key: cluster.action(action).key.clone(),
        action: Some(action),
    }
}

/// Registers an ordering (05 §11.1), and its mirrors for migration (05 §7.3).
pub(crate) fn create(cluster: &mut Cluster, first: Side, then: Side, flags: OrderFlags) {
    let mirrors = migration_mirrors(cluster, &first, &then);
    store(cluster, first, then, flags);
    for (first, then, flags) in mirrors {
        store(cluster, first, then, flags);
    }
}

fn store(cluster: &mut Cluster, first: Side, then: Side, flags: OrderFlags) {
    let keys = &mut cluster.ordering_keys;
    let mut stored = |side: Side| OrderingSide {
        resource: side.resource,
        key: KeyId::new(keys.insert_full(side.key).0),
        action: side.action,
    };
    let (first, then) = (stored(first), stored(then));
    cluster.orderings.push(Ordering { first, then, flags });
}

/// What an ordering of starts and stops means for the migration actions of its sides (05 §7.3).
fn migration_mirrors(
    cluster: &Cluster,
    first: &Side,
    then: &Side,
) -> Vec<(Side, Side, OrderFlags)> {
    let (Some(a), Some(b)) = (first.resource, then.resource) else {
        return Vec::new();
    };
    let (ra, rb) = (cluster.resource(a), cluster.resource(b));
    if !(ra.migratable || rb.migratable)
        || a == b
        || cluster.is_ancestor(a, b)
        || cluster.is_ancestor(b, a)
    {
        return Vec::new();
    }
    let task = |side: &Side| match side.action {
        Some(action) => Some(cluster.action(action).task.clone()),
        None => (side.key.notify.is_none()).then(|| side.key.task.clone()),
    };
    let (Some(first_task), Some(then_task)) = (task(first), task(then)) else {
        return Vec::new();
    };
    let order = |x: Task, y: Task, flags| (side(a, x), side(b, y), flags);
    let mut mirrors = Vec::new();
    match (first_task, then_task) {
        (Task::Start, Task::Start) => {
            if ra.migratable && rb.migratable {
                mirrors.push(order(Task::MigrateFrom, Task::MigrateTo, OrderFlags::SEQ));
            }
            if rb.migratable {
                mirrors.push(order(
                    Task::Start,
                    Task::MigrateTo,
                    unless_migrating(ra.migratable),
                ));
            }
        }
        (Task::Stop, Task::Stop) if rb.migratable => {
            let flags = unless_migrating(ra.migratable);
            mirrors.push(order(Task::Stop, Task::MigrateTo, flags));
            if rb.partial_target.is_some() {
                mirrors.push(order(Task::Stop, Task::MigrateFrom, flags));
            }
        }
        (Task::Promote, Task::Start) if rb.migratable => {
            mirrors.push(order(Task::Promote, Task::MigrateTo, OrderFlags::SEQ));
        }
        (Task::Demote, Task::Stop) if rb.migratable => {
            mirrors.push(order(Task::Demote, Task::MigrateTo, OrderFlags::SEQ));
            if rb.partial_target.is_some() {
                mirrors.push(order(Task::Demote, Task::MigrateFrom, OrderFlags::SEQ));
            }
        }
        _ => {}
    }
    mirrors
}

fn unless_migrating(first_migratable: bool) -> OrderFlags {
    if first_migratable {
        OrderFlags::SEQ | OrderFlags::FIRST_NOT_MIGRATING
    } else {
        OrderFlags::SEQ
    }
}

/// Links two actions at once (05 §1.3). True if a link was created: not if one of the same kind
/// exists already.
pub(crate) fn link(
    cluster: &mut Cluster,
    first: ActionId,
    then: ActionId,
    flags: OrderFlags,
) -> bool {
    if flags.is_none() || first == then {
        return false;
    }
    let (after, before) = (&cluster.action(first).after, &cluster.action(then).before);
    // each link is in both lists, and one of them may be long
    let possible = after.len() <= before.len() || before.iter().any(|link| link.first == first);
    if possible
        && after
            .iter()
            .any(|link| link.then == then && link.flags.any(flags))
    {
        return false;
    }
    cluster
        .action_mut(first)
        .after
        .push(OutLink { then, flags });
    cluster.action_mut(then).before.push(InLink {
        first,
        flags,
        graphed: false,
    });
    true
}
