//! The world: what there is, and whose turn it is when an event comes up.

use std::collections::BTreeMap;
use std::ops::Range;

use controller::{AssemblyId, Event, Refusal, Request, ServiceId, Task, Time};
use cpe_status::AssemblyState;
use sim_kit::{MS, Random, SECOND};

use crate::checker::Checker;
use crate::digest::Digest;
use crate::equipment::DEVICES;
use crate::faults::Kind;
use crate::gate::Gate;
use crate::guest::Guest;
use crate::network::{Link, Stream};
use crate::options::{Options, Outcome};
use crate::queue::{Queue, SimEvent};
use crate::scenario::{Assembly, Scenario};
use crate::shell::Shell;
use crate::time::EPOCH_US;
use crate::wiring::Wiring;

/// No world needs more steps.
const STEP_LIMIT: u64 = 200_000;
/// Boot-time clock of the host when the world begins, µs.
const HOST_BOOT_US: u64 = 3_600 * SECOND;

/// A simulated world.
pub struct World {
    /// Virtual time, µs.
    pub now_us: u64,
    /// For when that was planned which happens now, µs.
    planned_us: u64,
    queue: Queue,
    /// Chance.
    pub random: Random,
    /// The deployment.
    pub scenario: Scenario,
    /// Guests, in the order of the scenario's assemblies.
    pub guests: Vec<Guest>,
    /// The newest snapshot of a guest, and when it was made.
    pub(crate) snapshots: BTreeMap<usize, (Guest, u64)>,
    pub(crate) links: Vec<Link>,
    pub(crate) wiring: Wiring,
    pub(crate) streams: BTreeMap<u64, Stream>,
    pub(crate) shell: Shell,
    pub(crate) checker: Checker,
    /// The event log, by id.
    pub log: BTreeMap<String, Event>,
    /// Ids in the order in which the log took them.
    pub log_order: Vec<String>,
    pub(crate) log_away_until_us: u64,
    pub(crate) devices_bad_until_us: u64,
    /// They say what is not so until then, µs.
    pub(crate) devices_lie_until_us: u64,
    /// Devices of the configuration are broken until then, µs.
    pub(crate) devices_broken_until_us: [u64; DEVICES.len() + 1],
    pub(crate) gate: Gate,
    /// The DPE dies when the next level of devices has failed.
    pub(crate) dies_between_levels: bool,
    /// The cloud manager confirms late until then, µs.
    pub(crate) confirms_late_until_us: u64,
    /// How far the wall clock of the host and its guests has jumped, µs.
    pub(crate) wall_offset_us: i64,
    /// Faults that were injected, by kind.
    pub injected: BTreeMap<Kind, u64>,
    pub(crate) faults_until_us: u64,
    /// Faults are over.
    pub(crate) peaceful: bool,
    pub(crate) options: Options,
    /// The policy engine answers nonsense: its actions wait for nothing.
    pub nonsense: bool,
    /// How long each decision takes, µs; 0: as it happens.
    pub decisions_take_us: u64,
    /// How long it takes to let a guest in, µs; 0: as it happens.
    pub letting_in_takes_us: u64,
    /// How long it takes to switch a guest off, µs; 0: as it happens.
    pub switching_takes_us: u64,
    /// How long after that a device that lies says so, µs; 0: as it happens.
    pub says_so_after_us: u64,
    /// How long each start of a service takes, µs. Of others: as it happens.
    pub starts_take_us: BTreeMap<String, u64>,
    /// Chance of its own, by which some starts and stops are slow; `None`: none is.
    pub(crate) slowness: Option<Random>,
    /// What happened, if asked for.
    pub trace: Vec<String>,
    /// The engine input of the last transition.
    pub(crate) decided_on: String,
    /// Where it describes primitives, as far as that was asked for.
    pub(crate) decided_primitives: BTreeMap<String, Option<Range<usize>>>,
    /// The document has the scheduler decide again and again: see [`Outcome::restless`].
    pub(crate) restless: bool,
    /// What the policy engine was asked, by transition, if a trace was asked for.
    pub(crate) inputs: Vec<(String, String)>,
    pub(crate) steps: u64,
    pub(crate) tokens: u64,
    pub(crate) digest: Digest,
}

