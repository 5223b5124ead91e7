//! Getting a CIB: from a file (compressed or not), from standard input, or from a running DPE.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use policy_engine::{Cib, Error};

use crate::arguments::Source;
use crate::failure::{CONFIGURATION, DATA, Failure};
use crate::{Streams, live};

/// The warning of `crm_simulate` about inputs with `validate-with="none"`.
const NOT_VALIDATED: &str = "Schema validation of configuration is disabled (support for validate-with set to \"none\" is deprecated and will be removed in a future release)";

/// Gets the CIB. Without a source, or with file `-`, it comes from standard input. Tells what the
/// upgrade of an old configuration changed: as `crm_simulate`, and if `verbose` also where that is
/// silent.
pub(crate) fn read(
    source: &Source,
    verbose: bool,
    streams: &mut Streams<'_>,
) -> Result<Cib, Failure> {
    let cib = match source.deployment() {
        Some(deployment) => {
            let (name, cib) = live::input(&source.bus, deployment)?;
            // its document was checked when it was accepted
            refused(&format!("the input of deployment {name}"), Cib::parse(&cib))
        }
        None => read_stored(source.file(), streams),
    }?;
    for change in cib.changes() {
        if let Some(line) = change.line_of_pacemaker() {
            streams.warn(&line);
        } else if verbose {
            streams.warn(&format!("info: {change}"));
        }
    }
    Ok(cib)
}

/// Reads a CIB; `None` or `-`: from standard input.
pub(crate) fn read_stored(file: Option<&Path>, streams: &mut Streams<'_>) -> Result<Cib, Failure> {
    let (name, bytes) = match file {
        Some(path) if path != Path::new("-") => (path.display().to_string(), read_file(path)?),
        _ => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .read_to_end(&mut bytes)
                .map_err(|error| Failure::data(format!("cannot read standard input: {error}")))?;
            ("standard input".to_owned(), bytes)
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::data(format!(
            "{name}: line {line}: expected UTF-8 text, found another byte (offset {at})"
        ))
    })?;
    parse(&name, &text, streams)
}

fn parse(name: &str, text: &str, streams: &mut Streams<'_>) -> Result<Cib, Failure> {
    let cib = refused(name, Cib::parse_valid(text))?;
    if cib.follows_later() {
        for line in Cib::complaints(text) {
            streams.warn(&line);
        }
    }
    if cib.document().root().get("validate-with") == Some("none") {
        streams.warn(NOT_VALIDATED);
    }
    Ok(cib)
}

/// The exit status and the message of an input that is refused.
fn refused(name: &str, cib: Result<Cib, Error>) -> Result<Cib, Failure> {
    cib.map_err(|error| Failure {
        code: match error {
            Error::TooNew { .. } | Error::Invalid(_) => CONFIGURATION,
            _ => DATA,
        },
        message: format!("{name}: {error}"),
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::data(format!("cannot read {}: {error}", path.display()));
    if path.extension().is_none_or(|extension| extension != "bz2") {
        return std::fs::read(path).map_err(unreadable);
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let output = Command::new("bzip2")
        .arg("-dc")
        .stdin(Stdio::from(file))
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| {
            Failure::data(format!(
                "cannot decompress {}: cannot run bzip2: {error}; install it, or decompress the file first",
                path.display()
            ))
        })?;
    if !output.status.success() {
        return Err(Failure::data(format!(
            "cannot decompress {}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    Ok(output.stdout)
}
