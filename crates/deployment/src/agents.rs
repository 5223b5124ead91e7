//! Documents against what the guests' resource agents say about themselves: parameters that an
//! agent does not know, lacks, or reads as something else; actions that it does not have; agents
//! that are not installed, or not to be used any more.
//!
//! All of it is warned of, and nothing refused: metadata is written by hand and may be wrong, and
//! guests may get another version before a service starts. Values of parameters, which may be
//! passwords, are in no message.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cpe_status::{AgentParameter, ResourceAgent};

use crate::model::Agent;
use crate::problem::{Problem, Problems, quote};
use crate::uses::{Given, Needed, Use, Why};
use crate::value;

/// Different metadata of one agent that are looked at, over all guests.
const MAX_VARIANTS: usize = 8;
/// Assemblies that a message names.
const MAX_NAMED: usize = 6;

/// Parameters that agents understand by the library that nearly all of them use, and that their
/// metadata does not have.
const UNDERSTOOD: [&str; 4] = ["trace_ra", "trace_dir", "trace_file", "OCF_CHECK_LEVEL"];
/// Actions that each agent must have.
const ALWAYS: [&str; 3] = ["start", "stop", "monitor"];

/// What is known of an agent in a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What it says about itself.
    Described(Arc<ResourceAgent>),
    /// It is not installed.
    Absent,
}

/// What is known, by assembly and agent; what is not in it is not known.
pub type Answers = HashMap<(String, Agent), Answer>;

/// What a document asks of resource agents. Made by [`read_uses`](crate::read_uses).
#[derive(Debug, Clone)]
pub struct Uses {
    pub(crate) document: Vec<u8>,
    pub(crate) uses: Vec<Use>,
}

impl Uses {
    /// What has to be known: by assembly, the agents that its services may need there.
    pub fn questions(&self) -> BTreeMap<String, Vec<Agent>> {
        let mut questions: BTreeMap<String, (HashSet<&Agent>, Vec<Agent>)> = BTreeMap::new();
        for one in self.uses.iter().filter(|one| is_askable(&one.agent)) {
            for assembly in one.assemblies.iter() {
                if !questions.contains_key(assembly) {
                    questions.insert(assembly.clone(), Default::default());
                }
                let Some((seen, agents)) = questions.get_mut(assembly) else {
                    continue;
                };
                if seen.insert(&one.agent) {
                    agents.push(one.agent.clone());
                }
            }
        }
        let questions = questions.into_iter();
        questions
            .map(|(assembly, (_, agents))| (assembly, agents))
            .collect()
    }

    /// Warnings about the document, in its order, by what is known of agents.
    pub fn check(&self, answers: &Answers) -> Vec<Problem> {
        let mut problems = Problems::default();
        for one in self.uses.iter().filter(|one| is_askable(&one.agent)) {
            check(one, answers, &mut problems);
        }
        problems.locate(&self.document)
    }
}

/// Whether guests run it; fencing devices are the host's. The agent of a primitive whose template
/// is missing is not known.
fn is_askable(agent: &Agent) -> bool {
    value::CLASSES.contains(&agent.class.as_str()) && !agent.kind.is_empty()
}

/// A warning of one variant of an agent.
pub(crate) type Warning = (usize, String, Option<String>);

fn check(one: &Use, answers: &Answers, problems: &mut Problems) {
    let mut variants: Vec<(&Arc<ResourceAgent>, Vec<&str>)> = Vec::new();
    let (mut described, mut absent) = (0, Vec::new());
    let mut key = (String::new(), one.agent.clone());
    for assembly in one.assemblies.iter() {
        key.0.clone_from(assembly);
        match answers.get(&key) {
            None => {}
            Some(Answer::Absent) => absent.push(assembly.as_str()),
            Some(Answer::Described(metadata)) => {
                described += 1;
                let known = variants
                    .iter()
                    .position(|(other, _)| Arc::ptr_eq(other, metadata) || *other == metadata);
                match known {
                    Some(index) => variants[index].1.push(assembly),
                    // Then a warning names the guests that it is known of.
                    None if variants.len() == MAX_VARIANTS => {}
                    None => variants.push((metadata, vec![assembly])),
                }
            }
        }
    }
    missing_agent(one, &absent, problems);
    let mut warnings: BTreeMap<Warning, Vec<&str>> = BTreeMap::new();
    for (metadata, assemblies) in variants {
        for warning in (Variant { one, metadata }).warnings(problems) {
            warnings.entry(warning).or_default().extend(&assemblies);
        }
    }
    for ((at, message, hint), assemblies) in warnings {
        let message = match assemblies.len() == described {
            true => message,
            false => format!("{message} (in {})", names(&assemblies)),
        };
        problems.warning(at, message, hint);
    }
}

