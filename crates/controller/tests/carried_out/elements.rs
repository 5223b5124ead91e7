//! Elements: constraints, rules, templates, bundles.

use controller::{Request, TicketOrder};

use crate::lab::*;

/// The attributes of an assembly.
const HERE: &str = r##"<attributes><attribute name="site" value="b"/><attribute name="site-name" value="c"/></attributes>"##;
const THERE: &str = r##"<attributes><attribute name="#site-name" value="d"/><attribute name="site" value="e"/></attributes>"##;

/// Where a service runs that no assembly may have for which this holds.
fn places(given: &str, inner: [&str; 2], condition: &str) -> Vec<String> {
    let rule = format!(
        r#"<rsc_location id="l" rsc="web"><rule id="r" score="-INFINITY">{condition}</rule></rsc_location>"#
    );
    let text = options(given) + &resources(&primitive("web", "")) + &constraints(&rule);
    Lab::with(&inner, &text).places("web")
}

#[test]
fn rules_read_the_attributes_of_assemblies() {
    let but_for = |attribute: &str, operation: &str, value: &str| {
        let condition = format!(
            r#"<expression id="e" attribute="{attribute}" operation="{operation}" value="{value}"/>"#
        );
        places("cluster-name=mine", [HERE, THERE], &condition)
    };
    for (attribute, value) in [
        ("#uname", "n2"),
        ("#id", "n2"),
        ("#site-name", "d"),
        ("site", "e"),
    ] {
        assert_eq!(but_for(attribute, "ne", value), ["n2"], "{attribute}");
        assert_eq!(but_for(attribute, "eq", value), ["n1"], "{attribute}");
    }
    assert_eq!(but_for("#site-name", "ne", "c"), ["n1"], "from site-name");
    for (attribute, value) in [("#cluster-name", "mine"), ("#kind", "cluster")] {
        assert_eq!(but_for(attribute, "eq", value), [""; 0], "{attribute}");
        assert_eq!(but_for(attribute, "eq", "other").len(), 1, "{attribute}");
    }
}

#[test]
fn rules_read_the_clock() {
    let places_in = |time: &str| {
        let at_first = r##"<expression id="e" attribute="#uname" operation="eq" value="n1"/>"##;
        places("", ["", ""], &format!("{at_first}{time}"))
    };
    let range = |start: &str, end: &str| {
        format!(
            r#"<date_expression id="d" operation="in_range" start="{start}">{end}</date_expression>"#
        )
    };
    let hours = r#"<duration id="h" hours="2"/>"#;
    assert_eq!(places_in(&range("2027-01-15 07:00:00Z", hours)), ["n2"]);
    assert_eq!(places_in(&range("2027-01-15 05:00:00Z", hours)), ["n1"]);
    let spec = |hours: u32| {
        format!(
            r#"<date_expression id="d" operation="date_spec"><date_spec id="s" hours="{hours}" weekdays="5"/></date_expression>"#
        )
    };
    assert_eq!(places_in(&spec(8)), ["n2"]);
    assert_eq!(places_in(&spec(9)), ["n1"]);
}

