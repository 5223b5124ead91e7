//! Many seeds hold; a controller that makes a mistake is found out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{Request, ServiceOrder, TicketOrder};
use controller_sim::faults::{Fault, Kind};
use controller_sim::policies::{FirstTurn, Loss, OnFail};
use controller_sim::scenario::{Form, Mode, Scenario};
use controller_sim::{Mutant, Options, Random, run};
use controller_sim::{SECOND, World, expect_well};

/// Runs seeds on two threads; gives their violations.
fn violations(from: u64, count: u64, mutant: Option<Mutant>) -> Vec<(u64, String)> {
    let part = |offset: u64| {
        let mut bad = Vec::new();
        for seed in (from + offset..from + count).step_by(2) {
            let outcome = run(
                seed,
                Options {
                    shadow: seed % 8 < 2,
                    mutant,
                    ..Options::default()
                },
            );
            bad.extend(
                outcome
                    .violations
                    .into_iter()
                    .map(|violation| (seed, violation)),
            );
        }
        bad
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| part(1));
        let mut bad = part(0);
        bad.extend(other.join().expect("the other half ran"));
        bad
    })
}

/// What seeds find about a controller that makes a mistake.
fn found(from: u64, count: u64, mistake: Mutant) -> String {
    let texts: Vec<String> = violations(from, count, Some(mistake))
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    texts.join("\n")
}

#[track_caller]
fn expect(found: &str, violation: &str) {
    assert!(
        found.contains(violation),
        "expected \"{violation}\", found:\n{found}"
    );
}

#[test]
fn two_hundred_seeds_hold() {
    let bad = violations(1, 200, None);
    assert!(
        bad.is_empty(),
        "replay with controller-sim --replay SEED: {bad:#?}"
    );
}

#[test]
fn documents_say_all_that_documents_can() {
    let mut texts = String::new();
    for seed in 1..400 {
        let mut scenario = Scenario::new(&mut Random::new(seed));
        scenario.enrich(&mut Random::new(seed));
        texts += &scenario.document();
    }
    let on_fail = ["ignore", "block", "stop", "restart", "standby", "fence"];
    let short = on_fail.map(|word| format!(" on_fail=\"{word}\""));
    let raw = on_fail.map(|word| format!(" on-fail=\"{word}\""));
    let others = [
        "on-fail=\"demote\"",
        "failure_timeout=",
        "\"failure-timeout\"",
        "<capacity cpu=",
        "<utilization cpu=",
        "<utilization id=",
        "\"globally-unique\"",
        "loss-policy=\"stop\"",
        "loss-policy=\"demote\"",
        "loss-policy=\"fence\"",
        "loss-policy=\"freeze\"",
        "operation=\"lt\"",
        "operation=\"gt\"",
        "operation=\"in_range\"",
        "<date_spec",
        "\"cluster-recheck-interval\"",
    ];
    let all = short.into_iter().chain(raw);
    for word in all.chain(others.map(str::to_owned)) {
        assert!(texts.contains(&word), "no document has {word}");
    }
}

