//! Clone notifications (scheduler-spec/04 §16).

/// The notification pseudo-actions of a clone, and what was collected for them.
#[derive(Clone, Debug, Default)]
pub struct CloneNotifications {}
