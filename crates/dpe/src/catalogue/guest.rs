//! One conversation with one guest about its agents.

use std::sync::Arc;
use std::time::Duration;

use cpe_bus::peer::{self, Credentials, Meter};
use cpe_bus::proxies::AgentProxy;
use cpe_bus::{AgentDescription, Error, PeerAddress, Result};
use deployment::{Agent, Answer, metadata};
use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zbus::proxy::CacheProperties;

use super::known::{Known, weight};

/// Questions to a guest at a time: one agent that hangs must not keep the others' answers away. A
/// guest takes eight, of everybody.
const QUESTIONS: usize = 4;
/// How long one agent may take. Those of a distribution take some hundredths of a second.
const PATIENCE: Duration = Duration::from_secs(6);
/// Pause before a guest that is busy is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// What is taken of one guest in one conversation, in bytes: a hundred agents of a distribution.
const MAX_WEIGHT: usize = 4 << 20;
/// The longest reason that is passed on, in bytes.
const MAX_REASON: usize = 400;

/// An answer, or why there is none.
pub(super) type Asked = (Agent, std::result::Result<Answer, String>);

/// What came of a conversation.
#[derive(Debug)]
pub(super) enum Said {
    /// Why there was none.
    Nothing(String),
    Answers(Vec<Asked>),
}

impl Said {
    pub(super) fn nothing(reason: &str) -> Said {
        Said::Nothing(reason.to_owned())
    }
}

/// A guest, and how long it has time.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) deployment: String,
    pub(super) assembly: String,
    pub(super) address: Option<String>,
    pub(super) credentials: Arc<Credentials>,
    pub(super) meter: Meter,
    pub(super) known: Arc<Known>,
    pub(super) deadline: Instant,
}

/// A guest that answers.
struct Connected {
    agent: AgentProxy<'static>,
    boot_id: String,
}

impl Guest {
    /// Asks for these agents, each once.
    pub(super) async fn ask(&self, agents: Vec<Agent>, brief: bool) -> Said {
        let connected = match self.connect().await {
            Ok(connected) => connected,
            Err(reason) => return Said::Nothing(reason),
        };
        let mut heavy = 0;
        let mut answers = Vec::with_capacity(agents.len());
        let asked = stream::iter(agents).map(|agent| self.ask_one(&connected, agent, brief));
        let mut asked = std::pin::pin!(asked.buffer_unordered(QUESTIONS));
        while let Some((agent, answer)) = asked.next().await {
            heavy += answer.as_ref().map_or(0, weight);
            let answer = match heavy > MAX_WEIGHT {
                false => answer,
                true => Err("its agents say too much about themselves".to_owned()),
            };
            answers.push((agent, answer));
        }
        Said::Answers(answers)
    }

    /// The agents that it has, by name, and whether there are more.
    pub(super) async fn list(
        &self,
        class: &str,
    ) -> std::result::Result<(Vec<String>, bool), String> {
        let connected = self.connect().await?;
        let call = async {
            loop {
                match connected.agent.list_agents(class).await {
                    Err(Error::Busy(_)) => tokio::time::sleep(PAUSE).await,
                    other => return other,
                }
            }
        };
        let listed = tokio::time::timeout_at(self.deadline, call).await;
        let listed = listed.unwrap_or_else(|_| Err(late()));
        let (agents, more) = listed.map_err(|error| reason(&error))?;
        Ok((agents, more > 0))
    }

    async fn connect(&self) -> std::result::Result<Connected, String> {
        let Some(address) = &self.address else {
            return Err("the document gives it no address".to_owned());
        };
        let connected = tokio::time::timeout_at(self.deadline, async {
            let address = address.parse::<PeerAddress>()?;
            let guest = peer::Guest::new(&address, &self.assembly, &self.credentials);
            let connection = peer::connect_to(&guest, &self.meter).await?;
            let agent = AgentProxy::builder(&connection)
                .cache_properties(CacheProperties::No)
                .build()
                .await?;
            let described = AgentDescription::from_fields(&agent.describe().await?)?;
            Ok((agent, described))
        });
        let connected = connected.await.unwrap_or_else(|_| Err(late()));
        let (agent, described) = connected.map_err(|error| reason(&error))?;
        let own = (self.deployment.as_str(), self.assembly.as_str());
        let owner = (described.deployment.as_str(), described.assembly.as_str());
        if !owner.0.is_empty() && owner != own {
            return Err(reason(&Error::Occupied(format!(
                "its guest is assembly {} of deployment {}",
                owner.1, owner.0
            ))));
        }
        Ok(Connected {
            agent,
            boot_id: described.boot_id,
        })
    }

    async fn ask_one(&self, connected: &Connected, agent: Agent, brief: bool) -> Asked {
        let boot_id = &connected.boot_id;
        if brief && let Some(known) = self.known.get(&self.assembly, boot_id, &agent) {
            return (agent, Ok(known));
        }
        let deadline = self.deadline.min(Instant::now() + PATIENCE);
        let answer = tokio::time::timeout_at(deadline, question(connected, &agent, brief));
        let answer = answer.await.unwrap_or_else(|_| Err(late()));
        let answer = match answer {
            Ok(answer) if brief => Ok(self.known.put(&self.assembly, boot_id, &agent, answer)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(reason(&error)),
        };
        (agent, answer)
    }
}

async fn question(connected: &Connected, agent: &Agent, brief: bool) -> Result<Answer> {
    let provider = agent.provider.as_deref().unwrap_or_default();
    let proxy = &connected.agent;
    let text = loop {
        match proxy.metadata(&agent.class, provider, &agent.kind).await {
            Err(Error::Busy(_)) => tokio::time::sleep(PAUSE).await,
            Err(Error::NotFound(_)) => return Ok(Answer::Absent),
            other => break other?,
        }
    };
    let name = agent.to_string();
    beside_the_loop(move || {
        let read = metadata::read(&text).map_err(|reason| {
            Error::Failed(format!("the metadata of {name} cannot be read: {reason}"))
        })?;
        let read = if brief {
            metadata::in_brief(read)
        } else {
            read
        };
        Ok(Answer::Described(Arc::new(read)))
    })
    .await?
}

/// Does what may take long off the event loop, which has heartbeats to answer. One at a time: there
/// is a thread for it.
///
/// # Errors
/// [`Error::Failed`] if it panicked.
pub(super) async fn beside_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    static TURN: Semaphore = Semaphore::const_new(1);
    let failed = |error: &dyn std::fmt::Display| Error::Failed(error.to_string());
    let turn = TURN.acquire().await.map_err(|error| failed(&error))?;
    let done = tokio::task::spawn_blocking(move || {
        // Until it has ended, also if nobody waits for it any more.
        let _turn = turn;
        cpe_daemon::confine(work)
    });
    let done = done.await.map_err(|error| failed(&error))?;
    done.map_err(|panicked| failed(&panicked))
}

fn late() -> Error {
    Error::NotReady("it did not answer in time".to_owned())
}

/// Why, for people, in one line: the text may be the guest's.
fn reason(error: &Error) -> String {
    let text: String = error
        .message()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cpe_bus::fields::bounded(&text, MAX_REASON)
}
