//! One stream to an agent, from its beginning to its end.
//!
//! Signals are read from the moment of the subscription on, also while Hello and History are under
//! way: an agent that sends many signals would otherwise fill the connection's queue, and the
//! answers behind them would never be read.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use controller::{Asker, AssemblyId, Connect, Input, Occupant, Record, Reply, Why};
use cpe_bus::peer::Guest;
use cpe_bus::proxies::AgentProxy;
use cpe_bus::proxies::agent::{
    AttributesChangedStream, FactsChangedStream, HeartbeatStream, LeavingStream, LeftStream,
    OperationCompletedStream, QuestionStream,
};
use cpe_bus::records::agent::{ATTRIBUTES, CONFIGURE};
use cpe_bus::{
    AgentDescription, Error, Fields, GUEST_SECRETS, GuestFacts, HelloReply, HelloSettings, Leaving,
    NodeAttributes, OperationRecord, PeerAddress, Question, peer,
};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use zbus::Connection;
use zbus::proxy::CacheProperties;

use super::{Ask, Call, Orders, Wants};
use crate::convert::{self, begins_with_secrets};
use crate::permit::{Permit, SILENT};

/// An agent that has not answered a call by then is given up; the next History shows what became of
/// the call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Signals that may come in before the agent's History does: the first result of each of its
/// 16,384 records at most. Beyond that the stream is given up and made again.
const EARLY_SIGNALS: usize = 16_384;
/// Questions that cannot be read of which an agent hears in a second: as many as the controller
/// takes of those that can. Tools wait in vain for the answers of more.
const UNREADABLE: u32 = 20;
/// Longest answer of an agent that is read for somebody else, in bytes: values within their bounds
/// take less, with all their keys.
const LONGEST_ANSWER: usize = 1 << 20;
/// The shortest silence that ends a connection: the kernel's first attempts to send again take as
/// long.
const SHORTEST_SILENCE: Duration = Duration::from_millis(500);
/// Who reads what an agent may make long. One at a time: what it can put into the longest message
/// takes some ten times its length once it is read, and a hundred guests may be back in the same
/// moment.
static READING: Semaphore = Semaphore::const_new(1);

/// Why a stream ended; another is made.
#[derive(Debug)]
pub(super) struct End {
    pub reason: String,
    /// The highest epoch that the agent has seen, where it is higher than that of this stream.
    pub seen_epoch: Option<u64>,
    /// To whom the guest belongs, where its agent has refused Hello for that.
    pub occupant: Option<Occupant>,
    /// One side's certificate was refused.
    pub refused: bool,
    /// The guest has what it takes to answer, but not to be operated.
    pub unusable: bool,
}

impl End {
    pub(super) fn because(reason: impl Into<String>) -> End {
        End {
            reason: reason.into(),
            seen_epoch: None,
            occupant: None,
            refused: false,
            unusable: false,
        }
    }

    /// Somebody has to change the guest.
    pub(super) fn unusable(reason: impl Into<String>) -> End {
        End {
            unusable: true,
            ..End::because(reason)
        }
    }
}

// One guest's StaleEpoch is one guest's word: it ends this stream, not the DPE of all the others.
// Whether another DPE has taken over is seen by the name on the bus.
impl From<Error> for End {
    fn from(error: Error) -> End {
        let refused = matches!(error, Error::IdentityRefused(_));
        End {
            refused,
            ..End::because(error.message())
        }
    }
}

/// Connects to an agent and carries calls and signals until the end; `up` is set once the agent has
/// answered.
pub(super) async fn run(
    connect: &Connect,
    orders: &mut Orders,
    inputs: &mpsc::Sender<Input>,
    up: &mut bool,
) -> End {
    match try_run(connect, orders, inputs, up).await {
        Ok(end) | Err(end) => end,
    }
}

async fn try_run(
    connect: &Connect,
    orders: &mut Orders,
    inputs: &mpsc::Sender<Input>,
    up: &mut bool,
) -> Result<End, End> {
    let Some(address) = &connect.address else {
        return Ok(std::future::pending().await);
    };
    orders.permit.wait().await;
    let mut stream = Stream::open(connect, address, orders).await?;
    let (greeting, early) = stream.greet(&orders.permit).await?;
    *up = true;
    // From before this stream: the controller decides again, from the History.
    orders.drop_old();
    for input in std::iter::once(greeting).chain(early) {
        let _ = inputs.send(input).await;
    }
    Ok(stream.converse(orders, inputs).await)
}

