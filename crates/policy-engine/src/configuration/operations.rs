//! Operation configuration: lookup and options (scheduler-spec/01 §17, 05 §2.4–2.6).

use crate::model::{Cluster, NodeId, OnFail, OperationConfig, ResourceId, Role, Table, Task};
use std::sync::Arc;

/// Options of one operation of one resource, shared by all actions that use them.
#[derive(Clone, Debug, Default)]
pub struct OperationOptions {
    /// The option table of 01 §17.2 after normalisation: `timeout` in ms, `interval` in ms or absent, `start-delay` in ms,
    /// validated `on-fail`; no `id`. Every entry becomes `CRM_meta_*`.
    pub meta: Table,
    /// `timeout` in ms.
    pub timeout_ms: u32,
    /// Failure response after defaults (01 §17.3).
    pub on_fail: OnFail,
    /// Role after failure (01 §17.3).
    pub role_after_failure: Role,
    /// There is an `op` for it.
    pub configured: bool,
    /// The `op` has instance attributes.
    pub has_parameters: bool,
}

/// The `op` of (name, interval): first match in document order; `migrate_*` falls back to `migrate` (01 §17.1).
pub fn find<'c>(
    _cluster: &'c Cluster,
    _resource: ResourceId,
    _name: &str,
    _interval_ms: u32,
    _include_disabled: bool,
) -> Option<&'c OperationConfig> {
    None
}

/// Options of (task, interval) of a resource. `notification`: the key is a notification key, so `op name=notify` is used
/// (01 §17.1). `node` matters for `pcmk_monitor_timeout` only. Cached.
pub fn options(
    _cluster: &Cluster,
    _resource: ResourceId,
    _task: &Task,
    _interval_ms: u32,
    _notification: bool,
    _node: Option<NodeId>,
) -> Arc<OperationOptions> {
    Arc::default()
}
