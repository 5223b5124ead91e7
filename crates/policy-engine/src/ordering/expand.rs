//! From orderings to links (scheduler-spec/05 §12): which actions an ordering between resources
//! really concerns.

use smallvec::{SmallVec, smallvec};

use crate::model::*;
use crate::transition::actions;
use crate::transition::orderings::link;

/// Turns every ordering into links, in order of creation.
pub(super) fn expand(cluster: &mut Cluster) {
    for index in 0..cluster.orderings.len() {
        let Ordering { first, then, flags } = cluster.orderings[index];
        if let Some(resource) = first.resource {
            expand_first(cluster, resource, first, then, flags);
        } else if let Some(action) = first.action {
            match then.resource {
                Some(resource) => expand_then(cluster, action, resource, then, flags),
                None => {
                    if let Some(then) = then.action {
                        link(cluster, action, then, flags);
                    }
                }
            }
        }
    }
}

/// Mostly one, and collected for each ordering.
pub(super) type Actions = SmallVec<[ActionId; 4]>;

/// All actions of a resource with that key, oldest first.
pub(super) fn matches(cluster: &Cluster, resource: ResourceId, key: &OperationKey) -> Actions {
    let list = &cluster.resource(resource).actions;
    list.with_key(key, None)
        .filter(|id| cluster.action(*id).key == *key)
        .collect()
}

/// §12.1: the actions that come first. A missing one is created, not runnable, so that the actions
/// that wait for it are blocked.
fn expand_first(
    cluster: &mut Cluster,
    resource: ResourceId,
    first: OrderingSide,
    then: OrderingSide,
    flags: OrderFlags,
) {
    let key = cluster.ordering_key(first.key);
    let mut candidates = match first.action {
        Some(action) => smallvec![action],
        None => matches(cluster, resource, key),
    };
    if candidates.is_empty() {
        let role = cluster.role_of(resource);
        let pointless = then.resource == Some(resource)
            || role == Role::Stopped && key.notify.is_none() && key.task == Task::Stop
            || role == Role::Unpromoted && key.notify.is_none() && key.task == Task::Demote;
        if pointless {
            return;
        }
        let key = key.clone();
        candidates.push(actions::optional(cluster, resource, key, None));
    }
    let then_resource = then
        .resource
        .or_else(|| then.action.and_then(|a| cluster.action(a).resource));
    for candidate in candidates {
        match (then_resource, then.action) {
            (Some(resource), _) => expand_then(cluster, candidate, resource, then, flags),
            (None, Some(action)) => {
                link(cluster, candidate, action, flags);
            }
            (None, None) => {}
        }
    }
}

/// §12.2: the actions that come then; nothing is created on this side.
fn expand_then(
    cluster: &mut Cluster,
    first: ActionId,
    resource: ResourceId,
    then: OrderingSide,
    flags: OrderFlags,
) {
    let action = cluster.action(first);
    let flags = if action.migration_abort && action.resource == Some(resource) {
        flags.without(OrderFlags::PUSH)
    } else {
        flags
    };
    if let Some(action) = then.action {
        link(cluster, first, action, flags);
        return;
    }
    for then in matches(cluster, resource, cluster.ordering_key(then.key)) {
        link(cluster, first, then, flags);
    }
}
