//! `make torture`: the real system under random faults, and a checker that believes only what the
//! services themselves wrote.
//!
//! `plan` says which faults come, `world` makes them, `marks` reads what the services wrote and
//! `report` sums it up. A fault and the next may be in force at once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod plan;
mod report;
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use end_to_end::marks::{Micros, now_us, overlaps};
use end_to_end::{System, missing_prerequisite};

use plan::{Kind, Plan};
use report::{Window, faults_of_log, table};
use world::World;

/// How long everything may take to be healthy after the last fault.
const RECOVERY: Duration = Duration::from_secs(120);

/// Tortures a private real system: cpe, three deployments, six booted guests, real services.
///
/// No service may ever run twice, no event may be lost or doubled, and everything must be healthy
/// again at the end. Exit status: 0 nothing was violated, 77 it cannot run here, another: something
/// was violated; the journals are printed then.
#[derive(Parser)]
#[command(name = "torture", version)]
struct Arguments {
    /// How long, in minutes
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Repeats the schedule of that seed [default: chosen, and printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Prints the first N faults of the schedule and ends
    #[arg(long, value_name = "N")]
    list: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    if let Some(count) = arguments.list {
        for fault in Plan::new(seed).take(count) {
            println!("{:>6.1} s later: {fault}", fault.after.as_secs_f64());
        }
        return ExitCode::SUCCESS;
    }
    if let Some(missing) = missing_prerequisite() {
        eprintln!("the torture needs {missing}");
        return ExitCode::from(77);
    }
    println!("seed {seed}: repeat it with `make torture SEED={seed}`");
    let minutes = Duration::from_secs_f64(arguments.minutes * 60.0);
    match Torture::boot(minutes) {
        Ok(mut torture) => {
            torture.run(seed, minutes);
            torture.finish(seed)
        }
        Err(error) => {
            eprintln!("the system does not come up: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A run of the torture.
struct Torture {
    world: World,
    begin: Instant,
    windows: Vec<Window>,
    violations: Vec<String>,
}

impl Torture {
    fn boot(minutes: Duration) -> anyhow::Result<Torture> {
        Ok(Torture {
            world: World::boot(minutes)?,
            begin: Instant::now(),
            windows: Vec::new(),
            violations: Vec::new(),
        })
    }

    fn say(&self, text: &str) {
        println!("{:>7.1} s  {text}", self.begin.elapsed().as_secs_f64());
    }

    fn violation(&mut self, what: String) {
        self.say(&format!("VIOLATION: {what}"));
        self.violations.push(what);
    }

    /// Makes fault after fault until the time is over or something is violated. Faults that come
    /// before everything is healthy again are one group.
    fn run(&mut self, seed: u64, long: Duration) {
        let mut group = Vec::new();
        let mut from = now_us();
        for fault in Plan::new(seed) {
            if !self.violations.is_empty() || (group.is_empty() && self.begin.elapsed() > long) {
                break;
            }
            if let Err(error) = self.world.pass(fault.after) {
                self.violation(format!("{error:#}"));
            }
            if group.is_empty() {
                from = now_us();
            }
            self.say(&fault.to_string());
            if let Err(error) = self.world.begin(&fault) {
                self.violation(format!("{fault}: {error:#}"));
            }
            group.push(fault.kind);
            if fault.settle {
                self.settle();
                match group[..] {
                    [Kind::Maintain] => self.check_restarts(fault.deployment, from, false),
                    [Kind::SwapAddresses] => self.check_restarts(fault.deployment, from, true),
                    [kind] if kind.hits_daemons_only() => self.check_restarts("", from, false),
                    _ => {}
                }
                self.windows.push(Window {
                    kinds: std::mem::take(&mut group),
                    from,
                    to: now_us(),
                });
            }
            self.check_overlaps();
        }
    }

    /// Waits until the faults have ended and everything is healthy.
    fn settle(&mut self) {
        let ended = self.world.end_all();
        if let Err(error) = ended.and_then(|()| self.world.wait_healthy(RECOVERY)) {
            self.violation(format!("{error:#}"));
        }
    }

    /// No service in two places at once: by the marks, and by the locks.
    fn check_overlaps(&mut self) {
        match self.world.marks().runs() {
            Ok(runs) => {
                for overlap in overlaps(&runs) {
                    self.violation(overlap);
                }
            }
            Err(error) => self.violation(format!("the marks cannot be read: {error:#}")),
        }
        for line in self.world.marks().refused_locks() {
            self.violation(format!("two processes at once, by the lock: {line}"));
        }
    }

    /// Under maintenance nobody stops services, whatever becomes of the DPE, and nothing that
    /// happens to our daemons stops any (`deployment` is empty: of all). Of a guest that is not
    /// that of its assembly any more, all services are stopped.
    fn check_restarts(&mut self, deployment: &str, from: Micros, expected: bool) {
        let Ok(runs) = self.world.marks().runs() else {
            return;
        };
        for (service, list) in runs {
            let restarted = list.iter().any(|run| run.from > from);
            if restarted != expected && service.starts_with(deployment) {
                let how = if restarted { "was" } else { "was not" };
                self.violation(format!("{service} {how} restarted"));
            }
        }
    }

    /// Checks the end, prints the report.
    fn finish(mut self, seed: u64) -> ExitCode {
        if self.violations.is_empty() {
            self.settle();
        }
        self.check_overlaps();
        let logs = self.world.logs();
        for fault in logs.iter().flat_map(|events| faults_of_log(events)) {
            self.violation(fault);
        }
        println!();
        match self.world.marks().runs() {
            Ok(runs) => println!("{}", table(&self.windows, &runs)),
            Err(error) => self.violation(format!("the marks cannot be read: {error:#}")),
        }
        let faults: usize = self.windows.iter().map(|window| window.kinds.len()).sum();
        let found = self.violations.len();
        println!(
            "{faults} faults in {:.0} s, {} events in {} logs, {found} violations (seed {seed})",
            self.begin.elapsed().as_secs_f64(),
            logs.iter().map(Vec::len).sum::<usize>(),
            logs.len(),
        );
        if !self.violations.is_empty() {
            let units = "'cpe.service' 'dpe@*' 'systemd-nspawn@*'";
            let script = format!(
                "systemctl list-units --all --no-pager {units}; journalctl --no-pager -o short-precise -u 'systemd-nspawn@*' -n 60"
            );
            eprintln!("{}", self.world.lab.sh(&script).stdout);
        }
        // The lab prints its journals when it is dropped in a panic.
        assert!(self.violations.is_empty(), "{:#?}", self.violations);
        ExitCode::SUCCESS
    }
}