/// How long a network may carry nothing: it is found out while a heartbeat is not late yet, and the
/// next connection may be up in time.
fn silence(heartbeat_timeout_ms: u32) -> Duration {
    (Duration::from_millis(heartbeat_timeout_ms.into()) * 3 / 4).max(SHORTEST_SILENCE)
}

/// A connection to an agent.
struct Stream<'a> {
    connect: &'a Connect,
    connection: Connection,
    agent: AgentProxy<'static>,
    signals: Signals<'a>,
    able: Able,
}

/// What an agent can do that those of earlier versions cannot.
#[derive(Debug, Clone, Copy, Default)]
struct Able {
    /// It runs what is to be run before services start.
    configures: bool,
    /// It reads values that only its guest has.
    reads: bool,
}

impl<'a> Stream<'a> {
    async fn open(
        connect: &'a Connect,
        address: &str,
        orders: &Orders,
    ) -> cpe_bus::Result<Stream<'a>> {
        let guest = Guest {
            address: &address.parse::<PeerAddress>()?,
            assembly: connect.assembly.in_document(),
            credentials: &orders.credentials,
            silence: silence(connect.heartbeat_timeout_ms),
        };
        let connection = peer::connect_to(&guest, &orders.meter).await?;
        let agent = AgentProxy::builder(&connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        // Before Hello, so that no signal is lost between History and the first read.
        let signals = Signals::of(&agent, &connect.assembly).await?;
        Ok(Stream {
            connect,
            connection,
            agent,
            signals,
            able: Able::default(),
        })
    }

    /// Says Hello and asks for all that the agent knows; returns that as an input of the
    /// controller, and the signals that came in meanwhile.
    async fn greet(&mut self, permit: &Permit) -> Result<(Input, Vec<Input>), End> {
        let mut early = Vec::new();
        let greeting = greeting(&self.agent, self.connect, permit);
        tokio::pin!(greeting);
        loop {
            tokio::select! {
                greeting = &mut greeting => {
                    let greeting = greeting?;
                    self.signals.learn_boot(&greeting, &mut early);
                    if let Input::AgentConnected { hello, .. } = &greeting {
                        let can = |word: &str| hello.capabilities.iter().any(|it| it == word);
                        self.able = Able {
                            configures: can(CONFIGURE),
                            reads: can(GUEST_SECRETS),
                        };
                    }
                    return Ok((greeting, early));
                }
                signal = self.signals.next() => early.push(signal?),
            }
            if early.len() > EARLY_SIGNALS {
                let reason = format!("{EARLY_SIGNALS} signals came before its agent's History");
                return Err(End::because(reason));
            }
        }
    }

    /// Carries calls one way and signals the other.
    async fn converse(&mut self, orders: &mut Orders, inputs: &mpsc::Sender<Input>) -> End {
        let Orders {
            calls,
            asks,
            stamp,
            permit,
            ..
        } = orders;
        let permit = &*permit;
        let leaves = AtomicBool::new(self.signals.leaves);
        let end = tokio::select! {
            end = read(&mut self.signals, &leaves, inputs) => end,
            end = call((&self.agent, permit), self.connect, self.able, &leaves, calls, inputs) => end,
            end = answer_others((&self.agent, permit), self.connect, asks, inputs) => end,
            end = renew((&self.agent, permit), self.connect.epoch, stamp) => end,
            () = self.connection.closed() => Err(closed()),
        };
        let Err(end) = end;
        // What the agent has said before the end counts too, whichever was noticed first: its last
        // word may be that it has left.
        for _ in 0..EARLY_SIGNALS {
            let Some(Ok(input)) = self.signals.next().now_or_never() else {
                break;
            };
            let _ = inputs.send(input).await;
        }
        end
    }
}

/// A part of a stream that ends only with an error.
type Until<E> = Result<std::convert::Infallible, E>;

/// Tells this process from others of its DPE: when it has said its first Hello, with its number.
fn process() -> u64 {
    static SINCE: OnceLock<u64> = OnceLock::new();
    *SINCE.get_or_init(|| {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let us = u64::try_from(since.as_micros()).unwrap_or_default();
        us ^ (u64::from(std::process::id()) << 32)
    })
}

