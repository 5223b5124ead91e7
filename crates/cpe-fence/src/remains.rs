//! Ends everything that an agent has begun: what it leaves behind could switch a guest off that has
//! come back.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long the kernel may take to end what was killed.
const LIMIT: Duration = Duration::from_secs(5);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// Where the processes of an agent are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// Everything in this control group but this process.
    Group(PathBuf),
    /// The agent's process group: what leaves it is not found. For tests, and for a manager
    /// without control groups.
    ProcessGroup,
}

impl Confinement {
    /// The control group of this process, if it is a unit's that has nothing else in it.
    pub fn own() -> Confinement {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let path = groups.lines().find_map(|line| line.strip_prefix("0::/"));
        let unit = path.and_then(|path| path.rsplit('/').next());
        match (path, unit) {
            (Some(path), Some(unit)) if unit.starts_with("cpe-fence@") => {
                Confinement::Group(Path::new("/sys/fs/cgroup").join(path))
            }
            _ => Confinement::ProcessGroup,
        }
    }

    /// Kills what is left of the agent `leader`, which is not waited for yet.
    ///
    /// # Errors
    /// If something is left all the same.
    pub(crate) fn clear(&self, leader: Pid) -> anyhow::Result<()> {
        let Confinement::Group(group) = self else {
            let _ = kill_process_group(leader, Signal::KILL);
            return Ok(());
        };
        let end = Instant::now() + LIMIT;
        loop {
            let others = others(group)?;
            if others.is_empty() {
                return Ok(());
            }
            for pid in others {
                let _ = kill_process(pid, Signal::KILL);
            }
            if Instant::now() > end {
                bail!("what the fence agent has left behind does not end");
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Processes of a control group beside this one. Those that have ended are not listed.
fn others(group: &Path) -> anyhow::Result<Vec<Pid>> {
    let path = group.join("cgroup.procs");
    let listed = std::fs::read_to_string(&path);
    let listed = listed.with_context(|| format!("cannot read {}", path.display()))?;
    let own = rustix::process::getpid();
    let pids = listed.lines().filter_map(|line| line.parse().ok());
    Ok(pids
        .filter_map(Pid::from_raw)
        .filter(|pid| *pid != own)
        .collect())
}
