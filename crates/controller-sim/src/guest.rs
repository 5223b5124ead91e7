//! A simulated guest: its power, its clock, the processes of its services, and a simulated guest
//! agent that keeps the contract of `org.cloudpolicy.Agent1`: epochs, one operation at a time per
//! resource, monitors that report changes, a history that dies with the boot, a lease on the
//! guest's own clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use controller::{
    AssemblyId, Attributes, Hello, Occupant, Operation, Question, Record, RecordState, STATUS_DONE,
    STATUS_ERROR, Task,
};
use sim_kit::MS;

use crate::queue::SimEvent;
use crate::scenario::{Mode, service_of};

/// By how many milliseconds an operation is to begin later.
const META_START_DELAY: &str = "CRM_meta_start_delay";

/// A guest.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its name, which is also its machine id.
    pub name: String,
    /// Another deployment's: what it runs is none of ours.
    pub foreign: bool,
    /// Another guest has taken its place: without power it does not come back, and its devices go
    /// to that guest.
    pub replaced_by: Option<usize>,
    /// No DPE has heard this guest since the deployment was destroyed with its services left
    /// running, or the state of the DPE was lost.
    pub unheard: bool,
    /// How it is made safe.
    pub mode: Mode,
    /// The device that provides unfencing has let it in since it has booted, and was not asked to
    /// cut it off since.
    pub let_in: bool,
    /// The last boot in which something of ours was done when that device was asked to cut it off.
    pub cut_in: Option<u64>,
    /// Powered and booted.
    pub up: bool,
    /// Counts boots: the boot id.
    pub boot: u64,
    /// Changes with every boot and every restart of the agent: timers of earlier lives are void.
    pub life: u64,
    /// Virtual time of the boot, µs.
    pub booted_us: u64,
    /// Drift of its clock in parts per million.
    pub drift_ppm: i64,
    /// How far its clock is behind because it stood still, µs.
    pub stood_still_us: u64,
    /// Paused as a whole until then; whether its clock goes on.
    pub paused: Option<(u64, bool)>,
    /// What happened to it while it was paused or its agent hung: to be done afterwards.
    pub deferred: Vec<SimEvent>,
    /// Processes of services that run. This is the truth that the invariants look at.
    pub running: BTreeSet<String>,
    /// Of these, those in the promoted role.
    pub promoted: BTreeSet<String>,
    /// Until then operations may go wrong, µs.
    pub bad_operations_until_us: u64,
    /// The last part of its address.
    pub address: u8,
    /// The programs of resource agents are away until then.
    pub programs_away_until_us: u64,
    /// Until then the agent cannot be started, µs.
    pub broken_until_us: u64,
    /// Until then nothing can be written under /run, µs.
    pub full_until_us: u64,
    /// Until then the agent says that a newer DPE exists, µs.
    pub says_stale_until_us: u64,
    /// Until then nothing lets itself be stopped, µs.
    pub refuses_stop_until_us: u64,
    /// It is shut down and its agent has ended: it halts soon.
    pub going_down: bool,
    /// How often a script that was run before a service has ended well.
    pub scripts_run: usize,
    /// The agent.
    pub agent: Agent,
}

/// A guest agent.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    /// The process is there.
    pub alive: bool,
    /// Stopped (SIGSTOP, or a bug).
    pub hung: bool,
    /// Highest epoch seen. Under /run.
    pub epoch: u64,
    /// The Hello in force: by which start of the DPE, with which number. Under /run.
    pub hello: (u64, u64),
    /// Which assembly it belongs to. Under /run.
    pub assembly: Option<AssemblyId>,
    /// A record was lost: what it named may run. Under /run.
    pub damaged: bool,
    /// Resources that may run though no record names them, and whether a deployment that has ended
    /// has left them: those are nobody's to stop. Under /run.
    pub left: BTreeMap<String, bool>,
    /// Under /run.
    pub records: BTreeMap<(String, Task, u32), Record>,
    /// Under /run.
    pub last_call: u32,
    /// The address that the DPE of this stream was told.
    pub told: Option<u8>,
    /// Node attributes. Under /run.
    pub attributes: Attributes,
    /// Under /run.
    pub lease: Option<Lease>,
    /// Until when the lease would last by the renewals that were refused, guest clock, µs.
    pub refused_until_us: u64,
    /// The stream of the DPE it obeys.
    pub connection: Option<u64>,
    /// Operations that wait, by resource.
    pub queue: BTreeMap<String, VecDeque<Record>>,
    /// Operations that wait for their start delay, by call id. Under /run.
    pub delayed: BTreeMap<u32, Delayed>,
    /// Operations under way, by resource.
    pub busy: BTreeMap<String, Busy>,
    /// The lease is over: services are being stopped until then (virtual time).
    pub stopping_until_us: Option<u64>,
    /// Interval between heartbeats.
    pub heartbeat_us: u64,
    /// Its guest is shut down.
    pub leaving: Option<Leaving>,
    /// What was run before services, by resource: which script, with which parameters. Under /run.
    pub configured: BTreeMap<String, String>,
    /// What tools wait for, by number.
    pub asked: BTreeMap<u64, Waiting>,
}

