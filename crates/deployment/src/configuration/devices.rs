//! Fencing devices: primitives of class `stonith`, which the DPE runs on its host, never a guest.
//!
//! Source: "Pacemaker Explained", "Special Meta-Attributes for Fencing Resources".

use std::time::Duration;

use super::check::FENCING;
use super::hosts::{self, Hosts};
use super::index::{Index, by_score, referred};
use super::unfencing;
use crate::device::{Command, Device, HostArgument, HostCheck};
use crate::problem::{Problems, quote};
use crate::report;
use crate::secret::is_secret;
use crate::treatment::{self, DEVICE_PARAMETERS};
use crate::tree::Element;
use crate::value;

/// How long a command may take where nothing says otherwise: `stonith-timeout`'s default.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The option that says otherwise, and its older name, which counts without it.
const TIMEOUT_OPTIONS: [&str; 2] = ["fencing-timeout", "stonith-timeout"];
/// Cluster options that only fencing devices go by.
const OF_DEVICES: [&str; 3] = [
    TIMEOUT_OPTIONS[0],
    TIMEOUT_OPTIONS[1],
    "priority-fencing-delay",
];
/// `pcmk_…_retries`, where nothing says otherwise.
const TRIES: u32 = 2;
/// The most that `pcmk_…_retries` may say.
const MOST_TRIES: u32 = 100;

/// A device of the document, with what only the reader needs.
pub(super) struct Found {
    pub device: Device,
    pub hosts: Hosts,
    pub delay_base: hosts::Delay,
    pub delay_max: Duration,
    /// Devices of higher priority are tried first.
    pub priority: i32,
    /// `target-role=Stopped`: not to be used.
    pub disabled: bool,
}

/// A parameter that the document gives.
#[derive(Clone, Copy)]
pub(super) struct Given<'e> {
    pub name: &'e str,
    pub value: &'e str,
    /// Of its value.
    pub at: usize,
}

/// Every device of a `<configuration>`.
pub(super) fn read(
    configuration: &Element<'_>,
    deployment: &str,
    problems: &mut Problems,
) -> Vec<Found> {
    let mut index = Index::new();
    let mut primitives = Vec::new();
    configuration.visit(&mut |element| {
        if let Some(id) = element.value("id") {
            index.insert((element.name, id), element);
        }
        if element.name == "primitive" {
            primitives.push(element);
        }
    });
    let timeout = timeout(configuration, problems);
    let stopped = stopped_by_others(configuration);
    let mut found = Vec::new();
    for primitive in primitives {
        let template = primitive.value("template");
        let template = template.and_then(|id| index.get(&("template", id)).copied());
        let described = template.unwrap_or(primitive);
        if described.value("class") != Some(FENCING) {
            continue;
        }
        for element in [Some(primitive), template].into_iter().flatten() {
            refuse_delays(element, problems);
        }
        let mut reader = Reader {
            own: primitive,
            template,
            described,
            index: &index,
            deployment,
            problems,
        };
        let mut device = reader.device(timeout.unwrap_or(TIMEOUT));
        let provided = unfencing::provided(primitive, template, &index, reader.problems);
        device.device.unfences = provided.is_some();
        if let Some(at) = provided.filter(|_| device.device.off.action != "off") {
            let id = quote(&device.device.id);
            let message = format!("fencing device {id} provides unfencing and is never off");
            let hint =
                "what is switched off and on at once cuts nobody off: remove pcmk_off_action";
            reader.problems.error(at, message, hint.to_owned());
        }
        let agent = device.device.agent.as_str();
        if provided.is_none() && value::CUT_OFF_ONLY.contains(&agent) {
            let id = quote(&device.device.id);
            let message = format!("fencing device {id} ({agent}) cuts guests off, which run on");
            let at = described.place("type");
            let hint = unfencing::SAY_SO.to_owned();
            reader.problems.error(at, message, hint);
        }
        device.disabled |= stopped.contains(&primitive.value("id"));
        found.push(device);
    }
    if found.is_empty() {
        warn_without_devices(configuration, problems);
    }
    found
}

