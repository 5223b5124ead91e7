//! What is left of operations and services when the guest is reset, and how it is killed.
//!
//! Services are found by three signs, because none is sure: the mark in their environment, which
//! all descendants of an operation have unless they clean it; the control group of the agent's
//! unit, in which all of them are that no service manager runs; the control groups of the units
//! that class `systemd` has started.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::process::MARK_VARIABLE;

/// Where control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// How deep the group of a unit lies at most: `machine.slice/x.scope/system.slice/NAME.service`.
const DEPTH: usize = 5;
/// Passes over all processes: what was being forked at one pass is there at the next.
const PASSES: usize = 20;

/// See the module's documentation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// Operations of agents with this state folder have marks that begin so: the instance.
    pub instance: String,
    /// Units of the guest's service manager that were started.
    pub units: Vec<String>,
}

/// Kills all of it with SIGKILL.
pub fn kill(remains: &Remains) {
    for group in remains.units.iter().flat_map(|unit| groups_of(unit)) {
        let _ = fs::write(group.join("cgroup.kill"), "1");
    }
    let own = own_group();
    for _ in 0..PASSES {
        let mut left = marked(&remains.instance);
        left.extend(own.iter().flat_map(|group| members(group, DEPTH)));
        left.retain(|pid| *pid != rustix::process::getpid());
        if left.is_empty() {
            return;
        }
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Processes that operations of this instance have started, daemons too.
fn marked(instance: &str) -> Vec<Pid> {
    if instance.is_empty() {
        return Vec::new();
    }
    let mark = format!("{MARK_VARIABLE}={instance}.").into_bytes();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            environment
                .split(|&byte| byte == 0)
                .any(|variable| variable.starts_with(&mark))
        })
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// The control group of this process, if it is that of a unit of which this is the main process. An
/// agent that is run by hand shares its group with the shell, and more.
fn own_group() -> Option<PathBuf> {
    let main: u32 = std::env::var("SYSTEMD_EXEC_PID").ok()?.parse().ok()?;
    if main != std::process::id() {
        return None;
    }
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    path.ends_with(".service")
        .then(|| Path::new(CGROUPS).join(path))
}

/// The processes in a group and the groups in it.
fn members(group: &Path, depth: usize) -> Vec<Pid> {
    let listed = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut all: Vec<Pid> = listed
        .lines()
        .filter_map(|line| Pid::from_raw(line.parse().ok()?))
        .collect();
    if depth > 0 {
        let inner = subgroups(group);
        all.extend(inner.iter().flat_map(|group| members(group, depth - 1)));
    }
    all
}

/// The control groups of a unit.
fn groups_of(unit: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut level = vec![PathBuf::from(CGROUPS)];
    for _ in 0..DEPTH {
        level = level.iter().flat_map(|group| subgroups(group)).collect();
        let is_it = |group: &&PathBuf| group.file_name().is_some_and(|name| name == unit);
        found.extend(level.iter().filter(is_it).cloned());
    }
    found
}

fn subgroups(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn it_kills_what_operations_have_started_daemons_too() {
        let instance = uuid::Uuid::new_v4().simple().to_string();
        let start = |mark: String| {
            Command::new("setsid")
                .args(["sleep", "1000"])
                .env(MARK_VARIABLE, mark)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        let mut mine = start(format!("{instance}.1"));
        let mut other = start(format!("{}.1", uuid::Uuid::new_v4().simple()));
        // Until it has called exec, its environment is that of this test.
        while marked(&instance).is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        let remains = Remains {
            instance,
            units: Vec::new(),
        };
        kill(&remains);
        assert!(!mine.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn it_kills_no_group_that_it_does_not_own() {
        // This test is no unit's main process, whatever it inherits.
        assert_eq!(own_group(), None);
    }
}
