//! A start or stop that takes long keeps nothing else waiting.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::Request;
use controller_sim::faults::Fault;
use controller_sim::scenario::{Mode, Scenario};
use controller_sim::{MS, SECOND, World};
use controller_sim::{at_rest, expect_well};

/// How long a start takes, µs: little less than it may.
const LONG_US: u64 = 9_500 * MS;
/// An assembly of mode `unit` is lost and its device has answered within, µs; and a start.
const BOUND_US: u64 = 7_500 * MS;

/// Service1 runs in node1. Service2, on which service3 depends, has failed in node2, and is being
/// started there again: that takes long.
fn starting() -> World {
    let mut scenario = Scenario::plain(3, 3, Mode::Unit);
    scenario.timing = (2_000, 4_000);
    scenario.order = vec![(1, 2)];
    scenario.services[0].prefers = Some(0);
    (scenario.services[1].pinned, scenario.services[2].pinned) = (Some(1), Some(1));
    let mut world = at_rest(scenario);
    world.decisions_take_us = 5 * MS;
    world.starts_take_us.insert("service2".into(), LONG_US);
    assert_eq!(world.runs_in("service1"), ["node1"]);
    world.inject(Fault::KillService(1, 1));
    let starts = |world: &World| count(world, "start service2 node2");
    while starts(&world) < 2 {
        assert!(world.step() && world.now_us < 60 * SECOND);
    }
    world
}

fn count(world: &World, wanted: &str) -> usize {
    let executed = world.executed();
    executed.iter().filter(|line| *line == wanted).count()
}

#[test]
fn what_is_lost_comes_back_within_the_bound_while_a_start_is_under_way() {
    let mut world = starting();
    let begin_us = world.now_us;
    world.inject(Fault::PowerCut(0));
    world.run_until(begin_us + BOUND_US);
    let now = world.runs_in("service1");
    assert!(now.len() == 1 && now[0] != "node1", "{now:?}");
    assert_eq!(count(&world, "start service3 node2"), 1, "it waits");
    world.run_until(begin_us + LONG_US + 3 * SECOND);
    assert_eq!(count(&world, "start service2 node2"), 2);
    assert_eq!(count(&world, "start service3 node2"), 2);
    world.run_for(60);
    expect_well(&world);
}

#[test]
fn what_fails_comes_back_while_a_start_is_under_way() {
    let mut world = starting();
    let begin_us = world.now_us;
    world.inject(Fault::KillService(0, 0));
    world.run_until(begin_us + BOUND_US);
    assert_eq!(world.runs_in("service1"), ["node1"]);
    world.run_for(60);
    assert_eq!(count(&world, "start service2 node2"), 2);
    expect_well(&world);
}

#[test]
fn a_loss_is_fenced_at_once_while_something_starts_that_is_to_be_stopped() {
    let mut world = starting();
    let begin_us = world.now_us;
    world.ask(Request::Standby {
        assembly: "node2".into(),
        on: true,
    });
    world.inject(Fault::PowerCut(0));
    world.run_until(begin_us + 3 * SECOND);
    let told = world.logged();
    let requested = |line: &String| line == "assembly.fencing-requested node1";
    assert!(told.iter().any(requested), "{told:?}");
    assert_eq!(count(&world, "stop service2 node2"), 1, "it is awaited");
    world.ask(Request::Standby {
        assembly: "node2".into(),
        on: false,
    });
    world.run_for(60);
    expect_well(&world);
}

#[test]
fn the_death_of_the_dpe_in_between_harms_nothing() {
    let mut world = starting();
    world.inject(Fault::PowerCut(0));
    world.run_for(4);
    world.inject(Fault::KillDpe);
    world.run_for(60);
    expect_well(&world);
}

#[test]
fn what_was_cleaned_up_is_looked_at_before_its_assembly_is_fenced_for_it_again() {
    let mut scenario = Scenario::plain(2, 2, Mode::None);
    (scenario.services[0].pinned, scenario.services[1].pinned) = (Some(0), Some(1));
    let mut world = at_rest(scenario);
    let requested = |world: &World| {
        let mut logged = world.logged();
        logged.retain(|line| line == "assembly.fencing-requested node1");
        logged.len()
    };
    // While a start takes long, a stop fails in node1, which nothing can restart.
    world.starts_take_us.insert("service2".into(), LONG_US);
    world.inject(Fault::KillService(1, 1));
    while count(&world, "start service2 node2") < 2 {
        assert!(world.step() && world.now_us < 60 * SECOND);
    }
    let begin_us = world.now_us;
    world.inject(Fault::RefuseStop(0, 9 * SECOND));
    world.inject(Fault::KillService(0, 0));
    while requested(&world) == 0 {
        assert!(world.step() && world.now_us < begin_us + LONG_US - SECOND);
    }
    world.ask(Request::Cleanup {
        service: None,
        assembly: None,
    });
    world.run_for(40);
    assert_eq!(requested(&world), 1, "{:#?}", world.logged());
    expect_well(&world);
}
