//! The transition summary (scheduler-spec/06 §B.9–B.11).

use crate::model::Cluster;

/// Evaluates the summary. Has the side effects of 06 §F trap 11; `schedule` calls it once between ordering and graph.
pub fn transition(_cluster: &mut Cluster) -> Vec<String> {
    Vec::new()
}
