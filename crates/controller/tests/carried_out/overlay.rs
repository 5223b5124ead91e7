//! What administrators want of single services beside the document.

use controller::{EventKind, Input, Lifetime, Refusal, Request, ServiceOrder};
use cpe_status::{DeploymentState, OverlayEnd, OverlayKind, ServicePlan, ServiceState};

use crate::lab::*;

pub(crate) fn order_move(to: Option<&str>, lifetime: Lifetime) -> ServiceOrder {
    ServiceOrder::Move {
        to: to.map(Into::into),
        from: None,
        promoted: false,
        lifetime,
    }
}

pub(crate) fn ban(assembly: &str, lifetime: Lifetime) -> ServiceOrder {
    ServiceOrder::Ban {
        assembly: assembly.into(),
        promoted: false,
        lifetime,
    }
}

pub(crate) const PLACED: Lifetime = Lifetime::Placed;

impl Lab {
    pub(crate) fn order(&mut self, service: &str, order: ServiceOrder) {
        let service = service.into();
        self.ask(Request::Service { service, order });
    }

    pub(crate) fn refused(&mut self, service: &str, order: ServiceOrder) -> Refusal {
        let service = service.into();
        let request = Input::Request(Request::Service { service, order });
        self.controller.handle(self.now(), request).unwrap_err()
    }

    pub(crate) fn plan_of(&self, service: &str, order: ServiceOrder) -> ServicePlan {
        let service = service.into();
        let input = self.controller.plan_service(self.now(), &service, &order);
        input.unwrap().answer().unwrap()
    }

    /// The entries, as `KIND SERVICE ASSEMBLY`.
    pub(crate) fn overlay(&self) -> Vec<String> {
        let entries = self.status().overlay.into_iter();
        let words =
            |it: cpe_status::OverlayStatus| format!("{} {} {}", it.kind, it.service, it.assembly);
        entries.map(|it| words(it).trim_end().to_owned()).collect()
    }
}

pub(crate) fn sticky() -> String {
    format!(
        "<rsc_defaults>{}</rsc_defaults>",
        meta("d", "resource-stickiness=1")
    )
}

/// The text of a plan's actions.
pub(crate) fn lines(plan: &ServicePlan) -> Vec<String> {
    let actions = plan.actions.iter();
    let line = |it: &cpe_status::PlanAction| [&*it.action, &it.service, &it.from, &it.to].join(" ");
    actions.map(|it| line(it).trim_end().to_owned()).collect()
}

