//! Graphs as pictures, drawn by graphviz where it is installed.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::failure::{Failure, OUTPUT};

/// Draws `dot` into the SVG file `path`.
///
/// # Errors
///
/// Graphviz is not installed, or cannot write the file; the message has its error text.
pub(crate) fn save_svg(dot: &str, path: &Path) -> Result<(), Failure> {
    let failed = |reason: String| Failure {
        code: OUTPUT,
        message: format!("cannot draw {}: {reason}", path.display()),
    };
    let graphviz = Command::new("dot")
        .args(["-Tsvg", "-o"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            failed(format!(
                "cannot run dot: {error}; install graphviz, or use --save-dotfile"
            ))
        })?;
    let output = feed(graphviz, dot).map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!(
            "dot ended with {}: {}",
            output.status,
            reason.trim()
        )));
    }
    Ok(())
}

/// Writes the whole input to `child` while its output is read, so that neither waits for the other.
fn feed(mut child: Child, input: &str) -> std::io::Result<Output> {
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || match stdin {
            Some(mut stdin) => stdin.write_all(input.as_bytes()),
            None => Ok(()),
        });
        let output = child.wait_with_output()?;
        match writer.join() {
            // A child that stopped reading prints why.
            Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(output),
        }
    })
}
