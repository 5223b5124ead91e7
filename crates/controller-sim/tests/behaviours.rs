//! What the controller does, one behaviour per test, in a simulated world without other faults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{Controller, Durable, Input, LeasesHeld, PlanInput, Refusal, Request};
use controller_sim::faults::Fault;
use controller_sim::policies::OnFail;
use controller_sim::scenario::{Mode, Scenario};
use controller_sim::{SECOND, World};
use controller_sim::{at_rest, calm, expect_well};
use cpe_status::{AssemblyState, DpeState, PlanBasis};

/// A deployment that runs and is at rest, 20 s after the beginning.
fn running(assemblies: usize, services: usize, mode: Mode) -> World {
    at_rest(Scenario::plain(assemblies, services, mode))
}

/// Where the only copy of a service runs.
fn place(world: &World, service: &str) -> String {
    let places = world.runs_in(service);
    assert_eq!(
        places.len(),
        1,
        "{service} runs in {places:?}\n{}",
        world.trace.join("\n")
    );
    places[0].to_owned()
}

fn state(world: &World) -> DpeState {
    world.controller().expect("the DPE lives").state()
}

/// Things told or executed since.
fn since(all: Vec<String>, before: usize) -> Vec<String> {
    all.into_iter().skip(before).collect()
}

fn contains_in_order(told: &[String], expected: &[&str]) -> bool {
    let mut rest = expected.iter();
    let mut next = rest.next();
    for line in told {
        if next.is_some_and(|wanted| line == wanted) {
            next = rest.next();
        }
    }
    next.is_none()
}

#[test]
fn a_lease_is_held_from_the_first_answer_until_the_guest_is_safe() {
    let mut world = calm(Scenario::plain(1, 1, Mode::Lease));
    let held = |world: &World| world.controller().unwrap().leases_held();
    let lease = LeasesHeld::Shortest(u32::try_from(world.scenario.timing.1).unwrap());
    world.run_for(20);
    assert_eq!(held(&world), lease);
    world.inject(Fault::Cut(0, 200 * SECOND));
    world.run_for(5);
    assert_eq!(held(&world), lease, "it is lost, and not safe");
    world.run_for(60);
    assert_eq!(held(&world), LeasesHeld::None);
    world.inject(Fault::KillDpe);
    world.run_for(20);
    assert_eq!(held(&world), LeasesHeld::None, "it stays safe");
    world.run_for(200);
    assert_eq!(held(&world), lease);
}

#[test]
fn it_starts_what_should_run_and_then_keeps_still() {
    let mut world = running(3, 4, Mode::Lease);
    assert_eq!(state(&world), DpeState::Active);
    let (executed, steps) = (world.executed().len(), world.logged().len());
    assert_eq!(executed, 4, "{:?}", world.executed());
    world.run_for(60);
    assert_eq!(
        (world.executed().len(), world.logged().len()),
        (executed, steps)
    );
    expect_well(&world);
}

#[test]
fn it_recovers_a_killed_service_in_place() {
    let mut world = running(2, 2, Mode::Lease);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    let (told, executed) = (world.logged().len(), world.executed().len());
    world.inject(Fault::KillService(guest, 0));
    world.run_for(15);
    expect_well(&world);
    assert_eq!(place(&world, "service1"), home);
    let expected = [
        format!("service.failed service1 {home}"),
        format!("service.recovered service1 {home}"),
    ];
    let told = since(world.logged(), told);
    assert!(
        contains_in_order(
            &told,
            &[
                &expected[0],
                "deployment.degraded",
                &expected[1],
                "deployment.recovered"
            ]
        ),
        "{told:#?}"
    );
    let executed = since(world.executed(), executed);
    assert_eq!(
        executed,
        [
            format!("stop service1 {home}"),
            format!("start service1 {home}")
        ]
    );
}

