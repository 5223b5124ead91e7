//! A simulated cluster around the ownership machine: one seed is one history of hosts, a store,
//! networks, DPEs, guests and their faults, in virtual time, with invariants checked where they
//! could break, and every second.
//!
//! ```text
//!  scenario ──▶ world: one queue of events in virtual time
//!                ├─ machines   hosts: power, clocks, cpe with its machine, units of DPEs
//!                ├─ members    the store's: leaders, quorum, late and lost transactions
//!                ├─ requests   the way to the store: lost, doubled, late; watches
//!                ├─ dpes       DPEs and agents: permits, epochs, leases, one service
//!                └─ injection  what goes wrong, and when
//! ```
//!
//! The machine is `ownership::Host`, unchanged. Everything else is a model, and says so: the store
//! is not etcd, a DPE is not the controller. `invariants.rs` and `goal.rs` say what must hold.

#![warn(missing_docs)]

mod checker;
mod clock;
mod dpe;
mod dpes;
mod faults;
mod goal;
mod guest;
mod injection;
mod invariants;
mod machines;
mod members;
mod mutants;
mod people;
mod requests;
mod scenario;
mod store;
mod world;

pub use mutants::Mutant;
pub use scenario::Style;

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep a trace of everything.
    pub trace: bool,
    /// Have all hosts make this mistake.
    pub mutant: Option<Mutant>,
    /// Look only at what services suffer, not at the rules that keep it from them.
    pub harm_only: bool,
    /// What the world is for; else by the seed.
    pub style: Option<Style>,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What the world was for.
    pub style: Style,
    /// Invariants that did not hold. Empty: all is well.
    pub violations: Vec<String>,
    /// What happened, if asked for.
    pub trace: Vec<String>,
    /// Events that happened.
    pub steps: u64,
    /// Virtual seconds.
    pub seconds: u64,
    /// Deployments.
    pub deployments: u64,
    /// Records that were taken from lost sessions, and handed over.
    pub moves: (u64, u64),
    /// Changes that were asked for.
    pub changes: u64,
    /// The longest time that a deployment was without a DPE that acts while a quorum lived, µs.
    pub longest_us: u64,
    /// Services that were stopped by the end of a lease.
    pub lease_stops: u64,
}

/// Runs one seed.
pub fn run(seed: u64, options: Options) -> Outcome {
    let scenario = scenario::Scenario::new(seed, options.style);
    let style = scenario.style;
    let mut world = world::World::new(scenario, seed, options.mutant, options.trace);
    world.harm_only = options.harm_only;
    world.run();
    Outcome {
        seed,
        style,
        violations: world.checker.violations,
        trace: world.trace.unwrap_or_default(),
        steps: world.steps,
        seconds: world.now_us / sim_kit::SECOND,
        deployments: world.deployments.len() as u64,
        moves: (world.checker.taken, world.checker.handed),
        changes: world.checker.changes.len() as u64,
        longest_us: world.checker.longest_us,
        lease_stops: world.checker.lease_stops,
    }
}
