//! Elements, and those of their attributes that are treated otherwise.

use super::{Rows, carried_out, no_meaning, refused};

/// Elements of a CIB's `<configuration>`. After a blank: an attribute, or what makes the
/// difference.
pub const ELEMENTS: Rows = &[
    // names and values
    carried_out("configuration", OPERATIONS),
    carried_out("crm_config", LEFT_ALONE),
    carried_out("cluster_property_set", LEFT_ALONE),
    carried_out("rsc_defaults", DEFAULTS),
    carried_out("op_defaults", DEFAULTS),
    carried_out("meta_attributes", DEFAULTS),
    carried_out("instance_attributes", OPERATIONS),
    carried_out(
        "utilization",
        "services_are_placed_by_capacity_if_the_strategy_says_so",
    ),
    carried_out("nvpair", DEFAULTS),
    // rules
    carried_out("rule", ATTRIBUTES),
    carried_out("expression", ATTRIBUTES),
    carried_out("date_expression", CLOCK),
    carried_out("date_spec", CLOCK),
    carried_out("duration", CLOCK),
    carried_out("rsc_expression", DEFAULTS),
    carried_out("op_expression", DEFAULTS),
    // resources
    carried_out("resources", OPERATIONS),
    carried_out("primitive", OPERATIONS),
    carried_out("template", "templates_and_tags_stand_for_resources"),
    carried_out("group", GROUP),
    carried_out("clone", "a_clone_has_as_many_instances_as_it_says"),
    carried_out("operations", OPERATIONS),
    carried_out("op", OPERATIONS),
    carried_out("bundle", BUNDLE),
    carried_out("docker", BUNDLE),
    carried_out("podman", BUNDLE),
    carried_out("network", BUNDLE),
    carried_out("port-mapping", BUNDLE),
    carried_out("storage", BUNDLE),
    carried_out("storage-mapping", BUNDLE),
    no_meaning(
        "network control-port",
        "no part of this system listens in containers: remove it",
    ),
    refused(
        "bundle <primitive>",
        "it would run in the containers, which no part of this system reaches: have the image of the container start it, or \
         run it in an assembly",
    ),
    refused(
        "primitive ocf:pacemaker:remote",
        "no part of this system reaches Pacemaker Remote nodes: name the guest as an <assembly>, with cpe-agent in it",
    ),
    // constraints
    carried_out("constraints", LOCATION),
    carried_out("rsc_location", LOCATION),
    carried_out("rsc_colocation", "colocated_services_go_together"),
    carried_out("rsc_order", ORDER),
    carried_out(
        "rsc_ticket",
        "what_needs_a_ticket_waits_until_it_is_granted",
    ),
    carried_out("resource_set", ORDER),
    carried_out("resource_ref", ORDER),
    carried_out("tags", "templates_and_tags_stand_for_resources"),
    carried_out("tag", "templates_and_tags_stand_for_resources"),
    carried_out("obj_ref", "templates_and_tags_stand_for_resources"),
    carried_out("fencing-topology", LEVELS),
    carried_out("fencing-level", LEVELS),
    // what other parts of this system do
    refused("cib", "put the content of its <configuration> here"),
    refused("nodes", NODES),
    refused("node", NODES),
    refused("status", "the state comes from the guest agents: remove it"),
    refused("acls", ACLS),
    refused("acl_target", ACLS),
    refused("acl_role", ACLS),
    refused("alerts", ALERTS),
    refused("alert", ALERTS),
    // what newer schemas say otherwise
    refused(
        "master",
        "write a <clone> with the meta attribute promotable=true, or name the schema: <configuration validate-with=\"pacemaker-3.9\">",
    ),
    refused("rkt", "use <podman> or <docker>"),
    refused(
        "lifetime",
        "put the <rule> directly into the constraint, or name the schema: <configuration validate-with=\"pacemaker-3.9\">",
    ),
];

const OPERATIONS: &str = "operations_are_done_as_their_elements_say";
const DEFAULTS: &str = "operations_take_what_they_do_not_say_from_the_defaults";
const LEFT_ALONE: &str = "in_maintenance_mode_everything_is_left_alone";
const ATTRIBUTES: &str = "rules_read_the_attributes_of_assemblies";
const CLOCK: &str = "rules_read_the_clock";
const GROUP: &str = "members_of_a_group_start_in_order_and_together_unless_it_says_otherwise";
const BUNDLE: &str = "a_bundle_is_its_containers";
const LOCATION: &str = "a_location_draws_or_bans_and_says_where_to_look";
const ORDER: &str = "orders_hold_between_resources_and_between_sets";
const LEVELS: &str = "levels_of_the_topology_come_in_their_order";

const NODES: &str = "the assemblies are the nodes: use their <attributes> and <capacity>";
const ACLS: &str = "who may do what is said by /etc/cpe/access.toml: remove it";
const ALERTS: &str = "write a sink of type exec for each, /etc/cpe/sinks.d/NAME.toml, which runs the same alert agents: remove it";
