//! The status display: node list and resource list (scheduler-spec/06 §B.3–B.8).

use crate::model::Cluster;

/// A nested list of the text output (06 §B.1).
#[derive(Clone, Debug)]
pub enum Item {
    /// A line.
    Line(String),
    /// A titled list.
    List(String, Vec<Item>),
    /// An empty line.
    Spacer,
}

/// Node list and resource list of a loaded cluster. `pending`: show pending operations.
pub fn display(_cluster: &Cluster, _pending: bool) -> Vec<Item> {
    Vec::new()
}
