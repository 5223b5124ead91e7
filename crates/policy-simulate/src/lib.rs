//! `policy-simulate`: what would the cluster do? A `crm_simulate`-compatible command line over the
//! policy engine.
//!
//! The engine is pure; this program reads files, the clock and its arguments, and prints. One file
//! per concern: `arguments` (the contract with callers), `input` (getting a CIB), `live` (from a
//! running DPE), `session` (the order in which things are done), `report` (the output formats),
//! `profile` (timings), `drawing` (graphs as pictures). The program is a library with a small
//! [`main`](run), so that tests can call it thousands of times without starting processes.

#![warn(missing_docs)]

mod arguments;
mod drawing;
mod failure;
mod input;
mod live;
mod profile;
mod report;
mod session;

use std::ffi::OsString;
use std::io::Write;

use clap::{CommandFactory, FromArgMatches};

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

/// Where a run prints.
pub struct Streams<'s> {
    /// Standard output.
    pub out: Box<dyn Write + 's>,
    /// Standard error.
    pub err: Box<dyn Write + 's>,
}

impl Streams<'_> {
    /// Prints a line to standard error. If that fails, there is nowhere left to report it.
    fn warn(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }
}

/// Runs the program with these arguments (the first is its name). Returns the exit status.
pub fn run<A: Into<OsString> + Clone>(
    arguments: impl IntoIterator<Item = A>,
    streams: &mut Streams<'_>,
) -> i32 {
    match try_run(arguments, streams) {
        Ok(code) => code,
        Err(failure) => {
            if !failure.message.is_empty() {
                streams.warn(&format!("{}: {}", arguments::NAME, failure.message));
            }
            failure.code
        }
    }
}

fn try_run<A: Into<OsString> + Clone>(
    arguments: impl IntoIterator<Item = A>,
    streams: &mut Streams<'_>,
) -> Result<i32, Failure> {
    let parsed = Arguments::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let mut arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            let _ = write!(streams.err, "{}", error.render());
            return Ok(failure::USAGE);
        }
        Err(help) => {
            write!(streams.out, "{}", help.render()).map_err(Failure::output)?;
            return Ok(0);
        }
    };
    match arguments.command.take() {
        Some(Command::Completions { shell }) => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), arguments::NAME, &mut text);
            streams.out.write_all(&text).map_err(Failure::output)?;
            Ok(0)
        }
        Some(Command::Manual) => {
            let page = clap_mangen::Man::new(Arguments::command()).manual("Cloud Policy Engine");
            page.render(&mut streams.out).map_err(Failure::output)?;
            Ok(0)
        }
        Some(Command::Explain(explain)) => session::explain(&explain, streams),
        None if arguments.profile.is_some() => profile::run(&arguments, streams),
        None => session::run(&arguments, streams),
    }
}
