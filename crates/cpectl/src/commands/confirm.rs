//! The question before a change that was planned: who sits at a terminal is asked, others say
//! `--yes`.

use std::io::{self, IsTerminal, Write};

use crate::failure::{Failure, Kind};
use crate::output::Output;

/// Somebody sits there who can be asked.
pub(crate) fn can_ask(output: &Output) -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal() && !output.json
}

/// Fails if nobody said yes, and nobody can be asked.
pub(crate) fn possible(yes: bool, output: &Output) -> Result<(), Failure> {
    match yes || can_ask(output) {
        true => Ok(()),
        false => Err(Failure::new(
            Kind::Usage,
            "nobody can be asked here whether to do it: say --yes",
        )),
    }
}

/// Fails if who is asked does not want it.
pub(crate) fn confirmed(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" | "Yes" => Ok(()),
        _ => Err(Failure::failed("nothing was changed, as you answered")),
    }
}
