//! Which of Pacemaker's elements there are in `<configuration>`, with their attributes and
//! children, as a table.
//!
//! Source: "Pacemaker Explained" and "Pacemaker Administration" (clusterlabs.org), and the rules of
//! the policy engine.

use crate::treatment::ELEMENTS;

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
/// Lengths of time (scheduler-spec/01 §6.5).
const LENGTHS: &[(&str, Kind)] = &[
    ("id", Id),
    ("years", Text),
    ("months", Text),
    ("weeks", Text),
    ("days", Text),
    ("hours", Text),
    ("minutes", Text),
    ("seconds", Text),
];
/// Ranges of a clock's fields (scheduler-spec/01 §6.4).
const SPECIFICATION: &[(&str, Kind)] = &[
    ("id", Id),
    ("hours", Range("hours")),
    ("minutes", Range("minutes")),
    ("seconds", Range("seconds")),
    ("monthdays", Range("monthdays")),
    ("weekdays", Range("weekdays")),
    ("yeardays", Range("yeardays")),
    ("weeks", Range("weeks")),
    ("months", Range("months")),
    ("years", Range("years")),
    ("weekyears", Range("weekyears")),
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
    "duration": LENGTHS, ID, NOTHING;
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
    let mut rows = ELEMENTS.iter();
    rows.find(|row| row.name == name)?.refuses("")
}

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
