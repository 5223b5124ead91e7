//! Location constraints and node health (scheduler-spec/03 §4, §7.3).

use crate::model::Cluster;
use crate::xml::Element;

/// Reads one constraint.
pub fn unpack(_cluster: &mut Cluster, _element: Element<'_>) {}

/// Creates the location entries of the node health strategy (step B1).
pub fn health(_cluster: &mut Cluster) {}