/// What a tool of a guest waits for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What it has asked.
    pub question: Question,
    /// Since when, µs.
    pub since_us: u64,
    /// How often the DPE's state had been lost by then.
    pub losses: u64,
    /// The row that it writes, or reads while nobody writes it, and how often that had been
    /// written by then.
    pub row: Option<(String, u64)>,
}

/// How far an agent is whose guest is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The DPE is to stop the services until then (virtual time); whether it has begun to.
    Waits {
        /// µs.
        until_us: u64,
        /// It has asked for a stop.
        begun: bool,
    },
    /// The agent stops them itself.
    Stops,
    /// They did not stop: it stays until the lease is over.
    Stays,
}

/// A lease.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Guest clock, µs.
    pub ends_us: u64,
    /// Newest stamp that was renewed.
    pub stamp_us: u64,
    /// Its length, µs.
    pub length_us: u64,
    /// How long stopping may take, µs.
    pub grace_us: u64,
    /// The guest is reset when it is over, even if everything has stopped.
    pub resets: bool,
}

/// An operation that waits for its start delay: nothing of it runs.
#[derive(Clone, Debug)]
pub struct Delayed {
    /// Its record.
    pub record: Record,
    /// When its turn comes, by the guest's clock, µs.
    pub due_us: u64,
}

/// An operation under way.
#[derive(Clone, Debug)]
pub struct Busy {
    /// Its record.
    pub record: Record,
    /// Status and exit code that it will have.
    pub outcome: (i32, i32),
    /// Number that its end carries.
    pub token: u64,
    /// What is run before it, which is what is under way, and when that began, µs.
    pub before: Option<(String, u64)>,
}

impl Guest {
    /// To whom it belongs, as its agent describes it.
    pub(crate) fn occupant(&self) -> Occupant {
        let (deployment, assembly) = match &self.agent.assembly {
            Some(assembly) if !self.foreign => ("sim", assembly.as_str()),
            _ => ("another", "theirs"),
        };
        Occupant {
            machine_id: self.name.clone(),
            deployment: deployment.into(),
            assembly: assembly.into(),
        }
    }

