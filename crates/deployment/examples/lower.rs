//! `cargo run -p deployment --example lower < DOCUMENT`: the report, and the configuration that the
//! document is lowered to.

use std::io::Read as _;

fn main() -> std::io::Result<()> {
    let mut document = Vec::new();
    std::io::stdin().read_to_end(&mut document)?;
    let outcome = deployment::read_with_warnings(&document);
    outcome
        .problems
        .iter()
        .for_each(|problem| eprintln!("{problem}"));
    if let Some(deployment) = outcome.deployment {
        print!("{}", deployment.configuration());
    }
    Ok(())
}
