//! What a guest without our agent is called in its network: the same that our agent would tell.
//!
//! The QEMU guest agent says its name and its addresses. The helper says what no call does: by
//! which address the guest reaches others, and which interfaces are down. Where a call is blocked,
//! or there are too many interfaces for one answer, the helper says that too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cpe_bus::GuestFacts;
use cpe_bus::records::facts::InterfaceAddress;
use serde_json::Value;

use super::super::stream::End;
use super::guest::Guest;

const NAME: &str = "guest-get-host-name";
const INTERFACES: &str = "guest-network-get-interfaces";

/// Which calls a guest agent allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    has_name: bool,
    has_interfaces: bool,
}

/// What the helper says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    name: Option<String>,
    /// Addresses that the kernel takes for a way out, the best first.
    sources: Vec<IpAddr>,
    down: BTreeSet<String>,
    /// `None`: the guest agent is to be asked.
    addresses: Option<Vec<InterfaceAddress>>,
}

impl Network {
    pub(super) fn of(is_allowed: impl Fn(&str) -> bool) -> Network {
        Network {
            has_name: is_allowed(NAME),
            has_interfaces: is_allowed(INTERFACES),
        }
    }

    /// What holds now, by the names that references of documents have for it.
    pub(super) async fn look(self, guest: &mut Guest<'_>) -> Result<BTreeMap<String, String>, End> {
        let name = match self.has_name {
            true => guest.ask(NAME).await?,
            false => None,
        };
        let name = name.and_then(|name| Some(name["host-name"].as_str()?.to_owned()));
        let wants = [
            ("name", name.is_none()),
            ("addresses", !self.has_interfaces),
        ];
        let wants = wants.iter().filter(|(_, wanted)| *wanted);
        let wants: Vec<&str> = wants.map(|(what, _)| *what).collect();
        let mut said = Said::read(&guest.network(&wants).await?);
        if said.addresses.is_none() {
            said.addresses = match guest.ask(INTERFACES).await? {
                Some(interfaces) => Some(addresses(&interfaces)),
                None => Said::read(&guest.network(&["addresses"]).await?).addresses,
            };
        }
        Ok(said.facts(name).values())
    }
}

impl Said {
    /// Lines of words; the last one may be cut off, and does not count then.
    fn read(text: &[u8]) -> Said {
        let mut said = Said::default();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or_default();
            let line = std::str::from_utf8(line).unwrap_or_default();
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["name", name] => said.name = Some((*name).to_owned()),
                ["source", address] => said.sources.extend(address.parse::<IpAddr>().ok()),
                ["down", interface] => drop(said.down.insert((*interface).to_owned())),
                ["addresses"] => said.addresses = Some(Vec::new()),
                ["address", interface, address] => {
                    if let Some(addresses) = &mut said.addresses {
                        addresses.extend(one(interface, address));
                    }
                }
                _ => {}
            }
        }
        said
    }

    fn facts(self, name: Option<String>) -> GuestFacts {
        let mut addresses = self.addresses.unwrap_or_default();
        addresses.retain(|own| !self.down.contains(&own.interface));
        let is_own = |source: &IpAddr| addresses.iter().any(|own| own.address == *source);
        GuestFacts {
            host_name: name.or(self.name).unwrap_or_default(),
            primary: self.sources.into_iter().find(is_own),
            addresses,
        }
        .checked()
    }
}

/// Those of the answer to [`INTERFACES`].
fn addresses(interfaces: &Value) -> Vec<InterfaceAddress> {
    let all = interfaces.as_array().into_iter().flatten();
    let of_one = |interface: &Value| -> Vec<InterfaceAddress> {
        let name = interface["name"].as_str().unwrap_or_default();
        let own = interface["ip-addresses"].as_array().into_iter().flatten();
        own.filter_map(|own| one(name, own["ip-address"].as_str()?))
            .collect()
    };
    all.flat_map(of_one).collect()
}

/// `ADDRESS` or `ADDRESS/PREFIX` of an interface.
fn one(interface: &str, address: &str) -> Option<InterfaceAddress> {
    let address = address.split('/').next()?;
    Some(InterfaceAddress {
        interface: interface.split('@').next()?.to_owned(),
        address: address.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_helper_says_the_way_out_and_what_is_down() {
        let said = Said::read(b"down ens3\nsource 2001:db8::9\nsource 192.0.2.8\nname web1\n");
        let interfaces = json!([
            {"name": "ens3", "ip-addresses": [{"ip-address": "192.0.2.3"}]},
            {"name": "docker0", "ip-addresses": [{"ip-address": "172.17.0.1"}]},
            {"name": "ens4", "ip-addresses": [{"ip-address": "192.0.2.8"}, {"ip-address": 7}, 7]},
            7,
        ]);
        let said = Said {
            addresses: Some(addresses(&interfaces)),
            ..said
        };
        let values = said.facts(None).values();
        assert_eq!(values["ipaddress"], "192.0.2.8");
        assert_eq!(values["hostname"], "web1");
        assert!(!values.contains_key("ipaddress.ens3"), "{values:?}");
        assert_eq!(values["ipaddress.docker0"], "172.17.0.1");
        assert_eq!(addresses(&json!({"name": "ens3"})), []);
    }

    #[test]
    fn a_line_that_is_cut_off_does_not_count() {
        let said = Said::read(b"addresses\naddress ens3@if7 192.0.2.3/24\naddress ens4 192.0.2.1");
        let own = one("ens3", "192.0.2.3").unwrap();
        assert_eq!(said.addresses, Some(vec![own]));
        assert_eq!(Said::read(b"done 0\n").addresses, None);
        assert_eq!(Said::read(b"\xff\naddress  \n"), Said::default());
    }
}
