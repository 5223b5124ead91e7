//! What this daemon has to know of what a document says: what it takes of the world that it shares
//! with other deployments, how long its lease is, and how large it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use deployment::{
    Address, Assembly, Deployment, DeviceUse, FencingMode, Heartbeat, HostArgument, HostCheck,
};
use serde::{Deserialize, Serialize};

/// What a document says, as far as it concerns this daemon.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    /// How much of it is known.
    pub known: Known,
    /// What only one deployment may use, and the assembly that uses it.
    pub claims: BTreeMap<Claim, String>,
    /// How long services run on without their DPE.
    pub lease: Duration,
    /// Names.
    pub assemblies: BTreeSet<String>,
    /// Hosts on which assemblies run, as the document says.
    pub hosts: BTreeSet<String>,
    pub services: usize,
    /// See [`Deployment::placements`].
    pub placements: u64,
}

/// How much of what a document says is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    All,
    /// What it claims, from when it was stored: it cannot be read.
    Claims,
    Nothing,
}

/// Something that two deployments must not use at the same time: each would take the other's guest
/// for its own, or switch it off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Claim {
    /// Where a guest's agent listens.
    Address(String),
    /// The unit of the host that is stopped and started to fence a guest.
    Unit(String),
    /// The fence agent and the parameters that say which machine it switches.
    Device(String),
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Claim::Address(address) => write!(f, "address {address}"),
            Claim::Unit(unit) => write!(f, "fencing unit {unit}"),
            Claim::Device(device) => write!(f, "fencing device {device}"),
        }
    }
}

impl Facts {
    /// The addresses of the guests, and their assemblies.
    pub(crate) fn guests(&self) -> BTreeMap<String, String> {
        let guests = self
            .claims
            .iter()
            .filter_map(|(claim, assembly)| match claim {
                Claim::Address(address) => Some((address.clone(), assembly.clone())),
                Claim::Unit(_) | Claim::Device(_) => None,
            });
        guests.collect()
    }

    pub(crate) fn of(deployment: &Deployment) -> Facts {
        let claims = deployment.assemblies.iter().flat_map(|assembly| {
            let claims = address(assembly).into_iter().chain(devices(assembly));
            claims.map(|claim| (claim, assembly.name.clone()))
        });
        Facts {
            known: Known::All,
            claims: claims.collect(),
            lease: deployment.heartbeat.lease,
            assemblies: deployment
                .assemblies
                .iter()
                .map(|own| own.name.clone())
                .collect(),
            hosts: deployment
                .assemblies
                .iter()
                .filter_map(|own| own.host.clone())
                .collect(),
            services: deployment.services.len(),
            placements: deployment.placements(),
        }
    }

    /// What is claimed, for when the document cannot be read any more.
    pub(crate) fn claims_to_store(&self) -> String {
        let claims: Vec<_> = self.claims.iter().collect();
        // Names and texts; nothing of that can be no JSON.
        serde_json::to_string(&claims).unwrap_or_default()
    }

    /// Of a deployment that is there no more.
    pub(crate) fn of_none() -> Facts {
        Facts {
            known: Known::All,
            ..Facts::unread("")
        }
    }

    /// Of a document that this version cannot read; `stored`: what it claims, as it was stored.
    pub(crate) fn unread(stored: &str) -> Facts {
        let claims = serde_json::from_str::<Vec<(Claim, String)>>(stored);
        Facts {
            known: match claims {
                Ok(_) => Known::Claims,
                Err(_) => Known::Nothing,
            },
            claims: claims.into_iter().flatten().collect(),
            lease: Heartbeat::default().lease,
            assemblies: BTreeSet::new(),
            hosts: BTreeSet::new(),
            services: 0,
            placements: 0,
        }
    }
}

fn address(assembly: &Assembly) -> Option<Claim> {
    let place = match assembly.address.as_ref()? {
        // One spelling of `/run//a/./agent.sock`.
        Address::Unix(path) => Address::Unix(path.components().collect::<PathBuf>()).place(),
        Address::QemuGa(path) => Address::QemuGa(path.components().collect()).place(),
        other => other.place(),
    };
    Some(Claim::Address(place))
}

