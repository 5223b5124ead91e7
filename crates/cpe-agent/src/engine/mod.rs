//! The agent's one decision maker: a single task that owns all state and takes one thing at a time.
//!
//! Connections, operations and timers only send it messages. It obeys one DPE, the one with the
//! highest epoch; it has operations run, one at a time per resource; it watches the lease and keeps
//! systemd's watchdog quiet, so that an agent whose engine hangs is restarted before its lease is
//! over.
//!
//! - [`commands`]: what connections and tools ask for.
//! - `answers`: how they are answered.
//! - `attributes`: node attributes, which resource agents set.
//! - `delay`: operations that wait for their start delay.
//! - `questions`: what tools ask of the whole deployment.
//! - `execution`: queues, recurring operations, results.
//! - `history`: how large the history may be.
//! - `stopping`: the end of the lease, and Release.
//! - `leaving`: the planned end of the guest or the agent.
//! - `recovery`: what an agent does about the work of the process before it.

mod answers;
mod attributes;
pub mod commands;
mod delay;
mod execution;
mod history;
mod leaving;
mod left;
mod log;
mod questions;
mod recovery;
mod stopping;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::{Error, GuestFacts, OperationRecord, OperationState, Result};
use cpe_daemon::{State, Watchdog, notify};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use self::commands::{Command, Outgoing, Peer};
use self::execution::{Completion, Lane};
use self::log::log;
use self::stopping::Phase;
use crate::activity::LeftServices;
use crate::classes::Classes;
use crate::clock::{BootTimer, boottime_us};
use crate::configure::Configured;
use crate::device::WatchdogDevice;
use crate::ending::Ending;
use crate::lease::Lease;
use crate::machine::MachineId;
use crate::reset::{Deadman, Reset};
use crate::store::{Found, Identity, StateFolder};

/// Time between heartbeats where the DPE does not say.
const DEFAULT_HEARTBEAT_MS: u32 = 1000;
/// The shortest time between heartbeats.
const MIN_HEARTBEAT_MS: u32 = 20;
/// How long services may take to stop in order after the lease, where the DPE does not say.
const DEFAULT_GRACE_MS: u32 = 5000;
/// How long services may take to stop where nothing is lost, where the DPE does not say.
const DEFAULT_STOP_TIMEOUT_MS: u32 = 20_000;
/// How often systemd is told that this agent is still ending, and for how long that holds, µs.
const EXTEND_EVERY: Duration = Duration::from_secs(1);
const EXTENSION_US: u32 = 10_000_000;
/// How often the lease is looked at where there is no timer for it.
const LOOK: Duration = Duration::from_millis(100);
/// How long an agent that is asked to end waits for operations that run.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Ends of operations that may wait for the engine. An operation's task gives one and ends; beyond
/// that the tasks wait, and lose nothing by it: what they measured is measured. The engine never
/// gives one itself.
const COMPLETIONS: usize = 64;

/// See the module's documentation.
pub struct Engine {
    classes: Arc<Classes>,
    deadman: Deadman,
    device: WatchdogDevice,
    store: StateFolder,
    machine_id: MachineId,
    identity: Identity,
    next_call_id: u32,
    lease: Lease,
    /// There may be services in this guest that no record names.
    incomplete: bool,
    timer: Option<BootTimer>,
    phase: Phase,
    /// The history by call id, that is in the order of requests.
    records: BTreeMap<u32, OperationRecord>,
    /// Records that could not be written, to be written later.
    unkept: BTreeSet<u32>,
    /// Services that may be running though no record names them.
    left_behind: LeftServices,
    /// It is noted outside the state folder that there may be services.
    noted: bool,
    /// What was run before services in this boot.
    configured: Arc<Configured>,
    /// Per resource, what runs and what waits.
    lanes: BTreeMap<String, Lane>,
    /// Recurring operations by the time of their next run, and what waits for its start delay by
    /// the end of that.
    due: BTreeMap<u32, Instant>,
    attributes: attributes::Kept,
    questions: questions::Questions,
    /// What this guest is called in its network.
    facts: watch::Receiver<GuestFacts>,
    peer: Option<Peer>,
    heartbeat_due: Option<Instant>,
    watchdog: Option<Watchdog>,
    /// Set when the agent is to end: how long it waits for operations.
    terminating: Option<Instant>,
    /// It may not end, because services run that nobody else would stop at the end of the lease.
    stays_for_lease: bool,
    /// Set while the DPE is to stop the services, because this guest leaves.
    leaving: Option<leaving::Patience>,
    /// It has said that nothing runs here and that it begins nothing more.
    left: bool,
    /// The last signal to the DPE, until it is on its way.
    farewell: Option<oneshot::Receiver<()>>,
    completed: mpsc::Sender<Completion>,
    completions: mpsc::Receiver<Completion>,
}

