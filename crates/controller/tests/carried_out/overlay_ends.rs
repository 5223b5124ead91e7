//! How orders about services end, and what keeps them from being given.

use controller::{EventKind, Lifetime, Request, ServiceOrder};

use crate::lab::*;
use crate::overlay::{PLACED, ban, lines, order_move, sticky};

#[test]
fn a_restart_in_a_live_migration_stops_what_has_come() {
    let text = resources(&primitive("web", "allow-migrate=true"))
        + &constraints(&location("web", "n1", "10"));
    let mut lab = Lab::new(2, &text).hold("migrate_to");
    lab.ask(Request::Standby {
        assembly: "n1".into(),
        on: true,
    });
    lab.order("web", ServiceOrder::Restart);
    let before = lab.told().len();
    lab.ends("migrate_to web n1", 0);
    lab.wait(2);
    let told = lab.told_since(before);
    assert!(told.contains(&"stop web n2".to_owned()), "{told:?}");
    assert_eq!(told.last().unwrap(), "start web n2");
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn what_is_moved_away_and_can_start_nowhere_else_may_go_back() {
    let why = "it could start nowhere else, and may go back";
    let text = resources(&primitive("web", ""));
    let lab = Lab::running(&text, [started("web"), vec![]]);
    let mut lab = lab.fail(&["start web n2"]);
    lab.order("web", order_move(None, PLACED));
    lab.wait(2);
    assert_eq!(lab.places("web"), ["n1"]);
    assert_eq!(lab.overlay(), [""; 0]);
    let told = lab.reasons(EventKind::OverlayRemoved);
    assert!(told[0].ends_with(why), "{told:?}");
    // The promoted role, too.
    let text = resources(&clone("dbs", "promotable=true", &primitive("db", "")));
    let mut lab = Lab::new(2, &text);
    lab.sets("n1", "master-db", "10", 0);
    lab.wait(2);
    assert_eq!(lab.promoted("db"), ["n1"]);
    lab.order("db", order_move(None, PLACED));
    lab.wait(2);
    assert_eq!(lab.promoted("db"), ["n1"]);
    let told = lab.reasons(EventKind::OverlayRemoved);
    assert!(told[0].ends_with(why), "{told:?}");
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn a_move_ends_also_where_assemblies_offer_capacity() {
    let uses = r#"<utilization id="u"><nvpair id="c" name="cpu" value="1"/></utilization>"#;
    let service = primitive_with("web", "resource-stickiness=1000", uses);
    let text = options("placement-strategy=balanced") + &resources(&service);
    let mut lab = Lab::with(&[r#"<capacity cpu="8"/>"#; 2], &text);
    let home = lab.places("web").concat();
    let other = if home == "n1" { "n2" } else { "n1" };
    lab.order("web", order_move(Some(other), PLACED));
    lab.wait(2);
    assert_eq!(lab.places("web"), [other]);
    assert_eq!(lab.overlay(), [""; 0]);
    // There are pseudo-actions in each answer, and no reason to ask again.
    let asked = lab.questions;
    lab.wait(60);
    assert_eq!(lab.questions, asked);
}

/// `n2` is lost, and is not made safe.
fn with_a_loss() -> Lab {
    let text = resources(&primitive("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.fences = false;
    lab.falls_silent("n2");
    lab.wait(120);
    lab
}

#[test]
fn nothing_is_stopped_that_could_not_start_until_an_assembly_is_safe() {
    let mut lab = with_a_loss();
    for order in [ServiceOrder::Restart, order_move(Some("n1"), PLACED)] {
        let is_restart = order == ServiceOrder::Restart;
        let plan = lab.plan_of("web", order);
        let why = "assembly n2 is lost, and its services start only when it is safe";
        assert_eq!(
            plan.refused.contains(&why.to_owned()),
            is_restart,
            "{plan:?}"
        );
    }
    // Forced: what is lost and has nothing of it does not hold the restart up, nor does anything
    // keep it from being ended.
    lab.order("web", ServiceOrder::Restart);
    assert_eq!(lab.told(), ["stop web n1"]);
    lab.wait(2);
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn a_restart_can_be_ended() {
    let text = resources(&primitive("web", ""));
    let lab = Lab::running(&text, [started("web"), vec![]]);
    let mut lab = lab.hold("stop web");
    lab.order("web", ServiceOrder::Restart);
    let remedy = lab.status().overlay[0].remedy.clone();
    assert_eq!(remedy, "cpectl clear sim web");
    let plan = lab.plan_of("web", ServiceOrder::Unmanage);
    assert_eq!(plan.refused, ["it is being restarted, and would stay down"]);
    assert!(plan.hints[0].contains("--force"), "{plan:?}");
    lab.order("web", ServiceOrder::Clear { assembly: None });
    assert_eq!(lab.overlay(), [""; 0]);
    // Of a part of what is cloned, too.
    let text = resources(&clone("all", "", &group("g", "", &primitive("web", ""))));
    let mut lab = Lab::new(2, &text).hold("stop web");
    lab.order("web", ServiceOrder::Restart);
    assert_eq!(lab.overlay(), ["restart web"]);
    lab.order("web", ServiceOrder::Clear { assembly: None });
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn a_move_to_where_it_runs_ends_what_stands_against_it() {
    let home = constraints(&location("web", "n2", "100"));
    let text = sticky() + &resources(&primitive("web", "")) + &home;
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    assert_eq!(lab.places("web"), ["n2"]);
    // It runs in n2 and is being moved away.
    let mut lab = {
        lab = lab.hold("stop web n2");
        lab.order("web", order_move(Some("n1"), Lifetime::Cleared));
        lab
    };
    let plan = lab.plan_of("web", order_move(Some("n2"), PLACED));
    assert!(!plan.unchanged, "{plan:?}");
    lab.order("web", order_move(Some("n2"), PLACED));
    lab.ends("stop web n2", 0);
    lab.wait(2);
    assert_eq!(lab.places("web"), ["n2"]);
    // And what it is pinned by becomes less.
    lab.order("web", order_move(Some("n2"), Lifetime::Cleared));
    assert_eq!(lab.overlay(), ["move web n2"]);
    lab.order("web", order_move(Some("n2"), PLACED));
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn of_moves_that_hold_each_other_up_one_stays() {
    let both = [primitive("web", ""), primitive("app", "")].concat();
    let together = r#"<rsc_colocation id="c" rsc="app" with-rsc="web" score="INFINITY"/>"#;
    let rules = location("web", "n1", "100") + together;
    let text = resources(&both) + &constraints(&rules);
    let mut lab = Lab::running(&text, [[started("web"), started("app")].concat(), vec![]]);
    lab.order("web", order_move(Some("n2"), PLACED));
    lab.order("app", order_move(Some("n2"), PLACED));
    lab.wait(5);
    assert_eq!(lab.places("web"), ["n2"]);
    assert_eq!(lab.overlay().len(), 1, "{:?}", lab.overlay());
}

#[test]
fn every_move_is_asked_about_however_many_there_are() {
    let names: Vec<String> = (0..9).map(|number| format!("a{number}")).collect();
    let all: String = names.iter().map(|name| primitive(name, "")).collect();
    let homes: String = names.iter().map(|it| location(it, "n1", "100")).collect();
    let text = sticky() + &resources(&(all + &primitive("z", ""))) + &constraints(&homes);
    let mut lab = Lab::new(2, &text);
    lab.order("z", order_move(Some("n1"), Lifetime::Cleared));
    lab.order("z", ServiceOrder::Clear { assembly: None });
    for name in &names {
        lab.order(name, order_move(Some("n2"), PLACED));
    }
    lab.order("z", order_move(Some("n2"), PLACED));
    lab.wait(2);
    assert_eq!(lab.places("z"), ["n2"]);
    assert_eq!(lab.overlay().len(), 9, "{:?}", lab.overlay());
    let questions = lab.questions;
    lab.wait(5);
    assert_eq!(lab.questions, questions, "it comes to rest");
}

#[test]
fn an_entry_wakes_nobody_when_the_deployment_is_ending() {
    let text = resources(&primitive("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", ban("n2", Lifetime::For(1_000)));
    lab.ask(Request::Unload {
        stop_services: false,
    });
    lab.wait(2);
    let deadline = lab.controller.deadline();
    let now_us = lab.now().boottime_us;
    assert!(deadline.is_none_or(|at_us| at_us > now_us), "{deadline:?}");
}

#[test]
fn what_is_left_alone_is_said_to_run_on() {
    let text = resources(&primitive("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", ServiceOrder::Unmanage);
    for order in [ServiceOrder::Disable, ban("n1", Lifetime::Cleared)] {
        let plan = lab.plan_of("web", order);
        let expected = "web goes on running on n1: it is left alone there";
        assert!(plan.warnings[0].starts_with(expected), "{plan:?}");
        assert!(lines(&plan).is_empty());
    }
}

#[test]
fn what_keeps_an_entry_from_helping_is_named_when_it_is_removed() {
    let text = resources(&group("front", "", &primitive("web", "")));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    for (on, off, expected) in [
        (
            ServiceOrder::Disable,
            ServiceOrder::Enable,
            "cpectl enable sim front",
        ),
        (
            ServiceOrder::Unmanage,
            ServiceOrder::Manage,
            "cpectl manage sim front",
        ),
    ] {
        lab.order("front", on.clone());
        lab.order("web", on);
        let plan = lab.plan_of("web", off.clone());
        assert!(
            !plan.unchanged && plan.warnings[0].contains(expected),
            "{plan:?}"
        );
        lab.order("web", off.clone());
        lab.order("front", off);
    }
    let text = resources(&primitive("old", "target-role=Stopped"));
    let mut lab = Lab::new(2, &text);
    lab.order("old", ServiceOrder::Disable);
    let plan = lab.plan_of("old", ServiceOrder::Enable);
    assert!(
        !plan.unchanged && plan.warnings[0].contains("cpectl edit sim"),
        "{plan:?}"
    );
}

#[test]
fn what_a_plan_found_to_leave_is_left_or_nothing() {
    let text = sticky() + &resources(&primitive("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    let input = lab
        .controller
        .plan_service(lab.now(), &"web".into(), &order_move(None, PLACED));
    let planned = input.unwrap().order().clone();
    lab.order("web", order_move(Some("n2"), PLACED));
    assert_eq!(lab.places("web"), ["n2"]);
    let refusal = lab.refused("web", planned).to_string();
    let expected = "web runs in n2 by now, and not in n1: look at the new plan";
    assert!(refusal.starts_with(expected), "{refusal}");
    assert_eq!(lab.overlay(), [""; 0]);
}
