//! `controller-sim --seeds N` runs N seeds in parallel; `controller-sim --replay SEED` runs one and
//! prints what happened.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use controller_sim::{Mutant, Options, Outcome, run};

/// Length of a violation that is printed, in characters.
const MESSAGE_CHARS: usize = 300;

/// Simulates the controller: seeded worlds of guests, agents, networks and faults, in virtual time.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Number of seeds to run.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run this seed only, with a trace of everything.
    #[arg(long, conflicts_with = "seeds")]
    replay: Option<u64>,
    /// Threads; 0: as many as there are processors.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Compare every seed with a second controller that is given the same (else every fourth).
    #[arg(long)]
    shadow: bool,
    /// Print a digest of everything that the controller does in each seed: the same in two builds
    /// that behave the same.
    #[arg(long)]
    digest: bool,
    /// Have the controller make this mistake, to see that it is found.
    #[arg(long, value_parser = Mutant::ALL.map(Mutant::name))]
    mutant: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let named = |name: &String| {
        Mutant::ALL
            .into_iter()
            .find(|mistake| mistake.name() == name)
    };
    let mutant = arguments.mutant.as_ref().and_then(named);
    if let Some(seed) = arguments.replay {
        let outcome = run(
            seed,
            Options {
                trace: true,
                shadow: true,
                digest: arguments.digest,
                mutant,
            },
        );
        for line in &outcome.trace {
            println!("{line}");
        }
        return report(&[outcome], arguments.digest);
    }
    let threads = match arguments.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run(
                        seed,
                        Options {
                            trace: false,
                            shadow: arguments.shadow || seed.is_multiple_of(4),
                            digest: arguments.digest,
                            mutant,
                        },
                    );
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push(outcome);
                    }
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_default();
    outcomes.sort_by_key(|outcome| outcome.seed);
    report(&outcomes, arguments.digest)
}

/// Prints what was found. Success: nothing.
fn report(outcomes: &[Outcome], digest: bool) -> ExitCode {
    let bad: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| !outcome.violations.is_empty())
        .collect();
    for outcome in &bad {
        println!("seed {}:", outcome.seed);
        for violation in &outcome.violations {
            let short: String = violation.chars().take(MESSAGE_CHARS).collect();
            println!("  {}", short.replace('\n', " "));
        }
    }
    if digest {
        for outcome in outcomes {
            println!("seed {} {:016x}", outcome.seed, outcome.digest);
        }
    }
    let sum = |number: fn(&Outcome) -> u64| outcomes.iter().map(number).sum::<u64>();
    println!(
        "{} seeds, {} with violations; {} virtual seconds, {} steps, {} starts of the DPE, {} transitions, {} events",
        outcomes.len(),
        bad.len(),
        sum(|outcome| outcome.seconds),
        sum(|outcome| outcome.steps),
        sum(|outcome| outcome.starts),
        sum(|outcome| outcome.transitions),
        sum(|outcome| outcome.events as u64),
    );
    if let Some(first) = bad.first() {
        println!("replay one with --replay {}", first.seed);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
