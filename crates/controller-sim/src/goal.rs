//! What must come about once faults stop.

use std::collections::BTreeMap;

use controller::{AssemblyId, Event, EventKind, Request, ServiceId};
use cpe_status::DpeState;
use policy_engine::{ActionKind, Cib, RunOptions, Schedule, simulation};
use sim_kit::SECOND;

use crate::equipment::{DEVICES, MONITOR_S};
use crate::guest::Guest;
use crate::mutants::Subject;
use crate::network::Link;
use crate::queue::SimEvent;
use crate::scenario::{Expected, Mode};
use crate::time::EPOCH_US;
use crate::world::World;

/// After peace, everything must be well within, seconds.
const PATIENCE_S: u64 = 600;
/// A scheduler that has work after each of this number of decisions does not come to rest.
const ROUNDS: usize = 4;
/// A controller at rest is watched for, seconds.
const REST_S: u64 = 20;
/// What turns within this time from now may do so while the controller is watched, µs.
const WATCHED_US: u64 = (REST_S + 2) * SECOND;
/// So many failures may expire one after the other before a controller at rest is watched.
const MOST_TURNS: u32 = 8;
/// Nothing is under way if nothing was executed for so long, seconds: longer than any operation.
const SETTLED_S: u64 = 25;

impl World {
    /// Lets faults happen, then peace, then checks that everything becomes well and stays silent.
    pub fn run_to_goal(&mut self) {
        self.run_until(self.faults_until_us);
        self.peace();
        let peace_us = self.now_us;
        let cleanup = |world: &mut World, after_s: u64| {
            world.after(
                after_s * SECOND,
                SimEvent::Request(Request::Cleanup {
                    service: None,
                    assembly: None,
                }),
            );
        };
        // An administrator cleans up when the dust has settled, and again.
        if self.scenario.ending.is_some() {
            self.run_to_end(peace_us);
            return;
        }
        cleanup(self, 45);
        cleanup(self, 120);
        cleanup(self, 240);
        // Documents and states may come late: people say again who holds the ticket.
        for after_s in [45, 120, 240] {
            self.settle_ticket(after_s * SECOND);
            self.settle_orders(after_s * SECOND);
        }
        self.run_for(46);

        let mut well = 0;
        while well < 2 && self.checker.violations.is_empty() {
            if self.now_us > peace_us + PATIENCE_S * SECOND {
                let missing = self.missing().unwrap_or_default();
                self.violated(format!(
                    "the goal is not reached {PATIENCE_S} s after the last fault: {missing}"
                ));
                return;
            }
            self.run_for(3);
            well = if self.missing().is_none() {
                well + 1
            } else {
                0
            };
        }
        self.settle();
        if self.checker.violations.is_empty() && !self.restless {
            self.check_rest();
            self.check_events();
        }
    }

    /// Waits until nothing is under way: no decision, no operation, no guest that comes back.
    fn settle(&mut self) {
        let begin_us = self.now_us;
        let mut executed = 0;
        while executed < self.checker.executed.len() && self.checker.violations.is_empty() {
            if self.now_us > begin_us + PATIENCE_S * SECOND {
                if decides_again(&self.decided_on, self.wall_s()) {
                    self.restless = true;
                    return;
                }
                self.violated(format!(
                    "the controller does not rest within {PATIENCE_S} s"
                ));
            }
            executed = self.checker.executed.len();
            self.run_for(SETTLED_S);
        }
    }

    /// The deployment ends, whatever was under way, and what was to be stopped is.
    fn run_to_end(&mut self, peace_us: u64) {
        while !self.shell.unloaded {
            if self.now_us > peace_us + PATIENCE_S * SECOND {
                let state = self
                    .shell
                    .controller
                    .as_ref()
                    .map(|controller| controller.status(self.time()).summary);
                self.violated(format!(
                    "the deployment has not ended {PATIENCE_S} s after the last fault: {state:?}"
                ));
                return;
            }
            self.run_for(3);
        }
        // Who was not heard of at the end finds out by its lease.
        self.run_for(90);
        for (index, guest) in self.guests.iter().enumerate() {
            let stays = self.scenario.ending != Some(true)
                || self.checker.out_of_reach.contains(&index)
                || (self.shell.left && guest.unheard);
            if let Some(service) = guest.running.first().filter(|_| !stays) {
                let text = format!(
                    "{service} still runs in {} after the end of the deployment",
                    guest.name
                );
                self.violated(text);
                return;
            }
        }
    }

