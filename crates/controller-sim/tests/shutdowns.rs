//! Guests that are shut down or rebooted as planned, which are not lost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller_sim::faults::Fault;
use controller_sim::scenario::{Mode, Scenario};
use controller_sim::{MS, SECOND, World};
use controller_sim::{at_rest, expect_well};
use cpe_status::AssemblyState;

/// A deployment of two guests that runs and is at rest, and the guest in which service1 runs.
fn running(mode: Mode) -> (World, usize) {
    let world = at_rest(Scenario::plain(2, 2, mode));
    let home = world.runs_in("service1")[0].to_owned();
    let guest = world.guest(&home);
    (world, guest)
}

fn state(world: &World, assembly: &str) -> AssemblyState {
    let status = world.controller().unwrap().status(world.time());
    let own = status.assemblies.iter().find(|own| own.name == assembly);
    own.unwrap().state
}

/// What was told of losses, fencing and failures.
fn bad_news(world: &World) -> Vec<String> {
    let bad = ["assembly.lost", "assembly.fencing", "service.failed"];
    let told = world.logged().into_iter();
    told.filter(|line| bad.iter().any(|kind| line.starts_with(kind)))
        .collect()
}

fn expect_in_order(told: &[String], expected: &[String]) {
    let mut rest = told.iter();
    for wanted in expected {
        assert!(rest.any(|line| line == wanted), "{wanted}: {told:#?}");
    }
}

#[test]
fn a_guest_that_is_shut_down_is_left_in_order_and_comes_back_by_itself() {
    for mode in [Mode::Lease, Mode::Unit, Mode::Manager, Mode::None] {
        let (mut world, guest) = running(mode);
        let home = world.guests[guest].name.clone();
        let (told, begin_us) = (world.logged().len(), world.now_us);
        world.inject(Fault::ShutDown(guest));
        world.run_until(begin_us + 5 * SECOND);
        let moved = world.runs_in("service1");
        assert!(moved.len() == 1 && moved[0] != home, "{mode:?}: {moved:?}");
        let place = moved[0].to_owned();
        world.run_for(60);
        expect_well(&world);
        assert_eq!(bad_news(&world), Vec::<String>::new(), "{mode:?}");
        assert_eq!(world.guests[guest].boot, 2);
        assert_eq!(state(&world, &home), AssemblyState::Online);
        let expected = [
            format!("assembly.leaving {home}"),
            format!("service.moved service1 {place}"),
            format!("assembly.left {home}"),
            format!("assembly.online {home}"),
        ];
        expect_in_order(&world.logged()[told..], &expected[..1]);
        for event in &expected[1..] {
            assert!(world.logged()[told..].contains(event), "{event}");
        }
    }
}

#[test]
fn a_guest_whose_services_do_not_stop_has_not_left_and_is_made_safe() {
    let (mut world, guest) = running(Mode::Lease);
    let home = world.guests[guest].name.clone();
    world.inject(Fault::RefuseStop(guest, 60 * SECOND));
    world.inject(Fault::ShutDown(guest));
    world.run_for(120);
    world.run_for(120);
    let told = world.logged();
    assert!(
        !told.contains(&format!("assembly.left {home}")),
        "{told:#?}"
    );
    expect_in_order(
        &told,
        &[
            format!("assembly.leaving {home}"),
            format!("assembly.fencing-requested {home}"),
            format!("assembly.fencing-succeeded {home}"),
        ],
    );
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn a_guest_that_says_that_it_leaves_and_is_then_silent_is_a_loss() {
    let (mut world, guest) = running(Mode::Lease);
    let home = world.guests[guest].name.clone();
    world.inject(Fault::ShutDown(guest));
    world.run_until(world.now_us + 10 * MS);
    assert_eq!(state(&world, &home), AssemblyState::Leaving);
    world.inject(Fault::Stall(guest, 60 * SECOND));
    world.run_for(100);
    world.run_for(100);
    let told = world.logged();
    expect_in_order(
        &told,
        &[
            format!("assembly.leaving {home}"),
            format!("assembly.lost {home}"),
            format!("assembly.fencing-succeeded {home}"),
        ],
    );
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn a_dpe_that_dies_while_a_guest_leaves_goes_on_with_it() {
    for died_ms in [1, 3, 5, 8, 12, 20, 50, 100, 200, 400, 800, 1_600, 3_000] {
        for mode in [Mode::Lease, Mode::Unit] {
            let (mut world, guest) = running(mode);
            world.inject(Fault::ShutDown(guest));
            world.run_until(world.now_us + died_ms * MS);
            world.inject(Fault::KillDpe);
            world.run_for(120);
            world.run_for(60);
            expect_well(&world);
        }
    }
}

#[test]
fn a_guest_that_is_shut_down_while_the_dpe_is_away_runs_nothing_twice() {
    for mode in [Mode::Lease, Mode::Unit, Mode::Manager] {
        let (mut world, guest) = running(mode);
        world.inject(Fault::KillDpe);
        world.inject(Fault::ShutDown(guest));
        world.run_for(120);
        world.run_for(60);
        expect_well(&world);
    }
}

#[test]
fn a_guest_that_leaves_and_is_back_before_the_dpe_was_not_lost() {
    let (mut world, guest) = running(Mode::Lease);
    let home = world.guests[guest].name.clone();
    world.inject(Fault::RefuseStop(guest, SECOND));
    world.inject(Fault::ShutDown(guest));
    world.run_until(world.now_us + 20 * MS);
    assert_eq!(state(&world, &home), AssemblyState::Leaving);
    world.inject(Fault::StopDpe(40 * SECOND));
    world.run_for(39);
    assert_eq!(
        (world.guests[guest].boot, world.guests[guest].up),
        (2, true)
    );
    world.run_for(60);
    let told = world.logged();
    let lost = |line: &&String| line.starts_with("assembly.lost");
    assert_eq!(told.iter().find(lost), None, "{told:#?}");
    expect_well(&world);
}