/// A device is used on this host, where no guest agent waits: only its monitors are delayed.
fn refuse_delays(device: &Element<'_>, problems: &mut Problems) {
    device.visit(&mut |operation| {
        let is_monitor = operation.value("name") == Some("monitor");
        let delayed = operation.name == "op" && operation.value("start-delay").is_some();
        if delayed && !is_monitor {
            problems.refuse(
                operation.place("start-delay"),
                "only the monitors of a fencing device can have a start-delay".to_owned(),
                "remove it: a device is ready at once".to_owned(),
            );
        }
    });
}

/// Warns of cluster options that only fencing devices go by.
fn warn_without_devices(configuration: &Element<'_>, problems: &mut Problems) {
    configuration.visit(&mut |pair| {
        let name = pair.value("name").filter(|_| pair.name == "nvpair");
        let Some(name) = name.filter(|it| OF_DEVICES.contains(it)) else {
            return;
        };
        let message = format!(
            "the option {} has no effect without fencing devices",
            quote(name)
        );
        let hint = "<fencing timeout=\"…\"> of an assembly bounds its own: remove the option";
        problems.warning(pair.place("name"), message, hint.to_owned());
    });
}

/// The cluster option that says how long a command may take: of several sets the one of the highest
/// score counts, of equal ones the last (scheduler-spec/01 §4), and in it the first name of those
/// that there are.
fn timeout(configuration: &Element<'_>, problems: &mut Problems) -> Option<Duration> {
    let mut sets = Vec::new();
    configuration.visit(&mut |element| {
        if element.name == "cluster_property_set" {
            sets.push(element);
        }
    });
    let score = |set: &Element<'_>| set.value("score").and_then(|it| value::score(it).ok());
    // where nothing else is said, the first set of these has the last word in Pacemaker too
    sets.sort_by_key(|set| {
        let first = set.value("id") == Some("cib-bootstrap-options");
        (first, score(set).map_or(0, |score| score.0))
    });
    let mut found = [None; 2];
    for set in sets {
        let mut is_said = [false; 2];
        for pair in set.children.iter().filter(|child| child.name == "nvpair") {
            let name = pair.value("name").unwrap_or_default();
            let Some(index) = TIMEOUT_OPTIONS.iter().position(|option| *option == name) else {
                continue;
            };
            if set.children.iter().any(|child| child.name == "rule") {
                let message = format!("the option {} must not hang on a <rule>", quote(name));
                let hint = "fencing devices have one time: give it in a set without a rule";
                problems.error(pair.place("name"), message, hint.to_owned());
            }
            if !is_said[index] {
                is_said[index] = true;
                found[index] = pair.value("value");
            }
        }
    }
    let text = found.into_iter().flatten().next()?;
    // an earlier version took days too
    let longer = policy_engine::parse_interval(text).filter(|ms| *ms > 0);
    let duration = longer.map(|ms| Duration::from_millis(u64::from(ms)));
    duration.or_else(|| value::positive_duration(text.trim()).ok())
}

/// Primitives in groups and clones that are to be stopped as a whole.
fn stopped_by_others<'e>(configuration: &'e Element<'_>) -> Vec<Option<&'e str>> {
    let mut stopped = Vec::new();
    configuration.visit(&mut |outer| {
        if matches!(outer.name, "group" | "clone") && is_stopped(outer) {
            outer.visit(&mut |inner| {
                if inner.name == "primitive" {
                    stopped.push(inner.value("id"));
                }
            });
        }
    });
    stopped
}

/// Its own meta attributes say that it is not to run.
fn is_stopped(element: &Element<'_>) -> bool {
    let sets = element.children.iter();
    let pairs = sets.filter(|set| set.name == "meta_attributes");
    pairs.flat_map(|set| &set.children).any(|pair| {
        let value = pair.value("value").unwrap_or_default();
        pair.value("name") == Some("target-role") && value.eq_ignore_ascii_case("Stopped")
    })
}

struct Reader<'e, 'p> {
    own: &'e Element<'e>,
    template: Option<&'e Element<'e>>,
    /// The one of both that names the agent.
    described: &'e Element<'e>,
    index: &'p Index<'e>,
    /// The deployment's name.
    deployment: &'p str,
    problems: &'p mut Problems,
}

