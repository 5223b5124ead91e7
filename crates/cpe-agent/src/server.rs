//! The agent on the wire: connections, and interface `org.cloudpolicy.Agent1` on each of them.
//!
//! Nothing is decided here: calls become commands of the engine, and the engine's signals go out
//! through a bounded outbox, so that a DPE that reads nothing cannot hold the engine up.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpe_bus::fields::Fields;
use cpe_bus::peer::{Access, Admitted, Credentials, Door, HANDSHAKE_TIMEOUT, Name, Visitor};
use cpe_bus::{Error, HelloSettings, Operation, PeerAddress, Question, Result, names};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use zbus::object_server::SignalEmitter;

use crate::classes::Classes;
use crate::engine::commands::{Call, Command, Hello, Outgoing, Peer, Reply};
use crate::renewal::Renewal;

/// Connections that there may be at a time: the DPE's, its successor's, and a few who look.
const MAX_CONNECTIONS: usize = 16;
/// Connections over a network at one address whose other side has not shown yet who it is. They
/// take none of the places above. The oldest one makes room for the next.
const MAX_STRANGERS: usize = 64;
/// Reasons for which somebody was not let in that the log has of an hour: an address that is open
/// to a whole network must not fill the disk.
const MAX_REFUSALS: usize = 64;
/// For how long they are remembered.
const REFUSALS_KEPT: Duration = Duration::from_secs(3600);
/// Calls of one connection that may be under way at a time. A DPE makes one after the other, apart
/// from renewals, for whose answers it does not wait.
const MAX_CALLS: usize = 64;
/// Questions for metadata and for lists of agents that may be under way at a time, beside the
/// calls, over all connections: each is a process, and may take half a minute.
const MAX_METADATA_CALLS: usize = 8;
/// Signals that wait for a slow DPE before it is cut off: a quarter of an hour of heartbeats, or
/// the results of all operations that it can have under way, several times over.
const OUTBOX: usize = 1024;

/// One connection's object.
struct AgentObject {
    peer: Peer,
    /// Whom this guest's certificate names, by which the other side was let in.
    own: Option<Name>,
    engine: mpsc::Sender<Command>,
    classes: Arc<Classes>,
    calls: Semaphore,
    metadata_calls: Arc<Semaphore>,
    renewal: Renewal,
}

impl AgentObject {
    /// Over a network, a DPE says Hello to the assembly that the certificates name.
    fn must_agree(&self, deployment: &str, assembly: &str) -> Result<()> {
        match &self.own {
            Some(own) if *own != Name::agent(deployment, assembly) => {
                Err(Error::IdentityRefused(format!(
                    "Hello is for assembly {assembly} of {deployment}; the certificate of this guest's agent is that of {own}"
                )))
            }
            _ => Ok(()),
        }
    }

    async fn call<T>(&self, epoch: u64, call: impl FnOnce(Reply<T>) -> Call) -> Result<T> {
        let peer = self.peer.id;
        self.command(|reply| {
            let call = call(reply);
            Command::Call { peer, epoch, call }
        })
        .await
    }

    async fn command<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T> {
        let _place = place(&self.calls)?;
        let gone = || Error::NotReady("this agent is ending".to_owned());
        let (reply, answer) = oneshot::channel();
        self.engine.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// A place among the calls that are under way.
fn place(calls: &Semaphore) -> Result<SemaphorePermit<'_>> {
    let too_many = "too many calls of this connection are under way: wait for their answers";
    calls
        .try_acquire()
        .map_err(|_| Error::Busy(too_many.to_owned()))
}

#[zbus::interface(name = "org.cloudpolicy.Agent1", introspection_docs = false)]
impl AgentObject {
    #[zbus(out_args("reply"))]
    async fn hello(
        &self,
        epoch: u64,
        deployment: String,
        assembly: String,
        settings: Fields,
    ) -> Result<Fields> {
        self.must_agree(&deployment, &assembly)?;
        let hello = Hello {
            peer: self.peer.clone(),
            epoch,
            deployment,
            assembly,
            settings: HelloSettings::from_fields(&settings)?,
        };
        let reply = self
            .command(|reply| Command::Hello { hello, reply })
            .await?;
        Ok(reply.to_fields())
    }

    #[zbus(out_args("description"))]
    async fn describe(&self) -> Result<Fields> {
        let description = self.command(|reply| Command::Describe { reply }).await?;
        Ok(description.to_fields())
    }

    async fn renew(&self, epoch: u64, stamp: u64) -> Result<()> {
        self.call(epoch, |reply| Call::Renew { stamp, reply }).await
    }

    async fn execute(&self, epoch: u64, operation: Fields) -> Result<()> {
        let operation = Box::new(Operation::from_fields(&operation)?);
        self.call(epoch, |reply| Call::Execute { operation, reply })
            .await
    }

