//! Documents against what the host's fence agents say about themselves: agents that are not
//! installed, parameters that they do not know or lack, actions without which nothing shows that a
//! device is off.
//!
//! All of it is warned of, and nothing refused: the document may be read on another host than the
//! one that fences.

use std::collections::{BTreeSet, HashMap, HashSet};

use cpe_status::{AgentParameter, ResourceAgent};

use crate::agents::{Answer, Uses, Variant};
use crate::problem::{Problem, Problems, quote};
use crate::secret::secret_use;
use crate::uses::{FENCING, Use};

/// Parameters that the DPE gives an agent itself.
const GIVEN: [&str; 5] = ["action", "option", "plug", "port", "nodename"];
/// Parameters of `<configuration>` that are not for the agent.
const NOT_FOR_AGENTS: [&str; 5] = ["priority", "method", "stonith-timeout", "provides", "pcmk_"];

/// What is known of fence agents, by name; what is not in it is not known.
pub type FenceAgents = HashMap<String, Answer>;

impl Uses {
    /// The fence agents of the document.
    pub fn fence_agents(&self) -> BTreeSet<&str> {
        let agents = self.fencing().map(|one| one.agent.kind.as_str());
        agents.collect()
    }

    /// Warnings about the document's fence agents, in its order, by what is known of them.
    pub fn check_fencing(&self, known: &FenceAgents) -> Vec<Problem> {
        let mut problems = Problems::default();
        for one in self.fencing() {
            match known.get(&one.agent.kind) {
                Some(Answer::Described(metadata)) => check(one, metadata, &mut problems),
                Some(Answer::Absent) => {
                    let message = format!("{} is not installed on this host", one.agent.kind);
                    let hint = format!(
                        "without it {} cannot be made safe: install it where the deployment runs",
                        quote(&one.service)
                    );
                    problems.warning(one.at, message, hint);
                }
                None => {}
            }
        }
        problems.locate(&self.document)
    }

    fn fencing(&self) -> impl Iterator<Item = &Use> {
        let uses = self.uses.iter();
        uses.filter(|one| one.agent.class == FENCING && one.agent.kind.starts_with("fence_"))
    }
}

fn check(one: &Use, metadata: &ResourceAgent, problems: &mut Problems) {
    let variant = Variant { one, metadata };
    let agent = &one.agent.kind;
    let known: HashMap<&str, &AgentParameter> = metadata
        .parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), parameter))
        .collect();
    let mut warnings = Vec::new();
    for given in &one.parameters {
        let name = given.name.as_str();
        let is_file = secret_use(&given.value).is_some();
        match known.get(name) {
            Some(parameter) if !is_file => {
                warnings.extend(variant.parameter(given, parameter));
                if is_password(parameter) && !given.is_secret {
                    let message = format!(
                        "{agent} calls {} a password, and it is in the document itself",
                        quote(name)
                    );
                    let hint =
                        "write it to a file of the host, and say file=\"/etc/cpe/secrets/…\"";
                    warnings.push((given.at, message, Some(hint.to_owned())));
                }
            }
            Some(_) => {}
            None if NOT_FOR_AGENTS.iter().any(|other| name.starts_with(other)) => {}
            None => warnings.extend(variant.unknown(given, problems)),
        }
    }
    for (at, message, hint) in warnings {
        problems.warning(at, message, hint);
    }
    missing(one, metadata, problems);
    unfencing(one, metadata, problems);
    actions(one, metadata, problems);
}

/// By its own words; what names the file or the program that gives it is none.
fn is_password(parameter: &AgentParameter) -> bool {
    let leads = ["_script", "_file", "_path"];
    let text = format!("{} {}", parameter.short, parameter.long).to_ascii_lowercase();
    !leads.iter().any(|end| parameter.name.ends_with(end))
        && parameter.kind == "string"
        && ["password", "passphrase"]
            .iter()
            .any(|word| text.contains(word))
}

/// Required parameters that are not given, and have no value otherwise.
fn missing(one: &Use, metadata: &ResourceAgent, problems: &mut Problems) {
    let given: HashSet<&str> = one.parameters.iter().map(|it| it.name.as_str()).collect();
    let has_value = |it: &AgentParameter| it.default.as_ref().is_some_and(|it| !it.is_empty());
    let missing = metadata.parameters.iter().filter(|parameter| {
        let name = parameter.name.as_str();
        parameter.required
            && !parameter.deprecated
            && !given.contains(name)
            && !GIVEN.contains(&name)
            && !has_value(parameter)
    });
    let missing: Vec<String> = missing.map(|it| quote(&it.name)).collect();
    if !missing.is_empty() {
        let message = format!("{} requires {}", one.agent.kind, missing.join(", "));
        let hint = format!("without it {} cannot be made safe", quote(&one.service));
        problems.warning(one.at, message, hint);
    }
}

/// An agent whose `on` nobody runs, or that is to unfence and is not said to.
fn unfencing(one: &Use, metadata: &ResourceAgent, problems: &mut Problems) {
    let mut actions = metadata.actions.iter();
    let Some(on) = actions.find(|action| action.name == "on") else {
        return;
    };
    let agent = &one.agent.kind;
    if on.on_target {
        let message =
            format!("the action \"on\" of {agent} has to run in the guest that it lets in");
        let hint = "no guest runs fence agents here, so nothing lets in again what it has cut off: use another agent";
        problems.warning(one.at, message, hint.to_owned());
    } else if on.automatic && !one.unfences {
        let message = format!("{agent} lets in again what it has cut off only when it is asked to");
        let hint = "write provides=\"unfencing\" in the <meta_attributes> of a device of <configuration>, so that it is asked when a guest has booted";
        problems.warning(one.at, message, hint.to_owned());
    }
}

/// What the agent cannot do, and what follows.
fn actions(one: &Use, metadata: &ResourceAgent, problems: &mut Problems) {
    let has = |action: &str| metadata.actions.iter().any(|it| it.name == action);
    let agent = &one.agent.kind;
    if !has("off") || !has("status") {
        let message = format!("{agent} cannot be asked whether its device is off");
        let hint = "then the exit status of its 'reboot' is all that shows it: use another agent where you can";
        problems.warning(one.at, message, hint.to_owned());
    } else if !has("on") {
        let message = format!("{agent} cannot switch on what it has switched off");
        let hint = "somebody else has to: power on is not asked of it";
        problems.warning(one.at, message, hint.to_owned());
    }
}
