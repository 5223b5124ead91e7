//! Making an assembly safe with a device: a unit of the host's systemd, or a ClusterLabs fence
//! agent. What nothing shows to be down is not taken for down.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use controller::{FenceDevice, FenceRequest};
use cpe_bus::proxies::{SystemdManagerProxy, SystemdUnitProxy};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use zbus::Connection;
use zbus::proxy::CacheProperties;

/// Directories of fence agents.
const FENCE_AGENTS: [&str; 3] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];
/// How often a unit or a device that is being switched off is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How often the status of a device is asked that still says it is on.
const STATUS_PAUSE: Duration = Duration::from_secs(1);
/// What a fence agent says beyond this is thrown away.
const MAX_OUTPUT: u64 = 64 << 10;
/// What a fence agent's output may take after its end: somebody else may hold it open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);
/// The exit status of `status` by which a fence agent says that its device is off.
const STATUS_OFF: i32 = 2;
/// SIGKILL.
const KILL: i32 = 9;

/// Units that were seen active: one that never was may be the name of another guest's, or of none.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeenUnits(Arc<Mutex<BTreeSet<String>>>);

impl SeenUnits {
    fn add(&self, unit: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(unit.to_owned());
    }

    fn has(&self, unit: &str) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.contains(unit)
    }
}

/// Makes an assembly safe; `Ok` only if nothing runs there any more.
pub(crate) async fn fence(
    request: &FenceRequest,
    bus: Option<Connection>,
    seen: &SeenUnits,
) -> Result<(), String> {
    let limit = Duration::from_millis(u64::from(request.timeout_ms));
    let trouble = Mutex::new(String::new());
    let attempt = async {
        match &request.device {
            FenceDevice::Unit { unit } => {
                let bus = bus.context(
                    "there is no connection to the bus, so systemd cannot be asked to stop it",
                )?;
                power_unit(&bus, unit, request.reboot, seen, &trouble).await
            }
            FenceDevice::Agent { agent, parameters } => {
                let program = find_agent(agent)?;
                let agent = Agent {
                    name: agent,
                    program,
                    parameters,
                };
                agent.power(request.reboot, &trouble).await
            }
        }
    };
    let late = format!("not done within {} s", limit.as_secs());
    let outcome = match tokio::time::timeout(limit, attempt).await {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(_) => Err(late),
    };
    let trouble = trouble.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.map_err(|error| match trouble.as_str() {
        "" => error,
        trouble => format!("{error} ({trouble})"),
    })
}

/// Keeps what went wrong on the way, to be said if the attempt fails.
fn note(trouble: &Mutex<String>, text: String) {
    tracing::warn!("{text}");
    *trouble.lock().unwrap_or_else(PoisonError::into_inner) = text;
}

/// Looks whether the unit of an assembly that answers is active; says so if fencing with it would
/// touch nothing.
pub(crate) async fn check_unit(bus: &Connection, unit: &str, assembly: &str, seen: &SeenUnits) {
    match is_active(bus, unit).await {
        Ok(true) => seen.add(unit),
        Ok(false) => tracing::warn!(
            cpe_assembly = assembly,
            "{assembly} answers, but {unit} is not active: fencing with it would not touch this guest; check the fencing element of the document"
        ),
        Err(error) => tracing::warn!(
            cpe_assembly = assembly,
            "systemd does not say whether {unit}, by which {assembly} is fenced, is active: {error:#}"
        ),
    }
}

async fn is_active(bus: &Connection, unit: &str) -> anyhow::Result<bool> {
    let systemd = manager(bus).await?;
    let state = unit_proxy(bus, &systemd, unit).await?;
    Ok(is_running(&state.active_state().await?))
}

async fn manager(bus: &Connection) -> zbus::Result<SystemdManagerProxy<'static>> {
    SystemdManagerProxy::builder(bus)
        .cache_properties(CacheProperties::No)
        .build()
        .await
}

