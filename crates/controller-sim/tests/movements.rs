//! How services move, take roles and take new parameters, one behaviour per test, in a simulated
//! world without other faults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::Request;
use controller_sim::faults::Fault;
use controller_sim::policies::{Ban, Loss, When};
use controller_sim::scenario::{Form, Mode, Scenario};
use controller_sim::{SECOND, World};
use controller_sim::{at_rest, expect_well};

/// Changes the document, and gives what is executed because of it.
fn change(world: &mut World, change: impl FnOnce(&mut Scenario)) -> Vec<String> {
    let before = world.executed().len();
    change(&mut world.scenario);
    world.scenario.generation += 1;
    let request = world.load_request();
    world.ask(request);
    world.run_for(15);
    expect_well(world);
    world.executed().split_off(before)
}

fn one(form: Form) -> Scenario {
    let mut scenario = Scenario::plain(2, 1, Mode::Unit);
    scenario.services[0].form = form;
    scenario.services[0].prefers = Some(0);
    scenario
}

#[test]
fn a_group_moves_as_a_whole_and_in_order() {
    let mut scenario = Scenario::plain(2, 3, Mode::Unit);
    scenario.groups = vec![vec![0, 1, 2]];
    let mut world = at_rest(scenario);
    let home = world.runs_in("service1")[0].to_owned();
    let before = world.executed().len();
    world.ask(Request::Standby {
        assembly: home.as_str().into(),
        on: true,
    });
    world.run_for(15);
    expect_well(&world);
    let other = if home == "node1" { "node2" } else { "node1" };
    let stops = [3, 2, 1].map(|number| format!("stop service{number} {home}"));
    let starts = [1, 2, 3].map(|number| format!("start service{number} {other}"));
    assert_eq!(world.executed()[before..], [stops, starts].concat());
}

#[test]
fn a_promotable_service_is_promoted_where_the_document_prefers_it() {
    let mut world = at_rest(one(Form::Promotable(1)));
    assert_eq!(world.promoted_in("service1"), ["node1"]);
    let executed = change(&mut world, |scenario| {
        scenario.services[0].prefers = Some(1)
    });
    assert_eq!(
        executed,
        ["demote service1 node1", "promote service1 node2"]
    );
    assert_eq!(world.promoted_in("service1"), ["node2"]);
}

