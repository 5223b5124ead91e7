//! `make demo STAGE=postgresql`: PostgreSQL with synchronous replication over three guests loses
//! its primary while a client writes. Each step says what is done, and what must hold.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

use end_to_end::{Ledger, System, longest_pause, missing_prerequisite, now, two_at_once};

use crate::{Report, step};

/// Rows that are written before the power is cut, and again after.
const SOME: usize = 200;

/// All of it. `begin`: when the demonstration began.
pub(crate) fn show(begin: Instant) -> ExitCode {
    if let Some(missing) = missing_prerequisite() {
        eprintln!("The demonstration needs {missing}");
        return ExitCode::from(77);
    }
    println!(
        "A private system (real systemd, D-Bus and journal, in namespaces of its own) with three booted guests and one for a client."
    );
    let ledger = Ledger::boot("demo-postgresql");
    println!(
        "Ready after {:.1} s: db1, db2 and db3 have the same data (initdb, pg_basebackup), and no server runs.",
        begin.elapsed().as_secs_f64()
    );
    let mut report = Report { failed: 0 };
    if deploy(&ledger, &mut report) {
        write(&ledger, &mut report);
        let first = ledger.primary().unwrap_or_default();
        let second = lose(&ledger, &first, &mut report);
        bring_back(&ledger, &first, &second, &mut report);
        compare(&ledger, &mut report);
        destroy(&ledger, &mut report);
    }
    drop(ledger);
    report.end(begin)
}

fn status(ledger: &Ledger) {
    for line in ledger.lab.cpectl(&["status", "ledger"]).stdout.lines() {
        println!("     {line}");
    }
}

fn deploy(ledger: &Ledger, report: &mut Report) -> bool {
    step(1, "Deploy: cpectl deploy --wait examples/postgresql.xml");
    let document = ledger.document();
    let deployed = ledger.lab.cpectl(&["deploy", "--wait", document]);
    report.check(
        "it is accepted, and the address of the primary is up",
        deployed.code == 0,
    );
    if deployed.code != 0 {
        println!("{}{}", deployed.stdout, deployed.stderr);
    }
    report.within("a primary, and two standbys that follow it", 60, || {
        ledger.is_complete()
    });
    let primary = ledger.primary().unwrap_or_default();
    for (standby, state) in ledger.standbys(&primary) {
        let means = match state.as_str() {
            "sync" => "the primary waits for it with every commit",
            _ => "takes its place if it is lost",
        };
        println!("     {standby} follows {primary}: {state} ({means})");
    }
    status(ledger);
    report.failed == 0
}

fn write(ledger: &Ledger, report: &mut Report) {
    step(
        2,
        "A client inserts row after row over the address 10.77.0.110",
    );
    ledger.use_it();
    report.within(&format!("{SOME} rows are acknowledged"), 30, || {
        ledger.written().len() >= SOME
    });
}

/// Gives the new primary.
fn lose(ledger: &Ledger, first: &str, report: &mut Report) -> String {
    step(
        3,
        &format!("The power of {first}, the primary's guest, is cut"),
    );
    let cut_at = now();
    ledger.lab.cut(first);
    report.within(
        "a standby is promoted, and the client writes again",
        60,
        || {
            let rows = ledger.written();
            rows.iter().filter(|row| row.at > cut_at + 1.0).count() >= SOME
        },
    );
    let second = ledger.primary().unwrap_or_default();
    println!(
        "     {second} is the primary now. The client was without an answer for {:.1} s.",
        longest_pause(&ledger.written(), cut_at)
    );
    let kept = ledger.kept(&second);
    let written = ledger.written();
    let before: Vec<u64> = written
        .iter()
        .filter(|row| row.at < cut_at)
        .map(|row| row.number)
        .collect();
    let lost = before
        .iter()
        .filter(|number| !kept.contains(number))
        .count();
    report.check(
        &format!(
            "of {} rows that were acknowledged before, {lost} are lost",
            before.len()
        ),
        lost == 0 && !before.is_empty(),
    );
    second
}

fn bring_back(ledger: &Ledger, first: &str, second: &str, report: &mut Report) {
    step(4, &format!("{first} comes back"));
    report.within(
        "its server is not started: it may have rows that nobody else has, and its agent's lock says so",
        60,
        || ledger.is_locked(),
    );
    status(ledger);
    println!(
        "     What an operator does: prepare rejoin 10.77.0.110 in the guest, cpectl cleanup ledger database --assembly {first}"
    );
    for guest in Ledger::GUESTS.iter().filter(|&&guest| guest != second) {
        if !ledger.standbys(second).contains_key(*guest) {
            ledger.rejoin(guest);
            println!("     {guest} has a new copy of the data");
        }
    }
    report.within("two standbys again", 60, || ledger.is_complete());
    report.check(
        "the primary is the same",
        ledger.primary().as_deref() == Some(second),
    );
    status(ledger);
}

fn compare(ledger: &Ledger, report: &mut Report) {
    step(5, "What was written, and who was a primary");
    ledger.stop_client();
    let written: BTreeSet<u64> = ledger.written().iter().map(|row| row.number).collect();
    for guest in Ledger::GUESTS {
        report.within(
            &format!("{guest} has all {} acknowledged rows", written.len()),
            20,
            || written.is_subset(&ledger.kept(guest)),
        );
    }
    let reigns = ledger.reigns();
    let start = reigns.first().map_or(0.0, |reign| reign.from);
    for reign in &reigns {
        println!(
            "     {} was seen as a primary from {:.1} s to {:.1} s",
            reign.guest,
            reign.from - start,
            reign.to - start
        );
    }
    report.check(
        "never two at one time",
        two_at_once(&reigns).is_none() && !reigns.is_empty(),
    );
}

fn destroy(ledger: &Ledger, report: &mut Report) {
    step(6, "Destroy: cpectl destroy ledger --wait");
    let destroyed = ledger.lab.cpectl(&["destroy", "ledger", "--wait"]);
    report.check("done", destroyed.code == 0);
    report.check(
        "no server is left",
        ledger.lab.processes("bin/postgres ").is_empty(),
    );
}