    /// The deployment has ended: notes who cannot be told or does not do it, and has no lease that
    /// would see to it.
    pub(crate) fn note_end(&mut self) {
        // The answer to a repeated Unload: who could not be told then is not told now.
        if self.shell.unloaded {
            return;
        }
        let recreated = self.shell.recreate.take();
        if let Some((guest, for_us)) = recreated.filter(|_| self.scenario.ending.is_none()) {
            for guest in &mut self.guests {
                guest.unheard = true;
            }
            self.create_again(guest, for_us);
            return;
        }
        self.shell.unloaded = true;
        let lost: Vec<usize> = (self.checker.lost.iter())
            .filter_map(|assembly| self.place_of(assembly))
            .collect();
        let obeys = |(index, (guest, link)): &(usize, (&Guest, &Link))| {
            let stream = guest.agent.connection.and_then(|id| self.streams.get(&id));
            let connected = stream.is_some_and(|stream| stream.start == self.shell.start);
            let passes = link.stalled_until_us.max(link.cut_until_us) <= self.now_us;
            let connected = connected && !lost.contains(index);
            let stops = guest.refuses_stop_until_us <= self.now_us;
            // Who cannot be fenced may be beyond help; in maintenance there is no lease; what an
            // agent does not know of, its lease does not end.
            let known = guest.agent.may_run();
            let leased = guest.agent.lease.is_some()
                && guest.running.iter().all(|service| known.contains(service));
            (guest.mode.waits_for_lease() && leased)
                || (guest.mode != Mode::None && guest.awake() && connected && passes && stops)
        };
        self.checker.out_of_reach = self
            .guests
            .iter()
            .zip(&self.links)
            .enumerate()
            .filter(|pair| !obeys(pair))
            .map(|(index, _)| index)
            .collect();
    }

    /// What is not as it should be when all is well. `None`: all is well.
    pub fn missing(&self) -> Option<String> {
        let controller = self.shell.controller.as_ref()?;
        if self.is_stopped() {
            return Some("the DPE is stopped".into());
        }
        // Without services nothing is fenced, as with Pacemaker.
        let degraded = matches!(controller.state(), DpeState::Degraded | DpeState::Failed)
            && (self.is_one_held_back() || !self.has_services());
        if controller.state() != DpeState::Active && !degraded {
            return Some(format!(
                "the state is {}: {}",
                controller.state(),
                controller.status(self.time()).summary
            ));
        }
        let left = controller.status(self.time()).overlay;
        if let Some(entry) = left.first() {
            return Some(format!("{} still counts", entry.text));
        }
        let services = 0..self.scenario.services.len();
        let mut missing = services.filter_map(|index| self.missing_of(index));
        missing.next().or_else(|| self.too_much())
    }

    /// Seconds of the wall clock since the world began.
    fn wall_s(&self) -> i64 {
        (self.time().wall_us as i64 - EPOCH_US as i64).div_euclid(SECOND as i64)
    }

    /// What a service is expected to do now.
    fn expected(&self, index: usize) -> Expected {
        self.scenario.expected(index, self.wall_s())
    }

    /// The document names services.
    fn has_services(&self) -> bool {
        let mut services = 0..self.scenario.services.len();
        services.any(|index| self.scenario.in_document(index))
    }

    /// A service that the document has enabled does not run for another reason, and that is shown.
    fn is_one_held_back(&self) -> bool {
        let services = self.scenario.services.iter().enumerate();
        let mut enabled = services.filter(|(_, own)| own.present && own.enabled);
        enabled.any(|(index, _)| {
            let runs = self.expected(index) == Expected::Runs;
            self.scenario.in_document(index) && !(runs && self.has_room(index))
        })
    }

