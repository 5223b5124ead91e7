//! Puts the tools where resource agents find them: links to this program, in a folder that only
//! operations have in their search path.
//!
//! Not in /usr/sbin: a distribution's own tools of these names, which know nothing of this agent,
//! may be installed there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context;

use super::tools::Tool;
use super::tools_path;

/// What resource agents look for in `HA_SBIN_DIR` although it belongs to the system
/// (ocf:heartbeat:nfsnotify and clvm).
const OF_THE_SYSTEM: [&str; 4] = ["sm-notify", "clvmd", "cmirrord", "lvmconf"];

/// Makes the folder and its links, in place of those of an earlier program.
///
/// # Errors
/// Those of the file system.
pub fn install(state_dir: &Path) -> anyhow::Result<()> {
    let folder = tools_path(state_dir);
    let program = std::env::current_exe().context("cannot find out where this program is")?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let link = |name: &str, target: &Path| {
        // In two steps, so that an operation that runs meanwhile always finds it.
        let staging = folder.join(format!("{name}~"));
        let _ = fs::remove_file(&staging);
        symlink(target, &staging)
            .and_then(|()| fs::rename(&staging, folder.join(name)))
            .with_context(|| format!("cannot make the link {}", folder.join(name).display()))
    };
    for tool in Tool::ALL {
        link(tool.name(), &program)?;
    }
    for name in OF_THE_SYSTEM {
        link(name, &Path::new("/usr/sbin").join(name))?;
    }
    Ok(())
}