async fn greeting(
    agent: &AgentProxy<'static>,
    connect: &Connect,
    permit: &Permit,
) -> Result<Input, End> {
    let settings = HelloSettings {
        heartbeat_interval_ms: connect.heartbeat_interval_ms,
        lease_ms: connect.lease_ms,
        grace_ms: connect.grace_ms,
        stop_timeout_ms: connect.stop_timeout_ms,
        answers: true,
        number: connect.number,
        process: process(),
    };
    let hello = agent.hello(
        connect.epoch,
        &connect.deployment,
        connect.assembly.in_document(),
        settings.to_fields(),
    );
    if !permit.may_send() {
        return Err(End::because(SILENT));
    }
    let hello = match within(hello).await {
        Err(Error::StaleEpoch(text)) => {
            let described = within(agent.describe()).await?;
            return Err(End {
                seen_epoch: Some(AgentDescription::from_fields(&described)?.epoch),
                ..End::because(text)
            });
        }
        Err(Error::Occupied(text)) => {
            let described = within(agent.describe()).await?;
            return Err(End {
                occupant: Some(convert::occupant(AgentDescription::from_fields(
                    &described,
                )?)),
                ..End::because(text)
            });
        }
        hello => HelloReply::from_fields(&hello?)?,
    };
    let arguments = (connect.epoch,);
    let reply = async { Ok(agent.inner().call_method("History", &arguments).await?) };
    let reply = within(reply).await?;
    let history = read_history(&reply).await?;
    let knows_attributes = hello.capabilities.iter().any(|word| word == ATTRIBUTES);
    let known = if knows_attributes {
        let (version, records) = within(agent.attributes(connect.epoch)).await?;
        NodeAttributes::from_fields(version, &records)?
    } else {
        NodeAttributes::default()
    };
    Ok(Input::AgentConnected {
        assembly: connect.assembly.clone(),
        number: connect.number,
        hello: convert::hello(hello),
        history,
        attributes: convert::attributes(known),
    })
}

/// Reads a History.
async fn read_history(reply: &zbus::Message) -> cpe_bus::Result<Vec<Record>> {
    let _turn = READING.acquire().await;
    let records: Vec<Fields> = reply.body().deserialize()?;
    let record = |fields| Ok(convert::record(OperationRecord::from_fields(fields)?));
    records.iter().map(record).collect()
}

/// Reads the answer of an agent that is for somebody else.
async fn read_answer(reply: &zbus::Message) -> cpe_bus::Result<cpe_bus::Reply> {
    let body = reply.body();
    if body.len() > LONGEST_ANSWER {
        return Err(Error::TooLarge(format!(
            "an answer of {} bytes; at most {LONGEST_ANSWER} are read: ask for one value by its name",
            body.len()
        )));
    }
    let _turn = READING.acquire().await;
    let (fields, values): (Fields, Vec<Fields>) = body.deserialize()?;
    let answer = cpe_bus::Reply::from_fields(&fields, &values)?;
    answer.check_guests()?;
    Ok(answer)
}

/// Counts the questions of an agent that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    since: Instant,
    count: u32,
}

impl Unreadable {
    /// None yet; their first second begins at `now`.
    pub(super) fn new(now: Instant) -> Unreadable {
        Unreadable {
            since: now,
            count: 0,
        }
    }

    /// One has come in at `now`: whether its agent hears of it.
    pub(super) fn is_answered(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            *self = Unreadable::new(now);
        }
        self.count = self.count.saturating_add(1);
        self.count <= UNREADABLE
    }
}

/// What an agent sends without being asked.
struct Signals<'a> {
    assembly: &'a AssemblyId,
    /// The boot of its guest, once Hello is answered.
    boot_id: String,
    /// It has answered Hello as one that leaves.
    leaves: bool,
    unreadable: Unreadable,
    attributes: AttributesChangedStream,
    facts: FactsChangedStream,
    heartbeats: HeartbeatStream,
    completions: OperationCompletedStream,
    questions: QuestionStream,
    leaving: LeavingStream,
    left: LeftStream,
}

