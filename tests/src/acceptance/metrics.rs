//! Checks 5 and 6: numbers for Prometheus, what they cost, and how many there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use end_to_end::gateway::promtool;
use end_to_end::{System, layer, project_dir};

use crate::report::Findings;
use crate::stage::{SLEEPERS, Stage};

const METRICS: &str = "http://localhost/metrics";
/// Of 1000 deployments.
const LONGEST_MS: f64 = 300.0;
/// While calls to DPEs are counted.
const SCRAPES: u32 = 20;

/// The page; empty if anything else is answered.
fn scrape(stage: &Stage) -> String {
    match stage.ask("alice", METRICS) {
        (status, text) if status == "200" => text,
        _ => String::new(),
    }
}

fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.filter_map(|line| line.rsplit_once(' '));
    samples.map(|(name, _)| name.to_owned()).collect()
}

fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

pub(crate) fn metrics(stage: &Stage, findings: &mut Findings) {
    let text = scrape(stage);
    findings.check(
        &format!(
            "GET /metrics: {} series, {} bytes",
            series(&text).len(),
            text.len()
        ),
        !text.is_empty(),
    );
    hold_to_rules(findings, &text);
    no_call_to_a_dpe(stage, findings);
    a_thousand(findings);
}

fn rules() -> PathBuf {
    layer().join("usr/share/cpe-gateway/cpe.rules.yml")
}

fn hold_to_rules(findings: &mut Findings, text: &str) {
    let mut run = |arguments: &[&str], input: &str| {
        let output = promtool(arguments, input);
        let told = format!("{}{}", output.stdout, output.stderr);
        let short = arguments[..2].join(" ");
        findings.check(&format!("promtool {short}"), output.code == 0);
        if output.code != 0 || (short == "check metrics" && !told.is_empty()) {
            findings.check(&format!("it complains: {told}"), false);
        }
    };
    run(&["check", "metrics"], text);
    run(&["check", "rules", &rules().to_string_lossy()], "");
    let cases = project_dir().join("tests/tests/system/metrics/rules.test.yml");
    run(&["test", "rules", &cases.to_string_lossy()], "");
    let alerts = names(&rules(), "- alert: ");
    let tested = names(&cases, "alertname: ");
    findings.check(
        &format!("a case for each of {} alerts", alerts.len()),
        !alerts.is_empty() && alerts.is_subset(&tested),
    );
}

/// What follows a word in a file's lines.
fn names(file: &Path, word: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(word));
    lines.map(str::to_owned).collect()
}

/// Listens to the bus while the page is asked for, in a moment in which nothing else is done.
fn no_call_to_a_dpe(stage: &Stage, findings: &mut Findings) {
    for deployment in ["shop", "pair"] {
        stage.settle(deployment);
    }
    let script = |between: &str| {
        format!(
        "timeout --signal=INT 60 busctl monitor --json=short > /srv/calls 2> /dev/null & monitor=$!; sleep 1
         : > /srv/times; chmod 0666 /srv/times
         {between}
         kill -INT $monitor; wait $monitor || :
         grep -c '\"type\":\"method_call\"' /srv/calls || :
         grep '\"type\":\"method_call\"' /srv/calls | grep -c 'org.cloudpolicy.Dpe1' || :"
    )
    };
    let scrapes = script(&format!(
        "for n in $(seq {SCRAPES}); do
           runuser -u alice -- curl --silent --unix-socket /run/cpe-gateway/http.sock -o /dev/null -w '%{{time_total}}\\n' {METRICS} >> /srv/times
         done"
    ));
    let heard = stage.sh(&script("cpectl status pair > /dev/null")).ok();
    findings.check(
        &format!(
            "busctl monitor hears what cpectl status asks: {:?} calls",
            heard.lines().collect::<Vec<_>>()
        ),
        heard.lines().last().is_some_and(|count| count != "0"),
    );
    // The mirror looks at everything once a minute: no scrape asks for that.
    let mut calls = String::new();
    for _ in 0..3 {
        calls = stage.sh(&scrapes).ok();
        if calls.lines().last() == Some("0") {
            break;
        }
    }
    let times = stage.sh("cat /srv/times").ok();
    let times: Vec<f64> = times.lines().filter_map(|it| it.parse().ok()).collect();
    let longest = times.iter().copied().fold(0.0, f64::max) * 1000.0;
    findings.check(
        &format!(
            "{} scrapes, the longest {longest:.0} ms: calls on the bus, and to DPEs: {:?}",
            times.len(),
            calls.lines().collect::<Vec<_>>()
        ),
        calls.lines().last() == Some("0") && times.len() == SCRAPES as usize,
    );
}

