//! Chapter 5, second half: orderings between actions, and how they make each other required, impossible, or wait.
//!
//! Stage interface: [`create`] and [`link`] (used wherever orderings arise), [`internal::unpack`] (P5), [`remote::order`] (P9),
//! [`apply`] (P11).

pub mod internal;
pub mod remote;

use crate::model::{ActionId, Cluster, OperationKey, OrderFlags, OrderingSide, ResourceId, Task};

/// Registers the ordering `<first>_<a>_0` before `<then>_<b>_0`, and its mirrors for migration (05 §11.2, §7.3).
pub fn order(
    cluster: &mut Cluster,
    first: ResourceId,
    a: Task,
    then: ResourceId,
    b: Task,
    flags: OrderFlags,
) {
    let side = |resource, task| OrderingSide {
        resource: Some(resource),
        key: Some(OperationKey::once(task)),
        action: None,
    };
    create(cluster, side(first, a), side(then, b), flags);
}

/// Registers an ordering (05 §11.1), and its mirrors for migration (05 §7.3).
pub fn create(
    _cluster: &mut Cluster,
    _first: OrderingSide,
    _then: OrderingSide,
    _flags: OrderFlags,
) {
}

/// Links two actions at once (05 §1.3). True if a link was created.
pub fn link(_cluster: &mut Cluster, _first: ActionId, _then: ActionId, _flags: OrderFlags) -> bool {
    false
}

/// P11: turns orderings into links and propagates until nothing changes.
pub fn apply(_cluster: &mut Cluster) {}
