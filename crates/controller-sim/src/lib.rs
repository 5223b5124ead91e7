//! A simulated world around the controller: one seed is one history of guests, agents, networks,
//! devices, disks and their faults, in virtual time, with invariants checked after every step.
//!
//! ```text
//!  scenario ──▶ world: one queue of events in virtual time
//!                ├─ shell     the controller, its table, its crashes at any effect, its streams
//!                ├─ network   streams per guest: delays, stalls, cuts; messages may come late
//!                ├─ guests    power, drifting clocks, services, agents with leases and epochs
//!                ├─ devices   fence devices and a cloud manager, slow, failing, silent
//!                └─ faults    what goes wrong, and when
//! ```
//!
//! What must hold after every step (`invariants.rs`): no service runs twice that may run once, nor
//! begins elsewhere before it is safe, live migrations included; no more instances are promoted
//! than the document allows, and only where they run; what follows another in a group or an order
//! starts after it; no more migrations at a time than allowed; no event is lost or told twice. And
//! in the end (`goal.rs`): once faults stop, everything runs that should, or nothing if the
//! deployment was ended, within bounded time; the controller is silent then; the same inputs give
//! the same effects. Fencing mode `none` promises less: what was given up may run beside its
//! successor until it is heard of again. Everything here but the controller is a simulation, and
//! says so.

#![warn(missing_docs)]

mod addresses;
mod agent;
pub mod agent_model;
mod checker;
mod debugging;
mod devices;
mod digest;
mod document;
mod dpe;
mod effects;
pub mod equipment;
mod escalations;
mod event_log;
pub mod faults;
mod gate;
mod goal;
pub mod guest;
mod injection;
mod invariants;
mod leaving;
mod lies;
mod mutants;
mod network;
mod operations;
mod options;
mod orders;
pub mod policies;
mod questions;
mod queue;
pub mod scenario;
mod shell;
mod streams;
mod tickets;
mod time;
mod unfencing;
mod upkeep;
mod wiring;
pub mod world;
mod world_faults;
pub mod zones;

pub use mutants::Mutant;
pub use options::{Options, Outcome};
pub use sim_kit::{MS, Random, SECOND};
pub use world::World;

use faults::Kind;
use scenario::Scenario;

/// A world without made-up faults, for tests that bring their own.
pub fn calm(scenario: Scenario) -> World {
    World::new(
        scenario,
        Random::new(7),
        Options {
            trace: true,
            shadow: true,
            ..Options::default()
        },
    )
}

/// A [`calm`] world whose deployment runs and is at rest, 20 s after the beginning.
pub fn at_rest(scenario: Scenario) -> World {
    let mut world = calm(scenario);
    world.run_for(20);
    expect_well(&world);
    world
}

/// All is as it should be, and has been all the time; else a panic that says what was not.
#[track_caller]
pub fn expect_well(world: &World) {
    assert_eq!(world.missing(), None, "{}", world.trace.join("\n"));
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

/// Seeds whose remainder by 13 is one of these have documents that say everything; the others say
/// where services run.
const RICH: std::ops::RangeInclusive<u64> = 8..=10;

/// Seeds whose remainder by 5 is this have fencing devices in their `<configuration>`.
const EQUIPPED: u64 = 4;

/// Seeds whose remainder by the first number is the second, of those, have one that provides
/// unfencing: alone where they are odd.
const UNFENCED: (u64, u64) = (15, 9);

/// In seeds whose remainder by 10 is one of these, tools ask for what concerns the whole
/// deployment.
const ASKING: [u64; 2] = [3, 5];

/// Seeds whose remainder by the first number is the second have tools that set values all the time.
const CHATTERING: (u64, u64) = (7, 6);

/// In seeds whose remainder by 11 is one of these, services follow the addresses of guests, which
/// change.
const FOLLOWING: [u64; 2] = [2, 7];
/// In seeds whose remainder by 7 is one of these, guests run scripts before some services start.
const CONFIGURED: [u64; 2] = [1, 4];
/// Seeds that can be divided by this number have no starts and stops that are slow by themselves.
const QUICK: u64 = 4;

/// In seeds whose remainder by 9 is one of these, operators ask for more than switches.
const ORDERING: [u64; 2] = [4, 7];

/// In seeds with this remainder by this number, people have resource agents do something once.
const DEBUGGING: (u64, u64) = (5, 2);

/// In seeds with this remainder by this number, fence devices lie for a while.
const LYING: (u64, u64) = (8, 6);

/// Runs one seed: a made-up deployment, faults, then peace.
pub fn run(seed: u64, options: Options) -> Outcome {
    let mut random = Random::new(seed);
    let mut scenario = Scenario::new(&mut random);
    // From chances of its own, so that the other seeds keep theirs.
    if options.rich || RICH.contains(&(seed % 13)) {
        scenario.enrich(&mut Random::new(seed ^ u64::MAX));
    }
    // So do those that have other devices than their modes say.
    if options.fault.is_some_and(Kind::is_of_devices) || seed % 5 == EQUIPPED {
        scenario.equip();
    }
    if seed % UNFENCED.0 == UNFENCED.1 {
        scenario.cut_off(seed % 2 == 1);
    }
    let follows = FOLLOWING.contains(&(seed % 11));
    if follows {
        scenario.follow(&mut Random::new(seed ^ (u64::MAX >> 7)));
    }
    let configured = CONFIGURED.contains(&(seed % 7));
    if configured {
        scenario.configure(&mut Random::new(seed ^ (u64::MAX >> 5)));
    }
    let equipped = scenario.has_devices();
    let mut world = World::new(scenario, random, options);
    let is_slow = !seed.is_multiple_of(QUICK);
    world.slowness = is_slow.then(|| Random::new(seed ^ (u64::MAX >> 6)));
    world.plan_faults();
    if equipped {
        world.plan_device_faults(Random::new(seed ^ (u64::MAX >> 1)));
    }
    // Not in all of them, so that the others keep the chances they had.
    if options.fault.is_none() && seed % 5 == 1 {
        world.plan_power_orders(Random::new(seed ^ (u64::MAX >> 2)));
    }
    if seed % 4 == 3 {
        world.plan_stops();
    }
    if options.fault.is_some() || seed % 3 == 2 {
        world.plan_world_faults();
    }
    if ASKING.contains(&(seed % 10)) {
        world.plan_questions(Random::new(seed ^ (u64::MAX >> 4)));
    }
    if seed % CHATTERING.0 == CHATTERING.1 {
        world.plan_chatter(Random::new(seed ^ (u64::MAX >> 3)));
    }
    if options.fault.is_none() && ORDERING.contains(&(seed % 9)) {
        world.plan_upkeep(Random::new(seed ^ (u64::MAX >> 8)));
    }
    // Mistakes that are made on purpose are found without that.
    let on_purpose = options.fault.is_some() || options.mutant.is_some();
    if !on_purpose && seed % DEBUGGING.0 == DEBUGGING.1 {
        world.plan_debugging(Random::new(seed ^ (u64::MAX >> 9)));
    }
    if options.fault.is_none() && seed % LYING.0 == LYING.1 {
        world.plan_lies(Random::new(seed ^ (u64::MAX >> 10)));
    }
    if follows {
        world.plan_addresses(Random::new(seed ^ (u64::MAX >> 5)));
    }
    world.run_to_goal();
    world.note_plan();
    world.outcome(seed)
}