#[test]
fn it_moves_services_of_a_lost_assembly_only_after_its_lease() {
    let mut world = running(2, 2, Mode::Lease);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    let lost_us = world.now_us;
    world.inject(Fault::Stall(guest, 600 * SECOND));
    let told = world.logged().len();
    // Lease of 6 s, grace of 5 s by default; stops of up to 8 s are not waited for.
    world.run_until(lost_us + 12 * SECOND);
    assert!(
        !world
            .executed()
            .iter()
            .any(|line| line.starts_with("start service1") && !line.ends_with(&home))
    );
    assert_eq!(
        world.runs_in("service1"),
        Vec::<&str>::new(),
        "its agent has stopped it by itself"
    );
    world.run_until(lost_us + 60 * SECOND);
    let new_home = place(&world, "service1");
    assert_ne!(new_home, home);
    let told = since(world.logged(), told);
    let expected = [
        format!("assembly.heartbeat-missed {home}"),
        format!("assembly.lost {home}"),
        format!("service.failed service1 {home}"),
        format!("assembly.fencing-requested {home}"),
        format!("assembly.fencing-succeeded {home}"),
        format!("service.moved service1 {new_home}"),
    ];
    assert!(
        contains_in_order(&told, &expected.each_ref().map(String::as_str)),
        "{told:#?}"
    );
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn it_moves_services_of_a_lost_assembly_after_its_unit_was_restarted() {
    let mut world = running(2, 2, Mode::Unit);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    world.inject(Fault::Stall(guest, 20 * SECOND));
    world.run_for(12);
    assert_ne!(place(&world, "service1"), home);
    world.run_for(60);
    expect_well(&world);
    assert!(world.logged().contains(&format!("assembly.online {home}")));
}

#[test]
fn with_fencing_mode_none_a_lost_heartbeat_counts_as_down() {
    let mut world = running(2, 1, Mode::None);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    world.inject(Fault::PowerCut(guest));
    world.inject(Fault::Cut(guest, 60 * SECOND));
    world.run_for(10);
    assert_ne!(place(&world, "service1"), home);
}

#[test]
fn with_fencing_mode_manager_it_waits_until_it_is_told() {
    let mut world = running(2, 1, Mode::Manager);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    let told = world.logged().len();
    world.inject(Fault::Stall(guest, 40 * SECOND));
    // The simulated manager switches the guest off and confirms.
    world.run_for(20);
    assert_ne!(place(&world, "service1"), home);
    let told = since(world.logged(), told);
    let expected = [
        format!("assembly.fencing-requested {home}"),
        format!("assembly.fencing-succeeded {home}"),
    ];
    assert!(
        contains_in_order(&told, &expected.each_ref().map(String::as_str)),
        "{told:#?}"
    );
}

#[test]
fn a_short_interruption_is_no_loss() {
    let mut world = running(2, 2, Mode::Lease);
    let told = world.logged().len();
    world.inject(Fault::Cut(0, 500_000));
    world.inject(Fault::KillAgent(1));
    world.run_for(30);
    expect_well(&world);
    let told = since(world.logged(), told);
    assert!(
        !told
            .iter()
            .any(|line| line.starts_with("assembly.lost") || line.starts_with("service.")),
        "{told:#?}"
    );
}

#[test]
fn an_assembly_that_is_back_before_the_end_of_its_lease_keeps_its_services() {
    let mut scenario = Scenario::plain(2, 2, Mode::Lease);
    scenario.timing = (3_000, 12_000);
    let mut world = at_rest(scenario);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    let executed = world.executed().len();
    world.inject(Fault::Stall(guest, 4_500_000));
    world.run_for(30);
    expect_well(&world);
    assert_eq!(since(world.executed(), executed), Vec::<String>::new());
    assert!(
        world
            .logged()
            .contains(&format!("assembly.recovered {home}")),
        "{:#?}",
        world.logged()
    );
}

#[test]
fn a_restarted_dpe_leaves_services_untouched() {
    let mut world = running(3, 4, Mode::Unit);
    let (executed, told) = (world.executed().len(), world.logged().len());
    let epoch = world.controller().expect("the DPE lives").epoch();
    for _ in 0..5 {
        world.inject(Fault::KillDpe);
        world.run_for(20);
    }
    expect_well(&world);
    assert_eq!(since(world.executed(), executed), Vec::<String>::new());
    let news = since(world.logged(), told);
    assert!(
        !news
            .iter()
            .any(|line| line.starts_with("service.") || line.starts_with("deployment.")),
        "{news:#?}"
    );
    assert!(world.controller().expect("the DPE lives").epoch() > epoch);
}

#[test]
fn a_dpe_that_did_not_run_for_a_while_takes_nobody_for_lost() {
    for seconds in [4, 20, 300] {
        let mut world = running(3, 3, Mode::Unit);
        let (told, executed) = (world.logged().len(), world.executed().len());
        world.inject(Fault::StopDpe(seconds * SECOND));
        world.run_for(seconds + 30);
        expect_well(&world);
        let told = since(world.logged(), told);
        assert!(
            told.iter().all(|line| !line.starts_with("assembly.lost")),
            "stopped for {seconds} s: {told:#?}"
        );
        assert_eq!(since(world.executed(), executed), [""; 0]);
    }
}

#[test]
fn a_dpe_that_did_not_run_for_a_while_still_finds_out_who_was_lost_meanwhile() {
    let mut world = running(3, 3, Mode::Unit);
    let home = place(&world, "service1");
    let told = world.logged().len();
    world.inject(Fault::StopDpe(10 * SECOND));
    world.inject(Fault::Cut(world.guest(&home), 600 * SECOND));
    world.run_for(30);
    let told = since(world.logged(), told);
    assert!(told.contains(&format!("assembly.lost {home}")), "{told:#?}");
}

#[test]
fn a_dpe_that_stands_still_as_soon_as_it_has_its_document_gives_agents_their_time_again() {
    let mut world = calm(Scenario::plain(2, 2, Mode::Unit));
    // It has asked for streams, and nothing else will wake it.
    world.run_until(SECOND / 10);
    world.inject(Fault::StopDpe(20 * SECOND));
    // They are out of reach for a little longer than it stands still.
    for guest in 0..2 {
        world.inject(Fault::Cut(guest, 25 * SECOND));
    }
    world.run_for(60);
    expect_well(&world);
    let told = world.logged();
    assert!(
        told.iter().all(|line| !line.starts_with("assembly.lost")),
        "{told:#?}"
    );
}

#[test]
fn a_dpe_that_stands_still_again_and_again_still_gives_up_who_never_answers() {
    let mut world = calm(Scenario::plain(2, 2, Mode::Unit));
    world.run_until(SECOND / 10);
    world.inject(Fault::Cut(1, 600 * SECOND));
    for _ in 0..10 {
        world.inject(Fault::StopDpe(9 * SECOND));
        world.run_for(10);
    }
    let told = world.logged();
    assert!(
        told.contains(&"assembly.lost node2".to_owned()),
        "{told:#?}"
    );
}

#[test]
fn what_happened_while_the_dpe_was_dead_is_told_and_repaired() {
    let mut world = running(2, 2, Mode::Unit);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    let told = world.logged().len();
    world.inject(Fault::KillDpe);
    world.inject(Fault::KillService(guest, 0));
    world.run_for(40);
    expect_well(&world);
    let told = since(world.logged(), told);
    let expected = [
        format!("service.failed service1 {home}"),
        format!("service.recovered service1 {home}"),
    ];
    assert!(
        contains_in_order(&told, &expected.each_ref().map(String::as_str)),
        "{told:#?}"
    );
}

#[test]
fn a_fresh_dpe_decides_nothing_before_every_assembly_is_known() {
    let mut world = calm(Scenario::plain(2, 2, Mode::Lease));
    world.inject(Fault::Cut(1, 5 * SECOND));
    world.run_until(4 * SECOND);
    assert_eq!(state(&world), DpeState::Loading);
    assert_eq!(
        world.executed(),
        Vec::<String>::new(),
        "unknown is not down"
    );
    world.run_for(20);
    expect_well(&world);
}

#[test]
fn an_assembly_that_never_appears_does_not_hold_the_others_up_for_ever() {
    let mut world = calm(Scenario::plain(2, 2, Mode::Lease));
    world.inject(Fault::Cut(1, 600 * SECOND));
    world.run_for(70);
    assert_eq!(
        (place(&world, "service1"), place(&world, "service2")),
        ("node1".into(), "node1".into())
    );
    assert_eq!(state(&world), DpeState::Degraded);
}

#[test]
fn a_modified_document_changes_only_the_difference() {
    let mut world = running(2, 3, Mode::Lease);
    let home = place(&world, "service2");
    let executed = world.executed().len();
    world.scenario.services[1].parameter = 2;
    world.scenario.generation = 2;
    let request = world.load_request();
    world.ask(request);
    world.run_for(10);
    expect_well(&world);
    assert_eq!(
        since(world.executed(), executed),
        [
            format!("stop service2 {home}"),
            format!("start service2 {home}")
        ]
    );
    assert_eq!(world.controller().expect("the DPE lives").generation(), 2);
}

#[test]
fn the_same_document_again_changes_nothing_and_an_older_one_is_refused() {
    let mut world = running(2, 2, Mode::Lease);
    let mut other = Controller::new("sim", Durable::default(), world.time());
    let load = |document: &str, generation| {
        Input::Request(Request::Load {
            document: document.into(),
            generation,
            in_doubt: Default::default(),
        })
    };
    let document = world.scenario.document();
    assert_eq!(other.handle(world.time(), load(&document, 2)), Ok(()));
    assert_eq!(other.handle(world.time(), load(&document, 2)), Ok(()));
    let conflict = Refusal::GenerationConflict {
        loaded: 2,
        offered: 1,
    };
    assert_eq!(
        other.handle(world.time(), load(&document, 1)),
        Err(conflict)
    );
    world.scenario.services[0].parameter = 2;
    let changed = world.scenario.document();
    assert!(matches!(
        other.handle(world.time(), load(&changed, 2)),
        Err(Refusal::GenerationConflict { .. })
    ));
    assert!(matches!(
        other.handle(world.time(), load("<deployable", 3)),
        Err(Refusal::InvalidDocument(_))
    ));
    assert_eq!(other.document(), Some((document.as_str(), 2)));
}

#[test]
fn a_service_that_leaves_the_document_is_stopped_and_forgotten() {
    let mut world = running(2, 2, Mode::Lease);
    let home = place(&world, "service2");
    world.scenario.services[1].present = false;
    world.scenario.generation = 2;
    let request = world.load_request();
    world.ask(request);
    world.run_for(10);
    expect_well(&world);
    assert!(world.executed().contains(&format!("stop service2 {home}")));
    assert_eq!(
        world.logged().last().map(String::as_str),
        Some(format!("service.stopped service2 {home}").as_str())
    );
}

#[test]
fn an_assembly_that_leaves_the_document_is_emptied_first() {
    let mut world = running(2, 2, Mode::Lease);
    world.scenario.assemblies[0].present = false;
    world.scenario.generation = 2;
    let request = world.load_request();
    world.ask(request);
    world.run_for(15);
    expect_well(&world);
    assert_eq!(
        (place(&world, "service1"), place(&world, "service2")),
        ("node2".into(), "node2".into())
    );
    let status = world
        .controller()
        .expect("the DPE lives")
        .status(world.time());
    assert_eq!(
        status
            .assemblies
            .iter()
            .map(|assembly| assembly.name.as_str())
            .collect::<Vec<_>>(),
        ["node2"]
    );
}

#[test]
fn an_assembly_whose_service_does_not_stop_is_fenced() {
    let mut world = running(2, 2, Mode::Unit);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    world.inject(Fault::RefuseStop(guest, 60 * SECOND));
    world.ask(Request::Standby {
        assembly: home.as_str().into(),
        on: true,
    });
    world.run_for(30);
    assert_ne!(place(&world, "service1"), home);
    let told = world.logged();
    assert!(
        contains_in_order(&told, &[&format!("assembly.fencing-succeeded {home}")]),
        "{told:#?}"
    );
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

/// Has a service's processes die, and lets it recover.
fn fail(world: &mut World, service: usize) -> usize {
    let home = place(world, &format!("service{}", service + 1));
    let guest = world.guest(&home);
    world.inject(Fault::KillService(guest, service));
    world.run_for(14);
    guest
}

#[test]
fn a_service_that_fails_too_often_has_its_guest_restarted_once_in_every_mode() {
    for mode in [Mode::Unit, Mode::Lease, Mode::Agent, Mode::Devices] {
        let mut scenario = Scenario::plain(2, 1, mode);
        scenario.services[0].escalation = Some(3);
        let mut world = at_rest(scenario);
        for failure in 1..=3 {
            // The counts and the window are the DPE's, and survive it.
            world.inject(Fault::KillDpe);
            world.run_for(14);
            assert!(world.guests.iter().all(|guest| guest.boot == 1), "{mode:?}");
            fail(&mut world, 0);
            let told = world.logged();
            let demanded = |line: &String| line.starts_with("assembly.fencing-requested");
            assert_eq!(
                told.iter().any(demanded),
                failure == 3,
                "{mode:?} {told:#?}"
            );
        }
        world.run_for(60);
        expect_well(&world);
        let told = world.logged();
        let count = |kind: &str| told.iter().filter(|line| line.starts_with(kind)).count();
        assert_eq!(count("assembly.fencing-succeeded"), 1, "{mode:?} {told:#?}");
        let boots: u64 = world.guests.iter().map(|guest| guest.boot).sum();
        assert_eq!(boots, 3, "{mode:?}: one of two guests was restarted");
        assert!(world.violations().is_empty(), "{:?}", world.violations());
    }
}

/// Runs until an assembly is about to be made safe.
fn run_until_fenced(world: &mut World) {
    let asked = |world: &World| {
        let told = world.logged();
        told.iter()
            .any(|line| line.starts_with("assembly.fencing-requested"))
    };
    for _ in 0..300 {
        if asked(world) {
            return;
        }
        world.run_until(world.now_us + SECOND / 10);
    }
    panic!("{:#?}", world.logged());
}

#[test]
fn a_guest_that_is_restarted_while_the_dpe_is_dead_has_not_failed_again() {
    let mut scenario = Scenario::plain(1, 1, Mode::Lease);
    scenario.services[0].escalation = Some(2);
    scenario.assemblies[0].escalation = Some(2);
    let mut world = at_rest(scenario);
    fail(&mut world, 0);
    world.inject(Fault::KillService(0, 0));
    run_until_fenced(&mut world);
    world.inject(Fault::KillDpe);
    world.run_for(90);
    expect_well(&world);
    let told = world.logged();
    assert_eq!(world.guests[0].boot, 2, "{told:#?}");
    assert!(
        !told
            .iter()
            .any(|line| line.starts_with("deployment.failed")),
        "{told:#?}"
    );
}

#[test]
fn a_guest_that_is_silent_for_long_while_it_is_restarted_has_not_failed_again() {
    for mode in [Mode::Lease, Mode::Manager] {
        let mut scenario = Scenario::plain(2, 1, mode);
        scenario.services[0].escalation = Some(2);
        for assembly in &mut scenario.assemblies {
            assembly.escalation = Some(2);
        }
        let mut world = at_rest(scenario);
        let guest = fail(&mut world, 0);
        world.inject(Fault::KillService(guest, 0));
        run_until_fenced(&mut world);
        world.inject(Fault::Cut(guest, 20 * SECOND));
        world.run_for(60);
        let told = world.logged();
        let bad = ["assembly.lost", "deployment.failed"];
        let is_bad = |line: &&String| bad.iter().any(|kind| line.starts_with(kind));
        assert_eq!(told.iter().find(is_bad), None, "{mode:?} {told:#?}");
        assert!(world.violations().is_empty(), "{:?}", world.violations());
    }
}

#[test]
fn an_assembly_that_fails_too_often_has_the_deployment_restarted() {
    for mode in [Mode::Unit, Mode::Lease] {
        let mut scenario = Scenario::plain(2, 2, mode);
        scenario.services[0].escalation = Some(2);
        for assembly in &mut scenario.assemblies {
            assembly.escalation = Some(2);
        }
        let mut world = at_rest(scenario);
        let failed = |world: &World| {
            let told = world.logged();
            told.iter()
                .any(|line| line.starts_with("deployment.failed"))
        };
        for _ in 0..8 {
            if failed(&world) {
                break;
            }
            fail(&mut world, 0);
            world.run_for(20);
        }
        world.run_for(40);
        expect_well(&world);
        let told = world.logged();
        let failed = told
            .iter()
            .filter(|line| line.starts_with("deployment.failed"));
        assert_eq!(failed.count(), 1, "{mode:?} {told:#?}");
        assert!(world.violations().is_empty(), "{:?}", world.violations());
    }
}

#[test]
fn what_fails_under_maintenance_does_not_count() {
    let mut scenario = Scenario::plain(2, 1, Mode::Unit);
    scenario.services[0].escalation = Some(2);
    for assembly in &mut scenario.assemblies {
        assembly.escalation = Some(1);
    }
    let mut world = at_rest(scenario);
    let maintenance = |on| Request::Maintenance { assembly: None, on };
    world.ask(maintenance(true));
    world.run_for(5);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    for _ in 0..2 {
        world.inject(Fault::PowerCut(guest));
        world.run_for(40);
    }
    world.ask(maintenance(false));
    world.run_for(60);
    expect_well(&world);
    let told = world.logged();
    assert!(
        !told
            .iter()
            .any(|line| line.starts_with("deployment.failed")),
        "{told:#?}"
    );
    let other = &world.guests[1 - guest];
    assert_eq!(other.boot, 1, "{told:#?}");
}

#[test]
fn standby_empties_an_assembly_and_its_end_lets_services_back() {
    let mut world = running(2, 2, Mode::Lease);
    world.ask(Request::Standby {
        assembly: "node1".into(),
        on: true,
    });
    world.run_for(10);
    expect_well(&world);
    assert_eq!(
        (place(&world, "service1"), place(&world, "service2")),
        ("node2".into(), "node2".into())
    );
    let status = world
        .controller()
        .expect("the DPE lives")
        .status(world.time());
    assert_eq!(status.assemblies[0].state, AssemblyState::Standby);
    world.ask(Request::Standby {
        assembly: "node1".into(),
        on: false,
    });
    world.run_for(10);
    expect_well(&world);
}

#[test]
fn in_maintenance_failures_are_left_alone_until_it_ends() {
    let mut world = running(2, 1, Mode::Lease);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    world.ask(Request::Maintenance {
        assembly: None,
        on: true,
    });
    world.run_for(10);
    let executed = world.executed().len();
    world.inject(Fault::KillService(guest, 0));
    world.run_for(20);
    assert_eq!(since(world.executed(), executed), Vec::<String>::new());
    world.ask(Request::Maintenance {
        assembly: None,
        on: false,
    });
    world.run_for(20);
    expect_well(&world);
}

#[test]
fn a_request_about_something_unknown_says_what_there_is() {
    let world = running(2, 1, Mode::Lease);
    let mut other = Controller::new("sim", Durable::default(), world.time());
    let standby = |assembly: &str| {
        Input::Request(Request::Standby {
            assembly: assembly.into(),
            on: true,
        })
    };
    assert!(matches!(
        other.handle(world.time(), standby("node1")),
        Err(Refusal::NotReady(_))
    ));
    let load = Request::Load {
        document: world.scenario.document(),
        generation: 1,
        in_doubt: Default::default(),
    };
    assert_eq!(other.handle(world.time(), Input::Request(load)), Ok(()));
    let refusal = other
        .handle(world.time(), standby("node9"))
        .expect_err("there is no such assembly");
    assert_eq!(
        refusal.to_string(),
        "there is no assembly \"node9\" in this deployment: it has node1, node2"
    );
}

#[test]
fn confirming_that_a_living_assembly_is_down_is_refused() {
    let mut world = running(2, 1, Mode::Manager);
    let executed = world.executed().len();
    world.ask(Request::ConfirmFenced {
        assembly: "node1".into(),
        attempt: String::new(),
    });
    world.run_for(5);
    expect_well(&world);
    assert_eq!(world.executed().len(), executed);
}

#[test]
fn an_ended_deployment_has_its_services_stopped() {
    let mut world = running(2, 3, Mode::Lease);
    world.ask(Request::Unload {
        stop_services: true,
    });
    world.run_for(20);
    assert!(world.unloaded());
    assert!(world.guests.iter().all(|guest| guest.running.is_empty()));
    assert_eq!(
        world
            .logged()
            .iter()
            .filter(|line| line.starts_with("service.stopped"))
            .count(),
        3,
        "{:#?}",
        world.logged()
    );
}

#[test]
fn an_ended_deployment_may_leave_its_services_running() {
    let mut world = running(2, 3, Mode::Lease);
    world.ask(Request::Unload {
        stop_services: false,
    });
    world.run_for(60);
    assert!(world.unloaded());
    assert_eq!(
        world
            .guests
            .iter()
            .map(|guest| guest.running.len())
            .sum::<usize>(),
        3
    );
}

#[test]
fn a_dpe_that_dies_while_it_ends_a_deployment_goes_on_ending_it() {
    let mut world = running(2, 3, Mode::Lease);
    world.ask(Request::Unload {
        stop_services: true,
    });
    world.inject(Fault::KillDpe);
    world.run_for(60);
    assert!(world.unloaded());
    assert!(world.guests.iter().all(|guest| guest.running.is_empty()));
}

#[test]
fn an_ended_deployment_has_its_services_stopped_in_maintenance_too() {
    let mut world = running(2, 3, Mode::Lease);
    world.ask(Request::Maintenance {
        assembly: None,
        on: true,
    });
    world.run_for(5);
    world.ask(Request::Unload {
        stop_services: true,
    });
    world.run_for(60);
    assert!(world.unloaded());
    assert!(world.guests.iter().all(|guest| guest.running.is_empty()));
}

#[test]
fn a_plan_says_what_would_be_done_and_does_nothing() {
    let mut world = running(2, 3, Mode::Lease);
    let home = place(&world, "service2");
    let executed = world.executed().len();
    let mut scenario = world.scenario.clone();
    scenario.services[1].parameter = 2;
    scenario.services[2].enabled = false;
    let controller = world.controller().expect("the DPE lives");
    let plan = controller
        .plan(world.time(), &scenario.document())
        .and_then(PlanInput::answer)
        .expect("a good document");
    let lines: Vec<(&str, &str)> = plan
        .actions
        .iter()
        .map(|a| (a.action.as_str(), a.service.as_str()))
        .collect();
    assert!(
        lines.contains(&("restart", "service2"))
            && lines.contains(&("stop", "service3"))
            && lines.len() == 2,
        "{plan:#?}"
    );
    assert_eq!(
        (
            plan.basis,
            plan.actions
                .iter()
                .find(|a| a.service == "service2")
                .map(|a| a.to.as_str())
        ),
        (PlanBasis::Live, Some(home.as_str()))
    );
    world.run_for(10);
    expect_well(&world);
    assert_eq!(world.executed().len(), executed);
}

#[test]
fn a_cleanup_lets_a_service_be_tried_again_where_its_start_failed() {
    let mut world = running(2, 1, Mode::Lease);
    let home = place(&world, "service1");
    // Its process dies, and for a while every operation in any assembly may fail.
    for guest in 0..2 {
        world.inject(Fault::BadOperations(guest, 60 * SECOND));
    }
    let guest = world.guest(&home);
    for _ in 0..6 {
        world.inject(Fault::KillService(guest, 0));
        world.run_for(10);
    }
    world.run_for(60);
    world.ask(Request::Cleanup {
        service: Some("service1".into()),
        assembly: None,
    });
    world.run_for(60);
    expect_well(&world);
    let status = world
        .controller()
        .expect("the DPE lives")
        .status(world.time());
    assert_eq!(status.failures, []);
}

#[test]
fn a_cleanup_starts_a_service_whose_failure_was_ignored_or_blocked_it() {
    for on_fail in [OnFail::Ignore, OnFail::Block, OnFail::Stop] {
        let mut scenario = Scenario::plain(2, 1, Mode::Lease);
        scenario.services[0].policies.on_fail = Some(on_fail);
        let mut world = at_rest(scenario);
        let guest = world.guest(&place(&world, "service1"));
        world.inject(Fault::KillService(guest, 0));
        world.run_for(20);
        assert!(world.runs_in("service1").is_empty(), "{on_fail:?}");
        world.ask(Request::Cleanup {
            service: None,
            assembly: None,
        });
        world.run_for(20);
        expect_well(&world);
    }
}

#[test]
fn a_guest_that_was_paused_for_long_comes_back_empty() {
    let mut world = running(2, 2, Mode::Unit);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    world.inject(Fault::Pause(guest, 30 * SECOND, false));
    world.run_for(20);
    assert_ne!(place(&world, "service1"), home);
    world.run_for(60);
    expect_well(&world);
}

#[test]
fn an_agent_that_hangs_is_no_reason_for_a_second_copy() {
    let mut world = running(2, 2, Mode::Lease);
    world.inject(Fault::HangAgent(0, 60 * SECOND));
    world.run_for(120);
    expect_well(&world);
}

#[test]
fn events_wait_for_a_log_that_is_away_and_for_a_dpe_that_is_dead() {
    let mut world = running(2, 2, Mode::Unit);
    let home = place(&world, "service1");
    let guest = world.guest(&home);
    let told = world.logged().len();
    world.inject(Fault::LogAway(30 * SECOND));
    world.inject(Fault::KillService(guest, 0));
    world.run_for(15);
    assert_eq!(world.logged().len(), told);
    world.inject(Fault::KillDpe);
    world.run_for(60);
    let expected = [
        format!("service.failed service1 {home}"),
        format!("service.recovered service1 {home}"),
    ];
    let news = since(world.logged(), told);
    assert!(
        contains_in_order(&news, &expected.each_ref().map(String::as_str)),
        "{news:#?}"
    );
    assert_eq!(
        news.iter().filter(|line| **line == expected[0]).count(),
        1,
        "{news:#?}"
    );
}

#[test]
fn it_does_nothing_that_a_policy_engine_with_a_defect_decides() {
    let mut world = running(2, 1, Mode::Lease);
    let home = place(&world, "service1");
    let (told, executed) = (world.logged().len(), world.executed().len());
    world.nonsense = true;
    for on in [true, false, true] {
        world.ask(Request::Standby {
            assembly: home.as_str().into(),
            on,
        });
        world.run_for(10);
        assert_eq!(place(&world, "service1"), home);
    }
    assert_eq!(state(&world), DpeState::Failed);
    let executed = since(world.executed(), executed);
    assert_eq!(executed, Vec::<String>::new());
    let refused = since(world.logged(), told);
    let refusals = refused
        .iter()
        .filter(|line| line.starts_with("decision.refused"));
    assert_eq!(refusals.count(), 2, "{refused:?}");

    world.nonsense = false;
    for on in [false, true] {
        world.ask(Request::Standby {
            assembly: home.as_str().into(),
            on,
        });
        world.run_for(15);
    }
    assert_ne!(place(&world, "service1"), home);
    expect_well(&world);
}
