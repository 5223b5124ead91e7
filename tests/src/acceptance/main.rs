//! `make acceptance`: twelve checks of what operators use (REST, page, metrics, alerts, verbs,
//! packages), on one private, real system. Each says what it did and measured. Exit status 0 only
//! if all that were asked for have passed: what cannot be checked has not passed. 77: this machine
//! cannot run them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a check fails by panicking, too"
)]

use std::process::ExitCode;
use std::time::Instant;

use end_to_end::missing_prerequisite;

mod alerts;
mod confinement;
mod contract;
mod hostile;
mod metrics;
mod packages;
mod page;
mod preconditions;
mod report;
mod stage;
mod stream;
mod verbs;

use report::Check;
use stage::Stage;

/// In the order in which they are done: those that leave things as they were come first.
const CHECKS: [Check; 12] = [
    check(2, "The contract itself", contract::itself),
    check(7, "Page", page::page),
    check(12, "Confinement", confinement::confinement),
    check(8, "Hostile requests", hostile::hostile),
    check(3, "Preconditions", preconditions::preconditions),
    check(5, "Metrics", metrics::metrics),
    check(6, "Cardinality", metrics::cardinality),
    check(10, "Plans and verbs", verbs::verbs),
    check(9, "Alerts", alerts::alerts),
    check(4, "Stream", stream::stream),
    check(11, "Packages", packages::packages),
    check(1, "REST against its contract", contract::against_it),
];

const fn check(number: u32, title: &'static str, run: fn(&Stage, &mut report::Findings)) -> Check {
    Check { number, title, run }
}

fn main() -> ExitCode {
    let begin = Instant::now();
    let wanted: Result<Vec<u32>, _> = std::env::args().skip(1).map(|it| it.parse()).collect();
    let wanted = match wanted {
        Ok(wanted) if wanted.iter().all(|it| (1..=12).contains(it)) => wanted,
        _ => {
            eprintln!(
                "There are checks 1 to 12: give the numbers of those that are wanted, or none for all"
            );
            return ExitCode::from(64);
        }
    };
    if let Some(missing) = missing_prerequisite() {
        eprintln!("The checks need {missing}");
        return ExitCode::from(77);
    }
    println!(
        "A private system (real systemd, D-Bus and journal) with six booted guests and the three-tier shop."
    );
    let stage = Stage::boot();
    stage.wait_for_gateway();
    println!("Ready after {:.1} s.", begin.elapsed().as_secs_f64());
    let chosen = CHECKS
        .iter()
        .filter(|check| wanted.is_empty() || wanted.contains(&check.number));
    let mut verdicts: Vec<_> = chosen.map(|check| report::run(check, &stage)).collect();
    report::summary(&mut verdicts);
    let passed = verdicts.iter().filter(|it| it.has_passed()).count();
    println!(
        "\n{passed} of {} passed, {:.0} s in all.",
        verdicts.len(),
        begin.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(passed < verdicts.len()))
}
