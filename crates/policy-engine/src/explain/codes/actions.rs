//! What actions wait for, and why they are done or cannot be done.

use super::codes;

codes! {
    AFTER_ORDER "after-order": "{first}: order constraint {constraint}[ (kind={kind})][ ({all})]";
        "An order constraint of the configuration.";
        ""; ""
    AFTER_GROUP "after-group": "{first}, {position} it in group {group}";
        "Members of a group start one after the other, and stop in reverse order.";
        ""; ""
    AFTER_OWN "after-own": "{first}";
        "Its own actions follow each other.";
        ""; ""
    AFTER_FENCING "after-fencing": "{node} has been fenced";
        "What may run on a lost node is started elsewhere only after the node has been fenced.";
        ""; ""
    AFTER_UNFENCING "after-unfencing": "{node} has been unfenced (its fencing device has let it in again)";
        "With `requires=unfencing` a resource starts only on nodes that have been unfenced.";
        ""; ""
    AFTER_PROBE "after-probe": "{first}";
        "First it is found out what runs where.";
        ""; ""
    AFTER_CAPACITY "after-capacity": "{first}, which frees the capacity on {node}";
        "placement-strategy: what leaves a node makes room before others come.";
        ""; ""
    AFTER_APART "after-apart": "{first}, because colocation {constraint} keeps the two apart";
        "What must not be together changes places one after the other.";
        ""; ""
    AFTER_NOTIFICATION "after-notification": "the instances of {clone} have been notified";
        "Agents of clones with notify=true are told before and after each change.";
        ""; ""
    AFTER_OTHER "after-other": "{first}";
        "A built-in order.";
        ""; ""
    AFTER_CONNECTION "after-connection": "{first} (the connection to {node})";
        "What runs on a remote node needs its connection.";
        ""; ""
    FIRST_IMPOSSIBLE "first-impossible": "{first} first, which is not possible now[ ({constraint})][, because of what comes before it: {chain}][: {reason}]";
        "Something has to be done before, and cannot be done.";
        ""; ""
    STOP_IMPOSSIBLE "stop-impossible": "{resource} cannot be stopped: {reason}";
        "A stop that would be necessary is not possible.";
        ""; ""
    RECORDED "recorded": "of this: {detail}";
        "The decision recorded a reason that has no code of its own; it is given as it is.";
        ""; ""
    NODE_UNREACHABLE "node-unreachable": "{node} cannot do it now: {reason}";
        "The node of the action is not online.";
        ""; ""
    RESTART_AFTER "restart-after": "{root} will be {change}, and what comes after it is restarted[: {chain}][ ({constraint})][ ({all})][: {reason}]";
        "A mandatory order, or a group: when what comes first is started or restarted, what follows is restarted.";
        "[if each instance of {clone} needs only the one beside it: crm_resource --resource {clone} --meta --set-parameter interleave --parameter-value true]";
        "[if each instance of {clone} needs only the one beside it, set interleave=true for {clone} in the document]"
    RESTART_BY_ORDER "restart-by-order": "{root} will be {change}, and order constraint {constraint} stops it then";
        "An order between stops: when the first is stopped, the other one is stopped too, and started again.";
        ""; ""
    AGENT_CHANGED "agent-changed": "its agent has changed: it was started by {was}, and {is} is configured";
        "The class, the provider or the type of the resource is another one than when it was started. It is stopped, and started with the agent that is configured.";
        ""; ""
    FAILED_INSIDE "failed-inside": "{inside}, which is inside it, has failed ({failure}), and that is recovered by a restart of the whole";
        "A guest or a container is restarted if the connection into it, or what has on-fail=restart-container, fails.";
        ""; ""
    CONNECTION_GONE "connection-gone": "its connection {connection} is gone, so nobody knows what runs inside";
        "A guest or a container whose connection does not run, though something ran inside, is stopped and started again.";
        ""; ""
    COLOCATED_IMPOSSIBLE "colocated-impossible": "it has to be where {primary} is[ {role}][ (colocation {constraint})], and {primary} cannot be had now[: {reason}]";
        "What it is bound to has a place, but its start or promotion is not possible now.";
        ""; ""
    PROBE_IMPOSSIBLE "probe-impossible": "first it must be found out whether it runs on {node}, which is not possible now[: {reason}]";
        "What may run on a node already is not started elsewhere before a probe there has said no.";
        ""; ""
    DEFINITION_CHANGED "definition-changed": "its definition has changed since it was started[ at {time}], and the change takes a restart[: {restart_for}]";
        "Parameters were changed that its agent cannot reload: of the resource, of the groups and clones around it, or of its operations. What it was started with is known by a digest only, not which of them differs.";
        ""; ""
    DEFINITION_RELOAD "definition-reload": "its definition has changed, and its agent can take the change while it runs";
        "Reloadable parameters were changed.";
        ""; ""
    ORDER_NOT_FOR_MIGRATION "order-not-for-migration": "order constraint {constraint} has kind=Optional and does not hold here: {other} is migrated live, not stopped and started, so nothing waits for it";
        "An optional order holds only between starts and stops that happen anyway. A live migration is neither.";
        "make the order mandatory (kind=Mandatory), or add one from the stop of {other} to this stop";
        "make it mandatory: <service_dependency> without kind=\"optional\""
    NOT_LIVE "not-live": "it is not migrated live, although allow-migrate is set: {other}, which has to run before it (order constraint {constraint}), is stopped or started as well";
        "A live migration needs what it depends on at both ends all the time.";
        "have {other} run on both {NODES} (a clone with interleave=true), or let it migrate live as well";
        "have {other} run in both {NODES} (instances), or let it migrate live as well"
    ORDER_OPTIONAL "order-optional": "order constraint {constraint} has kind=Optional and does not hold here: nothing is done with {other}";
        "An optional order holds only if both actions are done anyway.";
        ""; ""
    ORDER_ONE_WAY_GOES_ON "order-one-way-goes-on": "order constraint {constraint} has symmetrical=false, so it binds {what} only: {then} is not {then_undone} because {first} is[ {undone}]";
        "By default an order holds for stops too, the other way round. With symmetrical=false it does not, and a stop of what comes first leaves alone what comes after. An order between promotions leaves out demotions in the same way.";
        "if {then} has to be {then_undone} before {first} is, remove symmetrical=false from {constraint}";
        "if {then} has to be {then_undone} before {first} is, remove symmetrical=\"false\" from the document"
    ORDER_ONE_WAY_WAITS_NOT "order-one-way-waits-not": "order constraint {constraint} has symmetrical=false, so it binds {what} only: {first} is {undone} without waiting for {then}";
        "By default an order holds for stops too, the other way round. With symmetrical=false it does not.";
        "if {then} has to be {then_undone} before {first} is, remove symmetrical=false from {constraint}";
        "if {then} has to be {then_undone} before {first} is, remove symmetrical=\"false\" from the document"
    NOT_WAITING "not-waiting": "it waits for no other {RESOURCE}, not for {other} either, whose {operation} on {node} is under way: no constraint connects the two";
        "An operation under way delays only what a constraint makes wait for it.";
        ""; ""
}