/// Cuts the unit's power: everything in it is killed, then it is stopped, then (`reboot`) started
/// again.
async fn power_unit(
    bus: &Connection,
    unit: &str,
    reboot: bool,
    seen: &SeenUnits,
    trouble: &Mutex<String>,
) -> anyhow::Result<()> {
    let systemd = manager(bus).await?;
    let state = unit_proxy(bus, &systemd, unit).await?;
    let load = state.load_state().await?;
    if load != "loaded" {
        bail!(
            "the host's systemd has no unit {unit} (load state {load}): check the fencing element of the document"
        );
    }
    if is_running(&state.active_state().await?) {
        seen.add(unit);
        // A paused or hanging guest does not stop when asked, but a kill ends it.
        if let Err(error) = systemd.kill_unit(unit, "all", KILL).await {
            note(trouble, format!("{unit} could not be killed: {error}"));
        }
    } else if !seen.has(unit) && state.active_enter_timestamp().await? == 0 {
        bail!(
            "{unit} is not active and was never seen active, so it may not be this guest's unit: check the fencing element of the document; if the guest is down, say so (cpectl confirm-fenced)"
        );
    }
    systemd.stop_unit(unit, "replace").await.with_context(|| {
        format!(
            "systemd does not stop {unit}; may user dpe manage it (see 60-dpe-unit-fencing.rules)?"
        )
    })?;
    while is_running(&state.active_state().await?) {
        tokio::time::sleep(LOOK).await;
    }
    if reboot {
        let _ = systemd.reset_failed_unit(unit).await;
        // It is safe already; its agent shows when it is back.
        if let Err(error) = systemd.start_unit(unit, "replace").await {
            tracing::warn!("{unit} is down, and systemd does not start it again: {error}");
        }
    }
    Ok(())
}

async fn unit_proxy(
    bus: &Connection,
    systemd: &SystemdManagerProxy<'_>,
    unit: &str,
) -> anyhow::Result<SystemdUnitProxy<'static>> {
    let path = systemd
        .load_unit(unit)
        .await
        .with_context(|| format!("systemd does not know {unit}"))?;
    Ok(SystemdUnitProxy::builder(bus)
        .path(path)
        .cache_properties(CacheProperties::No)
        .build()
        .await?)
}

fn is_running(active_state: &str) -> bool {
    !matches!(active_state, "inactive" | "failed")
}

fn find_agent(agent: &str) -> anyhow::Result<PathBuf> {
    if !agent.starts_with("fence_") || agent.contains('/') {
        bail!("a fence agent is called fence_…, found \"{agent}\"");
    }
    FENCE_AGENTS
        .iter()
        .map(|directory| PathBuf::from(directory).join(agent))
        .find(|path| path.exists())
        .with_context(|| format!("{agent} is not installed in {}", FENCE_AGENTS.join(", ")))
}

/// A fence agent and the device that it is to switch.
struct Agent<'a> {
    name: &'a str,
    program: PathBuf,
    parameters: &'a [(String, String)],
}

/// How a fence agent ended, and what it said.
struct Ended {
    status: ExitStatus,
    said: String,
    complained: String,
}

impl Agent<'_> {
    /// Switches the device off, sees that it is off, and (`reboot`) switches it on. An agent that
    /// cannot be asked for that is asked for the whole, and believed.
    async fn power(&self, reboot: bool, trouble: &Mutex<String>) -> anyhow::Result<()> {
        let known = self.run("metadata").await?.said;
        let knows = |action: &str| {
            [format!("name=\"{action}\""), format!("name='{action}'")]
                .iter()
                .any(|name| known.contains(&format!("<action {name}")))
        };
        if !(knows("off") && knows("status") && (knows("on") || !reboot)) {
            return self.succeed(if reboot { "reboot" } else { "off" }).await;
        }
        self.succeed("off").await?;
        loop {
            let status = self.run("status").await?.status;
            if status.code() == Some(STATUS_OFF) {
                break;
            }
            let text = format!(
                "{} said that it has switched off, but \"status\" ends with {status}",
                self.name
            );
            note(trouble, text);
            tokio::time::sleep(STATUS_PAUSE).await;
        }
        // It is safe already; its agent shows when it is back.
        if reboot && let Err(error) = self.succeed("on").await {
            tracing::warn!("the device is off, and is not switched on again: {error:#}");
        }
        Ok(())
    }

    async fn succeed(&self, action: &str) -> anyhow::Result<()> {
        let ended = self.run(action).await?;
        if ended.status.success() {
            return Ok(());
        }
        let mut lines = ended.complained.lines().rev();
        let last = lines.find(|line| !line.trim().is_empty());
        bail!(
            "{} ended with {}: {}",
            self.name,
            ended.status,
            last.unwrap_or("it said nothing")
        )
    }

    /// What it gets on its standard input, as Pacemaker's fencer gives it: parameters as
    /// `name=value` lines. The action is the last, which counts.
    fn input(&self, action: &str) -> anyhow::Result<String> {
        let mut lines = String::new();
        for (name, value) in self.parameters {
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
    async fn run(&self, action: &str) -> anyhow::Result<Ended> {
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
