//! What a resource agent's metadata says of its parameters: which can be changed while the service
//! runs, in the form in which the policy engine wants it, and which are private.
//!
//! OCF Resource Agent API 1.1: an agent that has the action `reload-agent` marks with
//! `reloadable="1"` the parameters that it can take over by it. A change of any other is a restart.
//! (The `reload` of agents before 1.1 meant two things, and is not used.)
//!
//! That of no version has a word for parameters that are nobody else's business. Agents of one's
//! own may say `private="1"` of them, which others do not read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use cpe_bus::{Error, Operation};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use tokio::time::Instant;

use super::Classes;

/// How long an operation waits at most for its agent's metadata.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest list of names, in bytes: it is kept with every record.
const MAX_NAMES: usize = 4096;

/// How long an agent that gave no metadata is not asked again, unless its file changes.
const PAUSE: Duration = Duration::from_secs(600);

/// What is known of resource agents, by path.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<BTreeMap<String, Metadata>>);

/// What is known of one resource agent.
#[derive(Debug)]
struct Metadata {
    /// The last change of its file.
    changed: SystemTime,
    parameters: Parameters,
    /// It gave none: when it is asked again.
    again: Option<Instant>,
}

/// The parameters of a resource agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Parameters {
    /// Whether each is reloadable. Empty: the agent has no `reload-agent`.
    reloadable: BTreeMap<String, bool>,
    /// Those whose values are to be told to nobody.
    private: BTreeSet<String>,
}

/// What a resource agent says of an operation's parameters.
#[derive(Debug, Default)]
pub(super) struct Described {
    /// The names of the parameters whose change needs a restart, with blanks around each. `None`:
    /// all of them.
    pub force_restart: Option<String>,
    /// The names of those that are private.
    pub private: Vec<String>,
}

impl Classes {
    /// Asks what the agent of an operation says of its parameters. What ends a service does not
    /// wait for that: it comes with the names that its start had.
    pub(super) async fn described(&self, operation: &Operation) -> Described {
        let describes = operation.class == "ocf"
            && matches!(
                operation.action.as_str(),
                "start" | "monitor" | "promote" | "demote" | "migrate_from" | "reload-agent"
            );
        if !describes || operation.parameters.is_empty() && operation.interval_ms > 0 {
            return Described::default();
        }
        let Some(known) = self.parameters(operation).await else {
            return Described::default();
        };
        let given = operation.parameters.keys();
        let private = given.filter(|name| known.private.contains(*name));
        Described {
            private: private.cloned().collect(),
            force_restart: match operation.interval_ms {
                0 => force_restart(operation, &known.reloadable),
                _ => None,
            },
        }
    }

    async fn parameters(&self, operation: &Operation) -> Option<Parameters> {
        let path = self.ocf_program(operation, String::new(), PATIENCE).path;
        let changed = std::fs::metadata(&path)
            .and_then(|file| file.modified())
            .ok()?;
        let key = path.to_string_lossy().into_owned();
        let known = |known: &Known| {
            let known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
            known
                .get(&key)
                .filter(|known| known.changed == changed)
                .filter(|known| known.again.is_none_or(|again| Instant::now() < again))
                .map(|known| known.parameters.clone())
        };
        Some(match known(&self.known) {
            Some(parameters) => parameters,
            None => {
                let found = self.describe(operation, changed).await;
                let parameters = found.parameters.clone();
                let mut known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(key, found);
                parameters
            }
        })
    }

    /// Asks a resource agent for its metadata.
    async fn describe(&self, operation: &Operation, changed: SystemTime) -> Metadata {
        let metadata = self.metadata(&operation.class, &operation.provider, &operation.agent);
        let late = || Error::Failed(format!("it takes more than {} s", PATIENCE.as_secs()));
        let metadata = tokio::time::timeout(PATIENCE, metadata).await;
        let (parameters, again) = match metadata.unwrap_or_else(|_| Err(late())) {
            Ok(metadata) => (parameters(&metadata), None),
            // It may do better some time; but operations wait for the answer, so not at each of
            // them.
            Err(error) => {
                let agent = operation.specification();
                tracing::info!(%error, agent, "no metadata, so a change of any parameter is a restart");
                (Parameters::default(), Some(Instant::now() + PAUSE))
            }
        };
        Metadata {
            changed,
            parameters,
            again,
        }
    }
}

/// The parameters whose change needs a restart.
fn force_restart(operation: &Operation, reloadable: &BTreeMap<String, bool>) -> Option<String> {
    if reloadable.is_empty() {
        return None;
    }
    let declared = reloadable.iter().filter(|(_, reloadable)| !**reloadable);
    // What the metadata does not name may mean anything.
    let given = operation.parameters.keys();
    let undeclared = given.filter(|name| !reloadable.contains_key(*name));
    let names = declared.map(|(name, _)| name).chain(undeclared);
    let names: Vec<&str> = names.map(String::as_str).collect();
    let names = format!(" {} ", names.join(" "));
    (names.len() <= MAX_NAMES).then_some(names)
}

/// What metadata says of its parameters; of those that are reloadable only if it has the action
/// `reload-agent`, and there is one.
fn parameters(metadata: &str) -> Parameters {
    let mut reader = Reader::from_str(metadata);
    let (mut parameters, mut reloads) = (Parameters::default(), false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => match tag.name().as_ref() {
                "parameter" => {
                    let says = |what| attribute(&tag, what).is_some_and(|value| is_true(&value));
                    if let Some(name) = attribute(&tag, "name") {
                        if says("private") {
                            parameters.private.insert(name.clone());
                        }
                        parameters.reloadable.insert(name, says("reloadable"));
                    }
                }
                "action" => reloads |= attribute(&tag, "name").as_deref() == Some("reload-agent"),
                _ => {}
            },
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(_) => return Parameters::default(),
        }
    }
    if !reloads || !parameters.reloadable.values().any(|it| *it) {
        parameters.reloadable.clear();
    }
    parameters
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag
        .attributes()
        .flatten()
        .find(|attribute| attribute.key.as_ref() == name)?;
    Some(found.value.to_string())
}

fn is_true(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "1" | "true" | "yes" | "on" | "y"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: &str = r#"<parameters><parameter name="port" unique="0"/><parameter name="limit" reloadable="1">
        <content type="integer"/></parameter><parameter name="dsn" private="true"/></parameters>"#;

    #[test]
    fn parameters_are_reloadable_if_the_agent_says_so_and_can_reload() {
        let metadata = format!(
            "<?xml version=\"1.0\"?><resource-agent name=\"a\">{PARAMETERS}<actions><action name=\"reload-agent\"/></actions></resource-agent>"
        );
        let expected = [("dsn", false), ("limit", true), ("port", false)];
        let expected = expected.map(|(name, reloadable)| (name.to_owned(), reloadable));
        assert_eq!(parameters(&metadata).reloadable, expected.into());
    }

    #[test]
    fn an_agent_that_cannot_reload_has_nothing_to_reload() {
        for actions in ["<action name=\"start\"/>", "<action name=\"reload\"/>"] {
            let metadata = format!(
                "<resource-agent name=\"a\">{PARAMETERS}<actions>{actions}</actions></resource-agent>"
            );
            let found = parameters(&metadata);
            assert_eq!(found.reloadable, BTreeMap::new());
            assert_eq!(found.private, ["dsn".to_owned()].into());
        }
        assert_eq!(parameters("<resource-agent"), Parameters::default());
    }
}
