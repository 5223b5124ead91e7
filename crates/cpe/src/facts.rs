//! What this daemon has to know of what a document says: what it takes of the world that it shares
//! with other deployments, how long its lease is, and how large it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use deployment::{Address, Assembly, Deployment, FencingMode, Heartbeat, Parameter};

/// What a document says, as far as it concerns this daemon.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    /// What only one deployment may use, and the assembly that uses it.
    pub claims: BTreeMap<Claim, String>,
    /// How long services run on without their DPE.
    pub lease: Duration,
    /// Names.
    pub assemblies: BTreeSet<String>,
    pub services: usize,
    /// See [`Deployment::placements`].
    pub placements: u64,
}

/// Something that two deployments must not use at the same time: each would take the other's guest
/// for its own, or switch it off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    pub(crate) fn of(deployment: &Deployment) -> Facts {
        let claims = deployment.assemblies.iter().flat_map(|assembly| {
            let claims = [address(assembly), device(assembly)];
            let named = |claim| (claim, assembly.name.clone());
            claims.into_iter().flatten().map(named)
        });
        Facts {
            claims: claims.collect(),
            lease: deployment.heartbeat.lease,
            assemblies: deployment
                .assemblies
                .iter()
                .map(|own| own.name.clone())
                .collect(),
            services: deployment.services.len(),
            placements: deployment.placements(),
        }
    }

    /// Of a document that this version cannot read.
    pub(crate) fn unknown() -> Facts {
        Facts {
            claims: BTreeMap::new(),
            lease: Heartbeat::default().lease,
            assemblies: BTreeSet::new(),
            services: 0,
            placements: 0,
        }
    }
}

fn address(assembly: &Assembly) -> Option<Claim> {
    let address = match assembly.address.as_ref()? {
        // One spelling of `/run//a/./agent.sock`.
        Address::Unix(path) => Address::Unix(path.components().collect::<PathBuf>()),
        Address::Tcp { host, port } => Address::Tcp {
            host: host.to_ascii_lowercase(),
            port: *port,
        },
    };
    Some(Claim::Address(address.to_string()))
}

fn device(assembly: &Assembly) -> Option<Claim> {
    match &assembly.fencing.mode {
        FencingMode::Unit { unit } => Some(Claim::Unit(unit.clone())),
        FencingMode::Agent { agent, parameters } => {
            let mut words: Vec<String> = parameters
                .iter()
                .filter(|parameter| says_which(parameter))
                .map(|parameter| format!("{}={}", parameter.name, parameter.value))
                .collect();
            words.sort();
            words.insert(0, agent.clone());
            Some(Claim::Device(words.join(" ")))
        }
        FencingMode::Lease | FencingMode::Manager | FencingMode::None => None,
    }
}

/// Whether a parameter of a fence agent says which machine is meant, rather than who asks and how
/// patiently.
fn says_which(parameter: &Parameter) -> bool {
    const HOW: [&str; 11] = [
        "pass", "passwd", "login", "user", "secret", "key", "identity", "timeout", "delay",
        "retry", "wait",
    ];
    let name = parameter.name.to_ascii_lowercase();
    !HOW.iter().any(|how| name.contains(how))
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
            ]
        );
    }
}