    /// What its agent answers to Hello.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            machine_id: self.name.clone(),
            boot_id: self.boot_id(),
            version: "simulated".into(),
            leaving: self.agent.leaving.is_some(),
            capabilities: vec!["questions".into(), "configure".into()],
            facts: self.facts(),
            ..Hello::default()
        }
    }

    /// What its agent tells of it.
    pub(crate) fn facts(&self) -> BTreeMap<String, String> {
        let address = format!("10.0.0.{}", self.address);
        [("ipaddress".to_owned(), address)].into()
    }

    /// A guest that is up, with its agent.
    pub fn new(name: &str, mode: Mode, drift_ppm: i64) -> Guest {
        Guest {
            name: name.into(),
            foreign: false,
            replaced_by: None,
            address: 1,
            unheard: false,
            mode,
            let_in: false,
            cut_in: None,
            up: true,
            boot: 1,
            life: 1,
            booted_us: 0,
            drift_ppm,
            stood_still_us: 0,
            paused: None,
            deferred: Vec::new(),
            running: BTreeSet::new(),
            promoted: BTreeSet::new(),
            bad_operations_until_us: 0,
            programs_away_until_us: 0,
            broken_until_us: 0,
            full_until_us: 0,
            says_stale_until_us: 0,
            refuses_stop_until_us: 0,
            going_down: false,
            scripts_run: 0,
            agent: Agent {
                alive: true,
                ..Agent::default()
            },
        }
    }

    /// Its present boot, as its agent names it.
    pub(crate) fn boot_id(&self) -> String {
        format!("{}-{}", self.name, self.boot)
    }

    /// What a snapshot keeps of it: everything but its streams.
    pub fn snapshot(&self) -> Guest {
        let mut saved = self.clone();
        (saved.paused, saved.agent.hung) = (None, false);
        saved.agent.alive = true;
        saved.agent.connection = None;
        (saved.agent.leaving, saved.going_down) = (None, false);
        // Nobody knows how long they have waited.
        saved.agent.asked.clear();
        saved.deferred.clear();
        saved
    }

    /// CLOCK_BOOTTIME of the guest, µs.
    pub fn clock(&self, now_us: u64) -> u64 {
        let since = now_us
            .saturating_sub(self.booted_us)
            .saturating_sub(self.stood_still_us);
        let drift = i128::from(since) * i128::from(self.drift_ppm) / 1_000_000;
        u64::try_from(i128::from(since) + drift).unwrap_or(0)
    }

    /// Virtual time at which the guest's clock shows `clock_us`, if it goes on as it does. µs.
    pub fn when(&self, clock_us: u64) -> u64 {
        let rate = 1_000_000 + i128::from(self.drift_ppm);
        let since = (i128::from(clock_us) * 1_000_000 + rate - 1) / rate;
        self.booted_us + self.stood_still_us + u64::try_from(since).unwrap_or(0)
    }

    /// Power is cut: everything that ran is gone.
    pub fn power_off(&mut self) {
        self.up = false;
        self.life += 1;
        self.paused = None;
        self.deferred.clear();
        self.running.clear();
        self.promoted.clear();
        self.going_down = false;
        self.let_in = false;
        self.agent = Agent::default();
    }

    /// How many instances of a service run.
    pub fn processes_of(&self, service: &str) -> usize {
        let running = self.running.iter();
        running.filter(|own| service_of(own) == service).count()
    }

    /// The processes of a service end. `false`: there were none.
    pub fn process_ends(&mut self, service: &str) -> bool {
        self.promoted.remove(service);
        self.running.remove(service)
    }

    /// It boots: a new boot id, an empty /run.
    pub fn boot(&mut self, now_us: u64) {
        self.up = true;
        self.let_in = false;
        self.boot += 1;
        self.life += 1;
        self.booted_us = now_us;
        self.stood_still_us = 0;
        self.agent = Agent {
            alive: true,
            ..Agent::default()
        };
    }

    /// The agent's process ends; what is under /run stays, operations that wait too. Those under
    /// way are cut off.
    pub fn kill_agent(&mut self) -> Vec<Busy> {
        self.life += 1;
        self.deferred.clear();
        let agent = &mut self.agent;
        agent.alive = false;
        agent.hung = false;
        agent.connection = None;
        agent.stopping_until_us = None;
        std::mem::take(&mut agent.busy).into_values().collect()
    }

    /// A stop does nothing: the service refuses, or what would stop it is not there.
    pub fn cannot_stop(&self, now_us: u64) -> bool {
        self.refuses_stop_until_us > now_us || self.programs_away_until_us > now_us
    }

    /// The agent does something: it runs, and the guest does.
    pub fn awake(&self) -> bool {
        self.up && self.paused.is_none() && self.agent.alive && !self.agent.hung
    }
}

/// A record as an agent tells it: what is run before a start is in none.
pub fn told(record: &Record) -> Record {
    let mut record = record.clone();
    record.operation.configure = None;
    record
}

/// Which script an operation is to run first, with which parameters.
pub fn configuration(operation: &Operation) -> Option<String> {
    let configure = operation.configure.as_ref()?;
    Some(format!("{} {:?}", configure.mark(), operation.parameters))
}

/// Key of a record in the history.
pub fn key(operation: &Operation) -> (String, Task, u32) {
    (
        operation.resource.clone(),
        operation.action.clone(),
        operation.interval_ms,
    )
}

impl Agent {
    /// The lease is over at that time of the guest's clock.
    pub fn lease_over(&self, clock_us: u64) -> bool {
        self.lease
            .as_ref()
            .is_some_and(|lease| lease.ends_us <= clock_us)
    }

    /// It has that operation, or had it.
    pub fn knows(&self, id: &str) -> bool {
        self.records
            .values()
            .any(|record| record.operation.id == id)
            || self
                .busy
                .values()
                .any(|busy| busy.record.operation.id == id)
            || self
                .queue
                .values()
                .flatten()
                .any(|record| record.operation.id == id)
            || self
                .delayed
                .values()
                .any(|delayed| delayed.record.operation.id == id)
    }

