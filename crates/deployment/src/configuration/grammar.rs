//! Which of Pacemaker's elements there are in `<configuration>`, with their attributes and
//! children, as a table.
//!
//! Source: "Pacemaker Explained" and "Pacemaker Administration" (clusterlabs.org), and the rules of
//! the policy engine.

/// What an attribute holds, as far as it can be checked without knowing the rest of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// The element's own id: unique.
    Id,
    /// The id of an element of the same name that stands for this one.
    SameAs,
    /// A resource, a template or a tag.
    Resource,
    /// A `<template>`.
    Template,
    /// Anything with an id.
    Object,
    /// An assembly, or a node that a resource brings along.
    Node,
    /// A class of resource agents.
    Class,
    /// The name of an operation of a resource agent.
    Operation,
    /// The name of a ticket.
    Ticket,
    Score,
    Boolean,
    Integer,
    /// `10s`, `PT10S`, …
    Duration,
    /// A date, a time of day, or both.
    Moment,
    /// A range of the field of a clock that has this name.
    Range(&'static str),
    /// One of these, ignoring case.
    Word(&'static [&'static str]),
}

use Kind::{
    Boolean, Class, Duration, Id, Integer, Moment, Node, Object, Operation, Range, Resource,
    SameAs, Score, Template, Text, Ticket, Word,
};

/// One element.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) attributes: &'static [(&'static str, Kind)],
    /// Each of these has to be there, unless the element is given by `id-ref`.
    pub(super) required: &'static [&'static str],
    pub(super) children: &'static [&'static str],
}

const ROLES: Kind = Word(&[
    "Started",
    "Stopped",
    "Promoted",
    "Unpromoted",
    "Master",
    "Slave",
]);
const ACTIONS: Kind = Word(&["start", "stop", "promote", "demote"]);
const KINDS: Kind = Word(&["Mandatory", "Optional", "Serialize"]);
const CONTAINER: &[(&str, Kind)] = &[
    ("image", Text),
    ("replicas", Integer),
    ("replicas-per-host", Integer),
    ("promoted-max", Integer),
    ("masters", Integer),
    ("run-command", Text),
    ("network", Text),
    ("options", Text),
];
const SET: &[(&str, Kind)] = &[("id", Id), ("id-ref", SameAs), ("score", Score)];
const AGENT: &[(&str, Kind)] = &[
    ("id", Id),
    ("class", Class),
    ("provider", Text),
    ("type", Text),
    ("template", Template),
    ("description", Text),
];
const DATES: &[(&str, Kind)] = &[
    ("id", Id),
    ("hours", Text),
    ("minutes", Text),
    ("seconds", Text),
    ("monthdays", Text),
    ("weekdays", Text),
    ("yeardays", Text),
    ("yearsdays", Text),
    ("days", Text),
    ("weeks", Text),
    ("months", Text),
    ("years", Text),
    ("weekyears", Text),
    ("moon", Text),
];
const SPECIFICATION: &[(&str, Kind)] = &[
    ("id", Id),
    ("hours", Range("hours")),
    ("minutes", Range("minutes")),
    ("seconds", Range("seconds")),
    ("monthdays", Range("monthdays")),
    ("weekdays", Range("weekdays")),
    ("yeardays", Range("yeardays")),
    ("yearsdays", Text),
    ("days", Text),
    ("weeks", Range("weeks")),
    ("months", Range("months")),
    ("years", Range("years")),
    ("weekyears", Range("weekyears")),
    ("moon", Text),
];
const ID: &[&str] = &["id"];
const NOTHING: &[&str] = &[];

impl Rule {
    /// What the attribute of that name holds; `None` if the element must not have it.
    pub(super) fn attribute(&self, name: &str) -> Option<Kind> {
        let known = self.attributes.iter().find(|(known, _)| *known == name);
        known.map(|(_, kind)| *kind)
    }
}

