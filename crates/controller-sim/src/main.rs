//! `controller-sim --seeds N` runs N seeds in parallel; `controller-sim --replay SEED` runs one and
//! prints what happened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{fs, io};

use clap::Parser;
use clap::builder::PossibleValuesParser;
use controller_sim::faults::Kind;
use controller_sim::{Mutant, Options, Outcome, run};
use mimalloc::MiMalloc;

/// A world is mostly small texts and trees that come and go: a fifth of the time would be glibc's
/// allocator. The daemons keep that one, since it gives memory back.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Length of a violation that is printed, in characters.
const MESSAGE_CHARS: usize = 300;
/// Seeds that can be divided by this number are compared with a second controller.
const COMPARED: u64 = 16;
/// Violating seeds that are printed.
const MOST_PRINTED: usize = 50;

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
    /// Also write the engine inputs of all transitions into this folder, for policy-simulate.
    #[arg(long, requires = "replay", value_name = "DIR")]
    inputs: Option<PathBuf>,
    /// Threads; 0: as many as there are processors.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Compare every seed with a second controller that is given the same (else every sixteenth).
    #[arg(long)]
    shadow: bool,
    /// Print a digest of everything that the controller does in each seed: the same in two builds
    /// that behave the same.
    #[arg(long)]
    digest: bool,
    /// Have the controller make this mistake, to see that it is found.
    #[arg(long, value_parser = Mutant::ALL.map(Mutant::name))]
    mutant: Option<String>,
    /// Have documents say everything that they can in every seed (else in three of thirteen).
    #[arg(long)]
    rich: bool,
    /// Add faults of this kind to every seed, in place of others of the world around.
    #[arg(long, value_parser = PossibleValuesParser::new(Kind::selectable().map(Kind::name)))]
    fault: Option<String>,
}

impl Arguments {
    fn options(&self, trace: bool, shadow: bool) -> Options {
        let named = |name: &String| {
            let mut all = Mutant::ALL.into_iter();
            all.find(|mistake| mistake.name() == name)
        };
        let kind = |name: &String| Kind::selectable().find(|kind| kind.name() == name);
        Options {
            trace,
            shadow,
            digest: self.digest,
            rich: self.rich,
            mutant: self.mutant.as_ref().and_then(named),
            fault: self.fault.as_ref().and_then(kind),
        }
    }

    /// Runs all seeds; gives their totals, and what is to be told of single ones, in their order.
    fn run_all(&self) -> (Totals, Vec<Outcome>) {
        let (mut totals, mut outcomes) = (Totals::default(), Vec::new());
        let run = |seed: u64| {
            let shadow = self.shadow || seed.is_multiple_of(COMPARED);
            run(seed, self.options(false, shadow))
        };
        let add = |outcome: Outcome| {
            totals.add(&outcome);
            // There may be a million of them.
            if self.digest || !outcome.violations.is_empty() {
                outcomes.push(outcome);
            }
        };
        sim_kit::each_seed(self.from, self.seeds, self.jobs, run, add);
        outcomes.sort_by_key(|outcome| outcome.seed);
        totals.restless.sort_unstable();
        (totals, outcomes)
    }
}

/// How much was run.
#[derive(Debug, Default)]
struct Totals {
    seeds: u64,
    seconds: u64,
    steps: u64,
    starts: u64,
    transitions: u64,
    /// Transitions that took over what was under way, and seeds that have some.
    taken_over: (u64, u64),
    events: u64,
    /// Faults that were injected, by kind.
    faults: BTreeMap<Kind, u64>,
    /// Seeds that are [`Outcome::restless`].
    restless: Vec<u64>,
}

impl Totals {
    /// Adds what came of a seed.
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.seconds += outcome.seconds;
        self.steps += outcome.steps;
        self.starts += outcome.starts;
        self.transitions += outcome.transitions;
        self.taken_over.0 += outcome.taken_over;
        self.taken_over.1 += u64::from(outcome.taken_over > 0);
        self.events += outcome.events as u64;
        for (kind, count) in &outcome.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        self.restless
            .extend(outcome.restless.then_some(outcome.seed));
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let begin = Instant::now();
    let (totals, outcomes) = match arguments.replay {
        Some(seed) => {
            let (mut totals, outcome) =
                (Totals::default(), run(seed, arguments.options(true, true)));
            totals.add(&outcome);
            (totals, vec![outcome])
        }
        None => arguments.run_all(),
    };
    for line in outcomes.iter().flat_map(|outcome| &outcome.trace) {
        println!("{line}");
    }
    if let Some(folder) = &arguments.inputs
        && let Err(error) = write_inputs(folder, &outcomes)
    {
        eprintln!(
            "cannot write engine inputs into {}: {error}",
            folder.display()
        );
        return ExitCode::FAILURE;
    }
    if arguments.digest {
        for outcome in &outcomes {
            println!("seed {} {:016x}", outcome.seed, outcome.digest);
        }
    }
    print_totals(&totals, begin.elapsed().as_secs_f64());
    report(&arguments, &outcomes)
}

fn write_inputs(folder: &Path, outcomes: &[Outcome]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, input) in outcomes.iter().flat_map(|outcome| &outcome.inputs) {
        fs::write(folder.join(format!("{name}.xml")), input.as_bytes())?;
    }
    Ok(())
}

/// Prints how much was run, and which faults there were.
fn print_totals(totals: &Totals, seconds: f64) {
    let Totals {
        seeds,
        seconds: virtual_seconds,
        steps,
        starts,
        transitions,
        taken_over: (taken_over, taking_over),
        events,
        faults,
        restless,
    } = totals;
    println!(
        "{seeds} seeds in {seconds:.1} s, {:.1} a second; {virtual_seconds} virtual seconds, {steps} steps, {starts} starts of the DPE, {transitions} transitions, {events} events",
        *seeds as f64 / seconds,
    );
    println!("{taken_over} transitions in {taking_over} seeds took over what was under way",);
    let faults: Vec<String> = faults
        .iter()
        .map(|(kind, count)| format!("{} {count}", kind.name()))
        .collect();
    println!("faults: {}", faults.join(", "));
    let restless: Vec<String> = restless.iter().map(u64::to_string).collect();
    if !restless.is_empty() {
        println!(
            "{} with documents that Pacemaker's scheduler does not come to rest with either: {}",
            restless.len(),
            restless.join(" ")
        );
    }
}

/// Prints what was found. Success: nothing.
fn report(arguments: &Arguments, outcomes: &[Outcome]) -> ExitCode {
    let bad = outcomes
        .iter()
        .filter(|outcome| !outcome.violations.is_empty());
    let bad: Vec<&Outcome> = bad.collect();
    for outcome in bad.iter().take(MOST_PRINTED) {
        println!("seed {}:", outcome.seed);
        for violation in &outcome.violations {
            let short: String = violation.chars().take(MESSAGE_CHARS).collect();
            println!("  {}", short.replace('\n', " "));
        }
    }
    println!("{} seeds with violations", bad.len());
    let Some(first) = bad.first() else {
        return ExitCode::SUCCESS;
    };
    let mut command = format!("controller-sim --replay {}", first.seed);
    for (option, value) in [("mutant", &arguments.mutant), ("fault", &arguments.fault)] {
        if let Some(value) = value {
            command += &format!(" --{option} {value}");
        }
    }
    if arguments.rich {
        command += " --rich";
    }
    println!("replay one with {command}");
    ExitCode::FAILURE
}
