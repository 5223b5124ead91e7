//! Which of Pacemaker's elements there are in `<configuration>`, with their attributes and
//! children, as a table.
//!
//! Source: "Pacemaker Explained" and "Pacemaker Administration" (clusterlabs.org), and the rules of
//! the policy engine.

use crate::treatment::{self, ELEMENTS, Values};

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
    /// A range of the field of a clock that has this name.
    Range(&'static str),
    /// One of these values.
    Is(Values),
}

use Kind::{
    Class, Id, Is, Node, Object, Operation, Range, Resource, SameAs, Template, Text, Ticket,
};

const SCORE: Kind = Is(Values::Score);
const BOOLEAN: Kind = Is(Values::Boolean);
const COUNT: Kind = Is(Values::Count);
const MOMENT: Kind = Is(Values::Moment);
const DURATION: Kind = Is(Values::Duration);

/// One element.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) attributes: &'static [(&'static str, Kind)],
    /// Each of these has to be there, unless the element is given by `id-ref`.
    pub(super) required: &'static [&'static str],
    pub(super) children: &'static [&'static str],
}

const ROLES: Kind = Is(Values::Words(treatment::ROLES));
/// One of these, ignoring case.
const fn word(words: &'static [&'static str]) -> Kind {
    Is(Values::Words(words))
}

const ACTIONS: Kind = word(&["start", "stop", "promote", "demote"]);
const KINDS: Kind = word(&["Mandatory", "Optional", "Serialize"]);
const CONTAINER: &[(&str, Kind)] = &[
    ("image", Text),
    ("replicas", Is(Values::Positive)),
    ("replicas-per-host", Is(Values::Positive)),
    ("promoted-max", COUNT),
    ("masters", COUNT),
    ("run-command", Text),
    ("network", Text),
    ("options", Text),
];
const SET: &[(&str, Kind)] = &[("id", Id), ("id-ref", SameAs), ("score", SCORE)];
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
    ("years", Is(Values::Integer)),
    ("months", Is(Values::Integer)),
    ("weeks", Is(Values::Integer)),
    ("days", Is(Values::Integer)),
    ("hours", Is(Values::Integer)),
    ("minutes", Is(Values::Integer)),
    ("seconds", Is(Values::Integer)),
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
        ("id", Id), ("id-ref", SameAs), ("score", SCORE), ("score-attribute", Text), ("role", ROLES),
        ("boolean-op", word(&["and", "or"])),
    ], ID, &["expression", "date_expression", "rsc_expression", "op_expression", "rule"];
    "expression": &[
        ("id", Id), ("attribute", Text), ("value", Text), ("type", word(&["string", "integer", "number", "version"])),
        ("operation", word(&["lt", "gt", "lte", "gte", "eq", "ne", "defined", "not_defined"])),
        ("value-source", word(&["literal", "param", "meta"])),
    ], &["id", "attribute", "operation"], NOTHING;
    "date_expression": &[
        ("id", Id), ("start", MOMENT), ("end", MOMENT), ("operation", word(&["in_range", "gt", "lt", "date_spec"])),
    ], ID, &["date_spec", "duration"];
    "date_spec": SPECIFICATION, ID, NOTHING;
    "duration": LENGTHS, ID, NOTHING;
    "rsc_expression": &[("id", Id), ("class", Text), ("provider", Text), ("type", Text)], ID, NOTHING;
    "op_expression": &[("id", Id), ("name", Text), ("interval", DURATION)], &["id", "name"], NOTHING;

    // resources
    "resources": &[], NOTHING, &["primitive", "template", "group", "clone", "bundle"];
    "primitive": AGENT, ID, &["meta_attributes", "instance_attributes", "utilization", "operations"];
    "template": AGENT, ID, &["meta_attributes", "instance_attributes", "utilization", "operations"];
    "group": &[("id", Id), ("description", Text)], ID, &["meta_attributes", "instance_attributes", "primitive"];
    "clone": &[("id", Id), ("description", Text)], ID,
        &["meta_attributes", "instance_attributes", "primitive", "group"];
    "operations": &[("id", Id), ("id-ref", SameAs)], NOTHING, &["op"];
    "op": &[
        ("id", Id), ("name", Operation), ("interval", DURATION), ("timeout", Is(Values::Timeout)), ("description", Text),
        ("start-delay", Is(Values::Delay)), ("interval-origin", MOMENT), ("enabled", BOOLEAN), ("record-pending", BOOLEAN),
        ("role", ROLES),
        ("on-fail", word(treatment::ON_FAIL)),
    ], &["id", "name", "interval"], &["meta_attributes", "instance_attributes"];
    "bundle": &[("id", Id), ("description", Text)], ID,
        &["meta_attributes", "docker", "podman", "network", "storage", "primitive"];
    "docker": CONTAINER, &["image"], NOTHING;
    "podman": CONTAINER, &["image"], NOTHING;
    "network": &[
        ("ip-range-start", Text), ("control-port", COUNT), ("host-interface", Text), ("host-netmask", Text),
        ("add-host", BOOLEAN),
    ], NOTHING, &["port-mapping"];
    "port-mapping": &[("id", Id), ("port", COUNT), ("internal-port", COUNT), ("range", Text)], ID, NOTHING;
    "storage": &[], NOTHING, &["storage-mapping"];
    "storage-mapping": &[
        ("id", Id), ("source-dir", Text), ("source-dir-root", Text), ("target-dir", Text), ("options", Text),
    ], &["id", "target-dir"], NOTHING;

    // constraints
    "constraints": &[], NOTHING, &["rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket"];
    "rsc_location": &[
        ("id", Id), ("rsc", Resource), ("rsc-pattern", Text), ("node", Node), ("score", SCORE), ("role", ROLES),
        ("resource-discovery", word(&["always", "never", "exclusive"])),
    ], ID, &["rule", "resource_set"];
    "rsc_colocation": &[
        ("id", Id), ("rsc", Resource), ("with-rsc", Resource), ("score", SCORE), ("rsc-role", ROLES),
        ("with-rsc-role", ROLES), ("node-attribute", Text), ("influence", BOOLEAN),
    ], ID, &["resource_set"];
    "rsc_order": &[
        ("id", Id), ("first", Resource), ("then", Resource), ("first-action", ACTIONS), ("then-action", ACTIONS),
        ("kind", KINDS), ("score", SCORE), ("symmetrical", BOOLEAN), ("require-all", BOOLEAN),
    ], ID, &["resource_set"];
    "rsc_ticket": &[
        ("id", Id), ("rsc", Resource), ("rsc-role", ROLES), ("ticket", Ticket),
        ("loss-policy", word(&["stop", "demote", "fence", "freeze"])),
    ], &["id", "ticket"], &["resource_set"];
    "resource_set": &[
        ("id", Id), ("id-ref", SameAs), ("sequential", BOOLEAN), ("require-all", BOOLEAN),
        ("ordering", word(&["group", "listed"])), ("action", ACTIONS), ("role", ROLES), ("score", SCORE),
        ("kind", KINDS),
    ], ID, &["resource_ref"];
    "resource_ref": &[("id", Resource)], ID, NOTHING;

    "tags": &[], NOTHING, &["tag"];
    "tag": &[("id", Id)], ID, &["obj_ref"];
    "obj_ref": &[("id", Object)], ID, NOTHING;

    "fencing-topology": &[], NOTHING, &["fencing-level"];
    "fencing-level": &[
        ("id", Id), ("target", Node), ("target-pattern", Text), ("target-attribute", Text), ("target-value", Text),
        ("index", COUNT), ("devices", Text),
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
