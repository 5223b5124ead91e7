//! The world: one queue of happenings in virtual time, and who does what when one comes up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use controller::{AssemblyId, EngineInput, Event, Request, ServiceId, Task, Time};
use cpe_status::AssemblyState;

use crate::digest::Digest;
use crate::guest::Guest;
use crate::invariants::Watch;
use crate::network::{Link, Stream, ToAgent, ToDpe};
use crate::random::Random;
use crate::scenario::Scenario;
use crate::shell::Shell;
use crate::{Options, Outcome};

/// Microseconds in a second.
pub const SECOND: u64 = 1_000_000;
/// Microseconds in a millisecond.
pub const MS: u64 = 1_000;
/// No world needs more steps.
const STEP_LIMIT: u64 = 200_000;
/// Wall clock when the world begins, µs.
const EPOCH_US: u64 = 1_795_000_000 * SECOND;
/// Boot-time clock of the host when the world begins, µs.
const HOST_BOOT_US: u64 = 3_600 * SECOND;

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The shell goes on after its disk was slow.
    Pump,
    /// The controller's deadline, as it was when this was planned.
    Tick(u64, u64),
    /// The DPE is started (by the service manager).
    StartDpe,
    /// A stopped DPE may go on.
    DpeGoesOn,
    /// The shell tries to connect to a guest.
    Attempt(u64, usize),
    /// Hello was not answered in time.
    HelloOverdue(u64),
    /// A message arrives.
    ToAgent(u64, ToAgent),
    /// A message arrives.
    ToDpe(u64, ToDpe),
    /// The DPE sees that a stream has ended.
    Closed(u64),
    /// A timer in a guest's life.
    Timer(usize, u64, Timer),
    /// A guest's power comes on.
    Boot(usize),
    /// A paused guest goes on.
    Resume(usize),
    /// A fence device acts.
    DeviceActs(usize),
    /// A fence device answers.
    DeviceAnswers(u64, AssemblyId, u64, Result<(), String>),
    /// The policy engine answers.
    Decided(u64, EngineInput),
    /// An event arrives at the log.
    Record(u64, Box<Event>),
    /// The log's acknowledgement arrives at the DPE.
    Recorded(u64, String),
    /// The shell brings what was not acknowledged again.
    RetryEvents(u64),
    /// Something goes wrong.
    Fault(crate::faults::Fault),
    /// The cloud manager looks after assemblies that wait for it.
    ManagerLooks,
    /// Someone wants something.
    Wish(Request),
}

impl Happening {
    /// A DPE that is stopped does not notice it.
    fn is_for_the_dpe(&self) -> bool {
        matches!(
            self,
            Happening::Pump
                | Happening::Tick(..)
                | Happening::Attempt(..)
                | Happening::HelloOverdue(..)
                | Happening::ToDpe(..)
                | Happening::Closed(..)
                | Happening::DeviceAnswers(..)
                | Happening::Decided(..)
                | Happening::Recorded(..)
                | Happening::RetryEvents(..)
                | Happening::Wish(..)
        )
    }
}

/// Timers in a guest.
#[derive(Clone, Debug)]
pub enum Timer {
    /// Time for a heartbeat.
    Heartbeat,
    /// An operation ends.
    OperationEnds(String, u64),
    /// A recurring operation is due.
    Monitor(String, Task, u32, u32),
    /// The lease may be over.
    LeaseCheck,
    /// A service that is stopped because the lease is over has stopped.
    LeaseStopped(String),
    /// Services that would not stop: the guest is rebooted.
    LeaseGivesUp,
    /// The reboot has ended everything.
    Halted,
    /// The service manager kills a hung agent.
    Watchdog,
    /// A hung agent goes on by itself.
    AgentResumes,
    /// The service manager starts the agent.
    AgentStarts,
}

/// A simulated world.
pub struct World {
    /// Virtual time, µs.
    pub now_us: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Slot)>>,
    happenings: BTreeMap<u64, Happening>,
    sequence: u64,
    /// Chance.
    pub random: Random,
    /// The deployment.
    pub scenario: Scenario,
    /// Guests, in the order of the scenario's assemblies.
    pub guests: Vec<Guest>,
    pub(crate) links: Vec<Link>,
    pub(crate) streams: BTreeMap<u64, Stream>,
    pub(crate) shell: Shell,
    pub(crate) watch: Watch,
    /// The event log, by id.
    pub log: BTreeMap<String, Event>,
    /// Ids in the order in which the log took them.
    pub log_order: Vec<String>,
    pub(crate) log_away_until_us: u64,
    pub(crate) devices_bad_until_us: u64,
    pub(crate) faults_until_us: u64,
    /// Faults are over.
    pub(crate) peaceful: bool,
    pub(crate) options: Options,
    /// The policy engine answers nonsense: its actions wait for nothing.
    pub nonsense: bool,
    /// What happened, if asked for.
    pub trace: Vec<String>,
    pub(crate) steps: u64,
    pub(crate) tokens: u64,
    pub(crate) digest: Digest,
}

