//! The output: one [`Report`] per format.

mod status;
mod structured;
mod text;
mod tree;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use policy_engine::Cluster;
use policy_engine::output::summary::Change;
use policy_engine::simulation::{Execution, Injected};

use crate::Streams;
use crate::arguments::{Arguments, Format};
use crate::failure::Failure;

/// Which status is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StatusKind {
    /// Before anything was done.
    Current,
    /// After virtual execution.
    Revised,
}

/// Whether a report could be written.
pub(crate) type Written = Result<(), Failure>;

/// Receives what happens, in the order in which it happens.
pub(crate) trait Report {
    /// A remark.
    fn info(&mut self, text: &str) -> Written;
    /// The state of a loaded cluster.
    fn status(&mut self, kind: StatusKind, cluster: &Cluster) -> Written;
    /// Events that were written into the CIB.
    fn injections(&mut self, injected: &Injected) -> Written;
    /// Score and utilization lines.
    fn scores(&mut self, cluster: &Cluster) -> Written;
    /// The transition summary.
    fn changes(&mut self, changes: &[Change]) -> Written;
    /// What was executed virtually.
    fn execution(&mut self, execution: &Execution) -> Written;
    /// A line for standard error.
    fn warn(&mut self, line: &str);
    /// How long each file took.
    fn timings(&mut self, timings: &[(PathBuf, Duration)]) -> Written;
    /// The end, with the exit status.
    fn finish(&mut self, code: i32) -> Written;
}

/// Where a report goes.
type Sink<'s> = Box<dyn Write + 's>;

/// Opens the report that the arguments ask for.
pub(crate) fn open<'a>(
    arguments: &'a Arguments,
    streams: &'a mut Streams<'_>,
) -> Result<Box<dyn Report + 'a>, Failure> {
    let sink: Sink<'a> = match arguments.output.output_to.as_deref() {
        Some(path) if path != Path::new("-") => {
            let file = std::fs::File::create(path).map_err(|error| Failure::file(path, &error))?;
            Box::new(BufWriter::new(file))
        }
        _ => Box::new(&mut streams.out),
    };
    Ok(match arguments.output.output_as {
        Format::Text => Box::new(text::Text::new(arguments, sink, &mut streams.err)),
        Format::None => Box::new(text::Text::new(
            arguments,
            Box::new(std::io::sink()),
            &mut streams.err,
        )),
        Format::Json | Format::Xml => Box::new(structured::Structured::new(
            arguments,
            sink,
            &mut streams.err,
        )),
    })
}

/// A time (epoch seconds) for people, in UTC.
fn date(instant: i64) -> String {
    let date = jiff::Timestamp::from_second(instant);
    date.map_or_else(
        |_| instant.to_string(),
        |date| date.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}
