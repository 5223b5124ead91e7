//! Cluster options.

use controller::{Request, Task};

use crate::lab::*;

#[test]
fn without_symmetry_a_service_runs_only_where_a_constraint_says() {
    let both = [primitive("web", ""), primitive("db", "")].concat();
    let rest = resources(&both) + &constraints(&location("db", "n2", "100"));
    let lab = Lab::new(2, &(options("symmetric-cluster=false") + &rest));
    assert_eq!(lab.places("web"), [""; 0]);
    assert_eq!(lab.places("db"), ["n2"]);
    assert_eq!(Lab::new(2, &rest).places("web").len(), 1);
}

#[test]
fn in_maintenance_mode_everything_is_left_alone() {
    let both = [primitive("web", "target-role=Stopped"), primitive("db", "")].concat();
    let rest = resources(&both);
    let in_mode = |mode: &str| {
        let text = options(&format!("maintenance-mode={mode}")) + &rest;
        Lab::running(&text, [started("web"), vec![]]).told()
    };
    assert_eq!(in_mode("true"), [""; 0]);
    assert_eq!(in_mode("false"), ["stop web n1", "start db n1"]);
}

#[test]
fn everything_stops_while_the_option_says_so() {
    let text = options("stop-all-resources=true") + &resources(&primitive("web", ""));
    let lab = Lab::running(&text, [started("web"), vec![]]);
    assert_eq!(lab.told(), ["stop web n1"]);
}

#[test]
fn a_failed_start_is_tried_again_there_unless_it_is_fatal() {
    let starts = |fatal: &str| {
        let text = options(&format!("start-failure-is-fatal={fatal}"))
            + &resources(&primitive("web", "migration-threshold=3"))
            + &constraints(&location("web", "n1", "10"));
        let mut lab = Lab::of(&assemblies(&["", ""]), &text).fail(&["start web n1"]);
        lab.all_answer();
        lab.wait(60);
        let starts = lab.told().into_iter();
        let starts: Vec<String> = starts.filter(|it| it.starts_with("start")).collect();
        starts
    };
    let (first, other) = ("start web n1", "start web n2");
    assert_eq!(starts("true"), [first, other]);
    assert_eq!(starts("false"), [first, first, first, other]);
}

#[test]
fn nothing_is_looked_for_without_startup_probes() {
    let looked_for = |wanted: &str| {
        let text = options(&format!("enable-startup-probes={wanted}"));
        let lab = Lab::new(2, &(text + &resources(&primitive("web", ""))));
        assert_eq!(lab.places("web").len(), 1);
        lab.looked_for("web")
    };
    assert_eq!(looked_for("false"), [""; 0]);
    assert_eq!(looked_for("true"), ["n1", "n2"]);
}

#[test]
fn what_is_not_in_the_document_stops_unless_the_option_says_otherwise() {
    let rest = resources(&primitive("web", ""));
    let told = |options: &str| {
        let text = options.to_owned() + &rest;
        let told = Lab::running(&text, [started("old"), vec![]]).told();
        told.into_iter()
            .filter(|it| it.contains("old"))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(""), ["stop old n1"]);
    for name in ["stop-removed-resources", "stop-orphan-resources"] {
        assert_eq!(told(&options(&format!("{name}=false"))), [""; 0], "{name}");
    }
}

#[test]
fn a_monitor_that_is_not_in_the_document_ends_unless_the_option_says_otherwise() {
    let rest = resources(&primitive("web", ""));
    let cancelled = |options: &str| {
        let history = vec![
            done("web", Task::Start, 0, 1),
            done("web", Task::Monitor, 10_000, 2),
        ];
        Lab::running(&(options.to_owned() + &rest), [history, vec![]]).cancelled
    };
    assert_eq!(cancelled(""), ["monitor web 10000 n1"]);
    for name in ["cancel-removed-actions", "stop-orphan-actions"] {
        let given = options(&format!("{name}=false"));
        assert_eq!(cancelled(&given), [""; 0], "{name}");
    }
}

