//! Which fencing devices make which assembly safe, and in which order: `<fencing-topology>`, or
//! else every device that may be for it, one after the other.

use std::collections::{BTreeMap, HashMap};

use policy_engine::Pattern;

use super::devices::{Found, millis};
use super::hosts::key;
use super::links::Links;
use super::plugs;
use super::roster::Roster;
use crate::device::{DeviceUse, HostCheck};
use crate::model::{Assembly, Deployment, FencingMode};
use crate::problem::{Problems, quote};
use crate::tree::Element;

/// The highest level, as Pacemaker has them.
const MOST_LEVELS: u32 = 9;
/// The most devices of all assemblies together: each is kept with its parameters.
const MOST_USES: usize = 20_000;
/// The most comparisons of a pattern with a name.
const MOST_MATCHED: usize = 1_000_000;

/// Which level is for which assembly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target<'e> {
    Name(&'e str),
    Pattern(&'e str),
    Attribute(&'e str, &'e str),
}

/// A `<fencing-level>`.
struct Level<'e> {
    element: &'e Element<'e>,
    devices: Vec<&'e str>,
}

/// The levels of each target, by their number.
type Levels<'e> = BTreeMap<Target<'e>, BTreeMap<u32, Level<'e>>>;

/// Which levels are for which assembly, found without a look at all of them.
struct Targets<'e> {
    levels: &'e Levels<'e>,
    /// The first for the name of a node, by its [`key`].
    names: HashMap<String, Target<'e>>,
    patterns: Vec<(Target<'e>, Pattern)>,
}

impl<'e> Targets<'e> {
    fn of(levels: &'e Levels<'e>) -> Self {
        let (mut names, mut patterns) = (HashMap::new(), Vec::new());
        for target in levels.keys() {
            match target {
                Target::Name(name) => {
                    names.entry(key(name)).or_insert(*target);
                }
                Target::Pattern(text) => {
                    patterns.extend(Pattern::parse(text).ok().map(|own| (*target, own)));
                }
                Target::Attribute(..) => {}
            }
        }
        Targets {
            levels,
            names,
            patterns,
        }
    }

    /// A name comes before a pattern, and a pattern before an attribute.
    fn of_assembly(
        &self,
        assembly: &'e Assembly,
    ) -> Option<(Target<'e>, &'e BTreeMap<u32, Level<'e>>)> {
        let by_name = || self.names.get(&key(&assembly.name)).copied();
        let by_pattern = || {
            let mut patterns = self.patterns.iter();
            let found = patterns.find(|(_, pattern)| pattern.is_in(&assembly.name));
            found.map(|(target, _)| *target)
        };
        let by_attribute = || {
            let mut own = assembly.attributes.iter();
            let target = own.find_map(|(name, value)| {
                let target = Target::Attribute(name, value);
                self.levels.get_key_value(&target)
            });
            target.map(|(target, _)| *target)
        };
        let target = by_name().or_else(by_pattern).or_else(by_attribute)?;
        Some((target, self.levels.get(&target)?))
    }
}

/// Says of each assembly that does not say it itself by which devices it is made safe.
pub(super) fn assign(
    configuration: &Element<'_>,
    found: &[Found],
    links: &Links<'_>,
    deployment: &mut Deployment,
    problems: &mut Problems,
) {
    let roster = Roster::of(found);
    let topology = configuration.children.iter();
    let topology = topology.filter(|child| child.name == "fencing-topology");
    let levels = levels(
        topology.flat_map(|child| &child.children),
        &roster,
        problems,
    );
    for device in found {
        check_hosts(device, |name| links.is_node(name), problems);
    }
    plugs::check(found, &deployment.assemblies, configuration, problems);
    let targets = Targets::of(&levels);
    if targets.patterns.len() * deployment.assemblies.len() > MOST_MATCHED {
        let message = format!(
            "{} patterns of levels for {} assemblies are more than can be compared",
            targets.patterns.len(),
            deployment.assemblies.len()
        );
        let hint = "write fewer patterns, or name the assemblies in 'target'";
        problems.error(configuration.offset, message, hint.to_owned());
        return;
    }
    let mut uses = 0;
    let mut modes = Vec::new();
    for assembly in &deployment.assemblies {
        let ways = match targets.of_assembly(assembly) {
            Some((target, levels)) => by_topology(target, levels, &roster, assembly, problems),
            None if assembly.fencing.is_own => Vec::new(),
            None => by_priority(&roster, assembly, MOST_USES - uses),
        };
        if !assembly.fencing.is_own {
            uses += ways.iter().map(Vec::len).sum::<usize>();
        }
        if uses > MOST_USES {
            let message = format!(
                "all assemblies together have more than {MOST_USES} fencing devices to be tried"
            );
            let hint = "name the assemblies of each device in its pcmk_host_list or pcmk_host_map";
            problems.error(configuration.offset, message, hint.to_owned());
            return;
        }
        let unfenced_by = unfenced_by(&roster, assembly);
        uses += unfenced_by.len();
        modes.push((ways, unfenced_by));
    }
    for (assembly, (ways, unfenced_by)) in deployment.assemblies.iter_mut().zip(modes) {
        assembly.unfenced_by = unfenced_by;
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
    roster: &Roster<'_>,
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
            && let Err(error) = Pattern::parse(pattern)
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
        let devices = devices(element, roster, problems);
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
fn devices<'e>(
    element: &'e Element<'e>,
    roster: &Roster<'_>,
    problems: &mut Problems,
) -> Vec<&'e str> {
    let text = element.value("devices").unwrap_or_default();
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    for name in &names {
        if roster.device(name).is_some() {
            continue;
        }
        let message = format!("there is no fencing device {}", quote(name));
        let known = roster.found.iter().map(|own| own.device.id.as_str());
        let hint = problems.suggest(name, known);
        let hint = hint.unwrap_or_else(|| "add a <primitive class=\"stonith\">".to_owned());
        problems.error(element.place("devices"), message, hint);
    }
    names
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
    roster: &Roster<'_>,
    assembly: &Assembly,
    problems: &mut Problems,
) -> Vec<Vec<DeviceUse>> {
    let mut ways = Vec::new();
    for (index, level) in levels {
        let named = level.devices.iter();
        let own: Vec<&Found> = named.filter_map(|id| roster.device(id)).collect();
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

/// Each device that may be for the assembly, those that the document names it for first. If there
/// are more than `most`, one more than that is given: enough to refuse them.
fn by_priority(roster: &Roster<'_>, assembly: &Assembly, most: usize) -> Vec<Vec<DeviceUse>> {
    let mut fit = roster.of_host(&assembly.name);
    fit.truncate(most + 1);
    fit.sort_by_key(|own| {
        let asked = own.device.check != HostCheck::Static;
        // Who is only cut off is not down at once.
        let cuts = own.device.unfences;
        (std::cmp::Reverse(own.priority), cuts, asked)
    });
    let alone = |own: &&Found| vec![used(own, &assembly.name)];
    fit.iter().map(alone).collect()
}

/// Devices that let an assembly in again: all of them do, whatever their levels.
fn unfenced_by(roster: &Roster<'_>, assembly: &Assembly) -> Vec<DeviceUse> {
    let fit = roster.of_host(&assembly.name).into_iter();
    let fit = fit.filter(|own| own.device.unfences);
    fit.map(|own| used(own, &assembly.name)).collect()
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