macro_rules! rules {
    ($($name:literal: $attributes:expr, $required:expr, $children:expr;)*) => {
        &[$(Rule { name: $name, attributes: $attributes, required: $required, children: $children }),*]
    };
}

/// Every element, with `configuration` first.
pub(super) const RULES: &[Rule] = rules! {
    "configuration": &[], NOTHING,
        &["crm_config", "resources", "constraints", "rsc_defaults", "op_defaults", "tags", "fencing-topology"];

    // names and values
    "crm_config": &[], NOTHING, &["cluster_property_set"];
    "rsc_defaults": &[], NOTHING, &["meta_attributes"];
    "op_defaults": &[], NOTHING, &["meta_attributes"];
    "cluster_property_set": SET, ID, &["rule", "nvpair"];
    "meta_attributes": SET, ID, &["rule", "nvpair"];
    "instance_attributes": SET, ID, &["rule", "nvpair"];
    "utilization": SET, ID, &["rule", "nvpair"];
    "nvpair": &[("id", Id), ("id-ref", SameAs), ("name", Text), ("value", Text)], &["id", "name"], NOTHING;

    // rules
    "rule": &[
        ("id", Id), ("id-ref", SameAs), ("score", Score), ("score-attribute", Text), ("role", ROLES),
        ("boolean-op", Word(&["and", "or"])),
    ], ID, &["expression", "date_expression", "rsc_expression", "op_expression", "rule"];
    "expression": &[
        ("id", Id), ("attribute", Text), ("value", Text), ("type", Word(&["string", "integer", "number", "version"])),
        ("operation", Word(&["lt", "gt", "lte", "gte", "eq", "ne", "defined", "not_defined"])),
        ("value-source", Word(&["literal", "param", "meta"])),
    ], &["id", "attribute", "operation"], NOTHING;
    "date_expression": &[
        ("id", Id), ("start", Moment), ("end", Moment), ("operation", Word(&["in_range", "gt", "lt", "date_spec"])),
    ], ID, &["date_spec", "duration"];
    "date_spec": SPECIFICATION, ID, NOTHING;
    "duration": DATES, ID, NOTHING;
    "rsc_expression": &[("id", Id), ("class", Text), ("provider", Text), ("type", Text)], ID, NOTHING;
    "op_expression": &[("id", Id), ("name", Text), ("interval", Duration)], &["id", "name"], NOTHING;

    // resources
    "resources": &[], NOTHING, &["primitive", "template", "group", "clone", "bundle"];
    "primitive": AGENT, ID, &["meta_attributes", "instance_attributes", "utilization", "operations"];
    "template": AGENT, ID, &["meta_attributes", "instance_attributes", "utilization", "operations"];
    "group": &[("id", Id), ("description", Text)], ID, &["meta_attributes", "instance_attributes", "primitive"];
    "clone": &[("id", Id), ("description", Text)], ID,
        &["meta_attributes", "instance_attributes", "primitive", "group"];
    "operations": &[("id", Id), ("id-ref", SameAs)], NOTHING, &["op"];
    "op": &[
        ("id", Id), ("name", Operation), ("interval", Duration), ("timeout", Duration), ("description", Text),
        ("start-delay", Duration), ("interval-origin", Moment), ("enabled", Boolean), ("record-pending", Boolean),
        ("role", ROLES),
        ("on-fail", Word(&[
            "ignore", "block", "stop", "restart", "standby", "fence", "demote", "restart-container",
        ])),
    ], &["id", "name", "interval"], &["meta_attributes", "instance_attributes"];
    "bundle": &[("id", Id), ("description", Text)], ID,
        &["meta_attributes", "docker", "podman", "network", "storage", "primitive"];
    "docker": CONTAINER, &["image"], NOTHING;
    "podman": CONTAINER, &["image"], NOTHING;
    "network": &[
        ("ip-range-start", Text), ("control-port", Integer), ("host-interface", Text), ("host-netmask", Text),
        ("add-host", Boolean),
    ], NOTHING, &["port-mapping"];
    "port-mapping": &[("id", Id), ("port", Integer), ("internal-port", Integer), ("range", Text)], ID, NOTHING;
    "storage": &[], NOTHING, &["storage-mapping"];
    "storage-mapping": &[
        ("id", Id), ("source-dir", Text), ("source-dir-root", Text), ("target-dir", Text), ("options", Text),
    ], &["id", "target-dir"], NOTHING;

    // constraints
    "constraints": &[], NOTHING, &["rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket"];
    "rsc_location": &[
        ("id", Id), ("rsc", Resource), ("rsc-pattern", Text), ("node", Node), ("score", Score), ("role", ROLES),
        ("resource-discovery", Word(&["always", "never", "exclusive"])),
    ], ID, &["rule", "resource_set"];
    "rsc_colocation": &[
        ("id", Id), ("rsc", Resource), ("with-rsc", Resource), ("score", Score), ("rsc-role", ROLES),
        ("with-rsc-role", ROLES), ("node-attribute", Text), ("influence", Boolean),
    ], ID, &["resource_set"];
    "rsc_order": &[
        ("id", Id), ("first", Resource), ("then", Resource), ("first-action", ACTIONS), ("then-action", ACTIONS),
        ("kind", KINDS), ("score", Score), ("symmetrical", Boolean), ("require-all", Boolean),
    ], ID, &["resource_set"];
    "rsc_ticket": &[
        ("id", Id), ("rsc", Resource), ("rsc-role", ROLES), ("ticket", Ticket),
        ("loss-policy", Word(&["stop", "demote", "fence", "freeze"])),
    ], &["id", "ticket"], &["resource_set"];
    "resource_set": &[
        ("id", Id), ("id-ref", SameAs), ("sequential", Boolean), ("require-all", Boolean),
        ("ordering", Word(&["group", "listed"])), ("action", ACTIONS), ("role", ROLES), ("score", Score),
        ("kind", KINDS),
    ], ID, &["resource_ref"];
    "resource_ref": &[("id", Resource)], ID, NOTHING;

    "tags": &[], NOTHING, &["tag"];
    "tag": &[("id", Id)], ID, &["obj_ref"];
    "obj_ref": &[("id", Object)], ID, NOTHING;

    "fencing-topology": &[], NOTHING, &["fencing-level"];
    "fencing-level": &[
        ("id", Id), ("target", Node), ("target-pattern", Text), ("target-attribute", Text), ("target-value", Text),
        ("index", Integer), ("devices", Text),
    ], &["id", "index", "devices"], NOTHING;
};