    #[zbus(out_args("found"))]
    async fn cancel(
        &self,
        epoch: u64,
        resource: String,
        action: String,
        interval_ms: u32,
    ) -> Result<bool> {
        self.call(epoch, |reply| Call::Cancel {
            resource,
            action,
            interval_ms,
            reply,
        })
        .await
    }

    async fn forget(&self, epoch: u64, resource: String) -> Result<()> {
        self.call(epoch, |reply| Call::Forget { resource, reply })
            .await
    }

    #[zbus(out_args("records"))]
    async fn history(&self, epoch: u64) -> Result<Vec<Fields>> {
        let records = self.call(epoch, |reply| Call::History { reply }).await?;
        Ok(records
            .iter()
            .map(cpe_bus::OperationRecord::to_fields)
            .collect())
    }

    #[zbus(out_args("version", "attributes"))]
    async fn attributes(&self, epoch: u64) -> Result<(u64, Vec<Fields>)> {
        let all = self.call(epoch, |reply| Call::Attributes { reply }).await?;
        Ok((all.version, all.to_fields()))
    }

    async fn answer(
        &self,
        epoch: u64,
        number: u64,
        answer: Fields,
        values: Vec<Fields>,
    ) -> Result<()> {
        let answer = cpe_bus::Reply::from_fields(&answer, &values)?;
        self.call(epoch, |reply| Call::Answer {
            number,
            answer,
            reply,
        })
        .await
    }

    #[zbus(out_args("answer", "values"))]
    async fn ask(&self, epoch: u64, question: Fields) -> Result<(Fields, Vec<Fields>)> {
        let question = Box::new(Question::from_fields(&question)?);
        let answer = self.call(epoch, |reply| Call::Ask { question, reply });
        Ok(answer.await?.to_fields())
    }

    #[zbus(out_args("agents", "more"))]
    async fn list_agents(&self, class: String) -> Result<(Vec<String>, u32)> {
        let _place = place(&self.metadata_calls)?;
        self.classes.agents(&class).await
    }

    #[zbus(out_args("request"))]
    async fn request_certificate(&self) -> Result<String> {
        let _place = place(&self.calls)?;
        self.renewal.request().await
    }

    async fn take_certificate(&self, certificate: String) -> Result<()> {
        let _place = place(&self.calls)?;
        self.renewal.take(&certificate).await
    }