impl World {
    /// A world in which the DPE is started and given the scenario's document at once.
    pub fn new(scenario: Scenario, random: Random, options: Options) -> World {
        let mut world = World::without_dpe(scenario, random, options);
        world.after(0, SimEvent::StartDpe);
        world.after(100 * MS, SimEvent::Request(world.load_request()));
        world.after(3 * SECOND, SimEvent::ManagerLooks);
        world
    }

    /// A world in which nothing is planned.
    pub(crate) fn without_dpe(scenario: Scenario, mut random: Random, options: Options) -> World {
        let guests: Vec<Guest> = scenario
            .assemblies
            .iter()
            .map(|assembly| {
                let drift_ppm = random.between(0, 10_000) as i64 - 5_000;
                Guest::new(&assembly.name, assembly.mode, drift_ppm)
            })
            .collect();
        let links = guests.iter().map(|_| Link::default()).collect();
        let mut wiring = Wiring::default();
        for (index, assembly) in scenario.assemblies.iter().enumerate() {
            wiring.install(&assembly.home, index);
        }
        World {
            now_us: 0,
            planned_us: 0,
            queue: Queue::default(),
            random,
            scenario,
            guests,
            snapshots: BTreeMap::new(),
            links,
            wiring,
            streams: BTreeMap::new(),
            shell: Shell::default(),
            checker: Checker::default(),
            log: BTreeMap::new(),
            log_order: Vec::new(),
            log_away_until_us: 0,
            devices_bad_until_us: 0,
            devices_lie_until_us: 0,
            devices_broken_until_us: Default::default(),
            gate: Gate::default(),
            dies_between_levels: false,
            confirms_late_until_us: 0,
            wall_offset_us: 0,
            injected: BTreeMap::new(),
            faults_until_us: 0,
            peaceful: false,
            nonsense: false,
            decisions_take_us: 0,
            letting_in_takes_us: 0,
            switching_takes_us: 0,
            says_so_after_us: 0,
            starts_take_us: BTreeMap::new(),
            slowness: None,
            options,
            trace: Vec::new(),
            decided_on: String::new(),
            decided_primitives: BTreeMap::new(),
            restless: false,
            inputs: Vec::new(),
            steps: 0,
            tokens: 0,
            digest: Digest::default(),
        }
    }

    /// Takes the next event out of the queue, if it is due by that time, and sets the clock to it.
    pub(crate) fn next_event(&mut self, until_us: u64) -> Option<SimEvent> {
        self.queue.next_us().filter(|at_us| *at_us <= until_us)?;
        let (at_us, planned_us, event) = self.queue.pop()?;
        (self.now_us, self.planned_us) = (at_us, planned_us);
        Some(event)
    }

    /// The request that loads the scenario's document as it is now.
    pub fn load_request(&self) -> Request {
        let doubted = self.scenario.present().filter(|_| self.shell.loaded_before);
        let in_doubt = doubted.map(|(_, own)| own.name.as_str().into()).collect();
        Request::Load {
            document: self.scenario.document(),
            generation: self.scenario.generation,
            in_doubt,
        }
    }

    /// The time as the DPE's host sees it.
    pub fn time(&self) -> Time {
        Time {
            boottime_us: HOST_BOOT_US + self.now_us,
            wall_us: (EPOCH_US + self.now_us).saturating_add_signed(self.wall_offset_us),
        }
    }

    /// Virtual time of a boot time of the host.
    pub(crate) fn virtual_us(boottime_us: u64) -> u64 {
        boottime_us.saturating_sub(HOST_BOOT_US)
    }

    /// Plans an event.
    pub fn after(&mut self, delay_us: u64, event: SimEvent) {
        self.at(self.now_us + delay_us, event);
    }

    /// Plans an event.
    pub fn at(&mut self, at_us: u64, event: SimEvent) {
        self.queue.push(at_us.max(self.now_us), event);
    }

    /// Has what comes now come later, before what comes later by itself.
    pub(crate) fn put_off(&mut self, at_us: u64, event: SimEvent) {
        self.queue.put_off(at_us, self.planned_us, event);
    }

