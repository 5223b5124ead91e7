//! What upkeep would bring is said before, and what would not hold.

use controller::{FailedOperation, Refusal, Request, Task};
use cpe_status::ServicePlan;

use crate::lab::*;
use crate::overlay::{lines, sticky};

impl Lab {
    fn planned(&self, request: &Request) -> ServicePlan {
        let input = self.controller.plan_upkeep(self.now(), request);
        input.unwrap().answer().unwrap()
    }
}

fn cleanup(service: &str) -> Request {
    Request::Cleanup {
        service: Some(service.into()),
        assembly: None,
    }
}

fn maintenance(assembly: &str, on: bool) -> Request {
    let assembly = (!assembly.is_empty()).then(|| assembly.into());
    Request::Maintenance { assembly, on }
}

fn refresh() -> Request {
    Request::Refresh {
        service: None,
        assembly: None,
    }
}

/// `web` is at home on n1, where its start failed; it runs on n2.
fn away() -> Lab {
    let home = constraints(&location("web", "n1", "100"));
    let text = resources(&primitive("web", "")) + &home;
    let mut lab = Lab::of(&assemblies(&["", ""]), &text).fail(&["start web n1"]);
    lab.all_answer();
    lab.wait(2);
    assert_eq!(lab.places("web"), ["n2"]);
    lab.mended("");
    lab
}

#[test]
fn a_cleanup_shows_what_is_forgotten_and_what_moves_then() {
    let mut lab = away();
    let plan = lab.planned(&cleanup("web"));
    assert_eq!((&*plan.verb, &*plan.service), ("cleanup", "web"));
    let forgotten = "failures of web on n1 are forgotten: start INFINITY";
    assert_eq!(plan.changes, [forgotten]);
    assert_eq!(lines(&plan), ["move web n2 n1"]);
    assert!(plan.refused.is_empty() && !plan.unchanged, "{plan:?}");
    assert_eq!(lab.places("web"), ["n2"], "nothing has changed");
    // What is planned is what is done.
    let before = lab.told().len();
    lab.ask(cleanup("web"));
    lab.wait(2);
    assert_eq!(lab.told_since(before), ["stop web n2", "start web n1"]);
    let again = lab.planned(&cleanup("web"));
    assert!(again.unchanged && again.actions.is_empty(), "{again:?}");
}

#[test]
fn a_cleanup_of_one_operation_forgets_that_one() {
    let lab = away();
    let of = |action: Task| Request::CleanupOperation {
        service: "web".into(),
        assembly: None,
        operation: FailedOperation {
            action,
            interval_ms: None,
        },
    };
    assert!(lab.planned(&of(Task::Monitor)).unchanged);
    let plan = lab.planned(&of(Task::Start));
    assert_eq!(
        plan.changes,
        ["failures of start of web on n1 are forgotten"]
    );
    assert_eq!(lines(&plan), ["move web n2 n1"]);
}

#[test]
fn what_is_planned_of_what_is_not_there_is_refused_as_the_order_is() {
    let lab = away();
    let now = lab.now();
    for request in [
        cleanup("nothing"),
        maintenance("n9", true),
        Request::Refresh {
            service: Some("nothing".into()),
            assembly: None,
        },
    ] {
        let planned = lab.controller.plan_upkeep(now, &request);
        assert!(
            matches!(planned, Err(Refusal::NotFound { .. })),
            "{request:?}"
        );
    }
    let other = Request::StandbyOfAll { on: true };
    let planned = lab.controller.plan_upkeep(now, &other);
    assert!(matches!(planned, Err(Refusal::InvalidArgument(_))));
}

#[test]
fn a_refresh_of_what_is_well_starts_and_stops_nothing() {
    let both = primitive("db", "") + &primitive("web", "");
    let text = sticky() + &resources(&both) + &constraints(&location("web", "n2", "100"));
    let lab = Lab::running(&text, [started("db"), started("web")]);
    let plan = lab.planned(&refresh());
    assert_eq!(lines(&plan), [""; 0]);
    assert!(plan.refused.is_empty(), "{plan:?}");
    assert!(plan.changes[0].starts_with("everything is looked at again on n1, n2"));
}