    /// What is not as it should be with a service.
    fn missing_of(&self, index: usize) -> Option<String> {
        let service = &self.scenario.services[index];
        let places = self.counted_in(|guest| guest.processes_of(&service.name));
        let wrong =
            |expected: usize| format!("{} runs in {places:?}, expected {expected}", service.name);
        let banned = |guest: &&str| {
            let homes = self.scenario.homes(index, self.wall_s());
            let mut homes = homes.into_iter().map(|home| self.guest_of(home));
            homes.all(|home| home != Some(guest))
        };
        let copies = self.scenario.copies(service);
        match self.expected(index) {
            Expected::Stays => return (!places.is_empty()).then(|| wrong(0)),
            Expected::Open => return (places.len() > copies).then(|| wrong(copies)),
            Expected::Runs if places.is_empty() && !self.has_room(index) => return None,
            Expected::Runs if places.len() != copies => return Some(wrong(copies)),
            Expected::Runs => {}
        }
        if let Some(place) = places.iter().find(|guest| banned(guest)) {
            return Some(format!(
                "{} runs in {place}, which is banned now",
                service.name
            ));
        }
        if let Some(outdated) = self.outdated(index) {
            return Some(outdated);
        }
        let promoted = self.counted_in(|guest| usize::from(guest.promoted.contains(&service.name)));
        let expected = self.scenario.promoted(service);
        (promoted.len() != expected).then(|| {
            format!(
                "{} is promoted in {promoted:?}, expected {expected}",
                service.name
            )
        })
    }

    /// Name of the guest at home in an assembly.
    fn guest_of(&self, assembly: usize) -> Option<&str> {
        let address = self.scenario.assemblies[assembly].address.as_ref()?;
        let guest = self.wiring.guest_named(address)?;
        Some(&self.guests[guest].name)
    }

    /// What is used of an assembly's capacity.
    fn used(&self, assembly: usize) -> u64 {
        let home = self.guest_of(assembly);
        let guest = self
            .guests
            .iter()
            .find(|guest| Some(guest.name.as_str()) == home);
        let running = guest.into_iter().flat_map(|guest| &guest.running);
        let loads = running.filter_map(|service| self.scenario.service(service));
        loads.map(|service| service.policies.load).sum()
    }

    /// An assembly in which a service may run has room for it.
    fn has_room(&self, index: usize) -> bool {
        let load = self.scenario.services[index].policies.load;
        let homes = self.scenario.homes(index, self.wall_s());
        load == 0
            || homes
                .into_iter()
                .any(|home| self.used(home) + load <= self.scenario.assemblies[home].capacity)
    }

    /// More is used of an assembly than it offers.
    fn too_much(&self) -> Option<String> {
        let mut full = self.scenario.present().filter(|_| self.scenario.rich);
        let (index, assembly) = full.find(|(index, own)| self.used(*index) > own.capacity)?;
        let (name, used) = (&assembly.name, self.used(index));
        Some(format!(
            "{name} offers {}, used are {used}",
            assembly.capacity
        ))
    }

    /// Names of guests, each so often as it counts, without those that are left behind.
    fn counted_in(&self, count: impl Fn(&Guest) -> usize) -> Vec<&str> {
        let guests = self.guests.iter().enumerate();
        let guests = guests.filter(|(index, _)| !self.left_behind(*index));
        guests
            .flat_map(|(_, guest)| std::iter::repeat_n(guest.name.as_str(), count(guest)))
            .collect()
    }

    /// Given up by fencing mode `none`, and then taken out of the document: nobody asks any more
    /// what runs there.
    fn left_behind(&self, guest: usize) -> bool {
        self.assembly_at(guest).is_none() && self.checker.given_up.contains(&guest)
    }

