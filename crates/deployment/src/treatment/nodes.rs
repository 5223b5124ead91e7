//! Attributes of nodes: of assemblies, and in rules.

use super::Values::{Boolean, Score};
use super::{Rows, carried_out, no_meaning, refused};

/// Names in the `<attributes>` of an `<assembly>` that mean something to the policy engine. Others
/// are for rules and references.
pub const NODE_ATTRIBUTES: Rows = &[
    carried_out("standby", "an_assembly_may_be_in_standby_by_its_attributes").with(Boolean),
    carried_out(
        "maintenance",
        "an_assembly_may_be_in_maintenance_by_its_attributes",
    )
    .with(Boolean),
    carried_out("site-name", "rules_read_the_attributes_of_assemblies"),
    carried_out("#site-name", "rules_read_the_attributes_of_assemblies"),
    carried_out("#health*", "services_leave_assemblies_that_are_not_healthy").with(Score),
    carried_out(
        "master-*",
        "a_promotable_clone_has_as_many_promoted_instances_as_it_says",
    )
    .with(Score),
    refused(
        "terminate",
        "the assembly would be fenced again and again: remove it",
    ),
    refused(
        "shutdown",
        "no part of this system shuts an assembly down: remove it, and stop the guest, or use `cpectl standby`",
    ),
    refused("fail-count-*", COUNTED),
    refused("last-failure-*", COUNTED),
    no_meaning(
        "resource-discovery-enabled",
        "only Pacemaker Remote nodes have it: a <rsc_location> with resource-discovery=\"never\" says it",
    ),
    no_meaning("#uname", BUILT_IN),
    no_meaning("#id", BUILT_IN),
    no_meaning("#kind", BUILT_IN),
    no_meaning("#is_dc", BUILT_IN),
    no_meaning("#cluster-name", BUILT_IN),
    refused("#node-unfenced", UNFENCING),
    refused("#digests-*", UNFENCING),
];

/// Names of node attributes in `<expression attribute="…">` that the policy engine sets itself.
/// Others are those of the assemblies, and those that resource agents set.
pub const RULE_ATTRIBUTES: Rows = &[
    carried_out("#uname", "rules_read_the_attributes_of_assemblies"),
    carried_out("#id", "rules_read_the_attributes_of_assemblies"),
    carried_out("#kind", "rules_read_the_attributes_of_assemblies"),
    carried_out("#cluster-name", "rules_read_the_attributes_of_assemblies"),
    carried_out("#site-name", "rules_read_the_attributes_of_assemblies"),
    refused(
        "#is_dc",
        "no assembly is a DC, since the DPE decides: name the assembly (#uname), or an attribute of yours",
    ),
];

const COUNTED: &str = "the DPE counts failures itself: remove it, and use `cpectl cleanup`";
const BUILT_IN: &str = "the policy engine sets it itself: give the attribute another name";
const UNFENCING: &str = "the DPE sets it itself when it has unfenced the assembly: remove it";
