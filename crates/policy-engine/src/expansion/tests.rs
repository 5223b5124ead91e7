//! Small configurations that expand to very much, and larger ones that do not.

use std::fmt::Write as _;

use super::*;

/// A configuration with four nodes: `resources`, and after them `rest`, each on lines of its own.
fn checked(resources: &str, rest: &str) -> Result<(), TooLarge> {
    let nodes: String = (0..4).map(|i| format!("<node id=\"{i}\"/>")).collect();
    let text = format!(
        "<cib><configuration><nodes>{nodes}</nodes>\n<resources>{resources}</resources>\n{rest}</configuration></cib>"
    );
    check(&crate::xml::parse(&text).expect("the test's text is XML"))
}

fn refused(resources: &str, rest: &str) -> TooLarge {
    checked(resources, rest).expect_err("it exceeds the limit")
}

fn constraints(content: &str) -> String {
    format!("<constraints>\n{content}</constraints>")
}

/// `count` elements, made from their numbers.
fn many(count: usize, element: impl Fn(usize) -> String) -> String {
    (0..count).map(element).collect()
}

fn set(count: usize, attributes: &str) -> String {
    let members = many(count, |i| format!("<resource_ref id=\"r{i}\"/>"));
    format!("<resource_set id=\"s\" {attributes}>{members}</resource_set>")
}

fn primitives(count: usize) -> String {
    many(count, |i| format!("<primitive id=\"r{i}\"/>"))
}

fn tag(count: usize) -> String {
    let members = many(count, |i| format!("<obj_ref id=\"r{i}\"/>"));
    format!("<tags><tag id=\"T\">{members}</tag></tags>")
}

#[test]
fn it_says_what_exceeds_the_limit_and_where_and_what_to_do_instead() {
    let sets = set(1500, "sequential=\"false\"").repeat(2);
    let refused = refused(
        "",
        &constraints(&format!("  <rsc_order id=\"k\">{sets}</rsc_order>")),
    );
    assert_eq!(
        refused.to_string(),
        "line 4, column 3: <rsc_order id=\"k\"> expands to 2250000 orderings of two resources; with everything before it, this exceeds \
         1301100, the limit for a configuration of this size: order groups or clones instead of their members, or put a resource \
         that does nothing between the sets: it waits for one set, and the other set waits for it"
    );
}

#[test]
fn it_refuses_what_each_member_of_one_set_has_to_do_with_each_of_another() {
    let sets = set(1500, "sequential=\"false\"").repeat(2);
    let order = format!("<rsc_order id=\"k\">{sets}</rsc_order>");
    assert_eq!(refused("", &constraints(&order)).kind, Kind::Ordering);
    let colocation = format!("<rsc_colocation id=\"k\" score=\"1\">{sets}</rsc_colocation>");
    assert_eq!(
        refused("", &constraints(&colocation)).kind,
        Kind::Colocation
    );
}

#[test]
fn it_accepts_sets_in_which_one_member_follows_the_other() {
    let sets = set(1500, "sequential=\"true\"").repeat(2);
    let order = format!("<rsc_order id=\"k\">{sets}</rsc_order>");
    let colocation = format!("<rsc_colocation id=\"k\" score=\"1\">{sets}</rsc_colocation>");
    assert_eq!(checked("", &constraints(&(order + &colocation))), Ok(()));
}

#[test]
fn it_refuses_too_many_resources_that_all_avoid_each_other_or_never_start_at_the_same_time() {
    let set = set(2000, "");
    let repelling = format!("<rsc_colocation id=\"k\" score=\"-INFINITY\">{set}</rsc_colocation>");
    assert_eq!(refused("", &constraints(&repelling)).count, 1_999_000);
    let serial = format!("<rsc_order id=\"k\" kind=\"Serialize\">{set}</rsc_order>");
    assert_eq!(refused("", &constraints(&serial)).count, 1_999_000);
}

