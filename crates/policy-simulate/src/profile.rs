//! Timings: schedules every file of a directory, as often as wanted (`--profile`, `--repeat`).

use std::path::{Path, PathBuf};
use std::time::Instant;

use policy_engine::RunOptions;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::{Streams, input, report, session};

/// All regular `*.xml` files of a folder that are not hidden, by name.
pub(crate) fn inputs(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| Failure::data(format!("cannot read {}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|e| e == "xml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::data(format!(
            "{}: expected XML files in it, found none",
            folder.display()
        )));
    }
    Ok(files)
}

/// Schedules all inputs of the folder.
pub(crate) fn run(arguments: &Arguments, streams: &mut Streams<'_>) -> Result<i32, Failure> {
    let folder = arguments.profile.as_deref().unwrap_or(Path::new("."));
    let files = inputs(folder)?;
    let mut timings = Vec::new();
    for file in &files {
        let cib = input::read_stored(Some(file), streams)?;
        let time = session::effective_time(arguments.events.set_datetime.as_deref(), &cib)?;
        let started = Instant::now();
        for _ in 0..arguments.repeat.max(1) {
            let _schedule = policy_engine::schedule(&cib, time.now, time.at(RunOptions::default()));
        }
        timings.push((file.clone(), started.elapsed()));
    }
    let mut report = report::open(arguments, streams)?;
    report.timings(&timings)?;
    report.finish(0)?;
    Ok(0)
}
