//! Fencing devices of a document's `<configuration>`, in a simulated world without other faults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::Request;
use controller_sim::equipment::DEVICES;
use controller_sim::faults::Fault;
use controller_sim::scenario::{Mode, Scenario};
use controller_sim::{SECOND, World, at_rest, expect_well};
use cpe_status::{AssemblyState, DeploymentStatus, DpeState};

fn running(assemblies: usize) -> World {
    at_rest(Scenario::plain(assemblies, 1, Mode::Devices))
}

fn status(world: &World) -> DeploymentStatus {
    world.controller().unwrap().status(world.time())
}

/// Where the policy engine counts a device; empty: it is stopped.
fn counted_in(world: &World, device: &str) -> String {
    let services = status(world).services;
    let own = services.iter().find(|own| own.service == device);
    own.unwrap().assembly.clone()
}

fn home(world: &World) -> String {
    world.runs_in("service1")[0].to_owned()
}

fn logged(world: &World, text: &str) -> usize {
    let log = world.logged();
    log.iter().filter(|line| line.starts_with(text)).count()
}

fn reasons(world: &World, kind: &str) -> Vec<String> {
    let events = world.log_order.iter().map(|id| &world.log[id]);
    let told = events.filter(|event| event.kind.as_str() == kind);
    told.map(|event| event.reason.clone()).collect()
}

#[test]
fn devices_start_as_services_do_and_no_guest_runs_them() {
    let mut world = running(2);
    for device in DEVICES {
        assert_eq!(logged(&world, &format!("service.started {device}")), 1);
        assert!(counted_in(&world, device).starts_with("node"), "{device}");
    }
    assert!(world.executed().iter().all(|line| !line.contains("ipmi")));
    world.run_for(60);
    expect_well(&world);
}

#[test]
fn the_next_level_makes_safe_when_the_first_has_failed() {
    let mut world = running(2);
    let lost = home(&world);
    world.inject(Fault::BreakDevice(0, 600 * SECOND));
    world.inject(Fault::Stall(world.guest(&lost), 60 * SECOND));
    world.run_for(20);
    assert_eq!(
        reasons(&world, "assembly.fencing-failed"),
        ["ipmi is broken"]
    );
    assert_eq!(logged(&world, "assembly.fencing-succeeded"), 1);
    assert_ne!(home(&world), lost);
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn a_level_needs_all_its_devices() {
    let mut world = running(2);
    let lost = home(&world);
    for device in [0, 2] {
        world.inject(Fault::BreakDevice(device, 30 * SECOND));
    }
    world.inject(Fault::Stall(world.guest(&lost), 300 * SECOND));
    world.run_for(28);
    let reasons = reasons(&world, "assembly.fencing-failed");
    assert_eq!(reasons[..2], ["ipmi is broken", "pdu-b is broken"]);
    assert_eq!(logged(&world, "assembly.fencing-succeeded"), 0);
    let place = world.runs_in("service1");
    assert_eq!(
        place,
        [lost.as_str()],
        "one supply is off, the other is not"
    );
    world.run_for(40);
    assert_eq!(logged(&world, "assembly.fencing-succeeded"), 1);
    assert_ne!(home(&world), lost);
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn a_dpe_that_dies_between_levels_begins_with_the_first_again() {
    let mut world = running(2);
    let lost = home(&world);
    world.inject(Fault::BreakDevice(0, 600 * SECOND));
    world.inject(Fault::DieBetweenLevels);
    world.inject(Fault::Stall(world.guest(&lost), 120 * SECOND));
    world.run_for(60);
    let died = world.trace.iter().any(|line| line.contains("DPE dies"));
    assert!(died, "the DPE died");
    assert_eq!(logged(&world, "assembly.fencing-succeeded"), 1);
    assert_ne!(home(&world), lost);
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn a_device_whose_monitor_fails_is_shown_and_still_used() {
    let mut world = running(2);
    world.inject(Fault::BreakDevice(0, 40 * SECOND));
    world.run_for(20);
    assert_eq!(world.controller().unwrap().state(), DpeState::Degraded);
    let status = status(&world);
    let failure = status.failures.iter().find(|own| own.service == "ipmi");
    let failure = failure.expect("a failure of the device");
    assert!(failure.reason.contains("broken"), "{failure:?}");
    assert!(logged(&world, "service.failed ipmi") > 0);
    // It is asked all the same, and fails; then it works again, and does it.
    let lost = home(&world);
    for device in [1, 2] {
        world.inject(Fault::BreakDevice(device, 600 * SECOND));
    }
    world.inject(Fault::Stall(world.guest(&lost), 300 * SECOND));
    world.run_for(60);
    assert_eq!(logged(&world, "assembly.fencing-succeeded"), 1);
    assert_ne!(home(&world), lost);
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn a_lost_assembly_takes_no_device_with_it() {
    let mut world = running(2);
    let lost = counted_in(&world, "ipmi");
    let failed = logged(&world, "service.failed ipmi");
    world.inject(Fault::Stall(world.guest(&lost), 20 * SECOND));
    world.run_for(15);
    assert_ne!(counted_in(&world, "ipmi"), lost);
    assert_eq!(logged(&world, "service.failed ipmi"), failed);
    world.run_for(60);
    expect_well(&world);
}

#[test]
fn failures_of_devices_count_after_a_restart_of_the_dpe_too() {
    let mut world = running(2);
    for _ in 0..2 {
        let before = logged(&world, "service.failed ipmi");
        world.inject(Fault::BreakDevice(0, 20 * SECOND));
        world.run_for(20);
        assert!(logged(&world, "service.failed ipmi") > before);
        world.run_for(60);
        let service = None;
        world.inject(Fault::Request(Request::Cleanup {
            service,
            assembly: None,
        }));
        world.inject(Fault::KillDpe);
        world.run_for(30);
        expect_well(&world);
    }
}

#[test]
fn status_says_by_which_devices_an_assembly_is_made_safe() {
    let mut world = running(2);
    let lost = home(&world);
    world.inject(Fault::BadDevices(60 * SECOND));
    world.inject(Fault::Stall(world.guest(&lost), 60 * SECOND));
    let mut shown = Vec::new();
    for _ in 0..20 {
        world.run_for(1);
        let assemblies = status(&world).assemblies;
        let own = assemblies.into_iter().find(|own| own.name == lost).unwrap();
        if own.state == AssemblyState::Fencing {
            shown.push(own.reason);
        }
    }
    let first = shown
        .iter()
        .any(|text| text.contains("level 1 of 2: running ipmi"));
    assert!(first, "{shown:?}");
}