/// A thousand deployments with 8 services and 4 assemblies each do not fit into a lab: the page of
/// their status is made by the same code.
fn a_thousand(findings: &mut Findings) {
    let exe = std::env::current_exe().unwrap_or_default();
    let program = exe.with_file_name("examples").join("scrape");
    if !program.exists() {
        findings
            .not_done("a page of 1000 deployments: there is no example `scrape` of cpe-gateway");
        return;
    }
    let begin = Instant::now();
    let run = Command::new(&program).output().expect("it can be run");
    let told = String::from_utf8_lossy(&run.stdout);
    let mut longest = 0.0_f64;
    for line in told.lines() {
        findings.tell(&format!("1000 deployments (unoptimised program): {line}"));
        let took = line.rsplit_once(", ").map_or("", |parts| parts.1);
        longest = longest.max(milliseconds(took));
    }
    findings.check(
        &format!("a page of 1000 deployments takes {longest:.0} ms of a processor, less than {LONGEST_MS} ms ({:.1} s in all)", begin.elapsed().as_secs_f64()),
        run.status.success() && longest > 0.0 && longest < LONGEST_MS,
    );
}

/// Of a duration as Rust prints it; nothing that is none.
fn milliseconds(text: &str) -> f64 {
    let units = [("ms", 1.0), ("µs", 0.001), ("s", 1000.0)];
    let found = units.iter().find_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor)
    });
    found.unwrap_or(f64::INFINITY)
}

pub(crate) fn cardinality(stage: &Stage, findings: &mut Findings) {
    // What has never happened has no series yet: everything moves once before they are counted, and
    // the room for a loss is found out at rest.
    move_all(stage, findings);
    stage.settle("pair");
    let deployments = stage.json("http://localhost/v1/deployments")["deployments"]
        .as_array()
        .map_or(0, Vec::len);
    findings.within(
        "of each deployment the room for a loss is known",
        150,
        || {
            let known = scrape(stage)
                .matches("cpe_deployment_survives_loss{")
                .count();
            deployments > 0 && known == deployments
        },
    );
    let before = series(&scrape(stage));
    for _ in 0..3 {
        move_all(stage, findings);
    }
    stage.settle("pair");
    let after = series(&scrape(stage));
    let new: Vec<_> = after.symmetric_difference(&before).collect();
    findings.check(
        &format!(
            "{} series before, {} after {SLEEPERS} services were moved three times {new:?}",
            before.len(),
            after.len()
        ),
        before == after && !before.is_empty(),
    );
    stage.with_settings("\\n[metrics]\\nmax_series = 30\\n", || {
        whole(stage, findings)
    });
}

/// Every service goes to the other assembly.
fn move_all(stage: &Stage, findings: &mut Findings) {
    let status = stage.lab.status("pair");
    let place = |status: &end_to_end::Status, number| {
        status
            .assembly_of(&format!("s{number}"))
            .unwrap_or_default()
    };
    let mut script = String::new();
    for number in 0..SLEEPERS {
        let to = if place(&status, number) == "a" {
            "b"
        } else {
            "a"
        };
        script += &format!("cpectl move pair s{number} {to} --wait > /dev/null\n");
    }
    let run = stage.sh(&script);
    let now = stage.lab.status("pair");
    let moved = (0..SLEEPERS).filter(|number| place(&status, *number) != place(&now, *number));
    let moved = moved.count();
    let all = moved == SLEEPERS as usize && run.code == 0;
    findings.check(&format!("{moved} services have moved"), all);
    if !all {
        findings.tell(&run.stderr);
    }
}

/// Deployments are left out as a whole.
fn whole(stage: &Stage, findings: &mut Findings) {
    // What is not known yet has no series.
    findings.within("a deployment is known", 60, || {
        scrape(stage).contains("cpe_services{")
    });
    std::thread::sleep(std::time::Duration::from_secs(2));
    let text = scrape(stage);
    let dropped = value(&text, "cpe_metrics_dropped_series").unwrap_or(0.0);
    findings.check(
        &format!("above max_series: {dropped} series are left out"),
        dropped > 0.0,
    );
    for deployment in ["shop", "pair", "mail"] {
        let status = stage.lab.status(deployment);
        if status.services().is_empty() {
            continue;
        }
        let of = format!("cpe_service_running{{deployment=\"{deployment}\"");
        let there = text.lines().filter(|line| line.starts_with(&of)).count();
        let all = status.services().len();
        findings.check(
            &format!("{deployment}: {there} of {all} services are told, all or none"),
            there == 0 || there == all,
        );
    }
}
