//! Resource agents that somebody has do something once, in a simulated world without other faults
//! than the death of the DPE: at whatever effect it dies, the service runs once and is looked at.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{AssemblyId, DebugTask, Refusal, Request, ServiceOrder};
use controller_sim::faults::Fault;
use controller_sim::scenario::{Mode, Scenario};
use controller_sim::{World, at_rest, expect_well};

/// The DPE dies at each of this number of effects after the order.
const EFFECTS: u64 = 12;
const SERVICE: &str = "service1";

fn order(world: &mut World, order: ServiceOrder) {
    let service = SERVICE.into();
    world.ask(Request::Service { service, order });
    world.run_for(5);
}

fn debug(world: &mut World, task: DebugTask, assembly: &str) -> Result<String, Refusal> {
    world.ask_debug(task, &SERVICE.into(), &AssemblyId::from(assembly))
}

/// A world in which the service is left alone and was stopped by hand.
fn stopped() -> World {
    let mut world = at_rest(Scenario::plain(2, 2, Mode::Lease));
    let home = world.runs_in(SERVICE)[0].to_owned();
    order(&mut world, ServiceOrder::Unmanage);
    debug(&mut world, DebugTask::Stop, &home).unwrap();
    world.run_for(10);
    assert!(world.runs_in(SERVICE).is_empty());
    world
}

#[test]
fn what_is_started_by_hand_runs_once_whenever_the_dpe_dies() {
    let mut ran = 0;
    for effects in 1..=EFFECTS {
        for target in ["node1", "node2"] {
            let mut world = stopped();
            world.inject(Fault::DieAtEffect(effects));
            // Who asks gets no answer if the DPE dies before.
            let _ = debug(&mut world, DebugTask::Start, target);
            order(&mut world, ServiceOrder::Manage);
            world.run_for(60);
            // A DPE that was dead then was not told.
            order(&mut world, ServiceOrder::Manage);
            world.run_for(60);
            assert_eq!(world.runs_in(SERVICE).len(), 1, "{effects} {target}");
            let by_hand = format!("service.debugged {SERVICE} {target}");
            ran += usize::from(world.logged().contains(&by_hand));
            expect_well(&world);
        }
    }
    assert!(ran > 10, "{ran}: most are run, and told");
}

#[test]
fn nothing_is_started_by_hand_while_an_assembly_is_lost() {
    let mut world = at_rest(Scenario::plain(2, 2, Mode::Manager));
    let home = world.runs_in(SERVICE)[0].to_owned();
    let other = if home == "node1" { "node2" } else { "node1" };
    order(&mut world, ServiceOrder::Unmanage);
    let guest = world.guest(&home);
    world.inject(Fault::Stall(guest, 3_600_000_000));
    let mut refused = 0;
    for _ in 0..60 {
        world.run_for(1);
        if debug(&mut world, DebugTask::Start, other).is_ok() {
            // The cloud manager has switched it off by then.
            assert!(!world.runs_in(SERVICE).contains(&home.as_str()));
            break;
        }
        refused += 1;
    }
    assert!(refused > 3, "{refused}");
    world.run_for(20);
    assert_eq!(world.violations(), [""; 0]);
}
