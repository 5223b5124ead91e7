//! A program for each event: an alert agent, as Pacemaker runs them.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cpe_bus::Event;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::program;
use crate::config::Exec;
use crate::retry::Outcome;
use crate::{environment, text};

/// Where programs are found by programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How much of what a program says is kept, in bytes.
const MAX_SAID: u64 = 4 << 10;
/// How long the kernel may take to end what was killed.
const ENDING: Duration = Duration::from_secs(2);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// How the processes of a program are kept together, so that all of them end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confinement {
    /// Each run has a control group below this one, entered by this program.
    Groups {
        /// The control group of this service, which systemd has delegated to it.
        below: PathBuf,
        /// `cpe-notify` itself.
        launcher: PathBuf,
    },
    /// The program's process group: what leaves it is not found. Without systemd.
    ProcessGroup,
}

impl Confinement {
    /// Below the control group of this process, if it may make groups there.
    pub fn own() -> Confinement {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let path = groups.lines().find_map(|line| line.strip_prefix("0::/"));
        let below = path.map(|path| Path::new("/sys/fs/cgroup").join(path));
        let probe = |below: &PathBuf| {
            let group = below.join("probe");
            std::fs::create_dir(&group).is_ok() && std::fs::remove_dir(&group).is_ok()
        };
        let is_unit = |below: &PathBuf| below.ends_with("cpe-notify.service");
        match (below.filter(is_unit).filter(probe), std::env::current_exe()) {
            (Some(below), Ok(launcher)) => Confinement::Groups { below, launcher },
            _ => Confinement::ProcessGroup,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Runner {
    sink: String,
    exec: Exec,
    confinement: Confinement,
}

/// Runs of this process, for the names of their groups.
static RUNS: AtomicU64 = AtomicU64::new(0);

impl Runner {
    pub(super) fn new(sink: &str, exec: &Exec, confinement: &Confinement) -> Runner {
        Runner {
            sink: sink.to_owned(),
            exec: exec.clone(),
            confinement: confinement.clone(),
        }
    }

    pub(super) async fn run(&self, event: &Event, limit: Duration) -> Outcome {
        let group = match self.group() {
            Ok(group) => group,
            Err(error) => return Outcome::again(error),
        };
        let begun = self.command(event, group.as_deref()).spawn();
        let mut child = match begun {
            Ok(child) => child,
            Err(error) => {
                remove(group.as_deref());
                let program = self.exec.command.first().map_or("", String::as_str);
                return Outcome::again(format!("cannot run {program}: {error}"));
            }
        };
        let remains = Remains {
            leader: child
                .id()
                .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
            group,
        };
        let said = Said::follow(&mut child);
        let ended = timeout(limit, child.wait()).await;
        if ended.is_err() {
            let _ = child.start_kill();
        }
        // Also what the program has left behind, which could hold the pipe.
        remains.end().await;
        let outcome = match ended {
            Ok(Ok(status)) => of_status(status, &said.text().await),
            Ok(Err(error)) => Outcome::again(format!("cannot be waited for: {error}")),
            Err(_) => {
                let _ = child.wait().await;
                Outcome::again(format!("it was killed after {} ms", limit.as_millis()))
            }
        };
        tracing::debug!(sink = self.sink, event = event.id, "{outcome:?}");
        outcome
    }

    fn group(&self) -> Result<Option<PathBuf>, String> {
        let Confinement::Groups { below, .. } = &self.confinement else {
            return Ok(None);
        };
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let group = below.join(format!("{}-{number}", self.sink));
        std::fs::create_dir(&group).map_err(|error| {
            format!("cannot make the control group {}: {error}", group.display())
        })?;
        Ok(Some(group))
    }

    fn command(&self, event: &Event, group: Option<&Path>) -> Command {
        let words = &self.exec.command;
        let mut command = match (&self.confinement, group) {
            (Confinement::Groups { launcher, .. }, Some(group)) => {
                let mut command = Command::new(launcher);
                command.arg(program::ENTER).arg(group).arg("--").args(words);
                command
            }
            _ => {
                let mut command = Command::new(words.first().map_or("", String::as_str));
                command.args(words.iter().skip(1));
                command
            }
        };
        command
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .envs(self.exec.environment.iter().cloned())
            .envs(environment::of(event, &self.exec.recipient))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

fn of_status(status: ExitStatus, said: &str) -> Outcome {
    if status.success() {
        return Outcome::Delivered;
    }
    let colon = if said.is_empty() { "" } else { ": " };
    Outcome::again(format!("{status}{colon}{said}"))
}

/// What is left of a run. It ends also when the run is given up in the middle.
struct Remains {
    leader: Option<Pid>,
    group: Option<PathBuf>,
}

impl Remains {
    fn kill(&self) {
        match (&self.group, self.leader) {
            (Some(group), _) => {
                let _ = std::fs::write(group.join("cgroup.kill"), "1");
            }
            (None, Some(leader)) => {
                let _ = kill_process_group(leader, Signal::KILL);
            }
            (None, None) => {}
        }
    }

    async fn end(mut self) {
        self.kill();
        let Some(group) = self.group.take() else {
            self.leader = None;
            return;
        };
        let gone = async {
            while std::fs::remove_dir(&group).is_err() && group.exists() {
                sleep(LOOK).await;
            }
        };
        if timeout(ENDING, gone).await.is_err() {
            tracing::warn!("{} does not end", group.display());
        }
        self.leader = None;
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if self.group.is_some() || self.leader.is_some() {
            self.kill();
            remove(self.group.as_deref());
        }
    }
}

/// Groups that have still members stay, and go with the service.
fn remove(group: Option<&Path>) {
    if let Some(group) = group {
        let _ = std::fs::remove_dir(group);
    }
}

/// What a program says, on both ways, while it runs.
struct Said(tokio::task::JoinHandle<Vec<u8>>);

impl Said {
    fn follow(child: &mut Child) -> Said {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        Said(tokio::spawn(async move {
            let (mut out, err) = tokio::join!(beginning(out), beginning(err));
            if !out.is_empty() && !err.is_empty() {
                out.push(b'\n');
            }
            out.extend(err);
            out
        }))
    }

    async fn text(self) -> String {
        // Somebody else may hold the pipe where there are no control groups.
        let stop = self.0.abort_handle();
        match timeout(ENDING, self.0).await {
            Ok(said) => text::one_line(&said.unwrap_or_default()),
            Err(_) => {
                stop.abort();
                String::new()
            }
        }
    }
}

async fn beginning(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut said = Vec::new();
    if let Some(mut from) = from {
        let _ = (&mut from).take(MAX_SAID).read_to_end(&mut said).await;
        // The rest is read, too: a full pipe would hold the program up.
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    }
    said
}