impl Engine {
    /// An engine that takes up what an earlier process has left. Never fails: there may be a lease
    /// to enforce. `reset` is how the guest is taken down then.
    pub fn new(
        classes: Arc<Classes>,
        reset: Reset,
        machine_id: MachineId,
        store: StateFolder,
        found: Found,
    ) -> Self {
        let (completed, completions) = mpsc::channel(COMPLETIONS);
        let mut lease = found.lease;
        if found.lease_is_lost() {
            // It may be over.
            let grace_us = u64::from(DEFAULT_GRACE_MS) * 1000;
            lease = Lease::unreadable(grace_us, boottime_us());
        }
        let timer = BootTimer::new().map_err(|error| {
            log!(error, found.identity, %error, "no timer for the lease; it is looked at often instead");
        });
        let mut engine = Engine {
            classes,
            configured: Arc::new(Configured::new(&store, found.configured)),
            deadman: Deadman::start(reset),
            device: WatchdogDevice::none(),
            store,
            machine_id,
            next_call_id: found.identity.next_call_id,
            identity: found.identity,
            lease,
            incomplete: !found.complete,
            timer: timer.ok(),
            phase: Phase::Serving,
            records: found.records,
            unkept: BTreeSet::new(),
            left_behind: found.left,
            noted: false,
            lanes: BTreeMap::new(),
            due: BTreeMap::new(),
            attributes: attributes::Kept::new(found.attributes),
            questions: questions::Questions::new(),
            facts: watch::channel(GuestFacts::default()).1,
            peer: None,
            heartbeat_due: None,
            watchdog: Watchdog::wanted(),
            terminating: None,
            stays_for_lease: false,
            leaving: None,
            left: false,
            farewell: None,
            completed,
            completions,
        };
        // Before anything that may hang.
        engine.deadman.set_remains(engine.remains());
        engine.arm_deadman();
        engine.recover();
        if !engine.incomplete {
            engine.note_services();
            engine.drop_note();
        }
        engine
    }

    /// The same with a watchdog device that resets the guest when this engine feeds it no more.
    #[must_use]
    pub fn with_device(self, device: WatchdogDevice) -> Self {
        Engine { device, ..self }
    }

    /// The same that tells its DPE what this guest is called in its network.
    #[must_use]
    pub fn with_facts(self, facts: watch::Receiver<GuestFacts>) -> Self {
        Engine { facts, ..self }
    }

