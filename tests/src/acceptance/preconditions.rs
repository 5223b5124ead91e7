//! Check 3: nothing is changed that was not seen, and nothing is done twice.

use end_to_end::System;
use serde_json::Value;

use crate::report::Findings;
use crate::stage::{Stage, curl};

const PLACE: &str = "http://localhost/v1/deployments/pre/document";
const KEY: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const OTHER: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const OPERATIONS: &str = "http://localhost/v1/deployments/pair/operations";

pub(crate) fn preconditions(stage: &Stage, findings: &mut Findings) {
    documents(stage, findings);
    operations(stage, findings);
}

/// A document that tells itself from others.
fn write(stage: &Stage, number: u32) -> String {
    let file = format!("/srv/pre-{number}.xml");
    let text = format!(
        r#"<deployable name="pre" uuid="6f6d7f6a-54a6-4c4b-9d70-0a4f0c3c6a44" description="number {number}">
  <assemblies><assembly name="p1"/></assemblies>
  <services><service name="s" class="ocf" provider="heartbeat" type="Dummy"/></services>
</deployable>"#
    );
    stage.lab.write(&file, &text);
    file
}

fn put(precondition: &str, file: &str) -> String {
    format!(
        "-X PUT {precondition} -H 'Content-Type: application/xml' --data-binary @{file} {PLACE}"
    )
}

/// The stored document's number, and how many generations there are.
fn stored(stage: &Stage) -> (String, u64) {
    let (_, text) = stage.ask("alice", PLACE);
    let number = text.split("description=\"number ").nth(1);
    let number = number.and_then(|rest| rest.split('"').next());
    let generation = stage.lab.status("pre").0["generation"].as_u64();
    (number.unwrap_or("none").to_owned(), generation.unwrap_or(0))
}

fn documents(stage: &Stage, findings: &mut Findings) {
    let files: Vec<String> = (1..=3).map(|number| write(stage, number)).collect();
    let (status, body) = stage.ask("alice", &put("-H 'If-None-Match: *'", &files[0]));
    findings.check(
        &format!("PUT that creates it: {status}"),
        ["200", "201", "202"].contains(&&*status),
    );
    if !status.starts_with('2') {
        findings.tell(&body);
    }
    let (status, _) = stage.ask("alice", &put("", &files[1]));
    findings.equal("PUT without If-Match", &status, "428");
    let (status, _) = stage.ask("alice", &put("-H 'If-Match: \"g1\"'", &files[1]));
    findings.check(
        &format!("PUT with the present ETag: {status}"),
        status.starts_with('2'),
    );
    let (status, _) = stage.ask("alice", &put("-H 'If-Match: \"g1\"'", &files[2]));
    findings.equal("PUT with an old ETag", &status, "412");
    let (number, generation) = stored(stage);
    findings.check(
        &format!("nothing of it is stored: number {number}, generation {generation}"),
        (number.as_str(), generation) == ("2", 2),
    );
    for generation in 2..7 {
        // Not what is stored already: that would be no change.
        let both = [generation * 10, generation * 10 + 1].map(|number| write(stage, number));
        race(stage, findings, &both, generation);
    }
    stage.lab.cpectl(&["destroy", "--wait", "pre"]).ok();
}

/// Both have seen the same generation.
fn race(stage: &Stage, findings: &mut Findings, files: &[String], generation: u32) {
    let each = files.iter().map(|file| {
        let precondition = format!("-H 'If-Match: \"g{generation}\"'");
        format!(
            "{} -o /dev/null {} &",
            curl("alice"),
            put(&precondition, file)
        )
    });
    let each: Vec<String> = each.collect();
    let told = stage.sh(&format!("{}\nwait", each.join("\n"))).stdout;
    let mut statuses: Vec<&str> = told.split_whitespace().collect();
    statuses.sort_unstable();
    let good = statuses.iter().filter(|it| it.starts_with('2')).count();
    let now = stored(stage).1;
    findings.check(
        &format!("two at once from generation {generation}: {statuses:?}, now {now}"),
        good == 1 && statuses.contains(&"412") && now == u64::from(generation) + 1,
    );
}

fn order(key: &str, on: bool) -> String {
    format!(
        "-H 'Content-Type: application/json' -H 'Idempotency-Key: {key}' -d '{{\"operation\": \"maintenance\", \"on\": {on}, \"force\": true}}' {OPERATIONS}"
    )
}

fn operations(stage: &Stage, findings: &mut Findings) {
    let before = stage.times("pair", "maintenance");
    let (status, body) = stage.ask("alice", &order(KEY, true));
    findings.check(
        &format!("POST of an operation: {status}"),
        ["200", "202"].contains(&&*status),
    );
    let first = id(&body);
    stage
        .sh("systemctl kill --signal=KILL cpe-gateway.service cpe.service")
        .ok();
    findings.tell("kill -9 of cpe-gateway and cpe");
    stage.wait_for_gateway();
    let mut again = (String::new(), String::new());
    findings.within("the same, once more, is answered", 60, || {
        again = stage.ask("alice", &order(KEY, true));
        again.0 == "200"
    });
    findings.check(
        &format!("it is the same operation: {first}"),
        !first.is_empty() && id(&again.1) == first,
    );
    let done = stage.times("pair", "maintenance") - before;
    findings.equal("so often it was done", &done.to_string(), "1");
    let (status, _) = stage.ask("alice", &order(KEY, false));
    findings.equal("another one with the same key", &status, "422");
    let (status, _) = stage.ask("alice", &order(OTHER, false));
    findings.check(
        &format!("maintenance is over: {status}"),
        ["200", "202"].contains(&&*status),
    );
    stage.settle("pair");
}

fn id(body: &str) -> String {
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    told["id"].as_str().unwrap_or_default().to_owned()
}