/// What makes it safe, and what lets it in: whoever may do the one or the other to a guest.
fn devices(assembly: &Assembly) -> Vec<Claim> {
    let lets_in = assembly.unfenced_by.iter();
    let lets_in = lets_in.filter(|used| used.device.check == HostCheck::Static);
    let mut claims = made_safe_by(assembly);
    claims.extend(
        lets_in
            .map(used)
            .filter(|claim| !claims.contains(claim))
            .collect::<Vec<_>>(),
    );
    claims
}

fn made_safe_by(assembly: &Assembly) -> Vec<Claim> {
    match &assembly.fencing.mode {
        FencingMode::Unit { unit } => vec![Claim::Unit(unit.clone())],
        FencingMode::Agent { agent, parameters } => {
            // What only the document's readers may know is not for owners of others.
            let told = parameters.iter().filter(|own| !own.secret);
            let told = told.map(|own| (own.name.clone(), own.value.clone()));
            let claim = |plug: Option<&str>| {
                let plug = plug.map(|name| (name.to_owned(), assembly.name.clone()));
                device(agent, told.clone().chain(plug))
            };
            let says_plug = parameters
                .iter()
                .any(|own| PLUGS.contains(&own.name.as_str()));
            // Without one the agent is told the assembly's name, if it takes one.
            let plugs = PLUGS.map(Some).into_iter().filter(|_| !says_plug);
            plugs.chain([None]).map(claim).collect()
        }
        FencingMode::Devices(levels) => {
            let named = levels.iter().flatten();
            // What a device is for by its own word is not known here.
            let named = named.filter(|used| used.device.check == HostCheck::Static);
            named.map(used).collect()
        }
        FencingMode::Lease | FencingMode::Manager | FencingMode::None => Vec::new(),
    }
}

/// Parameters by which an agent is told which machine is meant.
const PLUGS: [&str; 2] = ["plug", "port"];

/// A device of the configuration, with the port that it has for an assembly.
fn used(used: &DeviceUse) -> Claim {
    let port = match &used.device.host_argument {
        HostArgument::Known => Some("port"),
        HostArgument::Named(name) => Some(name.as_str()),
        HostArgument::Unneeded => None,
    };
    // The port of a device for one host is its name in the document, and switches nothing else.
    let port = port.filter(|_| !used.alone || used.port != used.host);
    let port = port.map(|name| (name.to_owned(), used.port.clone()));
    let parameters = used.device.parameters.iter().cloned().chain(port);
    device(&used.device.agent, parameters)
}

