//! Clone notifications (scheduler-spec/04 §16).

use crate::model::*;

/// The notification pseudo-actions of a clone, and what was collected for them.
#[derive(Clone, Debug, Default)]
pub struct CloneNotifications {}

/// Notifications about a stop that fencing implies (04 §16.5).
pub fn order_after_fencing(
    _cluster: &mut Cluster,
    _resource: ResourceId,
    _stop: ActionId,
    _fence: ActionId,
) {
}