    /// Runs until `terminate` is ready, and then to an orderly end. Services go on running, unless
    /// a lease is in force that no next agent will enforce.
    pub async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        terminate: impl Future<Output = Ending>,
    ) {
        tokio::pin!(terminate);
        self.watch_lease();
        self.start_all();
        while !self.may_end() {
            self.arm_timer();
            self.feed_device();
            let wakeup = self.next_wakeup();
            tokio::select! {
                command = commands.recv() => {
                    self.watch_lease();
                    match command {
                        Some(command) => self.handle(command),
                        None => break,
                    }
                }
                Some(completion) = self.completions.recv() => {
                    self.watch_lease();
                    self.complete(completion);
                }
                Ok(()) = self.facts.changed() => self.report_facts(),
                () = fired(&mut self.timer) => self.watch_lease(),
                () = sleep_until(wakeup) => {
                    self.watch_lease();
                    self.tick();
                }
                ending = &mut terminate, if self.terminating.is_none() => {
                    self.watch_lease();
                    self.terminate(ending);
                }
            }
            self.watch_leaving();
        }
        self.finish_farewell().await;
        self.device.finish(&self.lease);
    }

    /// Feeds the watchdog device, unless it is the one that may still reset the guest.
    fn feed_device(&mut self) {
        if !matches!(self.phase, Phase::Rebooting) {
            self.device.turn(&self.lease);
        }
    }

    /// Everything that is due by the monotonic clock.
    fn tick(&mut self) {
        let now = Instant::now();
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.turn();
        }
        if self.terminating.is_some() {
            // An agent that hangs does not say this, and is killed: the guard has the lease then.
            notify(&[State::ExtendTimeoutUsec(EXTENSION_US)]);
        }
        if self.heartbeat_due.is_some_and(|due| due <= now) {
            self.heartbeat(now);
        }
        if self.attributes.due.is_some_and(|due| due <= now) {
            self.report_attributes();
        }
        if self.questions.due().is_some_and(|due| due <= now) {
            self.end_questions(now);
        }
        let due: Vec<u32> = self
            .due
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(call_id, _)| *call_id)
            .collect();
        for call_id in due {
            self.due.remove(&call_id);
            self.enqueue(call_id);
        }
    }

    fn next_wakeup(&self) -> Option<Instant> {
        // A guest that leaves watches its services to the end.
        let recurring = if self.terminating.is_some() && self.leaving.is_none() {
            None
        } else {
            self.due.values().min().copied()
        };
        let watchdog = self.watchdog.as_ref().map(Watchdog::due);
        let device = self.device.due().map(Instant::from_std);
        let look = self.timer.is_none().then(|| Instant::now() + LOOK);
        let end = self
            .terminating
            .filter(|_| matches!(self.phase, Phase::Serving) && !self.stays_for_lease)
            .map(|limit| self.leaving.map_or(limit, |patience| patience.until));
        let extend = self.terminating.map(|_| Instant::now() + EXTEND_EVERY);
        [
            self.heartbeat_due,
            self.attributes.due,
            self.questions.due(),
            recurring,
            watchdog,
            device,
            look,
            extend,
            end,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn heartbeat(&mut self, now: Instant) {
        let interval = Duration::from_millis(u64::from(
            self.identity.heartbeat_interval_ms.max(MIN_HEARTBEAT_MS),
        ));
        self.heartbeat_due = Some(now + interval);
        for call_id in self.unkept.clone() {
            self.keep(call_id);
        }
        let stamp = boottime_us();
        let outgoing = Outgoing::Heartbeat {
            stamp,
            running: u32::try_from(self.unfinished()).unwrap_or(u32::MAX),
            lease_remaining_ms: self.lease.remaining_ms(stamp),
        };
        // A heartbeat that the connection cannot take is one that its DPE does not get.
        if let Some(peer) = &self.peer {
            let _ = peer.outbox.try_send(outgoing);
        }
    }

    /// Reports a record to the DPE. The connection of a DPE that reads nothing is closed; it asks
    /// for the history when it comes back.
    fn report(&mut self, record: &OperationRecord) {
        self.report_attributes_first();
        let Some(peer) = &self.peer else { return };
        if peer
            .outbox
            .try_send(Outgoing::Completed(Box::new(record.clone())))
            .is_err()
        {
            log!(
                warn,
                self.identity,
                "the DPE does not read results; closing the connection"
            );
            self.drop_peer();
        }
    }

    /// Tells the DPE what this guest is called in its network now.
    fn report_facts(&mut self) {
        let facts = self.facts.borrow_and_update().clone();
        let Some(peer) = &self.peer else { return };
        if peer
            .outbox
            .try_send(Outgoing::Facts(Box::new(facts)))
            .is_err()
        {
            log!(
                warn,
                self.identity,
                "the DPE does not read addresses; closing the connection"
            );
            self.drop_peer();
        }
    }

    fn drop_peer(&mut self) {
        if let Some(peer) = self.peer.take() {
            peer.close.notify_one();
        }
        self.heartbeat_due = None;
    }

    /// Operations that run or wait.
    fn unfinished(&self) -> usize {
        self.lanes.values().map(Lane::len).sum()
    }

    /// Asked to end: nothing new begins, monitors are cut short, the rest may finish.
    fn terminate(&mut self, ending: Ending) {
        let operations = self.unfinished();
        log!(info, self.identity, operations, ?ending, "asked to end");
        notify(&[State::Stopping]);
        self.terminating = Some(Instant::now() + SHUTDOWN);
        let serving = matches!(self.phase, Phase::Serving);
        let guarded = self.lease.end_us().is_some() || ending == Ending::Shutdown;
        if guarded && serving && ending != Ending::ToComeBack {
            self.drop_waiting_starts();
            if self.active().is_empty() {
                self.say_left();
            } else {
                self.leave(ending);
                return;
            }
        }
        for lane in self.lanes.values_mut() {
            if let Some(running) = &mut lane.running
                && self
                    .records
                    .get(&running.call_id)
                    .is_some_and(|record| record.operation.interval_ms > 0)
            {
                running.interrupt();
            }
        }
    }

    fn may_end(&self) -> bool {
        // Services whose lease has ended must be down first; the unit's stop timeout allows for
        // that.
        self.terminating.is_some_and(|limit| {
            matches!(self.phase, Phase::Serving)
                && !self.stays_for_lease
                && self.leaving.is_none()
                && (limit <= Instant::now()
                    || self.lanes.values().all(|lane| lane.running.is_none()))
        })
    }

    /// Lets a call through if it comes from the DPE that this agent obeys.
    fn authorise(&self, peer: u64, epoch: u64) -> Result<()> {
        let current = self.identity.epoch;
        if epoch < current {
            return Err(Error::StaleEpoch(format!(
                "this agent obeys epoch {current}; the call has epoch {epoch}, so another DPE has taken over"
            )));
        }
        match &self.peer {
            Some(active) if active.id == peer && epoch == current => Ok(()),
            Some(active) if active.id > peer => Err(Error::Superseded(
                "another connection has taken over this agent; this one is closed".to_owned(),
            )),
            _ => Err(Error::NotReady(format!(
                "call Hello with epoch {epoch} on this connection first"
            ))),
        }
    }

    /// Writes a record; where that fails, history in memory is still right, the failure is in the
    /// log, and it is tried again with the next heartbeat.
    fn keep(&mut self, call_id: u32) {
        let known = self.unkept.remove(&call_id);
        if let Some(record) = self.records.get(&call_id)
            && let Err(error) = self.store.write_record(record)
        {
            self.unkept.insert(call_id);
            if known {
                return;
            }
            let operation = &record.operation;
            log!(
                error,
                self.identity,
                cpe_service = operation.resource,
                operation = operation.label(),
                %error,
                "a record cannot be written"
            );
        }
    }

    fn forget_record(&mut self, call_id: u32) -> Option<OperationRecord> {
        self.due.remove(&call_id);
        if let Err(error) = self.store.remove_record(call_id) {
            log!(error, self.identity, call_id, %error, "a record cannot be deleted");
        }
        self.records.remove(&call_id)
    }

    /// Cancels a record that is no longer wanted, and reports that to the DPE.
    fn cancel_record(&mut self, call_id: u32) {
        if let Some(mut record) = self.forget_record(call_id) {
            record.state = OperationState::Cancelled;
            record.status = cpe_bus::OperationStatus::Cancelled;
            self.report(&record);
        }
    }
}

/// What cannot be made durable is not accepted.
fn not_durable(error: anyhow::Error) -> Error {
    Error::Failed(format!(
        "nothing was done, since it cannot be recorded: {error:#}"
    ))
}

/// Waits until the timer fires; for ever if there is none.
async fn fired(timer: &mut Option<BootTimer>) {
    match timer {
        Some(alarm) => {
            if let Err(error) = alarm.fired().await {
                tracing::error!(%error, "the timer of the lease failed; it is looked at often instead");
                *timer = None;
            }
        }
        None => std::future::pending().await,
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