#[test]
fn services_are_placed_by_capacity_if_the_strategy_says_so() {
    let uses = |id: &str| {
        let set = format!(
            r#"<utilization id="{id}-u"><nvpair id="{id}-c" name="cpu" value="1"/></utilization>"#
        );
        primitive_with(id, "", &set)
    };
    let rest = resources(&[uses("web"), uses("db")].concat());
    let places = |strategy: &str| {
        let text = options(&format!("placement-strategy={strategy}")) + &rest;
        let room = [r#"<capacity cpu="2"/>"#, r#"<capacity cpu="0"/>"#];
        let lab = Lab::with(&room, &text);
        [lab.places("web"), lab.places("db")].concat()
    };
    assert_eq!(places("utilization"), ["n1", "n1"]);
    assert_eq!(places("default"), ["n1", "n2"]);
}

/// Where two services run that prefer `n2`, which has a health attribute; the second is allowed
/// anywhere.
fn places_by_health(health: &str, given: &str) -> Vec<String> {
    let both = [
        primitive("web", ""),
        primitive("db", "allow-unhealthy-nodes=true"),
    ]
    .concat();
    let preferences = [location("web", "n2", "30"), location("db", "n2", "30")].concat();
    let text = options(given) + &resources(&both) + &constraints(&preferences);
    let attribute =
        format!(r##"<attributes><attribute name="#health-disk" value="{health}"/></attributes>"##);
    let lab = Lab::with(&["", &attribute], &text);
    [lab.places("web"), lab.places("db")].concat()
}

#[test]
fn services_leave_assemblies_that_are_not_healthy() {
    let by_strategy = |health: &str, strategy: &str| {
        places_by_health(health, &format!("node-health-strategy={strategy}"))
    };
    assert_eq!(by_strategy("red", "none"), ["n2", "n2"]);
    assert_eq!(by_strategy("red", "migrate-on-red"), ["n1", "n2"]);
    assert_eq!(by_strategy("yellow", "migrate-on-red"), ["n2", "n2"]);
    assert_eq!(by_strategy("yellow", "only-green"), ["n1", "n2"]);
    for (health, given, expected) in [
        ("yellow", "node-health-yellow=-50", "n1"),
        ("yellow", "node-health-yellow=-10", "n2"),
        ("red", "node-health-red=-50", "n1"),
        ("red", "node-health-red=-10", "n2"),
        ("green", "node-health-green=-50", "n1"),
        ("green", "node-health-green=-10", "n2"),
    ] {
        let given = format!("node-health-strategy=progressive {given}");
        assert_eq!(places_by_health(health, &given)[0], expected, "{given}");
    }
    let base = "node-health-strategy=progressive node-health-base=-INFINITY";
    assert_eq!(places_by_health("green", base), ["n2"], "only the second");
}

#[test]
fn what_may_migrate_moves_live_unless_the_option_says_otherwise() {
    let moved = |given: &str, live: &str| {
        let text = options(&format!("live-migration={live}"))
            + &resources(&primitive("web", given))
            + &constraints(&location("web", "n1", "10"));
        let mut lab = Lab::new(2, &text);
        let before = lab.told().len();
        lab.ask(Request::Standby {
            assembly: "n1".into(),
            on: true,
        });
        assert_eq!(lab.places("web"), ["n2"]);
        lab.told_since(before)
    };
    let live = ["migrate_to web n1", "migrate_from web n2", "stop web n1"];
    assert_eq!(moved("allow-migrate=true", "true"), live);
    let not_live = ["stop web n1", "start web n2"];
    assert_eq!(moved("allow-migrate=true", "false"), not_live);
    assert_eq!(moved("allow-migrate=false", "true"), not_live);
}

#[test]
fn no_more_operations_are_under_way_than_the_limits_say() {
    let six: String = (0..6)
        .map(|number| primitive(&format!("s{number}"), ""))
        .collect();
    let under_way = |given: &str| {
        let text = options(given) + &resources(&six);
        let mut lab = Lab::of(&assemblies(&["", ""]), &text).hold("");
        lab.all_answer();
        lab.orders.len()
    };
    assert_eq!(under_way("batch-limit=3"), 3);
    assert_eq!(under_way("node-action-limit=2"), 4);
    assert_eq!(under_way("batch-limit=0"), 12);
    let migrating = |given: &str| {
        let movable = ["s0", "s1", "s2"]
            .map(|id| primitive(id, "allow-migrate=true"))
            .concat();
        let homes = ["s0", "s1", "s2"]
            .map(|id| location(id, "n1", "10"))
            .concat();
        let text = options(given) + &resources(&movable) + &constraints(&homes);
        let mut lab = Lab::new(2, &text).hold("migrate_to");
        let before = lab.told().len();
        lab.ask(Request::Standby {
            assembly: "n1".into(),
            on: true,
        });
        lab.told_since(before).len()
    };
    assert_eq!(migrating("migration-limit=1"), 1);
    assert_eq!(migrating("migration-limit=-1"), 3);
}

#[test]
fn the_policy_engine_is_asked_again_after_the_recheck_interval() {
    let asked = |interval: &str| {
        let text = options(&format!("cluster-recheck-interval={interval}"));
        let mut lab = Lab::new(1, &(text + &resources(&primitive("web", ""))));
        lab.wait(2);
        let before = lab.questions;
        lab.wait(60);
        lab.questions - before
    };
    assert_eq!(asked("0"), 0);
    assert!((4..=6).contains(&asked("10s")));
    // Shorter than a second counts as one.
    assert!((55..=61).contains(&asked("200ms")));
}
