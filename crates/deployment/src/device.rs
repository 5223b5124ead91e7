//! Fencing devices of `<configuration>`: what the DPE runs to make an assembly safe, and how.
//!
//! Source: "Pacemaker Explained", "Special Meta-Attributes for Fencing Resources".

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A `<primitive class="stonith">`: a fence agent with its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// The resource's id.
    pub id: String,
    /// `fence_…`, the name of the program.
    pub agent: String,
    /// For the agent, in the order of the document.
    pub parameters: Vec<(String, String)>,
    /// Those of them whose values are secret although their names do not say so.
    pub marked: BTreeSet<String>,
    /// `provides="unfencing"`: it cuts a host off, and lets it in again when that has booted. The
    /// host itself may run on meanwhile.
    pub unfences: bool,
    /// How it is known for which hosts it is.
    pub check: HostCheck,
    /// How the agent is told which host is meant.
    pub host_argument: HostArgument,
    /// Off, and on again.
    pub reboot: Command,
    /// Off.
    pub off: Command,
    /// On again, after it was off.
    pub on: Command,
    /// Whether the device itself is well.
    pub monitor: Command,
    /// Whether a host is on or off.
    pub status: Command,
    /// For which hosts it is.
    pub list: Command,
}

/// `pcmk_host_check`: how it is known for which hosts a device is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostCheck {
    /// The document names the hosts.
    Static,
    /// The device lists them.
    List,
    /// The device knows the status of its hosts.
    Status,
    /// It is for all.
    Any,
    /// The first of `List`, `Status` and `Any` that the agent has an action for.
    #[default]
    Ask,
}

/// `pcmk_host_argument`: the parameter by which an agent is told which host is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HostArgument {
    /// `plug` or else `port`, whichever the agent knows.
    #[default]
    Known,
    /// This one.
    Named(String),
    /// The device needs none: it switches one host.
    Unneeded,
}

/// What an agent is asked for one purpose: `pcmk_PURPOSE_action`, `_timeout` and `_retries`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The agent's name for it.
    pub action: String,
    /// How long it may take, with all its attempts.
    pub timeout_ms: u32,
    /// How often it is tried, at most.
    pub tries: u32,
}

/// A device as it makes one assembly safe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceUse {
    /// With what.
    pub device: Device,
    /// The assembly's name, as the devices know it.
    pub host: String,
    /// The device's name for it: the port of `pcmk_host_map`, or the name.
    pub port: String,
    /// The device is for no other host, as far as the document says.
    pub alone: bool,
    /// How long is waited before it is switched off, at least.
    pub delay_base_ms: u32,
    /// How long is waited at most; between the two by chance.
    pub delay_max_ms: u32,
}

impl DeviceUse {
    /// How long this device may take, milliseconds, with the wait before it.
    pub fn within_ms(&self, reboot: bool) -> u32 {
        let Device {
            reboot: both,
            off,
            on,
            ..
        } = &self.device;
        let again = if reboot { on.timeout_ms } else { 0 };
        self.delay_base_ms
            .max(self.delay_max_ms)
            .saturating_add(self.asked_ms())
            .saturating_add(both.timeout_ms.max(off.timeout_ms))
            .saturating_add(again)
    }

    /// How long it may take to let the host in again, milliseconds: with the question what the
    /// agent can do.
    pub fn unfenced_within_ms(&self) -> u32 {
        let Device { on, status, .. } = &self.device;
        self.asked_ms()
            .saturating_add(status.timeout_ms)
            .saturating_add(on.timeout_ms)
    }

    /// How long it may take to find out whether the device is for the host, milliseconds.
    fn asked_ms(&self) -> u32 {
        let Device { list, status, .. } = &self.device;
        match self.device.check {
            HostCheck::Static | HostCheck::Any => 0,
            HostCheck::List => list.timeout_ms,
            HostCheck::Status => status.timeout_ms,
            HostCheck::Ask => list.timeout_ms.saturating_add(status.timeout_ms),
        }
    }
}

/// Whether a level of devices only cuts a host off, which then runs on.
pub fn only_cuts_off(level: &[DeviceUse]) -> bool {
    level.iter().all(|used| used.device.unfences)
}