#[test]
fn a_move_that_would_stay_ends_by_itself_and_leaves_nothing_behind() {
    let text = sticky() + &resources(&primitive("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    let plan = lab.plan_of("web", order_move(Some("n2"), PLACED));
    assert_eq!(lines(&plan), ["move web n1 n2"]);
    assert!(plan.refused.is_empty(), "{plan:?}");
    lab.order("web", order_move(Some("n2"), PLACED));
    assert_eq!(lab.places("web"), ["n2"]);
    assert_eq!(lab.overlay(), [""; 0], "it is placed and stays");
    assert!(!lab.controller.input(lab.now()).contains("cli-"));
    let again = lab.plan_of("web", order_move(Some("n2"), PLACED));
    assert!(again.unchanged && again.actions.is_empty(), "{again:?}");
    // Without an assembly: away from where it is.
    lab.order("web", order_move(None, PLACED));
    assert_eq!(lab.places("web"), ["n1"]);
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn a_move_that_would_fall_back_is_refused_by_its_plan_and_kept_if_it_is_made_nevertheless() {
    let home = constraints(&location("web", "n1", "100"));
    let text = resources(&primitive("web", "")) + &home;
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    let plan = lab.plan_of("web", order_move(Some("n2"), PLACED));
    assert_eq!(plan.refused, ["afterwards it would go back to n1"]);
    assert!(plan.hints[0].starts_with("--for 2h"), "{plan:?}");
    assert_eq!(lab.places("web"), ["n1"], "nothing has changed");
    let hour = Lifetime::For(3_600_000);
    assert!(
        lab.plan_of("web", order_move(Some("n2"), hour))
            .refused
            .is_empty()
    );
    // As long as it would fall back it is not taken away.
    lab.order("web", order_move(Some("n2"), PLACED));
    lab.wait(5);
    assert_eq!(lab.places("web"), ["n2"]);
    assert_eq!(lab.overlay(), ["move web n2"]);
    lab.order("web", ServiceOrder::Clear { assembly: None });
    assert_eq!(lab.places("web"), ["n1"]);
}

#[test]
fn an_order_is_judged_by_where_things_will_be_when_what_is_under_way_is_done() {
    for held in ["stop web n1", "start web n2"] {
        let text = resources(&primitive("web", ""));
        let mut lab = Lab::running(&text, [started("web"), vec![]]).hold(held);
        lab.order("web", ban("n1", Lifetime::Cleared));
        let plan = lab.plan_of("web", ban("n2", Lifetime::Cleared));
        assert_eq!(plan.refused, ["web could run nowhere then"], "{held}");
        let again = lab.plan_of("web", order_move(Some("n2"), Lifetime::Cleared));
        assert!(again.refused.is_empty(), "{held}: {again:?}");
        let clear = lab.plan_of("web", ServiceOrder::Clear { assembly: None });
        assert!(
            clear.refused.is_empty() && clear.warnings.is_empty(),
            "{held}: {clear:?}"
        );
    }
}

#[test]
fn a_move_with_a_time_ends_when_that_is_over() {
    let home = constraints(&location("web", "n1", "100"));
    let text = resources(&primitive("web", "")) + &home;
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", order_move(Some("n2"), Lifetime::For(5_000)));
    lab.wait(3);
    assert_eq!(lab.places("web"), ["n2"]);
    let entry = &lab.status().overlay[0];
    assert_eq!(
        (entry.kind, entry.until),
        (OverlayKind::Move, OverlayEnd::Time)
    );
    assert_eq!(entry.constraint, "cli-prefer-web");
    let deadline = lab.controller.deadline().unwrap();
    assert!(deadline <= lab.now().boottime_us + 2_100_000);
    lab.wait(3);
    assert_eq!(lab.places("web"), ["n1"]);
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn a_ban_outlives_the_dpe_and_the_document_and_goes_with_its_assembly_or_service() {
    let both = [primitive("web", ""), primitive("old", "")].concat();
    let text = resources(&both);
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", ban("n1", Lifetime::Cleared));
    lab.order("old", ban("n1", Lifetime::Cleared));
    assert_eq!(lab.places("web"), ["n2"]);
    lab.changes(&primitive("old", ""), &primitive("new", ""));
    assert_eq!(lab.overlay(), ["ban web n1"], "generation 2 has no old");
    lab.restarts();
    assert_eq!(lab.overlay(), ["ban web n1"]);
    let entry = &lab.status().overlay[0];
    assert_eq!(entry.text, "web is banned from n1 until it is cleared");
    assert_eq!(entry.remedy, "cpectl clear sim web");
    assert!(
        lab.controller
            .input(lab.now())
            .contains("cli-ban-web-on-n1")
    );
}

#[test]
fn what_ends_while_the_dpe_is_dead_ends_when_it_starts() {
    let text = resources(&primitive("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", ban("n1", Lifetime::For(5_000)));
    lab.passes(6);
    lab.restarts();
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn a_ban_of_the_last_place_is_refused_by_its_plan() {
    let text = resources(&primitive("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", ban("n2", Lifetime::Cleared));
    let plan = lab.plan_of("web", ban("n1", Lifetime::Cleared));
    assert_eq!(plan.refused, ["web could run nowhere then"]);
    assert_eq!(lines(&plan), ["stop web n1"]);
    let plan = lab.plan_of("web", order_move(None, PLACED));
    assert_eq!(
        plan.refused[0],
        "it would not get anywhere else: it would run nowhere"
    );
    // Clearing one of two.
    lab.order("web", ban("n1", Lifetime::Cleared));
    assert_eq!(lab.places("web"), [""; 0]);
    let assembly = Some("n2".into());
    lab.order("web", ServiceOrder::Clear { assembly });
    assert_eq!(lab.overlay(), ["ban web n1"]);
    assert_eq!(lab.places("web"), ["n2"]);
}

#[test]
fn a_disabled_service_stays_stopped_over_a_document_until_it_is_enabled() {
    let started_by_document = primitive("web", "target-role=Started");
    let other = primitive("app", "");
    let order = r#"<rsc_order id="o" first="web" then="app"/>"#;
    let text = resources(&(started_by_document + &other)) + &constraints(order);
    let mut lab = Lab::running(&text, [started("web"), started("app")]);
    let plan = lab.plan_of("web", ServiceOrder::Disable);
    assert_eq!(plan.refused, ["app would stop too"]);
    let stops = plan.actions.iter().all(|own| own.action == "stop");
    assert!(stops, "it does not start again: {:?}", lines(&plan));
    lab.order("web", ServiceOrder::Disable);
    assert_eq!(lab.places("web"), [""; 0]);
    lab.changes("type=\"Simulated\"", "type=\"Other\"");
    lab.restarts();
    lab.all_answer();
    lab.wait(1);
    assert_eq!(lab.places("web"), [""; 0]);
    assert_eq!(lab.overlay(), ["disable web"]);
    lab.order("web", ServiceOrder::Enable);
    assert_eq!(lab.places("web").len(), 1);
    let plan = lab.plan_of("web", ServiceOrder::Enable);
    assert!(plan.unchanged && plan.warnings.is_empty());
}

#[test]
fn what_the_document_stops_is_not_enabled_beside_it() {
    let text = resources(&primitive("web", "target-role=Stopped"));
    let lab = Lab::new(2, &text);
    let plan = lab.plan_of("web", ServiceOrder::Enable);
    assert!(plan.warnings[0].contains("cpectl edit sim"), "{plan:?}");
}

#[test]
fn an_unmanaged_service_is_left_alone_until_it_is_managed() {
    let text = resources(&monitored("web", ""));
    let mut lab = Lab::new(2, &text);
    lab.order("web", ServiceOrder::Unmanage);
    let before = lab.told().len();
    lab.monitor_fails("web");
    lab.wait(2);
    assert_eq!(lab.told_since(before), [""; 0]);
    lab.order("web", ServiceOrder::Manage);
    assert_eq!(lab.told_since(before), ["stop web n1", "start web n1"]);
}

#[test]
fn a_restart_stops_all_of_it_and_starts_it_again() {
    let both = [primitive("db", ""), primitive("app", "")].concat();
    let order = r#"<rsc_order id="o" first="db" then="app"/>"#;
    let text = resources(&both) + &constraints(order);
    let mut lab = Lab::running(&text, [started("db"), started("app")]);
    let plan = lab.plan_of("db", ServiceOrder::Restart);
    assert_eq!(lines(&plan), ["restart app n2 n2", "restart db n1 n1"]);
    assert!(plan.refused.is_empty(), "{plan:?}");
    lab.order("db", ServiceOrder::Restart);
    let expected = ["stop app n2", "stop db n1", "start db n1", "start app n2"];
    assert_eq!(lab.told(), expected);
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn a_dpe_that_dies_in_a_restart_has_it_finished_by_the_next() {
    let text = resources(&primitive("db", ""));
    let lab = Lab::running(&text, [started("db"), vec![]]);
    let mut lab = lab.hold("stop db");
    lab.order("db", ServiceOrder::Restart);
    assert_eq!(lab.overlay(), ["restart db"]);
    lab.restarts();
    assert_eq!(lab.overlay(), ["restart db"]);
    // The stop went well meanwhile.
    let mut stopped = started("db");
    stopped.push(done("db", controller::Task::Stop, 0, 2));
    lab.answers("n1", stopped);
    lab.answers("n2", vec![]);
    assert_eq!(lab.places("db").len(), 1, "{:?}", lab.told());
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn a_restart_of_what_cannot_be_stopped_does_not_keep_it_down() {
    let text = resources(&primitive_with(
        "db",
        "",
        r#"<operations><op id="s" name="stop" interval="0" on-fail="block"/></operations>"#,
    ));
    let lab = Lab::running(&text, [started("db"), vec![]]);
    let mut lab = lab.fail(&["stop db n1"]);
    lab.order("db", ServiceOrder::Restart);
    assert_eq!(lab.overlay(), [""; 0]);
}

#[test]
fn a_group_is_moved_as_a_whole_and_a_member_takes_it_along() {
    let members = [primitive("ip", ""), primitive("web", "")].concat();
    let text = sticky() + &resources(&group("front", "", &members));
    for name in ["front", "web"] {
        let history = [
            started("ip"),
            vec![done("web", controller::Task::Start, 0, 2)],
        ]
        .concat();
        let mut lab = Lab::running(&text, [history, vec![]]);
        lab.order(name, order_move(Some("n2"), PLACED));
        assert_eq!(
            (lab.places("ip"), lab.places("web")),
            (vec!["n2".into()], vec!["n2".into()])
        );
        assert_eq!(lab.overlay(), [""; 0], "{name}");
        lab.order(name, ServiceOrder::Disable);
        assert_eq!(lab.places("web"), [""; 0]);
        assert_eq!(lab.places("ip").len(), usize::from(name == "web"));
    }
}

#[test]
fn a_group_whose_members_say_that_they_run_is_disabled_all_the_same() {
    let members = primitive("ip", "target-role=Started");
    let text = resources(&group("front", "", &members));
    let mut lab = Lab::running(&text, [started("ip"), vec![]]);
    lab.order("front", ServiceOrder::Disable);
    assert_eq!(lab.places("ip"), [""; 0]);
}

#[test]
fn what_is_cloned_is_moved_and_banned_as_a_whole() {
    for given in ["clone-max=2", "clone-max=2 globally-unique=true"] {
        let text = resources(&clone("all", given, &primitive("web", "")));
        let mut lab = Lab::new(2, &text);
        let refusal = lab.refused("web", order_move(None, PLACED)).to_string();
        assert!(
            refusal.contains("instances in n1, n2: say which"),
            "{refusal}"
        );
        let plan = lab.plan_of("web", ban("n1", Lifetime::Cleared));
        assert_eq!(plan.service, "all");
        assert!(plan.refused.is_empty(), "{plan:?}");
        lab.order("web", ban("n1", Lifetime::Cleared));
        assert_eq!(lab.overlay(), ["ban all n1"]);
        let rows = lab.status().services.into_iter();
        let mut places = rows.filter(|row| row.service == "web" && !row.assembly.is_empty());
        assert!(places.all(|row| row.assembly == "n2"));
        lab.order("all", ServiceOrder::Clear { assembly: None });
        lab.order("web", ServiceOrder::Disable);
        assert_eq!(lab.overlay(), ["disable all"], "{given}");
        let rows = lab.status().services.into_iter();
        assert_eq!(rows.filter(|row| !row.assembly.is_empty()).count(), 0);
        let refusal = lab.refused("web:0", ServiceOrder::Enable).to_string();
        assert!(
            refusal.contains("an order is about all of web"),
            "{refusal}"
        );
    }
}

#[test]
fn the_promoted_instance_is_moved_by_its_role() {
    let text = resources(&clone("dbs", "promotable=true", &primitive("db", "")));
    let mut lab = Lab::new(2, &text);
    lab.sets("n1", "master-db", "10", 0);
    lab.sets("n2", "master-db", "5", 0);
    lab.wait(2);
    assert_eq!(lab.promoted("db"), ["n1"]);
    lab.order("db", order_move(None, Lifetime::Cleared));
    assert_eq!(lab.promoted("db"), ["n2"]);
    let entry = &lab.status().overlay[0];
    assert_eq!((&*entry.role, &*entry.assembly), ("Promoted", "n1"));
    assert_eq!(
        entry.text,
        "dbs is not to be promoted in n1 until it is cleared"
    );
    assert_eq!(lab.places("db").len(), 2, "it still runs there");
    let promoted = true;
    let order = ServiceOrder::Ban {
        assembly: "n1".into(),
        promoted,
        lifetime: Lifetime::Cleared,
    };
    let refusal = Lab::new(1, &resources(&primitive("web", ""))).refused("web", order);
    assert!(
        refusal.to_string().contains("no promoted role"),
        "{refusal}"
    );
}

#[test]
fn several_kinds_on_one_service_compose() {
    let text = resources(&primitive("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", ban("n1", Lifetime::Cleared));
    lab.order("web", ServiceOrder::Disable);
    lab.order("web", ServiceOrder::Unmanage);
    assert_eq!(lab.overlay(), ["ban web n1", "disable web", "unmanage web"]);
    lab.order("web", ServiceOrder::Enable);
    assert_eq!(lab.places("web"), [""; 0], "it is left alone");
    lab.order("web", ServiceOrder::Manage);
    assert_eq!(lab.places("web"), ["n2"]);
}

#[test]
fn unknown_names_are_refused_and_nothing_changes() {
    let mut lab = Lab::new(2, &resources(&primitive("web", "")));
    for (service, order) in [
        ("wbe", ServiceOrder::Disable),
        ("web", ban("n9", Lifetime::Cleared)),
        ("web", order_move(Some("n9"), PLACED)),
        ("web", ban("n1", Lifetime::For(0))),
    ] {
        lab.refused(service, order);
        assert_eq!(lab.overlay(), [""; 0]);
    }
}

#[test]
fn a_ban_does_not_take_the_place_of_a_wider_one_unless_that_is_said() {
    let text = resources(&clone("webs", "promotable=true", &primitive("web", "")));
    let mut lab = Lab::new(2, &text);
    let narrow = |lifetime| ServiceOrder::Ban {
        assembly: "n1".into(),
        promoted: true,
        lifetime,
    };
    lab.order("webs", ban("n1", Lifetime::Cleared));
    let plan = lab.plan_of("webs", narrow(Lifetime::Cleared));
    assert!(plan.refused[0].contains("altogether"), "{plan:?}");
    assert!(plan.hints.iter().any(|hint| hint.contains("--force")));
    assert!(plan.changes[0].contains("(no longer: webs is banned from n1"));
    // A wider one does, and so does one with another end: that is said.
    lab.order("webs", narrow(Lifetime::Cleared));
    for order in [ban("n1", Lifetime::Cleared), narrow(Lifetime::For(60_000))] {
        let plan = lab.plan_of("webs", order);
        assert!(plan.refused.is_empty(), "{plan:?}");
        assert!(plan.changes[0].contains("no longer: webs is not to be promoted in n1"));
    }
}

#[test]
fn what_is_unmanaged_and_went_with_its_guest_is_stopped_and_nothing_is_wrong_when_that_is_back() {
    let text = resources(&monitored("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", ServiceOrder::Unmanage);
    lab.falls_silent("n1");
    lab.wait(30);
    lab.reboots("n1");
    lab.wait(10);
    let status = lab.status();
    assert_eq!(status.services[0].state, ServiceState::Stopped);
    assert_eq!(status.services[0].reason, "");
    assert_eq!(status.state, DeploymentState::Active);
    assert_eq!(lab.reasons(EventKind::ServiceUnrecoverable), [""; 0]);
    let reasons = lab.reasons(EventKind::ServiceStopped);
    assert!(reasons[0].contains("nobody starts it"), "{reasons:?}");
    lab.order("web", ServiceOrder::Manage);
    assert_eq!(lab.places("web").len(), 1);
}

#[test]
fn what_is_unmanaged_and_fails_by_itself_stays_failed_until_somebody_cleans_up() {
    let text = resources(&monitored("web", ""));
    let mut lab = Lab::running(&text, [started("web"), vec![]]);
    lab.order("web", ServiceOrder::Unmanage);
    lab.monitor_fails("web");
    lab.wait(10);
    let status = lab.status();
    assert_ne!(status.services[0].reason, "");
    assert_eq!(status.state, DeploymentState::Degraded);
}
