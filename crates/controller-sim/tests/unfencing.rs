//! Guests that devices cut off and let in again, in a simulated world without other faults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{PowerOrder, Request};
use controller_sim::equipment::DEVICES;
use controller_sim::faults::Fault;
use controller_sim::scenario::{Mode, Scenario, Service};
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

/// Three assemblies, the port of the last of which is broken.
fn with_a_broken_port() -> World {
    let mut scenario = Scenario::plain(3, 2, Mode::Devices);
    scenario.cut_off(false);
    let mut world = calm(scenario);
    world.inject(Fault::BreakPort(2, 600 * SECOND));
    world
}

#[test]
fn one_that_no_device_lets_in_does_not_hold_the_others_up() {
    let mut world = with_a_broken_port();
    world.run_for(30);
    for service in ["service1", "service2"] {
        assert_eq!(world.runs_in(service).len(), 1, "{service}");
        assert_ne!(world.runs_in(service)[0], "node3");
    }
    let told = reason(&world, "node3");
    assert!(told.ends_with("the last: its port is broken"), "{told}");
    // And a failover among the others.
    let lost = home(&world);
    world.inject(Fault::PowerCut(world.guest(&lost)));
    world.run_for(20);
    assert_eq!(
        world.runs_in("service1").len(),
        1,
        "{}",
        world.trace.join("\n")
    );
    assert_ne!(home(&world), lost);
    let told = reason(&world, "node3");
    assert!(told.contains("waits to be unfenced"), "it is tried: {told}");
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn one_that_was_not_let_in_is_used_as_soon_as_it_is() {
    let mut world = with_a_broken_port();
    world.run_for(30);
    world.inject(Fault::BreakPort(2, 0));
    // The longest pause by then is that after the fifth attempt.
    world.run_for(60);
    assert_eq!(reason(&world, "node3"), "");
    assert!(world.guests[2].let_in);
    assert_eq!(logged(&world, "assembly.unfencing-succeeded node3"), 1);
    // The others are lost, and cannot be let in when they have booted.
    for lost in [0, 1] {
        world.inject(Fault::BreakPort(lost, 60 * SECOND));
        world.inject(Fault::PowerCut(lost));
    }
    world.run_for(40);
    for service in ["service1", "service2"] {
        assert_eq!(world.runs_in(service), ["node3"], "{service}");
    }
    world.run_for(60);
    expect_well(&world);
}

#[test]
fn another_dpe_finds_out_too_that_one_is_not_let_in() {
    let mut world = with_a_broken_port();
    world.run_for(30);
    let before = logged(&world, "assembly.unfencing-failed node3");
    world.inject(Fault::KillDpe);
    world.run_for(10);
    let after = logged(&world, "assembly.unfencing-failed node3");
    assert!(after > before, "it is tried by this one: {before}, {after}");
    let lost = home(&world);
    let (other, port) = (world.guest(&lost), 60 * SECOND);
    world.inject(Fault::BreakPort(other, port));
    world.inject(Fault::PowerCut(other));
    world.run_for(40);
    assert_eq!(world.runs_in("service1").len(), 1);
    assert_ne!(home(&world), lost);
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

/// Two assemblies and two services. In the first one `service1` runs since that was let in. Then
/// the document names another device, which cannot let it in, and `change` happens before.
fn not_let_in_by_the_next_device(change: impl FnOnce(&mut World)) -> World {
    let mut scenario = Scenario::plain(2, 2, Mode::Devices);
    scenario.cut_off(false);
    scenario.services[0].prefers = Some(0);
    scenario.services[1].prefers = Some(1);
    let mut world = at_rest(scenario);
    assert_eq!(world.runs_in("service1"), ["node1"]);
    world.inject(Fault::BreakPort(0, 60 * SECOND));
    change(&mut world);
    world.scenario.fabric_edition += 1;
    world.scenario.generation += 1;
    world.ask(world.load_request());
    world.run_for(30);
    assert!(logged(&world, "assembly.unfencing-failed node1") >= 3);
    world
}

#[test]
fn what_runs_in_one_that_the_next_device_does_not_let_in_is_stopped_before_it_starts_elsewhere() {
    let mut world = not_let_in_by_the_next_device(|_| {});
    assert_eq!(world.runs_in("service1"), ["node2"]);
    assert_eq!(logged(&world, "service.moved service1"), 1);
    assert!(world.violations().is_empty(), "{:?}", world.violations());
    world.run_for(60);
    expect_well(&world);
}

#[test]
fn who_was_let_in_by_another_device_is_looked_at_before_a_new_service_starts() {
    // It is no news to the guest: somebody has started it there, and no record says so.
    let mut world = not_let_in_by_the_next_device(|world| {
        world.scenario.services.push(Service::plain(2));
        world.guests[0].running.insert("service3".into());
    });
    assert_eq!(world.runs_in("service3"), ["node1"]);
    assert!(world.violations().is_empty(), "{:?}", world.violations());
    world.run_for(60);
    assert_eq!(world.runs_in("service3"), ["node1"], "it was found there");
    expect_well(&world);
}

#[test]
fn what_was_looked_for_in_this_boot_does_not_hold_the_others_up() {
    // It was let in in this boot, and looked at then: service2 does not run there.
    let mut world = not_let_in_by_the_next_device(|world| {
        world.scenario.services[1].parameter += 1;
    });
    assert_eq!(world.runs_in("service2"), ["node2"]);
    world.run_for(60);
    expect_well(&world);
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
