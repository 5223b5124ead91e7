//! Promotion: which instance, and what its score consists of.

use super::codes;

codes! {
    PROMOTED_BEST "promoted-best": "its promotion score, {score}, is the highest[ ({other} has {other_score})]: {parts}";
        "The instances with the highest promotion scores are promoted, as many as promoted-max allows. Ties go to the instance that is promoted already.";
        ""; ""
    PROMOTED_ONLY "promoted-only": "its promotion score is {score}: {parts}";
        "It is the only instance that may be promoted.";
        ""; ""
    PROMOTED_TIE "promoted-tie": "its promotion score is {score}: {parts}";
        "Another instance has the same score; ties go to the one that is promoted, then to the one with the better place, then by name.";
        ""; ""
    NEGATIVE_SCORE "promotion-score-negative": "its promotion score is {score}, and with a negative one it is never promoted: {parts}";
        "A negative score forbids the promotion.";
        "[look why the agent on {node} has set no promotion score: its log, its monitor and notify operations, and whether the clone has notify=true if the agent needs it ({no_score})]";
        "[look why the agent in {node} has set no promotion score: its log, and its monitor and notify operations ({no_score})]"
    OTHERS_HAVE_MORE "promotion-others-have-more": "{other} has a higher promotion score, {other_score}[ ({other_parts})], than {name}, {score} ({parts})";
        "Other instances have higher scores, and promoted-max allows no more.";
        ""; ""
    OTHERS_COME_FIRST "promotion-others-come-first": "{other} has the same promotion score, {score}, and comes first; no more may be promoted (promoted-max)";
        "Of equal scores the instance that is promoted already comes first, then the one with the better place, then the first by name.";
        ""; ""
    PROMOTES_NONE "promotes-none": "{clone} may have no promoted instance (promoted-max=0), although its promotion score is {score}";
        "`promoted-max` says how many instances may be promoted at a time.";
        "set promoted-max of {clone} to 1 or more: crm_resource --resource {clone} --meta --set-parameter promoted-max --parameter-value 1";
        "set promoted-max of {clone} to 1 or more in the document"
    PROMOTION_IMPOSSIBLE "promotion-impossible": "its {NODE} or the {CLUSTER} does not allow a promotion now, although its promotion score is {score}";
        "A rule without a name of its own.";
        ""; ""
    PART_AGENT "promotion-agent": "{score} from its agent (node attribute {attribute})";
        "The resource agent sets a promotion score with crm_attribute or crm_master.";
        ""; ""
    PART_NO_AGENT "promotion-no-agent-score": "{score} because its agent has given no score on {node}";
        "Without a score of its agent an instance counts as -1 and is not promoted, unless constraints add to it.";
        ""; ""
    PART_ROLE "promotion-role": "{score} because its role is given (target-role, or a failure)";
        "Its role was decided before.";
        ""; ""
    PART_LOCATION "promotion-location": "{score} from location constraint {constraint} (role Promoted)";
        "A location constraint with role=Promoted adds to the promotion score on its node.";
        ""; ""
    PART_LEFTOVER "promotion-leftover": "{score} from location constraint {constraint} (role Promoted), which a move or ban has left behind";
        "`crm_resource --ban --promoted` and its like work by a constraint called `cli-ban-…`. It stays until it is cleared.";
        "crm_resource --clear --resource {owner} (or: pcs resource clear {owner}; crm resource clear {owner})";
        "remove the constraint {constraint} from the document"
    PART_TEMPORARY "promotion-temporary": "{score} because {entry}";
        "Somebody has moved or banned the promoted role for a while. It is not in the configuration, and ends by itself or when it is cleared.";
        "{end}";
        "{end}"
    PART_PRIMARY "promotion-colocation": "{score} from colocation {constraint}: promoted, it is to be {relation} {primary}, which is {places}";
        "A colocation with rsc-role=Promoted raises the score where its primary is, and lowers it elsewhere.";
        ""; ""
    PART_PLACEMENT "promotion-placement": "{score} from what speaks for {node} for the whole of {clone} ({reasons})";
        "Location constraints for the clone, and the stickiness of its instances, count too.";
        ""; ""
    PART_DEPENDENT "promotion-dependent": "{score} from what {dependent} prefers and avoids, which is to be with the promoted instance (colocation {constraint})";
        "What dependents of the promoted role prefer, such as their stickiness, counts for the promotion.";
        ""; ""
    PART_TICKET "promotion-ticket": "{score} because ticket {ticket}, which the promoted role needs, is {state}";
        "A ticket constraint with role Promoted.";
        "[{order}]";
        "cpectl ticket {NAME} {command}"
}