fn missing_agent(one: &Use, absent: &[&str], problems: &mut Problems) {
    if absent.is_empty() {
        return;
    }
    let nowhere = absent.len() == one.assemblies.len();
    if !nowhere && !one.everywhere {
        return;
    }
    let message = format!(
        "service {} cannot run in {}: {} is not installed there",
        quote(&one.service),
        names(absent),
        one.agent
    );
    let hint = match nowhere {
        true => "install it, or correct class, provider and type",
        false => "install it there, or keep the service away with <location score=\"-INFINITY\">",
    };
    problems.warning(one.at, message, hint.to_owned());
}

/// `web1, web2 and 3 more`
fn names(assemblies: &[&str]) -> String {
    match assemblies.len().checked_sub(MAX_NAMED) {
        None | Some(0) => assemblies.join(", "),
        Some(more) => format!("{} and {more} more", assemblies[..MAX_NAMED].join(", ")),
    }
}

/// A service, and one metadata of its agent.
pub(crate) struct Variant<'v> {
    pub(crate) one: &'v Use,
    pub(crate) metadata: &'v ResourceAgent,
}

impl Variant<'_> {
    fn warnings(&self, problems: &Problems) -> BTreeSet<Warning> {
        let (agent, metadata) = (&self.one.agent, self.metadata);
        let mut warnings = BTreeSet::new();
        if metadata.deprecated && !self.is_accepted() {
            let message = format!("the agent {agent} is deprecated");
            let says = (!metadata.short.is_empty())
                .then(|| format!("it says about itself: {}", quote(&metadata.short)));
            warnings.insert((self.one.at, message, says));
        }
        let known: HashMap<&str, &AgentParameter> = metadata
            .parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), parameter))
            .collect();
        for given in &self.one.parameters {
            match known.get(given.name.as_str()) {
                Some(parameter) => {
                    warnings.extend(self.parameter(given, parameter));
                    warnings.extend(self.unmarked(given, parameter));
                }
                None => warnings.extend(self.unknown(given, problems)),
            }
        }
        warnings.extend(self.missing());
        let needed = self.one.actions.iter();
        warnings.extend(needed.filter_map(|needed| self.action(needed)));
        warnings
    }

    /// What has agents of the package `resource-agents` not warn of that themselves.
    fn is_accepted(&self) -> bool {
        let mut given = self.one.parameters.iter();
        given.any(|it| it.name == "ignore_deprecation" && value::boolean(&it.value) == Ok(true))
    }

    pub(crate) fn unknown(&self, given: &Given, problems: &Problems) -> Option<Warning> {
        let ignored = given.name.starts_with("CRM_meta_") || given.name.starts_with('#');
        if ignored || UNDERSTOOD.contains(&given.name.as_str()) {
            return None;
        }
        let (agent, name) = (&self.one.agent, quote(&given.name));
        let message = format!("{agent} has no parameter {name}");
        let known = &self.metadata.parameters;
        let hint = match known.is_empty() {
            true => Some("it has none at all".to_owned()),
            false => problems.suggest(&given.name, known.iter().map(|it| it.name.as_str())),
        };
        Some((given.at, message, hint))
    }

    /// What is wrong with a parameter that the agent has.
    pub(crate) fn parameter(&self, given: &Given, parameter: &AgentParameter) -> Vec<Warning> {
        let (agent, name) = (&self.one.agent, quote(&given.name));
        let mut warnings = Vec::new();
        if parameter.deprecated {
            let message = format!("the parameter {name} of {agent} is deprecated");
            let others: Vec<String> = parameter.replaced_with.iter().map(|it| quote(it)).collect();
            let hint = match others.as_slice() {
                [] if parameter.short.is_empty() => None,
                [] => Some(format!("the agent says: {}", quote(&parameter.short))),
                others => Some(format!("use {}", others[..others.len().min(3)].join(", "))),
            };
            warnings.push((given.at, message, hint));
        }
        if given.is_elsewhere {
            return warnings;
        }
        let value = given.value.trim();
        if parameter.required && value.is_empty() {
            let message = format!("the parameter {name} of {agent} is required, and empty");
            warnings.push((given.at, message, Some("give it a value".to_owned())));
        }
        if let Some(expected) = unexpected(value, parameter) {
            let message = format!("{name} of {agent} is not what the agent takes");
            warnings.push((given.at, message, Some(expected)));
        }
        warnings
    }

    /// A value that the agent says is private, and the document does not.
    fn unmarked(&self, given: &Given, parameter: &AgentParameter) -> Option<Warning> {
        if !parameter.private || given.is_secret || given.is_elsewhere || given.value.is_empty() {
            return None;
        }
        let (agent, name) = (&self.one.agent, quote(&given.name));
        let message = format!("{agent} calls {name} private, and nothing here says so");
        let hint = "put it into a file of the guest, and write file=\"/etc/app/…\", or mark it: secret=\"true\" \
                    (in <configuration>: value=\"cpe-guest-file:/etc/app/…\")";
        Some((given.at, message, Some(hint.to_owned())))
    }

    /// Required parameters that are not given, and have no value otherwise.
    fn missing(&self) -> Option<Warning> {
        let one = self.one;
        let given: HashSet<&str> = one.parameters.iter().map(|it| it.name.as_str()).collect();
        let has_value = |it: &AgentParameter| it.default.as_ref().is_some_and(|it| !it.is_empty());
        let missing = self.metadata.parameters.iter().filter(|parameter| {
            parameter.required
                && !parameter.deprecated
                && !given.contains(parameter.name.as_str())
                && !has_value(parameter)
        });
        let missing: Vec<String> = missing.map(|it| quote(&it.name)).collect();
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        if missing.is_empty() {
            return None;
        }
        let (service, s) = (
            quote(&one.service),
            if missing.len() == 1 { "" } else { "s" },
        );
        let message = format!(
            "service {service} lacks the parameter{s} {}, which {} requires",
            names(&missing),
            one.agent
        );
        Some((
            one.at,
            message,
            Some("it will not start without".to_owned()),
        ))
    }

    fn action(&self, needed: &Needed) -> Option<Warning> {
        let action = needed.action.as_str();
        let mut known = self.metadata.actions.iter();
        if ALWAYS.contains(&action) || known.any(|known| known.name == action) {
            return None;
        }
        let (agent, service) = (&self.one.agent, quote(&self.one.service));
        let action = quote(action);
        let (message, hint) = match needed.why {
            Why::Promotable => (
                format!("service {service} is promotable, and {agent} has no action {action}"),
                "it cannot be promoted: use an agent that can be, or a clone that is not promotable",
            ),
            Why::Notified => (
                format!("service {service} has 'notify', and {agent} has no action {action}"),
                "remove 'notify'",
            ),
            Why::Migrates => (
                format!(
                    "service {service} has 'allow-migrate', and {agent} has no action {action}"
                ),
                "it cannot be moved alive: remove 'allow-migrate'",
            ),
            Why::Operation => (
                format!("{agent} has no action {action}"),
                "correct the name, or remove the operation",
            ),
        };
        Some((needed.at, message, Some(hint.to_owned())))
    }
}

