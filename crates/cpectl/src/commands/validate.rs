//! `cpectl validate`: the document's reader, here, without a daemon.

use std::path::Path;

use cpe_terminal::Line;
use deployment::{Deployment, Outcome, Problem, Severity};
use serde_json::json;

use crate::client::read_document;
use crate::commands::fence_agents;
use crate::failure::{Failure, Kind};
use crate::options::Validate;
use crate::output::{BAD, BUSY, Output};

pub(crate) fn run(arguments: &Validate, output: &Output) -> Result<(), Failure> {
    let mut reports = Vec::new();
    let (mut errors, mut warnings) = (0, 0);
    for file in &arguments.files {
        let document = read_document(file)?;
        let mut outcome = deployment::read_with_warnings(document.as_bytes());
        let of_agents = fence_agents::warnings(&document, false);
        outcome.problems.extend(of_agents);
        outcome.problems.sort_by_key(|it| (it.line, it.column));
        for problem in &outcome.problems {
            match problem.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
            }
        }
        match output.json {
            true => reports.push(report(file, &outcome)),
            false => print(file, &outcome, output),
        }
    }
    if output.json {
        output.json(&reports)?;
    }
    if errors > 0 || (arguments.strict && warnings > 0) {
        let documents = if arguments.files.len() == 1 {
            "the document is"
        } else {
            "documents are"
        };
        return Err(Failure::new(
            Kind::Invalid,
            format!(
                "{documents} invalid: {}, {}",
                count(errors, "error"),
                count(warnings, "warning")
            ),
        ));
    }
    Ok(())
}

fn print(file: &Path, outcome: &Outcome, output: &Output) {
    for problem in &outcome.problems {
        output.line(line(file, problem));
    }
    if let Some(deployment) = &outcome.deployment {
        output.line(format!(
            "{}: valid: deployment {}, {} assemblies, {} services",
            file.display(),
            deployment.name,
            deployment.assemblies.len(),
            deployment.services.len()
        ));
        for failover in deployment.failover() {
            output.line(format!("{}: {}", file.display(), failover.text));
        }
        for configured in deployment.configured() {
            output.line(format!("{}: {}", file.display(), configured.text()));
        }
    }
}

/// The problems for programs.
pub(super) fn problems(outcome: &Outcome) -> Vec<serde_json::Value> {
    outcome
        .problems
        .iter()
        .map(|problem| {
            json!({
                "severity": problem.severity.to_string(),
                "line": problem.line,
                "column": problem.column,
                "message": problem.text(),
            })
        })
        .collect()
}

fn report(file: &Path, outcome: &Outcome) -> serde_json::Value {
    let deployment = outcome.deployment.as_ref();
    json!({
        "file": file.display().to_string(),
        "valid": deployment.is_some(),
        "problems": problems(outcome),
        "failover": deployment.map(Deployment::failover).unwrap_or_default(),
        "configured": deployment.map(Deployment::configured).unwrap_or_default(),
    })
}

/// Prints the warnings about a document that is about to be sent, on standard error. The daemon
/// reports its errors.
pub(crate) fn warn(file: &Path, document: &str, output: &Output) {
    let outcome = deployment::read_with_warnings(document.as_bytes());
    if outcome.deployment.is_some() {
        let of_agents = fence_agents::warnings(document, true);
        for problem in outcome.problems.into_iter().chain(of_agents) {
            output.note(&format!("{}:{problem}", file.display()));
        }
    }
}

/// `1 error`, `2 errors`
pub(super) fn count(number: usize, of: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {of}{s}")
}

fn line(file: &Path, problem: &Problem) -> Line {
    let style = match problem.severity {
        Severity::Error => BAD,
        Severity::Warning => BUSY,
    };
    let place = format!("{}:{}:{}: ", file.display(), problem.line, problem.column);
    Line::from(place)
        .styled(format!("{}:", problem.severity), style)
        .plain(" ")
        .plain(problem.text())
}