impl<'e> Reader<'e, '_> {
    fn device(&mut self, timeout: Duration) -> Found {
        let command = |action: &str| Command {
            action: action.to_owned(),
            timeout_ms: millis(timeout),
            tries: TRIES,
        };
        let mut found = Found {
            device: Device {
                id: self.own.value("id").unwrap_or_default().to_owned(),
                agent: self.agent(),
                reboot: command("reboot"),
                off: command("off"),
                on: command("on"),
                monitor: command("monitor"),
                status: command("status"),
                list: command("list"),
                ..Device::default()
            },
            hosts: Hosts::default(),
            delay_base: hosts::Delay::default(),
            delay_max: Duration::ZERO,
            priority: 0,
            disabled: is_stopped(self.own) || self.template.is_some_and(is_stopped),
        };
        let given = self.parameters();
        for parameter in &given {
            let (name, at) = (parameter.name, parameter.at);
            if let Err(expected) = take(parameter, &mut found, self.problems) {
                let value = match is_secret(name) {
                    true => "the value".to_owned(),
                    false => quote(parameter.value),
                };
                let message = format!("{value} is not a valid {} of a fencing device", quote(name));
                self.problems.error(at, message, expected);
            }
            report::secret(
                (name, is_secret(name)),
                parameter.value,
                self.deployment,
                at,
                self.problems,
            );
        }
        self.settle(&given, &mut found);
        found
    }

    fn agent(&mut self) -> String {
        let kind = self.described.value("type").unwrap_or_default();
        let hint = match kind {
            _ if unfencing::ON_TARGET.contains(&kind) => unfencing::NOT_HERE.to_owned(),
            "fence_watchdog" => {
                "a guest's own watchdog is what mode 'lease' is for: remove the device, and write <fencing mode=\"lease\"/>"
                    .to_owned()
            }
            _ => match value::fence_agent(kind) {
                Ok(agent) => return agent,
                Err(expected) => expected,
            },
        };
        let message = format!("{} is not a fence agent that the DPE runs", quote(kind));
        self.problems
            .error(self.described.place("type"), message, hint);
        String::new()
    }

    /// The parameters in force, each once, in the order of the document (scheduler-spec/01 §4).
    fn parameters(&mut self) -> Vec<Given<'e>> {
        let sets = [self.template, Some(self.own)];
        let sets = sets.into_iter().flatten().flat_map(|it| &it.children);
        let sets = sets.filter(|set| set.name == "instance_attributes");
        let mut sets: Vec<&Element<'_>> = sets.map(|set| referred(set, self.index)).collect();
        by_score(&mut sets);
        let mut given: Vec<Given<'e>> = Vec::new();
        for set in sets {
            if let Some(rule) = set.children.iter().find(|child| child.name == "rule") {
                let message = "parameters of a fencing device must not hang on a <rule>";
                let hint = "a device must work at any time: give the parameters without a rule, or write two devices";
                self.problems.error(rule.offset, message, hint.to_owned());
            }
            for pair in set.children.iter().filter(|child| child.name == "nvpair") {
                let source = referred(pair, self.index);
                let name = pair.value("name").or(source.value("name"));
                let (Some(name), Some(value)) = (name, source.value("value")) else {
                    continue;
                };
                if given.iter().all(|earlier| earlier.name != name) {
                    let at = source.place("value");
                    given.push(Given { name, value, at });
                }
            }
        }
        given.sort_by_key(|parameter| parameter.at);
        given
    }

    /// What follows from the parameters together.
    fn settle(&mut self, given: &[Given<'_>], found: &mut Found) {
        let hosts = &found.hosts;
        let of = |name: &str| given.iter().find(|parameter| parameter.name == name);
        let names_hosts = !hosts.listed.is_empty() || !hosts.mapped.is_empty();
        let device = &mut found.device;
        if of("pcmk_host_check").is_none() && names_hosts {
            device.check = HostCheck::Static;
        }
        if device.check == HostCheck::Static && !names_hosts {
            let at = of("pcmk_host_check").map_or(self.own.offset, |parameter| parameter.at);
            let message = "the device has 'pcmk_host_check' static-list and names no host";
            let hint = "add pcmk_host_list or pcmk_host_map, with names of assemblies";
            self.problems.error(at, message, hint.to_owned());
        }
        let argument = match &device.host_argument {
            HostArgument::Named(name) => Some(name.as_str()),
            HostArgument::Known | HostArgument::Unneeded => None,
        };
        let fixed = ["plug", "port"].into_iter().chain(argument);
        let fixed = fixed.filter_map(of).next();
        if let Some(fixed) = fixed {
            device.host_argument = HostArgument::Unneeded;
            if hosts.count() != 1 || device.check != HostCheck::Static {
                let message = format!(
                    "the device always switches {}, so it can be for one assembly only",
                    quote(fixed.value)
                );
                let hint = "name that one in pcmk_host_list; or remove the parameter, and name each assembly's in pcmk_host_map";
                self.problems.error(fixed.at, message, hint.to_owned());
            }
        }
    }
}

