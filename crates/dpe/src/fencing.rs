//! Making an assembly safe with a device: a unit of the host's systemd, or a ClusterLabs fence
//! agent.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use controller::{FenceDevice, FenceRequest};
use cpe_bus::proxies::{SystemdManagerProxy, SystemdUnitProxy};
use tokio::io::AsyncWriteExt;
use zbus::Connection;
use zbus::proxy::CacheProperties;

/// Directories of fence agents.
const FENCE_AGENTS: [&str; 3] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];
/// How often a unit that is being stopped is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// SIGKILL.
const KILL: i32 = 9;

/// Makes an assembly safe; `Ok` only if nothing runs there any more.
pub(crate) async fn fence(request: &FenceRequest, bus: Option<Connection>) -> Result<(), String> {
    let limit = Duration::from_millis(u64::from(request.timeout_ms));
    let attempt = async {
        match &request.device {
            FenceDevice::Unit { unit } => {
                let bus = bus.context(
                    "there is no connection to the bus, so systemd cannot be asked to stop it",
                )?;
                power_unit(&bus, unit, request.reboot).await
            }
            FenceDevice::Agent { agent, parameters } => {
                run_agent(agent, parameters, request.reboot).await
            }
        }
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("not done within {} s", limit.as_secs())),
    }
}

/// Cuts the unit's power: everything in it is killed, then it is stopped, then (`reboot`) started
/// again.
async fn power_unit(bus: &Connection, unit: &str, reboot: bool) -> anyhow::Result<()> {
    let systemd = SystemdManagerProxy::builder(bus)
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    let state = unit_proxy(bus, &systemd, unit).await?;
    let load = state.load_state().await?;
    if load != "loaded" {
        bail!(
            "the host's systemd has no unit {unit} (load state {load}): check the fencing element of the document"
        );
    }
    if is_running(&state.active_state().await?) {
        // A paused or hanging guest does not stop when asked, but a kill ends it.
        if let Err(error) = systemd.kill_unit(unit, "all", KILL).await {
            tracing::debug!("{unit} could not be killed: {error}");
        }
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

/// Runs a fence agent as stonith does: parameters as `name=value` lines on its standard input.
async fn run_agent(
    agent: &str,
    parameters: &[(String, String)],
    reboot: bool,
) -> anyhow::Result<()> {
    if !agent.starts_with("fence_") || agent.contains('/') {
        bail!("a fence agent is called fence_…, found \"{agent}\"");
    }
    let program = FENCE_AGENTS
        .iter()
        .map(|directory| std::path::Path::new(directory).join(agent))
        .find(|path| path.exists())
        .with_context(|| format!("{agent} is not installed in {}", FENCE_AGENTS.join(", ")))?;
    let mut child = tokio::process::Command::new(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut lines = format!("action={}\n", if reboot { "reboot" } else { "off" });
    for (name, value) in parameters {
        lines.push_str(&format!("{name}={value}\n"));
    }
    if let Some(mut stdin) = child.stdin.take() {
        // An agent need not read to the end: its exit status counts.
        let _ = stdin.write_all(lines.as_bytes()).await;
    }
    let output = child.wait_with_output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rev().find(|line| !line.trim().is_empty());
    bail!(
        "{agent} ended with {}: {}",
        output.status,
        said.unwrap_or("it said nothing")
    )
}
