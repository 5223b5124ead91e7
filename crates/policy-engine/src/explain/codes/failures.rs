//! Failures and operations under way.

use super::codes;

codes! {
    OPERATION_FAILED "operation-failed": "{operation} {failed} on {node}[ at {time}]";
        "A recorded result of an operation that is not what was expected.";
        ""; ""
    FAILURE "failure": "{failure}[; fail count {count}, migration-threshold {threshold}][ (a failed start counts as INFINITY: {fatal})][; on-fail={on_fail}: {response}][; {forgotten}]";
        "A failure that is still recorded, with what was or is done about it. With a failure-timeout it is forgotten by itself.";
        "to forget it: crm_resource --cleanup --resource {resource} --node {node}";
        "to forget it: cpectl cleanup {NAME} {resource} --assembly {node}"
    FAIL_COUNT "fail-count": "{operation} has failed on {node}: fail count {count}[, migration-threshold {threshold}][, last at {time}][; {forgotten}]";
        "A fail count without a recorded result.";
        "to forget it: crm_resource --cleanup --resource {resource} --node {node}";
        "to forget it: cpectl cleanup {NAME} {resource} --assembly {node}"
    PENDING "operation-pending": "its {operation} on {node} is under way[ since {time}]";
        "An operation was begun and has no result yet. Nothing else is done with the resource until then; others do not wait for it, unless a constraint says so.";
        ""; ""
}