#[test]
fn a_location_draws_or_bans_and_says_where_to_look() {
    let run = |location: &str| {
        let lab = Lab::new(
            2,
            &(resources(&primitive("web", "")) + &constraints(location)),
        );
        (lab.places("web"), lab.looked_for("web"))
    };
    let one = |node: &str, score: &str, more: &str| {
        format!(r#"<rsc_location id="l" rsc="web" node="{node}" score="{score}" {more}/>"#)
    };
    assert_eq!(run(&one("n2", "10", "")).0, ["n2"]);
    assert_eq!(run(&one("n1", "-INFINITY", "")).0, ["n2"]);
    let pattern = r#"<rsc_location id="l" rsc-pattern="^w.b$" node="n2" score="10"/>"#;
    assert_eq!(run(pattern).0, ["n2"]);
    assert_eq!(run(&one("n1", "0", "")).1, ["n1", "n2"]);
    let never = one("n1", "-INFINITY", r#"resource-discovery="never""#);
    assert_eq!(run(&never).1, ["n2"]);
    let exclusive = one("n2", "10", r#"resource-discovery="exclusive""#);
    assert_eq!(
        run(&exclusive),
        (vec!["n2".to_owned()], vec!["n2".to_owned()])
    );
}

#[test]
fn colocated_services_go_together() {
    let places = |score: &str| {
        let both = primitive("web", "") + &primitive("db", "");
        let with = format!(
            r#"<rsc_colocation id="c" rsc="web" with-rsc="db" score="{score}"/>{}"#,
            location("db", "n2", "10")
        );
        Lab::new(2, &(resources(&both) + &constraints(&with))).places("web")
    };
    assert_eq!(places("INFINITY"), ["n2"]);
    assert_eq!(places("-INFINITY"), ["n1"]);
}

#[test]
fn orders_hold_between_resources_and_between_sets() {
    let told = |order: &str| {
        let three = ["a", "b", "c"].map(|id| primitive(id, "")).concat();
        let text = resources(&three) + &constraints(order);
        let mut lab = Lab::of(&assemblies(&[""]), &text).hold("start a");
        lab.all_answer();
        lab.told()
    };
    let (a, b, c) = ("start a n1", "start b n1", "start c n1");
    assert_eq!(told(""), [a, b, c]);
    assert_eq!(told(r#"<rsc_order id="o" first="a" then="b"/>"#), [a, c]);
    let optional = r#"<rsc_order id="o" first="a" then="b" kind="Optional"/>"#;
    assert_eq!(told(optional), [a, c], "both start");
    let sets = r#"<rsc_order id="o"><resource_set id="s"><resource_ref id="a"/></resource_set>
        <resource_set id="t" sequential="false"><resource_ref id="b"/><resource_ref id="c"/></resource_set></rsc_order>"#;
    assert_eq!(told(sets), [a]);
}

#[test]
fn what_needs_a_ticket_waits_until_it_is_granted() {
    let ticket = r#"<rsc_ticket id="t" rsc="web" ticket="east"/>"#;
    let mut lab = Lab::new(
        1,
        &(resources(&primitive("web", "")) + &constraints(ticket)),
    );
    assert_eq!(lab.places("web"), [""; 0]);
    lab.ask(Request::Ticket {
        ticket: "east".into(),
        order: TicketOrder::Grant,
    });
    assert_eq!(lab.places("web"), ["n1"]);
}

#[test]
fn templates_and_tags_stand_for_resources() {
    let elements = r#"<template id="t" class="ocf" provider="sim" type="Simulated"/>
        <primitive id="a" template="t"/><primitive id="b" template="t"/><primitive id="c" template="t"/>"#;
    let tags = r#"<tags><tag id="both"><obj_ref id="a"/><obj_ref id="b"/></tag></tags>"#;
    let places = |name: &str| {
        let preference = constraints(&location(name, "n2", "100"));
        let lab = Lab::new(2, &(resources(elements) + &preference + tags));
        ["a", "b", "c"].map(|id| lab.places(id)).concat()
    };
    assert_eq!(places("t"), ["n2", "n2", "n2"]);
    assert_eq!(places("both"), ["n2", "n2", "n1"]);
}

#[test]
fn a_bundle_is_its_containers() {
    for technology in ["podman", "docker"] {
        let bundle = format!(
            r#"<bundle id="b"><{technology} image="i" replicas="1"/>
              <network ip-range-start="10.0.0.7"><port-mapping id="p" port="80"/></network>
              <storage><storage-mapping id="m" source-dir="/a" target-dir="/c"/></storage></bundle>"#
        );
        let lab = Lab::new(1, &resources(&bundle));
        let container = lab.operation(&format!("start b-{technology}-0 n1"));
        assert_eq!(container.parameters["image"], "i");
        let options = &container.parameters["run_opts"];
        for part in ["10.0.0.7:80:80", "/a:/c"] {
            assert!(options.contains(part), "{options}");
        }
        let address = lab.operation("start b-ip-10.0.0.7 n1");
        assert_eq!(address.kind, "IPaddr2");
    }
}
