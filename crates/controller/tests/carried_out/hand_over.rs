//! What happens while an operation is under way that takes long.

use controller::{EventKind, Request};

use crate::lab::*;

const LONG: &str = "start db n2";

/// A service that runs in `n1`, and another one whose start in `n2` takes long.
fn starting(given: &str, more: &str, constraining: &str) -> Lab {
    let both = monitored("web", "") + &primitive("db", given) + more;
    let places = [
        location("web", "n1", "20"),
        location("web", "n3", "10"),
        location("db", "n2", "INFINITY"),
    ];
    let text = resources(&both) + &constraints(&(places.concat() + constraining));
    let lab = Lab::of(&assemblies(&["", "", ""]), &text);
    let mut lab = lab.hold(LONG);
    lab.all_answer();
    assert_eq!(lab.places("web"), ["n1"]);
    assert_eq!(lab.told(), ["start web n1", LONG]);
    lab
}

fn count(lab: &Lab, wanted: &str) -> usize {
    lab.told().iter().filter(|line| *line == wanted).count()
}

#[test]
fn what_is_lost_comes_back_elsewhere_while_a_start_is_under_way() {
    let mut lab = starting("", "", "");
    lab.falls_silent("n1");
    lab.wait(8);
    assert_eq!(lab.fenced.len(), 1);
    assert_eq!(lab.places("web"), ["n3"]);
    lab.ends(LONG, 0);
    assert_eq!(lab.places("db"), ["n2"]);
    assert_eq!(count(&lab, LONG), 1, "it was taken over");
}

#[test]
fn what_fails_elsewhere_is_recovered_while_a_start_is_under_way() {
    let mut lab = starting("", "", "");
    let before = lab.told().len();
    lab.monitor_fails("web");
    assert_eq!(lab.told_since(before), ["stop web n1", "start web n1"]);
    lab.ends(LONG, 1);
    assert_eq!(count(&lab, "stop db n2"), 1, "its failure is seen");
}

#[test]
fn a_clean_up_looks_when_the_start_is_over_and_holds_up_nothing() {
    let operations = r#"<operations><op id="m" name="monitor" interval="10s"/>
        <op id="s" name="stop" interval="0" on-fail="block"/></operations>"#;
    let web = primitive_with("web", "", operations);
    let all = web + &monitored("app", "") + &primitive("db", "");
    let places = [
        location("web", "n1", "20"),
        location("app", "n3", "INFINITY"),
        location("db", "n2", "INFINITY"),
    ];
    let text = resources(&all) + &constraints(&places.concat());
    let lab = Lab::of(&assemblies(&["", "", ""]), &text).hold(LONG);
    let mut lab = lab.fail(&["stop web n1"]);
    lab.all_answer();
    lab.monitor_fails("web");
    assert_eq!(lab.told().last().unwrap(), "stop web n1");
    lab.ask(Request::Cleanup {
        service: Some("web".into()),
        assembly: None,
    });
    let before = lab.told().len();
    lab.monitor_fails("app");
    assert_eq!(lab.told_since(before), ["stop app n3", "start app n3"]);
    lab.mended("web n1");
    assert_eq!(lab.looked_for("web"), ["n1", "n2", "n3"]);
    lab.ends(LONG, 0);
    assert_eq!(lab.looked_for("web"), ["n1", "n1", "n2", "n3"]);
}

#[test]
fn what_waits_for_the_start_waits_for_it_in_the_next_transition_too() {
    let order = r#"<rsc_order id="o" first="db" then="app"/>"#;
    let mut lab = starting("", &primitive("app", ""), order);
    lab.falls_silent("n1");
    lab.wait(8);
    assert_eq!(lab.places("web"), ["n3"]);
    assert!(lab.places("app").is_empty());
    lab.ends(LONG, 0);
    assert_eq!(lab.places("app").len(), 1);
}

#[test]
fn a_start_that_ends_before_what_it_would_wait_for_lets_nothing_begin_too_early() {
    let order = r#"<rsc_order id="o" first="db" then="app"/>"#;
    let mut lab = starting("", &primitive("app", ""), order);
    lab.fences = false;
    lab.falls_silent("n1");
    lab.wait(8);
    assert_eq!(lab.fenced.len(), 1);
    lab.ends(LONG, 0);
    assert_eq!(lab.places("db"), ["n2"]);
    assert!(lab.places("app").is_empty(), "the fencing is not over");
}

#[test]
fn what_is_to_be_stopped_while_it_is_started_is_awaited_and_fencing_is_not() {
    let mut lab = starting("", "", "");
    lab.ask(controller::Request::Standby {
        assembly: "n2".into(),
        on: true,
    });
    lab.falls_silent("n1");
    lab.wait(8);
    assert_eq!(lab.fenced.len(), 1);
    assert!(lab.places("web").is_empty());
    assert_eq!(count(&lab, "stop db n2"), 0);
    lab.ends(LONG, 0);
    assert_eq!(count(&lab, "stop db n2"), 1);
    assert_eq!(lab.places("web"), ["n3"]);
}

#[test]
fn what_an_assembly_does_that_leaves_is_awaited() {
    let mut lab = starting("", "", "");
    lab.leaves("n2");
    lab.falls_silent("n1");
    lab.wait(8);
    assert_eq!(lab.fenced.len(), 1);
    assert!(lab.places("web").is_empty());
    lab.ends(LONG, 0);
    assert_eq!(lab.places("web"), ["n3"]);
}

