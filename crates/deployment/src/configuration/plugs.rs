//! What a fencing device switches: never the same thing for two assemblies. To switch one would
//! switch the other.

use std::collections::HashMap;

use super::devices::Found;
use super::hosts::{is, key};
use crate::device::{HostArgument, HostCheck};
use crate::model::Assembly;
use crate::problem::{Problems, quote};
use crate::tree::Element;

const HINT: &str = "each assembly has its own: to switch one would switch the other";

/// Refuses devices that would switch one assembly for another.
pub(super) fn check(
    found: &[Found],
    assemblies: &[Assembly],
    configuration: &Element<'_>,
    problems: &mut Problems,
) {
    let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, assembly) in assemblies.iter().enumerate() {
        by_key.entry(key(&assembly.name)).or_default().push(index);
    }
    for device in found {
        check_ports(device, assemblies, &by_key, problems);
    }
    check_devices(found, assemblies, &by_key, configuration, problems);
}

/// Two names for the same thing, of which the second differs from the first: enough to find one
/// that is not a given one.
struct Names<'n> {
    first: &'n str,
    second: Option<&'n str>,
}

impl<'n> Names<'n> {
    fn other_than(&self, name: &str) -> Option<&'n str> {
        match is(self.first, name) {
            false => Some(self.first),
            true => self.second,
        }
    }

    fn add(&mut self, name: &'n str) {
        if self.second.is_none() && !is(self.first, name) {
            self.second = Some(name);
        }
    }
}

/// Hosts of one device of which one would be switched for the other. One that is not mapped has its
/// name as its port.
fn check_ports(
    found: &Found,
    assemblies: &[Assembly],
    by_key: &HashMap<String, Vec<usize>>,
    problems: &mut Problems,
) {
    if found.hosts.mapped.is_empty() {
        return;
    }
    let id = quote(&found.device.id);
    let asked = found.device.check != HostCheck::Static;
    let mut listed: HashMap<String, &str> = HashMap::new();
    for host in &found.hosts.listed {
        listed.entry(key(&host.name)).or_insert(&host.name);
    }
    let by_name = |port: &str| {
        if found.hosts.mapped_port(port).is_some() {
            return None;
        }
        let of_assembly = || {
            let index = by_key.get(&key(port))?.first()?;
            asked.then(|| assemblies[*index].name.as_str())
        };
        listed.get(&key(port)).copied().or_else(of_assembly)
    };
    let mut ports: HashMap<&str, Names<'_>> = HashMap::new();
    for host in &found.hosts.mapped {
        let names = ports.entry(&host.port).or_insert(Names {
            first: &host.name,
            second: None,
        });
        let other = names.other_than(&host.name).or_else(|| by_name(&host.port));
        names.add(&host.name);
        if let Some(other) = other {
            let (one, two) = (quote(other), quote(&host.name));
            let message = format!("{one} and {two} have the same port on fencing device {id}");
            problems.error(host.at, message, HINT.to_owned());
        }
    }
}

/// What two devices have in common that are one switch, as far as the document says.
#[derive(PartialEq, Eq, Hash)]
struct Switch<'f> {
    agent: &'f str,
    host_argument: &'f HostArgument,
    parameters: Vec<&'f (String, String)>,
}

impl<'f> Switch<'f> {
    fn of(found: &'f Found) -> Self {
        let mut parameters: Vec<_> = found.device.parameters.iter().collect();
        parameters.sort_unstable();
        Switch {
            agent: &found.device.agent,
            host_argument: &found.device.host_argument,
            parameters,
        }
    }
}

/// Who uses a plug: a device and the assembly that it is for.
type User<'f> = (&'f str, &'f str);

/// The users of a plug. As long as no two of them conflict, all have one device or all have one
/// assembly: a first user and one that differs from it stand for the rest.
#[derive(Default)]
struct Users<'f> {
    kept: Vec<User<'f>>,
    is_told: bool,
}

impl<'f> Users<'f> {
    /// The user that is switched with this one, unless that was told for this plug.
    fn add(&mut self, user: User<'f>) -> Option<User<'f>> {
        let conflicts = |kept: &&User<'f>| kept.0 != user.0 && !is(kept.1, user.1);
        let conflict = self.kept.iter().find(conflicts).copied();
        if self.kept.len() < 2 && !self.kept.contains(&user) {
            self.kept.push(user);
        }
        let is_news = !self.is_told;
        self.is_told |= conflict.is_some();
        conflict.filter(|_| is_news)
    }
}

/// Devices of which one would switch for its assembly what another switches for another one.
fn check_devices(
    found: &[Found],
    assemblies: &[Assembly],
    by_key: &HashMap<String, Vec<usize>>,
    configuration: &Element<'_>,
    problems: &mut Problems,
) {
    let mut switches: HashMap<Switch<'_>, HashMap<Option<String>, Users<'_>>> = HashMap::new();
    for device in found {
        let plugs = switches.entry(Switch::of(device)).or_default();
        let named = device.hosts.keys().filter_map(|host| by_key.get(host));
        let mut named: Vec<usize> = named.flatten().copied().collect();
        named.sort_unstable();
        for index in named {
            let name = assemblies[index].name.as_str();
            let fixed = device.device.host_argument == HostArgument::Unneeded;
            let port = (!fixed).then(|| device.hosts.port(name));
            let user = (device.device.id.as_str(), name);
            let Some((other, of)) = plugs.entry(port).or_default().add(user) else {
                continue;
            };
            let message = format!(
                "fencing devices {} and {} switch the same for {} and {}",
                quote(other),
                quote(user.0),
                quote(of),
                quote(name)
            );
            problems.error(configuration.offset, message, HINT.to_owned());
        }
    }
}
