//! Parameter digests (scheduler-spec/02 §20, 05 §4.4, §4.5).

use crate::model::{Cluster, NodeId, ResourceId, Task};
use crate::xml::Element;

/// How a history entry compares with the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// Same definition.
    Match,
    /// Something changed.
    Changed,
    /// Something changed that needs a restart.
    Restart,
    /// The entry has no digest.
    Unknown,
}

/// Digests of one operation on one node.
#[derive(Clone, Debug)]
pub struct Digests {
    /// Of all parameters.
    pub all: String,
    /// Of the parameters that force a restart, if the first entry seen had a restart digest.
    pub restart: Option<String>,
    /// Of the parameters that are not private.
    pub secure: Option<String>,
    /// Kept result (02 §20.4).
    pub result: Comparison,
}

/// Calculates (or takes from the cache) the digests of an operation on a node, compares `entry` with them, and keeps the result.
/// `restart_digest`: overrides the entry's `op-restart-digest` (02 §10.4 1d poisons it).
pub fn compare(
    _cluster: &Cluster,
    _resource: ResourceId,
    _task: &Task,
    _interval_ms: u32,
    _node: NodeId,
    _entry: Element<'_>,
) -> Digests {
    unimplemented!()
}

/// Digests of a fence device for unfencing a node (02 §20.6): cache key `stonith-on`, no entry. `result` is the comparison with the
/// node's `#digests-all` and `#digests-secure`.
pub fn unfencing(_cluster: &Cluster, _device: ResourceId, _node: NodeId) -> Digests {
    unimplemented!()
}

/// MD5 of ` <parameters …/>\n` over `parameters` sorted by name (02 §20.1), lower-case hex.
pub fn of_parameters<'a>(_parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    String::new()
}

/// The digest that the executor of an action records as `op-digest`: over the action's graph attributes after the filter of
/// 02 §20.2 (last paragraph).
pub fn of_attributes<'a>(_attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    String::new()
}
