//! Order constraints (scheduler-spec/05 §11.2–11.5).

use crate::model::Cluster;
use crate::xml::Element;

/// Reads one constraint.
pub fn unpack(_cluster: &mut Cluster, _element: Element<'_>) {}