#[test]
fn a_start_whose_parameters_have_changed_is_awaited() {
    let mut lab = starting("", "", "");
    lab.changes("type=\"Simulated\"", "type=\"Another\"");
    lab.falls_silent("n1");
    lab.wait(8);
    assert_eq!(lab.fenced.len(), 1);
    assert!(lab.places("web").is_empty());
}

#[test]
fn a_promotion_that_takes_long_is_awaited_and_fencing_is_not() {
    let db = clone("dbs", "promotable=true", &primitive("db", ""));
    let places = [
        location("web", "n1", "20"),
        location("dbs", "n2", "10"),
        location("dbs", "n1", "-INFINITY"),
    ];
    let text = resources(&(monitored("web", "") + &db)) + &constraints(&places.concat());
    let scored = r#"<attributes><attribute name="master-db" value="10"/></attributes>"#;
    let lab = Lab::of(&assemblies(&["", scored, ""]), &text);
    let mut lab = lab.hold("promote db n2");
    lab.all_answer();
    assert_eq!(count(&lab, "promote db n2"), 1);
    lab.falls_silent("n1");
    lab.wait(8);
    assert_eq!(lab.fenced.len(), 1);
    assert!(lab.places("web").is_empty());
    lab.ends("promote db n2", 0);
    assert_eq!(lab.places("web").len(), 1);
    assert_eq!(lab.promoted("db"), ["n2"]);
}

#[test]
fn instances_that_are_started_keep_nothing_else_waiting() {
    let text = resources(&(monitored("web", "") + &clone("dbs", "", &primitive("db", ""))))
        + &constraints(&location("web", "n1", "20"));
    let lab = Lab::of(&assemblies(&["", "", ""]), &text);
    let mut lab = lab.hold("start db n2").hold("start db n3");
    lab.all_answer();
    lab.falls_silent("n1");
    lab.wait(8);
    assert_eq!(lab.places("web").len(), 1);
    lab.ends("start db n3", 0);
    lab.ends("start db n2", 0);
    for start in ["start db n2", "start db n3"] {
        assert_eq!(count(&lab, start), 1, "{start}");
    }
}

#[test]
fn results_that_keep_coming_keep_no_decision_from_being_taken() {
    let mut lab = starting("", "", "");
    for _ in 0..6 {
        let before = lab.told().len();
        lab.monitor_fails("web");
        assert!(!lab.told_since(before).is_empty());
    }
    assert_eq!(count(&lab, LONG), 1);
    lab.ends(LONG, 0);
    assert_eq!(lab.places("db"), ["n2"]);
}

#[test]
fn the_agent_that_comes_back_without_what_was_taken_over_is_asked_again() {
    let mut lab = starting("", "", "");
    lab.monitor_fails("web");
    let before = count(&lab, LONG);
    lab.answers("n2", Vec::new());
    assert_eq!(count(&lab, LONG), before + 1);
    lab.ends(LONG, 0);
    assert_eq!(lab.places("db"), ["n2"]);
}

#[test]
fn what_was_lost_before_its_turn_is_asked_for_when_its_turn_has_come() {
    let mut lab = starting("", "", "");
    lab.fences = false;
    lab.falls_silent("n1");
    lab.wait(8);
    assert_eq!(lab.fenced.len(), 1, "the start would wait for it by now");
    lab.answers("n2", Vec::new());
    assert_eq!(count(&lab, LONG), 1);
}

#[test]
fn what_waits_for_a_value_says_so_after_a_decision_beside_a_start() {
    let waiting = r#"<services><service name="late" class="ocf" provider="sim" type="Simulated"><parameters>
        <parameter name="to"><reference assembly="n3" parameter="hostname"/></parameter></parameters></service></services>"#;
    let both = monitored("web", "") + &primitive("db", "");
    let places = [
        location("web", "n1", "20"),
        location("db", "n2", "INFINITY"),
    ];
    let text = resources(&both) + &constraints(&places.concat());
    let mut lab = Lab::of(&assemblies(&[waiting, "", ""]), &text).hold(LONG);
    lab.all_answer();
    lab.monitor_fails("web");
    lab.ends(LONG, 0);
    let status = lab.status();
    let late = status.services.iter().find(|row| row.service == "late");
    let reason = late.map(|row| row.reason.as_str()).unwrap_or_default();
    assert!(reason.starts_with("it waits for 'hostname'"), "{reason}");
}

#[test]
fn that_nothing_can_be_decided_is_told_while_a_start_is_under_way() {
    let mut lab = starting("", "", "");
    lab.undecided = true;
    lab.monitor_fails("web");
    let reason = "the policy engine could not decide: it broke";
    assert_eq!(lab.reasons(EventKind::DecisionRefused), [reason]);
    assert_eq!(lab.status().summary, reason);
    lab.monitor_fails("web");
    assert_eq!(
        lab.reasons(EventKind::DecisionRefused),
        [reason],
        "the same again is not news"
    );
    lab.undecided = false;
    lab.ends(LONG, 0);
    assert_eq!(lab.places("web"), ["n1"]);
    assert_eq!(lab.places("db"), ["n2"]);
    assert_ne!(lab.status().summary, reason);
}
