//! Streams to the guest agents: one task per assembly that connects again and again, says Hello,
//! and carries calls and signals.
//!
//! The loop never waits for an agent. What it wants of one goes into that agent's queue; what
//! agents say comes back through the one queue of inputs, for which their tasks wait.

mod qga;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use controller::{Asker, AssemblyId, Connect, Input, Operation, Question, Reply, Task, Why};
use cpe_bus::PeerAddress;
use cpe_bus::peer::{Credentials, Meter};
use cpe_daemon::Pauses;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use self::stream::End;
use crate::permit::Permit;

/// First pause before a stream is made again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause at first: a guest that comes back soon is noticed that late at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longer a guest has been away, the less often it is looked for: a host may have a thousand
/// deployments, and guests that are switched off for days. Pauses are this part of the time that it
/// has been away.
const PART_OF_ABSENCE: u32 = 20;
/// And never longer than this many times [`LONGEST_PAUSE`].
const LEAST_OFTEN: u32 = 20;
/// How long an agent that is let go has to acknowledge its release.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Calls that may wait for one agent.
///
/// The controller has at most 128 operations under way at a time, and forgets a resource once: an
/// agent keeps at most 16,384 records, so more than that many calls cannot be meant for one that
/// keeps up. When the queue is full the stream is given up and made again. Nothing is lost by that:
/// the controller decides from the next History, which shows what the agent has taken.
const CALLS: usize = 16_384;
/// Questions of others that may wait for one agent. Each change costs its guest a write to its
/// disk, and who asks waits 9 s at most: more could not be answered in time by a slow one.
const ASKS: usize = 8;
/// Answers that may wait for one agent: twice as many as its guest's tools may wait for. An agent
/// that asks more, or takes no answers, does not hear of the rest, and its tools give up.
const ANSWERS: usize = 64;

/// Refusals of one guest's certificates that become events in [`REFUSALS_COUNTED`]: what a guest
/// says can be another reason each time.
const MAX_REFUSALS: usize = 8;
/// The time in which they are counted.
const REFUSALS_COUNTED: Duration = Duration::from_secs(600);

/// What the controller wants of one agent, in order.
#[derive(Debug)]
pub(crate) enum Call {
    Execute(Box<Operation>),
    Cancel {
        resource: String,
        action: Task,
        interval_ms: u32,
    },
    Forget(String),
    Restart(String),
    /// Answer what it has asked; takes one of [`ANSWERS`] places until it is done.
    Answer(u64, Reply, OwnedSemaphorePermit),
    Release {
        keep_services: bool,
        done: oneshot::Sender<()>,
    },
}

/// What an agent is to answer for somebody else.
type Ask = (Wants, Box<Question>);

/// Who wants the answer of an agent.
#[derive(Debug)]
pub(crate) enum Wants {
    /// Another guest.
    Guest(Asker),
    /// An administrator. Dropped without an answer: the agent could not be asked.
    Administrator(oneshot::Sender<Reply>),
}

/// The connection on which the deployment's name is owned, if it is.
pub(crate) type Owner = watch::Receiver<Option<zbus::Connection>>;

/// All streams.
#[derive(Debug)]
pub(crate) struct Agents {
    inputs: mpsc::Sender<Input>,
    owner: Owner,
    /// What this DPE shows on networks; read when the first address asks for it.
    credentials: Arc<Credentials>,
    permit: Permit,
    links: HashMap<AssemblyId, AgentLink>,
    /// Streams that are kept until the release of their agent is acknowledged.
    leaving: BTreeMap<u64, AgentLink>,
    /// Ends with the number of a stream that need not be kept any longer.
    releases: JoinSet<u64>,
    last_leaving: u64,
}

/// One stream, as the loop sees it.
#[derive(Debug)]
struct AgentLink {
    connect: Connect,
    calls: mpsc::Sender<Call>,
    /// Beside the calls, which wait for none of them.
    asks: mpsc::Sender<Ask>,
    /// The places for answers among the calls.
    answers: Arc<Semaphore>,
    /// The stamp to renew the lease by: only the latest counts, and it waits for no other call.
    renewals: watch::Sender<u64>,
    /// The acknowledgement of a release.
    released: Option<oneshot::Receiver<()>>,
    /// Over all streams of the assembly: another order to connect is no reason to tell them again.
    refusals: Arc<Mutex<Refusals>>,
    task: JoinHandle<()>,
}

