//! Nodes, and the cluster as a whole.

use super::codes;

codes! {
    NODE_ONLINE "node-online": "{node} is online and takes {RESOURCES}";
        "All is well with the node.";
        ""; ""
    NODE_IDLE "node-idle": "{node} is online, but takes no {RESOURCES} now: {reason}";
        "The node is well. What keeps it from taking anything concerns all nodes.";
        ""; ""
    NODE_GUEST_TO_COME "node-guest-to-come": "{node} is not up yet: it takes {RESOURCES} once {guest} runs on {place} and is connected to";
        "A guest is a node while it runs and its connection is made.";
        ""; ""
    NODE_TO_BE_CONNECTED "node-to-be-connected": "{node} is not connected yet: it takes {RESOURCES} once its connection {connection} has been started on {place}";
        "A remote node can be used while its connection runs.";
        ""; ""
    NODE_LOST_WITHOUT_FENCING "node-lost-without-fencing": "it left the {CLUSTER} without being shut down; fencing is disabled (stonith-enabled=false), so what ran there is taken for stopped, but it may still run";
        "Without fencing a lost node is believed to be down. If it is not, a resource can run twice.";
        "make sure that {node} is off; to have this done without you, configure fencing and set stonith-enabled=true";
        "make sure that {node} is off; remove stonith-enabled from the crm_config of the document's <configuration>"
    NODE_LOST_WITH_HOST "node-lost-with-host": "{node} is lost: where {guest}, its guest, was last known to run, {reason}";
        "A guest is down, or out of control, with the node that runs it.";
        ""; ""
    NODE_OFFLINE "node-offline": "{node} is offline";
        "The node is down, or not a member.";
        "start the cluster services on {node}";
        "start {node}, and cpe-agent in it"
    NODE_UNCLEAN "node-unclean": "{node} is unclean[: {reason}]; it must be fenced first";
        "Nobody knows what runs there. Nothing of it may start elsewhere before it has been fenced.";
        "[wait until {awaited} has been fenced; how far that is: stonith_admin --history {awaited}]";
        "wait until {node} has been fenced; how far that is: cpectl fencing {NAME}"
    NODE_FENCED "node-fenced": "{node} will be fenced ({operation}): {reason}";
        "The cluster takes it down by its fencing device.";
        "[how far its fencing is: stonith_admin --history {awaited}]";
        "how far its fencing is: cpectl fencing {NAME}"
    NODE_CANNOT_BE_FENCED "node-cannot-be-fenced": "{node} should be fenced ({reason}), but cannot be: {obstacle}";
        "Without fencing, what ran there is not recovered.";
        "{remedy}";
        "if it is certainly off: cpectl confirm-fenced {NAME} {node}"
    LEVEL_WITHOUT_DEVICE "level-without-device": "fencing level {level} for {node} names {devices}, and no fencing device is called that: fencing by this level fails";
        "A level of the fencing topology works only if all devices that it names exist.";
        "configure the device, or correct the devices of fencing level {level}";
        "add the device to the document, or correct the devices of fencing level {level}"
    NODE_UNFENCED "node-unfenced": "{node} will be unfenced (fencing device \"on\"): {reason}";
        "Fencing through shared disks or switches: a node has to be let in again before its resources start.";
        ""; ""
    NODE_SHUTDOWN "node-shutdown": "{node} is being shut down";
        "A shutdown was requested: its resources leave, then the node does.";
        ""; ""
    NODE_SHUTDOWN_WAITS "node-shutdown-waits": "{node} is being shut down and waits until {waits}";
        "The shutdown follows the stops of what runs there.";
        ""; ""
    NODE_SHUTDOWN_HANGS "node-shutdown-hangs": "the shutdown of {node} cannot be completed: {reason}";
        "Something that should be stopped there cannot be stopped.";
        ""; ""
    NODE_STANDBY "node-standby": "{node} is in standby";
        "Somebody put it in standby: its resources leave and none come.";
        "end the standby: {order}";
        "cpectl unstandby {NAME} {node}"
    NODE_STANDBY_ON_FAIL "node-standby-on-fail": "{node} was put in standby by a failure with on-fail=standby[: {failure}]";
        "A failed operation of a resource has on-fail=standby.";
        "mend it, then forget the failure: crm_resource --cleanup --resource {resource} --node {node}";
        "mend it, then forget the failure: cpectl cleanup {NAME} {resource} --assembly {node}"
    NODE_PENDING "node-pending": "{node} is joining the {CLUSTER} and takes nothing yet";
        "The node is a member, but has not finished joining.";
        "wait; if it does not end, look at its log (pacemaker-controld)";
        "wait; if it does not end, look at the log of cpe-agent in {node}"
    REMOTE_DOWN "remote-down": "{node} is not connected, because {connection} does not run[: {reason}]";
        "A remote or guest node can be used while its connection runs.";
        "";
        ""
    FENCE_UNSEEN "fence-unseen": "it has not been seen by the {CLUSTER} since that started, so it may run anything (startup-fencing)";
        "A node whose state is unknown at the start is fenced, unless startup-fencing is false.";
        ""; ""
    FENCE_LOST "fence-lost": "it left the {CLUSTER} without being shut down";
        "The node vanished from the membership.";
        "";
        ""
    FENCE_PROCESS "fence-process": "its controller process is gone, although the {NODE} is a member";
        "The cluster software on the node has died or hangs.";
        ""; ""
    FENCE_REQUESTED "fence-requested": "its fencing was requested (node attribute terminate)";
        "An administrator or a tool asked for it.";
        ""; ""
    FENCE_JOIN "fence-join": "it did not join properly: {detail}";
        "The node could not become a member.";
        ""; ""
    FENCE_FAILURE "fence-failure": "{failure}, and on-fail=fence is the response";
        "A failed stop (or another operation with on-fail=fence) is answered by fencing the node.";
        ""; ""
    FENCE_ACTIVE "fence-active": "{resource} was active there when it was lost";
        "What ran there can be recovered only after fencing.";
        ""; ""
    FENCE_REMOTE "fence-remote": "its connection {connection} cannot be recovered[: {failure}]";
        "A remote node whose connection fails is fenced, because what runs there is out of control.";
        ""; ""
    FENCE_GUEST "fence-guest": "{guest}, the guest or container that it is, has to be recovered[: {reason}]";
        "A guest is not fenced by a device: it is stopped and started again by its own resource.";
        ""; ""
    FENCE_QUORUM "fence-quorum": "the {CLUSTER} has no quorum, and no-quorum-policy=fence";
        "The nodes of a part without quorum are fenced.";
        ""; ""
    FENCE_TICKET "fence-ticket": "[ticket {ticket}, which {resource} needs, is {state}, and ]the loss-policy of ticket constraint[ {constraint}] is fence";
        "A dead man's switch: what needed the ticket must be gone at once, whatever it takes.";
        "[{order}]";
        "[cpectl ticket {NAME} {command}]"
    FENCE_STOP "fence-stop": "something has to be stopped there, and the {NODE} cannot do it";
        "A stop cannot be executed, so fencing does it.";
        ""; ""
    FENCE_OTHER "fence-other": "{detail}";
        "Another reason.";
        ""; ""
    UNFENCE_FOR "unfence-for": "{resource} needs it ({task})";
        "A resource that requires unfencing is to be started there.";
        ""; ""
    UNFENCE_FIRST "unfence-first": "{resource} requires unfencing: a {NODE} must be let in by the fencing device (\"on\") before it starts there";
        "A fencing device with provides=unfencing, such as fence_brocade, locks nodes out of the ports of a switch. They are let in again by unfencing, which happens when they start and before the first resource that requires it. The resources show as stopped until then.";
        "if the unfencing fails, look at the log of the fencing device: its address, its ports and pcmk_host_map";
        ""
    UNFENCE_CHANGED "unfence-changed": "the definition of a fencing device has changed";
        "Unfencing is done again with the new parameters.";
        ""; ""
    NOT_THERE "not-there": "{resource} does not run there: {reason}";
        "A resource that does not run on the node.";
        ""; ""
    ALL_WELL "all-well": "everything is as it should be ({RESOURCES}: {resources}, {NODES}: {nodes})";
        "Nothing is stopped that should run, nothing has failed, and nothing has to be done.";
        ""; ""
    ATTENTION "attention": "{count} of {all} {RESOURCES} and {node_count} of {node_all} {NODES} are not as they should be";
        "What follows says which and why.";
        ""; ""
    WITHOUT_QUORUM "without-quorum": "the {CLUSTER} has no quorum (no-quorum-policy={policy}[, which {acts}])";
        "Fewer than half of the nodes are members.";
        "bring back enough {NODES}";
        ""
    CONSTRAINT_LEFT "constraint-left": "location constraint {constraint} of {owner} was left behind by a move or ban";
        "It goes on binding the resource until it is cleared.";
        "crm_resource --clear --resource {owner}";
        "remove the constraint {constraint} from the document"
}
