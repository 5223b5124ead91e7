//! The program `policy-simulate`.

use std::io::{BufWriter, IsTerminal, Write};

use cpe_terminal::Escaped;
use policy_simulate::Streams;

fn main() {
    let mut streams = Streams {
        out: Box::new(BufWriter::new(for_people(std::io::stdout()))),
        err: for_people(std::io::stderr()),
    };
    let mut code = policy_simulate::run(std::env::args_os(), &mut streams);
    if let Err(error) = streams.out.flush()
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        eprintln!("cannot write the output: {error}");
        code = 74;
    }
    // The only thing left is to free memory, which the system does faster.
    std::process::exit(code)
}

/// A stream that shows control characters of an input instead of sending them to a terminal.
/// Elsewhere everything arrives as it is.
fn for_people(stream: impl Write + IsTerminal + 'static) -> Box<dyn Write> {
    match stream.is_terminal() {
        true => Box::new(Escaped::new(stream)),
        false => Box::new(stream),
    }
}
