//! Texts that are generated from the grammar of the command line: completions and man pages.

use std::path::Path;

use crate::failure::Failure;
use crate::options;

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    clap_complete::generate(
        shell,
        &mut options::command(),
        "cpectl",
        &mut std::io::stdout(),
    );
    Ok(())
}

/// `cpectl.1`, and one page per command, `cpectl-deploy.1`.
pub(crate) fn pages(directory: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(options::command(), directory).map_err(|error| {
        Failure::failed(format!(
            "cannot write man pages to {}: {error}",
            directory.display()
        ))
    })
}
