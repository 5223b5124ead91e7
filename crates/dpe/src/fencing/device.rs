//! Fencing devices of a document's `<configuration>`: a level of them makes an assembly safe, and
//! each says whether it is well.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use controller::{Device, DeviceCheck, DeviceUse, HostArgument, HostCheck};

use super::agent::{Again, Agent, Ended, Gate, Metadata, STATUS_FAILED, STATUS_OFF};

/// Makes an assembly safe with all devices of a level, in order. Of several each switches only a
/// part of the power: all are switched off before the first is switched on again. Gives those that
/// are to be switched on.
pub(super) async fn level(
    gate: &Gate,
    devices: &[DeviceUse],
    reboot: bool,
    trouble: &Mutex<String>,
) -> anyhow::Result<Again> {
    let mut again = Again::default();
    let alone = devices.len() == 1;
    for used in devices {
        let device = &used.device;
        // Of what is switched off and on again one after the other nothing is ever off.
        if !alone && device.off.action != "off" {
            bail!(
                "{} does not switch off, so it is of no use beside others",
                device.id
            );
        }
        let switched = async {
            let ready = Ready::new(gate, used).await?;
            tokio::time::sleep(delay(used)).await;
            let is_off = ready
                .agent
                .power(&ready.known, reboot && alone && !device.unfences, trouble)
                .await?;
            anyhow::Ok((ready.agent.host, is_off))
        };
        let (host, is_off) = switched.await.with_context(|| device.id.clone())?;
        let all_off = reboot && !alone && device.reboot.action == "reboot";
        // What unfences is asked when the guest has booted, and not before.
        if (is_off || all_off) && !device.unfences {
            again.add(gate, &used.host, device, host);
        }
    }
    Ok(again)
}

/// A device that is for the host that is meant, and can be told so.
pub(super) struct Ready<'a> {
    pub agent: Agent<'a>,
    pub known: Metadata,
}

/// A device is for other hosts.
#[derive(Debug)]
pub(super) struct NotForIt(String);

impl std::fmt::Display for NotForIt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotForIt {}

impl<'a> Ready<'a> {
    /// # Errors
    /// [`NotForIt`] if the device lists its hosts, and not this one, or is well and knows no status
    /// of it.
    pub(super) async fn new(gate: &'a Gate, used: &'a DeviceUse) -> anyhow::Result<Ready<'a>> {
        let mut agent = Agent::new(gate, &used.host, &used.device);
        let limit = Duration::from_millis(used.device.status.timeout_ms.into());
        let known = tokio::time::timeout(limit, agent.metadata()).await;
        let known = known.context("it does not say in time what it knows")??;
        agent.host = host(used, &known)?;
        is_for(used, &agent, &known).await?;
        Ok(Ready { agent, known })
    }
}

/// Switches the power of an assembly on, with the devices of a level.
pub(super) async fn on(gate: &Gate, devices: &[DeviceUse]) -> anyhow::Result<()> {
    for used in devices {
        let switched = async {
            let ready = Ready::new(gate, used).await?;
            if !ready.known.knows(&used.device.on.action) {
                bail!("{} cannot switch on", used.device.agent);
            }
            ready.agent.switch_on(&ready.known).await
        };
        switched.await.with_context(|| used.device.id.clone())?;
    }
    Ok(())
}

/// The parameters that say which host is meant. An agent that cannot be told may be used for one
/// host only: it would switch the same machine for all.
pub(super) fn host(used: &DeviceUse, known: &Metadata) -> anyhow::Result<Vec<(String, String)>> {
    let port = match &used.device.host_argument {
        // What it does not know it would ignore, and switch the same machine for all.
        HostArgument::Named(name) => {
            Some(name.as_str()).filter(|name| known.takes(name) || used.alone)
        }
        HostArgument::Known => ["plug", "port"].into_iter().find(|name| known.takes(name)),
        HostArgument::Unneeded => None,
    };
    let port = port.map(|name| (name.to_owned(), used.port.clone()));
    let node = known.takes("nodename");
    if port.is_none() && !node && !used.alone {
        bail!(
            "{} cannot be told which host is meant, so the device must name one host only (pcmk_host_list)",
            used.device.agent
        );
    }
    let node = node.then(|| ("nodename".to_owned(), used.host.clone()));
    Ok(port.into_iter().chain(node).collect())
}

/// Makes sure that the device is for that host.
async fn is_for(used: &DeviceUse, agent: &Agent<'_>, known: &Metadata) -> anyhow::Result<()> {
    let device = &used.device;
    let check = match device.check {
        HostCheck::Ask if known.knows(&device.list.action) => HostCheck::List,
        HostCheck::Ask if known.knows(&device.status.action) => HostCheck::Status,
        HostCheck::Ask => HostCheck::Any,
        check => check,
    };
    match check {
        HostCheck::Static | HostCheck::Any | HostCheck::Ask => Ok(()),
        HostCheck::List => {
            let limit = Duration::from_millis(device.list.timeout_ms.into());
            let listed = tokio::time::timeout(limit, agent.run(&device.list.action)).await;
            let listed = listed.context("it does not list its hosts in time")??;
            if !listed.is_success() {
                bail!("{} does not list its hosts: {}", device.agent, listed.how());
            }
            match lists(&listed.said, &used.port) {
                true => Ok(()),
                false => bail!(NotForIt(format!(
                    "it is not for {}: it does not list \"{}\"",
                    used.host, used.port
                ))),
            }
        }
        HostCheck::Status => {
            let limit = Duration::from_millis(device.status.timeout_ms.into());
            let status = tokio::time::timeout(limit, agent.run(&device.status.action)).await;
            let status = status.context("it does not tell the status in time")??;
            match status.code {
                Some(0 | STATUS_OFF) => Ok(()),
                _ => Err(without_status(used, agent, &status).await),
            }
        }
    }
}

