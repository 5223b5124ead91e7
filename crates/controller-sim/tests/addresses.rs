//! Guests whose addresses change, and the services that follow them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use controller_sim::faults::Fault;
use controller_sim::policies::{Follows, Policies};
use controller_sim::scenario::{Mode, Scenario};
use controller_sim::{World, at_rest, expect_well};

/// Two assemblies and three services, of which the first follows the address of the second
/// assembly.
fn world(on_change: &'static str, mode: Mode) -> World {
    let mut scenario = Scenario::plain(2, 3, mode);
    scenario.services[0].policies = Policies {
        follows: Some(Follows {
            assembly: 1,
            on_change,
        }),
        ..Policies::default()
    };
    at_rest(scenario)
}

/// What was done beside monitors since that many operations, as `ACTION RESOURCE`.
fn done(world: &World, before: usize) -> Vec<String> {
    let executed = world.executed().into_iter().skip(before);
    let lines = executed.map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        let (action, resource) = (words.next().unwrap(), words.next().unwrap());
        format!("{action} {resource}")
    });
    lines.filter(|line| !line.starts_with("monitor")).collect()
}

#[test]
fn only_what_follows_an_address_is_restarted_when_it_changes() {
    for (on_change, expected) in [
        ("restart", ["stop service1", "start service1"].as_slice()),
        ("reload", &["reload-agent service1"]),
        ("ignore", &[]),
    ] {
        let mut world = world(on_change, Mode::Lease);
        let before = world.executed().len();
        let guest = world.guest("node2");
        world.inject(Fault::Readdress(guest, 9));
        world.run_for(20);
        assert_eq!(done(&world, before), expected, "{on_change}");
        expect_well(&world);
    }
}

#[test]
fn an_address_that_flaps_restarts_nothing_until_it_stays() {
    let mut world = world("restart", Mode::Lease);
    let (before, guest) = (world.executed().len(), world.guest("node2"));
    for turn in 0..20 {
        world.inject(Fault::Readdress(guest, 2 + turn % 2));
        world.run_for(3);
    }
    assert_eq!(done(&world, before), [""; 0]);
    world.run_for(10);
    assert_eq!(done(&world, before), ["stop service1", "start service1"]);
    expect_well(&world);
}

#[test]
fn an_address_is_known_over_deaths_of_the_dpe_and_of_its_guest() {
    let mut world = world("restart", Mode::Unit);
    let guest = world.guest("node2");
    world.inject(Fault::Readdress(guest, 9));
    world.run_for(20);
    // Without a lease, so that no service ends because the DPE is away.
    let before = world.executed().len();
    let starts = |world: &World| {
        let done = done(world, before);
        done.iter().filter(|line| *line == "start service1").count()
    };
    let runs_there = world.guests[guest].running.contains("service1");
    world.inject(Fault::KillDpe);
    world.inject(Fault::PowerCut(guest));
    world.run_for(60);
    expect_well(&world);
    assert_eq!(starts(&world), usize::from(runs_there));
}
