//! How man pages are written: from the command line's own description.

use std::path::Path;

use anyhow::Context;

/// Writes a program's man page, `NAME.SECTION`, to a directory; `more` is what the options do not
/// say, in roff.
///
/// # Errors
/// If the file cannot be written.
pub fn man_page(
    command: clap::Command,
    section: &str,
    more: &str,
    directory: &Path,
) -> anyhow::Result<()> {
    let path = directory.join(format!("{}.{section}", command.get_name()));
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .section(section)
        .manual("Cloud Policy Engine")
        .render(&mut page)?;
    page.extend_from_slice(more.as_bytes());
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}
