//! Whether a resource is managed, and whether it should run at all.

use super::codes;

codes! {
    NO_FENCING_DEVICE "no-fencing-device": "fencing is enabled, but there is neither a fencing device nor a watchdog, so the {CLUSTER} starts and stops nothing";
        "`stonith-enabled` is true (the default), but no primitive of class `stonith` and no watchdog exists. Without fencing nothing could be recovered safely, so no resource is managed, whatever its own is-managed says.";
        "configure a fencing device, or a watchdog (sbd, which sets have-watchdog); a test {CLUSTER} without data may do with stonith-enabled=false";
        "remove stonith-enabled and have-watchdog from the crm_config of the document's <configuration>: the {CLUSTER} fences by itself"
    CLUSTER_MAINTENANCE "cluster-maintenance": "the whole {CLUSTER} is in maintenance (maintenance-mode=true): nothing is started, stopped or monitored";
        "The option `maintenance-mode` is on. New resources are only looked for (probed).";
        "set maintenance-mode=false: crm_attribute --name maintenance-mode --update false (or: pcs property set maintenance-mode=false)";
        "cpectl maintenance {NAME} off"
    NODE_MAINTENANCE "node-maintenance": "{node} is in maintenance";
        "The node attribute `maintenance` is on: what runs there is left alone, and nothing is started there.";
        "set node attribute maintenance=false on {node}: crm_attribute --node {node} --name maintenance --delete (or: pcs node unmaintenance {node})";
        "cpectl maintenance {NAME} off {node}"
    NODE_NOT_MANAGED "node-not-managed": "{node} is left alone, because its connection {connection} is not managed[: {reason}]";
        "A guest or a remote node is reached by its connection. Where that is not managed, what runs on the node is left alone, and nothing is started there.";
        ""; ""
    ALL_IN_MAINTENANCE "all-in-maintenance": "all {NODES} are in maintenance, so everything is left alone";
        "Every node has the attribute `maintenance`; in a deployment that is its maintenance.";
        "set node attribute maintenance=false on the {NODES}";
        "cpectl maintenance {NAME} off"
    MAINTENANCE "maintenance": "maintenance=true is set {origin}";
        "The meta attribute `maintenance` of the resource, its parents or the defaults is on.";
        "set maintenance=false there ({set})[: crm_resource --resource {own} --meta --set-parameter maintenance --parameter-value false][, or for {override} alone: crm_resource --resource {override} --meta --set-parameter maintenance --parameter-value false]";
        "remove maintenance=true from the document ({set})"
    UNMANAGED "unmanaged": "is-managed={value} is set {origin}, so the {CLUSTER} neither starts nor stops it";
        "The meta attribute `is-managed` of the resource, its parents or the defaults is false. What a resource sets itself wins over its group or clone, and that over the defaults.";
        "set is-managed=true there ({set})[: crm_resource --resource {own} --meta --set-parameter is-managed --parameter-value true (or: pcs resource manage {own})][, or for {override} alone: crm_resource --resource {override} --meta --set-parameter is-managed --parameter-value true]";
        "remove is-managed from the document ({set})"
    NOT_MANAGED "not-managed": "it is not managed";
        "The state of the cluster took it out of management.";
        ""; ""
    KEPT_AFTER_REMOVAL "kept-after-removal": "it was removed from the configuration, and stop-removed-resources=false leaves such {RESOURCES} alone";
        "The option `stop-removed-resources` is off.";
        "stop it by hand, or set stop-removed-resources=true";
        "remove stop-removed-resources from the document's crm_config"
    REMOVED "removed": "it was removed from the configuration: only the history knows it";
        "Its definition is gone, so what still runs of it is stopped.";
        "if it should run, define it again under that name";
        "if it should run, put it into the document again under that name"
    ABOVE_CLONE_MAX "above-clone-max": "{clone} may have {max} instances (clone-max={max}), and this is one more";
        "The history knows more instances of a clone than the configuration allows.";
        "raise clone-max of {clone} if it should run";
        "raise the instances of the {RESOURCE} in the document if it should run"
    BLOCKED_BY_STOP "blocked-by-stop": "its {failure}, and without fencing the {CLUSTER} cannot be sure that it does not run there";
        "A failed stop is answered by fencing. Where fencing is not possible, the resource is blocked until somebody has looked: it could still run.";
        "make sure that it does not run on {node}, then: crm_resource --cleanup --resource {resource} --node {node}; to have this done without you, configure fencing";
        "make sure that it does not run on {node}, then: cpectl cleanup {NAME} {resource} --assembly {node}"
    BLOCKED_INSTEAD_OF_FENCED "blocked-instead-of-fenced": "its {failure}, so it may still run there, and on-fail=block leaves it alone until an administrator has looked";
        "The response to a failed stop is fencing, unless the operation has on-fail=block, or the resource does not require fencing.";
        "make sure that it does not run on {node}, then: crm_resource --cleanup --resource {resource} --node {node}; to have {node} fenced instead, set on-fail=fence for its stop operation";
        "make sure that it does not run on {node}, then: cpectl cleanup {NAME} {resource} --assembly {node}; to have {node} fenced instead, set on-fail=\"fence\" for its stop operation"
    BLOCKED_BY_FAILURE "blocked-by-failure": "its {failure}, and on-fail=block leaves it alone until an administrator has looked";
        "The operation that failed has `on-fail=block`. The failure does not expire.";
        "mend it on {node}, then: crm_resource --cleanup --resource {resource} --node {node}";
        "mend it on {node}, then: cpectl cleanup {NAME} {resource} --assembly {node}"
    BLOCKED "blocked": "it is blocked until an administrator has looked";
        "A failure or a ticket with loss-policy=freeze keeps the cluster from doing anything with it.";
        "crm_resource --cleanup --resource {resource}";
        "cpectl cleanup {NAME} {resource}"
    BLOCKED_BESIDE "blocked-beside": "{other}, which is with it in {group}, is blocked: {reason}";
        "With multiple-active=block, a part of a group or of a bundle that is active on several nodes blocks all other parts too.";
        ""; ""
    MULTIPLY_ACTIVE_BLOCK "multiply-active-block": "it is active on {nodes} at once, and multiple-active=block leaves it alone until an administrator has decided";
        "A resource that must run once was found active on several nodes.";
        "stop it on all {NODES} but one, outside the {CLUSTER}, then: crm_resource --refresh --resource {resource}";
        "stop it in all {NODES} but one by hand, then: cpectl cleanup {NAME} {resource}"
    MULTIPLY_ACTIVE "multiply-active": "it is active on {nodes} at once, and multiple-active={policy}{default} {effect}";
        "A resource that must run once was found active on several nodes. Something else than the cluster has started it, or a node came back with it.";
        "find out what else starts it there (a unit that is enabled, a script, a person): only the {CLUSTER} may";
        "find out what else starts it there (a unit that is enabled, a script, a person): only the {CLUSTER} may"
    FROZEN_BY_TICKET "frozen-by-ticket": "ticket {ticket} is {state}, and ticket constraint {constraint} has loss-policy=freeze";
        "A resource that depends on a lost ticket is left as it is.";
        "[{order}]";
        "cpectl ticket {NAME} {command}"
    TARGET_ROLE_STOPPED "target-role-stopped": "target-role=Stopped is set {origin}";
        "Somebody wants it stopped: the meta attribute `target-role` says so. Of several sets without a score the last one in the configuration counts; what a resource sets itself wins over its group or clone, and that over the defaults.";
        "set target-role=Started there ({set})[, or remove it: crm_resource --resource {own} --meta --delete-parameter target-role][, or for {override} alone: crm_resource --resource {override} --meta --set-parameter target-role --parameter-value Started]";
        "remove enabled=\"false\" (or target-role) from the document ({set}) and deploy it again"
    TARGET_ROLE_UNPROMOTED "target-role-unpromoted": "target-role=Unpromoted is set {origin}, so it is not promoted";
        "Somebody wants it unpromoted.";
        "set target-role=Promoted there ({set}), or remove it";
        "remove target-role from the document ({set})"
    STOP_ALL "stop-all": "stop-all-resources=true stops all {RESOURCES}";
        "The option `stop-all-resources` is on.";
        "set stop-all-resources=false: crm_attribute --name stop-all-resources --update false (or: pcs property set stop-all-resources=false)";
        "remove stop-all-resources from the document's crm_config"
    NO_QUORUM "no-quorum": "the {CLUSTER} has no quorum, and no-quorum-policy={policy}[, which {acts},] allows nothing to run without it";
        "This part of the cluster cannot know whether another part runs the same resources, so it stops its own.";
        "bring back enough {NODES}; two-node clusters need two_node in corosync.conf";
        "remove no-quorum-policy from the document's crm_config"
    NO_QUORUM_FREEZE "no-quorum-freeze": "the {CLUSTER} has no quorum, and no-quorum-policy=freeze starts and promotes nothing without it";
        "What runs goes on, nothing more is started.";
        "bring back enough {NODES}";
        "remove no-quorum-policy from the document's crm_config"
    NO_QUORUM_DEMOTE "no-quorum-demote": "the {CLUSTER} has no quorum, and no-quorum-policy=demote allows nothing to be promoted without it";
        "What is promoted is demoted and goes on unpromoted. What cannot be promoted is stopped.";
        "bring back enough {NODES}";
        "remove no-quorum-policy from the document's crm_config"
    NO_QUORUM_FENCE "no-quorum-fence": "the {CLUSTER} has no quorum, and no-quorum-policy={policy} fences its {NODES}";
        "The nodes of a part without quorum are fenced.";
        "bring back enough {NODES}";
        "remove no-quorum-policy from the document's crm_config"
    NO_QUORUM_NO_FENCING "no-quorum-no-fencing": "the {CLUSTER} has no quorum, so it neither fences {node}, where this may still run, nor starts it elsewhere (no-quorum-policy={policy}[, which {acts}])";
        "A lost node must be fenced before its resources start elsewhere, and a part of the cluster without quorum must not fence.";
        "bring back enough {NODES}, or if {node} is certainly down: stonith_admin --confirm {node}";
        "if {node} is certainly down: cpectl confirm-fenced {NAME} {node}"
    TICKET_MISSING "ticket-missing": "ticket {ticket} is {state}: ticket constraint {constraint} does not let it run[, and {loss} fences the {NODE} where it runs]";
        "A ticket constraint lets a resource run only while its ticket is granted to this site.";
        "[{order}]";
        "cpectl ticket {NAME} {command}"
    UNCHANGED_UNMANAGED "unmanaged-found-stopped": "{operation} found it not running on {node}[ at {time}], and since it is not managed, that counts as stopped and not as a failure";
        "A resource that is not managed may be stopped by hand.";
        "";
        ""
}
