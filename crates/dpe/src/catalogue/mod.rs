//! What the resource agents of the guests say about themselves: asked when somebody wants to know,
//! for the check of documents and for people.
//!
//! Guests may lie, hang and flood. So they are asked on connections of their own, which nothing
//! depends on: never on the streams that keep leases. Each answer is bounded in size and time, what
//! is kept of it is bounded too, and it is read beside the loop. What one guest does costs the
//! others a part of the time for all, at most.

mod guest;
mod known;
mod list;
#[cfg(test)]
mod tests;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::peer::Credentials;
use cpe_bus::{Error, ResourceClass, Result};
use cpe_status::{
    AgentCheck, AgentDescriptions, AgentVariant, DocumentWarning, ResourceAgent, Unasked,
};
use deployment::{Agent, Answer, Answers, Assembly, Deployment, Uses};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::guest::{Guest, Said};
use self::known::Known;

/// How long a check of a document waits for guests.
const CHECK_TIME: Duration = Duration::from_secs(8);
/// How long somebody who looks waits for guests.
const LOOK_TIME: Duration = Duration::from_secs(20);
/// Guests that are asked at a time. Each may send 2 MiB for a question, to four of them at once.
const GUESTS: usize = 8;
/// Different metadata of one agent that are shown.
const MAX_VARIANTS: usize = 8;
/// Guests and agents that gave no answer, of which one is told.
const MAX_UNASKED: usize = 1_000;

/// The way to what the guests' agents say.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    deployment: String,
    known: Arc<Known>,
    credentials: Arc<Credentials>,
    places: Arc<Semaphore>,
}

impl Catalogue {
    /// Of the guests of this deployment.
    pub(crate) fn new(deployment: &str, credentials: Arc<Credentials>) -> Catalogue {
        Catalogue {
            deployment: deployment.to_owned(),
            known: Arc::default(),
            credentials,
            places: Arc::new(Semaphore::new(GUESTS)),
        }
    }

    /// What agents say about a document. Takes [`CHECK_TIME`] at most, beside the reading.
    ///
    /// # Errors
    /// [`Error::Failed`] if the check panicked.
    pub(crate) async fn check(&self, deployment: &Deployment, uses: Uses) -> Result<AgentCheck> {
        let deadline = Instant::now() + CHECK_TIME;
        let questions = uses.questions();
        let asked = self.ask_all(deployment, questions, true, deadline).await;
        let mut answers = Answers::new();
        let mut unasked = Vec::new();
        for (assembly, said) in asked {
            take(assembly, said, &mut unasked, |assembly, agent, answer| {
                answers.insert((assembly, agent), answer);
            });
        }
        let problems = guest::beside_the_loop(move || uses.check(&answers)).await?;
        let warnings = problems.into_iter().map(|problem| DocumentWarning {
            line: problem.line,
            column: problem.column,
            message: problem.text(),
        });
        Ok(AgentCheck {
            warnings: warnings.collect(),
            unasked: in_order(unasked),
        })
    }

    /// What an agent says about itself, in each guest.
    pub(crate) async fn describe(
        &self,
        deployment: &Deployment,
        agent: &Agent,
        assembly: Option<&str>,
    ) -> AgentDescriptions {
        let deadline = Instant::now() + LOOK_TIME;
        let wanted = deployment.assemblies.iter();
        let wanted = wanted.filter(|it| assembly.is_none_or(|assembly| it.name == assembly));
        let questions = wanted.map(|it| (it.name.clone(), vec![agent.clone()]));
        let asked = self.ask_all(deployment, questions, false, deadline).await;
        let mut found = AgentDescriptions {
            deployment: self.deployment.clone(),
            agent: agent.to_string(),
            ..AgentDescriptions::default()
        };
        let (mut missing, mut variants) = (Vec::new(), Vec::<AgentVariant>::new());
        let (mut unasked, mut strange) = (Vec::new(), Vec::new());
        for (assembly, said) in asked {
            take(
                assembly,
                said,
                &mut unasked,
                |assembly, _, answer| match answer {
                    Answer::Absent => missing.push(assembly),
                    Answer::Described(metadata) => {
                        strange.extend(add_variant(&mut variants, assembly, &metadata));
                    }
                },
            );
        }
        unasked.extend(strange);
        missing.sort();
        for variant in &mut variants {
            variant.assemblies.sort();
        }
        variants.sort_by(|one, other| one.assemblies.cmp(&other.assemblies));
        (found.variants, found.missing) = (variants, missing);
        found.unasked = in_order(unasked);
        found
    }

