//! `cpectl validate`: the document's reader, here, without a daemon.

use std::path::Path;

use deployment::{Problem, Severity};
use serde_json::json;

use crate::client::read_document;
use crate::failure::{Failure, Kind};
use crate::options::Validate;
use crate::output::{Color, Output};

pub(crate) fn run(arguments: &Validate, output: &Output) -> Result<(), Failure> {
    let mut reports = Vec::new();
    let (mut errors, mut warnings) = (0, 0);
    for file in &arguments.files {
        let document = read_document(file)?;
        let outcome = deployment::read_with_warnings(document.as_bytes());
        for problem in &outcome.problems {
            match problem.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
            }
            if !output.json {
                output.line(&line(file, problem, output));
            }
        }
        match &outcome.deployment {
            Some(deployment) if !output.json => output.line(&format!(
                "{}: valid: deployment {}, {} assemblies, {} services",
                file.display(),
                deployment.name,
                deployment.assemblies.len(),
                deployment.services.len()
            )),
            _ => {}
        }
        let problems: Vec<_> = outcome
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
            .collect();
        reports.push(json!({
            "file": file.display().to_string(),
            "valid": outcome.deployment.is_some(),
            "problems": problems,
        }));
    }
    if output.json {
        output.json(&reports)?;
    }
    if errors > 0 || (arguments.strict && warnings > 0) {
        let files = if arguments.files.len() == 1 {
            "the document is"
        } else {
            "documents are"
        };
        return Err(Failure::new(
            Kind::Invalid,
            format!(
                "{files} invalid: {}, {}",
                count(errors, "error"),
                count(warnings, "warning")
            ),
        ));
    }
    Ok(())
}

/// Warnings of a document that is about to be sent, on standard error; its errors are the daemon's
/// to report.
pub(crate) fn warn(file: &Path, document: &str, output: &Output) {
    let outcome = deployment::read_with_warnings(document.as_bytes());
    if outcome.deployment.is_some() {
        for problem in outcome.problems {
            output.note(&format!("{}:{problem}", file.display()));
        }
    }
}

/// `1 error`, `2 errors`
fn count(number: usize, of: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {of}{s}")
}

fn line(file: &Path, problem: &Problem, output: &Output) -> String {
    let color = match problem.severity {
        Severity::Error => Color::Bad,
        Severity::Warning => Color::Busy,
    };
    format!(
        "{}:{}:{}: {} {}",
        file.display(),
        problem.line,
        problem.column,
        output.paint(&format!("{}:", problem.severity), color),
        problem.text()
    )
}