#[test]
fn seeds_that_found_mistakes_hold() {
    // Mode none gave up what went on running and left the document; a promoted instance that was
    // reloaded; a failed instance whose assembly left the document; a copy that went while another
    // ran; a stop that failed in an assembly that cannot be fenced; failures that were counted
    // again after the end of a lease; a start that an earlier DPE had asked for and that had not
    // begun; a live migration that was given up and then finished, or was under way when the state
    // was lost, or whose target was asked for something that was never sent; a state that was lost
    // while the clock was put back; a fencing that another guest ended; an order to stop what had
    // just been left; a guest that came back as the assembly that it had been; a guest that got
    // another name while it was restarted; one whose agent was back before another guest had its
    // name, with a full disk; a live migration whose target forgot it with its boot; a demotion
    // that a stop waits for and that is not to be done; tools whose guest became another assembly
    // while they waited; an instance that stays promoted where its stop has failed and is blocked;
    // a start that had begun while the same was asked for again and taken back; another guest at
    // the address of one that had left the document; a service that went on after a failed stop
    // and was cleaned up; a value that went with an assembly while the disk was full; a failed stop
    // that was cleaned up while something was under way, in an assembly that cannot be fenced; a
    // start that was sent once more, to a boot that was not let in yet.
    for seed in [
        19, 181, 896, 92, 401, 2807, 1590, 2086, 20306, 20689, 2978, 2444, 2961, 2_107_379,
        2_125_298, 5_028_314, 2_070_119, 6_027_209, 6_031_994, 6_076_217, 6_105_479, 6_064_769,
        6_076_049, 6_141_827, 6_048_524, 6_060_851, 9_019_071, 9_004_472, 9_011_897, 9_024_917,
        9_028_340, 5339, 40_003_907, 40_012_763, 40_015_436, 40_006_787, 50_000_264, 70_001_779,
        90_006_744,
    ] {
        let bad = violations(seed, 1, None);
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

#[test]
fn a_seed_of_one_fault_that_found_a_mistake_holds() {
    // What a stalled link held back overtook what came after it to a DPE that stood still.
    let options = Options {
        fault: Some(Kind::BreakDevice),
        ..Options::default()
    };
    let bad = run(101_471, options).violations;
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn devices_that_lie_make_nothing_safe() {
    let options = Options {
        fault: Some(Kind::LieDevices),
        ..Options::default()
    };
    let bad: Vec<String> = (1..=30)
        .flat_map(|seed| run(seed, options).violations)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_controller_that_takes_any_attempt_for_the_present_one_is_found_out() {
    let violations = |mutant| {
        let mut scenario = Scenario::plain(2, 1, Mode::Unit);
        scenario.services[0].prefers = Some(0);
        let mut world = made(scenario, mutant);
        // The guest is switched off and comes back. A minute later its device says so.
        world.switching_takes_us = SECOND;
        world.says_so_after_us = 60 * SECOND;
        world.inject(Fault::LieDevices(10 * SECOND));
        world.inject(Fault::Cut(0, 10 * SECOND));
        world.run_for(50);
        assert_eq!(world.runs_in("service1"), ["node1"], "it is back");
        // By then it is lost once more, and runs on until its device has switched.
        world.switching_takes_us = 40 * SECOND;
        world.inject(Fault::Cut(0, 60 * SECOND));
        world.run_for(30);
        if mutant.is_none() {
            assert_eq!(world.runs_in("service1"), ["node1"], "it runs on");
            world.run_for(60);
            expect_well(&world);
        }
        world.violations().join("\n")
    };
    assert_eq!(violations(None), "");
    let found = violations(Some(Mutant::BelieveAnyAttempt));
    expect(&found, "while it runs in");
}

#[test]
fn an_agent_that_takes_what_it_cannot_stop_for_stopped_is_found_out() {
    // Finding 9: the lease ends where the program of the resource agent is away.
    let violations = |mutant| {
        let mut world = made(Scenario::plain(2, 1, Mode::Lease), mutant);
        let home = world.guest(world.runs_in("service1")[0]);
        world.inject(Fault::ProgramsAway(home, 60 * SECOND));
        world.inject(Fault::Cut(home, 60 * SECOND));
        world.run_for(40);
        if mutant.is_none() {
            assert_ne!(world.guest(world.runs_in("service1")[0]), home);
        }
        world.violations().join("\n")
    };
    assert_eq!(violations(None), "");
    let found = violations(Some(Mutant::AbsentIsStopped));
    expect(&found, "while it runs in");
}

#[test]
fn an_agent_that_refuses_renewals_while_it_cannot_write_is_found_out() {
    // Finding 22: /run is full, and nothing else is wrong.
    let violations = |mutant| {
        let mut world = made(Scenario::plain(2, 1, Mode::Lease), mutant);
        let home = world.guest(world.runs_in("service1")[0]);
        let boot = world.guests[home].boot;
        world.inject(Fault::FillRun(home, 60 * SECOND));
        world.run_for(40);
        if mutant.is_none() {
            assert_eq!(world.runs_in("service1"), [world.guests[home].name.clone()]);
            assert_eq!(world.guests[home].boot, boot);
        }
        world.violations().join("\n")
    };
    assert_eq!(violations(None), "");
    let found = violations(Some(Mutant::FullRefuses));
    expect(&found, "ends a lease that its DPE has renewed");
}

#[test]
fn a_controller_that_does_not_wait_for_leases_is_found_out() {
    expect(&found(1, 12, Mutant::SkipLeaseWait), "while it runs in");
}

#[test]
fn a_controller_that_reckons_without_stops_and_drift_is_found_out() {
    expect(&found(1, 30, Mutant::NoMargins), "while it runs in");
}

#[test]
fn a_controller_that_does_not_keep_events_is_found_out() {
    expect(&found(1, 2, Mutant::ForgetEvents), "before it was durable");
}

#[test]
fn a_controller_that_saves_facts_too_late_is_found_out() {
    expect(&found(1, 2, Mutant::PersistLast), "before it was durable");
}

#[test]
fn a_controller_that_does_not_wait_for_inputs_is_found_out() {
    let found = found(1, 60, Mutant::IgnoreOrder);
    expect(&found, "where it does not run");
    expect(&found, "which it follows in its group");
    expect(&found, "which it depends on");
    expect(&found, "while it runs in");
    expect(&found, "while it is in");
}

#[test]
fn a_controller_that_takes_what_is_under_way_for_done_is_found_out() {
    let found = found(1, 60, Mutant::ForgetUnderWay);
    expect(&found, "while it runs in");
}

#[test]
fn a_controller_that_exceeds_limits_is_found_out() {
    let violations = |mutant| {
        let mut scenario = Scenario::plain(2, 6, Mode::Unit);
        scenario.migration_limit = 2;
        for service in &mut scenario.services {
            (service.form, service.prefers) = (Form::Migrates, Some(0));
        }
        let mut world = made(scenario, mutant);
        world.ask(Request::Standby {
            assembly: "node1".into(),
            on: true,
        });
        world.run_for(20);
        assert_eq!(world.runs_in("service6"), ["node2"]);
        world.violations().join("\n")
    };
    assert_eq!(violations(None), "");
    expect(
        &violations(Some(Mutant::IgnoreLimits)),
        "migrations from or to",
    );
}

#[test]
fn a_controller_that_leaves_services_behind_is_found_out() {
    let left_in_node2 = |mutant| {
        let mut scenario = Scenario::plain(2, 2, Mode::None);
        (scenario.services[0].pinned, scenario.services[1].pinned) = (Some(1), Some(0));
        scenario.order = vec![(0, 1)];
        let mut world = made(scenario, mutant);
        // service1 waits for service2, which does not stop and cannot be fenced
        world.inject(Fault::RefuseStop(0, 120 * SECOND));
        world.ask(Request::Unload {
            stop_services: true,
        });
        world.run_for(100);
        assert!(world.unloaded());
        world.guests[1].running.len()
    };
    assert_eq!(left_in_node2(None), 0);
    assert_eq!(left_in_node2(Some(Mutant::LeaveServices)), 1);
}

#[test]
fn a_controller_that_takes_leaving_for_left_is_found_out() {
    let violations = |mutant| {
        let mut world = made(Scenario::plain(2, 2, Mode::Lease), mutant);
        world.inject(Fault::ShutDown(0));
        world.run_for(30);
        world.violations().join("\n")
    };
    assert_eq!(violations(None), "");
    let found = violations(Some(Mutant::LeavingIsLeft));
    expect(&found, "has left, and service");
    expect(&found, "while it runs in");
}

#[test]
fn a_controller_that_has_agents_forget_what_may_run_is_found_out() {
    let left = |mutant| {
        let mut world = made(Scenario::plain(1, 2, Mode::None), mutant);
        // service2 leaves the document, and its stop fails
        world.inject(Fault::RefuseStop(0, 30 * SECOND));
        world.scenario.services[1].present = false;
        world.scenario.generation += 1;
        world.ask(world.load_request());
        world.run_for(40);
        assert_eq!(world.runs_in("service2"), ["node1"]);
        world.ask(Request::Cleanup {
            service: None,
            assembly: None,
        });
        world.run_for(20);
        world.runs_in("service2").len()
    };
    assert_eq!(left(None), 0);
    assert_eq!(left(Some(Mutant::ForgetFailed)), 1);
}

#[test]
fn a_controller_that_keeps_a_revoked_ticket_is_found_out() {
    let missing = |mutant| {
        let mut scenario = Scenario::plain(2, 1, Mode::Lease);
        scenario.services[0].policies.ticket = Some(Loss::Stop);
        let mut world = made(scenario, mutant);
        for order in [TicketOrder::Grant, TicketOrder::Revoke] {
            let ticket = "sim".into();
            world.ask(Request::Ticket { ticket, order });
            world.run_for(20);
        }
        world.missing().unwrap_or_default()
    };
    assert_eq!(missing(None), "");
    expect(&missing(Some(Mutant::KeepTicket)), "service1 runs in");
}

#[test]
fn a_controller_that_forgets_what_tools_have_set_is_found_out() {
    // Those in which tools ask, among the first ones.
    let asking = (3..=43).step_by(10);
    let found = |mutant| -> String {
        let bad = asking.clone().flat_map(|seed| violations(seed, 1, mutant));
        bad.map(|(_, text)| text + "\n").collect()
    };
    assert_eq!(found(None), "");
    expect(&found(Some(Mutant::ForgetValues)), "was acknowledged as");
}

#[test]
fn a_controller_that_ignores_start_delays_is_found_out() {
    let found = |mutant| {
        let mut scenario = Scenario::plain(2, 2, Mode::Lease);
        scenario.services[0].form = Form::Migrates;
        let delays = &mut scenario.services[0].policies.delays;
        (delays.start_s, delays.monitor) = (5, FirstTurn::After(7));
        let world = made(scenario, mutant);
        assert_eq!(world.runs_in("service1").len(), 1);
        world.violations().join("\n")
    };
    assert_eq!(found(None), "");
    let bad = found(Some(Mutant::IgnoreDelays));
    expect(&bad, "start of service1 is to begin 5 s later");
    expect(&bad, "monitor of service1 is to begin 7 s later");
}

#[test]
fn a_controller_that_skips_what_is_run_before_a_start_is_found_out() {
    let found = |mutant| {
        let mut scenario = Scenario::plain(2, 2, Mode::Lease);
        scenario.services[0].policies.configured = true;
        let world = made(scenario, mutant);
        assert_eq!(world.runs_in("service1").len(), 1);
        world.violations().join("\n")
    };
    assert_eq!(found(None), "");
    let bad = found(Some(Mutant::SkipConfigure));
    expect(&bad, "before start of service1 is to be run 'sha256:");
}

#[test]
fn a_controller_that_forgets_what_is_wanted_of_a_service_is_found_out() {
    let found = |mutant| {
        let mut world = made(Scenario::plain(2, 2, Mode::Lease), mutant);
        let home = world.runs_in("service1")[0].to_owned();
        world.ask(Request::Service {
            service: "service1".into(),
            order: ServiceOrder::Disable,
        });
        world.run_for(20);
        world.inject(Fault::KillService(world.guest(&home), 0));
        world.run_for(30);
        world.violations().join("\n")
    };
    assert_eq!(found(None), "");
    expect(&found(Some(Mutant::ForgetOrders)), "in spite of disable");
}

#[test]
fn a_service_whose_resource_agent_is_gone_does_not_count_as_stopped() {
    let found = |mutant| {
        let mut scenario = Scenario::plain(2, 1, Mode::Lease);
        scenario.services[0].policies.on_fail = Some(OnFail::Block);
        let mut world = made(scenario, mutant);
        let home = world.runs_in("service1")[0].to_owned();
        world.inject(Fault::ProgramsAway(world.guest(&home), 90 * SECOND));
        world.run_for(30);
        world.ask(Request::Cleanup {
            service: Some("service1".into()),
            assembly: None,
        });
        world.run_for(60);
        world.violations().join("\n")
    };
    assert_eq!(found(None), "");
    expect(&found(Some(Mutant::BelieveAbsent)), "while it runs in");
}

/// A world without faults, whose controller makes that mistake, 20 s after the beginning.
fn made(scenario: Scenario, mutant: Option<Mutant>) -> World {
    let options = Options {
        mutant,
        ..Options::default()
    };
    let mut world = World::new(scenario, Random::new(7), options);
    world.run_for(20);
    world
}