    #[zbus(out_args("xml"))]
    async fn metadata(&self, class: String, provider: String, r#type: String) -> Result<String> {
        let _place = place(&self.metadata_calls)?;
        self.classes.metadata(&class, &provider, &r#type).await
    }

    async fn restart(&self, epoch: u64, reason: String) -> Result<()> {
        self.call(epoch, |reply| Call::Restart { reason, reply })
            .await
    }

    async fn release(&self, epoch: u64, keep_services: bool) -> Result<()> {
        self.call(epoch, |reply| Call::Release {
            keep_services,
            reply,
        })
        .await
    }

    #[zbus(signal)]
    async fn operation_completed(emitter: &SignalEmitter<'_>, record: Fields) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn attributes_changed(
        emitter: &SignalEmitter<'_>,
        version: u64,
        attributes: Vec<Fields>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn facts_changed(emitter: &SignalEmitter<'_>, facts: Fields) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn question(
        emitter: &SignalEmitter<'_>,
        number: u64,
        question: Fields,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn heartbeat(
        emitter: &SignalEmitter<'_>,
        stamp: u64,
        running_operations: u32,
        info: Fields,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn leaving(emitter: &SignalEmitter<'_>, info: Fields) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn left(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// Why others were not let in of late.
#[derive(Debug)]
struct Refusals {
    since: Instant,
    said: BTreeSet<String>,
}

impl Refusals {
    fn new(now: Instant) -> Refusals {
        Refusals {
            since: now,
            said: BTreeSet::new(),
        }
    }

    /// Whether a reason is to be said now.
    fn is_new(&mut self, now: Instant, reason: &str) -> bool {
        if now.duration_since(self.since) >= REFUSALS_KEPT {
            *self = Refusals::new(now);
        }
        self.said.len() < MAX_REFUSALS && self.said.insert(reason.to_owned())
    }
}

/// Sends one signal.
async fn emit(emitter: &SignalEmitter<'_>, signal: Outgoing) -> zbus::Result<()> {
    match signal {
        Outgoing::Heartbeat {
            stamp,
            running,
            lease_remaining_ms,
        } => {
            let remaining = ("lease_remaining_ms".to_owned(), lease_remaining_ms.into());
            let info = Fields::from([remaining]);
            emitter.heartbeat(stamp, running, info).await
        }
        Outgoing::Completed(record) => emitter.operation_completed(record.to_fields()).await,
        Outgoing::Attributes(all) => {
            emitter
                .attributes_changed(all.version, all.to_fields())
                .await
        }
        Outgoing::Facts(facts) => emitter.facts_changed(facts.to_fields()).await,
        Outgoing::Question(number, question) => {
            emitter.question(number, question.to_fields()).await
        }
        Outgoing::Leaving(leaving) => emitter.leaving(leaving.to_fields()).await,
        Outgoing::Left(sent) => {
            emitter.left().await?;
            // The engine may have stopped waiting.
            let _ = sent.send(());
            Ok(())
        }
    }
}

/// What all addresses have in common.
#[derive(Debug)]
pub struct Entrance {
    engine: mpsc::Sender<Command>,
    classes: Arc<Classes>,
    slots: Arc<Semaphore>,
    metadata_calls: Arc<Semaphore>,
    last_id: AtomicU64,
    refusals: Mutex<Refusals>,
    credentials: Arc<Credentials>,
}

impl Entrance {
    /// Nobody is connected yet.
    pub fn new(
        engine: mpsc::Sender<Command>,
        classes: Arc<Classes>,
        credentials: Arc<Credentials>,
    ) -> Arc<Entrance> {
        Arc::new(Entrance {
            engine,
            classes,
            slots: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            metadata_calls: Arc::new(Semaphore::new(MAX_METADATA_CALLS)),
            last_id: AtomicU64::new(0),
            refusals: Mutex::new(Refusals::new(Instant::now())),
            credentials,
        })
    }

    /// Says in the log that somebody is not let in, each reason once.
    fn refused(&self, reason: String) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.is_new(Instant::now(), &reason) {
            tracing::warn!("a connection is refused: {reason}");
        }
    }
}

/// Opens all addresses and takes connections there, for ever: what fails is tried again. A guest of
/// which no address can be opened is unreachable, and has all the more a lease to enforce.
pub async fn keep_serving(addresses: Vec<PeerAddress>, access: Access, entrance: Arc<Entrance>) {
    let all = addresses.iter().map(|address| {
        let (access, credentials, entrance) = (&access, &entrance.credentials, &entrance);
        async move {
            crate::accept::keep(&format!("the DPE at {address}"), async || {
                let door = Door::open(address, access, credentials).await;
                let door = door.map_err(|error| anyhow::anyhow!(error.message()))?;
                tracing::info!(listen = %address, "listening");
                serve(door, Arc::clone(entrance)).await?;
                Ok(())
            })
            .await;
        }
    });
    futures_util::future::join_all(all).await;
}

/// Takes connections at one address until the listener fails.
///
/// # Errors
/// Those of `accept`.
pub async fn serve(door: Door, entrance: Arc<Entrance>) -> std::io::Result<()> {
    let mut strangers: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let visitor = crate::accept::retry(|| door.accept()).await?;
        if !visitor.is_stranger() {
            tokio::spawn(let_in(visitor, Arc::clone(&entrance)));
            continue;
        }
        strangers.retain(|stranger| !stranger.is_finished());
        // Who is honest needs some milliseconds, so the oldest ones are the least likely to be.
        if strangers.len() >= MAX_STRANGERS
            && let Some(oldest) = strangers.pop_front()
        {
            oldest.abort();
            entrance.refused("too many others connect and do not say who they are".to_owned());
        }
        let checked = tokio::spawn(let_in(visitor, Arc::clone(&entrance)));
        strangers.push_back(checked.abort_handle());
    }
}

/// Has a visitor show who it is, and talks with it on a task of its own from then on.
async fn let_in(visitor: Visitor, entrance: Arc<Entrance>) {
    let admitted = match tokio::time::timeout(HANDSHAKE_TIMEOUT, visitor.admit()).await {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(error)) => return entrance.refused(error.message()),
        Err(_) => {
            let seconds = HANDSHAKE_TIMEOUT.as_secs();
            return entrance.refused(format!(
                "somebody does not say who it is within {seconds} s"
            ));
        }
    };
    let Ok(slot) = Arc::clone(&entrance.slots).try_acquire_owned() else {
        tracing::warn!(
            connections = MAX_CONNECTIONS,
            "refused a connection: there are too many"
        );
        return;
    };
    let id = entrance.last_id.fetch_add(1, Ordering::Relaxed) + 1;
    tokio::spawn(async move {
        if let Err(error) = converse(admitted, id, &entrance).await {
            tracing::warn!(%error, "a connection failed");
        }
        let _ = entrance
            .engine
            .send(Command::Disconnected { peer: id })
            .await;
        drop(slot);
    });
}

/// One connection from handshake to end.
async fn converse(admitted: Admitted, id: u64, entrance: &Entrance) -> anyhow::Result<()> {
    let (outbox, mut signals) = mpsc::channel(OUTBOX);
    let close = Arc::new(Notify::new());
    let peer = Peer {
        id,
        outbox,
        close: Arc::clone(&close),
    };
    let agent = AgentObject {
        peer,
        own: admitted.own,
        engine: entrance.engine.clone(),
        classes: Arc::clone(&entrance.classes),
        calls: Semaphore::new(MAX_CALLS),
        metadata_calls: Arc::clone(&entrance.metadata_calls),
        renewal: Renewal::new(Arc::clone(&entrance.credentials)),
    };
    let build = admitted.builder.serve_at(names::AGENT_PATH, agent).build();
    let connection = tokio::time::timeout(HANDSHAKE_TIMEOUT, build)
        .await
        .map_err(|_| anyhow::anyhow!("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs()))??;
    let emitter = SignalEmitter::new(&connection, names::AGENT_PATH)?;
    let send = async {
        while let Some(signal) = signals.recv().await {
            emit(&emitter, signal).await?;
        }
        zbus::Result::Ok(())
    };
    tokio::select! {
        sent = send => sent?,
        () = connection.closed() => {}
        () = close.notified() => {}
    }
    // Not graceful: whoever is cut off here does not read.
    let _ = tokio::time::timeout(HANDSHAKE_TIMEOUT, connection.close()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use cpe_bus::BusSelection;
    use cpe_bus::peer::Side;

    use super::*;

    /// An agent on a connection, the engine's end of its queue, and a folder without resource
    /// agents.
    fn agent() -> (Arc<AgentObject>, mpsc::Receiver<Command>) {
        let (engine, commands) = crate::engine::commands::queue();
        let (outbox, _) = mpsc::channel(1);
        let peer = Peer {
            id: 1,
            outbox,
            close: Arc::new(Notify::new()),
        };
        let nowhere = || "/nonexistent".into();
        let bus = BusSelection::System;
        let classes = Classes::new(nowhere(), nowhere(), nowhere(), nowhere(), bus);
        let agent = AgentObject {
            peer,
            own: None,
            engine,
            classes: Arc::new(classes),
            calls: Semaphore::new(MAX_CALLS),
            metadata_calls: Arc::new(Semaphore::new(MAX_METADATA_CALLS)),
            renewal: Renewal::new(Credentials::new("/nonexistent".as_ref(), Side::Agent)),
        };
        (Arc::new(agent), commands)
    }

    #[tokio::test]
    async fn hello_must_agree_with_the_certificate() {
        let (agent, _commands) = agent();
        let mut agent = Arc::into_inner(agent).unwrap();
        assert!(agent.must_agree("shop", "web1").is_ok());
        agent.own = Some(Name::agent("shop", "web1"));
        assert!(agent.must_agree("shop", "web1").is_ok());
        for (deployment, assembly) in [("shop", "web2"), ("bank", "web1")] {
            let refused = agent.hello(1, deployment.into(), assembly.into(), Fields::new());
            let refused = refused.await;
            assert!(
                matches!(refused, Err(Error::IdentityRefused(_))),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn each_refusal_is_said_once_and_not_too_many_of_them() {
        let begin = Instant::now();
        let mut refusals = Refusals::new(begin);
        assert!(refusals.is_new(begin, "revoked"));
        assert!(!refusals.is_new(begin, "revoked"));
        let others = (0..1000).filter(|n| refusals.is_new(begin, &n.to_string()));
        assert_eq!(others.count(), MAX_REFUSALS - 1);
        assert!(refusals.is_new(begin + REFUSALS_KEPT, "revoked"));
    }

    #[tokio::test]
    async fn a_flood_of_calls_is_refused_and_the_rest_are_answered() {
        let (agent, mut commands) = agent();
        let mut callers = tokio::task::JoinSet::new();
        for stamp in 0..MAX_CALLS as u64 {
            let agent = Arc::clone(&agent);
            callers.spawn(async move { agent.renew(1, stamp).await });
        }
        while agent.calls.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = agent.renew(1, 99).await;
        assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
        // The engine has had no time until now.
        for _ in 0..MAX_CALLS {
            match commands.recv().await.unwrap() {
                Command::Call {
                    call: Call::Renew { reply, .. },
                    ..
                } => reply.send(Ok(())).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        assert!(callers.join_all().await.iter().all(Result::is_ok));
        assert_eq!(agent.calls.available_permits(), MAX_CALLS);
    }

    #[tokio::test]
    async fn questions_for_metadata_have_places_of_their_own() {
        let (agent, _commands) = agent();
        let _all = agent
            .metadata_calls
            .acquire_many(MAX_METADATA_CALLS as u32)
            .await;
        let refused = agent
            .metadata("ocf".into(), "test".into(), "a".into())
            .await;
        assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
        assert_eq!(agent.calls.available_permits(), MAX_CALLS);
    }
}
