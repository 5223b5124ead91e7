//! Texts that are generated from the grammar of the command line: completions and man pages.

use std::path::Path;

use clap::CommandFactory;

use crate::failure::Failure;
use crate::options::Options;

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    clap_complete::generate(
        shell,
        &mut Options::command(),
        "cpectl",
        &mut std::io::stdout(),
    );
    Ok(())
}

/// `cpectl.1`, and one page per command, `cpectl-deploy.1`.
pub(crate) fn pages(directory: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(Options::command(), directory).map_err(|error| {
        Failure::failed(format!(
            "cannot write man pages to {}: {error}",
            directory.display()
        ))
    })
}
