//! What is right in which version, and what is said of what is not.

use super::grammar::{Accepted, Grammar, Rule};
use super::{Named, VERSIONS, Version, followed, named};
use crate::xml::parse;

/// A configuration with these parts.
struct Parts<'p> {
    options: &'p str,
    nodes: &'p str,
    resources: &'p str,
    constraints: &'p str,
    rest: &'p str,
}

const PARTS: Parts<'_> = Parts {
    options: "",
    nodes: "",
    resources: "",
    constraints: "",
    rest: "",
};

const A: &str = "<primitive id=\"a\" class=\"ocf\" provider=\"p\" type=\"t\"/>\n";

/// The version that such a configuration follows, or what is wrong with it.
fn follows(schema: &str, parts: &Parts<'_>) -> Result<String, String> {
    let Parts {
        options,
        nodes,
        resources,
        constraints,
        rest,
    } = parts;
    let text = format!(
        "<cib validate-with=\"{schema}\"><configuration><crm_config>{options}</crm_config><nodes>{nodes}</nodes><resources>\n{resources}</resources><constraints>{constraints}</constraints>{rest}</configuration></cib>"
    );
    let document = parse(&text).expect("the configuration is well-formed");
    match followed(&document) {
        Ok(version) => Ok(version.map_or_else(|| "unchecked".to_owned(), |v| v.to_string())),
        Err(invalid) => Err(invalid.to_string()),
    }
}

fn resources(content: &str) -> Parts<'_> {
    Parts {
        resources: content,
        ..PARTS
    }
}

fn constraints(content: &str) -> Parts<'_> {
    Parts {
        resources: A,
        constraints: content,
        ..PARTS
    }
}

#[track_caller]
fn refused(schema: &str, parts: &Parts<'_>, want: &str) {
    let found = follows(schema, parts).expect_err("it is refused");
    assert_eq!(found, want);
}

#[track_caller]
fn accepted(schema: &str, parts: &Parts<'_>, want: &str) {
    assert_eq!(follows(schema, parts).as_deref(), Ok(want));
}

#[test]
fn the_grammar_of_every_version_is_complete() {
    fn names(grammar: &Grammar, rule: &Rule) {
        match rule {
            Rule::Named(name) => {
                grammar.rule(name);
            }
            Rule::Sequence(items) | Rule::Interleaved(items) | Rule::Choice(items) => {
                items.iter().for_each(|item| names(grammar, item));
            }
            Rule::Optional(inner) | Rule::Repeated(inner) | Rule::AtLeastOnce(inner) => {
                names(grammar, inner);
            }
            Rule::Value(Accepted::Not(values)) => assert!(!values.is_empty()),
            _ => {}
        }
    }
    for version in VERSIONS {
        let grammar = Grammar::of(*version);
        let rules = grammar.rules.iter().map(|(_, rule)| rule);
        let elements = grammar.elements.iter().map(|(_, content)| content);
        let attributes = grammar.attributes.iter().map(|(_, values)| values);
        let all = rules.chain(elements).chain(attributes);
        all.for_each(|rule| names(&grammar, rule));
        for (at, (name, _)) in grammar.rules.iter().enumerate() {
            let again = grammar.rules[at + 1..]
                .iter()
                .any(|(other, _)| other == name);
            assert!(!again, "{name} is defined twice in {version}");
        }
    }
}

#[test]
fn names_of_schemas_are_known_or_not() {
    for (name, want) in [
        (" validate-with=\"none\"", Named::Unchecked),
        ("", Named::Unchecked),
        (
            " validate-with=\"pacemaker-3.10\"",
            Named::Version(Version(3, 10)),
        ),
        (
            " validate-with=\"pacemaker-1.1\"",
            Named::Version(Version(1, 0)),
        ),
        (" validate-with=\"pacemaker-2.11\"", Named::Unknown),
    ] {
        let document = parse(&format!("<cib{name}/>")).expect("it is well-formed");
        assert_eq!(named(&document), want, "{name}");
    }
    accepted("none", &resources("<anything/>"), "unchecked");
    refused(
        "pacemaker-5.0",
        &PARTS,
        "line 1, column 1: validate-with names the unknown schema \"pacemaker-5.0\": expected pacemaker-1.0 to pacemaker-4.0, or \"none\" to read it unchecked",
    );
}

#[test]
fn a_configuration_follows_the_first_version_that_allows_it() {
    accepted("pacemaker-1.0", &resources(A), "1.0");
    let tag = Parts {
        rest: "<tags><tag id=\"t\"><obj_ref id=\"a\"/></tag></tags>",
        ..resources(A)
    };
    accepted("pacemaker-1.0", &tag, "1.3");
    let influence =
        "<rsc_colocation id=\"c\" rsc=\"a\" with-rsc=\"a\" score=\"1\" influence=\"true\"/>";
    accepted("pacemaker-3.2", &constraints(influence), "3.6");
    accepted("pacemaker-3.9", &constraints(influence), "3.9");
    let role = "<rsc_location id=\"l\" rsc=\"a\" role=\"Promoted\" node=\"n\" score=\"1\"/>";
    accepted("pacemaker-3.0", &constraints(role), "3.7");
    let nodes = Parts {
        nodes: "<node id=\"1\" uname=\"n\" type=\"normal\"/>",
        ..PARTS
    };
    accepted("pacemaker-2.10", &nodes, "2.10");
    refused(
        "pacemaker-3.0",
        &nodes,
        "line 1, column 83: attribute type of <node>: expected \"member\", \"ping\" or \"remote\", found \"normal\"",
    );
}

