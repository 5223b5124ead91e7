//! Meta attributes of resources.

use super::Values::{Boolean, BooleanOrDefault, Count, Duration, Exactly, Score, Threshold, Words};
use super::{Rows, carried_out, no_meaning, refused};

/// Meta attributes of resources: names in the `<meta_attributes>` of a resource, a template or
/// `<rsc_defaults>`.
pub const RESOURCE_OPTIONS: Rows = &[
    carried_out("priority", "services_of_higher_priority_get_the_last_room").with(Score),
    carried_out(
        "critical",
        "what_is_not_critical_does_not_take_its_group_along",
    )
    .with(Boolean),
    carried_out("target-role", "target_role_stops_a_service").with(Words(&[
        "Started",
        "Stopped",
        "Promoted",
        "Unpromoted",
        "Master",
        "Slave",
        "default",
    ])),
    carried_out("is-managed", UNMANAGED).with(BooleanOrDefault),
    carried_out("maintenance", UNMANAGED).with(Boolean),
    carried_out(
        "resource-stickiness",
        "a_sticky_service_stays_where_it_runs",
    )
    .with(Score),
    carried_out(
        "migration-threshold",
        "a_service_leaves_an_assembly_after_its_threshold_and_returns_after_its_timeout",
    )
    .with(Threshold),
    carried_out(
        "failure-timeout",
        "a_service_leaves_an_assembly_after_its_threshold_and_returns_after_its_timeout",
    )
    .with(Duration),
    carried_out(
        "multiple-active",
        "a_service_that_runs_twice_is_treated_as_its_meta_attribute_says",
    )
    .with(Words(&[
        "block",
        "stop_only",
        "stop_start",
        "stop_unexpected",
    ])),
    carried_out(
        "requires",
        "what_requires_no_fencing_restarts_while_another_assembly_is_fenced",
    )
    .with(Words(&["nothing", "quorum", "fencing", "unfencing"])),
    carried_out(
        "allow-migrate",
        "what_may_migrate_moves_live_unless_the_option_says_otherwise",
    )
    .with(Boolean),
    carried_out(
        "allow-unhealthy-nodes",
        "services_leave_assemblies_that_are_not_healthy",
    )
    .with(Boolean),
    carried_out(
        "container",
        "what_fails_in_a_container_has_the_container_restarted",
    ),
    // clones and groups
    carried_out("notify", "instances_are_notified_if_they_want_to_be")
        .with(Boolean)
        .within(CLONES),
    carried_out("globally-unique", INSTANCES)
        .with(Boolean)
        .within(CLONES),
    carried_out("clone-max", INSTANCES)
        .with(Count)
        .within(CLONES),
    carried_out("clone-node-max", INSTANCES)
        .with(Count)
        .within(CLONES),
    carried_out(
        "clone-min",
        "what_follows_a_clone_waits_for_as_many_instances_as_it_says",
    )
    .with(Count)
    .within(CLONES),
    carried_out("promotable", PROMOTED)
        .with(Boolean)
        .within(CLONES),
    carried_out("promoted-max", PROMOTED)
        .with(Count)
        .within(CLONES),
    carried_out("promoted-node-max", PROMOTED)
        .with(Count)
        .within(CLONES),
    carried_out("master-max", PROMOTED)
        .with(Count)
        .within(CLONES),
    carried_out("master-node-max", PROMOTED)
        .with(Count)
        .within(CLONES),
    carried_out(
        "interleave",
        "interleaved_instances_wait_only_for_those_beside_them",
    )
    .with(Boolean)
    .within(CLONES),
    carried_out(
        "ordered",
        "members_of_a_group_start_in_order_and_together_unless_it_says_otherwise",
    )
    .with(Boolean)
    .within(&["clone", "group", "rsc_defaults"]),
    carried_out(
        "collocated",
        "members_of_a_group_start_in_order_and_together_unless_it_says_otherwise",
    )
    .with(Boolean)
    .within(&["group", "rsc_defaults"]),
    // Pacemaker Remote
    refused(
        "remote-node",
        "it makes a guest node, which no part of this system reaches: name the guest as an <assembly>, with cpe-agent in it",
    ),
    no_meaning("remote-addr", OF_GUEST_NODES),
    no_meaning("remote-port", OF_GUEST_NODES),
    no_meaning("remote-connect-timeout", OF_GUEST_NODES),
    no_meaning("remote-allow-migrate", OF_GUEST_NODES),
    no_meaning(
        "container-attribute-target",
        "nothing runs inside of bundles here, whose containers have hosts",
    ),
    carried_out(
        "provides",
        "a_guest_is_let_in_again_before_anything_starts_there",
    )
    .with(Exactly(&["unfencing"])),
    no_meaning("internal_rsc", INTERNAL),
    no_meaning("external-ip", INTERNAL),
];

const CLONES: &[&str] = &["clone", "rsc_defaults"];

const UNMANAGED: &str = "what_is_not_managed_is_left_alone";
const INSTANCES: &str = "a_clone_has_as_many_instances_as_it_says";
const PROMOTED: &str = "a_promotable_clone_has_as_many_promoted_instances_as_it_says";

const OF_GUEST_NODES: &str = "it belongs to remote-node, which makes a guest node and is refused";
const INTERNAL: &str = "Pacemaker's scheduler writes it for itself: remove it";
