//! Definition changes: what the history says against what is configured (scheduler-spec/05 §4).

use crate::model::Cluster;

/// P6: checks every active operation in the histories.
pub fn check(_cluster: &mut Cluster) {}
