//! Graphs as pictures, drawn by graphviz where it is installed.

use crate::failure::{Failure, OUTPUT};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Draws `dot` into the SVG file `path`.
pub fn save_svg(dot: &str, path: &Path) -> Result<(), Failure> {
    let failed = |reason: String| Failure {
        code: OUTPUT,
        message: format!("cannot draw {}: {reason}", path.display()),
    };
    let mut graphviz = Command::new("dot")
        .args(["-Tsvg", "-o"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| {
            failed(format!(
                "cannot run dot: {error}; install graphviz, or use --save-dotfile"
            ))
        })?;
    if let Some(mut stdin) = graphviz.stdin.take() {
        stdin
            .write_all(dot.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
    }
    let status = graphviz.wait().map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(format!("dot ended with {status}")));
    }
    Ok(())
}