/// What it means that a device tells no status of a host: it is for others only if it is well. An
/// agent ends with 1 after nearly every failure, also where its device cannot be reached.
async fn without_status(used: &DeviceUse, agent: &Agent<'_>, status: &Ended) -> anyhow::Error {
    let how = format!("\"status\" ends with {}", status.how());
    let unknown = format!("it does not say whether it is for {}: {how}", used.host);
    if status.code != Some(STATUS_FAILED) {
        return anyhow!(unknown);
    }
    match is_well(agent.gate, &used.device).await {
        Ok(()) => anyhow!(NotForIt(format!("it is not for {}: {how}", used.host))),
        Err(error) => anyhow!("{unknown}, and the device is not well: {error:#}"),
    }
}

/// Whether the output of `list` names a host. A line has a port, then other names and the state,
/// separated by commas or blanks.
fn lists(output: &str, port: &str) -> bool {
    output.lines().any(|line| {
        let mut words = line.split([',', ' ', '\t', ';', '=', ':']);
        words.any(|word| word.eq_ignore_ascii_case(port))
            || line
                .split(',')
                .any(|word| word.trim().eq_ignore_ascii_case(port))
    })
}

/// How long to wait before a host is switched off: between the bounds of the document, by chance.
fn delay(used: &DeviceUse) -> Duration {
    let (base, most) = (u64::from(used.delay_base_ms), u64::from(used.delay_max_ms));
    let chance = match most.checked_sub(base) {
        Some(range @ 1..) => RandomState::new().build_hasher().finish() % (range + 1),
        _ => 0,
    };
    Duration::from_millis(base + chance)
}

/// Asks a device whether it is well.
pub(crate) async fn check(gate: &Gate, check: &DeviceCheck) -> Result<(), String> {
    let limit = Duration::from_millis(check.timeout_ms.into());
    match tokio::time::timeout(limit, is_well(gate, &check.device)).await {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("{} does not answer in time", check.device.agent)),
    }
}

/// # Errors
/// If the device as such, whatever the host, is not well: what its agent says.
async fn is_well(gate: &Gate, device: &Device) -> anyhow::Result<()> {
    let agent = Agent::new(gate, "", device);
    let command = &device.monitor;
    // A status is good whatever it says: the device answers.
    if command.action == "status" {
        let ended = agent.run("status").await?;
        if ended.code == Some(STATUS_OFF) {
            return Ok(());
        }
    }
    agent.succeed(command).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(argument: HostArgument, alone: bool) -> DeviceUse {
        let mut used = DeviceUse {
            host: "web1".into(),
            port: "7".into(),
            alone,
            ..DeviceUse::default()
        };
        used.device.host_argument = argument;
        used
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn an_agent_is_told_the_host_by_what_it_knows() {
        let metadata = |names: &[&str]| {
            let names = names.iter();
            Metadata(
                names
                    .map(|name| format!("<parameter name=\"{name}\" unique=\"1\">"))
                    .collect(),
            )
        };
        let both = metadata(&["ip", "port", "plug", "nodename"]);
        let told = host(&used(HostArgument::Known, false), &both).unwrap();
        assert_eq!(told, [pair("plug", "7"), pair("nodename", "web1")]);
        let uuid = || HostArgument::Named("uuid".into());
        let told = host(&used(uuid(), false), &metadata(&["uuid"])).unwrap();
        assert_eq!(told, [pair("uuid", "7")]);
        assert!(
            host(&used(uuid(), false), &metadata(&["ip"])).is_err(),
            "it would be ignored"
        );
        let told = host(&used(HostArgument::Known, true), &metadata(&["ip"])).unwrap();
        assert!(told.is_empty());
    }

    #[test]
    fn an_agent_that_cannot_be_told_is_for_one_host_only() {
        let error = host(&used(HostArgument::Known, false), &Metadata(String::new()));
        assert!(error.unwrap_err().to_string().contains("one host only"));
    }

    #[test]
    fn a_list_has_ports_and_other_names() {
        let output = "web1,vm one,on\n4c1d-77 web2 off\n";
        for listed in ["web1", "vm one", "4c1d-77", "WEB2"] {
            assert!(lists(output, listed), "{listed}");
        }
        assert!(!lists(output, "web") && !lists(output, "web11"));
    }

    #[test]
    fn a_delay_is_between_its_bounds() {
        let with = |base, most| {
            let used = DeviceUse {
                delay_base_ms: base,
                delay_max_ms: most,
                ..DeviceUse::default()
            };
            delay(&used).as_millis()
        };
        assert_eq!(with(0, 0), 0);
        assert_eq!(with(5, 0), 5, "a base alone is for certain");
        assert!((0..100).all(|_| (3..=9).contains(&with(3, 9))));
    }
}