#[test]
fn it_counts_a_set_again_wherever_it_is_referred_to() {
    let own = format!(
        "<rsc_order id=\"k\">{}</rsc_order>",
        set(1500, "sequential=\"true\"")
    );
    let references = |count| {
        let referring = "<rsc_order><resource_set id-ref=\"s\"/></rsc_order>\n".repeat(count);
        constraints(&format!("{own}{referring}"))
    };
    assert_eq!(checked("", &references(500)), Ok(()));
    let refused = refused("", &references(1500));
    assert_eq!((refused.kind, refused.count), (Kind::Ordering, 1500));
}

#[test]
fn it_refuses_tags_that_stand_for_too_much() {
    let orders = "<rsc_order first=\"T\" then=\"x\"/>".repeat(2000);
    let rest = tag(1000) + &constraints(&orders);
    assert_eq!(refused("", &rest).kind, Kind::Ordering);
    let locations = "<rsc_location rsc=\"T\" node=\"0\" score=\"1\"/>".repeat(6000);
    let rest = tag(1500) + &constraints(&locations);
    assert_eq!(refused("", &rest).kind, Kind::Score);
    assert_eq!(
        checked(
            "",
            &(tag(1500) + &constraints(&locations[..locations.len() / 6]))
        ),
        Ok(())
    );
}

#[test]
fn it_accepts_any_number_of_constraints_that_are_written_one_by_one() {
    let mut all = String::new();
    for i in 0..3000 {
        let _ = write!(
            all,
            "<rsc_order first=\"r{i}\" then=\"x\"/><rsc_colocation rsc=\"r{i}\" with-rsc=\"x\" score=\"-1\"/>\
             <rsc_location rsc=\"r{i}\" node=\"0\" score=\"1\"/>"
        );
    }
    let groups = many(100, |i| {
        format!("<group id=\"g{i}\">{}</group>", primitives(30))
    });
    assert_eq!(checked(&groups, &constraints(&all)), Ok(()));
}

#[test]
fn it_refuses_patterns_that_are_in_many_places_at_once() {
    let pattern = |i: usize, text: &str| {
        format!("<rsc_location id=\"l{i}\" rsc-pattern=\"{text}{i}\" node=\"0\" score=\"1\"/>")
    };
    let harmless = constraints(&many(100, |i| pattern(i, "^r[0-9]*")));
    assert_eq!(checked(&primitives(1000), &harmless), Ok(()));
    let repeated = constraints(&many(200, |i| pattern(i, "((.?){20}){20}")));
    assert_eq!(
        refused(&primitives(1000), &repeated).kind,
        Kind::PatternStep
    );
}

#[test]
fn it_refuses_bundles_whose_replicas_have_too_much_to_do_with_each_other() {
    let bundle = |replicas: &str, ports: usize| {
        let ports = many(ports, |i| {
            format!("<port-mapping id=\"p{i}\" port=\"{i}\"/>")
        });
        format!(
            "<bundle id=\"b\"><docker image=\"i\" replicas=\"{replicas}\"/><network>{ports}</network></bundle>"
        )
    };
    assert_eq!(checked(&bundle("100", 100), ""), Ok(()));
    for (replicas, ports) in [("10000", 0), ("2000", 4000)] {
        let refused = refused(&bundle(replicas, ports), "");
        assert_eq!((refused.kind, refused.line), (Kind::Parameter, 2));
    }
}

#[test]
fn it_refuses_what_too_many_take_from_a_template_or_a_reference() {
    let parameters = many(4000, |i| {
        format!("<nvpair id=\"n{i}\" name=\"n{i}\" value=\"v\"/>")
    });
    let parameters = format!("<instance_attributes id=\"big\">{parameters}</instance_attributes>");
    let operations = many(200, |i| {
        format!("<op id=\"o{i}\" name=\"monitor\" interval=\"{i}s\"/>")
    });
    let templates = format!(
        "<template id=\"P\">{parameters}</template><template id=\"O\"><operations>{operations}</operations></template>"
    );
    let users = |count, user: &str| format!("{templates}{}", user.repeat(count));
    let of_parameters = "<primitive id=\"r\" template=\"P\"/>";
    let of_operations = "<primitive id=\"r\" template=\"O\"/>";
    let by_reference = "<primitive id=\"r\"><instance_attributes id-ref=\"big\"/></primitive>";
    for user in [of_parameters, of_operations, by_reference] {
        assert_eq!(checked(&users(100, user), ""), Ok(()));
    }
    assert_eq!(
        refused(&users(3000, of_parameters), "").kind,
        Kind::Parameter
    );
    assert_eq!(
        refused(&users(3000, by_reference), "").kind,
        Kind::Parameter
    );
    assert_eq!(
        refused(&users(2000, of_operations), "").kind,
        Kind::Operation
    );
}

