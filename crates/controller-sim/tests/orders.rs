//! Orders about single services, in a simulated world without other faults than the death of the
//! DPE: at whatever effect it dies, what was ordered is kept, and what was begun is finished.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{Lifetime, Request, ServiceOrder, Task};
use controller_sim::faults::Fault;
use controller_sim::scenario::{Mode, Scenario};
use controller_sim::{World, at_rest, expect_well};

/// The DPE dies at each of so many effects after an order, in a world of its own.
const EFFECTS: u64 = 24;

fn order(world: &mut World, order: ServiceOrder) {
    let service = "service1".into();
    world.ask(Request::Service { service, order });
}

fn entries(world: &World) -> Vec<String> {
    let status = world.controller().unwrap().status(world.time());
    let entries = status.overlay.into_iter();
    entries
        .map(|own| format!("{} {}", own.kind, own.assembly))
        .collect()
}

/// Worlds whose DPE dies soon after the order, after a minute.
fn worlds(given: &ServiceOrder) -> impl Iterator<Item = World> {
    (1..=EFFECTS).map(|effects| {
        let mut world = at_rest(Scenario::plain(2, 2, Mode::Lease));
        world.inject(Fault::DieAtEffect(effects));
        order(&mut world, given.clone());
        world.run_for(60);
        world
    })
}

/// How often something was done, as `ACTION SERVICE`.
fn count(world: &World, begin: &str) -> usize {
    let executed = world.executed();
    let own = executed.iter().filter(|line| line.starts_with(begin));
    own.count()
}

#[test]
fn a_restart_is_finished_whenever_the_dpe_dies() {
    let mut restarted = 0;
    for (effects, world) in (1..).zip(worlds(&ServiceOrder::Restart)) {
        assert_eq!(
            world.runs_in("service1").len(),
            1,
            "it is not left down: {effects}"
        );
        assert_eq!(entries(&world), [""; 0], "{effects}");
        // An order whose row was not written was not answered either.
        let stops = count(&world, "stop service1");
        assert!(
            (0..=1).contains(&stops),
            "{effects}: it is stopped once, not {stops} times"
        );
        restarted += stops;
        expect_well(&world);
    }
    assert!(
        restarted > 10,
        "{restarted} of {EFFECTS}: most have it begun"
    );
    let mut world = at_rest(Scenario::plain(2, 2, Mode::Lease));
    order(&mut world, ServiceOrder::Restart);
    world.run_for(30);
    assert_eq!(count(&world, "stop service1"), 1);
    assert_eq!(count(&world, "start service1"), 2);
    expect_well(&world);
}

#[test]
fn a_move_leaves_nothing_behind_whenever_the_dpe_dies() {
    let away = ServiceOrder::Move {
        to: None,
        from: None,
        promoted: false,
        lifetime: Lifetime::Placed,
    };
    for (effects, world) in (1..).zip(worlds(&away)) {
        assert_eq!(world.runs_in("service1").len(), 1, "{effects}");
        assert_eq!(entries(&world), [""; 0], "{effects}");
        expect_well(&world);
    }
}

#[test]
fn a_ban_outlives_the_dpe_and_ends_in_time() {
    let mut world = at_rest(Scenario::plain(2, 2, Mode::Lease));
    let home = world.runs_in("service1")[0].to_owned();
    let assembly = home.as_str().into();
    order(
        &mut world,
        ServiceOrder::Ban {
            assembly,
            promoted: false,
            lifetime: Lifetime::For(40_000),
        },
    );
    world.run_for(15);
    world.inject(Fault::KillDpe);
    world.run_for(15);
    assert_eq!(entries(&world), [format!("ban {home}")]);
    assert_ne!(world.runs_in("service1"), [home.as_str()]);
    world.run_for(15);
    assert_eq!(entries(&world), [""; 0]);
    let expired = |line: &String| line.starts_with("overlay.expired");
    assert_eq!(
        world.logged().iter().filter(|line| expired(line)).count(),
        1
    );
    expect_well(&world);
}

#[test]
fn a_disabled_service_stays_stopped_over_deaths_and_documents() {
    for mut world in worlds(&ServiceOrder::Disable) {
        let kept = !entries(&world).is_empty();
        world.scenario.services[1].parameter += 1;
        world.scenario.generation += 1;
        let request = world.load_request();
        world.ask(request);
        world.run_for(30);
        assert_eq!(!entries(&world).is_empty(), kept);
        assert_eq!(world.runs_in("service1").is_empty(), kept);
        order(&mut world, ServiceOrder::Enable);
        world.run_for(30);
        assert_eq!(world.runs_in("service1").len(), 1);
        expect_well(&world);
    }
}

#[test]
fn an_order_does_not_take_back_a_start_that_a_slow_disk_holds_up() {
    let mut world = at_rest(Scenario::plain(2, 2, Mode::Lease));
    order(&mut world, ServiceOrder::Disable);
    world.run_for(20);
    let before = count(&world, "start service1");
    world.inject(Fault::SlowDisk(60_000_000));
    order(&mut world, ServiceOrder::Enable);
    // What begins a transition waits for the event that tells of it.
    while !world.is_held("service1", &Task::Start) {
        assert!(world.step() && count(&world, "start service1") == before);
    }
    order(&mut world, ServiceOrder::Disable);
    world.run_for(60);
    assert_eq!(count(&world, "start service1"), before + 1);
    assert_eq!(world.runs_in("service1"), [""; 0], "it is stopped again");
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn a_stopped_dpe_takes_orders_when_it_goes_on() {
    let mut world = at_rest(Scenario::plain(2, 2, Mode::Lease));
    world.inject(Fault::StopDpe(10_000_000));
    order(&mut world, ServiceOrder::Disable);
    world.run_for(5);
    assert_eq!(entries(&world), [""; 0]);
    assert_eq!(world.runs_in("service1").len(), 1);
    world.run_for(20);
    assert_eq!(entries(&world), ["disable "]);
    assert_eq!(world.runs_in("service1"), [""; 0]);
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}
