//! Which fencing devices make which assembly safe, and in which order: `<fencing-topology>`, or
//! else every device that may be for it, one after the other.

use std::collections::BTreeMap;

use super::devices::{Found, millis};
use super::hosts::{Host, is};
use super::links::Links;
use crate::device::{DeviceUse, HostArgument, HostCheck};
use crate::model::{Assembly, Deployment, FencingMode};
use crate::problem::{Problems, quote};
use crate::tree::Element;

/// The highest level, as Pacemaker has them.
const MOST_LEVELS: u32 = 9;

/// Which level is for which assembly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target<'e> {
    Name(&'e str),
    Pattern(&'e str),
    Attribute(&'e str, &'e str),
}

impl Target<'_> {
    fn is(&self, assembly: &Assembly) -> bool {
        match self {
            Target::Name(name) => is(name, &assembly.name),
            Target::Pattern(pattern) => {
                policy_engine::matches_pattern(pattern, &assembly.name).unwrap_or(false)
            }
            Target::Attribute(name, value) => assembly
                .attributes
                .get(*name)
                .is_some_and(|own| own == value),
        }
    }
}

/// A `<fencing-level>`.
struct Level<'e> {
    element: &'e Element<'e>,
    devices: Vec<&'e str>,
}

/// The levels of each target, by their number.
type Levels<'e> = BTreeMap<Target<'e>, BTreeMap<u32, Level<'e>>>;

/// Says of each assembly that does not say it itself by which devices it is made safe.
pub(super) fn assign(
    configuration: &Element<'_>,
    found: &[Found],
    links: &Links<'_>,
    deployment: &mut Deployment,
    problems: &mut Problems,
) {
    let topology = configuration.children.iter();
    let topology = topology.filter(|child| child.name == "fencing-topology");
    let levels = levels(topology.flat_map(|child| &child.children), found, problems);
    let known = |name: &str| links.is_node(name);
    let names: Vec<&str> = deployment
        .assemblies
        .iter()
        .map(|own| own.name.as_str())
        .collect();
    for device in found {
        check_hosts(device, known, problems);
        check_ports(device, &names, problems);
    }
    check_devices(found, &names, configuration, problems);
    for assembly in &mut deployment.assemblies {
        let ways = match levels.iter().find(|(target, _)| target.is(assembly)) {
            Some((target, levels)) => by_topology(*target, levels, found, assembly, problems),
            None => by_priority(found, assembly),
        };
        if assembly.fencing.is_own || found.is_empty() {
            continue;
        }
        if ways.is_empty() {
            let message = format!(
                "no fencing device is for assembly {}: it is made safe by its lease",
                quote(&assembly.name)
            );
            let hint = "name it in pcmk_host_list or pcmk_host_map of a device, or give it a <fencing> of its own";
            problems.warning(configuration.offset, message, hint.to_owned());
        } else {
            assembly.fencing.mode = FencingMode::Devices(ways);
        }
    }
}

/// Whether a level has an index that there is.
pub(super) fn has_index(level: &Element<'_>) -> bool {
    index_of(level).is_some()
}

fn index_of(level: &Element<'_>) -> Option<u32> {
    let index = level.value("index").and_then(|text| text.parse().ok());
    index.filter(|index| (1..=MOST_LEVELS).contains(index))
}

fn levels<'e>(
    elements: impl Iterator<Item = &'e Element<'e>>,
    found: &[Found],
    problems: &mut Problems,
) -> Levels<'e> {
    let mut levels = Levels::new();
    for element in elements {
        let target = match (element.value("target"), element.value("target-pattern")) {
            (Some(name), _) => Target::Name(name),
            (None, Some(pattern)) => Target::Pattern(pattern),
            (None, None) => Target::Attribute(
                element.value("target-attribute").unwrap_or_default(),
                element.value("target-value").unwrap_or_default(),
            ),
        };
        if let Target::Pattern(pattern) = target
            && let Err(error) = policy_engine::matches_pattern(pattern, "")
        {
            let message = format!("{} is not a regular expression: {error}", quote(pattern));
            let hint = "expected a POSIX extended regular expression".to_owned();
            problems.error(element.place("target-pattern"), message, hint);
        }
        let Some(index) = index_of(element) else {
            let message = "the level has no valid index";
            let hint =
                format!("expected a number from 1 to {MOST_LEVELS}: the order of the levels");
            problems.error(element.place("index"), message, hint);
            continue;
        };
        let devices = devices(element, found, problems);
        let level = Level { element, devices };
        if let Some(earlier) = levels.entry(target).or_default().insert(index, level) {
            let message = format!("there are two levels {index} for the same assemblies");
            let hint = "write all devices of a level into one, or give one another index";
            problems.error(earlier.element.offset, message, hint.to_owned());
        }
    }
    levels
}