impl<'a> Signals<'a> {
    async fn of(
        agent: &AgentProxy<'static>,
        assembly: &'a AssemblyId,
    ) -> zbus::Result<Signals<'a>> {
        Ok(Signals {
            assembly,
            boot_id: String::new(),
            leaves: false,
            unreadable: Unreadable::new(Instant::now()),
            heartbeats: agent.receive_heartbeat().await?,
            completions: agent.receive_operation_completed().await?,
            attributes: agent.receive_attributes_changed().await?,
            facts: agent.receive_facts_changed().await?,
            questions: agent.receive_question().await?,
            leaving: agent.receive_leaving().await?,
            left: agent.receive_left().await?,
        })
    }

    /// Learns of which boot the guest is, also for what it has said before.
    fn learn_boot(&mut self, greeting: &Input, early: &mut [Input]) {
        let Input::AgentConnected { hello, .. } = greeting else {
            return;
        };
        self.boot_id.clone_from(&hello.boot_id);
        self.leaves = hello.leaving;
        for input in early {
            if let Input::AgentLeaving { boot_id, .. } | Input::AgentLeft { boot_id, .. } = input {
                boot_id.clone_from(&hello.boot_id);
                self.leaves = true;
            }
        }
    }

    /// A tool's question. `None`: one of too many that cannot be read.
    fn asked(&mut self, number: u64, question: &Fields) -> Option<Input> {
        let assembly = self.assembly.clone();
        let asker = Asker { assembly, number };
        match Question::from_fields(question) {
            Ok(question) => {
                let question = convert::question(question);
                Some(Input::Asked { asker, question })
            }
            // That of a later version may be another one: only its tool hears of it.
            Err(error) => self.unreadable.is_answered(Instant::now()).then(|| {
                let (why, text) = (Why::Invalid, convert::harmless(&error.message()));
                let reply = Reply::Refused { why, text };
                Input::Relayed { asker, reply }
            }),
        }
    }

    /// The next one. May be dropped and called again.
    async fn next(&mut self) -> Result<Input, End> {
        loop {
            if let Some(input) = self.next_or_none().await? {
                return Ok(input);
            }
        }
    }

    /// The next one; `None` if nobody is to hear of it. May be dropped and called again.
    async fn next_or_none(&mut self) -> Result<Option<Input>, End> {
        let assembly = self.assembly.clone();
        let boot_id = self.boot_id.clone();
        // In this order, where several have come in: an operation's end must not overtake what its
        // agent has set, and that everything has ended comes last.
        tokio::select! {
            biased;
            Some(changed) = self.attributes.next() => {
                let all = changed.args().map_err(Error::from).and_then(|args| {
                    NodeAttributes::from_fields(args.version, &args.attributes)
                });
                let attributes = convert::attributes(all.map_err(|error| bad("attributes", &error))?);
                Ok(Some(Input::AttributesChanged { assembly, attributes }))
            }
            Some(changed) = self.facts.next() => {
                let facts = changed.args().map_err(Error::from);
                let facts = facts.and_then(|args| GuestFacts::from_fields(&args.facts));
                let facts = facts.map_err(|error| bad("addresses", &error))?.values();
                Ok(Some(Input::FactsChanged { assembly, facts }))
            }
            Some(heartbeat) = self.heartbeats.next() => {
                let args = heartbeat.args().map_err(|error| bad("a heartbeat", &error.into()))?;
                Ok(Some(Input::Heartbeat { assembly, stamp_us: args.stamp }))
            }
            Some(completion) = self.completions.next() => {
                let record = completion
                    .args()
                    .map_err(Error::from)
                    .and_then(|args| OperationRecord::from_fields(&args.record));
                // What it meant is in the History of the next stream, if it can be read there.
                let record = convert::record(record.map_err(|error| bad("a record", &error))?);
                Ok(Some(Input::OperationCompleted { assembly, record: Box::new(record) }))
            }
            Some(asked) = self.questions.next() => {
                let args = asked.args().map_err(|error| bad("a question", &error.into()))?;
                Ok(self.asked(args.number, &args.question))
            }
            Some(leaving) = self.leaving.next() => {
                let info = leaving.args().map_err(Error::from);
                let info = info.and_then(|args| Leaving::from_fields(&args.info));
                let reason = info.map_err(|error| bad("why it leaves", &error))?.reason;
                Ok(Some(Input::AgentLeaving { assembly, boot_id, reason }))
            }
            Some(_) = self.left.next() => Ok(Some(Input::AgentLeft { assembly, boot_id })),
            // All have ended, and nothing is left in any of them.
            else => Err(closed()),
        }
    }
}

fn closed() -> End {
    End::because("the agent closed the connection, or its guest is gone".to_owned())
}

fn bad(what: &str, error: &Error) -> End {
    End::because(format!(
        "the agent sent {what} that cannot be read: {}",
        error.message()
    ))
}

/// Passes signals on to the loop. While the loop is busy, signals wait here, then in the socket,
/// then in the agent, which in the end cuts this connection: the next History has everything.
async fn read(
    signals: &mut Signals<'_>,
    leaves: &AtomicBool,
    inputs: &mpsc::Sender<Input>,
) -> Until<End> {
    loop {
        let input = signals.next().await?;
        if matches!(input, Input::AgentLeaving { .. }) {
            leaves.store(true, Ordering::Relaxed);
        }
        let _ = inputs.send(input).await;
    }
}