#[test]
fn what_went_with_schema_four_is_refused_there() {
    let master = resources(
        "<master id=\"m\"><primitive id=\"a\" class=\"ocf\" provider=\"p\" type=\"t\"/></master>",
    );
    accepted("pacemaker-3.10", &master, "3.10");
    refused(
        "pacemaker-4.0",
        &master,
        "line 2, column 1: <resources> has <master>, which schema 4.0 does not know there: expected <bundle>, <clone>, <group>, <primitive> or <template>",
    );
    let rule = |id: &str| {
        format!(
            "<rule id=\"{id}\" score=\"1\"><expression id=\"{id}e\" attribute=\"x\" operation=\"defined\"/></rule>"
        )
    };
    let two = format!(
        "<rsc_location id=\"l\" rsc=\"a\">{}{}</rsc_location>",
        rule("r"),
        rule("s")
    );
    accepted("pacemaker-3.0", &constraints(&two), "3.0");
    refused(
        "pacemaker-4.0",
        &constraints(&two),
        "line 3, column 140: <rsc_location> has one <rule> too many",
    );
}

#[test]
fn unknown_elements_and_attributes_are_refused() {
    refused(
        "pacemaker-3.9",
        &resources("<primitve id=\"a\"/>"),
        "line 2, column 1: <resources> has <primitve>, which schema 3.9 does not know there: expected <bundle>, <clone>, <group>, <master>, <primitive> or <template>",
    );
    refused(
        "pacemaker-3.9",
        &resources("<primitive id=\"a\" class=\"lsb\" type=\"t\" is-managed=\"false\"/>"),
        "line 2, column 1: <primitive> has the attribute is-managed, which schema 3.9 does not know there",
    );
}

#[test]
fn what_is_missing_is_named() {
    refused(
        "pacemaker-3.9",
        &resources("<primitive id=\"a\" class=\"lsb\"/>"),
        "line 2, column 1: <primitive> lacks the attribute type",
    );
    refused(
        "pacemaker-3.9",
        &resources("<group id=\"g\"/>"),
        "line 2, column 1: <group> ends too early: expected <instance_attributes>, <meta_attributes> or <primitive>",
    );
    refused(
        "pacemaker-3.9",
        &constraints("<rsc_location id=\"l\" rsc=\"a\" node=\"n\"/>"),
        "line 3, column 26: <rsc_location> lacks the attribute score",
    );
}

#[test]
fn wrong_values_and_combinations_are_refused() {
    refused(
        "pacemaker-3.9",
        &constraints("<rsc_order id=\"o\" first=\"a\" then=\"a\" kind=\"mandatory\"/>"),
        "line 3, column 26: attribute kind of <rsc_order>: expected \"Optional\", \"Mandatory\" or \"Serialize\", found \"mandatory\"",
    );
    refused(
        "pacemaker-3.9",
        &constraints("<rsc_order id=\"o\" first=\"a\" then=\"a\" kind=\"Optional\" score=\"1\"/>"),
        "line 3, column 26: <rsc_order> has score=\"1\", which schema 3.9 does not allow beside its other attributes",
    );
    refused(
        "pacemaker-3.9",
        &resources("<primitive id=\"1a\" class=\"lsb\" type=\"t\"/>"),
        "line 2, column 1: attribute id of <primitive>: expected an id (a letter or _, then letters, digits, _ - .), found \"1a\"",
    );
}

#[test]
fn ids_are_there_once_and_references_lead_somewhere() {
    refused(
        "pacemaker-3.9",
        &resources(&format!("{A}{A}")),
        "line 3, column 1: <primitive> has the id a, which <primitive> in line 2 has already",
    );
    refused(
        "pacemaker-3.9",
        &constraints("<rsc_location id=\"l\" rsc=\"b\" node=\"n\" score=\"1\"/>"),
        "line 3, column 26: rsc of <rsc_location>: there is no element with the id b",
    );
    let nodes = Parts {
        nodes: "<node id=\"a\" uname=\"n\"/><node id=\"l\" uname=\"m\"/>",
        ..constraints("<rsc_location id=\"l\" rsc=\"a\" node=\"n\" score=\"1\"/>")
    };
    accepted("pacemaker-3.9", &nodes, "3.9");
}

#[test]
fn options_that_went_with_schema_three_lead_to_the_older_one() {
    let old = Parts {
        options: "<cluster_property_set id=\"o\"><nvpair id=\"p\" name=\"no_quorum_policy\" value=\"stop\"/></cluster_property_set>",
        ..PARTS
    };
    accepted("pacemaker-2.10", &old, "2.10");
    let found = follows("pacemaker-3.0", &old).expect_err("it is refused");
    assert!(
        found.contains("<nvpair> has name=\"no_quorum_policy\""),
        "{found}"
    );
}
