//! For which hosts a fencing device is: `pcmk_host_list`, `pcmk_host_map`, and delays for each.

use std::collections::HashMap;
use std::time::Duration;

use super::devices::Given;
use crate::value;

/// A host that the document names for a device.
pub(super) struct Host {
    pub name: String,
    /// What the device calls it.
    pub port: String,
    /// Of the value that names it.
    pub at: usize,
}

/// The hosts that the document names for a device.
#[derive(Default)]
pub(super) struct Hosts {
    pub listed: Vec<Host>,
    pub mapped: Vec<Host>,
    /// Every one by its [`key`], with the first port that it is mapped to.
    ports: HashMap<String, Option<String>>,
}

impl Hosts {
    /// `a b, c`
    pub(super) fn take_list(&mut self, given: &Given<'_>) {
        let names = given.value.split([' ', ',', ';', '\t']);
        for name in names.filter(|name| !name.is_empty()) {
            self.ports.entry(key(name)).or_default();
            self.listed.push(Host {
                name: name.to_owned(),
                port: name.to_owned(),
                at: given.at,
            });
        }
    }

    /// `a:1;b:2,3`
    pub(super) fn take_map(&mut self, given: &Given<'_>) -> Result<(), String> {
        for (name, port) in pairs(given.value)? {
            let known = self.ports.entry(key(&name)).or_default();
            known.get_or_insert_with(|| port.clone());
            self.mapped.push(Host {
                name,
                port,
                at: given.at,
            });
        }
        Ok(())
    }

    /// What the device calls a host; the name itself if the document does not say.
    pub(super) fn port(&self, host: &str) -> String {
        self.mapped_port(host).unwrap_or(host).to_owned()
    }

    /// What the document says that the device calls a host.
    pub(super) fn mapped_port(&self, host: &str) -> Option<&str> {
        self.ports.get(&key(host))?.as_deref()
    }

    /// The document names it for the device.
    pub(super) fn names(&self, host: &str) -> bool {
        self.ports.contains_key(&key(host))
    }

    /// The [`key`]s of those that it names, in no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.ports.keys().map(String::as_str)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Host> {
        self.listed.iter().chain(&self.mapped)
    }

    /// How many hosts it names.
    pub(super) fn count(&self) -> usize {
        self.ports.len()
    }
}

/// Names of nodes are compared ignoring case.
pub(super) fn is(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// The name in lower case: names that differ in case only are those of one node.
pub(super) fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// `pcmk_delay_base`: one for all hosts, or one for each.
#[derive(Default)]
pub(super) struct Delay {
    all: Duration,
    /// By the [`key`] of the host.
    each: HashMap<String, Duration>,
}

impl Delay {
    /// `5s`, `a:5s;b:10s`
    pub(super) fn parse(text: &str) -> Result<Delay, String> {
        let text = text.trim();
        if !text.contains(':') {
            let all = value::duration(text)?;
            let each = HashMap::new();
            return Ok(Delay { all, each });
        }
        let mut each = HashMap::new();
        for (host, text) in pairs(text)? {
            let delay = value::duration(&text)?;
            each.entry(key(&host)).or_insert(delay);
        }
        let all = Duration::ZERO;
        Ok(Delay { all, each })
    }

    pub(super) fn of(&self, host: &str) -> Duration {
        self.each.get(&key(host)).copied().unwrap_or(self.all)
    }
}

/// `NAME:VALUE` pairs, separated by semicolons or blanks. In a value a backslash takes the special
/// meaning from the next character.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut pairs, mut name, mut word) = (Vec::new(), None, String::new());
    let mut characters = text.trim().chars().chain([';']);
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.extend(characters.next()),
            ':' | '=' if name.is_none() => name = Some(std::mem::take(&mut word)),
            ';' | ' ' | '\t' => match (name.take(), std::mem::take(&mut word)) {
                (Some(name), value) if !name.is_empty() && !value.is_empty() => {
                    pairs.push((name, value));
                }
                (None, word) if word.is_empty() => {}
                _ => return Err("expected pairs such as 'web1:1;web2:2'".to_owned()),
            },
            _ => word.push(character),
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Vec<(String, String)> {
        let mut hosts = Hosts::default();
        let given = Given {
            name: "pcmk_host_map",
            value: text,
            at: 0,
        };
        hosts.take_map(&given).unwrap();
        let mapped = hosts.mapped.into_iter();
        mapped.map(|host| (host.name, host.port)).collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, port)| ((*name).to_owned(), (*port).to_owned()))
            .collect()
    }

    #[test]
    fn a_map_names_the_ports_of_hosts() {
        let expected = owned(&[("a", "1"), ("b", "2,3")]);
        assert_eq!(map("a:1;b:2,3"), expected);
        assert_eq!(map("a:1 b:2,3;"), expected);
        let uuid = owned(&[("a", "my vm:x")]);
        assert_eq!(map(r"a:my\ vm:x"), uuid);
        assert!(pairs("a").is_err() && pairs("a:;b:1").is_err());
    }

    #[test]
    fn a_list_is_separated_by_blanks_or_commas() {
        let mut hosts = Hosts::default();
        hosts.take_list(&Given {
            name: "pcmk_host_list",
            value: "web1, web2  db",
            at: 0,
        });
        assert_eq!(hosts.count(), 3);
        assert!(hosts.names("WEB2") && !hosts.names("web3"));
        assert_eq!(hosts.port("db"), "db");
    }

    #[test]
    fn a_delay_may_differ_between_hosts() {
        let delay = Delay::parse("a:5s;b:10").unwrap();
        let of = |host| delay.of(host).as_secs();
        assert_eq!((of("a"), of("B"), of("c")), (5, 10, 0));
        assert_eq!(Delay::parse("3s").unwrap().of("a").as_secs(), 3);
        assert!(Delay::parse("soon").is_err());
    }
}
