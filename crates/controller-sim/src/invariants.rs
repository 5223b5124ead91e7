//! What must hold at every moment.

use controller::{
    AssemblyId, CONFIGURE_PARAMETER, DEBUG, Event, EventKind, MIGRATE_SOURCE, MIGRATE_TARGET,
    Operation, Task, TransitionKey,
};
use sim_kit::SECOND;

use crate::checker::Checker;
use crate::guest::Guest;
use crate::policies::OnFail;
use crate::scenario::{Form, Mode, Service, service_of};
use crate::world::World;

/// So many transitions in a row that tell nobody to do anything are too many within this time, µs.
const IN_VAIN: (u64, u64) = (40, 5 * SECOND);
/// What was sent before a guest came back is done by then, µs: links are slow, and so are starts.
const ON_THE_WAY_US: u64 = 30 * SECOND;

/// Of which transition an operation is: its number, and which DPE has decided it.
fn transition_of(operation: &Operation) -> Option<(u64, String)> {
    TransitionKey::parse(&operation.id).map(|key| (key.transition, key.uuid))
}

impl World {
    pub(crate) fn violated(&mut self, text: String) {
        self.say(|| format!("VIOLATED {text}"));
        self.checker.violations.push(format!(
            "{:.6} s: {text}",
            self.now_us as f64 / SECOND as f64
        ));
    }

    pub(crate) fn runs_once(&self, service: &str) -> bool {
        self.scenario
            .service(service_of(service))
            .is_some_and(|known| match known.form {
                // Each instance by its own name.
                Form::Unique(..) => known.name != service,
                form => !form.everywhere(),
            })
    }

    /// Processes of a service appear in a guest: they must not be in another.
    pub(crate) fn process_started(&mut self, guest: usize, service: &str) {
        self.guests[guest].running.insert(service.to_owned());
        self.checker.vanished.remove(&(guest, service.to_owned()));
        let others = self.others(guest, service);
        if !others.is_empty() && self.runs_once(service) {
            let name = self.guests[guest].name.clone();
            self.violated(format!(
                "{service} runs in {name} and in {}",
                others.join(", ")
            ));
        }
    }

    /// Processes of a service in a guest take the promoted role, if they are there.
    pub(crate) fn process_promoted(&mut self, guest: usize, service: &str) {
        if !self.guests[guest].running.contains(service) {
            return;
        }
        self.guests[guest].promoted.insert(service.to_owned());
        let promoted = self.counted(|index, other| {
            other.promoted.contains(service) && !self.is_blocked_in(index, service)
        });
        if promoted.len() > self.scenario.most_promoted {
            self.violated(format!("{service} is promoted in {}", promoted.join(", ")));
        }
    }

    /// Processes of a service ended otherwise than by an operation.
    pub(crate) fn vanished(&mut self, guest: usize, service: &str) {
        self.checker.vanished.insert((guest, service.to_owned()));
    }

    fn has_vanished(&self, service: &str) -> bool {
        self.checker
            .vanished
            .iter()
            .any(|(_, known)| known == service)
    }

    /// Names of guests, without those that fencing mode `none` gave up: what runs there is known to
    /// run twice.
    fn counted(&self, wanted: impl Fn(usize, &Guest) -> bool) -> Vec<String> {
        let given_up = &self.checker.given_up;
        let guests = self.guests.iter().enumerate();
        guests
            .filter(|(index, guest)| wanted(*index, guest) && !given_up.contains(index))
            .map(|(_, guest)| guest.name.to_string())
            .collect()
    }

    /// Other guests than that in which a service runs.
    fn others(&self, guest: usize, service: &str) -> Vec<String> {
        if self.checker.given_up.contains(&guest) {
            return Vec::new();
        }
        self.counted(|index, other| index != guest && other.running.contains(service))
    }

    /// The controller asks for an operation: what it relies on must be so.
    pub(crate) fn check_execute(&mut self, assembly: &AssemblyId, operation: &Operation) {
        let (action, resource) = (&operation.action, operation.resource.as_str());
        self.checker
            .executed
            .push((assembly.clone(), action.clone(), resource.to_owned()));
        if operation.is_of_device() {
            self.violated(format!(
                "{assembly} is to run the fencing device {resource}"
            ));
        }
        self.check_ticket(operation);
        self.check_delay(operation);
        self.check_configure(operation);
        self.check_let_in(assembly, operation);
        // Without a stream it goes nowhere.
        let Some(guest) = self.connected_to(assembly) else {
            return;
        };
        match action {
            // In which order, that is for who does it to know.
            Task::Start if operation.annotations.contains_key(DEBUG) => {
                self.check_single(guest, operation);
            }
            Task::Start => {
                self.check_single(guest, operation);
                self.check_group(guest, resource);
                self.check_order(guest, resource);
            }
            Task::MigrateTo => {
                self.check_order(guest, resource);
                let sent = (resource.to_owned(), transition_of(operation));
                self.checker.sent.insert(sent.0, sent.1);
            }
            Task::MigrateFrom => {
                self.check_single(guest, operation);
                // What was sent in an earlier transition is there already. It is not held up by
                // what a newer document wants to be started first.
                if self.checker.sent.get(resource) == Some(&transition_of(operation)) {
                    self.check_group(guest, resource);
                    self.check_order(guest, resource);
                }
            }
            Task::Promote => self.check_promote(guest, resource),
            _ => {}
        }
        if matches!(action, Task::MigrateTo | Task::MigrateFrom) {
            self.check_migrations(operation);
        }
    }