impl Drop for AgentLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl AgentLink {
    /// Begins to connect; an earlier stream was given up for the reason `gave_up`.
    fn new(
        connect: Connect,
        inputs: mpsc::Sender<Input>,
        owner: Owner,
        credentials: Arc<Credentials>,
        refusals: Arc<Mutex<Refusals>>,
        permit: Permit,
        gave_up: Option<String>,
    ) -> AgentLink {
        let (calls, waiting) = mpsc::channel(CALLS);
        let (asks, asked) = mpsc::channel(ASKS);
        let (renewals, stamp) = watch::channel(0);
        let orders = Orders {
            calls: waiting,
            asks: asked,
            stamp,
            meter: Meter::default(),
            credentials,
            permit,
            refusals: Arc::clone(&refusals),
        };
        let task = tokio::spawn(keep_connected(
            connect.clone(),
            orders,
            inputs,
            owner,
            gave_up,
        ));
        AgentLink {
            connect,
            calls,
            asks,
            answers: Arc::new(Semaphore::new(ANSWERS)),
            renewals,
            released: None,
            refusals,
            task,
        }
    }
}

impl Agents {
    /// No streams yet; what agents say goes to `inputs`.
    pub(crate) fn new(
        inputs: mpsc::Sender<Input>,
        owner: Owner,
        credentials: Arc<Credentials>,
        permit: Permit,
    ) -> Agents {
        Agents {
            inputs,
            owner,
            credentials,
            permit,
            links: HashMap::new(),
            leaving: BTreeMap::new(),
            releases: JoinSet::new(),
            last_leaving: 0,
        }
    }

    /// Keeps a stream to an agent from now on, in place of an earlier one; not in place of a later
    /// one, which the agent may have answered: it would refuse this one for ever.
    pub(crate) fn connect(&mut self, connect: Connect) {
        let present = self.links.get(&connect.assembly);
        if present.is_some_and(|link| link.connect.number > connect.number) {
            return;
        }
        self.begin(connect, None);
    }

    fn begin(&mut self, connect: Connect, gave_up: Option<String>) {
        let assembly = connect.assembly.clone();
        // The old streams first, so that their last words do not come after the new one's first.
        let former = self.links.remove(&assembly);
        let refusals = former.map(|former| Arc::clone(&former.refusals));
        self.leaving
            .retain(|_, link| link.connect.assembly != assembly);
        let (inputs, owner) = (self.inputs.clone(), self.owner.clone());
        let credentials = Arc::clone(&self.credentials);
        let refusals = refusals.unwrap_or_default();
        let permit = self.permit.clone();
        let link = AgentLink::new(
            connect,
            inputs,
            owner,
            credentials,
            refusals,
            permit,
            gave_up,
        );
        self.links.insert(assembly, link);
    }

    /// Gives a stream up. One whose agent is being released is kept until that is acknowledged, or
    /// [`RELEASE_TIMEOUT`] is over: the agent's lease would stop what is to run on.
    pub(crate) fn disconnect(&mut self, assembly: &AssemblyId) {
        let Some(mut link) = self.links.remove(assembly) else {
            return;
        };
        let Some(released) = link.released.take() else {
            return;
        };
        self.last_leaving += 1;
        let number = self.last_leaving;
        self.leaving.insert(number, link);
        self.releases.spawn(async move {
            // Without a stream the sender is dropped, and this ends at once.
            let _ = tokio::time::timeout(RELEASE_TIMEOUT, released).await;
            number
        });
    }

    /// Has an agent do something. Without a stream nothing happens: the controller asks again after
    /// the next History.
    pub(crate) fn call(&mut self, assembly: &AssemblyId, call: Call) {
        let Some(link) = self.links.get(assembly) else {
            return;
        };
        if let Err(TrySendError::Full(_)) = link.calls.try_send(call) {
            let connect = link.connect.clone();
            self.begin(connect, Some(format!("{CALLS} calls wait for its agent")));
        }
    }