/// Renews the lease whenever the controller answers a heartbeat.
async fn renew(
    (agent, permit): (&AgentProxy<'static>, &Permit),
    epoch: u64,
    stamp: &mut watch::Receiver<u64>,
) -> Until<End> {
    while stamp.changed().await.is_ok() {
        let stamp = *stamp.borrow_and_update();
        // The next heartbeat is answered, if it may be then.
        if !permit.may_send() {
            continue;
        }
        // Without a reply, which would only wake both sides once more: the next heartbeat shows
        // whether the lease runs.
        let renewal = async { Ok(agent.inner().call_noreply("Renew", &(epoch, stamp)).await?) };
        within(renewal).await?;
    }
    // The sender is gone with the link; the task is about to be aborted.
    std::future::pending().await
}

/// Makes one call after the other.
async fn call(
    (agent, permit): (&AgentProxy<'static>, &Permit),
    connect: &Connect,
    able: Able,
    leaves: &AtomicBool,
    calls: &mut mpsc::Receiver<Call>,
    inputs: &mpsc::Sender<Input>,
) -> Until<End> {
    while let Some(call) = calls.recv().await {
        if let Some(refused) = too_old(connect, able, &call) {
            let _ = inputs.send(refused).await;
            continue;
        }
        // What waits here waits as on a network that stands still: it is still wanted, since
        // nothing else is decided meanwhile.
        permit.wait().await;
        let outcome = perform(agent, connect, leaves, call).await?;
        if let Some(outcome) = outcome {
            let _ = inputs.send(outcome).await;
        }
    }
    std::future::pending().await
}

/// The refusal of what an agent of an earlier version would start without having run what is to be
/// run before, or with references in place of values.
fn too_old(connect: &Connect, able: Able, call: &Call) -> Option<Input> {
    let Call::Execute(operation) = call else {
        return None;
    };
    let lacks = if operation.configure.is_some() && !able.configures {
        "run what <configure> says"
    } else if begins_with_secrets(operation) && !able.reads {
        "read in its guest what parameters say"
    } else {
        return None;
    };
    Some(Input::ExecuteRefused {
        assembly: connect.assembly.clone(),
        id: operation.id.clone(),
        reason: format!(
            "the cpe-agent of {} is of a version that does not {lacks}: install this version there, then `cpectl cleanup`",
            connect.assembly
        ),
    })
}

/// Makes a call; returns the input that reports its outcome to the controller, if any.
async fn perform(
    agent: &AgentProxy<'static>,
    connect: &Connect,
    leaves: &AtomicBool,
    call: Call,
) -> Result<Option<Input>, End> {
    let epoch = connect.epoch;
    let assembly = || connect.assembly.clone();
    match call {
        Call::Execute(operation) => {
            let id = operation.id.clone();
            let fields = convert::operation(*operation).to_fields();
            match within(agent.execute(epoch, fields)).await {
                Ok(()) => Ok(None),
                // It begins nothing, or stops everything itself. What becomes of the operation is
                // known when it has left, is lost, or says Hello again: the stream must stay for
                // its last word.
                Err(Error::Busy(_)) if leaves.load(Ordering::Relaxed) => Ok(None),
                Err(Error::InvalidArgument(reason) | Error::TooLarge(reason)) => {
                    Ok(Some(Input::ExecuteRefused {
                        assembly: assembly(),
                        id,
                        reason,
                    }))
                }
                Err(error) => Err(error.into()),
            }
        }
        Call::Cancel {
            resource,
            action,
            interval_ms,
        } => {
            within(agent.cancel(epoch, &resource, action.as_str(), interval_ms)).await?;
            Ok(Some(Input::Cancelled {
                assembly: assembly(),
                resource,
                action,
                interval_ms,
            }))
        }
        Call::Forget(resource) => {
            within(agent.forget(epoch, &resource)).await?;
            Ok(None)
        }
        Call::Restart(reason) => {
            restart(agent, connect, &reason).await;
            Ok(None)
        }
        Call::Answer(number, reply, _place) => {
            let (fields, values) = convert::answer(reply).to_fields();
            match within(agent.answer(epoch, number, fields, values)).await {
                // Asked again over another stream it would be the same.
                Ok(()) | Err(Error::InvalidArgument(_) | Error::TooLarge(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }
        Call::Release {
            keep_services,
            done,
        } => {
            let released = within(agent.release(epoch, keep_services)).await;
            let _ = done.send(());
            released?;
            Ok(None)
        }
    }
}

/// Has the guest reset. An agent of an earlier version does not know this: its lease runs out.
async fn restart(agent: &AgentProxy<'static>, connect: &Connect, reason: &str) {
    if let Err(error) = within(agent.restart(connect.epoch, reason)).await {
        tracing::warn!(
            cpe_deployment = connect.deployment,
            cpe_assembly = connect.assembly.as_str(),
            %error,
            "the agent of {} does not restart its guest: it is safe when its lease is over",
            connect.assembly
        );
    }
}

/// Has the agent answer one question of others after the other, beside the calls.
async fn answer_others(
    (agent, permit): (&AgentProxy<'static>, &Permit),
    connect: &Connect,
    asks: &mut mpsc::Receiver<Ask>,
    inputs: &mpsc::Sender<Input>,
) -> Until<End> {
    while let Some((wants, question)) = asks.recv().await {
        let outcome = match permit.may_send() {
            true => ask(agent, connect, wants, *question).await,
            false => refused(wants, SILENT.to_owned()),
        };
        if let Some(outcome) = outcome {
            let _ = inputs.send(outcome).await;
        }
    }
    std::future::pending().await
}

/// Has the agent answer what somebody else asks. If it does not, or says what no guest may, that is
/// said to whoever asked; what else is meant for this agent goes on.
async fn ask(
    agent: &AgentProxy<'static>,
    connect: &Connect,
    wants: Wants,
    question: controller::Question,
) -> Option<Input> {
    let reply = match answer(agent, connect, question).await {
        Ok(answer) => convert::reply(&connect.assembly, answer),
        // An administrator's is a change. Without an answer nobody knows whether it is made, which
        // dropping it says.
        Err(Unanswered { is_open: true, .. }) if matches!(wants, Wants::Administrator(_)) => {
            return None;
        }
        Err(Unanswered { error, .. }) => {
            let text = convert::harmless(&error.message());
            Reply::Refused {
                why: match error {
                    Error::InvalidArgument(_) | Error::TooLarge(_) => Why::Invalid,
                    _ => Why::NotNow,
                },
                text: format!("the agent of {}: {text}", connect.assembly),
            }
        }
    };
    match wants {
        Wants::Guest(asker) => Some(Input::Relayed { asker, reply }),
        Wants::Administrator(waiting) => {
            // They may have stopped waiting.
            let _ = waiting.send(reply);
            None
        }
    }
}

/// The refusal of a question that was not sent.
fn refused(wants: Wants, text: String) -> Option<Input> {
    let why = Why::NotNow;
    let reply = Reply::Refused { why, text };
    match wants {
        Wants::Guest(asker) => Some(Input::Relayed { asker, reply }),
        Wants::Administrator(waiting) => {
            // They may have stopped waiting.
            let _ = waiting.send(reply);
            None
        }
    }
}

/// Why a question has no answer that can be passed on.
struct Unanswered {
    error: Error,
    /// It was sent, and the agent has not refused it.
    is_open: bool,
}

/// What the agent answers to a question of others.
async fn answer(
    agent: &AgentProxy<'static>,
    connect: &Connect,
    question: controller::Question,
) -> Result<cpe_bus::Reply, Unanswered> {
    let unanswered = |is_open: bool| move |error: Error| Unanswered { error, is_open };
    let passed_on = convert::passed_on(question).map_err(unanswered(false))?;
    let arguments = (connect.epoch, passed_on.to_fields());
    let reply = async { Ok(agent.inner().call_method("Ask", &arguments).await?) };
    let Ok(reply) = tokio::time::timeout(CALL_TIMEOUT, reply).await else {
        return Err(unanswered(true)(late()));
    };
    let reply = reply.map_err(|error: Error| {
        let is_open = error.leaves_it_open();
        Unanswered { error, is_open }
    })?;
    read_answer(&reply).await.map_err(unanswered(true))
}

async fn within<T>(call: impl Future<Output = cpe_bus::Result<T>>) -> cpe_bus::Result<T> {
    tokio::time::timeout(CALL_TIMEOUT, call)
        .await
        .unwrap_or_else(|_| Err(late()))
}

fn late() -> Error {
    Error::NotReady(format!(
        "the agent did not answer within {} s",
        CALL_TIMEOUT.as_secs()
    ))
}