/// The rule of an element.
pub(super) fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// What to do instead of an element that is Pacemaker's but not accepted here.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "nodes" | "node" => "the assemblies are the nodes: use their <attributes> and <capacity>",
        "status" => "the state comes from the guest agents: remove it",
        "acls" | "acl_target" | "acl_role" => {
            "who may do what is decided by the bus policy and polkit: remove it"
        }
        "alerts" | "alert" => "subscribe to the event log on the bus: remove it",
        "master" => {
            "write a <clone> with the meta attribute promotable=true, or name the schema: <configuration validate-with=\"pacemaker-3.9\">"
        }
        "rkt" => "use <podman> or <docker>",
        "lifetime" => {
            "put the <rule> directly into the constraint, or name the schema: <configuration validate-with=\"pacemaker-3.9\">"
        }
        "cib" => "put the content of its <configuration> here",
        _ => return None,
    })
}

/// Cluster options that are known, for suggestions.
pub(super) const CLUSTER_OPTIONS: &[&str] = &[
    "no-quorum-policy",
    "shutdown-lock",
    "shutdown-lock-limit",
    "symmetric-cluster",
    "maintenance-mode",
    "start-failure-is-fatal",
    "enable-startup-probes",
    "fence-remote-without-quorum",
    "stonith-enabled",
    "fencing-enabled",
    "stonith-action",
    "fencing-action",
    "stonith-timeout",
    "fencing-timeout",
    "have-watchdog",
    "concurrent-fencing",
    "startup-fencing",
    "priority-fencing-delay",
    "node-pending-timeout",
    "cluster-delay",
    "cluster-recheck-interval",
    "batch-limit",
    "migration-limit",
    "node-action-limit",
    "live-migration",
    "stop-all-resources",
    "stop-removed-resources",
    "stop-orphan-resources",
    "cancel-removed-actions",
    "stop-orphan-actions",
    "node-health-strategy",
    "node-health-base",
    "node-health-green",
    "node-health-yellow",
    "node-health-red",
    "placement-strategy",
    "cluster-name",
];

