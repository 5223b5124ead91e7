//! How a program begins in a control group of its own: this program puts itself there, and then
//! becomes that one. So not even its first child is outside.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// The word on the command line.
pub const ENTER: &str = "enter";

/// Becomes a program in a control group. It returns only if that fails.
///
/// # Errors
/// If the group cannot be entered, or the program cannot be run.
pub fn enter(group: &Path, command: &[OsString]) -> anyhow::Result<()> {
    let members = group.join("cgroup.procs");
    std::fs::write(&members, "0").with_context(|| format!("cannot enter {}", group.display()))?;
    let (program, arguments) = command.split_first().context("no program")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