    /// What the last transition's CIB says of the primitive of a service. It is looked for once.
    fn decided_primitive(&mut self, service: &str) -> Option<&str> {
        let find = || {
            let name = format!("<primitive id=\"{service}\"");
            let begin = self.decided_on.find(&name)? + name.len();
            let length = self.decided_on[begin..].find("</primitive>")?;
            Some(begin..begin + length)
        };
        let known = self.decided_primitives.get(service).cloned();
        let place = known.unwrap_or_else(|| {
            let place = find();
            let name = service.to_owned();
            self.decided_primitives.insert(name, place.clone());
            place
        });
        place.map(|place| &self.decided_on[place])
    }

    /// An operation begins as late as the document says, on which it was decided. It is the agent
    /// that waits: here is checked whether it is told so.
    fn check_delay(&mut self, operation: &Operation) {
        let (action, resource) = (operation.action.as_str(), &operation.resource);
        let primitive = self.decided_primitive(service_of(resource));
        let wanted_s = primitive.and_then(|own| start_delay_s(own, operation));
        let told_ms = operation.start_delay_ms();
        if wanted_s.is_some_and(|wanted_s| told_ms != wanted_s.saturating_mul(1000)) {
            self.violated(format!(
                "{action} of {resource} is to begin {} s later, and its agent is told {told_ms} ms",
                wanted_s.unwrap_or(0)
            ));
        }
    }

    /// A service comes with what is to be run before it, by the document on which it was decided.
    fn check_configure(&mut self, operation: &Operation) {
        let (action, resource) = (&operation.action, &operation.resource);
        let starts = matches!(action, Task::Start | Task::MigrateFrom);
        let primitive = self
            .decided_primitive(service_of(resource))
            .filter(|_| starts);
        let wanted = primitive.and_then(configured).map(str::to_owned);
        let given = operation.configure.as_ref().map(|given| given.mark());
        if wanted != given {
            let (given, wanted) = (given.unwrap_or_default(), wanted.unwrap_or_default());
            self.violated(format!(
                "before {action} of {resource} is to be run '{wanted}', and its agent is told '{given}'"
            ));
        }
        if operation.parameters.contains_key(CONFIGURE_PARAMETER) {
            self.violated(format!(
                "{action} of {resource} has what is not for its agent"
            ));
        }
    }

    /// Nowhere else may it run, or begin to run.
    fn check_single(&mut self, guest: usize, operation: &Operation) {
        let others = self.others(guest, &operation.resource);
        if !others.is_empty() && self.runs_once(&operation.resource) {
            self.violated(format!(
                "{} is started in {} while it runs in {}",
                operation.resource,
                self.guests[guest].name,
                others.join(", ")
            ));
        }
    }

    /// The DPE has a stream to the agent of that guest.
    pub(crate) fn is_connected(&self, guest: usize) -> bool {
        let connection = self.guests[guest].agent.connection;
        let stream = connection.and_then(|id| self.streams.get(&id));
        stream.is_some_and(|stream| stream.open)
    }

    /// The controller can know about that guest, and had the document that the scenario has when it
    /// wanted what is being done. A slow disk holds up what it wanted before.
    fn informed(&self, guest: usize) -> bool {
        self.is_connected(guest) && self.shell.wanted_under == self.scenario.generation
    }

    /// A failed start of it counts as done, so that it need not run where it seems to.
    fn is_ignored(service: &Service) -> bool {
        service.policies.on_fail == Some(OnFail::Ignore)
    }

    /// The one before it in its group must run where it does.
    fn check_group(&mut self, guest: usize, service: &str) {
        if !self.informed(guest) {
            return;
        }
        let missing = |first: &Service| {
            !self
                .runs_in(&first.name)
                .contains(&self.guests[guest].name.as_str())
                && !self.has_vanished(&first.name)
                && !World::is_ignored(first)
                && !self.is_left_alone(&first.name)
        };
        if let Some(first) = self
            .scenario
            .predecessor(service)
            .filter(|first| missing(first))
        {
            let text = format!(
                "{service} is started in {} before {}, which it follows in its group",
                self.guests[guest].name, first.name
            );
            self.violated(text);
        }
    }

