//! What an agent tells of its guest in its network: host name and addresses.
//!
//! Parameters of services refer to them. A guest's text is not believed: only host names, addresses
//! and names of interfaces get through, at the agent that tells them and again at the DPE that
//! hears them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::MAX_ID;
use crate::Result;
use crate::fields::{Fields, Reader, put};

/// Most addresses that a guest tells. A host of containers has more; those of the first interfaces
/// count.
pub const MAX_ADDRESSES: usize = 64;
/// Longest host name in the domain name system, in bytes.
const MAX_HOST_NAME: usize = 253;
/// Longest name of an interface in Linux, in bytes.
const MAX_INTERFACE: usize = 15;

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// `eth0`.
    pub interface: String,
    /// One that other hosts can reach: neither of the host itself nor of one link only.
    pub address: IpAddr,
}

/// What an agent knows of its guest in its network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestFacts {
    /// As the guest's kernel has it; empty: none that is a host name.
    pub host_name: String,
    /// The address by which the guest reaches others.
    pub primary: Option<IpAddr>,
    /// By interface, in the guest's order.
    pub addresses: Vec<InterfaceAddress>,
}

impl GuestFacts {
    /// Only what is a host name or an address of use, and within the bounds.
    #[must_use]
    pub fn checked(mut self) -> GuestFacts {
        if !is_host_name(&self.host_name) {
            self.host_name.clear();
        }
        let is_own = |own: &InterfaceAddress| is_interface(&own.interface);
        let keep = |own: &InterfaceAddress| is_own(own) && is_reachable(own.address);
        self.addresses.retain(keep);
        self.addresses.truncate(MAX_ADDRESSES);
        let addresses = &self.addresses;
        let has = |primary: &IpAddr| addresses.iter().any(|own| own.address == *primary);
        self.primary = self.primary.filter(has);
        self
    }

    /// As `a{sv}`.
    pub fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put(&mut fields, "host_name", self.host_name.as_str());
        let primary = self.primary.map(|address| address.to_string());
        put(&mut fields, "primary", primary.unwrap_or_default());
        let one = |own: &InterfaceAddress| format!("{} {}", own.interface, own.address);
        let addresses: Vec<String> = self.addresses.iter().map(one).collect();
        put(&mut fields, "addresses", addresses);
        fields
    }

    /// Reads them. Whatever is not a host name or an address is left out.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] naming the key: a type is wrong, or there is too much.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("facts of a guest", fields);
        let addresses = reader.list("addresses", MAX_ADDRESSES, MAX_ID)?;
        let address = |text: &String| {
            let (interface, address) = text.split_once(' ')?;
            Some(InterfaceAddress {
                interface: interface.to_owned(),
                address: address.parse().ok()?,
            })
        };
        let facts = GuestFacts {
            host_name: reader.text("host_name", MAX_ID)?,
            primary: reader.text("primary", MAX_ID)?.parse().ok(),
            addresses: addresses.iter().filter_map(address).collect(),
        };
        Ok(facts.checked())
    }

    /// By the names that references of documents have for them: `hostname`, `ipaddress` (the
    /// primary one), `ipaddress4`, `ipaddress6`, and `ipaddress.eth0` of each interface. Of several
    /// addresses, that of the fourth version comes first.
    pub fn values(&self) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        if !self.host_name.is_empty() {
            values.insert("hostname".to_owned(), self.host_name.clone());
        }
        let mut own: Vec<&InterfaceAddress> = self.addresses.iter().collect();
        own.sort_by_key(|own| own.address.is_ipv6());
        for own in &own {
            let name = format!("ipaddress.{}", own.interface);
            values
                .entry(name)
                .or_insert_with(|| own.address.to_string());
        }
        let first = |v6: bool| {
            let primary = self.primary.filter(|address| address.is_ipv6() == v6);
            let mut all = own.iter().map(|own| own.address);
            primary.or_else(|| all.find(|address| address.is_ipv6() == v6))
        };
        let primary = self
            .primary
            .or_else(|| first(false))
            .or_else(|| first(true));
        for (name, address) in [
            ("ipaddress", primary),
            ("ipaddress4", first(false)),
            ("ipaddress6", first(true)),
        ] {
            if let Some(address) = address {
                values.insert(name.to_owned(), address.to_string());
            }
        }
        values
    }
}

