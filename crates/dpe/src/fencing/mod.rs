//! Making an assembly safe with a device: a unit of the host's systemd, or ClusterLabs fence
//! agents. What nothing shows to be down is not taken for down.

mod agent;
mod device;
mod places;
#[cfg(test)]
mod tests;
mod unfence;
mod units;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use controller::{
    Command, Device, DeviceUse, FenceDevice, FenceRequest, HostArgument, HostCheck, PowerOn,
};
use cpe_bus::proxies::{SystemdManagerProxy, SystemdUnitProxy};
use zbus::Connection;
use zbus::proxy::CacheProperties;

pub(crate) use self::agent::{Again, Gate};
pub(crate) use self::device::check as check_device;
pub(crate) use self::places::Places;
pub(crate) use self::unfence::{LettingIn, unfence};
use self::units::Down;
pub(crate) use self::units::SeenUnits;
use crate::clock::monotonic_us;

/// How often a unit that is being switched off is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Pauses before systemd is asked again whether a unit is active.
const CHECK_PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];
/// SIGKILL.
const KILL: i32 = 9;

/// Makes an assembly safe; `Ok` only if nothing runs there any more. Gives what is to be switched
/// on then.
pub(crate) async fn fence(
    gate: &Gate,
    request: &FenceRequest,
    bus: Option<Connection>,
    seen: &SeenUnits,
) -> Result<Again, String> {
    let limit = Duration::from_millis(u64::from(request.timeout_ms));
    let trouble = Mutex::new(String::new());
    let (assembly, reboot) = (request.assembly.as_str(), request.reboot);
    let attempt = async {
        match &request.device {
            FenceDevice::Unit { unit } => {
                let bus = bus.context(NO_BUS)?;
                let switch = Switch {
                    assembly,
                    unit,
                    was_seen: request.unit_seen,
                    reboot,
                };
                power_unit((&bus, gate), switch, seen, &trouble).await?;
                Ok(Again::default())
            }
            FenceDevice::Agent {
                agent,
                parameters,
                marked,
            } => {
                let used = use_of(assembly, agent, parameters, marked);
                device::level(gate, &[used], reboot, &trouble).await
            }
            FenceDevice::Level(devices) => {
                let delay = Duration::from_millis(request.delay_ms.into());
                tokio::time::sleep(delay).await;
                device::level(gate, devices, reboot, &trouble).await
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

/// Switches the power of an assembly on, unless its device says that it is: with each device that
/// may have switched it off, in its own time, also after one that has failed.
///
/// # Errors
/// What went wrong with each, if none could.
pub(crate) async fn power_on(
    gate: &Gate,
    order: &PowerOn,
    bus: Option<Connection>,
) -> Result<(), String> {
    let limit = Duration::from_millis(order.timeout_ms.into());
    let assembly = order.assembly.as_str();
    let (mut is_on, mut failed) = (false, Vec::new());
    for device in &order.devices {
        let switched = switch_on(gate, assembly, device, bus.as_ref());
        match tokio::time::timeout(limit, switched).await {
            Ok(Ok(())) => is_on = true,
            Ok(Err(error)) => failed.push(format!("{error:#}")),
            Err(_) => failed.push(format!("not done within {} s", limit.as_secs())),
        }
    }
    let failed = failed.join("; ");
    match is_on {
        false => Err(failed),
        true if failed.is_empty() => Ok(()),
        true => {
            tracing::warn!(
                cpe_assembly = assembly,
                "of the devices of {assembly} not all can switch on: {failed}"
            );
            Ok(())
        }
    }
}

async fn switch_on(
    gate: &Gate,
    assembly: &str,
    device: &FenceDevice,
    bus: Option<&Connection>,
) -> anyhow::Result<()> {
    match device {
        FenceDevice::Unit { unit } => start_unit((bus.context(NO_BUS)?, gate), unit).await,
        FenceDevice::Agent {
            agent,
            parameters,
            marked,
        } => device::on(gate, &[use_of(assembly, agent, parameters, marked)]).await,
        FenceDevice::Level(devices) => device::on(gate, devices).await,
    }
}

async fn start_unit((bus, gate): (&Connection, &Gate), unit: &str) -> anyhow::Result<()> {
    let systemd = manager(bus).await?;
    let state = unit_proxy(bus, &systemd, unit).await?;
    if is_running(&state.active_state().await?) {
        return Ok(());
    }
    let _ = systemd.reset_failed_unit(unit).await;
    gate.check()?;
    let started = systemd.start_unit(unit, "replace").await;
    started
        .map(drop)
        .with_context(|| format!("systemd does not start {unit}"))
}

/// Why a unit is not switched.
const NO_BUS: &str = "there is no connection to the bus, so systemd cannot be asked to stop it";

/// The device of an assembly's own `<fencing>`, which is for it alone. The whole attempt has a
/// time, not its commands. It is told the assembly's name, unless the document says another.
fn use_of(
    assembly: &str,
    agent: &str,
    parameters: &[(String, String)],
    marked: &BTreeSet<String>,
) -> DeviceUse {
    let command = |action: &str| Command {
        action: action.to_owned(),
        timeout_ms: u32::MAX,
        tries: 1,
    };
    let says_host = |(name, _): &(String, String)| SAYS_HOST.contains(&name.as_str());
    let device = Device {
        id: agent.to_owned(),
        agent: agent.to_owned(),
        host_argument: match parameters.iter().any(says_host) {
            true => HostArgument::Unneeded,
            false => HostArgument::Known,
        },
        check: HostCheck::Static,
        parameters: parameters.to_vec(),
        marked: marked.clone(),
        reboot: command("reboot"),
        off: command("off"),
        on: command("on"),
        status: command("status"),
        ..Device::default()
    };
    DeviceUse {
        device,
        host: assembly.to_owned(),
        port: assembly.to_owned(),
        alone: true,
        ..DeviceUse::default()
    }
}

/// Parameters by which documents name the machine that an agent is to switch.
const SAYS_HOST: [&str; 3] = ["plug", "port", "uuid"];

/// Keeps what went wrong on the way, to be said if the attempt fails.
fn note(trouble: &Mutex<String>, text: String) {
    tracing::warn!("{text}");
    *trouble.lock().unwrap_or_else(PoisonError::into_inner) = text;
}

/// Looks whether the unit of an assembly that answers is active; says so if fencing with it would
/// touch nothing. Asks again until systemd says.
pub(crate) async fn check_unit(bus: &Connection, unit: &str, assembly: &str) -> bool {
    let mut pauses = CHECK_PAUSES.into_iter();
    let error = loop {
        match is_active(bus, unit).await {
            Ok(true) => return true,
            Ok(false) => {
                tracing::warn!(
                    cpe_assembly = assembly,
                    "{assembly} answers, but {unit} is not active: fencing with it would not touch this guest; check the fencing element of the document"
                );
                return false;
            }
            Err(error) => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => break error,
            },
        }
    };
    tracing::warn!(
        cpe_assembly = assembly,
        "systemd does not say whether {unit}, by which {assembly} is fenced, is active: {error:#}"
    );
    false
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

/// A unit that is to be switched off.
#[derive(Clone, Copy)]
struct Switch<'a> {
    assembly: &'a str,
    unit: &'a str,
    /// It was active once while the assembly answered.
    was_seen: bool,
    /// It is started again then.
    reboot: bool,
}

/// Cuts the unit's power: everything in it is killed, then it is stopped, then (`reboot`) started
/// again.
async fn power_unit(
    (bus, gate): (&Connection, &Gate),
    switch: Switch<'_>,
    seen: &SeenUnits,
    trouble: &Mutex<String>,
) -> anyhow::Result<()> {
    let Switch { assembly, unit, .. } = switch;
    let systemd = manager(bus).await?;
    let state = unit_proxy(bus, &systemd, unit).await?;
    let load = state.load_state().await?;
    if load != "loaded" {
        bail!(
            "the host's systemd has no unit {unit} (load state {load}): check the fencing element of the document"
        );
    }
    if is_running(&state.active_state().await?) {
        seen.note_cut(assembly, unit);
        gate.check()?;
        // A paused or hanging guest does not stop when asked, but a kill ends it.
        if let Err(error) = systemd.kill_unit(unit, "all", KILL).await {
            note(trouble, format!("{unit} could not be killed: {error}"));
        }
    } else {
        let since_us = state.inactive_enter_timestamp_monotonic().await?;
        let down = Down {
            seen: switch.was_seen,
            since_us: monotonic_us().saturating_sub(since_us),
        };
        seen.believe(assembly, unit, down)?;
    }
    gate.check()?;
    systemd.stop_unit(unit, "replace").await.with_context(|| {
        format!(
            "systemd does not stop {unit}; may user dpe manage it (see 60-dpe-unit-fencing.rules)?"
        )
    })?;
    while is_running(&state.active_state().await?) {
        tokio::time::sleep(LOOK).await;
    }
    if switch.reboot {
        let _ = systemd.reset_failed_unit(unit).await;
        // It is safe already; its agent shows when it is back. Without the right to, it is left to
        // whoever has it.
        if gate.check().is_ok()
            && let Err(error) = systemd.start_unit(unit, "replace").await
        {
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
