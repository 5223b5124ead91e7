//! Checks 1 and 2: the contract, and a tool that holds the running gateway against it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::gateway::{LIMITS_FOR_TOOLS, hold_to_contract, schemathesis};
use end_to_end::{System, prepared, project_dir};
use serde_json::Value;

use crate::report::Findings;
use crate::stage::Stage;

/// A guess of its ETag must not hit.
const GENERATIONS: u32 = 12;

pub(crate) fn against_it(stage: &Stage, findings: &mut Findings) {
    let program = schemathesis();
    if !program.exists() {
        let what = format!("{}: `make acceptance` fetches it", program.display());
        findings.not_done(&what);
        return;
    }
    for generation in 0..GENERATIONS {
        let edit = format!(
            "sed '0,/<services>/s//<!-- {generation} --><services>/' /srv/pair.xml > /srv/again.xml; cpectl deploy /srv/again.xml"
        );
        stage.sh(&edit).ok();
    }
    stage.with_settings(LIMITS_FOR_TOOLS, || {
        for role in ["viewer", "operator", "owner"] {
            hold(stage, findings, role);
        }
    });
    // It may have emptied assemblies.
    for deployment in ["shop", "pair"] {
        stage.sh(&format!(
            "cpectl standby {deployment} --all --off --yes; cpectl maintenance {deployment} off --force"
        ));
        findings.within(&format!("{deployment} is active after all"), 120, || {
            stage.lab.status(deployment).state() == "active"
        });
    }
}

/// Has schemathesis ask as somebody with a token.
fn hold(stage: &Stage, findings: &mut Findings, role: &str) {
    let run = hold_to_contract(&stage.lab, role);
    for line in run.stdout.lines().filter(|line| is_telling(line)) {
        findings.tell(&format!("{role}: {}", line.trim()));
    }
    let holds = run.code == 0;
    findings.check(&format!("schemathesis finds nothing as {role}"), holds);
    if !holds {
        println!("{}{}", run.stdout, run.stderr);
    }
}

/// A line of schemathesis' summary with numbers.
fn is_telling(line: &str) -> bool {
    let numbers = ["Tested:", "generated", "Selected:", "found"];
    numbers.iter().any(|word| line.contains(word))
}

pub(crate) fn itself(stage: &Stage, findings: &mut Findings) {
    let answer = stage.sh(
        "curl --silent --fail --max-time 20 --cacert /etc/cpe/gateway/certificate.pem https://localhost:7443/openapi.json",
    );
    let text = answer.ok();
    let committed = std::fs::read_to_string(project_dir().join("docs/openapi.json"));
    let told: Value = serde_json::from_str(&text).unwrap_or_default();
    let version = told["openapi"].as_str().unwrap_or_default();
    findings.tell(&format!(
        "GET /openapi.json: {} bytes, OpenAPI {version}",
        text.len()
    ));
    findings.check("it is OpenAPI 3.1", version.starts_with("3.1"));
    let is_same = committed.is_ok_and(|committed| {
        serde_json::from_str::<Value>(&committed).is_ok_and(|committed| committed == told)
    });
    findings.check("it is the committed one (docs/openapi.json)", is_same);
    validate(findings, &text);
    every_route(findings, &told);
    every_operation_is_there(stage, findings, &told);
}

fn validate(findings: &mut Findings, text: &str) {
    let program = prepared().join("contract/bin/openapi-spec-validator");
    if !program.exists() {
        let what = format!("{}: `make acceptance` fetches it", program.display());
        findings.not_done(&what);
        return;
    }
    let file = prepared().join("contract/openapi.json");
    std::fs::write(&file, text).expect("the contract can be written");
    let run = Command::new(program).arg(&file).output();
    let run = run.expect("openapi-spec-validator can be run");
    findings.check("openapi-spec-validator accepts it", run.status.success());
    if !run.status.success() {
        println!("{}", String::from_utf8_lossy(&run.stdout));
    }
}

/// The router is made of declarations with a path each, which must all be told.
fn every_route(findings: &mut Findings, told: &Value) {
    let folder = project_dir().join("crates/cpe-gateway/src/rest");
    let mut routes = BTreeSet::new();
    let mut others = Vec::new();
    for file in files(&folder) {
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        let declared = text.split("path = \"").skip(1);
        routes.extend(declared.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        let bypasses = [".route(", ".route_service(", ".nest(", ".merge("];
        if bypasses.iter().any(|way| text.contains(way)) {
            others.push(file);
        }
    }
    routes.retain(|route| route.starts_with('/'));
    let paths: BTreeSet<String> = told["paths"]
        .as_object()
        .map(|paths| paths.keys().cloned().collect())
        .unwrap_or_default();
    findings.check(
        &format!("every route of the router is in it: {}", paths.len()),
        !routes.is_empty() && routes == paths && others.is_empty(),
    );
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the sources are there");
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Nobody is told 405 for what the contract has.
fn every_operation_is_there(stage: &Stage, findings: &mut Findings, told: &Value) {
    let mut operations = 0;
    let mut wrong = Vec::new();
    for (path, item) in told["paths"].as_object().into_iter().flatten() {
        let asked = path.replace("{name}", "nothing").replace(['{', '}'], "");
        for method in item.as_object().into_iter().flatten().map(|it| it.0) {
            operations += 1;
            let method = method.to_uppercase();
            let arguments = format!("--max-time 3 -X {method} http://localhost{asked}");
            let (status, _) = stage.ask("alice", &arguments);
            if ["405", "000", "500", "501"].contains(&&*status) {
                wrong.push(format!("{method} {path}: {status}"));
            }
            // Below the 20 a second that one caller has.
            std::thread::sleep(std::time::Duration::from_millis(60));
        }
    }
    findings.check(
        &format!("each of its {operations} operations answers {wrong:?}"),
        operations > 0 && wrong.is_empty(),
    );
}