    /// Lets the next thing happen. `false`: nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some((at_us, planned_us, event)) = self.queue.pop() else {
            return false;
        };
        if self.steps >= STEP_LIMIT {
            self.checker.violations.push(format!(
                "{STEP_LIMIT} steps are not enough: something runs in circles"
            ));
            self.queue.clear();
            return false;
        }
        (self.now_us, self.planned_us) = (at_us, planned_us);
        self.steps += 1;
        self.dispatch(event);
        true
    }

    /// Runs until that time.
    pub fn run_until(&mut self, until_us: u64) {
        while self.queue.next_us().is_some_and(|at_us| at_us <= until_us) && self.step() {}
        self.now_us = self.now_us.max(until_us);
    }

    /// Runs for that time.
    pub fn run_for(&mut self, seconds: u64) {
        self.run_until(self.now_us + seconds * SECOND);
    }

    pub(crate) fn dispatch(&mut self, event: SimEvent) {
        // What a stalled link has not let through does not wait at the DPE.
        if event.is_for_the_dpe() && self.is_stopped() && !self.is_held_back(&event) {
            self.shell.waiting.push_back(event);
            return;
        }
        match event {
            SimEvent::Tick(start, deadline_us) => self.tick(start, deadline_us),
            SimEvent::StartDpe => self.start_dpe(),
            SimEvent::DpeGoesOn => self.dpe_goes_on(),
            SimEvent::Attempt(start, assembly) => self.attempt(start, assembly),
            SimEvent::HelloOverdue(stream) => self.hello_overdue(stream),
            SimEvent::ToAgent(stream, message) => self.arrive_at_agent(stream, message),
            SimEvent::ToDpe(stream, message) => self.arrive_at_dpe(stream, message),
            SimEvent::Closed(stream) => self.stream_ended(stream),
            SimEvent::Timer(guest, life, timer) => {
                if self.guests[guest].life == life {
                    self.timer(guest, timer);
                }
            }
            SimEvent::Guard(guest, boot) => self.guard_looks(guest, boot),
            SimEvent::Saved(start) => self.saved(start),
            SimEvent::Boot(guest) => self.boot(guest),
            SimEvent::Resume(guest) => self.resume_guest(guest),
            SimEvent::DeviceActs(guest) => self.fenced(guest),
            SimEvent::SnapshotRestored(guest) => self.restore_guest(guest),
            SimEvent::DeviceAnswers(start, assembly, attempt, result) => {
                self.device_answers(start, assembly, attempt, result)
            }
            SimEvent::LetsIn(start, attempt) => self.lets_in(start, attempt),
            SimEvent::LettingInEnds(start, attempt, why) => {
                self.letting_in_ends(start, attempt, why)
            }
            SimEvent::LettingInEnded(start, assembly, attempt, result) => {
                self.letting_in_ended(start, assembly, attempt, result)
            }
            SimEvent::DeviceCuts(guest) => self.cut_off(guest),
            SimEvent::DeviceTells(start, question, result) => {
                self.device_tells(start, question, result)
            }
            SimEvent::Decided(start, question) => self.policy_engine_answers(start, question),
            SimEvent::Record(start, event) => self.record(start, *event),
            SimEvent::Recorded(start, id) => self.recorded(start, id),
            SimEvent::RetryEvents(start) => self.retry_events(start),
            // What would come later than the last fault stays away.
            SimEvent::Fault(fault) if self.peaceful && fault.kind().is_some() => {}
            SimEvent::Fault(fault) => self.inject(fault),
            SimEvent::Chatter(guest, until_us) => self.chatter(guest, until_us),
            SimEvent::ManagerLooks => self.manager_looks(),
            SimEvent::HandsOff(for_us) => self.hands_off(for_us),
            SimEvent::Request(request) => self.request(request),
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

    /// Index of the guest of that name. An assembly's first guest has the assembly's name.
    ///
    /// # Panics
    ///
    /// No guest has that name: the test that asks is wrong.
    pub fn guest(&self, name: &str) -> usize {
        self.guests
            .iter()
            .position(|guest| guest.name == name)
            .expect("a guest of that name")
    }

    /// The guest to which the DPE has a stream as to that assembly.
    pub(crate) fn connected_to(&self, assembly: &AssemblyId) -> Option<usize> {
        let id = self.shell.streams.get(assembly)?;
        self.streams.get(id).map(|stream| stream.guest)
    }

    /// The guest that was last heard of as that assembly, else the one at its address.
    pub(crate) fn place_of(&self, assembly: &AssemblyId) -> Option<usize> {
        let known = self.wiring.places.get(assembly).copied();
        known.or_else(|| self.home_of(assembly))
    }

    /// The guest that the document means by an assembly.
    pub(crate) fn home_of(&self, assembly: &AssemblyId) -> Option<usize> {
        let mut assemblies = self.scenario.assemblies.iter();
        let own = assemblies.find(|own| assembly.as_str() == own.name)?;
        self.wiring.guest_named(own.address.as_ref()?)
    }

    /// The assembly of the document that is at home in that guest.
    pub(crate) fn assembly_at(&self, guest: usize) -> Option<&str> {
        let at_home = |assembly: &&Assembly| {
            let address = assembly.address.as_ref();
            address.and_then(|name| self.wiring.guest_named(name)) == Some(guest)
        };
        let mut present = self.scenario.present().map(|(_, assembly)| assembly);
        present.find(at_home).map(|assembly| assembly.name.as_str())
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
            .checker
            .executed
            .iter()
            .filter(|(_, action, _)| *action != Task::Monitor);
        operations
            .map(|(assembly, action, resource)| format!("{action} {resource} {assembly}"))
            .collect()
    }

    /// Events in the log, in order, as `KIND [SERVICE] [ASSEMBLY]`; those of transitions left out.
    pub fn logged(&self) -> Vec<String> {
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
        self.request(request);
    }

    /// The same, for somebody who hears the answer.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn try_ask(&mut self, request: Request) -> Result<(), Refusal> {
        self.shell.refused = None;
        self.request(request);
        self.shell.refused.take().map_or(Ok(()), Err)
    }

    /// Guests of ours that the document does not name: a former incarnation is one of them.
    fn guests_of_nobody(&self) -> Vec<usize> {
        let of_nobody =
            |guest: &usize| self.assembly_at(*guest).is_none() && !self.guests[*guest].foreign;
        (0..self.guests.len()).filter(of_nobody).collect()
    }

    /// The cloud manager: it switches off what the DPE asks it to, and says so when it is done.
    fn manager_looks(&mut self) {
        self.after(3 * SECOND, SimEvent::ManagerLooks);
        let time = self.time();
        // A stopped one does not tell whom it waits for.
        let stopped = self.is_stopped();
        let Some(controller) = self.shell.controller.as_ref().filter(|_| !stopped) else {
            return;
        };
        let waiting: Vec<(AssemblyId, String)> = controller
            .assembly_statuses(time)
            .iter()
            .filter(|assembly| {
                assembly.state == AssemblyState::Fencing
                    && (assembly.reason.contains("ConfirmFenced")
                        // One that the document does not name, since it is a former one or has
                        // another name now, may have been accepted with a device that never worked.
                        || self.peaceful && !self.scenario.names(&assembly.name))
            })
            .map(|assembly| {
                let id = AssemblyId::from(assembly.name.as_str());
                (id, assembly.fencing_attempt.clone())
            })
            .collect();
        for (assembly, attempt) in waiting {
            let guests = match self.place_of(&assembly) {
                Some(guest) => vec![guest],
                None => self.guests_of_nobody(),
            };
            if self.now_us < self.confirms_late_until_us && self.random.percent(80) {
                continue;
            }
            for guest in guests {
                self.fenced(guest);
            }
            let confirmation = Request::ConfirmFenced { assembly, attempt };
            if self.now_us < self.confirms_late_until_us {
                for _ in 0..2 {
                    let delay = self.random.between(SECOND, 40 * SECOND);
                    self.after(delay, SimEvent::Request(confirmation.clone()));
                }
            } else {
                self.request(confirmation);
            }
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
            violations: std::mem::take(&mut self.checker.violations),
            trace: std::mem::take(&mut self.trace),
            inputs: std::mem::take(&mut self.inputs),
            restless: self.restless,
            steps: self.steps,
            seconds: self.now_us / SECOND,
            starts: self.shell.start,
            events: self.log.len(),
            transitions: self.shell.transitions,
            taken_over: self.shell.taken_over,
            faults: std::mem::take(&mut self.injected),
            digest: self.digest.value(),
        }
    }

    /// Violations so far.
    pub fn violations(&self) -> &[String] {
        &self.checker.violations
    }

    /// Modes of fencing that a whole guest's pause cannot deceive.
    pub(crate) fn may_pause(&self, guest: usize) -> bool {
        let mut assemblies = self.scenario.assemblies.iter();
        let leased = assemblies.any(|own| {
            let home = own
                .address
                .as_ref()
                .and_then(|name| self.wiring.guest_named(name));
            !own.mode.cuts_power() && home == Some(guest)
        });
        self.guests[guest].mode.cuts_power() && !leased
    }
}
