//! `policy-simulate`: what would the cluster do? A `crm_simulate`-compatible command line over the policy engine.
//!
//! The engine is pure; this program reads files, the clock and its arguments, and prints. One file per concern: [`arguments`] (the
//! contract with callers), [`input`] (getting a CIB), [`session`] (the order in which things are done), [`report`] (how they are
//! told), [`profile`] (timings), [`drawing`] (graphs as pictures).

mod arguments;
mod drawing;
mod failure;
mod input;
mod profile;
mod report;
mod session;

use arguments::{Arguments, Command};
use clap::{CommandFactory, FromArgMatches};
use failure::Failure;
use std::io::Write;

fn main() -> ! {
    let code = match run() {
        Ok(code) => code,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("{}: {}", arguments::NAME, failure.message);
            }
            failure.code
        }
    };
    // Nothing is left to do but to give back memory, which the system does faster.
    std::process::exit(code)
}

fn run() -> Result<i32, Failure> {
    let matches = match Arguments::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            return Ok(failure::USAGE);
        }
        Err(help) => {
            let _ = help.print();
            return Ok(0);
        }
    };
    let mut arguments =
        Arguments::from_arg_matches(&matches).map_err(|error| Failure::usage(error.to_string()))?;
    match arguments.command.take() {
        Some(Command::Completions { shell }) => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, arguments::NAME, &mut std::io::stdout());
            Ok(0)
        }
        Some(Command::Manual) => {
            let page = clap_mangen::Man::new(Arguments::command());
            let mut text = Vec::new();
            page.render(&mut text)
                .and_then(|()| std::io::stdout().write_all(&text))
                .map_err(Failure::output)?;
            Ok(0)
        }
        None if arguments.profile.is_some() => profile::run(&arguments),
        None => session::run(&arguments),
    }
}
