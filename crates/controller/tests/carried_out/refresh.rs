//! What is carried out of a refresh: looks, and nothing that follows from not knowing.

use controller::{FailedOperation, Request, Task};

use crate::lab::*;

/// Where it prefers not to be: to whom nothing is known, it would go to n2.
fn sticky(elements: &str, given: &str) -> String {
    let defaults = meta("d", "resource-stickiness=100");
    format!("<rsc_defaults>{defaults}</rsc_defaults>")
        + &resources(elements)
        + &constraints(&(location("db", "n2", "10") + given))
}

fn refresh(lab: &mut Lab, service: &str) -> Vec<String> {
    let before = lab.told().len();
    lab.ask(Request::Refresh {
        service: (!service.is_empty()).then(|| service.into()),
        assembly: None,
    });
    lab.told_since(before)
}

#[test]
fn what_must_be_with_what_is_looked_for_stays() {
    let both = primitive("db", "") + &primitive("web", "");
    let with = r#"<rsc_colocation id="c" rsc="web" with-rsc="db" score="INFINITY"/>"#;
    let order = r#"<rsc_order id="o" first="db" then="web"/>"#;
    for given in [with.to_owned(), order.to_owned(), [with, order].concat()] {
        let history = [started("db"), started("web")].concat();
        let lab = Lab::running(&sticky(&both, &given), [history, vec![]]);
        let mut lab = lab.hold("monitor db n1").hold("monitor web n1");
        assert_eq!(refresh(&mut lab, "db"), [""; 0], "{given}");
        lab.ends("monitor db n1", 0);
        assert_eq!(refresh(&mut lab, ""), [""; 0], "{given}");
        let before = lab.told().len();
        lab.ends("monitor web n1", 0);
        lab.ends("monitor db n1", 0);
        assert_eq!(lab.told_since(before), [""; 0], "{given}");
        assert_eq!(lab.places("db"), ["n1"]);
        let looked = lab.looked_for("db");
        assert_eq!(looked.iter().filter(|place| *place == "n1").count(), 2);
    }
}

#[test]
fn a_container_and_its_content_stay() {
    let both = primitive("db", "") + &primitive("web", "container=db");
    let history = [started("db"), started("web")].concat();
    let lab = Lab::running(&sticky(&both, ""), [history, vec![]]);
    let mut lab = lab.hold("monitor db n1");
    // Nobody looks for the content of a container.
    assert_eq!(refresh(&mut lab, "web"), [""; 0]);
    assert_eq!(refresh(&mut lab, "db"), [""; 0]);
    let before = lab.told().len();
    lab.ends("monitor db n1", 0);
    assert_eq!(lab.told_since(before), [""; 0]);
}

#[test]
fn what_cannot_be_looked_for_is_as_it_was_known() {
    // Nobody may look for it where it runs, since it must not run there: it is left alone.
    let never =
        r#"<rsc_location id="n" rsc="db" node="n1" score="-INFINITY" resource-discovery="never"/>"#;
    let text = resources(&primitive("db", "is-managed=false")) + &constraints(never);
    let mut lab = Lab::running(&text, [started("db"), vec![]]);
    assert_eq!(refresh(&mut lab, ""), [""; 0]);
    let before = lab.told().len();
    lab.changes("is-managed\" value=\"false", "is-managed\" value=\"true");
    assert_eq!(lab.told_since(before), ["stop db n1", "start db n2"]);
}

#[test]
fn a_look_that_finds_it_gone_has_it_started_again() {
    let both = primitive("db", "") + &primitive("web", "");
    let order = r#"<rsc_order id="o" first="db" then="web"/>"#;
    let history = [started("db"), started("web")].concat();
    let mut lab = Lab::running(&sticky(&both, order), [history, vec![]]).fail(&["monitor db n1"]);
    let told = refresh(&mut lab, "db");
    assert!(told.contains(&"stop db n1".to_owned()), "{told:?}");
}

#[test]
fn a_cleanup_starts_nothing_elsewhere_that_may_run_where_nobody_may_look() {
    let block = r#"<operations><op id="s" name="stop" interval="0" on-fail="block"/></operations>"#;
    let never =
        r#"<rsc_location id="n" rsc="db" node="n1" score="-INFINITY" resource-discovery="never"/>"#;
    let text = resources(&primitive_with("db", "", block));
    let stop = FailedOperation {
        action: Task::Stop,
        interval_ms: None,
    };
    for request in [
        Request::Cleanup {
            service: None,
            assembly: None,
        },
        Request::CleanupOperation {
            service: "db".into(),
            assembly: None,
            operation: stop,
        },
    ] {
        let mut lab = Lab::running(&text, [started("db"), vec![]]).fail(&["stop db n1"]);
        let forbidden = format!("</resources>{}", constraints(never));
        lab.changes("</resources>", &forbidden);
        lab.ask(request.clone());
        // It is stopped once more, in vain.
        assert_eq!(lab.told(), ["stop db n1", "stop db n1"]);
        assert_eq!(lab.places("db"), ["n1"]);
        lab.mended("db n1");
        lab.ask(request);
        assert_eq!(lab.told()[2..], ["stop db n1", "start db n2"]);
    }
}

#[test]
fn a_refresh_waits_for_what_is_under_way() {
    let both = primitive("db", "") + &primitive("web", "");
    // The start of web takes its time.
    let rules = location("web", "n2", "10");
    let text = sticky(&both, &rules);
    let mut lab = Lab::of(&assemblies(&["", ""]), &text).hold("start web");
    lab.mended("db n1");
    lab.mended("web n2");
    lab.answers("n1", started("db"));
    lab.answers("n2", vec![done("web", Task::Stop, 0, 1)]);
    assert_eq!(lab.told(), ["start web n2"]);
    let looked = lab.looked_for("db").len();
    assert_eq!(refresh(&mut lab, ""), [""; 0]);
    lab.wait(2);
    assert_eq!(lab.looked_for("db").len(), looked, "that goes on first");
    lab.ends("start web n2", 0);
    assert_eq!(lab.looked_for("db").len(), looked + 2);
    assert_eq!(lab.looked_for("web"), ["n1", "n1", "n2"]);
    assert_eq!(lab.told(), ["start web n2"], "all is well");
}

#[test]
fn a_refresh_beside_an_assembly_that_waits_for_a_person_looks_at_all_others() {
    let both = primitive("db", "") + &primitive("web", "");
    let rules = location("db", "n1", "100") + &location("web", "n2", "100");
    let text = resources(&both) + &constraints(&rules);
    let histories = [started("db"), started("web")];
    let mut lab = Lab::running(&text, histories);
    lab.mended("db n1");
    lab.fences = false;
    lab.falls_silent("n2");
    lab.wait(60);
    assert!(!lab.fenced.is_empty());
    let looked = lab.looked_for("db").len();
    assert_eq!(refresh(&mut lab, "db"), [""; 0]);
    assert_eq!(lab.looked_for("db").len(), looked + 1);
    // What cannot be looked at is as it was known: nothing of it is started elsewhere.
    assert_eq!(refresh(&mut lab, ""), [""; 0]);
    assert_eq!(lab.looked_for("db").len(), looked + 2);
    // And the rest goes on: nothing waits for the person but what may run there.
    let before = lab.told().len();
    lab.ask(Request::Service {
        service: "db".into(),
        order: controller::ServiceOrder::Disable,
    });
    assert_eq!(lab.told_since(before), ["stop db n1"]);
}
