//! Check 10: what is planned is what is done, and what is wanted for a while ends.

use std::process::Command;

use end_to_end::System;
use serde_json::Value;

use crate::report::Findings;
use crate::stage::Stage;

const SEEDS: &str = "200";

pub(crate) fn verbs(stage: &Stage, findings: &mut Findings) {
    outdated(stage, findings);
    would_go_back(stage, findings);
    a_ban_ends(stage, findings, false);
    a_ban_ends(stage, findings, true);
    simulation(findings);
}

/// How much is wanted beside the document.
fn overlay(stage: &Stage, deployment: &str) -> usize {
    let status = stage.lab.status(deployment).0;
    status["overlay"].as_array().map_or(0, Vec::len)
}

fn home(stage: &Stage, service: &str) -> String {
    stage
        .lab
        .status("pair")
        .assembly_of(service)
        .unwrap_or_default()
}

/// An assembly is lost between the plan and its application.
fn outdated(stage: &Stage, findings: &mut Findings) {
    stage.settle("pair");
    let (lost, before) = (home(stage, "s0"), stage.times("pair", "disable"));
    let proposal = r#"{"deployment": "pair", "verb": "disable", "service": "s0"}"#;
    let plan = stage.json(&format!(
        "-H 'Content-Type: application/json' -d '{proposal}' http://localhost/v1/plans"
    ));
    let id = plan["id"].as_str().unwrap_or_default();
    findings.check(
        &format!(
            "planned: disable s0 on {lost}, fingerprint {}",
            plan["fingerprint"]
        ),
        !id.is_empty() && !lost.is_empty(),
    );
    stage.lab.cut(&lost);
    findings.within(
        &format!("{lost}, whose power was cut, is lost and s0 runs elsewhere"),
        60,
        || {
            let now = home(stage, "s0");
            !now.is_empty() && now != lost
        },
    );
    let apply = format!("-X POST http://localhost/v1/plans/{id}/apply");
    let (status, body) = stage.ask("alice", &apply);
    findings.equal("applied then", &status, "409");
    let told: Value = serde_json::from_str(&body).unwrap_or_default();
    let kind = told["type"].as_str().unwrap_or_default();
    findings.equal("the problem", kind, "/problems/plan-outdated");
    findings.check("the new plan is with it", told["plan"].is_object());
    let (now, wanted) = (home(stage, "s0"), overlay(stage, "pair"));
    let orders = stage.times("pair", "disable") - before;
    findings.check(
        &format!(
            "nothing has changed: s0 runs on {now}, {wanted} orders are there, {orders} were done"
        ),
        !now.is_empty() && wanted == 0 && orders == 0,
    );
    stage.lab.guest("start", &lost);
    findings.within(&format!("{lost} is back"), 90, || {
        stage.lab.status("pair").assembly_state(&lost) == "online"
    });
    stage.settle("pair");
}

fn would_go_back(stage: &Stage, findings: &mut Findings) {
    stage.settle("shop");
    let before = stage.lab.status("shop");
    let told = stage.lab.cpectl(&["move", "shop", "data", "app1"]);
    for line in told.stderr.lines() {
        findings.tell(line);
    }
    findings.equal(
        "a move that would fall back: exit status",
        &told.code.to_string(),
        "5",
    );
    let after = stage.lab.status("shop");
    findings.check(
        "nothing has changed",
        after.assembly_of("db") == before.assembly_of("db")
            && after.0["overlay"] == before.0["overlay"]
            && after.is_settled(),
    );
}

/// Where a ban is to be seen: status, explanation, input.
fn seen(stage: &Stage, constraint: &str) -> [bool; 3] {
    let explained = stage.lab.cpectl(&["explain", "pair", "s1"]).stdout;
    let input = stage.lab.cpectl(&["input", "pair"]).stdout;
    [
        stage.lab.status("pair").0["overlay"]
            .to_string()
            .contains(constraint),
        explained.contains(constraint) || explained.contains("banned"),
        input.contains(constraint),
    ]
}

fn a_ban_ends(stage: &Stage, findings: &mut Findings, kill: bool) {
    stage.settle("pair");
    let expired = || {
        let events = stage.lab.events().into_iter();
        let own = events.filter(|event| event.kind() == "overlay.expired");
        own.count()
    };
    let (before, there) = (expired(), home(stage, "s1"));
    let elsewhere = if there == "a" { "b" } else { "a" };
    let constraint = format!("cli-ban-s1-on-{elsewhere}");
    let ban = ["ban", "pair", "s1", elsewhere, "--for", "5s"];
    let begin = std::time::Instant::now();
    let told = stage.lab.cpectl(&ban);
    let first = seen(stage, &constraint);
    let early = begin.elapsed().as_secs() < 5;
    findings.check(
        &format!(
            "cpectl {}: in status, explanation, input: {first:?}",
            ban.join(" ")
        ),
        told.code == 0 && (first == [true; 3] || !early),
    );
    if !early {
        findings.not_done("this machine was too slow to look before the ban had ended");
    }
    if kill {
        stage
            .sh("systemctl kill --signal=KILL dpe@pair.service")
            .ok();
        findings.tell("kill -9 of its DPE");
    }
    findings.within("event overlay.expired", 60, || expired() == before + 1);
    let took = begin.elapsed().as_secs_f64();
    findings.check(
        &format!("after {took:.1} s, no sooner than 5 s"),
        took >= 4.9,
    );
    let mut last = [true; 3];
    findings.within("it is gone from status, explanation and input", 30, || {
        last = seen(stage, &constraint);
        let is_up = !home(stage, "s1").is_empty();
        is_up && last == [false; 3]
    });
    findings.check("and told once", expired() == before + 1);
}

/// Orders are given at random in its worlds.
fn simulation(findings: &mut Findings) {
    let exe = std::env::current_exe().unwrap_or_default();
    let program = exe.with_file_name("controller-sim");
    if !program.exists() {
        findings.not_done(&format!("{}: `make lab` builds it", program.display()));
        return;
    }
    let run = Command::new(program)
        .args(["--seeds", SEEDS])
        .output()
        .expect("it can be run");
    let told = String::from_utf8_lossy(&run.stdout);
    if let Some(line) = told.lines().rfind(|line| !line.trim().is_empty()) {
        findings.tell(line);
    }
    findings.check(
        &format!("invariants hold over {SEEDS} seeds of the simulation, with orders at random"),
        run.status.success(),
    );
}