/// Labels of letters, digits, `-` and `_` between dots.
fn is_host_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(allowed);
    text.len() <= MAX_HOST_NAME && text.split('.').all(is_label)
}

fn is_interface(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte);
    (1..=MAX_INTERFACE).contains(&name.len()) && name.bytes().all(allowed)
}

/// Another host may reach it.
fn is_reachable(address: IpAddr) -> bool {
    let is_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !is_local && !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(host_name: &str, primary: &str, addresses: &[(&str, &str)]) -> GuestFacts {
        let one = |(interface, address): &(&str, &str)| InterfaceAddress {
            interface: (*interface).to_owned(),
            address: address.parse().unwrap(),
        };
        GuestFacts {
            host_name: host_name.to_owned(),
            primary: primary.parse().ok(),
            addresses: addresses.iter().map(one).collect(),
        }
    }

    #[test]
    fn it_reads_what_it_wrote() {
        let own = facts(
            "db1.example",
            "10.0.0.5",
            &[("eth0", "10.0.0.5"), ("eth0", "fd00::5")],
        );
        assert_eq!(GuestFacts::from_fields(&own.to_fields()).unwrap(), own);
        let none = GuestFacts::default();
        assert_eq!(GuestFacts::from_fields(&none.to_fields()).unwrap(), none);
    }

    #[test]
    fn what_a_guest_says_is_a_host_name_or_an_address_or_left_out() {
        for name in [
            "",
            "a b",
            "a;rm",
            "$(id)",
            "a..b",
            "-".repeat(64).as_str(),
            "ä",
        ] {
            assert_eq!(facts(name, "", &[]).checked().host_name, "", "{name:?}");
        }
        assert_eq!(facts("Web_1-a.b", "", &[]).checked().host_name, "Web_1-a.b");
        let addresses = [
            ("lo", "127.0.0.1"),
            ("eth0", "169.254.1.1"),
            ("eth0", "fe80::1"),
            ("eth0", "224.0.0.1"),
            ("eth 0", "10.0.0.1"),
            ("an-interface-too-long", "10.0.0.1"),
            ("eth0", "10.0.0.1"),
        ];
        let checked = facts("", "10.0.0.9", &addresses).checked();
        assert_eq!(checked, facts("", "", &[("eth0", "10.0.0.1")]));
        let mut lies = facts("x", "", &[]).to_fields();
        put(&mut lies, "primary", "10.0.0.1\n");
        put(
            &mut lies,
            "addresses",
            vec!["eth0", "eth0 nothing", "eth0 10.0.0.7"],
        );
        let read = GuestFacts::from_fields(&lies).unwrap();
        assert_eq!(read, facts("x", "", &[("eth0", "10.0.0.7")]));
    }

    #[test]
    fn what_a_guest_says_is_bounded() {
        let address = ("eth0", "10.0.0.1");
        let many = facts("", "", &vec![address; MAX_ADDRESSES + 1]);
        assert!(GuestFacts::from_fields(&many.to_fields()).is_err());
        assert_eq!(many.checked().addresses.len(), MAX_ADDRESSES);
    }

    #[test]
    fn the_names_of_references_have_one_value_each() {
        let own = facts(
            "db1",
            "10.1.0.5",
            &[
                ("eth0", "fd00::5"),
                ("eth0", "10.0.0.5"),
                ("eth1", "10.1.0.5"),
            ],
        );
        let values = own.values();
        let values: Vec<String> = values
            .iter()
            .map(|(name, v)| format!("{name}={v}"))
            .collect();
        assert_eq!(
            values.join(" "),
            "hostname=db1 ipaddress=10.1.0.5 ipaddress.eth0=10.0.0.5 ipaddress.eth1=10.1.0.5 ipaddress4=10.1.0.5 ipaddress6=fd00::5"
        );
        let only_v6 = facts("", "", &[("eth0", "fd00::5")]).values();
        assert_eq!(only_v6["ipaddress"], "fd00::5");
        assert!(facts("", "", &[]).values().is_empty());
    }
}
