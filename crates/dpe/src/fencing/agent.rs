//! Running a ClusterLabs fence agent: one action, and switching a device off so that it shows.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, bail};
use controller::{Command, Device};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::note;

/// Directories of fence agents.
const FENCE_AGENTS: [&str; 3] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];
/// How often the status of a device is asked that still says it is on.
const STATUS_PAUSE: Duration = Duration::from_secs(1);
/// What a fence agent says beyond this is thrown away.
const MAX_OUTPUT: u64 = 1 << 20;
/// What a fence agent's output may take after its end: somebody else may hold it open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);
/// The exit status of `status` by which a fence agent says that its device is off.
pub(super) const STATUS_OFF: i32 = 2;

/// A fence agent and the device that it is to switch.
pub(super) struct Agent<'a> {
    pub program: PathBuf,
    pub device: &'a Device,
    /// Parameters that say which host is meant, beside those of the device.
    pub host: Vec<(String, String)>,
}

/// What a fence agent says about itself.
pub(super) struct Metadata(pub String);

impl Metadata {
    /// It has that action.
    pub(super) fn knows(&self, action: &str) -> bool {
        self.has("action", action)
    }

    /// It has that parameter.
    pub(super) fn takes(&self, parameter: &str) -> bool {
        self.has("parameter", parameter)
    }

    fn has(&self, element: &str, name: &str) -> bool {
        let spellings = [format!("name=\"{name}\""), format!("name='{name}'")];
        let opening = format!("<{element} ");
        self.0.split(&opening).skip(1).any(|rest| {
            let tag = rest.split('>').next().unwrap_or_default();
            spellings.iter().any(|spelling| tag.contains(spelling))
        })
    }
}

/// How a fence agent ended, and what it said.
pub(super) struct Ended {
    pub status: ExitStatus,
    pub said: String,
    pub complained: String,
}

