//! Reports about small configurations, as libxml2 writes them.

use super::complaints;
use crate::xml;

/// What is said about a configuration that names this version.
fn told(version: &str, resources: &str, constraints: &str, defaults: &str) -> Vec<String> {
    let text = format!(
        "<cib validate-with=\"pacemaker-{version}\">\n<configuration>\n<crm_config/>\n<nodes/>\n<resources>\n{resources}\n</resources>\n<constraints>\n{constraints}\n</constraints>\n{defaults}\n</configuration>\n<status/>\n</cib>"
    );
    complaints(&xml::parse(&text).unwrap())
}

const DUMMY: &str = r#"<primitive id="a" class="ocf" provider="p" type="Dummy"/>"#;

#[test]
fn what_the_named_version_allows_is_not_complained_about() {
    assert!(told("3.0", DUMMY, "", "").is_empty());
    assert!(told("4.0", DUMMY, "", "").is_empty());
    // No version allows it, so it is refused.
    assert!(told("3.0", "<nonsense/>", "", "").is_empty());
}

#[test]
fn each_version_that_fails_complains() {
    let resources = format!("{DUMMY}\n{}", DUMMY.replace("\"a\"", "\"b\""));
    let constraints =
        r#"<rsc_colocation id="c" rsc="a" with-rsc="b" score="1" influence="false"/>"#;
    let one = [
        "Entity: line 10: element rsc_colocation: Relax-NG validity error : Invalid attribute influence for element rsc_colocation",
        "Entity: line 10: element rsc_colocation: Relax-NG validity error : Element constraints has extra content: rsc_colocation",
    ];
    assert_eq!(told("3.5", &resources, constraints, ""), one);
    assert_eq!(
        told("3.4", &resources, constraints, ""),
        [one, one].concat()
    );
}

#[test]
fn references_to_what_was_not_reached_are_told_once_more_by_each_version() {
    let op =
        r#"<operations><op id="o" name="monitor" interval="10s" role="Promoted"/></operations>"#;
    let resources = format!(
        "{}\n{}",
        DUMMY.replace("/>", &format!(">\n{op}\n</primitive>")),
        DUMMY.replace("\"a\"", "\"b\"")
    );
    let constraints = r#"<rsc_location id="l" rsc="b" node="n" score="1"/>"#;
    let lines = told("3.5", &resources, constraints, "");
    let unknown =
        "element rsc_location: validity error : IDREF attribute rsc references an unknown ID \"b\"";
    let count = lines.iter().filter(|line| *line == unknown).count();
    assert_eq!(count, 1 + 2, "{lines:#?}");
    assert_eq!(
        lines[..3],
        [
            "Entity: line 7: element op: Relax-NG validity error : Expecting an element meta_attributes, got nothing",
            "Relax-NG validity error : Extra element operations in interleave",
            "Entity: line 7: element operations: Relax-NG validity error : Element primitive failed to validate content",
        ]
    );
}

#[test]
fn defaults_are_part_of_an_interleave_in_an_interleave() {
    let defaults = "<rsc_defaults><meta_attributes id=\"m\"><rule id=\"r\"><rsc_expression id=\"e\" type=\"x\"/></rule></meta_attributes></rsc_defaults>";
    assert_eq!(
        told("3.8", DUMMY, "", defaults),
        [
            "Relax-NG validity error : Extra element rsc_defaults in interleave",
            "Entity: line 2: element configuration: Relax-NG validity error : Invalid sequence in interleave",
            "Entity: line 2: element configuration: Relax-NG validity error : Element configuration failed to validate content",
        ]
    );
}

#[test]
fn very_many_ways_end() {
    let expression = |n: usize| {
        format!(r#"<expression id="e{n}" attribute="a" operation="eq" value="1" type="string"/>"#)
    };
    let rules: String = (0..40)
        .map(|n| {
            let inner: String = (0..40).map(|m| expression(n * 40 + m)).collect();
            format!("<rule id=\"r{n}\" score=\"1\" boolean-op=\"or\">{inner}</rule>")
        })
        .collect();
    let constraints = format!(
        "<rsc_location id=\"l\" rsc=\"a\" resource-discovery=\"never\">{rules}</rsc_location><rsc_colocation id=\"c\" rsc=\"a\" with-rsc=\"a\" influence=\"false\"/>"
    );
    assert!(!told("2.10", DUMMY, &constraints, "").is_empty());
}
