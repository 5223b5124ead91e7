//! Guests that devices cut off and let in again, in a simulated world without other faults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{PowerOrder, Request};
use controller_sim::equipment::DEVICES;
use controller_sim::faults::Fault;
use controller_sim::scenario::{Mode, Scenario};
use controller_sim::{Mutant, Options, Random, SECOND, World, at_rest, calm, expect_well};
use cpe_status::AssemblyState;

/// The index of the device that provides unfencing.
const SWITCH: usize = DEVICES.len();

fn scenario(alone: bool) -> Scenario {
    let mut scenario = Scenario::plain(2, 1, Mode::Devices);
    scenario.cut_off(alone);
    scenario
}

fn logged(world: &World, text: &str) -> usize {
    let log = world.logged();
    log.iter().filter(|line| line.starts_with(text)).count()
}

fn home(world: &World) -> String {
    world.runs_in("service1")[0].to_owned()
}

/// What the status says of an assembly.
fn reason(world: &World, name: &str) -> String {
    let controller = world.controller().unwrap();
    let statuses = controller.assembly_statuses(world.time());
    let own = statuses.into_iter().find(|own| own.name == name).unwrap();
    assert_eq!(own.state, AssemblyState::Online, "{}", own.reason);
    own.reason
}

#[test]
fn a_guest_is_let_in_again_before_anything_starts_there() {
    let document = scenario(false).document();
    assert!(document.contains("name=\"provides\" value=\"unfencing\""));
    let mut world = at_rest(scenario(false));
    assert_eq!(logged(&world, "assembly.unfencing-succeeded"), 2);
    assert!(world.guests.iter().all(|guest| guest.let_in));
    let lost = home(&world);
    world.inject(Fault::PowerCut(world.guest(&lost)));
    world.run_for(60);
    assert_eq!(logged(&world, "assembly.unfencing-succeeded"), 3);
    expect_well(&world);
}

#[test]
fn who_is_let_in_is_not_let_in_again_by_another_dpe() {
    let mut world = at_rest(scenario(false));
    world.inject(Fault::KillDpe);
    world.run_for(60);
    assert_eq!(logged(&world, "assembly.unfencing-requested"), 2);
    expect_well(&world);
}

#[test]
fn nothing_starts_where_a_device_cannot_let_in_and_the_status_says_why() {
    let mut world = calm(scenario(false));
    world.inject(Fault::BreakDevice(SWITCH, 40 * SECOND));
    world.run_for(30);
    assert!(world.runs_in("service1").is_empty());
    let told = reason(&world, "node1");
    assert!(
        told.starts_with("waits to be unfenced by switch, next in")
            && told.ends_with("the last: switch is broken"),
        "{told}"
    );
    assert!(logged(&world, "assembly.unfencing-failed node1") >= 3);
    assert_eq!(logged(&world, "assembly.unfencing-requested node1"), 1);
    world.run_for(60);
    expect_well(&world);
    assert_eq!(reason(&world, "node1"), "");
}

/// A guest is restarted by order while a device lets it in, which takes long.
fn fenced_while_it_is_let_in(mutant: Option<Mutant>) -> World {
    let options = Options {
        trace: true,
        mutant,
        ..Options::default()
    };
    let mut world = World::new(scenario(false), Random::new(7), options);
    world.letting_in_takes_us = 9 * SECOND;
    world.run_for(6);
    assert!(reason(&world, "node1").contains("being unfenced by switch"));
    world.ask(Request::Fence {
        assembly: "node1".into(),
        order: PowerOrder::Reboot,
    });
    world.run_for(4);
    world
}

#[test]
fn a_guest_that_is_being_let_in_can_be_fenced_and_is_not_let_in_after_that() {
    let mut world = fenced_while_it_is_let_in(None);
    assert!(logged(&world, "assembly.fencing-requested node1") == 1);
    world.run_for(90);
    assert_eq!(logged(&world, "assembly.fencing-succeeded node1"), 1);
    expect_well(&world);
}

#[test]
fn a_controller_that_does_not_wait_for_the_end_of_an_unfencing_is_found_out() {
    let world = fenced_while_it_is_let_in(Some(Mutant::HastyCut));
    let found = world.violations().join("\n");
    assert!(
        found.contains("node1 is made safe while it may be let in"),
        "{found}"
    );
}

#[test]
fn a_controller_that_believes_that_a_guest_is_let_in_is_found_out() {
    let options = Options {
        mutant: Some(Mutant::BelieveUnfencing),
        ..Options::default()
    };
    let mut world = World::new(scenario(false), Random::new(7), options);
    world.run_for(20);
    let found = world.violations().join("\n");
    assert!(found.contains("which nobody has let in"), "{found}");
}

#[test]
fn what_is_only_cut_off_is_safe_when_its_lease_is_over() {
    let mut world = at_rest(scenario(true));
    let lost = home(&world);
    world.inject(Fault::Stall(world.guest(&lost), 120 * SECOND));
    let mut waited = 0;
    for _ in 0..40 {
        world.run_for(1);
        let controller = world.controller().unwrap();
        let statuses = controller.assembly_statuses(world.time());
        let own = statuses.into_iter().find(|own| own.name == lost).unwrap();
        if own.reason.contains("for the end of its lease") {
            assert!(!world.guests[world.guest(&lost)].let_in);
            assert_eq!(logged(&world, "assembly.fencing-succeeded"), 0);
            waited += 1;
        }
    }
    assert!(waited >= 2, "it was cut off, and waited for: {waited} s");
    assert_eq!(logged(&world, "assembly.fencing-succeeded"), 1);
    assert_ne!(home(&world), lost);
    world.run_for(150);
    expect_well(&world);
}

/// The guest of the service is cut off, and what happens before its lease is over.
fn back_in_the_boot_of_the_cut(meanwhile: impl FnOnce(&mut World)) -> World {
    let mut world = at_rest(scenario(true));
    let lost = world.guest(&home(&world));
    let boot = world.guests[lost].boot;
    world.inject(Fault::Stall(lost, 6 * SECOND));
    while world.guests[lost].let_in {
        world.run_for(1);
    }
    meanwhile(&mut world);
    world.run_for(90);
    let own = &world.guests[lost];
    assert!(own.boot > boot, "it was restarted");
    assert!(own.let_in, "and let in after that");
    expect_well(&world);
    world
}

#[test]
fn a_guest_that_is_back_before_its_lease_is_over_is_restarted() {
    let world = back_in_the_boot_of_the_cut(|_| {});
    assert_eq!(logged(&world, "assembly.unfencing-succeeded"), 3);
}

#[test]
fn another_dpe_does_not_let_in_whom_the_last_one_has_cut_off() {
    back_in_the_boot_of_the_cut(|world| {
        world.inject(Fault::KillDpe);
        world.run_for(1);
    });
}
