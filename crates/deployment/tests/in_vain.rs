//! What a `<configuration>` says and the policy engine passes over: refused where its author would
//! rely on it in vain, and warned of where clusters run with it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use deployment::{Severity, read_with_warnings};

const DUMMY: &str = r#"class="ocf" provider="pacemaker" type="Dummy""#;

/// What is said of a configuration: severities and texts.
fn told(inside: &str) -> Vec<(Severity, String)> {
    let text = format!(
        "<deployable name=\"d\"><assemblies><assembly name=\"a\" address=\"unix:/a\"/></assemblies>\n<configuration>{inside}</configuration></deployable>"
    );
    let problems = read_with_warnings(text.as_bytes()).problems;
    let problems = problems.into_iter();
    problems.map(|it| (it.severity, it.to_string())).collect()
}

fn primitive(inside: &str) -> String {
    format!("<resources><primitive id=\"p\" {DUMMY}>{inside}</primitive></resources>")
}

/// A rule of a location, of a set of meta attributes, or of parameters.
fn ruled(place: &str, rule: &str) -> String {
    let set = |kind: &str| {
        primitive(&format!(
            "<{kind} id=\"m\"><rule id=\"r\">{rule}</rule><nvpair id=\"q\" name=\"priority\" value=\"1\"/></{kind}>"
        ))
    };
    match place {
        "location" => format!(
            "{}<constraints><rsc_location id=\"l\" rsc=\"p\"><rule id=\"r\" score=\"1\">{rule}</rule></rsc_location></constraints>",
            primitive("")
        ),
        kind => set(kind),
    }
}

#[track_caller]
fn refused(inside: &str, words: &str) {
    one(inside, Severity::Error, words);
}

#[track_caller]
fn warned(inside: &str, words: &str) {
    one(inside, Severity::Warning, words);
}

#[track_caller]
fn one(inside: &str, severity: Severity, words: &str) {
    let told = told(inside);
    let found = told
        .iter()
        .filter(|it| it.0 == severity && it.1.contains(words));
    assert_eq!(found.count(), 1, "{words}: {told:#?}");
    assert!(told[0].1.starts_with("2:"), "{told:#?}");
}

#[track_caller]
fn silent(inside: &str) {
    assert_eq!(told(inside), []);
}

#[test]
fn rules_that_never_hold_are_refused() {
    for (place, rule, words) in [
        (
            "location",
            r#"<expression id="e" attribute="x" operation="defined" value="1"/>"#,
            "never holds: it asks whether the attribute is set, and has a value",
        ),
        (
            "location",
            r#"<expression id="e" attribute="x" operation="eq"/>"#,
            "never holds: it compares with nothing",
        ),
        (
            "location",
            r#"<date_expression id="e" operation="gt" end="2030-01-01"/>"#,
            "gt compares with 'start'",
        ),
        (
            "location",
            r#"<date_expression id="e" operation="lt" start="2030-01-01"/>"#,
            "lt compares with 'end'",
        ),
        (
            "location",
            r#"<date_expression id="e" operation="date_spec"/>"#,
            "it has no <date_spec>",
        ),
        (
            "location",
            r#"<date_expression id="e"><duration id="u" hours="1"/></date_expression>"#,
            "it has neither 'start' nor 'end'",
        ),
        (
            "location",
            r#"<date_expression id="e" start="2030-01-01"><duration id="u" hours="soon"/></date_expression>"#,
            "'soon' is not a valid hours of <duration>",
        ),
        (
            "location",
            r#"<rsc_expression id="e" class="ocf"/>"#,
            "<rsc_expression> never holds here",
        ),
        (
            "meta_attributes",
            r#"<op_expression id="e" name="monitor"/>"#,
            "<op_expression> never holds here",
        ),
        (
            "meta_attributes",
            r##"<expression id="e" attribute="#uname" operation="eq" value="a"/>"##,
            "asks for an attribute of assemblies, which is not known here",
        ),
        (
            "instance_attributes",
            r#"<expression id="e" attribute="x" operation="eq" value-source="meta" value="y"/>"#,
            "compares with a value of the resource, which is not known here",
        ),
    ] {
        refused(&ruled(place, rule), words);
    }
}

