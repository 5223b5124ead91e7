//! Score lines as text (scheduler-spec/06 §A.6).

use crate::model::{Cluster, ScoreLine};

/// One score line.
pub fn line(cluster: &Cluster, line: &ScoreLine) -> String {
    match line {
        ScoreLine::Allocation {
            function,
            resource,
            node,
            score,
        } => format!(
            "{function}: {} allocation score on {}: {score}",
            cluster.resource(*resource).id,
            cluster.node(*node).name
        ),
        ScoreLine::Promotion {
            resource,
            node: Some(node),
            score,
        } => format!(
            "{} promotion score on {}: {score}",
            cluster.resource(*resource).id,
            cluster.node(*node).name
        ),
        ScoreLine::Promotion {
            resource,
            node: None,
            score,
        } => format!(
            "{} promotion score (inactive): {score}",
            cluster.resource(*resource).id
        ),
        ScoreLine::Utilization(text) | ScoreLine::Info(text) => text.clone(),
    }
}