/// Ordering of the queue is by time and sequence only.
type Slot = ();

impl World {
    /// A world in which the DPE is started and given the scenario's document at once.
    pub fn new(scenario: Scenario, mut random: Random, options: Options) -> World {
        let guests: Vec<Guest> = scenario
            .assemblies
            .iter()
            .map(|assembly| {
                let drift_ppm = random.between(0, 10_000) as i64 - 5_000;
                Guest::new(&assembly.name, assembly.mode, drift_ppm)
            })
            .collect();
        let links = guests.iter().map(|_| Link::default()).collect();
        let mut world = World {
            now_us: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            sequence: 0,
            random,
            scenario,
            guests,
            links,
            streams: BTreeMap::new(),
            shell: Shell::default(),
            watch: Watch::default(),
            log: BTreeMap::new(),
            log_order: Vec::new(),
            log_away_until_us: 0,
            devices_bad_until_us: 0,
            faults_until_us: 0,
            peaceful: false,
            nonsense: false,
            options,
            trace: Vec::new(),
            steps: 0,
            tokens: 0,
            digest: Digest::default(),
        };
        world.after(0, Happening::StartDpe);
        world.after(100 * MS, Happening::Wish(world.load_request()));
        world.after(3 * SECOND, Happening::ManagerLooks);
        world
    }

    /// The request that loads the scenario's document as it is now.
    pub fn load_request(&self) -> Request {
        Request::Load {
            document: self.scenario.document(),
            generation: self.scenario.generation,
        }
    }

    /// The time as the DPE's host sees it.
    pub fn time(&self) -> Time {
        Time {
            boottime_us: HOST_BOOT_US + self.now_us,
            wall_us: EPOCH_US + self.now_us,
        }
    }

    /// Virtual time of a boot time of the host.
    pub(crate) fn virtual_us(boottime_us: u64) -> u64 {
        boottime_us.saturating_sub(HOST_BOOT_US)
    }

    /// Plans a happening.
    pub fn after(&mut self, delay_us: u64, happening: Happening) {
        self.at(self.now_us + delay_us, happening);
    }

    /// Plans a happening.
    pub fn at(&mut self, at_us: u64, happening: Happening) {
        self.sequence += 1;
        self.queue
            .push(Reverse((at_us.max(self.now_us), self.sequence, ())));
        self.happenings.insert(self.sequence, happening);
    }

