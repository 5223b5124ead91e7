//! `make demo STAGE=hosts`: three hosts that share deployments through a real etcd, and what
//! happens to them, with what it took.

use std::process::ExitCode;
use std::time::Instant;

use end_to_end::hosts::{Hosts, Reader, STEPS, Scene, Telling};
use end_to_end::missing_for_hosts;

use crate::{Report, step};

impl Telling for Report {
    fn check(&mut self, what: &str, holds: bool) {
        Report::check(self, what, holds);
    }

    fn tell(&mut self, what: &str) {
        println!("     {}", what.replace('\n', "\n     "));
    }
}

/// All of it. `begin`: when the demonstration began.
pub(crate) fn show(begin: Instant) -> ExitCode {
    if let Some(missing) = missing_for_hosts() {
        eprintln!("The demonstration needs {missing}");
        return ExitCode::from(77);
    }
    println!(
        "Three private systems (real systemd, D-Bus and journal, in namespaces of their own), each with cpe and a member of etcd, and a fourth one with two booted guests and the network between all."
    );
    let witness = std::env::current_exe().map(|demo| demo.with_file_name("witness"));
    let witness = witness.expect("this program has a path");
    let mut hosts = Hosts::boot("demo-hosts", &witness);
    println!(
        "Ready after {:.1} s: cpe runs on three hosts, etcd has a leader, and agents listen on the network with certificates on both sides.",
        begin.elapsed().as_secs_f64()
    );
    let mut report = Report { failed: 0 };
    let mut reader = Reader::default();
    for (number, it) in (1..).zip(STEPS) {
        step(number, it.title);
        (it.run)(&mut Scene {
            hosts: &mut hosts,
            reader: &mut reader,
            to: &mut report,
        });
    }
    drop(hosts);
    report.end(begin)
}
