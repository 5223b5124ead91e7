//! Ticket constraints (scheduler-spec/03 §6).

use crate::model::Cluster;
use crate::xml::Element;

/// Reads one constraint.
pub fn unpack(_cluster: &mut Cluster, _element: Element<'_>) {}