    /// Resources that may run and are this agent's to stop: what was not seen stopped counts as
    /// running.
    pub fn may_run(&self) -> BTreeSet<String> {
        let left = self.left.iter().filter(|(_, released)| !**released);
        let mut last: BTreeMap<&str, (u32, bool)> = left
            .map(|(resource, _)| (resource.as_str(), (0, true)))
            .collect();
        for record in self.records.values().chain(self.waiting()) {
            if let Some(active) = evidence(record) {
                let known = last.entry(&record.operation.resource).or_default();
                *known = (*known).max((record.call_id, active));
            }
        }
        let active = last.into_iter().filter(|(_, (_, active))| *active);
        active.map(|(resource, _)| resource.to_owned()).collect()
    }

    /// Forgets a resource, but not that it may run.
    pub fn forget(&mut self, resource: &str) {
        if self.may_run().contains(resource) {
            self.left.insert(resource.to_owned(), false);
        }
        self.records.retain(|(known, ..), _| known != resource);
        self.drop_delayed(|operation| operation.resource == resource);
    }

    /// Forgets everything, but not what may run.
    pub fn leave_behind(&mut self) {
        let active = self.may_run();
        self.left.extend(active.into_iter().map(|it| (it, true)));
        self.left.values_mut().for_each(|released| *released = true);
        self.records.clear();
        self.queue.clear();
        self.delayed.clear();
        self.busy.clear();
        self.configured.clear();
    }

    /// A resource agent that is not there tells nothing of what may run, and does nothing to it.
    pub fn cannot_tell(&self, record: &Record) -> bool {
        let operation = &record.operation;
        record.status == STATUS_NOT_INSTALLED
            && (self.damaged
                || self.may_run().contains(&operation.resource)
                || self.left.contains_key(&operation.resource)
                || self.left.values().any(|released| *released))
    }

    /// Takes in what the end of an operation tells about what was left.
    pub fn settle_left(&mut self, record: &Record) {
        if record.state == RecordState::Complete && evidence(record).is_some() {
            self.left.remove(&record.operation.resource);
        }
    }

    /// Records of operations that run or wait.
    fn waiting(&self) -> impl Iterator<Item = &Record> {
        let busy = self.busy.values().map(|busy| &busy.record);
        busy.chain(self.queue.values().flatten())
    }

    /// Operations that run or wait.
    pub fn under_way(&self) -> impl Iterator<Item = &Operation> {
        self.waiting().map(|record| &record.operation)
    }

    /// The whole history, pending operations too.
    pub fn history(&self) -> Vec<Record> {
        let delayed = self.delayed.values().map(|delayed| &delayed.record);
        let pending = self
            .waiting()
            .filter(|record| record.state == RecordState::Pending);
        let records = self.records.values().chain(pending);
        records.chain(delayed).map(told).collect()
    }

    /// Takes an operation in: pending. Gives the records of what ends by that, and what waits for
    /// its start delay. `clock_us`: the guest's.
    pub fn accept(
        &mut self,
        operation: Operation,
        clock_us: u64,
    ) -> (Vec<Record>, Option<&Delayed>) {
        let delay_ms = operation.meta.get(META_START_DELAY);
        let delay_ms: u64 = delay_ms.and_then(|delay| delay.parse().ok()).unwrap_or(0);
        let own_us = (delay_ms > 0).then(|| clock_us + delay_ms * MS);
        let mut before = self.delayed.values();
        let before = before.find(|other| key(&other.record.operation) == key(&operation));
        let due_us = own_us.map(|own_us| before.map_or(own_us, |other| other.due_us.min(own_us)));
        let ended = self.end_for(&operation);
        self.last_call += 1;
        let record = Record {
            operation,
            state: RecordState::Pending,
            call_id: self.last_call,
            status: -1,
            rc: 193,
            ..Record::default()
        };
        let Some(due_us) = due_us.filter(|due_us| *due_us > clock_us) else {
            let resource = record.operation.resource.clone();
            self.queue.entry(resource).or_default().push_back(record);
            return (ended, None);
        };
        let delayed = Delayed { record, due_us };
        self.delayed.insert(self.last_call, delayed);
        (ended, self.delayed.get(&self.last_call))
    }