/// Cluster options that Pacemaker's daemons know and that mean nothing here, with the reason.
pub(super) const MEANINGLESS: &[(&str, &str)] = &[
    ("no-quorum-policy", ONE_DPE),
    ("fence-remote-without-quorum", ONE_DPE),
    ("dc-deadtime", ONE_DPE),
    ("election-timeout", ONE_DPE),
    ("join-finalization-timeout", ONE_DPE),
    ("join-integration-timeout", ONE_DPE),
    ("shutdown-escalation", ONE_DPE),
    ("transition-delay", ONE_DPE),
    ("node-pending-timeout", ONE_DPE),
    ("enable-acl", "who may do what is said by D-Bus and polkit"),
    ("cluster-ipc-limit", "queues have bounds of their own"),
    (
        "load-threshold",
        "node-action-limit bounds the operations of an assembly",
    ),
    ("pe-error-series-max", KEPT_INPUTS),
    ("pe-warn-series-max", KEPT_INPUTS),
    ("pe-input-series-max", KEPT_INPUTS),
    ("stonith-max-attempts", TRIED_ON),
    ("fencing-max-attempts", TRIED_ON),
    ("stonith-watchdog-timeout", WATCHDOG),
    ("fencing-watchdog-timeout", WATCHDOG),
    ("fence-reaction", REACTION),
    ("fencing-reaction", REACTION),
];

const ONE_DPE: &str = "one DPE decides for the deployment, so there is no quorum and no election";
const KEPT_INPUTS: &str = "dpe --keep-inputs says how many inputs are kept";
const TRIED_ON: &str = "fencing is tried until it succeeds or is confirmed";
const REACTION: &str = "no assembly fences itself: an agent ends services by its lease";
const WATCHDOG: &str = "the lease of the deployment says when an agent ends its services";

/// Meta attributes of resources that the policy engine knows, for suggestions.
pub(super) const RESOURCE_OPTIONS: &[&str] = &[
    "priority",
    "critical",
    "target-role",
    "is-managed",
    "maintenance",
    "resource-stickiness",
    "requires",
    "migration-threshold",
    "failure-timeout",
    "multiple-active",
    "allow-migrate",
    "allow-unhealthy-nodes",
    "container",
    "container-attribute-target",
    "remote-node",
    "remote-addr",
    "remote-port",
    "remote-connect-timeout",
    "remote-allow-migrate",
    "notify",
    "globally-unique",
    "promotable",
    "clone-max",
    "clone-node-max",
    "clone-min",
    "promoted-max",
    "promoted-node-max",
    "master-max",
    "master-node-max",
    "interleave",
    "ordered",
    "collocated",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_rule_for_every_child_and_each_element_once() {
        for element in RULES {
            assert_eq!(
                RULES
                    .iter()
                    .filter(|other| other.name == element.name)
                    .count(),
                1,
                "{}",
                element.name
            );
            for child in element.children {
                assert!(
                    rule(child).is_some(),
                    "<{child}> in <{}> has no rule",
                    element.name
                );
            }
            for required in element.required {
                assert!(
                    element.attributes.iter().any(|(name, _)| name == required),
                    "{required} of <{}>",
                    element.name
                );
            }
        }
    }
}