    /// A controller at rest does nothing but answer heartbeats.
    fn check_rest(&mut self) {
        if !self.outlast_what_expires() {
            return;
        }
        // The last cleanup may be still to come: it is part of the world, and then there is work
        // again.
        let last_cleanup_us = self.faults_until_us + 241 * SECOND;
        if self.now_us < last_cleanup_us
            && self.now_us + REST_S * SECOND > self.faults_until_us + 119 * SECOND
        {
            return;
        }
        if self.time_changes_something() {
            return;
        }
        let (ticks, transitions) = (self.shell.ticks, self.shell.transitions);
        let rooms = self.shell.rooms;
        let executed = self.checker.executed.len();
        self.run_for(REST_S);
        let rechecks = match self.scenario.recheck_s {
            0 => 0,
            interval_s => REST_S / interval_s + 1,
        };
        let done = self.checker.executed.len() > executed;
        // It rested only because nothing had it asked.
        if done && decides_again(&self.decided_on, self.wall_s()) {
            self.restless = true;
            return;
        }
        // Devices are asked again and again whether they are well.
        let checks = match self.scenario.has_devices() {
            true => (DEVICES.len() + 1) as u64 * (REST_S / MONITOR_S + 1),
            false => 0,
        };
        // Some time after the last change it asks whether there is room after a loss.
        let rooms = self.shell.rooms - rooms;
        if done
            || self.shell.ticks > ticks + rechecks + checks + rooms
            || self.shell.transitions > transitions + rechecks
        {
            let (ticks, transitions) = (
                self.shell.ticks - ticks,
                self.shell.transitions - transitions,
            );
            self.violated(format!(
                "at rest the controller wakes up {ticks} times and makes {transitions} transitions"
            ));
        }
        if let Some(missing) = self.missing() {
            self.violated(format!("the goal was reached and then lost: {missing}"));
        }
    }

    /// Failures that are real expire when they are old enough, and then there is work again: waits
    /// for that. `false`: something turns again and again.
    fn outlast_what_expires(&mut self) -> bool {
        for _ in 0..MOST_TURNS {
            let Some(left_us) = self.turns_in_us().filter(|left_us| *left_us <= WATCHED_US) else {
                return true;
            };
            self.run_for(left_us.div_ceil(SECOND) + 1);
            self.settle();
            if self.restless {
                return false;
            }
        }
        false
    }

    /// In how many microseconds the controller is to be awake because time alone changes something.
    fn turns_in_us(&self) -> Option<u64> {
        let now = self.time();
        let status = self.shell.controller.as_ref()?.status(now);
        let look = status.next_look.filter(|look| !look.by_interval)?;
        Some(look.time.saturating_sub(now.wall_us))
    }

    /// What the document says is not the same all the time while the controller is watched, or was
    /// otherwise a moment ago.
    fn time_changes_something(&self) -> bool {
        let before_s = 10;
        let from_s = self.wall_s() - before_s;
        let to_s = self.wall_s() + REST_S as i64 + 15;
        let services = self.scenario.services.iter();
        let mut bans = services.filter_map(|service| service.policies.ban);
        bans.any(|ban| {
            let now = ban.when.holds(from_s);
            (from_s..=to_s).any(|at_s| ban.when.holds(at_s) != now)
        })
    }

    /// Every event that was promised is in the log, once, and they make sense.
    fn check_events(&mut self) {
        if self.time_changes_something() {
            self.run_for(2 * REST_S + self.scenario.recheck_s);
        }
        self.run_for(10);
        // Time may have begun something just now: what is under way is told when it is done.
        self.settle();
        for _ in 0..5 {
            let waits = |controller: &Subject| controller.waiting_events() > 0;
            if self.shell.controller.as_ref().is_some_and(waits) {
                self.run_for(1);
            }
        }
        let lost: Vec<String> = self
            .checker
            .promised
            .iter()
            .filter(|id| !self.log.contains_key(*id))
            .cloned()
            .collect();
        if !lost.is_empty() {
            self.violated(format!(
                "{} events are not in the log, first {}",
                lost.len(),
                lost[0]
            ));
        }
        let waiting = self
            .shell
            .controller
            .as_ref()
            .map_or(0, |controller| controller.waiting_events());
        if waiting > 0 {
            self.violated(format!("{waiting} events still wait for the log"));
        }
        self.check_stories();
    }