impl<'a> Agent<'a> {
    /// The agent of a device, if it is installed.
    pub(super) fn find(device: &'a Device) -> anyhow::Result<Agent<'a>> {
        let agent = &device.agent;
        if !agent.starts_with("fence_") || agent.contains('/') {
            bail!("a fence agent is called fence_…, found \"{agent}\"");
        }
        let program = FENCE_AGENTS
            .iter()
            .map(|directory| PathBuf::from(directory).join(agent))
            .find(|path| path.exists())
            .with_context(|| format!("{agent} is not installed in {}", FENCE_AGENTS.join(", ")))?;
        Ok(Agent {
            program,
            device,
            host: Vec::new(),
        })
    }

    /// # Errors
    /// If it does not say all: what it can do would be taken for what it cannot, and an exit status
    /// believed where the device could be asked.
    pub(super) async fn metadata(&self) -> anyhow::Result<Metadata> {
        let ended = self.run("metadata").await?;
        if !ended.status.success() || !ended.said.contains("</resource-agent>") {
            bail!(
                "{} does not say what it can do: \"metadata\" ended with {}",
                self.device.agent,
                ended.status
            );
        }
        Ok(Metadata(ended.said))
    }

    /// Switches the device off, sees that it is off, and (`reboot`) switches it on. An agent that
    /// cannot be asked for that is asked for the whole, and believed.
    pub(super) async fn power(
        &self,
        known: &Metadata,
        reboot: bool,
        trouble: &Mutex<String>,
    ) -> anyhow::Result<()> {
        let Device {
            off, on, status, ..
        } = self.device;
        let whole = match reboot {
            true => &self.device.reboot,
            false => off,
        };
        // A document may say that a reboot is an off, or an off a reboot.
        let on_again = reboot && whole.action == "reboot";
        let shows_off = whole.action == "off" || (on_again && off.action == "off");
        let can = shows_off
            && known.knows("off")
            && known.knows(&status.action)
            && (known.knows(&on.action) || !on_again);
        if !can {
            return self.succeed(whole).await;
        }
        let limit = Duration::from_millis(off.timeout_ms.into());
        let switched = async {
            self.succeed(off).await?;
            self.see_off(trouble).await
        };
        tokio::time::timeout(limit, switched)
            .await
            .with_context(|| format!("it is not seen to be off within {} s", limit.as_secs()))??;
        // It is safe already; its agent shows when it is back.
        if on_again && let Err(error) = self.succeed(on).await {
            tracing::warn!("the device is off, and is not switched on again: {error:#}");
        }
        Ok(())
    }

    /// Waits until the device says that it is off.
    async fn see_off(&self, trouble: &Mutex<String>) -> anyhow::Result<()> {
        loop {
            let status = self.run(&self.device.status.action).await?.status;
            if status.code() == Some(STATUS_OFF) {
                return Ok(());
            }
            let text = format!(
                "{} said that it has switched off, but \"status\" ends with {status}",
                self.device.agent
            );
            note(trouble, text);
            tokio::time::sleep(STATUS_PAUSE).await;
        }
    }

    /// Has a command done: as often as it may be tried, within its time.
    pub(super) async fn succeed(&self, command: &Command) -> anyhow::Result<()> {
        let limit = Duration::from_millis(command.timeout_ms.into());
        let attempts = async {
            for _ in 1..command.tries {
                if self.once(&command.action).await.is_ok() {
                    return Ok(());
                }
            }
            self.once(&command.action).await
        };
        tokio::time::timeout(limit, attempts)
            .await
            .with_context(|| {
                let agent = &self.device.agent;
                format!("{agent} does not answer to \"{}\" in time", command.action)
            })?
    }

    async fn once(&self, action: &str) -> anyhow::Result<()> {
        let ended = self.run(action).await?;
        if ended.status.success() {
            return Ok(());
        }
        let mut lines = ended.complained.lines().rev();
        let last = lines.find(|line| !line.trim().is_empty());
        bail!(
            "{} ended with {}: {}",
            self.device.agent,
            ended.status,
            last.unwrap_or("it said nothing")
        )
    }

    /// What it gets on its standard input, as Pacemaker's fencer gives it: parameters as
    /// `name=value` lines. The action is the last, which counts.
    pub(super) fn input(&self, action: &str) -> anyhow::Result<String> {
        let mut lines = String::new();
        for (name, value) in self.device.parameters.iter().chain(&self.host) {
            let line = format!("{name}={value}");
            if line.contains(char::is_control) {
                bail!(
                    "the value of \"{name}\" has a control character in it: write it on one line"
                );
            }
            lines.push_str(&line);
            lines.push('\n');
        }
        Ok(lines + "action=" + action + "\n")
    }

    /// Runs it with an action, in an environment and a process group of its own. Nothing of it is
    /// left afterwards: what it leaves behind could switch a guest off that has come back.
    pub(super) async fn run(&self, action: &str) -> anyhow::Result<Ended> {
        let input = self.input(action)?;
        let mut child = tokio::process::Command::new(&self.program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8")
            .env("HOME", "/")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let _group = Group::of(&child);
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let said = tokio::spawn(text(stdout));
        let complained = tokio::spawn(text(stderr));
        if let Some(mut stdin) = stdin {
            // An agent need not read to the end: its exit status counts.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let status = child.wait().await?;
        let all = async { (said.await, complained.await) };
        let (said, complained) = tokio::time::timeout(OUTPUT_TIMEOUT, all)
            .await
            .unwrap_or((Ok(String::new()), Ok(String::new())));
        Ok(Ended {
            status,
            said: said.unwrap_or_default(),
            complained: complained.unwrap_or_default(),
        })
    }
}

/// The process group of a fence agent, which is killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Group {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Group(id.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The beginning of what is said; all of it is read, so that nobody waits to say it.
async fn text(output: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut output) = output else {
        return String::new();
    };
    let mut text = Vec::new();
    let _ = (&mut output).take(MAX_OUTPUT).read_to_end(&mut text).await;
    let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&text).into_owned()
}
