//! The program `policy-simulate`.

use std::io::{BufWriter, Write};

use policy_simulate::Streams;

fn main() {
    let mut streams = Streams {
        out: Box::new(BufWriter::new(std::io::stdout())),
        err: Box::new(std::io::stderr()),
    };
    let mut code = policy_simulate::run(std::env::args_os(), &mut streams);
    if let Err(error) = streams.out.flush()
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        eprintln!("cannot write the output: {error}");
        code = 74;
    }
    // Nothing is left to do but to give back memory, which the system does faster.
    std::process::exit(code)
}
