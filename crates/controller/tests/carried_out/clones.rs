//! Meta attributes of clones and groups.

use controller::Request;

use crate::lab::*;

#[test]
fn a_clone_has_as_many_instances_as_it_says() {
    let count = |given: &str, assemblies: usize| {
        let text = resources(&clone("c", given, &primitive("web", "")));
        let lab = Lab::new(assemblies, &text);
        let told = lab.told();
        told.iter().filter(|it| it.starts_with("start web")).count()
    };
    assert_eq!(count("", 2), 2);
    assert_eq!(count("clone-max=1", 2), 1);
    let unique = "globally-unique=true clone-max=3";
    assert_eq!(count(&format!("{unique} clone-node-max=3"), 1), 3);
    assert_eq!(count(&format!("{unique} clone-node-max=2"), 1), 2);
    let anonymous = "globally-unique=false clone-max=3 clone-node-max=3";
    assert_eq!(count(anonymous, 1), 1);
}

#[test]
fn what_follows_a_clone_waits_for_as_many_instances_as_it_says() {
    let follows = |given: &str| {
        let both = clone("c", given, &primitive("db", "")) + &primitive("web", "");
        let order = r#"<rsc_order id="o1" first="c" then="web"/>"#;
        let text = resources(&both) + &constraints(order);
        let mut lab = Lab::of(&assemblies(&["", ""]), &text).fail(&["start db n2"]);
        lab.all_answer();
        lab.wait(10);
        lab.places("web").len()
    };
    assert_eq!(follows("clone-min=1"), 1);
    assert_eq!(follows("clone-min=2"), 0);
}