    /// Lets the next thing happen. `false`: nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some(Reverse((at_us, sequence, ()))) = self.queue.pop() else {
            return false;
        };
        let Some(happening) = self.happenings.remove(&sequence) else {
            return true;
        };
        if self.steps >= STEP_LIMIT {
            self.watch.violations.push(format!(
                "{STEP_LIMIT} steps are not enough: something runs in circles"
            ));
            self.queue.clear();
            return false;
        }
        self.now_us = at_us;
        self.steps += 1;
        self.happen(happening);
        true
    }

    /// Runs until that time.
    pub fn run_until(&mut self, until_us: u64) {
        while self
            .queue
            .peek()
            .is_some_and(|Reverse((at_us, ..))| *at_us <= until_us)
            && self.step()
        {}
        self.now_us = self.now_us.max(until_us);
    }

    /// Runs for that time.
    pub fn run_for(&mut self, seconds: u64) {
        self.run_until(self.now_us + seconds * SECOND);
    }

    pub(crate) fn happen(&mut self, happening: Happening) {
        if happening.is_for_the_dpe() && self.now_us < self.shell.stopped_until_us {
            self.shell.waiting.push_back(happening);
            return;
        }
        match happening {
            Happening::Pump => self.pump(),
            Happening::Tick(start, deadline_us) => self.tick(start, deadline_us),
            Happening::StartDpe => self.start_dpe(),
            Happening::DpeGoesOn => self.dpe_goes_on(),
            Happening::Attempt(start, guest) => self.attempt(start, guest),
            Happening::HelloOverdue(stream) => self.hello_overdue(stream),
            Happening::ToAgent(stream, message) => self.arrive_at_agent(stream, message),
            Happening::ToDpe(stream, message) => self.arrive_at_dpe(stream, message),
            Happening::Closed(stream) => self.stream_ended(stream),
            Happening::Timer(guest, life, timer) => {
                if self.guests[guest].life == life {
                    self.timer(guest, timer);
                }
            }
            Happening::Boot(guest) => self.boot(guest),
            Happening::Resume(guest) => self.resume_guest(guest),
            Happening::DeviceActs(guest) => self.power_cycle(guest),
            Happening::DeviceAnswers(start, assembly, attempt, result) => {
                self.device_answers(start, assembly, attempt, result)
            }
            Happening::Decided(start, question) => self.policy_engine_answers(start, question),
            Happening::Record(start, event) => self.record(start, *event),
            Happening::Recorded(start, id) => self.recorded(start, id),
            Happening::RetryEvents(start) => self.retry_events(start),
            Happening::Fault(fault) => self.fault(fault),
            Happening::ManagerLooks => self.manager_looks(),
            Happening::Wish(request) => self.wish(request),
        }
    }

    /// Notes something in the trace.
    pub(crate) fn say(&mut self, text: impl FnOnce() -> String) {
        if self.options.trace {
            self.trace.push(format!(
                "{:>12.6} {}",
                self.now_us as f64 / SECOND as f64,
                text()
            ));
        }
    }

    /// Index of the guest of an assembly.
    ///
    /// # Panics
    ///
    /// No guest has that name: the scenario that asks is wrong.
    pub fn guest(&self, assembly: &str) -> usize {
        self.guests
            .iter()
            .position(|guest| guest.name == assembly)
            .expect("invariant: every assembly of the scenario has a guest")
    }

    /// Names of the guests in which the processes of a service run.
    pub fn runs_in(&self, service: &str) -> Vec<&str> {
        self.guests
            .iter()
            .filter(|guest| guest.running.contains(service))
            .map(|guest| guest.name.as_str())
            .collect()
    }

    /// Names of the guests in which a service is promoted.
    pub fn promoted_in(&self, service: &str) -> Vec<&str> {
        self.guests
            .iter()
            .filter(|guest| guest.promoted.contains(service))
            .map(|guest| guest.name.as_str())
            .collect()
    }

    /// The controller, while the DPE lives.
    pub fn controller(&self) -> Option<&controller::Controller> {
        self.shell.controller.as_deref()
    }

    /// Operations that were sent so far, as `ACTION SERVICE ASSEMBLY`, monitors left out.
    pub fn executed(&self) -> Vec<String> {
        let operations = self
            .watch
            .executed
            .iter()
            .filter(|(_, action, _)| *action != Task::Monitor);
        operations
            .map(|(assembly, action, resource)| format!("{action} {resource} {assembly}"))
            .collect()
    }

    /// Events in the log, in order, as `KIND [SERVICE] [ASSEMBLY]`; those of transitions left out.
    pub fn told(&self) -> Vec<String> {
        let mut events: Vec<&Event> = self.log.values().collect();
        events.sort_by(|a, b| a.id.cmp(&b.id));
        let line = |event: &Event| {
            let service = event.service.iter().map(ServiceId::as_str);
            let assembly = event.assembly.iter().map(AssemblyId::as_str);
            let parts = [event.kind.as_str()]
                .into_iter()
                .chain(service)
                .chain(assembly);
            parts.collect::<Vec<_>>().join(" ")
        };
        events
            .into_iter()
            .filter(|event| !event.kind.as_str().starts_with("transition."))
            .map(line)
            .collect()
    }

    /// The deployment has ended.
    pub fn unloaded(&self) -> bool {
        self.shell.unloaded
    }

    /// Someone asks for something now.
    pub fn ask(&mut self, request: Request) {
        self.wish(request);
    }

    /// Something goes wrong now.
    pub fn goes_wrong(&mut self, fault: crate::faults::Fault) {
        self.happen(Happening::Fault(fault));
    }

    /// The cloud manager: it switches off what the DPE asks it to, and says so when it is done.
    fn manager_looks(&mut self) {
        self.after(3 * SECOND, Happening::ManagerLooks);
        let time = self.time();
        let Some(controller) = &self.shell.controller else {
            return;
        };
        let waiting: Vec<AssemblyId> = controller
            .status(time)
            .assemblies
            .iter()
            .filter(|assembly| {
                assembly.state == AssemblyState::Fencing
                    && assembly.reason.contains("ConfirmFenced")
            })
            .map(|assembly| AssemblyId::from(assembly.name.as_str()))
            .collect();
        for assembly in waiting {
            let guest = self.guest(assembly.as_str());
            self.power_cycle(guest);
            self.wish(Request::ConfirmFenced { assembly });
        }
    }

    /// Adds to the digest what the controller would do with the document as it is now.
    pub(crate) fn note_plan(&mut self) {
        if let Some(controller) = self
            .shell
            .controller
            .as_ref()
            .filter(|_| self.options.digest)
        {
            let (now, document) = (self.time(), self.scenario.document());
            self.digest.status(controller, now);
            self.digest.plan(controller, now, &document);
        }
    }

    pub(crate) fn outcome(mut self, seed: u64) -> Outcome {
        Outcome {
            seed,
            violations: std::mem::take(&mut self.watch.violations),
            trace: std::mem::take(&mut self.trace),
            steps: self.steps,
            seconds: self.now_us / SECOND,
            starts: self.shell.start,
            events: self.log.len(),
            transitions: self.shell.transitions,
            digest: self.digest.value(),
        }
    }

    /// Violations so far.
    pub fn violations(&self) -> &[String] {
        &self.watch.violations
    }

    /// Modes of fencing that a whole guest's pause cannot deceive.
    pub(crate) fn may_pause(&self, guest: usize) -> bool {
        self.guests[guest].mode.cuts_power()
    }
}
