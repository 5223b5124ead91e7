//! What operators ask for beyond switches, one behaviour per test, in a simulated world.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{FailedOperation, Input, Refusal, Request, Task};
use controller_sim::faults::Fault;
use controller_sim::scenario::{Form, Mode, Scenario};
use controller_sim::{SECOND, World};
use controller_sim::{at_rest, expect_well};

/// Services of every form, in groups, in order and together.
fn entangled(mode: Mode) -> Scenario {
    let mut scenario = Scenario::plain(3, 7, mode);
    scenario.services[0].form = Form::Promotable(1);
    scenario.services[1].form = Form::Everywhere;
    scenario.services[5].form = Form::Migrates;
    scenario.services[6].form = Form::Unique(3, 2);
    scenario.most_promoted = 1;
    scenario.groups = vec![vec![2, 3]];
    scenario.together = vec![(4, 5)];
    scenario.order = vec![(0, 4), (1, 4), (4, 5)];
    scenario
}

fn refresh(service: Option<&str>, assembly: Option<&str>) -> Request {
    Request::Refresh {
        service: service.map(Into::into),
        assembly: assembly.map(Into::into),
    }
}

fn looks(world: &World) -> usize {
    let transitions = world.trace.iter();
    transitions.filter(|line| line.contains("Execute")).count()
}

/// Services and operations whose failures count.
fn failures(world: &World) -> Vec<(String, String)> {
    let status = world.controller().unwrap().status(world.time());
    let failures = status.failures.into_iter();
    failures.map(|own| (own.service, own.operation)).collect()
}

#[test]
fn a_refresh_looks_at_everything_and_restarts_nothing() {
    for mode in [Mode::Lease, Mode::Unit] {
        let mut world = at_rest(entangled(mode));
        world.run_for(20);
        for (service, assembly) in [
            (None, None),
            (Some("service1"), None),
            (Some("service5"), None),
            (Some("service3"), Some("node1")),
            (None, Some("node2")),
        ] {
            let (before, looked) = (world.executed(), looks(&world));
            world.ask(refresh(service, assembly));
            world.run_for(20);
            expect_well(&world);
            assert_eq!(world.executed(), before, "{service:?} {assembly:?}");
            assert!(looks(&world) > looked, "{service:?} {assembly:?}");
        }
    }
}

#[test]
fn a_refresh_restarts_nothing_though_the_dpe_dies_at_any_moment_of_it() {
    for effects in (1..60).step_by(3) {
        let mut scenario = entangled(Mode::Lease);
        scenario.timing.1 = 60_000;
        let mut world = at_rest(scenario);
        let before = world.executed();
        world.inject(Fault::DieAtEffect(effects));
        world.ask(refresh(None, None));
        world.run_for(60);
        expect_well(&world);
        assert_eq!(world.executed(), before, "after {effects} effects");
    }
}

#[test]
fn an_assembly_that_is_lost_during_a_refresh_is_made_safe_and_its_services_run_elsewhere() {
    for later in [0, 1] {
        let mut world = at_rest(entangled(Mode::Unit));
        let home = world.runs_in("service5")[0].to_owned();
        world.ask(refresh(None, None));
        world.run_for(later);
        world.inject(Fault::PowerCut(world.guest(&home)));
        world.run_for(90);
        expect_well(&world);
    }
}

#[test]
fn a_deployment_that_ends_while_it_is_looked_at_stops_all_that_runs() {
    for later in [0, 1] {
        let mut world = at_rest(entangled(Mode::Lease));
        world.ask(refresh(None, None));
        world.run_for(later);
        world.inject(Fault::End(true));
        world.run_for(60);
        assert!(world.unloaded());
        for number in 1..=7 {
            let name = format!("service{number}");
            assert!(world.runs_in(&name).is_empty(), "{name}");
        }
        assert!(world.violations().is_empty(), "{:?}", world.violations());
    }
}