    /// Answers what a guest has asked.
    pub(crate) fn answer(&mut self, asker: &Asker, reply: Reply) {
        let Some(link) = self.links.get(&asker.assembly) else {
            return;
        };
        if let Ok(place) = Arc::clone(&link.answers).try_acquire_owned() {
            let call = Call::Answer(asker.number, reply, place);
            self.call(&asker.assembly, call);
        }
    }

    /// Has an agent answer what somebody else asks about its guest; refuses that if too many wait.
    pub(crate) fn ask(&mut self, assembly: &AssemblyId, wants: Wants, question: Box<Question>) {
        let Some(link) = self.links.get(assembly) else {
            return;
        };
        let Err(TrySendError::Full((wants, _))) = link.asks.try_send((wants, question)) else {
            return;
        };
        let text = format!("{ASKS} other questions wait for the agent of {assembly}: try again");
        let why = Why::NotNow;
        let reply = Reply::Refused { why, text };
        match wants {
            Wants::Guest(asker) => self.answer(&asker, reply),
            Wants::Administrator(waiting) => drop(waiting.send(reply)),
        }
    }

    /// Answers a heartbeat.
    pub(crate) fn renew(&self, assembly: &AssemblyId, stamp_us: u64) {
        if let Some(link) = self.links.get(assembly) {
            link.renewals.send_replace(stamp_us);
        }
    }

    /// Releases an agent; the stream is to be given up next.
    pub(crate) fn release(&mut self, assembly: &AssemblyId, keep_services: bool) {
        let (done, released) = oneshot::channel();
        let call = Call::Release {
            keep_services,
            done,
        };
        self.call(assembly, call);
        if let Some(link) = self.links.get_mut(assembly) {
            link.released = Some(released);
        }
    }

    /// Waits for the next acknowledged (or overdue) release; `None` if there is none to wait for.
    pub(crate) async fn next_release(&mut self) -> Option<()> {
        let number = self.releases.join_next().await?.ok();
        if let Some(number) = number {
            self.leaving.remove(&number);
        }
        Some(())
    }

    /// Whether all releases are acknowledged, or overdue.
    pub(crate) fn are_released(&self) -> bool {
        self.releases.is_empty()
    }
}

/// What the loop wants of one agent, as its task sees it.
#[derive(Debug)]
struct Orders {
    calls: mpsc::Receiver<Call>,
    asks: mpsc::Receiver<Ask>,
    stamp: watch::Receiver<u64>,
    /// What its agent has sent, over all streams: one that floods is not heard again at once.
    meter: Meter,
    credentials: Arc<Credentials>,
    /// To be looked at immediately before anything is sent.
    permit: Permit,
    refusals: Arc<Mutex<Refusals>>,
}

impl Orders {
    /// Drops what was meant for a stream that is gone. Who waits for an answer must not wait for
    /// the next stream; and a stamp of the guest's former boot must not renew a lease of this one.
    fn drop_old(&mut self) {
        while self.calls.try_recv().is_ok() {}
        while self.asks.try_recv().is_ok() {}
        self.stamp.mark_unchanged();
    }
}

impl Orders {
    /// Whether the end of a stream is a refusal that was not told yet: not again after something
    /// else was wrong in between, but again once the agent has answered.
    fn is_to_be_told(&self, up: bool, refused: bool, reason: &str) -> bool {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if up {
            refusals.forget();
        }
        refused && refusals.is_new(Instant::now(), reason)
    }
}

/// Goes above the epoch that an agent has seen: it has obeyed an earlier DPE of this deployment
/// whose state is lost, at a time when the clock was ahead. Only the owner of the deployment's name
/// on the bus may do that; and only for this agent, so that a guest that lies harms nobody else.
fn raise_epoch(connect: &mut Connect, seen: Option<u64>, owner: &Owner, permit: &Permit) {
    let Some(next) = seen.and_then(|seen| seen.checked_add(1)) else {
        return;
    };
    // The guest obeys another host's DPE, which was granted a higher one: or it lies.
    if next > permit.last_epoch() {
        return;
    }
    if next > connect.epoch && owner.borrow().is_some() {
        tracing::warn!(
            cpe_deployment = connect.deployment,
            cpe_assembly = connect.assembly.as_str(),
            "the agent of {} has obeyed epoch {}; it gets {next}",
            connect.assembly,
            next - 1
        );
        connect.epoch = next;
    }
}