    /// Ends what a new operation makes obsolete. Gives the records.
    fn end_for(&mut self, operation: &Operation) -> Vec<Record> {
        let resource = &operation.resource;
        let ends_monitors = matches!(
            operation.action,
            Task::Stop | Task::Promote | Task::Demote | Task::MigrateTo | Task::MigrateFrom
        );
        let mut ended = if ends_monitors {
            self.cancel_recurring(resource)
        } else if operation.interval_ms > 0 {
            // It takes the place of the one before it.
            self.cancel(&key(operation)).into_iter().collect()
        } else {
            Vec::new()
        };
        if operation.interval_ms == 0 && operation.action != Task::Notify {
            ended.extend(
                self.drop_delayed(|other| other.interval_ms == 0 && other.resource == *resource),
            );
        }
        ended
    }

    /// Operations that wait for their start delay are taken back. Gives their records.
    pub(crate) fn drop_delayed(&mut self, which: impl Fn(&Operation) -> bool) -> Vec<Record> {
        let mut gone = Vec::new();
        self.delayed.retain(|_, delayed| {
            let goes = which(&delayed.record.operation);
            if goes {
                gone.push(delayed.record.clone());
            }
            !goes
        });
        gone
    }

    /// A recurring operation ends. Gives its record.
    pub fn cancel(&mut self, key_of: &(String, Task, u32)) -> Option<Record> {
        let is_it = |record: &Record| key(&record.operation) == *key_of;
        let mut waiting = self.queue.values().flatten();
        let queued = waiting.find(|record| is_it(record)).cloned();
        for queue in self.queue.values_mut() {
            queue.retain(|record| !is_it(record));
        }
        let delayed = self.drop_delayed(|operation| key(operation) == *key_of);
        let delayed = delayed.into_iter().next();
        self.records.remove(key_of).or(queued).or(delayed)
    }

    /// Operations that have not begun are dropped. Gives their records.
    pub(crate) fn drop_waiting(&mut self, which: impl Fn(&Task) -> bool) -> Vec<Record> {
        let mut dropped = self.drop_delayed(|operation| which(&operation.action));
        for queue in self.queue.values_mut() {
            let (gone, kept) = std::mem::take(queue)
                .into_iter()
                .partition(|record| which(&record.operation.action));
            *queue = kept;
            dropped.extend::<VecDeque<Record>>(gone);
        }
        dropped
    }

    /// All recurring operations end, and what waits for its start delay.
    pub fn end_monitors(&mut self) {
        self.delayed.clear();
        self.records
            .retain(|(_, _, interval_ms), _| *interval_ms == 0);
        for queue in self.queue.values_mut() {
            queue.retain(|record| record.operation.interval_ms == 0);
        }
    }

    /// Recurring operations of a resource end.
    pub fn cancel_recurring(&mut self, resource: &str) -> Vec<Record> {
        let doomed: Vec<_> = self
            .records
            .keys()
            .filter(|(r, _, interval_ms)| r == resource && *interval_ms > 0)
            .cloned()
            .collect();
        let mut cancelled: Vec<Record> = doomed
            .iter()
            .filter_map(|key| self.records.remove(key))
            .collect();
        cancelled.extend(self.drop_delayed(|operation| {
            operation.interval_ms > 0 && operation.resource == *resource
        }));
        if let Some(queue) = self.queue.get_mut(resource) {
            queue.retain(|record| record.operation.interval_ms == 0);
        }
        cancelled
    }
}

/// The status of an operation whose resource agent is not there.
pub(crate) const STATUS_NOT_INSTALLED: i32 = 7;

/// What a record says about its resource: that it may run, that it does not, or nothing.
fn evidence(record: &Record) -> Option<bool> {
    let pending = record.state == RecordState::Pending;
    if record.status == STATUS_NOT_INSTALLED {
        return None;
    }
    match record.operation.action {
        Task::Stop => Some(pending || (record.status, record.rc) != (STATUS_DONE, 0)),
        Task::Monitor if record.operation.interval_ms > 0 || pending => None,
        Task::Monitor => Some((record.status, record.rc) != (STATUS_DONE, 7)),
        Task::Start | Task::Promote | Task::Demote | Task::MigrateTo | Task::MigrateFrom => {
            Some(true)
        }
        _ => None,
    }
}

/// An operation of which nobody knows how it would have ended.
pub(crate) fn interrupted(mut record: Record, wall_us: u64) -> Record {
    record.state = RecordState::Complete;
    (record.status, record.rc) = (STATUS_ERROR, 193);
    (record.completed, record.last_rc_change) = (wall_us, wall_us);
    record
}
