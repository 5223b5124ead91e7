//! What recorded failures look like (scheduler-spec/06 §B.5 step 4, §B.12; 02 §22.2).

use crate::model::{Cluster, FailedOperation, NodeId, ResourceId};

/// The meaning of an exit code, in words.
pub fn exit_text(code: i64) -> &'static str {
    match code {
        0 => "OK",
        1 => "Error occurred",
        2 => "Invalid parameter",
        3 => "Unimplemented",
        4 => "Insufficient privileges",
        5 => "Not installed",
        6 => "Not configured",
        7 => "Not running",
        8 => "Promoted",
        9 => "Failed in promoted role",
        124 => "Timeout occurred",
        189 => "Execution failed",
        190 => "Degraded",
        191 => "Degraded promoted",
        193 => "No result",
        _ => "Unknown exit status",
    }
}

/// The meaning of an operation status, in words.
pub fn status_text(status: i64) -> &'static str {
    match status {
        -1 => "pending",
        0 => "complete",
        1 => "Cancelled",
        2 => "Timed Out",
        3 => "NOT SUPPORTED",
        4 => "Error",
        5 => "Hard error",
        6 => "Error (fatal)",
        7 => "Not installed",
        8 => "Not connected",
        9 => "Invalid",
        10 => "No fence device",
        11 => "No secrets",
        _ => "UNKNOWN!",
    }
}

/// Why a resource could not even be probed: the text of the first masked probe failure on `node`
/// (or anywhere). Entries that do not say where they were recorded never count.
pub fn masked_probe(
    cluster: &Cluster,
    resource: ResourceId,
    node: Option<NodeId>,
) -> Option<&'static str> {
    let failure = cluster.failed_operations.iter().find(|failure| {
        let recorded_on = cluster.document.element(failure.entry).get("on_node");
        failure.masked_probe
            && recorded_on
                .is_some_and(|name| node.is_none_or(|node| *name == *cluster.node(node).name))
            && concerns(cluster, failure, resource)
    })?;
    Some(exit_text(integer(cluster, failure, "rc-code")))
}

/// An integer attribute of the history entry of a failure; 0 if there is none.
pub fn integer(cluster: &Cluster, failure: &FailedOperation, name: &str) -> i64 {
    let entry = cluster.document.element(failure.entry);
    entry
        .get(name)
        .and_then(crate::scalar::integer)
        .unwrap_or(0)
}

/// Whether a failure was recorded for `resource`, or for the configured child of its clone.
fn concerns(cluster: &Cluster, failure: &FailedOperation, resource: ResourceId) -> bool {
    let Some(key) = crate::simulation::specification::OperationName::parse(&failure.key) else {
        return false;
    };
    let top = cluster.resource(cluster.top(resource));
    let id = match top.clone_data() {
        Some(clone) => clone.child_config_id.as_ref(),
        None => Some(&cluster.resource(resource).id),
    };
    id.is_some_and(|id| **id == *key.resource)
}