#[test]
fn a_promoted_instance_is_made_safe_before_another_is_promoted() {
    let mut world = at_rest(one(Form::Promotable(1)));
    world.inject(Fault::Stall(0, 60 * SECOND));
    world.run_for(15);
    assert_eq!(world.promoted_in("service1"), ["node2"]);
    let told = world.logged();
    assert!(
        told.contains(&"assembly.fencing-succeeded node1".to_owned()),
        "{told:#?}"
    );
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn a_service_that_may_migrate_moves_without_a_start() {
    let mut world = at_rest(one(Form::Migrates));
    let executed = change(&mut world, |scenario| {
        scenario.services[0].prefers = Some(1)
    });
    let expected = [
        "migrate_to service1 node1",
        "migrate_from service1 node2",
        "stop service1 node1",
    ];
    assert_eq!(executed, expected);
    assert!(
        world
            .logged()
            .contains(&"service.moved service1 node2".to_owned())
    );
}

#[test]
fn a_reloadable_parameter_changes_while_the_service_runs() {
    let mut world = at_rest(one(Form::Once));
    let executed = change(&mut world, |scenario| scenario.services[0].reloadable = 2);
    assert_eq!(executed, ["reload-agent service1 node1"]);
    // And any other with a restart, also after a reload.
    let executed = change(&mut world, |scenario| scenario.services[0].parameter = 2);
    assert_eq!(executed, ["stop service1 node1", "start service1 node1"]);
}

#[test]
fn what_has_something_run_before_its_start_is_restarted_by_every_change() {
    let restart = ["stop service1 node1", "start service1 node1"];
    let mut scenario = one(Form::Once);
    scenario.services[0].policies.configured = true;
    let mut world = at_rest(scenario);
    // A parameter that another service would take over while it runs, without and with the script.
    for value in [2, 3] {
        let executed = change(&mut world, |scenario| {
            scenario.services[0].reloadable = value
        });
        assert_eq!(executed, restart);
    }
    // When there is nothing to run any more, and when there is again.
    for configured in [false, true] {
        let executed = change(&mut world, |scenario| {
            scenario.services[0].policies.configured = configured;
        });
        assert_eq!(executed, restart);
    }
    // A restarted DPE sees the same.
    let before = world.executed().len();
    world.inject(Fault::KillDpe);
    world.run_for(20);
    expect_well(&world);
    assert_eq!(world.executed().len(), before);
}

#[test]
fn what_migrated_is_reloaded_once() {
    let mut world = at_rest(one(Form::Migrates));
    change(&mut world, |scenario| {
        scenario.services[0].prefers = Some(1)
    });
    let executed = change(&mut world, |scenario| scenario.services[0].reloadable = 2);
    assert_eq!(executed, ["reload-agent service1 node2"]);
    // Whatever has the policy engine asked again: it sees the new parameters.
    let executed = change(&mut world, |scenario| scenario.services[0].prefers = None);
    assert_eq!(executed, [] as [String; 0]);
}

#[test]
fn a_reload_leaves_a_promoted_instance_promoted() {
    let mut world = at_rest(one(Form::Promotable(1)));
    let executed = change(&mut world, |scenario| scenario.services[0].reloadable = 2);
    assert_eq!(
        executed,
        ["reload-agent service1 node1", "reload-agent service1 node2"]
    );
    assert_eq!(world.promoted_in("service1"), ["node1"]);
    // A restarted DPE sees the same.
    let before = world.executed().len();
    world.inject(Fault::KillDpe);
    world.run_for(30);
    expect_well(&world);
    assert_eq!(world.executed()[before..], [] as [String; 0]);
}

#[test]
fn a_cleanup_takes_nothing_from_the_history_that_an_agent_stops_services_by() {
    let mut world = at_rest(one(Form::Once));
    world.inject(Fault::BadOperations(0, 30 * SECOND));
    let known = |world: &World| {
        let guest = &world.guests[0];
        let mut known: Vec<String> = guest
            .agent
            .history()
            .into_iter()
            .filter(|record| record.operation.interval_ms == 0)
            .map(|record| format!("{} {}", guest.boot, record.operation.action))
            .collect();
        known.sort();
        known
    };
    for _ in 0..4 {
        world.inject(Fault::KillService(0, 0));
        world.run_for(8);
        let before = known(&world);
        world.ask(Request::Cleanup {
            service: None,
            assembly: None,
        });
        world.run_for(1);
        let after = known(&world);
        let boot = format!("{} ", world.guests[0].boot);
        let mut lost = before
            .iter()
            .filter(|record| record.starts_with(&boot) && !after.contains(record));
        assert_eq!(lost.next(), None, "before {before:?}, after {after:?}");
    }
    world.run_for(60);
    expect_well(&world);
}

#[test]
fn a_lost_instance_does_not_leave_its_service_failed_when_its_assembly_leaves_the_document() {
    let mut world = at_rest(one(Form::Everywhere));
    world.inject(Fault::Stall(1, 600 * SECOND));
    world.run_for(20);
    change(&mut world, |scenario| {
        scenario.assemblies[1].present = false
    });
    let told = world.logged();
    let recovered: Vec<&String> = told
        .iter()
        .filter(|line| line.starts_with("service.recovered"))
        .collect();
    assert_eq!(recovered, ["service.recovered service1"], "{told:#?}");
}

#[test]
fn the_recovery_of_an_instance_names_the_assembly_in_which_it_failed() {
    let mut scenario = Scenario::plain(3, 1, Mode::Unit);
    scenario.services[0].form = Form::Everywhere;
    let mut world = at_rest(scenario);
    let before = world.logged().len();
    for guest in [0, 1, 2] {
        world.inject(Fault::KillService(guest, 0));
    }
    world.run_for(15);
    expect_well(&world);
    let mut told = world.logged().split_off(before);
    told.retain(|line| line.contains(" service1"));
    told.sort();
    let expected =
        |kind: &str| ["node1", "node2", "node3"].map(|node| format!("{kind} service1 {node}"));
    assert_eq!(
        told,
        [expected("service.failed"), expected("service.recovered")].concat()
    );
}

#[test]
fn a_live_migration_that_would_wait_for_itself_becomes_a_move() {
    // The clone is restarted behind a service that moves, and waits for what is started behind it
    // to stop, which waits for its migration, which waits for the clone: as the reference decides
    // it, too.
    let mut scenario = Scenario::plain(2, 3, Mode::Unit);
    for (index, form) in [(0, Form::Once), (1, Form::Everywhere), (2, Form::Migrates)] {
        scenario.services[index].form = form;
        scenario.services[index].prefers = (index != 1).then_some(0);
    }
    scenario.order = vec![(0, 1), (1, 2)];
    let mut world = at_rest(scenario);
    world.ask(Request::Standby {
        assembly: "node1".into(),
        on: true,
    });
    world.run_for(15);
    assert_eq!(world.runs_in("service1"), ["node2"]);
    assert_eq!(world.runs_in("service3"), ["node2"]);
    assert!(
        world
            .executed()
            .contains(&"start service3 node2".to_owned()),
        "{:?}",
        world.executed()
    );
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn a_service_avoids_an_assembly_while_a_rule_says_so() {
    let mut scenario = one(Form::Once);
    scenario.services[0].policies.ban = Some(Ban {
        assembly: 0,
        when: When::Between(40, 70),
    });
    let mut world = at_rest(scenario);
    for (at_s, home) in [(38, "node1"), (45, "node2"), (68, "node2"), (75, "node1")] {
        world.run_until(at_s * SECOND);
        expect_well(&world);
        assert_eq!(world.runs_in("service1"), [home], "{at_s}");
    }
}

#[test]
fn a_migration_that_was_given_up_is_not_finished_when_its_target_comes_back() {
    for mode in [Mode::Lease, Mode::Unit] {
        let mut scenario = Scenario::plain(2, 1, mode);
        scenario.services[0].form = Form::Migrates;
        let mut world = at_rest(scenario);
        let source = world.runs_in("service1")[0].to_owned();
        let target = usize::from(source == "node1");
        world.ask(Request::Standby {
            assembly: source.as_str().into(),
            on: true,
        });
        let left = |line: &String| line.ends_with("migrate_to service1 -> 0/0");
        while !world.trace.iter().any(left) {
            assert!(world.step());
        }
        // The target is out of reach until the service has long been started at the source again.
        world.inject(Fault::KillDpe);
        world.inject(Fault::Cut(target, 60 * SECOND));
        world.run_for(3);
        world.ask(Request::Standby {
            assembly: source.as_str().into(),
            on: false,
        });
        world.run_for(40);
        assert_eq!(world.runs_in("service1"), [source.as_str()]);
        world.scenario.services[0].prefers = Some(target);
        world.scenario.generation += 1;
        world.ask(world.load_request());
        world.run_for(60);
        expect_well(&world);
    }
}

/// The second service, one of those that migrate as running processes, migrates to the second
/// guest. When that has done this action, the DPE and the first guest die.
fn migrated_and_forgotten(action: &str) -> World {
    let mut scenario = Scenario::plain(2, 2, Mode::Unit);
    scenario.services[1].form = Form::Migrates;
    scenario.services[1].prefers = Some(0);
    let mut world = at_rest(scenario);
    world.scenario.services[1].prefers = Some(1);
    world.scenario.generation += 1;
    world.ask(world.load_request());
    let done = format!("{action} service2 -> 0/0");
    while !world.trace.iter().any(|line| line.ends_with(&done)) {
        assert!(world.step());
    }
    world.inject(Fault::KillDpe);
    world.inject(Fault::PowerCut(0));
    world
}

/// The source of a live migration has sent the processes, and loses what it knows before the DPE,
/// which is dead, hears of it: only a look at the target tells where the service runs.
#[test]
fn a_migration_that_its_source_has_forgotten_is_looked_for_at_its_target() {
    let mut world = migrated_and_forgotten("migrate_to");
    world.run_for(60);
    expect_well(&world);
    assert_eq!(world.runs_in("service2"), ["node2"]);
    let executed = world.executed();
    let starts = |line: &&String| line.starts_with("start service2");
    assert_eq!(executed.iter().filter(starts).count(), 1, "{executed:#?}");
}

/// As before, but its target has heard of it, and the document names the service no more: nobody
/// looks for it, and it stops.
#[test]
fn a_migration_that_its_source_has_forgotten_ends_when_its_service_leaves_the_document() {
    let mut world = migrated_and_forgotten("migrate_from");
    world.scenario.services[1].present = false;
    world.scenario.generation += 1;
    world.ask(world.load_request());
    world.run_for(60);
    expect_well(&world);
    assert_eq!(world.runs_in("service2"), Vec::<&str>::new());
}

/// The target of a live migration is reset before its agent hears of it: the service runs nowhere.
/// The history of the source, where the document wants it again, says that it was sent: that must
/// not count as running there.
#[test]
fn nothing_starts_after_a_service_that_was_lost_with_the_boot_of_its_target() {
    let mut scenario = Scenario::plain(2, 2, Mode::Unit);
    scenario.services[0].form = Form::Migrates;
    scenario.services[0].prefers = Some(0);
    scenario.services[1].enabled = false;
    scenario.order = vec![(0, 1)];
    let mut world = at_rest(scenario);
    world.scenario.services[0].prefers = Some(1);
    world.scenario.services[1].enabled = true;
    world.scenario.generation += 1;
    world.ask(world.load_request());
    let done = "migrate_to service1 -> 0/0";
    while !world.trace.iter().any(|line| line.ends_with(done)) {
        assert!(world.step());
    }
    world.scenario.services[0].prefers = Some(0);
    world.scenario.generation += 1;
    world.ask(world.load_request());
    // The DPE is away until the guest has booted: it hears of the new boot only.
    world.inject(Fault::StopDpe(30 * SECOND));
    world.inject(Fault::PowerCut(1));
    let booted = "node 1: booted";
    while !world
        .trace
        .iter()
        .rev()
        .take(9)
        .any(|it| it.ends_with(booted))
    {
        assert!(world.step());
    }
    world.inject(Fault::KillDpe);
    let before = world.executed().len();
    world.run_for(60);
    expect_well(&world);
    let starts = ["start service1 node1", "start service2 node1"];
    assert_eq!(world.executed()[before..], starts);
}

#[test]
fn a_decision_of_which_nothing_can_begin_is_not_made_again_and_again() {
    // Without its ticket the first service cannot start, nor can the second, which starts after it,
    // nor the third, which stays with that. As with Pacemaker, the monitor of the third is wanted
    // all the same, and waits for a start that is not.
    let mut scenario = Scenario::plain(2, 3, Mode::Unit);
    scenario.services[0].policies.ticket = Some(Loss::Stop);
    scenario.order = vec![(0, 1)];
    scenario.together = vec![(1, 2)];
    let mut world = at_rest(scenario);
    let transitions = |world: &World| {
        let begun = world
            .trace
            .iter()
            .filter(|line| line.contains("TransitionStarted"));
        begun.count()
    };
    let before = transitions(&world);
    let stuck = |line: &String| line.contains("it cannot be fin");
    assert!(world.trace.iter().any(stuck), "the graph is one of these");
    world.run_for(120);
    expect_well(&world);
    assert_eq!(transitions(&world), before);
}

/// The state of the DPE is lost while a service migrates live: its target does not know that it
/// came, and nothing says any more that it may have.
#[test]
fn a_migration_that_was_under_way_when_the_state_was_lost_is_looked_for() {
    let mut scenario = Scenario::plain(2, 2, Mode::Unit);
    scenario.services[1].form = Form::Migrates;
    scenario.services[1].prefers = Some(0);
    let mut world = at_rest(scenario);
    world.scenario.services[1].prefers = Some(1);
    world.scenario.generation += 1;
    world.ask(world.load_request());
    let left = |line: &String| line.ends_with("migrate_to service2 -> 0/0");
    while !world.trace.iter().any(left) {
        assert!(world.step());
    }
    world.inject(Fault::LoseState);
    world.run_for(90);
    expect_well(&world);
    assert_eq!(world.runs_in("service2"), ["node2"]);
}

#[test]
fn what_ran_in_an_assembly_without_address_ends_when_it_leaves_the_document() {
    let mut world = at_rest(one(Form::Everywhere));
    world.inject(Fault::DropAddress(1));
    world.run_for(40);
    change_only(&mut world, |scenario| {
        scenario.assemblies[1].present = false;
        scenario.assemblies[1].address = Some("node2".into());
    });
    world.run_for(40);
    expect_well(&world);
    // Else its copy there would never stop, and a failure of the other never end.
    world.inject(Fault::Stall(0, 60 * SECOND));
    world.run_for(30);
    change_only(&mut world, |scenario| scenario.services[0].enabled = false);
    world.run_for(120);
    expect_well(&world);
}

fn change_only(world: &mut World, change: impl FnOnce(&mut Scenario)) {
    change(&mut world.scenario);
    world.scenario.generation += 1;
    world.ask(world.load_request());
}
