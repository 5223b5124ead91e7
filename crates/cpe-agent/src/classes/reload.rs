//! Which parameters of a service can be changed while it runs: what its resource agent's metadata
//! says, in the form in which the policy engine wants it.
//!
//! OCF Resource Agent API 1.1: an agent that has the action `reload-agent` marks with
//! `reloadable="1"` the parameters that it can take over by it. A change of any other is a restart.
//! (The `reload` of agents before 1.1 meant two things, and is not used.)

use std::collections::BTreeMap;
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

/// The parameters of a resource agent: whether each is reloadable. Empty: the agent has no
/// `reload-agent`.
type Parameters = BTreeMap<String, bool>;

impl Classes {
    /// The names of the parameters whose change needs a restart, with blanks around each. `None`:
    /// all of them.
    pub(super) async fn force_restart(&self, operation: &Operation) -> Option<String> {
        let describes = operation.interval_ms == 0
            && operation.class == "ocf"
            && matches!(
                operation.action.as_str(),
                "start" | "monitor" | "promote" | "demote" | "migrate_from" | "reload-agent"
            );
        if !describes {
            return None;
        }
        let parameters = self.reloadable(operation).await?;
        let declared = parameters.iter().filter(|(_, reloadable)| !**reloadable);
        // What the metadata does not name may mean anything.
        let undeclared = operation
            .parameters
            .keys()
            .filter(|name| !parameters.contains_key(*name));
        let names: Vec<&str> = declared
            .map(|(name, _)| name)
            .chain(undeclared)
            .map(String::as_str)
            .collect();
        let names = format!(" {} ", names.join(" "));
        (names.len() <= MAX_NAMES).then_some(names)
    }

    async fn reloadable(&self, operation: &Operation) -> Option<Parameters> {
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
        let parameters = match known(&self.known) {
            Some(parameters) => parameters,
            None => {
                let found = self.describe(operation, changed).await;
                let parameters = found.parameters.clone();
                let mut known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(key, found);
                parameters
            }
        };
        (!parameters.is_empty()).then_some(parameters)
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
                (Parameters::new(), Some(Instant::now() + PAUSE))
            }
        };
        Metadata {
            changed,
            parameters,
            again,
        }
    }
}

/// The parameters that metadata declares, if it has the action `reload-agent` and one of them is
/// reloadable.
fn parameters(metadata: &str) -> Parameters {
    let mut reader = Reader::from_str(metadata);
    let (mut parameters, mut reloads) = (Parameters::new(), false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => match tag.name().as_ref() {
                "parameter" => {
                    let reloadable =
                        attribute(&tag, "reloadable").is_some_and(|value| is_true(&value));
                    if let Some(name) = attribute(&tag, "name") {
                        parameters.insert(name, reloadable);
                    }
                }
                "action" => reloads |= attribute(&tag, "name").as_deref() == Some("reload-agent"),
                _ => {}
            },
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(_) => return Parameters::new(),
        }
    }
    let any = parameters.values().any(|reloadable| *reloadable);
    if reloads && any {
        parameters
    } else {
        Parameters::new()
    }
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
        <content type="integer"/></parameter></parameters>"#;

    #[test]
    fn parameters_are_reloadable_if_the_agent_says_so_and_can_reload() {
        let metadata = format!(
            "<?xml version=\"1.0\"?><resource-agent name=\"a\">{PARAMETERS}<actions><action name=\"reload-agent\"/></actions></resource-agent>"
        );
        let expected = [("limit".to_owned(), true), ("port".to_owned(), false)];
        assert_eq!(parameters(&metadata), Parameters::from(expected));
    }

    #[test]
    fn an_agent_that_cannot_reload_has_nothing_to_reload() {
        for actions in ["<action name=\"start\"/>", "<action name=\"reload\"/>"] {
            let metadata = format!(
                "<resource-agent name=\"a\">{PARAMETERS}<actions>{actions}</actions></resource-agent>"
            );
            assert_eq!(parameters(&metadata), Parameters::new());
        }
        assert_eq!(parameters("<resource-agent"), Parameters::new());
    }
}