    /// Asks guests for agents, several at a time. `brief`: without long texts, and what is known
    /// already is not asked for.
    async fn ask_all(
        &self,
        deployment: &Deployment,
        questions: impl IntoIterator<Item = (String, Vec<Agent>)>,
        brief: bool,
        deadline: Instant,
    ) -> Vec<(String, Said)> {
        let assemblies: HashMap<&str, &Assembly> = deployment
            .assemblies
            .iter()
            .map(|assembly| (assembly.name.as_str(), assembly))
            .collect();
        let mut conversations = JoinSet::new();
        for (name, agents) in questions {
            let Some(assembly) = assemblies.get(name.as_str()) else {
                continue;
            };
            let guest = self.guest(assembly, deadline);
            let places = Arc::clone(&self.places);
            conversations.spawn(async move {
                let place = tokio::time::timeout_at(deadline, places.acquire_owned()).await;
                let said = match place {
                    Ok(_place) => guest.ask(agents, brief).await,
                    Err(_) => Said::nothing("there was no time left to ask it"),
                };
                (name, said)
            });
        }
        let mut said = Vec::new();
        while let Some(one) = conversations.join_next().await {
            said.extend(one.ok());
        }
        said
    }

    fn guest(&self, assembly: &Assembly, deadline: Instant) -> Guest {
        Guest {
            deployment: self.deployment.clone(),
            assembly: assembly.name.clone(),
            address: assembly.address.as_ref().map(ToString::to_string),
            credentials: Arc::clone(&self.credentials),
            meter: self.known.meter(&assembly.name),
            known: Arc::clone(&self.known),
            deadline,
        }
    }
}

/// What a document asks of agents. Reads it beside the loop.
///
/// # Errors
/// [`Error::InvalidDocument`] with all problems.
pub(crate) async fn uses(document: String) -> Result<(Deployment, Uses)> {
    guest::beside_the_loop(move || {
        let document = document.as_bytes();
        deployment::read_uses(document).ok_or_else(|| {
            let problems = deployment::read(document).err().unwrap_or_default();
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Error::InvalidDocument(lines.join("\n"))
        })
    })
    .await?
}

/// # Errors
/// [`Error::InvalidArgument`] if guests list no such class.
pub(crate) fn check_class(class: &str) -> Result<()> {
    match class {
        "" => Ok(()),
        class => class.parse::<ResourceClass>().map(drop),
    }
}

/// The agent of a name such as `ocf:heartbeat:pgsql`.
///
/// # Errors
/// [`Error::InvalidArgument`], which says what a name is.
pub(crate) fn parse(name: &str) -> Result<Agent> {
    let refused = || {
        Error::InvalidArgument(format!(
            "expected the name of a resource agent, such as ocf:heartbeat:pgsql or systemd:nginx, found `{}`",
            cpe_bus::fields::bounded(name, 128)
        ))
    };
    let (class, rest) = name.split_once(':').ok_or_else(refused)?;
    let (provider, kind) = match class {
        "ocf" => {
            let (provider, kind) = rest.split_once(':').ok_or_else(refused)?;
            (Some(provider.to_owned()), kind)
        }
        "lsb" | "systemd" | "service" => (None, rest),
        _ => return Err(refused()),
    };
    let is_valid = |part: &str| {
        (1..=255).contains(&part.len())
            && !part.contains('/')
            && !part.starts_with('.')
            && !part.chars().any(char::is_control)
    };
    if !is_valid(kind) || !provider.as_deref().is_none_or(is_valid) {
        return Err(refused());
    }
    Ok(Agent {
        class: class.to_owned(),
        provider,
        kind: kind.to_owned(),
    })
}

/// Sorts what a guest has said.
fn take(
    assembly: String,
    said: Said,
    unasked: &mut Vec<Unasked>,
    mut answered: impl FnMut(String, Agent, Answer),
) {
    let mut silent = |agent: String, reason: String| {
        unasked.push(Unasked {
            assembly: assembly.clone(),
            agent,
            reason,
        });
    };
    match said {
        Said::Nothing(reason) => silent(String::new(), reason),
        Said::Answers(answers) => {
            for (agent, answer) in answers {
                match answer {
                    Ok(answer) => answered(assembly.clone(), agent, answer),
                    Err(reason) => silent(agent.to_string(), reason),
                }
            }
        }
    }
}

/// Adds a guest to those that say the same; gives the guest back if there are too many that do not.
fn add_variant(
    variants: &mut Vec<AgentVariant>,
    assembly: String,
    metadata: &ResourceAgent,
) -> Option<Unasked> {
    if let Some(known) = variants.iter_mut().find(|it| it.metadata == *metadata) {
        known.assemblies.push(assembly);
    } else if variants.len() < MAX_VARIANTS {
        variants.push(AgentVariant {
            assemblies: vec![assembly],
            metadata: metadata.clone(),
        });
    } else {
        return Some(Unasked {
            assembly,
            agent: String::new(),
            reason: format!("it says something else than the {MAX_VARIANTS} that are shown"),
        });
    }
    None
}

fn in_order(mut unasked: Vec<Unasked>) -> Vec<Unasked> {
    let key = |it: &Unasked| (it.assembly.clone(), it.agent.clone());
    unasked.sort_by_cached_key(key);
    unasked.truncate(MAX_UNASKED);
    unasked
}