/// The devices of a level. All of them exist.
fn devices<'e>(element: &'e Element<'e>, found: &[Found], problems: &mut Problems) -> Vec<&'e str> {
    let text = element.value("devices").unwrap_or_default();
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    for name in &names {
        if found.iter().any(|own| own.device.id == *name) {
            continue;
        }
        let message = format!("there is no fencing device {}", quote(name));
        let known = found.iter().map(|own| own.device.id.as_str());
        let hint = problems.suggest(name, known);
        let hint = hint.unwrap_or_else(|| "add a <primitive class=\"stonith\">".to_owned());
        problems.error(element.place("devices"), message, hint);
    }
    names
}

/// Hosts of which one would be switched for the other. One that is not mapped has its name as its
/// port.
fn check_ports(found: &Found, assemblies: &[&str], problems: &mut Problems) {
    let id = quote(&found.device.id);
    let mapped = &found.hosts.mapped;
    let is_mapped = |name: &str| mapped.iter().any(|host| is(&host.name, name));
    let listed = found.hosts.listed.iter().map(|host| host.name.as_str());
    let asked = found.device.check != HostCheck::Static;
    let others = assemblies.iter().copied().filter(|_| asked);
    let unmapped: Vec<&str> = listed
        .chain(others)
        .filter(|name| !is_mapped(name))
        .collect();
    for (index, host) in mapped.iter().enumerate() {
        let earlier = mapped.iter().take(index);
        let same = |other: &&Host| other.port == host.port && !is(&other.name, &host.name);
        let earlier = earlier.clone().find(same).map(|other| other.name.as_str());
        let by_name = || unmapped.iter().copied().find(|name| is(name, &host.port));
        if let Some(other) = earlier.or_else(by_name) {
            let (one, two) = (quote(other), quote(&host.name));
            let message = format!("{one} and {two} have the same port on fencing device {id}");
            let hint = "each has its own: to switch one would switch the other";
            problems.error(host.at, message, hint.to_owned());
        }
    }
}

/// Devices of which one would switch for its assembly what another switches for another one.
fn check_devices(
    found: &[Found],
    assemblies: &[&str],
    configuration: &Element<'_>,
    problems: &mut Problems,
) {
    let mut known: Vec<(DeviceUse, &str)> = Vec::new();
    for (device, name) in found
        .iter()
        .flat_map(|device| assemblies.iter().map(move |name| (device, *name)))
    {
        if !device.hosts.names(name) {
            continue;
        }
        let own = used(device, name);
        if let Some((other, of)) = known
            .iter()
            .find(|(other, of)| !is(of, name) && same_plug(other, &own))
        {
            let (one, two) = (quote(&other.device.id), quote(&own.device.id));
            let message = format!(
                "fencing devices {one} and {two} switch the same for {} and {}",
                quote(of),
                quote(name)
            );
            let hint = "each assembly has its own: to switch one would switch the other".to_owned();
            problems.error(configuration.offset, message, hint);
        }
        known.push((own, name));
    }
}

/// Both switch the same thing, as far as the document says.
fn same_plug(one: &DeviceUse, other: &DeviceUse) -> bool {
    let parameters = |own: &DeviceUse| {
        let mut parameters = own.device.parameters.clone();
        parameters.sort();
        parameters
    };
    let fixed = one.device.host_argument == HostArgument::Unneeded;
    one.device.id != other.device.id
        && one.device.agent == other.device.agent
        && one.device.host_argument == other.device.host_argument
        && (fixed || one.port == other.port)
        && parameters(one) == parameters(other)
}

