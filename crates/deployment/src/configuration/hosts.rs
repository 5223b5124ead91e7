//! For which hosts a fencing device is: `pcmk_host_list`, `pcmk_host_map`, and delays for each.

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
}

impl Hosts {
    /// `a b, c`
    pub(super) fn take_list(&mut self, given: &Given<'_>) {
        let names = given.value.split([' ', ',', ';', '\t']);
        for name in names.filter(|name| !name.is_empty()) {
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
        let known = self.mapped.iter().find(|own| is(&own.name, host));
        known.map_or_else(|| host.to_owned(), |own| own.port.clone())
    }

    /// The document names it for the device.
    pub(super) fn names(&self, host: &str) -> bool {
        self.all().any(|own| is(&own.name, host))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Host> {
        self.listed.iter().chain(&self.mapped)
    }

    /// How many hosts it names.
    pub(super) fn count(&self) -> usize {
        let mut names: Vec<String> = self.all().map(|host| host.name.to_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }
}

/// Names of nodes are compared ignoring case.
pub(super) fn is(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// `pcmk_delay_base`: one for all hosts, or one for each.
#[derive(Default)]
pub(super) struct Delay {
    all: Duration,
    each: Vec<(String, Duration)>,
}

impl Delay {
    /// `5s`, `a:5s;b:10s`
    pub(super) fn parse(text: &str) -> Result<Delay, String> {
        let text = text.trim();
        if !text.contains(':') {
            let all = value::duration(text)?;
            return Ok(Delay { all, each: vec![] });
        }
        let each = pairs(text)?.into_iter();
        let each = each.map(|(host, text)| Ok((host, value::duration(&text)?)));
        Ok(Delay {
            all: Duration::ZERO,
            each: each.collect::<Result<_, String>>()?,
        })
    }

    pub(super) fn of(&self, host: &str) -> Duration {
        let own = self.each.iter().find(|(name, _)| is(name, host));
        own.map_or(self.all, |(_, delay)| *delay)
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
