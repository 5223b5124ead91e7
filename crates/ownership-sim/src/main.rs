//! `ownership-sim --seeds N` runs N seeds in parallel; `ownership-sim --replay SEED` runs one and
//! prints what happened.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use mimalloc::MiMalloc;
use ownership_sim::{Mutant, Options, Outcome, run};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Worlds with so many deployments are small.
const SMALL: u64 = 200;
/// Violating seeds that are printed.
const MOST_PRINTED: usize = 30;

/// Simulates hosts that share deployments: seeded clusters with a modelled store, in virtual time.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Number of seeds to run.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run this seed only, with a trace of everything.
    #[arg(long, conflicts_with = "seeds")]
    replay: Option<u64>,
    /// Threads; 0: as many as there are processors.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Have the hosts make this mistake, to see that it is found.
    #[arg(long, value_parser = Mutant::ALL.map(Mutant::name))]
    mutant: Option<String>,
    /// Look only at what services suffer, not at the rules that keep it from them.
    #[arg(long)]
    harm_only: bool,
}

/// How much was run.
#[derive(Debug, Default)]
struct Totals {
    seeds: u64,
    steps: u64,
    seconds: u64,
    deployments: u64,
    most_deployments: u64,
    moves: (u64, u64),
    changes: u64,
    lease_stops: u64,
    longest_us: u64,
    styles: BTreeMap<String, u64>,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.steps += outcome.steps;
        self.seconds += outcome.seconds;
        self.deployments += outcome.deployments;
        self.most_deployments = self.most_deployments.max(outcome.deployments);
        self.moves.0 += outcome.moves.0;
        self.moves.1 += outcome.moves.1;
        self.changes += outcome.changes;
        self.lease_stops += outcome.lease_stops;
        // In large worlds most of it is the starting of units, one after another.
        if outcome.deployments <= SMALL {
            self.longest_us = self.longest_us.max(outcome.longest_us);
        }
        let style = format!("{:?}", outcome.style);
        *self.styles.entry(style).or_default() += 1;
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let named = |name: &String| Mutant::ALL.into_iter().find(|it| it.name() == name);
    let options = Options {
        trace: arguments.replay.is_some(),
        mutant: arguments.mutant.as_ref().and_then(named),
        harm_only: arguments.harm_only,
        style: None,
    };
    let begin = Instant::now();
    let (mut totals, mut bad) = (Totals::default(), Vec::new());
    let add = |outcome: Outcome| {
        totals.add(&outcome);
        for line in &outcome.trace {
            println!("{line}");
        }
        if !outcome.violations.is_empty() {
            bad.push((outcome.seed, outcome.violations));
        }
    };
    let (from, seeds) = arguments
        .replay
        .map_or((arguments.from, arguments.seeds), |it| (it, 1));
    sim_kit::each_seed(from, seeds, arguments.jobs, |seed| run(seed, options), add);
    print(&totals, begin.elapsed().as_secs_f64());
    bad.sort();
    for (seed, violations) in bad.iter().take(MOST_PRINTED) {
        println!("seed {seed}: {}", violations.join("; "));
    }
    println!("{} seeds with violations", bad.len());
    let Some((first, _)) = bad.first() else {
        return ExitCode::SUCCESS;
    };
    let mutant = arguments
        .mutant
        .map_or(String::new(), |it| format!(" --mutant {it}"));
    println!("replay one with ownership-sim --replay {first}{mutant}");
    ExitCode::FAILURE
}

fn print(totals: &Totals, seconds: f64) {
    let rate = totals.seeds as f64 / seconds;
    println!(
        "{} seeds in {seconds:.1} s, {rate:.1} a second; {} virtual seconds, {} steps",
        totals.seeds, totals.seconds, totals.steps
    );
    println!(
        "{} deployments, at most {} at once; {} taken, {} handed over; {} changes; {} leases ended",
        totals.deployments,
        totals.most_deployments,
        totals.moves.0,
        totals.moves.1,
        totals.changes,
        totals.lease_stops
    );
    let longest_s = totals.longest_us as f64 / 1e6;
    println!(
        "longest without a DPE that acts: {longest_s:.1} s; styles: {:?}",
        totals.styles
    );
}