    /// What events tell about each service and assembly is a story that can be, and ends with the
    /// truth.
    fn check_stories(&mut self) {
        let (places_told, mut wrong) = self.stories();
        let services = self.scenario.services.iter().enumerate();
        let wanted = services.filter(|(index, _)| self.expected(*index) == Expected::Runs);
        for (_, service) in wanted.filter(|(_, service)| self.runs_once(&service.name)) {
            let running = |(index, guest): &(usize, &Guest)| {
                guest.running.contains(&service.name) && !self.left_behind(*index)
            };
            let places: Vec<&str> = (self.guests.iter().enumerate())
                .filter(running)
                .filter_map(|(index, _)| self.assembly_at(index))
                .collect();
            let told = places_told.get(service.name.as_str());
            let told = told.and_then(Option::as_ref).map(AssemblyId::as_str);
            if places.first().copied() != told {
                wrong.push(format!(
                    "{} runs in {places:?}, the log says {told:?}",
                    service.name
                ));
            }
        }
        for text in wrong {
            self.violated(text);
        }
    }

    /// Where services run in the end, as events tell it, and what of the events cannot be.
    fn stories(&self) -> (BTreeMap<ServiceId, Option<AssemblyId>>, Vec<String>) {
        let mut events: Vec<&Event> = self.log.values().collect();
        // Not by id: the wall clock, which ids begin with, may have jumped.
        events.sort_by_key(|event| self.checker.emitted.get(&event.id));
        let (mut running, mut online) = (BTreeMap::new(), BTreeMap::new());
        let mut wrong = Vec::new();
        for event in events {
            let Event { kind, reason, .. } = event;
            match (kind, event.service.clone(), event.assembly.clone()) {
                (
                    EventKind::ServiceStarted
                    | EventKind::ServiceRecovered
                    | EventKind::ServiceMoved,
                    Some(service),
                    place,
                ) => {
                    let again = *kind == EventKind::ServiceStarted && reason == "it runs";
                    let once = self.runs_once(service.as_str());
                    if running.insert(service.clone(), place).is_some()
                        && again
                        && once
                        && !self.checker.state_lost
                    {
                        wrong.push(format!("{service} was started twice in the log"));
                    }
                }
                (
                    EventKind::ServiceStopped
                    | EventKind::ServiceFailed
                    | EventKind::ServiceUnrecoverable,
                    Some(service),
                    _,
                ) => drop(running.remove(&service)),
                (
                    EventKind::AssemblyOnline
                    | EventKind::AssemblyLost
                    | EventKind::AssemblyLeaving
                    | EventKind::AssemblyLeft
                    | EventKind::AssemblyFencingSucceeded,
                    _,
                    Some(assembly),
                ) => {
                    let before = online.insert(assembly.clone(), kind);
                    // An assembly that left the document and came back is a new one.
                    let same = self.scenario.generation == 1 && !self.checker.state_lost;
                    let may_repeat =
                        matches!(kind, EventKind::AssemblyLost | EventKind::AssemblyLeaving);
                    if before == Some(kind) && !may_repeat && same {
                        wrong.push(format!("{} twice for {assembly}", kind.as_str()));
                    }
                }
                _ => {}
            }
        }
        (running, wrong)
    }
}

/// Whether the scheduler has something to do again each time that all which it decided about that
/// CIB was done. It is to decide as Pacemaker's, which does so too: an ordering that follows a
/// clone one of whose instances cannot start, for example, has what follows it restarted each time.
fn decides_again(cib: &str, now_s: i64) -> bool {
    let Ok(mut cib) = Cib::parse_accepted(cib) else {
        return false;
    };
    (0..ROUNDS).all(|_| {
        let Schedule { cluster, graph, .. } =
            policy_engine::schedule(&cib, now_s, RunOptions::default());
        simulation::execute(&mut cib, &cluster, &graph, &[], now_s);
        let mut heads = graph.heads.iter();
        heads.any(|head| head.kind == ActionKind::Resource)
    })
}