    /// What must run before it does.
    fn check_order(&mut self, guest: usize, service: &str) {
        if !self.informed(guest) {
            return;
        }
        let nowhere = |first: &&Service| {
            self.runs_in(&first.name).is_empty()
                && !self.has_vanished(&first.name)
                && !World::is_ignored(first)
                && !self.is_left_alone(&first.name)
        };
        let first = self.scenario.firsts(service).find(nowhere);
        if let Some(first) = first.map(|first| first.name.clone()) {
            self.violated(format!(
                "{service} is started before {first}, which it depends on"
            ));
        }
    }

    /// Its demotion and then its stop have failed there, and the document says `block` of a stop
    /// that fails. As in Pacemaker, the demotion counts as done then, so that another instance is
    /// promoted: docs/safety.md says so under "What is not covered".
    fn is_blocked_in(&self, guest: usize, service: &str) -> bool {
        let known = self.scenario.service(service_of(service));
        let blocks = known.is_some_and(|known| known.policies.on_stop_fail == Some(OnFail::Block));
        let records = &self.guests[guest].agent.records;
        let last = |task: Task| records.get(&(service.to_owned(), task, 0));
        let (Some(demotion), Some(stop)) = (last(Task::Demote), last(Task::Stop)) else {
            return false;
        };
        let promoted = last(Task::Promote).map_or(0, |record| record.call_id);
        let in_order = promoted < demotion.call_id && demotion.call_id < stop.call_id;
        blocks && in_order && demotion.failed() && stop.failed()
    }

    /// It is promoted where it runs, and not in more places than it may be.
    fn check_promote(&mut self, guest: usize, service: &str) {
        let own = &self.guests[guest];
        let known = self.checker.vanished.contains(&(guest, service.to_owned()));
        let gone = !own.running.contains(service) && !known;
        let known = self.scenario.service(service);
        let ignored = known.is_some_and(World::is_ignored);
        if gone && !ignored && self.informed(guest) {
            let text = format!(
                "{service} is promoted in {}, where it does not run",
                own.name
            );
            self.violated(text);
            return;
        }
        let name = own.name.clone();
        let promoted = self.counted(|index, other| {
            index != guest
                && other.promoted.contains(service)
                && !self.is_blocked_in(index, service)
        });
        if promoted.len() >= self.scenario.most_promoted && !self.checker.given_up.contains(&guest)
        {
            self.violated(format!(
                "{service} is promoted in {name} while it is in {}",
                promoted.join(", ")
            ));
        }
    }

    /// No more migrations of this transition are under way at either end than the document allows.
    fn check_migrations(&mut self, operation: &Operation) {
        let limit = self.scenario.migration_limit;
        let own = transition_of(operation);
        for end in [MIGRATE_SOURCE, MIGRATE_TARGET] {
            let Some(node) = operation.annotations.get(end) else {
                continue;
            };
            let touches = |other: &Operation| {
                [MIGRATE_SOURCE, MIGRATE_TARGET]
                    .iter()
                    .any(|end| other.annotations.get(*end) == Some(node))
            };
            let under_way = (0..self.guests.len())
                .filter(|guest| self.informed(*guest))
                .flat_map(|guest| self.guests[guest].agent.under_way())
                .filter(|other| touches(other) && transition_of(other) == own)
                .count();
            if limit > 0 && under_way >= limit {
                self.violated(format!(
                    "{} migrations from or to {node}, allowed are {limit}",
                    under_way + 1
                ));
            }
        }
    }

    /// What events tell about assemblies that fencing mode `none` gives up.
    pub(crate) fn note_given_up(&mut self, event: &Event) {
        let Some(name) = event.assembly.clone() else {
            return;
        };
        match event.kind {
            EventKind::AssemblyLost | EventKind::AssemblyFencingRequested => {
                self.checker.lost.insert(name.clone());
                if event.reason.starts_with("another guest answers") {
                    self.wiring.replaced(&name);
                }
            }
            EventKind::AssemblyOnline
            | EventKind::AssemblyRecovered
            | EventKind::AssemblyLeft
            | EventKind::AssemblyFencingSucceeded => {
                self.checker.lost.remove(&name);
            }
            _ => {}
        }
        let Some(guest) = self.place_of(&name) else {
            return;
        };
        match event.kind {
            EventKind::AssemblyFencingSucceeded if self.guests[guest].mode == Mode::None => {
                self.checker.given_up.insert(guest);
                self.checker.returned.remove(&guest);
            }
            EventKind::AssemblyOnline => drop(self.checker.returned.insert(guest, self.now_us)),
            _ => {}
        }
    }

