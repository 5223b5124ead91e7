//! `cpectl import`: a deployment document of a cluster's CIB, here, without a daemon.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use deployment::{Imported, Problem, Severity};
use serde_json::json;

use super::validate;
use crate::client::read_document;
use crate::failure::{Failure, Kind};
use crate::options::Import;
use crate::output::Output;

pub(crate) fn run(arguments: &Import, output: &Output) -> Result<(), Failure> {
    let cib = read_document(&arguments.cib)?;
    let imported = deployment::import(cib.as_bytes(), arguments.name.as_deref());
    let imported = imported.map_err(|problems| refused(&arguments.cib, &problems))?;
    if let Some(path) = &arguments.output {
        write(path, &imported.document)?;
    }
    let file = arguments.output.as_deref();
    match output.json {
        true => output.json(&report(file, &imported))?,
        false => print(file, &imported, output),
    }
    let problems = imported.outcome.problems.iter();
    let errors = problems.filter(|problem| problem.severity == Severity::Error);
    match (errors.count(), file) {
        (0, _) => Ok(()),
        (errors, Some(file)) => Err(Failure::new(
            Kind::Invalid,
            format!(
                "{file} is written, and has {errors}: correct what it says there, then `cpectl validate {file}`",
                file = file.display(),
                errors = validate::count(errors, "error"),
            ),
        )),
        (errors, None) => Err(Failure::new(
            Kind::Invalid,
            format!(
                "the document has {}: correct what it says there, then `cpectl validate`",
                validate::count(errors, "error")
            ),
        )),
    }
}

/// The CIB is not one, or has nodes that cannot be told apart.
fn refused(cib: &Path, problems: &[Problem]) -> Failure {
    let lines = problems
        .iter()
        .map(|problem| format!("\n{}:{problem}", cib.display()));
    let lines: String = lines.collect();
    Failure::new(Kind::Invalid, format!("the CIB cannot be imported:{lines}"))
}

/// Writes the document. It may have the secrets of the CIB in it.
fn write(path: &Path, document: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(document.as_bytes()));
    written.map_err(|error| {
        let path = path.display();
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::failed(format!(
                "{path} exists, and may have been edited: remove it, or choose another file"
            )),
            _ => Failure::failed(format!("cannot write {path}: {error}")),
        }
    })
}

/// The document, if it is not in a file, and on standard error what there is to say about it.
fn print(file: Option<&Path>, imported: &Imported, output: &Output) {
    if file.is_none() {
        output.text(&imported.document);
    }
    let name = file.unwrap_or(Path::new("document")).display();
    for problem in &imported.outcome.problems {
        output.note(&format!("{name}:{problem}"));
    }
    if let Some(deployment) = &imported.outcome.deployment {
        let (assemblies, services) = (deployment.assemblies.len(), deployment.services.len());
        let name = &deployment.name;
        output.note(&format!(
            "deployment {name}: {assemblies} assemblies, {services} services"
        ));
    }
    output.note(&format!(
        "to decide: {}, where its comments say so",
        validate::count(imported.decisions, "place")
    ));
}

fn report(file: Option<&Path>, imported: &Imported) -> serde_json::Value {
    json!({
        "file": file.map(|file| file.display().to_string()),
        "document": imported.document,
        "decisions": imported.decisions,
        "valid": imported.outcome.deployment.is_some(),
        "problems": validate::problems(&imported.outcome),
    })
}
