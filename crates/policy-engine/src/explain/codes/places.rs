//! Why a resource may run on a node, or not: what speaks for and against nodes.

use super::codes;

codes! {
    NO_NODE "no-node": "no {NODE} is left for {name}: {reasons}";
        "Every node is excluded, for different reasons.";
        ""; ""
    AT "at": "{nodes}: {reason}";
        "A reason that holds on these nodes.";
        ""; ""
    OF_PART "of-part": "{name}: {reason}";
        "The reason of one instance or member.";
        ""; ""
    NO_NODES "no-nodes": "there is no {NODE} that could run it";
        "Not one node is a candidate.";
        ""; ""
    ONLY_NODE "only-node": "no other {NODE} can run it ({reasons})";
        "All other nodes are excluded.";
        ""; ""
    SINGLE_NODE "single-node": "there is no other {NODE}";
        "The cluster has one node, or the others are not for such resources.";
        ""; ""
    BEST "best": "{node} is better for it than {other} ({score} against {other_score}): {reason}";
        "Of the usable nodes the one with the highest score is taken. What decides most is named.";
        "[if it should stay where it runs: crm_resource --resource {resource} --meta --set-parameter resource-stickiness --parameter-value {enough}]";
        "[if it should stay where it runs: set stickiness=\"{enough}\" for {resource} in the document]"
    EQUAL_STAYS "equal-stays": "no {NODE} is better than the one it is on[: {speaks}; as much speaks for {other}: {against}]";
        "Equal positive scores leave a resource where it is.";
        ""; ""
    EQUAL_FEWEST "equal-fewest": "the scores are equal ({score} each), and the fewest {RESOURCES} are assigned to {node} so far";
        "Nodes with equal scores: the one with the fewest resources wins, and of these the first by name. So resources without stickiness are spread.";
        ""; ""
    MOVED_FOR_BALANCE "moved-for-balance": "the scores are equal ({score} each), and fewer {RESOURCES} are assigned to {node} so far";
        "Without stickiness a resource is moved to where fewer resources are, if the scores are equal.";
        "set resource-stickiness if it should stay where it runs[: crm_resource --resource {resource} --meta --set-parameter resource-stickiness --parameter-value {enough}]";
        "set stickiness[=\"{enough}\" for {resource} in the document] if it should stay where it runs"
    MIGRATION_GOES_ON "migration-goes-on": "its live migration to {node} has begun, and no {NODE} is better";
        "An unfinished migration goes on if its target is as good as any.";
        ""; ""
    INSTANCE_STAYS "instance-stays": "this instance is on {node} already, and no {NODE} is better";
        "Instances of clones stay where they are if nothing speaks against it.";
        ""; ""
    MOST_CAPACITY "most-capacity": "{node} has the most free capacity of equally good {NODES}";
        "With placement-strategy the node with the most free capacity wins, of nodes with equal scores.";
        ""; ""
    LOWER "lower": "{chosen} is better for it ({chosen_score} against {score} here)[: {reason}]";
        "The node could run it, but another one has a higher score.";
        ""; ""
    EQUAL "equal": "it could run there as well, but {chosen} was taken ({score} each)";
        "The node could run it as well.";
        ""; ""
    NEGATIVE "negative": "its score on {node} is negative ({score}): {reason}";
        "What speaks against the node outweighs what speaks for it.";
        ""; ""
    NOT_CHOSEN "not-chosen": "no {NODE} is chosen for it, since it is not managed";
        "What is not managed is left where it is.";
        ""; ""
    LEFT_THERE "left-there": "it is there, and is left alone[: {reason}]";
        "What is not managed is left where it is.";
        ""; ""
    NOT_TO_RUN "not-to-run": "it must not run anywhere";
        "The reason has nothing to do with nodes.";
        ""; ""
    BOUND_INSIDE "bound-inside": "colocation {constraint} names {name}, which is inside {bundle}: so it was placed before its container was, which is nowhere";
        "What is inside a bundle is where its container is. A constraint that names it and not the bundle has it placed too early.";
        "name {bundle} in colocation {constraint} in place of {name}";
        "name {bundle} in colocation {constraint} in place of {name}"
    BASE "base": "what every {RESOURCE} starts with there";
        "The base score of the node.";
        ""; ""
    STICKINESS "stickiness": "resource-stickiness={value} keeps it where it runs";
        "A resource prefers the node on which it is active.";
        ""; ""
    GROUP_STICKINESS "group-stickiness": "the other members of group {group} stay there ({member} and what follows it)";
        "What the later members of a group prefer, such as their stickiness, counts for the first one.";
        ""; ""
    LOCATION "location": "location constraint {constraint} {effect} {node} (score {score})[, and it is not looked for there ({discovery})][: {rule}]";
        "A location constraint of the configuration prefers, avoids or forbids the node.";
        "[if location constraint {constraint} should not keep it {undo}: remove it (pcs constraint delete {constraint}; crm configure delete {constraint}), or change it]";
        "[if {constraint} should not keep it {undo}: remove it from the document, or change it]"
    LOCATION_NOT_NOW "location-not-now": "location constraint {constraint} does not count now: {rule}";
        "A rule with a date counts only at the times that it asks for. It is looked at again when the time comes.";
        ""; ""
    PINNED "pinned": "the {RESOURCE} is written inside {node} in the document, so it runs nowhere else";
        "A service inside an `<assembly>` of a deployment document belongs there alone.";
        "";
        "move it out of the <assembly> in the document if it may run elsewhere"
    LEFTOVER_BAN "leftover-ban": "location constraint {constraint}, which a move or ban has left behind, forbids {node}";
        "`crm_resource --move` and `--ban` (and `pcs resource move`, `crm resource move`) work by a constraint called `cli-ban-…`. It stays until it is cleared.";
        "crm_resource --clear --resource {owner} (or: pcs resource clear {owner}; crm resource clear {owner})";
        "remove the constraint {constraint} from the document"
    LEFTOVER_PREFER "leftover-prefer": "location constraint {constraint}, which a move has left behind, wants it on {node} (score {score})";
        "`crm_resource --move` to a node works by a constraint called `cli-prefer-…`. It stays until it is cleared.";
        "crm_resource --clear --resource {owner} (or: pcs resource clear {owner}; crm resource clear {owner})";
        "remove the constraint {constraint} from the document"
    TEMPORARY "temporary": "{entry}";
        "Somebody has moved or banned it for a while. It is not in the configuration, and ends by itself or when it is cleared.";
        "{end}";
        "{end}"
    HEALTH "health": "the health of {node} {effect} {RESOURCES} there: {attributes} (node-health-strategy={strategy})";
        "Node health: attributes whose names begin with `#health`, which agents set.";
        "mend what the attribute is about; it is set back by its agent, or: attrd_updater --node {node} --name {worst} --update green";
        "mend what the attribute is about; its agent in {node} sets it back"
    COLOCATION "colocation": "colocation {constraint} wants it where {primary} is[ {role}][ (the same {attribute})]: on {places}[ (score {score})][; {primary} is not on {node}: {missing}][; what is on {there} does not count: {idle}]";
        "It must be, or rather be, where another resource is. A role means only nodes where an instance has that role; a node attribute means all nodes with the same value.";
        ""; ""
    COLOCATION_NO_PRIMARY "colocation-no-primary": "colocation {constraint} wants it where {primary} is[ {role}], which is nowhere[: {reason}]";
        "The resource that it has to be with does not run, or not in that role, so it cannot run either.";
        ""; ""
    APART "apart": "colocation {constraint} keeps it away from {primary}[ ({role})][ (another {attribute})], which is on {places}[ (score {score})]";
        "It must not, or should rather not, be where another resource is.";
        "if they may be together: remove colocation {constraint} (pcs constraint delete {constraint}; crm configure delete {constraint}), or give it a score above -INFINITY";
        "if they may be together: remove the colocation {constraint} from the document, or give it a score above -INFINITY"
    DEPENDENT "dependent": "{dependent} is to be with it (colocation {constraint}), and what {dependent} prefers counts for it";
        "The scores of a dependent count for its primary, unless the constraint says influence=false.";
        ""; ""
    DEPENDENT_AVOIDS "dependent-avoids": "{dependent}, which is to be with it ({via}), is kept from {node}: {reason}";
        "What keeps a dependent from a node counts for its primary, unless the constraint says influence=false.";
        ""; ""
    FOLLOWER_STOPPED "follower-stopped": "{dependent}, which is to be with it (colocation {constraint}), has no {NODE}: a colocation binds {dependent} and not {name}";
        "In a colocation the dependent (rsc) follows the primary (with-rsc). If the dependent can run nowhere, the primary goes on; the other way round the dependent stops.";
        ""; ""
    NOT_CRITICAL "not-critical": "critical=false is set for {name}, so {other} stays where it is and does not move for its sake";
        "By default what a resource is bound to moves with it when it has failed too often. With critical=false, or influence=false on the colocation, it does not.";
        "if {other} should move with it, set critical=true for {name}";
        "if {other} should move with it, remove critical=false of {name} from the document"
    GROUP_FOLLOWS "group-follows": "it goes where {member} goes, the member before it in group {group}[: {reason}]";
        "The members of a group are together, and the later ones go where the earlier ones are.";
        ""; ""
    GROUP_STOPPED "group-stopped": "{member}, an earlier member of group {group}, does not run[: {reason}]";
        "A member of a group runs only where and while all members before it run.";
        ""; ""
    FAILED_THERE "failed-there": "{failure}[; {consequence}]";
        "A failure keeps it away from the node.";
        "mend it on {failed_on}, then: crm_resource --cleanup --resource {resource} --node {failed_on}";
        "mend it on {failed_on}, then: cpectl cleanup {NAME} {resource} --assembly {failed_on}"
    FAILED_TOO_OFTEN "failed-too-often": "{failure}[, and one failed start is enough ({fatal})][; its fail count is {often}, and migration-threshold is {threshold}]";
        "After as many failures as `migration-threshold` says, a resource leaves the node. A failed start counts as that many at once, unless `start-failure-is-fatal` is false.";
        "mend it on {failed_on}, then: crm_resource --cleanup --resource {resource} --node {failed_on}";
        "mend it on {failed_on}, then: cpectl cleanup {NAME} {resource} --assembly {failed_on}"
    FATAL "fatal": "{failure}, a mistake in its configuration, which keeps it from every {NODE}";
        "Exit codes 2 and 6 of some operations mean that its parameters are wrong wherever it is.";
        "correct its parameters, then: crm_resource --cleanup --resource {resource}";
        "correct its parameters in the document and deploy it, then: cpectl cleanup {NAME} {resource}"
    NOT_INSTALLED "not-installed": "the software that it needs is not installed there: {failure}";
        "The agent reported exit code 5.";
        "install it on {failed_on}, then: crm_resource --cleanup --resource {resource} --node {failed_on}; or keep it from there by a location constraint with resource-discovery=never";
        "install it in {failed_on}, then: cpectl cleanup {NAME} {resource} --assembly {failed_on}; or forbid the {NODE} by a <location> with score -INFINITY"
    STOPPED_BY_FAILURE "stopped-by-failure": "{failure}, and on-fail={on_fail} stops it everywhere until the failure is forgotten";
        "The response to the failure is to stop the resource and not to start it again.";
        "mend it, then: crm_resource --cleanup --resource {resource}";
        "mend it, then: cpectl cleanup {NAME} {resource}"
    EXCLUSIVE "exclusive": "a location constraint with resource-discovery=exclusive names other {NODES} only";
        "Exclusive discovery makes the named nodes the only candidates.";
        "if it may run elsewhere: add a location constraint with resource-discovery=exclusive for that {NODE}, or remove resource-discovery from the others";
        "if it may run elsewhere: add a <rsc_location> with resource-discovery=\"exclusive\" for that {NODE}, or remove resource-discovery from the others"
    OPT_IN "opt-in": "the {CLUSTER} is opt-in (symmetric-cluster=false), and no constraint allows it there";
        "In an opt-in cluster a resource runs only where a location constraint allows it.";
        "add a location constraint with a score of 0 or more for each {NODE} where it may run, or set symmetric-cluster=true";
        "add a <location> for each {NODE} where it may run, or remove symmetric-cluster from the document's crm_config"
    NO_CANDIDATE "no-candidate": "{RESOURCES} like this one are not put there";
        "Built-in: nodes inside bundles run only what belongs to the bundle, and remote connections run only on cluster nodes.";
        ""; ""
    CONTAINER "container": "built-in rules for containers, guests and remote {NODES} decide there";
        "A connection, an address or a container has a place of its own.";
        ""; ""
    GOES_WITH_GUEST "goes-with-guest": "it goes where {guest} runs: on {node}";
        "The connection to a guest is made on the node that runs the guest.";
        ""; ""
    GUEST_STOPPED "guest-stopped": "{guest}, the guest that it connects to, does not run[: {reason}]";
        "A guest can be connected to only while it runs.";
        ""; ""
    CAPACITY "capacity": "there is not enough {kind} on {node}: it needs {needed}[ together with what must be with it ({together})], {free} of {capacity} are free[, the rest is taken by {takers}]";
        "placement-strategy takes capacities into account. Resources with a higher priority are placed first, and then those that run already.";
        "add capacity, free some, or raise the priority of what matters more: resources with a higher priority are placed first";
        "raise the <capacity> of a {NODE}, lower the <utilization>, or raise the priority of what matters more: {RESOURCES} with a higher priority are placed first"
    INSTANCE_THERE "instance-there": "{others} {verb} there already, and {clone} may have {max} on a {NODE} ({option})";
        "Another instance has the place.";
        "if so many instances of {clone} are meant to run: add a {NODE}, or raise {option}; if not: lower {number}";
        "if so many instances of {clone} are meant to run: add an {NODE}, or raise {option}; if not: lower {number} in the document"
    ENOUGH_INSTANCES "enough-instances": "{clone} has all its instances already: {max} (clone-max), on {places}";
        "No further instance is wanted.";
        ""; ""
    NO_INSTANCES "no-instances": "clone-max=0 is set for {clone}, so it has no instances";
        "`clone-max` says how many instances a clone has.";
        "set clone-max of {clone} to 1 or more, or remove it: crm_resource --resource {clone} --meta --delete-parameter clone-max";
        "set clone-max of {clone} to 1 or more in the document, or remove it"
    NO_PARTNER "no-partner": "{clone} has interleave=true, so an instance starts only beside one of {other} (order constraint {constraint}), and that is only on {places}";
        "With `interleave` an instance needs the one of the other clone on its own node, and there has to be one.";
        "let {other} run on more {NODES}";
        "let {other} run in more {NODES}"
    SHUTDOWN_LOCK "shutdown-lock": "it is locked to {node}, which was shut down[ at {time}] (shutdown-lock=true): it waits for that {NODE} to come back, {until}";
        "With `shutdown-lock` a resource whose node is shut down cleanly waits for it.";
        "start {node} again, or end the lock: crm_resource --refresh --resource {resource} --node {node}; shutdown-lock-limit ends locks by itself";
        "start {node} again, or end the lock: cpectl cleanup {NAME} {resource}"
    IN_BUNDLE "in-bundle": "it runs inside a container of bundle {bundle}, and goes where that is";
        "Parts of a bundle are together.";
        ""; ""
    PROMOTION_PLACE "promotion-place": "its agent gave it a promotion score there, and it is placed where it can be promoted";
        "Promotion scores count when instances are placed.";
        ""; ""
    STATE "state": "the state of the {CLUSTER} (its history, or the {NODE})";
        "A rule about states that have no name of their own.";
        ""; ""
    BUILT_IN "built-in": "a built-in rule";
        "A rule without a name of its own.";
        ""; ""
    ORDER_DOES_NOT_PLACE "order-does-not-place": "order constraint {constraint} says when it is started, and not where: nothing binds it to the {NODE} where {other} is[ {role}]";
        "An order never places anything. To be where another resource is takes a colocation.";
        "add a colocation: rsc={owner} with-rsc={other}[ with-rsc-role={role_name}] score=INFINITY";
        "add a <collocation service=\"{owner}\" with=\"{other}\"/> to the document"
}