fn device(agent: &str, parameters: impl Iterator<Item = (String, String)>) -> Claim {
    let mut words: Vec<String> = parameters
        .filter(|(name, _)| says_which(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    words.sort();
    words.insert(0, agent.to_owned());
    Claim::Device(words.join(" "))
}

/// Whether a parameter of a fence agent says which machine is meant, rather than who asks and how
/// patiently.
fn says_which(name: &str) -> bool {
    const HOW: [&str; 11] = [
        "pass", "passwd", "login", "user", "secret", "key", "identity", "timeout", "delay",
        "retry", "wait",
    ];
    let name = name.to_ascii_lowercase();
    !HOW.iter().any(|how| name.contains(how)) && !deployment::is_secret(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(assemblies: &str) -> Vec<String> {
        let document = format!(
            r#"<deployable name="shop"><assemblies>{assemblies}</assemblies></deployable>"#
        );
        let deployment = deployment::read(document.as_bytes()).unwrap();
        let claims = Facts::of(&deployment).claims;
        claims.keys().map(Claim::to_string).collect()
    }

    #[test]
    fn an_address_is_the_same_in_every_spelling() {
        assert_eq!(
            claims(r#"<assembly name="a" address="unix:/run//web/./agent.sock"/>"#),
            ["address unix:/run/web/agent.sock"]
        );
        assert_eq!(
            claims(r#"<assembly name="a" address="tcp:Web1.Example:7"/>"#),
            ["address tcp:web1.example:7"]
        );
    }

    #[test]
    fn a_device_is_what_it_switches_not_how_it_is_asked() {
        let found = claims(
            r#"<assembly name="a" address="unix:/run/a"><fencing mode="agent" agent="fence_ipmilan"><parameters>
                 <parameter name="ip" value="10.0.0.7"/><parameter name="username" value="admin"/>
                 <parameter name="password" value="hush"/><parameter name="power_timeout" value="20"/></parameters>
               </fencing></assembly>
               <assembly name="b" address="unix:/run/b"><fencing mode="unit" unit="vm@b.service"/></assembly>"#,
        );
        assert_eq!(
            found,
            [
                "address unix:/run/a",
                "address unix:/run/b",
                "fencing unit vm@b.service",
                "fencing device fence_ipmilan ip=10.0.0.7",
                "fencing device fence_ipmilan ip=10.0.0.7 plug=a",
                "fencing device fence_ipmilan ip=10.0.0.7 port=a",
            ]
        );
        let found = claims(
            r#"<assembly name="a" address="unix:/run/a"><fencing mode="agent" agent="fence_virsh"><parameters>
                 <parameter name="ip" value="h1"/><parameter name="plug" value="vm-17"/>
                 <parameter name="token_value" value="hush"/></parameters></fencing></assembly>"#,
        );
        assert_eq!(found[1..], ["fencing device fence_virsh ip=h1 plug=vm-17"]);
        let marked = claims(
            r#"<assembly name="a" address="unix:/run/a"><fencing mode="agent" agent="fence_board"><parameters>
                 <parameter name="ip" value="h1"/><parameter name="plug" value="1"/>
                 <parameter name="code" value="hush" secret="true"/></parameters></fencing></assembly>"#,
        );
        assert_eq!(marked[1..], ["fencing device fence_board ip=h1 plug=1"]);
    }

    #[test]
    fn a_port_that_a_guest_is_let_in_through_is_claimed_whatever_makes_it_safe() {
        let document = r#"<deployable name="shop"><assemblies>
               <assembly name="a" address="unix:/run/a"><fencing mode="lease"/></assembly></assemblies>
             <configuration><resources>
               <primitive id="switch" class="stonith" type="fence_ifmib">
                 <meta_attributes id="m"><nvpair id="m1" name="provides" value="unfencing"/></meta_attributes>
                 <instance_attributes id="p"><nvpair id="p1" name="ip" value="10.0.0.7"/>
                 <nvpair id="p2" name="pcmk_host_map" value="a:7"/></instance_attributes></primitive>
             </resources></configuration></deployable>"#;
        let deployment = deployment::read(document.as_bytes()).unwrap();
        let claims = Facts::of(&deployment).claims;
        let claims: Vec<String> = claims.keys().map(Claim::to_string).collect();
        assert_eq!(
            claims,
            [
                "address unix:/run/a",
                "fencing device fence_ifmib ip=10.0.0.7 port=7"
            ]
        );
    }

    #[test]
    fn a_device_of_the_configuration_is_claimed_for_each_port() {
        let document = r#"<deployable name="shop"><assemblies>
               <assembly name="a" address="unix:/run/a"/><assembly name="b" address="unix:/run/b"/></assemblies>
             <configuration><resources>
               <primitive id="pdu" class="stonith" type="fence_apc"><instance_attributes id="p">
                 <nvpair id="p1" name="ip" value="10.0.0.7"/><nvpair id="p2" name="passwd" value="hush"/>
                 <nvpair id="p3" name="pcmk_host_map" value="a:1;b:2"/></instance_attributes></primitive>
               <primitive id="bmc" class="stonith" type="fence_ipmilan"><instance_attributes id="i">
                 <nvpair id="i1" name="ip" value="10.0.0.8"/>
                 <nvpair id="i2" name="pcmk_host_list" value="a"/></instance_attributes></primitive>
             </resources></configuration></deployable>"#;
        let deployment = deployment::read(document.as_bytes()).unwrap();
        let claims = Facts::of(&deployment).claims;
        let devices = claims
            .iter()
            .filter(|(claim, _)| matches!(claim, Claim::Device(_)));
        let devices: Vec<_> = devices
            .map(|(claim, user)| format!("{claim}: {user}"))
            .collect();
        assert_eq!(
            devices,
            [
                "fencing device fence_apc ip=10.0.0.7 port=1: a",
                "fencing device fence_apc ip=10.0.0.7 port=2: b",
                "fencing device fence_ipmilan ip=10.0.0.8: a",
            ]
        );
    }
}