#[test]
fn a_refresh_finds_what_has_ended_before_its_monitor_does() {
    let mut world = at_rest(Scenario::plain(2, 2, Mode::Lease));
    let home = world.runs_in("service1")[0].to_owned();
    let guest = world.guest(&home);
    assert!(world.guests[guest].process_ends("service1"));
    world.ask(refresh(Some("service1"), None));
    world.run_for(20);
    expect_well(&world);
    assert_eq!(world.runs_in("service1").len(), 1);
}

#[test]
fn a_refresh_while_a_transition_is_under_way_looks_when_that_is_over() {
    let mut world = at_rest(Scenario::plain(2, 2, Mode::Lease));
    let time = world.time();
    let home = world.runs_in("service1")[0].to_owned();
    world.ask(Request::Standby {
        assembly: home.as_str().into(),
        on: true,
    });
    while world
        .controller()
        .unwrap()
        .status(world.time())
        .transition
        .is_none_or(|it| it.state != cpe_status::TransitionState::Running)
    {
        assert!(world.step() && world.time().boottime_us < time.boottime_us + 10 * SECOND);
    }
    let mut copy = controller::Controller::new("sim", controller::Durable::default(), time);
    let refused = copy.handle(time, Input::Request(refresh(None, None)));
    assert!(
        matches!(refused, Err(Refusal::NotReady(_))),
        "nothing is loaded"
    );
    world.ask(refresh(None, None));
    world.run_for(30);
    expect_well(&world);
    assert_eq!(world.runs_in("service1").len(), 1);
    assert_ne!(world.runs_in("service1")[0], home);
}

#[test]
fn a_cleanup_of_one_operation_leaves_the_failures_of_others() {
    let mut world = at_rest(Scenario::plain(1, 1, Mode::Lease));
    world.inject(Fault::BadOperations(0, 60 * SECOND));
    for _ in 0..6 {
        world.inject(Fault::KillService(0, 0));
        world.run_for(10);
    }
    world.run_for(60);
    let counted = failures(&world);
    let of = |word: &str| {
        let own = counted.iter().filter(|(_, name)| name.starts_with(word));
        own.count()
    };
    assert!(of("monitor/") == 1 && of("start/") == 1, "{counted:?}");
    assert!(world.runs_in("service1").is_empty());
    let cleanup = |action: Task, interval_ms| Request::CleanupOperation {
        service: "service1".into(),
        assembly: None,
        operation: FailedOperation {
            action,
            interval_ms,
        },
    };
    world.ask(cleanup(Task::Monitor, Some(1)));
    world.run_for(10);
    assert_eq!(failures(&world), counted, "another interval");
    world.ask(cleanup(Task::Monitor, None));
    world.run_for(20);
    let left = failures(&world);
    assert!(
        left.iter().all(|(_, name)| !name.starts_with("monitor/")),
        "{left:?}"
    );
    assert!(left.iter().any(|(_, name)| name == "start/0"), "{left:?}");
    assert!(
        world.runs_in("service1").is_empty(),
        "its start is still banned"
    );
    world.ask(cleanup(Task::Start, Some(0)));
    world.run_for(20);
    expect_well(&world);
}

#[test]
fn all_assemblies_go_into_standby_and_come_back_at_once() {
    let mut world = at_rest(entangled(Mode::Lease));
    let told = |world: &World, on| {
        let controller = world.controller().unwrap();
        let question = controller.plan_standby(world.time(), None, on).unwrap();
        question.answer().unwrap().actions
    };
    let plan = told(&world, true);
    assert!(
        plan.iter().all(|action| action.action == "stop"),
        "{plan:?}"
    );
    assert!(plan.len() >= 7, "{plan:?}");
    assert_eq!(told(&world, false), []);
    world.ask(Request::StandbyOfAll { on: true });
    world.run_for(20);
    for number in 1..=7 {
        let name = format!("service{number}");
        assert!(world.runs_in(&name).is_empty(), "{name}");
    }
    // It outlives the DPE.
    world.inject(Fault::KillDpe);
    world.run_for(30);
    assert!(world.runs_in("service1").is_empty());
    world.ask(Request::StandbyOfAll { on: false });
    world.run_for(30);
    expect_well(&world);
}