/// A device that is for nobody, and hosts that are none.
fn check_hosts(found: &Found, known: impl Fn(&str) -> bool, problems: &mut Problems) {
    let id = quote(&found.device.id);
    let strangers: Vec<_> = found
        .hosts
        .all()
        .filter(|host| !known(&host.name))
        .collect();
    let Some(first) = strangers.first() else {
        return;
    };
    if strangers.len() == found.hosts.all().count() {
        let message = format!("no host of fencing device {id} is an assembly");
        let hint = "name assemblies of this document, or remove the device".to_owned();
        problems.error(first.at, message, hint);
        return;
    }
    for host in strangers {
        let message = format!(
            "{} is no assembly, so fencing device {id} is never used for it",
            quote(&host.name)
        );
        let hint = "correct or remove it".to_owned();
        problems.warning(host.at, message, hint);
    }
}

/// The levels of the topology. A level that cannot succeed is left out.
fn by_topology(
    target: Target<'_>,
    levels: &BTreeMap<u32, Level<'_>>,
    found: &[Found],
    assembly: &Assembly,
    problems: &mut Problems,
) -> Vec<Vec<DeviceUse>> {
    let mut ways = Vec::new();
    for (index, level) in levels {
        let named = level.devices.iter();
        let own: Vec<&Found> = named
            .filter_map(|id| found.iter().find(|own| own.device.id == *id))
            .collect();
        let unfit = own
            .iter()
            .find(|own| own.disabled || !may_be_for(own, &assembly.name));
        let cycles = own
            .iter()
            .find(|own| level.devices.len() > 1 && own.device.off.action != "off");
        if let Some(cycles) = cycles {
            let id = quote(&cycles.device.id);
            let message = format!(
                "fencing device {id} has 'pcmk_off_action' reboot, in a level of several devices"
            );
            let hint = "all have to be off at once: remove pcmk_off_action";
            problems.error(level.element.place("devices"), message, hint.to_owned());
        }
        let Some(unfit) = unfit else {
            ways.push(own.iter().map(|own| used(own, &assembly.name)).collect());
            continue;
        };
        let (id, name) = (quote(&unfit.device.id), quote(&assembly.name));
        let why = match unfit.disabled {
            true => format!("fencing device {id} is stopped"),
            false => format!("fencing device {id} is not for assembly {name}"),
        };
        let message = format!("level {index} for {name} can never succeed: {why}");
        let at = level.element.place("devices");
        match target {
            Target::Name(_) if !unfit.disabled => {
                let hint = "add the assembly to the device's pcmk_host_list or pcmk_host_map, or take the device out of the level";
                problems.error(at, message, hint.to_owned());
            }
            _ => problems.warning(at, message, "it is left out".to_owned()),
        }
    }
    ways
}

/// Each device that may be for the assembly, those that the document names it for first.
fn by_priority(found: &[Found], assembly: &Assembly) -> Vec<Vec<DeviceUse>> {
    let mut fit: Vec<&Found> = found
        .iter()
        .filter(|own| !own.disabled && may_be_for(own, &assembly.name))
        .collect();
    fit.sort_by_key(|own| {
        let asked = own.device.check != HostCheck::Static;
        (std::cmp::Reverse(own.priority), asked)
    });
    let alone = |own: &&Found| vec![used(own, &assembly.name)];
    fit.iter().map(alone).collect()
}

fn may_be_for(found: &Found, host: &str) -> bool {
    found.device.check != HostCheck::Static || found.hosts.names(host)
}

fn used(found: &Found, host: &str) -> DeviceUse {
    DeviceUse {
        device: found.device.clone(),
        host: host.to_owned(),
        port: found.hosts.port(host),
        alone: found.device.check == HostCheck::Static && found.hosts.count() == 1,
        delay_base_ms: millis(found.delay_base.of(host)),
        delay_max_ms: millis(found.delay_max),
    }
}