#[test]
fn rules_that_can_hold_are_not_told() {
    for (place, rule) in [
        (
            "location",
            r##"<expression id="e" attribute="#uname" operation="eq" value="A"/>"##,
        ),
        (
            "location",
            r#"<expression id="e" attribute="x" operation="eq" value-source="param" value="y"/>"#,
        ),
        (
            "location",
            r#"<date_expression id="e" start="2030-01-01"><duration id="u" hours="1"/></date_expression>"#,
        ),
        ("meta_attributes", r#"<rsc_expression id="e" class="ocf"/>"#),
        (
            "instance_attributes",
            r##"<expression id="e" attribute="#uname" operation="eq" value="a"/>"##,
        ),
    ] {
        silent(&ruled(place, rule));
    }
}

#[test]
fn what_a_rule_says_in_vain_is_warned_of() {
    let by_name = r##"<expression id="e" attribute="#uname" operation="eq" value="b"/>"##;
    warned(&ruled("location", by_name), "there is no assembly 'b'");
    let range = r#"<date_expression id="e" end="2030-01-01"><duration id="u" hours="1"/></date_expression>"#;
    warned(&ruled("location", range), "<duration> has no effect");
    let of = |attributes: &str| {
        ruled(
            "location",
            r#"<expression id="e" attribute="x" operation="defined"/>"#,
        )
        .replace("score=\"1\"", attributes)
    };
    warned(
        &of("score=\"1\" score-attribute=\"x\""),
        "score-attribute has no effect",
    );
    refused(&of(""), "<rule> has neither 'score' nor 'score-attribute'");
}

#[test]
fn operations_that_would_not_be_repeated_are_told() {
    let operations = |list: &str| primitive(&format!("<operations>{list}</operations>"));
    let op = |id: &str, rest: &str| format!("<op id=\"{id}\" name=\"monitor\" {rest}/>");
    let two = op("o", "interval=\"10s\"") + &op("o2", "interval=\"10000ms\" timeout=\"5s\"");
    warned(&operations(&two), "neither of the two is done");
    let off = op("o", "interval=\"10s\"") + &op("o2", "interval=\"10s\" enabled=\"false\"");
    silent(&operations(&off));
    let start = "<op id=\"o\" name=\"start\" interval=\"10s\" timeout=\"60s\"/>";
    warned(&operations(start), "the operation 'start' is not repeated");
}

#[test]
fn a_response_that_needs_a_container_is_warned_of_unless_a_meta_attribute_names_one() {
    let response = "<operations><op id=\"o\" name=\"monitor\" interval=\"10s\" on-fail=\"restart-container\"/></operations>";
    let with = |set: &str| {
        primitive(&format!(
            "<{set} id=\"m\"><nvpair id=\"q\" name=\"container\" value=\"p\"/></{set}>{response}"
        ))
    };
    let void = "no resource has the meta attribute 'container'";
    warned(&primitive(response), void);
    warned(&with("instance_attributes"), void);
    let told = told(&with("meta_attributes"));
    assert!(!told.iter().any(|(_, it)| it.contains(void)), "{told:?}");
}

#[test]
fn a_second_pair_of_a_name_is_warned_of() {
    let pairs = "<meta_attributes id=\"m\"><nvpair id=\"q\" name=\"priority\" value=\"1\"/><nvpair id=\"q2\" name=\"priority\" value=\"2\"/></meta_attributes>";
    warned(
        &primitive(pairs),
        "the set has 'priority' twice, and the first counts",
    );
}

#[test]
fn clones_that_would_be_dropped_are_refused() {
    let clone = |meta: &str, agent: &str| {
        let pairs = meta.split(' ').filter_map(|it| it.split_once('='));
        let pairs: String = pairs
            .map(|(name, value)| {
                format!("<nvpair id=\"q-{name}\" name=\"{name}\" value=\"{value}\"/>")
            })
            .collect();
        format!(
            "<resources><clone id=\"c\"><meta_attributes id=\"m\">{pairs}</meta_attributes><primitive id=\"p\" {agent}/></clone></resources>"
        )
    };
    let plain = "class=\"systemd\" type=\"x\"";
    refused(
        &clone("promotable=true", plain),
        "agents of class 'systemd' cannot be promoted: nothing of this clone would run",
    );
    warned(
        &clone("globally-unique=true", plain),
        "globally-unique has no effect",
    );
    warned(
        &clone("clone-min=3 clone-max=2", DUMMY),
        "what comes after 'c' never starts: clone-min is more than clone-max",
    );
    silent(&clone("promotable=true clone-min=1 clone-max=2", DUMMY));
}

#[test]
fn constraints_that_bind_nothing_are_told() {
    let two = format!(
        "<resources><primitive id=\"p\" {DUMMY}/><primitive id=\"z\" {DUMMY}/></resources>"
    );
    let with = |constraint: &str| format!("{two}<constraints>{constraint}</constraints>");
    let set = |score: &str| {
        with(&format!(
            "<rsc_colocation id=\"l\"><resource_set id=\"s\" {score}><resource_ref id=\"p\"/><resource_ref id=\"z\"/></resource_set></rsc_colocation>"
        ))
    };
    warned(
        &with("<rsc_colocation id=\"l\" rsc=\"p\" with-rsc=\"z\"/>"),
        "<rsc_colocation> without a score binds nothing",
    );
    warned(&set(""), "<rsc_colocation> without a score binds nothing");
    silent(&set("score=\"INFINITY\""));
    refused(
        &with("<rsc_location id=\"l\" rsc-pattern=\"(\" node=\"a\" score=\"1\"/>"),
        "'(' is not a valid rsc-pattern",
    );
    refused(
        &with("<rsc_order id=\"l\" first=\"p\" then=\"p\"/>"),
        "<rsc_order> has 'p' wait for itself",
    );
    silent(&with("<rsc_order id=\"l\" first=\"p\" then=\"z\"/>"));
}
