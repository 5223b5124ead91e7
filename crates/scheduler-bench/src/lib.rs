//! Speed and memory of the policy engine, measured on generated inputs and on a folder of recorded
//! ones. It is not installed: `make bench` calls it.
//!
//! One file per concern: `inputs` generates clusters of any size, `measure` reads times and memory
//! of processes, `table` compares `policy-simulate` with `crm_simulate`, `growth` shows how time
//! and memory grow with the input, `plot` draws that.

#![warn(missing_docs)]

pub mod growth;
pub mod inputs;
pub mod measure;
mod plot;
pub mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The time at which every measured input is scheduled, in seconds since the Unix epoch.
pub const NOW: i64 = 1_700_000_000;

/// Writes a text to a temporary file, calls `work` with the file's path, and deletes the file.
///
/// # Errors
///
/// The file cannot be written, or the error of `work`.
fn with_file<T>(name: &str, text: &str, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let file: PathBuf =
        std::env::temp_dir().join(format!("scheduler-bench-{}-{name}.xml", std::process::id()));
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    let result = work(&file);
    let _ = std::fs::remove_file(&file);
    result
}