/// What is expected instead of a value. A type that the agent's own default is not of is not
/// believed.
fn unexpected(value: &str, parameter: &AgentParameter) -> Option<String> {
    let default = parameter.default.as_deref().unwrap_or_default();
    if value.is_empty() || value == default {
        return None;
    }
    let (is_valid, expected): (fn(&str) -> bool, &str) = match parameter.kind.as_str() {
        "integer" => (is_integer, "expected a whole number"),
        "boolean" => (is_boolean, "expected 'true' or 'false'"),
        "second" | "time" | "timeout" | "duration" => (is_time, "expected a time such as '10s'"),
        "percentage" => (is_percentage, "expected a percentage such as '10%'"),
        "select" => return unexpected_choice(value, default, parameter),
        _ => return None,
    };
    let is_believed = default.is_empty() || is_valid(default);
    (is_believed && !is_valid(value)).then(|| expected.to_owned())
}

fn unexpected_choice(value: &str, default: &str, parameter: &AgentParameter) -> Option<String> {
    let options = &parameter.options;
    let has = |value: &str| options.iter().any(|option| option == value);
    if options.is_empty() || has(value) || !(default.is_empty() || has(default)) {
        return None;
    }
    let listed: Vec<String> = options.iter().take(24).map(|it| quote(it)).collect();
    Some(format!("expected one of: {}", listed.join(", ")))
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words of OCF's shell functions and of Pacemaker.
fn is_boolean(text: &str) -> bool {
    value::boolean(text).is_ok()
        || ["ja", "nein", "t", "f"]
            .iter()
            .any(|it| text.eq_ignore_ascii_case(it))
}

/// A time as Pacemaker reads it, or as a calendar does (`PT10S`).
fn is_time(text: &str) -> bool {
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let units = [
        "", "s", "sec", "ms", "msec", "us", "usec", "m", "min", "h", "hr", "d",
    ];
    let is_plain = number.len() < text.len() && units.contains(&number.trim());
    is_plain || text.starts_with('P') || ["-1", "INFINITY"].contains(&text)
}

fn is_percentage(text: &str) -> bool {
    let number = text.trim_end_matches('%').trim();
    number.parse::<f64>().is_ok_and(f64::is_finite)
}
