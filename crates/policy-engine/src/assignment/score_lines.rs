//! Score lines for people and tests (scheduler-spec/03 §19): the tables as they were when a
//! decision was made.

use crate::model::{Cluster, ResourceId, ScoreLine};

/// Records the table of a resource and of everything below it, except removed resources. `function`
/// is the name that Pacemaker's scheduler prints in such a line.
pub(super) fn record(cluster: &mut Cluster, function: &'static str, resource: ResourceId) {
    if cluster.run.scores {
        let mut lines = std::mem::take(&mut cluster.score_lines);
        record_tree(cluster, function, resource, &mut lines);
        cluster.score_lines = lines;
    }
}

fn record_tree(
    cluster: &Cluster,
    function: &'static str,
    id: ResourceId,
    lines: &mut Vec<ScoreLine>,
) {
    let resource = cluster.resource(id);
    if resource.removed {
        return;
    }
    for node in &cluster.node_order {
        if let Some(entry) = resource.allowed.get(*node) {
            lines.push(ScoreLine::Allocation {
                function,
                resource: id,
                node: *node,
                score: entry.score,
            });
        }
    }
    for child in &resource.children {
        record_tree(cluster, function, *child, lines);
    }
}