#[test]
fn a_promotable_clone_has_as_many_promoted_instances_as_it_says() {
    let promoted = |given: &str| {
        let text = resources(&clone("c", given, &primitive("db", "")));
        let score = |score: u32| {
            format!(r#"<attributes><attribute name="master-db" value="{score}"/></attributes>"#)
        };
        Lab::with(&[&score(5), &score(10)], &text).promoted("db")
    };
    assert_eq!(promoted(""), [""; 0]);
    assert_eq!(promoted("promotable=true"), ["n2"]);
    for name in ["promoted-max", "master-max"] {
        let given = format!("promotable=true {name}=2");
        assert_eq!(promoted(&given), ["n1", "n2"], "{name}");
    }
    let beside = |name: &str, number: u32| {
        let given = format!(
            "promotable=true globally-unique=true clone-max=2 clone-node-max=2 promoted-max=2 {name}={number}"
        );
        let rule = r##"<rsc_location id="p" rsc="c"><rule id="pr" role="Promoted" score="9">
            <expression id="pe" attribute="#uname" operation="defined"/></rule></rsc_location>"##;
        let text = resources(&clone("c", &given, &primitive("db", ""))) + &constraints(rule);
        Lab::new(1, &text).promoted("db").len()
    };
    for name in ["promoted-node-max", "master-node-max"] {
        assert_eq!((beside(name, 1), beside(name, 2)), (1, 2), "{name}");
    }
}

#[test]
fn instances_are_notified_if_they_want_to_be() {
    let notified = |given: &str| {
        let text = resources(&clone("c", given, &primitive("web", "")));
        let told = Lab::new(2, &text).told();
        told.iter().filter(|it| it.starts_with("notify")).count()
    };
    assert_eq!(notified("notify=false"), 0);
    assert!(notified("notify=true") >= 2);
}

#[test]
fn interleaved_instances_wait_only_for_those_beside_them() {
    let stopped = |given: &str| {
        let both =
            clone("c", given, &monitored("db", "")) + &clone("d", given, &primitive("web", ""));
        let order = r#"<rsc_order id="o1" first="c" then="d"/>"#;
        let mut lab = Lab::new(2, &(resources(&both) + &constraints(order)));
        let before = lab.told().len();
        lab.monitor_fails("db");
        let told = lab.told_since(before);
        told.iter().filter(|it| it.starts_with("stop web")).count()
    };
    assert_eq!(stopped("interleave=true"), 1);
    assert_eq!(stopped("interleave=false"), 2);
}

#[test]
fn members_of_a_group_start_in_order_and_together_unless_it_says_otherwise() {
    let members = primitive("db", "") + &primitive("web", "");
    let told = |given: &str| {
        let text = resources(&group("g", given, &members));
        let mut lab = Lab::of(&assemblies(&["", ""]), &text).hold("start db");
        lab.all_answer();
        lab.told().len()
    };
    assert_eq!(told("ordered=true"), 1);
    assert_eq!(told("ordered=false"), 2);
    let places = |given: &str| {
        let preferences = location("db", "n1", "10") + &location("web", "n2", "5");
        let text = resources(&group("g", given, &members)) + &constraints(&preferences);
        let lab = Lab::new(2, &text);
        [lab.places("db"), lab.places("web")].concat()
    };
    assert_eq!(places("collocated=true"), ["n1", "n1"]);
    assert_eq!(places("collocated=false"), ["n1", "n2"]);
    let instances = |given: &str| {
        let text = resources(&clone("c", given, &primitive("db", "")));
        let mut lab = Lab::of(&assemblies(&["", ""]), &text).hold("start db");
        lab.all_answer();
        lab.told().len()
    };
    assert_eq!(instances("ordered=true"), 1);
    assert_eq!(instances("ordered=false"), 2);
}

#[test]
fn what_is_not_critical_does_not_take_its_group_along() {
    let places = |critical: &str| {
        let given = format!("migration-threshold=1 critical={critical}");
        let members = primitive("db", "") + &monitored("web", &given);
        let text = resources(&group("g", "", &members)) + &constraints(&location("g", "n1", "10"));
        let mut lab = Lab::new(2, &text);
        assert_eq!(lab.places("web"), ["n1"]);
        lab.monitor_fails("web");
        lab.wait(10);
        [lab.places("db"), lab.places("web")]
    };
    assert_eq!(places("true"), [["n2"], ["n2"]]);
    assert_eq!(places("false"), [vec!["n1"], vec![]]);
}

/// A promoted instance has failed under `on-fail=block`, its failure was cleaned up, and the look
/// that followed could not tell anything. `operations`: further ones. With the number of orders
/// before that.
fn told_after_a_look_in_vain(operations: &str, failing: &[&str]) -> (Lab, usize) {
    let operations = format!(
        r#"<operations><op id="m" name="monitor" interval="10s" on-fail="block"/>
        <op id="p" name="monitor" interval="9s" role="Promoted" on-fail="block"/>{operations}</operations>"#
    );
    let db = primitive_with("db", "", &operations);
    let text = resources(&clone("c", "promotable=true", &db));
    let score = |score: u32| {
        format!(r#"<attributes><attribute name="master-db" value="{score}"/></attributes>"#)
    };
    let mut lab = Lab::with(&[&score(10), &score(5)], &text);
    assert_eq!(lab.promoted("db"), ["n1"]);
    let before = lab.told().len();
    lab.ends("monitor db n1", 1);
    assert_eq!(lab.told_since(before), [""; 0]);
    let mut lab = lab.fail(&["monitor db n1"]).fail(failing);
    lab.ask(Request::Cleanup {
        service: Some("db".into()),
        assembly: None,
    });
    assert_eq!(lab.looked_for("db"), ["n1", "n1", "n2"]);
    (lab, before)
}

#[test]
fn a_look_that_tells_nothing_has_no_other_instance_promoted() {
    let blocks = r#"<op id="l" name="monitor" interval="0" on-fail="block"/>"#;
    let (lab, before) = told_after_a_look_in_vain(blocks, &[]);
    assert_eq!(lab.told_since(before), [""; 0]);
}

#[test]
fn what_was_promoted_before_a_look_that_tells_nothing_is_demoted_before_it_stops() {
    let blocks = r#"<op id="s" name="stop" interval="0" on-fail="block"/>"#;
    let (lab, before) = told_after_a_look_in_vain(blocks, &["stop db n1"]);
    let told = lab.told_since(before);
    assert_eq!(told[..2], ["demote db n1", "stop db n1"]);
}
