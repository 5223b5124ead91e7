//! Keeps a run of an agent apart from those that run at the same time: all are of one user.
//!
//! Landlock forbids what the rules for one user would allow. From then on this thread and what it
//! starts read and write the files that an agent needs and no others, look into no process but
//! their own (ptrace(2), `/proc/PID`), and send signals to each other only.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// What every agent reads: programs, their settings, what says who is who and where names are
/// looked up, the kernel's own. Secrets below /etc are root's.
const SYSTEM: [&str; 14] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/etc",
    "/etc/resolv.conf",
    "/var/lib/ca-certificates",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/proc",
    "/sys",
];
/// Devices that every agent uses; those that run ssh with a password need terminals. Those of other
/// agents are among them.
const DEVICES: [&str; 8] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
];
/// What this is written for; an older kernel does what it can.
const NEWEST: ABI = ABI::V6;

/// The files of one run, beside those of every run.
pub(crate) struct Files<'a> {
    /// Folders of agents, copies of secrets.
    pub read: Vec<&'a Path>,
    /// Written, too.
    pub scratch: &'a [PathBuf],
    pub home: &'a Home,
}

/// `HOME` of a run, where an administrator has put known hosts, keys and settings.
pub(crate) struct Home {
    pub folder: PathBuf,
    /// What is read of it.
    read: Vec<PathBuf>,
}

impl Home {
    /// The folder of the deployment's name in the common one, if there is one; else the common one.
    /// What begins with a dot there is for every deployment: ssh looks there whatever `HOME` is.
    pub(crate) fn of(common: &Path, deployment: &str) -> Home {
        let is_hidden = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.as_encoded_bytes().starts_with(b".")
        };
        let entries = std::fs::read_dir(common).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut read: Vec<PathBuf> = paths.filter(is_hidden).collect();
        let own = common.join(deployment);
        let is_name = !deployment.is_empty() && !deployment.contains(['/', '.']);
        if !is_name || !own.is_dir() {
            let folder = common.to_owned();
            return Home { folder, read };
        }
        read.push(own.clone());
        Home { folder: own, read }
    }
}

/// Keeps this thread, and what it starts, to these files and to itself. Where the kernel cannot, it
/// is said, and nothing else happens: a guest that is not made safe is worse.
pub(crate) fn keep_apart(files: &Files<'_>) {
    let how_far = match restrict(files) {
        Ok(RulesetStatus::FullyEnforced) => return,
        Ok(RulesetStatus::PartiallyEnforced) => "in part",
        Ok(RulesetStatus::NotEnforced) => "not at all",
        Err(error) => {
            tracing::warn!(%error, "this fence agent is not kept apart from others");
            return;
        }
    };
    tracing::info!(
        "this kernel keeps fence agents that run at the same time apart {how_far} (Landlock, in full from Linux 6.12 on)"
    );
}

fn restrict(files: &Files<'_>) -> Result<RulesetStatus, RulesetError> {
    let read = AccessFs::from_read(NEWEST);
    let all = AccessFs::from_all(NEWEST);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules(&files.read, read))?
        .add_rules(path_beneath_rules(&files.home.read, read))?
        .add_rules(path_beneath_rules(files.scratch, all))?;
    Ok(ruleset.restrict_self()?.ruleset)
}