#[test]
fn it_refuses_a_long_value_that_everything_refers_to() {
    let value = "v".repeat(1 << 20);
    let pair = format!("<nvpair id=\"n\" name=\"n\" value=\"{value}\"/>");
    let set = |pair: &str| format!("<instance_attributes id=\"x\">{pair}</instance_attributes>");
    let first = format!("<primitive id=\"a\">{}</primitive>", set(&pair));
    let second = format!(
        "<primitive id=\"b\">{}</primitive>",
        set("<nvpair id-ref=\"n\"/>")
    );
    assert_eq!(checked(&format!("{first}{second}"), ""), Ok(()));
    assert_eq!(
        refused(&(first + &second.repeat(1000)), "").kind,
        Kind::Parameter
    );
}

#[test]
fn it_counts_all_that_a_rule_leads_to() {
    // each rule leads to the next one twice
    let rules = |depth: usize| {
        many(depth, |i| {
            let next = format!("<rule id-ref=\"u{}\"/>", i + 1);
            format!(
                "<rsc_location rsc=\"r{i}\"><rule id=\"u{i}\" score=\"1\">{next}{next}</rule></rsc_location>"
            )
        })
    };
    let users = |count| {
        let user = "<rsc_location rsc=\"r\"><rule id=\"x\" score=\"1\"><rule id-ref=\"u0\"/></rule></rsc_location>";
        user.repeat(count)
    };
    assert_eq!(
        checked("", &constraints(&(rules(5) + &users(1000)))),
        Ok(())
    );
    let refused = refused("", &constraints(&(rules(20) + &users(1000))));
    assert_eq!(refused.kind, Kind::Condition);
    let circle = "<rsc_location rsc=\"r\"><rule id=\"x\" score=\"1\"><rule id-ref=\"x\"/><rule id-ref=\"x\"/></rule></rsc_location>";
    assert_eq!(checked("", &constraints(circle)), Ok(()));
}

#[test]
fn it_counts_defaults_for_each_resource() {
    let blocks = |count| {
        let block = "<meta_attributes id=\"d\"><rule id=\"u\" score=\"1\"><rsc_expression id=\"e\" type=\"T\"/></rule></meta_attributes>";
        format!("<rsc_defaults>{}</rsc_defaults>", block.repeat(count))
    };
    assert_eq!(checked(&primitives(3000), &blocks(20)), Ok(()));
    let refused = refused(&primitives(10_000), &blocks(5000));
    assert_eq!(refused.element, "meta_attributes");
    assert_eq!(refused.id.as_deref(), Some("d"));
}

#[test]
fn the_state_of_nodes_changes_neither_the_count_nor_the_limit() {
    let sets = set(1500, "sequential=\"false\"").repeat(2);
    let with_status = |status: &str| {
        let text = format!(
            "<cib><configuration><constraints><rsc_order>{sets}</rsc_order></constraints></configuration><status>{status}</status></cib>"
        );
        crate::Cib::parse(&text).expect_err("it exceeds the limit")
    };
    assert_eq!(
        with_status(""),
        with_status(&"<node_state id=\"1\"/>".repeat(100_000))
    );
}

#[test]
fn what_was_accepted_is_read_even_if_nodes_have_made_it_too_large() {
    let sets = set(1500, "sequential=\"false\"").repeat(2);
    let text = format!(
        "<cib><configuration><constraints><rsc_order>{sets}</rsc_order></constraints></configuration></cib>"
    );
    assert!(matches!(
        crate::Cib::parse(&text),
        Err(crate::Error::TooLarge(_))
    ));
    assert!(crate::Cib::parse_accepted(&text).is_ok());
}
