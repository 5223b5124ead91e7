//! Operations that an administrator has a resource agent do once: they are what the engine's own
//! would be, count nowhere, and what runs is looked at again afterwards.

use controller::{DebugTask, EventKind, OP_DIGEST, Refusal, Request, ServiceOrder, Task};
use cpe_status::DebugState;

use crate::lab::*;

/// Two assemblies, and a service that runs in the first.
fn running(given: &str) -> Lab {
    let text = resources(&monitored("db", given));
    Lab::running(&text, [started("db"), vec![done("db", Task::Stop, 0, 1)]])
}

fn unmanage(lab: &mut Lab) {
    order(lab, ServiceOrder::Unmanage);
}

fn order(lab: &mut Lab, order: ServiceOrder) {
    lab.ask(Request::Service {
        service: "db".into(),
        order,
    });
}

fn refused(lab: &mut Lab, task: DebugTask, assembly: &str) -> String {
    match lab.debug(task, "db", assembly) {
        Err(Refusal::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_look_is_told_and_counts_nowhere() {
    let mut lab = running("").fail(&["monitor db n1"]);
    let (before, questions) = (lab.status(), lab.questions);
    let id = lab.debug(DebugTask::Monitor, "db", "n1").unwrap();
    let report = lab.controller.debugged(&id).unwrap();
    assert_eq!(report.state, DebugState::Done);
    assert_eq!((report.rc, &*report.meaning), (Some(1), "error"));
    assert_eq!((&*report.before, &*report.belief), ("running", "running"));
    assert_eq!(report.agent, "ocf:sim:Simulated");
    assert_eq!(lab.questions, questions, "nothing is decided by it");
    let after = lab.status();
    assert_eq!(after.services, before.services);
    assert_eq!(after.failures, before.failures);
    assert_eq!(lab.told(), [""; 0]);
    let reasons = lab.reasons(EventKind::ServiceDebugged);
    assert_eq!(reasons, ["monitor returned 1 (error), asked for by root"]);
}

#[test]
fn a_look_that_finds_something_else_says_so() {
    let mut lab = running("");
    lab.mended("db n2");
    let id = lab.debug(DebugTask::Monitor, "db", "n2").unwrap();
    let report = lab.controller.debugged(&id).unwrap();
    assert_eq!(report.belief, "not running");
    assert!(report.remark.contains("cpectl refresh"), "{report:?}");
}

#[test]
fn what_is_managed_is_neither_started_nor_stopped_by_hand() {
    let mut lab = running("");
    for task in [DebugTask::Start, DebugTask::Stop] {
        let text = refused(&mut lab, task, "n1");
        assert!(text.contains("cpectl unmanage sim db"), "{text}");
    }
    let text = refused(&mut lab, DebugTask::Start, "n1");
    assert!(text.contains("nothing was run"), "{text}");
    assert_eq!(lab.told(), [""; 0]);
}

#[test]
fn what_was_stopped_by_hand_is_looked_at_and_left_alone() {
    let mut lab = running("");
    unmanage(&mut lab);
    let looked = lab.looked_for("db").len();
    let id = lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    let report = lab.controller.debugged(&id).unwrap();
    assert_eq!(report.state, DebugState::Done, "{report:?}");
    assert_eq!(
        (&*report.before, &*report.belief),
        ("running", "not running")
    );
    assert_eq!(lab.looked_for("db").len(), looked + 1);
    assert_eq!(lab.told(), ["stop db n1"]);
    assert_eq!(lab.places("db"), [""; 0]);
    // The engine goes on from there.
    order(&mut lab, ServiceOrder::Manage);
    assert_eq!(lab.told().len(), 2);
    assert!(lab.told()[1].starts_with("start db"));
}

#[test]
fn what_was_started_by_hand_is_known_to_run() {
    let mut lab = running("");
    unmanage(&mut lab);
    lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    lab.mended("db n2");
    let id = lab.debug(DebugTask::Start, "db", "n2").unwrap();
    let report = lab.controller.debugged(&id).unwrap();
    assert_eq!(
        (&*report.before, &*report.belief),
        ("not running", "running")
    );
    assert_eq!(lab.places("db"), ["n2"]);
    let before = lab.told().len();
    order(&mut lab, ServiceOrder::Manage);
    assert_eq!(lab.told_since(before), [""; 0], "it stays where it is");
}

#[test]
fn a_failure_counts_nowhere_and_what_runs_is_looked_at() {
    let mut lab = running("").fail(&["stop db n1"]);
    unmanage(&mut lab);
    lab.mended("db n1");
    let mut lab = lab.fail(&["stop db n1"]);
    let id = lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    let report = lab.controller.debugged(&id).unwrap();
    assert_eq!((report.rc, &*report.belief), (Some(1), "running"));
    assert!(lab.status().failures.is_empty());
    assert_eq!(lab.reasons(EventKind::ServiceFailed), [""; 0]);
    assert!(lab.fenced.is_empty());
}

#[test]
fn nothing_is_started_where_it_may_run_elsewhere() {
    let mut lab = running("");
    unmanage(&mut lab);
    let text = refused(&mut lab, DebugTask::Start, "n2");
    assert!(text.contains("it runs there"), "{text}");
    lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    // A lost assembly is not down.
    lab.fences = false;
    lab.falls_silent("n1");
    lab.wait(60);
    let text = refused(&mut lab, DebugTask::Start, "n2");
    assert!(text.contains("n1 is not known to be down"), "{text}");
    assert_eq!(lab.told(), ["stop db n1"]);
}

#[test]
fn nothing_is_begun_with_a_service_while_it_is_started_by_hand() {
    let mut lab = running("");
    unmanage(&mut lab);
    lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    let mut lab = lab.hold("start db n2");
    let id = lab.debug(DebugTask::Start, "db", "n2").unwrap();
    assert_eq!(
        lab.controller.debugged(&id).unwrap().state,
        DebugState::Running
    );
    // Another order has to wait.
    let again = lab.debug(DebugTask::Stop, "db", "n2");
    assert!(matches!(again, Err(Refusal::NotReady(_))), "{again:?}");
    // The engine would start it in n1, which it prefers by its name.
    let before = lab.told().len();
    order(&mut lab, ServiceOrder::Manage);
    lab.wait(5);
    assert_eq!(lab.told_since(before), [""; 0]);
    lab.mended("db n2");
    lab.ends("start db n2", 0);
    assert_eq!(lab.told_since(before), [""; 0], "it runs in n2");
    assert_eq!(lab.places("db"), ["n2"]);
    assert_eq!(lab.controller.debugged(&id).unwrap().belief, "running");
}

#[test]
fn another_dpe_looks_at_what_was_begun_before_it() {
    for killed in [false, true] {
        let mut lab = running("");
        unmanage(&mut lab);
        lab.debug(DebugTask::Stop, "db", "n1").unwrap();
        let mut lab = lab.hold("start db n2");
        let id = lab.debug(DebugTask::Start, "db", "n2").unwrap();
        lab.restarts();
        assert_eq!(lab.controller.debugged(&id), None);
        lab.answers("n1", vec![done("db", Task::Stop, 0, 1)]);
        let begun = lab.under_way("start db n2");
        lab.answers("n2", vec![begun]);
        let state = lab.controller.debugged(&id).unwrap().state;
        assert_eq!(state, DebugState::Running);
        let before = lab.told().len();
        order(&mut lab, ServiceOrder::Manage);
        assert_eq!(lab.told_since(before), [""; 0]);
        lab.mended("db n2");
        match killed {
            true => lab.unknown("start db n2"),
            false => lab.ends("start db n2", 0),
        }
        assert_eq!(lab.told_since(before), [""; 0], "{killed}");
        assert_eq!(lab.places("db"), ["n2"], "{killed}");
        assert!(lab.status().failures.is_empty(), "{killed}");
        assert_eq!(lab.reasons(EventKind::ServiceDebugged).len(), 2);
    }
}

#[test]
fn what_never_came_to_its_agent_is_said_to_be_lost() {
    let mut lab = running("").hold("monitor db n1");
    let id = lab.debug(DebugTask::Monitor, "db", "n1").unwrap();
    lab.answers("n1", started("db"));
    let report = lab.controller.debugged(&id).unwrap();
    assert_eq!(report.state, DebugState::Lost);
    assert!(report.remark.contains("knows nothing of it"), "{report:?}");
}

#[test]
fn what_its_agent_never_tells_the_end_of_is_given_up() {
    let mut lab = running("").hold("monitor db n1");
    let id = lab.debug(DebugTask::Monitor, "db", "n1").unwrap();
    lab.wait(60);
    assert_eq!(
        lab.controller.debugged(&id).unwrap().state,
        DebugState::Running
    );
    lab.wait(60);
    assert_eq!(
        lab.controller.debugged(&id).unwrap().state,
        DebugState::Lost
    );
    // It comes late.
    lab.ends("monitor db n1", 0);
    let report = lab.controller.debugged(&id).unwrap();
    assert_eq!((report.state, report.rc), (DebugState::Done, Some(0)));
}

#[test]
fn what_another_agent_has_started_is_not_stopped_by_that_of_the_document() {
    let mut lab = running("");
    unmanage(&mut lab);
    lab.changes(r#"type="Simulated""#, r#"type="Other""#);
    let text = refused(&mut lab, DebugTask::Stop, "n1");
    assert!(text.contains("by ocf:sim:Simulated"), "{text}");
    assert_eq!(lab.told(), [""; 0]);
}

#[test]
fn what_ends_when_the_document_names_another_agent_counts() {
    let mut lab = running("");
    unmanage(&mut lab);
    lab = lab.hold("stop db n1");
    lab.fences = false;
    lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    lab.changes(r#"type="Simulated""#, r#"type="Other""#);
    let looked = lab.looked_for("db").len();
    lab.ends("stop db n1", 1);
    order(&mut lab, ServiceOrder::Manage);
    lab.wait(5);
    assert_eq!(lab.looked_for("db").len(), looked);
    assert!(
        !lab.told().iter().any(|it| it == "start db n2"),
        "{:?}",
        lab.told()
    );
}

#[test]
fn what_is_wanted_may_change_before_it_begins() {
    let mut lab = running("");
    unmanage(&mut lab);
    let input = lab
        .controller
        .plan_debug(lab.now(), DebugTask::Stop, &"db".into(), &"n1".into());
    let asked = input.unwrap().answer().unwrap();
    order(&mut lab, ServiceOrder::Manage);
    let refused = lab.order_debug(asked);
    assert!(matches!(refused, Err(Refusal::NotReady(_))), "{refused:?}");
    assert_eq!(lab.told(), [""; 0]);
}

#[test]
fn what_has_no_agent_of_its_own_is_not_run() {
    let members = primitive("web", "") + &primitive("db", "is-managed=false");
    let mut lab = Lab::new(2, &resources(&group("all", "", &members)));
    let refusal = lab.debug(DebugTask::Monitor, "all", "n1").unwrap_err();
    assert!(refusal.to_string().contains("web, db"), "{refusal}");
    let refusal = lab.debug(DebugTask::Monitor, "none", "n1").unwrap_err();
    assert!(matches!(refusal, Refusal::NotFound { .. }));
    let refusal = lab.debug(DebugTask::Monitor, "db", "n9").unwrap_err();
    assert!(matches!(refusal, Refusal::NotFound { .. }));
}

#[test]
fn an_instance_is_looked_at_and_not_started() {
    let web = primitive("web", "");
    let mut lab = Lab::new(2, &resources(&clone("webs", "is-managed=false", &web)));
    let id = lab.debug(DebugTask::Monitor, "web", "n1").unwrap();
    assert_eq!(lab.controller.debugged(&id).unwrap().service, "web");
    let refusal = lab.debug(DebugTask::Start, "web", "n1").unwrap_err();
    assert!(
        refusal.to_string().contains("several instances"),
        "{refusal}"
    );
}

#[test]
fn nothing_is_started_where_it_runs_already() {
    let mut lab = running("");
    unmanage(&mut lab);
    let text = refused(&mut lab, DebugTask::Start, "n1");
    assert!(text.contains("it runs there"), "{text}");
    assert!(text.contains("cpectl debug stop sim db --on n1"), "{text}");
    assert_eq!(lab.told(), [""; 0]);
}

#[test]
fn what_may_run_still_is_looked_for_with_its_own_parameters() {
    let parameters = |port: &str| {
        format!(
            r#"<instance_attributes id="db.p"><nvpair id="db.port" name="port" value="{port}"/></instance_attributes>"#
        )
    };
    let mut lab = Lab::new(2, &resources(&primitive_with("db", "", &parameters("1"))));
    let home = lab.places("db").remove(0);
    unmanage(&mut lab);
    lab.changes(r#"value="1""#, r#"value="2""#);
    let mut lab = lab.fail(&[&format!("stop db {home}")]);
    lab.debug(DebugTask::Stop, "db", &home).unwrap();
    let look = lab.operation(&format!("monitor db {home}"));
    assert_eq!(look.parameters["port"], "1");
    let started = lab.operation(&format!("start db {home}"));
    assert_eq!(look.annotations[OP_DIGEST], started.annotations[OP_DIGEST]);
}

#[test]
fn what_is_known_may_change_before_it_begins() {
    let mut lab = running("");
    unmanage(&mut lab);
    lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    let input = lab
        .controller
        .plan_debug(lab.now(), DebugTask::Start, &"db".into(), &"n2".into());
    let asked = input.unwrap().answer().unwrap();
    // The guest was booted meanwhile, and nobody has looked there yet.
    lab = lab.hold("monitor db n1");
    lab.answers_as("n1", "another", Vec::new());
    let before = lab.told().len();
    let refused = lab.order_debug(asked);
    assert!(matches!(refused, Err(Refusal::NotReady(_))), "{refused:?}");
    assert_eq!(lab.told_since(before), [""; 0]);
}

#[test]
fn no_look_hides_what_is_run_by_hand() {
    let mut lab = running("");
    unmanage(&mut lab);
    lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    let mut lab = lab.hold("start db n2");
    lab.debug(DebugTask::Start, "db", "n2").unwrap();
    let looked = lab.looked_for("db").len();
    lab.ask(Request::Refresh {
        service: None,
        assembly: None,
    });
    order(&mut lab, ServiceOrder::Manage);
    lab.wait(5);
    assert_eq!(lab.looked_for("db").len(), looked);
    lab.mended("db n2");
    let before = lab.told().len();
    lab.ends("start db n2", 0);
    assert!(lab.looked_for("db").len() > looked);
    assert_eq!(lab.told_since(before), [""; 0], "it runs in n2");
    assert_eq!(lab.places("db"), ["n2"]);
}

#[test]
fn a_deployment_does_not_end_beside_what_is_run_by_hand() {
    let mut lab = running("");
    unmanage(&mut lab);
    lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    let mut lab = lab.hold("start db n2");
    lab.debug(DebugTask::Start, "db", "n2").unwrap();
    lab.ask(Request::Unload {
        stop_services: true,
    });
    lab.wait(5);
    assert!(lab.controller.wanted(&"n2".into()).is_some());
    lab.mended("db n2");
    lab.ends("start db n2", 0);
    lab.wait(20);
    assert!(
        lab.told().iter().any(|it| it == "stop db n2"),
        "{:?}",
        lab.told()
    );
}

#[test]
fn a_look_in_an_assembly_that_has_died_since_is_not_awaited() {
    // Nothing is fenced while nothing is managed.
    let text = resources(&(monitored("db", "") + &monitored("web", "")));
    let mut lab = Lab::running(&text, [started("db"), vec![done("db", Task::Stop, 0, 1)]]);
    unmanage(&mut lab);
    lab = lab.hold("monitor db n1");
    lab.debug(DebugTask::Stop, "db", "n1").unwrap();
    let refused = lab.debug(DebugTask::Start, "db", "n2");
    assert!(matches!(refused, Err(Refusal::NotReady(_))), "{refused:?}");
    lab.falls_silent("n1");
    lab.wait(60);
    assert_eq!(lab.fenced.len(), 1);
    lab.mended("db n2");
    lab.debug(DebugTask::Start, "db", "n2").unwrap();
    assert_eq!(lab.places("db"), ["n2"]);
}
