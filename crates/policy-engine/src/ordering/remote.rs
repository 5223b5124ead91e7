//! Orderings of actions behind remote connections (scheduler-spec/05 §10).

use crate::model::Cluster;

/// P9.
pub fn order(_cluster: &mut Cluster) {}
