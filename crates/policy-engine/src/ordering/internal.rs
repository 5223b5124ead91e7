//! Built-in orderings and colocations (scheduler-spec/05 §11.6–11.7, 04 §11, §15.2; colocations: 03 §8).

use crate::model::Cluster;

/// P5: for each top-level resource in list order. Colocations are stored through `configuration::constraints::colocation::store`.
pub fn unpack(_cluster: &mut Cluster) {}
