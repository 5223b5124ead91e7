//! Meta attributes of resources.

use controller::Request;

use crate::lab::*;

#[test]
fn services_of_higher_priority_get_the_last_room() {
    let uses = |id: &str, priority: u32| {
        let set = format!(
            r#"<utilization id="{id}-u"><nvpair id="{id}-c" name="cpu" value="1"/></utilization>"#
        );
        primitive_with(id, &format!("priority={priority}"), &set)
    };
    let both = [uses("low", 1), uses("high", 10)].concat();
    let text = options("placement-strategy=utilization") + &resources(&both);
    let lab = Lab::with(&[r#"<capacity cpu="1"/>"#], &text);
    assert_eq!(lab.places("high"), ["n1"]);
    assert_eq!(lab.places("low"), [""; 0]);
}

#[test]
fn target_role_stops_a_service() {
    let places = |role: &str| {
        let text = resources(&primitive("web", &format!("target-role={role}")));
        Lab::running(&text, [started("web"), vec![]]).places("web")
    };
    assert_eq!(places("Started"), ["n1"]);
    assert_eq!(places("Stopped"), [""; 0]);
}

#[test]
fn what_is_not_managed_is_left_alone() {
    let told = |given: &str| {
        let text = resources(&primitive("web", &format!("target-role=Stopped {given}")));
        Lab::running(&text, [started("web"), vec![]]).told()
    };
    assert_eq!(told("is-managed=true maintenance=false"), ["stop web n1"]);
    assert_eq!(told("is-managed=false"), [""; 0]);
    assert_eq!(told("maintenance=true"), [""; 0]);
}

#[test]
fn a_sticky_service_stays_where_it_runs() {
    let places = |stickiness: u32| {
        let given = format!("resource-stickiness={stickiness}");
        let text = format!("<rsc_defaults>{}</rsc_defaults>", meta("d", &given))
            + &resources(&primitive("web", ""))
            + &constraints(&location("web", "n2", "10"));
        Lab::running(&text, [started("web"), vec![]]).places("web")
    };
    assert_eq!(places(50), ["n1"]);
    assert_eq!(places(0), ["n2"]);
}

#[test]
fn a_service_leaves_an_assembly_after_its_threshold_and_returns_after_its_timeout() {
    let given = "migration-threshold=2 failure-timeout=30s";
    let text = resources(&monitored("web", given)) + &constraints(&location("web", "n1", "10"));
    let mut lab = Lab::new(2, &text);
    lab.monitor_fails("web");
    assert_eq!(lab.places("web"), ["n1"]);
    lab.wait(1);
    lab.monitor_fails("web");
    assert_eq!(lab.places("web"), ["n2"]);
    lab.wait(20);
    assert_eq!(lab.places("web"), ["n2"]);
    lab.wait(20);
    assert_eq!(lab.places("web"), ["n1"]);
}

#[test]
fn a_failure_that_was_counted_before_the_clock_was_set_back_expires_all_the_same() {
    const YEARS_S: i64 = 10 * 365 * 86_400;
    let given = "migration-threshold=1 failure-timeout=30s";
    let text = resources(&monitored("web", given)) + &constraints(&location("web", "n1", "10"));
    for restarted in [false, true] {
        let mut lab = Lab::new(2, &text);
        lab.sets_clock(YEARS_S);
        lab.monitor_fails("web");
        assert_eq!(lab.places("web"), ["n2"]);
        if restarted {
            lab.restarts();
        }
        lab.sets_clock(-YEARS_S);
        if restarted {
            lab.all_answer();
        }
        lab.wait(20);
        assert_eq!(lab.places("web"), ["n2"]);
        lab.wait(20);
        assert_eq!(lab.places("web"), ["n1"], "restarted: {restarted}");
    }
}

#[test]
fn a_service_that_runs_twice_is_treated_as_its_meta_attribute_says() {
    let told = |wanted: &str| {
        let text = resources(&primitive("web", &format!("multiple-active={wanted}")))
            + &constraints(&location("web", "n1", "10"));
        let mut told = Lab::running(&text, [started("web"), started("web")]).told();
        told.sort();
        told
    };
    let (start, one, other) = ("start web n1", "stop web n1", "stop web n2");
    assert_eq!(told("stop_start"), [start, one, other]);
    assert_eq!(told("stop_only"), [one, other]);
    assert_eq!(told("stop_unexpected"), [other]);
    assert_eq!(told("block"), [""; 0]);
}

#[test]
fn what_fails_in_a_container_has_the_container_restarted() {
    let told = |given: &str| {
        let both = primitive("box", "") + &monitored("web", given);
        let with = r#"<rsc_colocation id="c" rsc="web" with-rsc="box" score="INFINITY"/>"#;
        let mut lab = Lab::new(1, &(resources(&both) + &constraints(with)));
        let before = lab.told().len();
        lab.monitor_fails("web");
        lab.told_since(before)
    };
    assert_eq!(told(""), ["stop web n1", "start web n1"]);
    let restarted = told("container=box");
    for line in ["stop box n1", "start box n1", "start web n1"] {
        assert!(restarted.iter().any(|it| it == line), "{restarted:?}");
    }
}

/// A service that runs in `n1`, with these attributes of that.
fn with_attribute(name: &str) -> Lab {
    let text = resources(&monitored("web", "")) + &constraints(&location("web", "n1", "10"));
    let attribute = format!(r#"<attributes><attribute name="{name}" value="true"/></attributes>"#);
    let mut lab = Lab::of(&assemblies(&[&attribute, ""]), &text);
    lab.answers("n1", started("web"));
    lab.answers("n2", vec![]);
    lab
}

#[test]
fn an_assembly_may_be_in_standby_by_its_attributes() {
    assert_eq!(with_attribute("standby").places("web"), ["n2"]);
    assert_eq!(with_attribute("other").places("web"), ["n1"]);
}

#[test]
fn an_assembly_may_be_in_maintenance_by_its_attributes() {
    let told = |name: &str| {
        let mut lab = with_attribute(name);
        lab.ask(Request::Standby {
            assembly: "n1".into(),
            on: true,
        });
        lab.told()
    };
    assert_eq!(told("maintenance"), [""; 0]);
    assert_eq!(told("other"), ["stop web n1", "start web n2"]);
}

/// A service that runs well is not stopped for an assembly that turns out not to be able to run it.
#[test]
fn what_would_move_stays_until_it_is_known_what_is_there() {
    const NOT_INSTALLED: i32 = 5;
    const NOT_RUNNING: i32 = 7;
    let both = [primitive("web", ""), primitive("db", "")].concat();
    let text = resources(&both)
        + &constraints(&[location("web", "n1", "100"), location("db", "n2", "100")].concat());
    let lab = || {
        let mut lab = Lab::of(&assemblies(&["", ""]), &text).hold("monitor web n1");
        lab.answers("n1", Vec::new());
        lab.answers("n2", [started("web"), started("db")].concat());
        lab
    };
    let mut unable = lab();
    assert_eq!(unable.told(), [""; 0]);
    unable.ends("monitor web n1", NOT_INSTALLED);
    assert_eq!(unable.told(), [""; 0]);
    assert_eq!(unable.places("web"), ["n2"]);
    // A clean-up has it looked at again.
    let looked_for = unable.looked_for("web").len();
    unable.ask(Request::Cleanup {
        service: Some("web".into()),
        assembly: None,
    });
    assert_eq!(unable.looked_for("web").len(), looked_for + 1);
    assert_eq!(unable.told(), [""; 0]);
    unable.ends("monitor web n1", NOT_INSTALLED);
    assert_eq!(unable.told(), [""; 0]);
    assert_eq!(unable.places("web"), ["n2"]);

    let mut able = lab();
    able.ends("monitor web n1", NOT_RUNNING);
    assert_eq!(able.told(), ["stop web n2", "start web n1"]);
}

/// What others need is stopped after them, also if it is only being found out that they run.
#[test]
fn what_moves_stays_until_it_is_known_what_needs_it_there() {
    const RUNNING: i32 = 0;
    const NOT_RUNNING: i32 = 7;
    let both = [primitive("web", ""), primitive("db", "")].concat();
    let order = r#"<rsc_order id="o" first="db" then="web"/>"#.to_owned();
    let places = [location("web", "n1", "100"), location("db", "n2", "100")].concat();
    let text = resources(&both) + &constraints(&(order + &places));
    // As after a clean-up of `web`.
    let lab = || {
        let mut lab = Lab::of(&assemblies(&["", ""]), &text).hold("monitor web n1");
        lab.answers("n1", started("db"));
        lab.answers("n2", Vec::new());
        lab
    };
    let mut needed = lab();
    assert_eq!(needed.told(), [""; 0]);
    needed.ends("monitor web n1", RUNNING);
    assert_eq!(
        needed.told(),
        ["stop web n1", "stop db n1", "start db n2", "start web n1"]
    );
    let mut alone = lab();
    alone.ends("monitor web n1", NOT_RUNNING);
    assert_eq!(alone.told(), ["stop db n1", "start db n2", "start web n1"]);
}