/// Takes one parameter in. `Err`: what is expected as its value.
fn take(given: &Given<'_>, found: &mut Found, problems: &mut Problems) -> Result<(), String> {
    let (name, value) = (given.name, given.value);
    if value.contains(char::is_control) {
        return Err("it has a control character in it: write it on one line".to_owned());
    }
    match name {
        "pcmk_host_list" => found.hosts.take_list(given),
        "pcmk_host_map" => found.hosts.take_map(given)?,
        "pcmk_host_check" => found.device.check = check(value)?,
        "pcmk_host_argument" => {
            found.device.host_argument = match value {
                "none" => HostArgument::Unneeded,
                _ => HostArgument::Named(value::fence_key(value)?),
            }
        }
        "pcmk_delay_base" => found.delay_base = hosts::Delay::parse(value)?,
        "pcmk_delay_max" => found.delay_max = value::duration(value.trim())?,
        "priority" => {
            let number = value.trim().parse();
            found.priority = number.map_err(|_| "expected a whole number".to_owned())?;
        }
        "stonith-timeout" | "provides" => without_effect(given, problems)?,
        "method" if value.eq_ignore_ascii_case("onoff") => {}
        _ if name.starts_with("pcmk_") => take_command(given, found, problems)?,
        _ => {
            let name = value::fence_key(name)?;
            found.device.parameters.push((name, value.to_owned()));
        }
    }
    Ok(())
}

fn check(value: &str) -> Result<HostCheck, String> {
    Ok(match value {
        "static-list" => HostCheck::Static,
        "dynamic-list" => HostCheck::List,
        "status" => HostCheck::Status,
        "none" => HostCheck::Any,
        _ => return Err("expected one of: static-list, dynamic-list, status, none".to_owned()),
    })
}

/// `pcmk_PURPOSE_action`, `_timeout` and `_retries`.
fn take_command(
    given: &Given<'_>,
    found: &mut Found,
    problems: &mut Problems,
) -> Result<(), String> {
    let device = &mut found.device;
    let parts = given.name.strip_prefix("pcmk_");
    let (purpose, what) = parts
        .and_then(|rest| rest.split_once('_'))
        .unwrap_or_default();
    // What makes safe must be what it says, and what only looks must switch nothing.
    let (command, allowed): (_, &[&str]) = match purpose {
        "reboot" => (&mut device.reboot, &["reboot", "off"]),
        "off" => (&mut device.off, &["off", "reboot"]),
        "on" => (&mut device.on, &["on"]),
        "monitor" => (
            &mut device.monitor,
            &[
                "monitor",
                "status",
                "list",
                "list-status",
                "metadata",
                "validate-all",
            ],
        ),
        "status" => (&mut device.status, &["status", "monitor"]),
        "list" => (&mut device.list, &["list", "list-status"]),
        _ => return without_effect(given, problems),
    };
    match what {
        "action" if allowed.contains(&given.value) => given.value.clone_into(&mut command.action),
        "action" => {
            return Err(format!(
                "expected one of: {}; another action would not be what the DPE takes it for",
                allowed.join(", ")
            ));
        }
        "timeout" => command.timeout_ms = millis(value::positive_duration(given.value.trim())?),
        "retries" => command.tries = value::integer(given.value.trim(), 1, MOST_TRIES)?,
        _ => return without_effect(given, problems),
    }
    Ok(())
}

fn without_effect(given: &Given<'_>, problems: &mut Problems) -> Result<(), String> {
    match treatment::find(DEVICE_PARAMETERS, given.name) {
        Some(row) => {
            let said = ("parameter", given.name, given.value);
            report::treated(row, said, given.at, problems);
        }
        None => {
            let message = format!("the parameter {} has no effect", quote(given.name));
            let known = DEVICE_PARAMETERS.iter().map(|row| row.name);
            let hint = problems.suggest(given.name, known);
            problems.warning(given.at, message, hint);
        }
    }
    Ok(())
}

pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