#[test]
fn what_has_failed_last_is_looked_at_and_started_if_it_does_not_run() {
    let block = r#"<operations><op id="s" name="stop" interval="0" on-fail="block"/></operations>"#;
    let text = resources(&primitive_with("db", "", block));
    let mut lab = Lab::running(&text, [started("db"), vec![]]).fail(&["stop db n1"]);
    lab.ask(Request::Standby {
        assembly: "n1".into(),
        on: true,
    });
    lab.wait(2);
    for request in [cleanup("db"), refresh()] {
        let plan = lab.planned(&request);
        let look = "db on n1 is looked at again: what is found there decides".to_owned();
        assert!(plan.changes.contains(&look), "{plan:?}");
        assert_eq!(lines(&plan), ["start db  n2"], "{request:?}");
        assert!(plan.refused.is_empty(), "{plan:?}");
    }
}

#[test]
fn maintenance_would_leave_down_what_is_being_moved() {
    let mut lab = Lab::running(&resources(&primitive("web", "")), [started("web"), vec![]]);
    let plan = lab.planned(&maintenance("", true));
    assert!(
        plan.refused.is_empty() && lines(&plan).is_empty(),
        "{plan:?}"
    );
    assert!(plan.changes[0].contains("its services are left alone"));
    lab = lab.hold("stop web n1");
    lab.ask(Request::Standby {
        assembly: "n1".into(),
        on: true,
    });
    let plan = lab.planned(&maintenance("", true));
    let down = "web would stay down: nothing is started in maintenance";
    assert_eq!(plan.refused, [down]);
    assert!(plan.hints[0].contains("cpectl wait"), "{plan:?}");
    lab.ends("stop web n1", 0);
    lab.wait(2);
    assert_eq!(lab.places("web"), ["n2"]);
    let plan = lab.planned(&maintenance("", true));
    assert!(plan.refused.is_empty(), "{plan:?}");
}

#[test]
fn the_end_of_maintenance_shows_what_is_done_then() {
    let mut lab = Lab::running(&resources(&primitive("web", "")), [started("web"), vec![]]);
    lab.ask(maintenance("", true));
    lab.ask(maintenance("n1", true));
    assert!(lab.planned(&maintenance("", true)).unchanged);
    lab.ask(Request::Standby {
        assembly: "n1".into(),
        on: true,
    });
    lab.wait(2);
    assert_eq!(lab.places("web"), ["n1"], "it is left alone");
    let plan = lab.planned(&maintenance("n1", false));
    assert!(lines(&plan).is_empty(), "{plan:?}");
    let whole = "n1 stays in maintenance, since all of sim is";
    assert!(plan.warnings[0].starts_with(whole), "{plan:?}");
    let plan = lab.planned(&maintenance("", false));
    assert!(plan.warnings[0].starts_with("n1 stays in maintenance: "));
    lab.ask(maintenance("n1", false));
    let plan = lab.planned(&maintenance("", false));
    assert_eq!(lines(&plan), ["move web n1 n2"]);
    assert!(plan.refused.is_empty() && plan.warnings.is_empty());
}

#[test]
fn the_end_of_maintenance_that_would_stop_something_for_good_is_refused() {
    let mut lab = Lab::running(&resources(&primitive("web", "")), [started("web"), vec![]]);
    lab.ask(maintenance("", true));
    lab.ask(Request::StandbyOfAll { on: true });
    lab.wait(2);
    assert_eq!(lab.places("web"), ["n1"], "it is left alone");
    let plan = lab.planned(&maintenance("", false));
    assert_eq!(plan.refused, ["web could run nowhere then"]);
    assert_eq!(lines(&plan), ["stop web n1"]);
    assert_ne!(plan.fingerprint, "");
}

#[test]
fn standby_is_judged_by_where_things_will_be_when_what_is_under_way_is_done() {
    for held in ["stop web n1", "start web n2"] {
        let text = resources(&primitive("web", ""));
        let mut lab = Lab::running(&text, [started("web"), vec![]]).hold(held);
        let standby = |lab: &Lab, name: &str| {
            let plan = lab
                .controller
                .plan_standby(lab.now(), Some(&name.into()), true);
            plan.unwrap().answer().unwrap().refused
        };
        assert_eq!(standby(&lab, "n1"), [""; 0], "{held}");
        lab.ask(Request::Standby {
            assembly: "n1".into(),
            on: true,
        });
        let left_out = "web would run nowhere: no assembly may run it";
        assert_eq!(standby(&lab, "n2"), [left_out], "{held}");
        assert_eq!(standby(&lab, "n1"), [""; 0], "{held}");
    }
}