/// How many times longer pauses are for a guest that has been away for that time.
fn times_longer(away: Duration) -> u32 {
    let longest = away / PART_OF_ABSENCE;
    u32::try_from(longest.as_millis() / LONGEST_PAUSE.as_millis())
        .unwrap_or(LEAST_OFTEN)
        .clamp(1, LEAST_OFTEN)
}

/// The refusals of certificates that were told.
#[derive(Debug)]
struct Refusals {
    /// Why, since the agent has answered.
    reasons: BTreeSet<String>,
    /// How many since then: the text may be the guest's.
    count: usize,
    since: Instant,
}

impl Default for Refusals {
    fn default() -> Refusals {
        Refusals::new(Instant::now())
    }
}

impl Refusals {
    fn new(now: Instant) -> Refusals {
        Refusals {
            reasons: BTreeSet::new(),
            count: 0,
            since: now,
        }
    }

    /// Whether one is to be told.
    fn is_new(&mut self, now: Instant, reason: &str) -> bool {
        if now.duration_since(self.since) >= REFUSALS_COUNTED {
            *self = Refusals {
                reasons: std::mem::take(&mut self.reasons),
                ..Refusals::new(now)
            };
        }
        if self.count >= MAX_REFUSALS || self.reasons.contains(reason) {
            return false;
        }
        if self.reasons.len() >= MAX_REFUSALS {
            self.reasons.clear();
        }
        self.count += 1;
        self.reasons.insert(reason.to_owned())
    }

    /// The agent has answered: what is refused after that is told again.
    fn forget(&mut self) {
        self.reasons.clear();
    }
}

/// One stream, of the kind that its address asks for.
async fn run(
    connect: &Connect,
    orders: &mut Orders,
    inputs: &mpsc::Sender<Input>,
    up: &mut bool,
) -> End {
    let address = connect.address.as_deref();
    match address.and_then(|address| address.parse().ok()) {
        Some(PeerAddress::QemuGa(socket)) => qga::run(connect, &socket, orders, inputs, up).await,
        _ => stream::run(connect, orders, inputs, up).await,
    }
}

async fn keep_connected(
    mut connect: Connect,
    mut orders: Orders,
    inputs: mpsc::Sender<Input>,
    owner: Owner,
    gave_up: Option<String>,
) {
    let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
    let mut away_since = Instant::now();
    let mut said: Option<String> = None;
    if let Some(reason) = gave_up {
        disconnected(&connect, &inputs, reason).await;
        tokio::time::sleep(pauses.next_pause()).await;
    }
    loop {
        let mut up = false;
        let End {
            reason,
            seen_epoch,
            occupant,
            refused,
            unusable,
        } = run(&connect, &mut orders, &inputs, &mut up).await;
        // While an agent stays away, saying so once is enough.
        if up || said.as_ref() != Some(&reason) {
            said = Some(reason.clone());
            disconnected(&connect, &inputs, reason.clone()).await;
        }
        if orders.is_to_be_told(up, refused || unusable, &reason) {
            let (assembly, number) = (connect.assembly.clone(), connect.number);
            let reason = crate::convert::harmless(&reason);
            let input = match unusable {
                true => Input::AgentUnusable {
                    assembly,
                    number,
                    reason,
                },
                false => Input::IdentityRefused {
                    assembly,
                    number,
                    reason,
                },
            };
            let _ = inputs.send(input).await;
        }
        if let Some(occupant) = occupant {
            let input = Input::AgentOccupied {
                assembly: connect.assembly.clone(),
                number: connect.number,
                occupant,
            };
            let _ = inputs.send(input).await;
        }
        raise_epoch(&mut connect, seen_epoch, &owner, &orders.permit);
        orders.drop_old();
        if up {
            pauses.reset();
            away_since = Instant::now();
        }
        tokio::time::sleep(pauses.next_pause() * times_longer(away_since.elapsed())).await;
    }
}

async fn disconnected(connect: &Connect, inputs: &mpsc::Sender<Input>, reason: String) {
    let assembly = connect.assembly.clone();
    tracing::info!(
        cpe_deployment = connect.deployment,
        cpe_assembly = assembly.as_str(),
        "no stream to the agent of {assembly}: {reason}"
    );
    let input = Input::AgentDisconnected { assembly, reason };
    let _ = inputs.send(input).await;
}