    /// What events tell about guests that are shut down: nothing runs in one that has left, and it
    /// is neither lost nor fenced before it is heard again.
    pub(crate) fn note_left(&mut self, event: &Event) {
        // What is told again, or late, is about an earlier time.
        let fresh = event.time == self.time().wall_us;
        let Some(name) = event.assembly.clone().filter(|_| fresh) else {
            return;
        };
        // From now on the DPE sees to whoever was there.
        if event.kind == EventKind::AssemblyFencingRequested
            && let Some(guest) = self.place_of(&name)
        {
            self.guests[guest].unheard = false;
        }
        match event.kind {
            EventKind::AssemblyLeft => {
                let guest = self.place_of(&name);
                let guest = guest.filter(|guest| !self.checker.given_up.contains(guest));
                let running = guest.and_then(|guest| self.guests[guest].running.first().cloned());
                if let Some(service) = running {
                    self.violated(format!("{name} has left, and {service} runs there"));
                }
                if let Some(guest) = self.place_of(&name) {
                    self.checker.left.insert(name, guest);
                }
            }
            // Another guest may have got the name since.
            EventKind::AssemblyLost | EventKind::AssemblyFencingRequested
                if self.checker.left.contains_key(&name)
                    && self.checker.left.get(&name).copied() == self.home_of(&name) =>
            {
                self.violated(format!("{} of {name}, which has left", event.kind.as_str()));
            }
            _ => {}
        }
    }

    /// Counts what took over what was under way.
    pub(crate) fn note_taken_over(&mut self, event: &Event) {
        let fresh = event.time == self.time().wall_us;
        if fresh && event.kind == EventKind::TransitionStarted {
            let taken_over = event.details.contains_key("taken_over");
            self.shell.taken_over += u64::from(taken_over);
        }
    }

    /// A transition begins. A controller that decides again and again and has nobody do anything
    /// burns its host's processor.
    pub(crate) fn check_that_it_does_something(&mut self) {
        let (count, since_us) = match self.shell.in_vain {
            (0, _) => (1, self.now_us),
            (count, since_us) => (count + 1, since_us),
        };
        self.shell.in_vain = (count, since_us);
        let (most, within_us) = IN_VAIN;
        if count > most {
            self.shell.in_vain = (0, 0);
            if self.now_us < since_us + within_us {
                self.violated(format!("{count} transitions in a row do nothing"));
            }
        }
    }

    /// The policy engine decides nothing that has to be refused, unless it is to answer nonsense.
    pub(crate) fn note_refused(&mut self, event: &Event) {
        if event.kind == EventKind::DecisionRefused && event.state == "refused" && !self.nonsense {
            self.violated(event.reason.clone());
        }
    }

    /// What was given up and is heard of again is counted again once nothing runs twice because of
    /// it.
    pub(crate) fn note_returned(&mut self, guest: usize) {
        let Checker {
            given_up, returned, ..
        } = &self.checker;
        let since_us = returned.get(&guest).copied().unwrap_or(u64::MAX);
        if !given_up.contains(&guest) || self.now_us < since_us.saturating_add(ON_THE_WAY_US) {
            return;
        }
        let elsewhere = |service: &String| {
            let mut others = self.guests.iter().enumerate();
            others.any(|(index, other)| index != guest && other.running.contains(service))
        };
        let own = &self.guests[guest];
        let doubled = own
            .running
            .iter()
            .any(|service| self.runs_once(service) && elsewhere(service));
        if doubled || !own.promoted.is_empty() {
            return;
        }
        // A start that was asked for meanwhile may still be on its way.
        let busy = self.shell.controller.as_ref().is_none_or(|controller| {
            let transition = controller.status(self.time()).transition;
            transition.is_some_and(|transition| !transition.running.is_empty())
        });
        if !busy {
            self.checker.given_up.remove(&guest);
        }
    }
}

/// What a primitive says is to be run before the service starts.
fn configured(primitive: &str) -> Option<&str> {
    let name = format!("name=\"{CONFIGURE_PARAMETER}\" value=\"");
    Some(primitive.split_once(&name)?.1.split_once('"')?.0)
}

/// The start delay that a primitive gives an operation of the service, in seconds. `None`: it says
/// nothing.
fn start_delay_s(primitive: &str, operation: &Operation) -> Option<u32> {
    let name = format!("name=\"{}\"", operation.action);
    let mut ops = primitive.split("<op ").skip(1);
    let op = ops.find(|op| {
        let op = op.split('>').next().unwrap_or_default();
        let once = op.contains("interval=\"0\"") == (operation.interval_ms == 0);
        op.contains(&name) && once && op.contains("start-delay=\"")
    })?;
    let delay = op.split('>').next()?.split_once("start-delay=\"")?.1;
    delay.split_once("s\"")?.0.parse().ok()
}
