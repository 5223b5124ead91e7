//! What must hold.

use crate::guest::Guest;
use crate::world::{Happening, SECOND, World};
use controller::{Change, Controller, Event, Kind, Operation, Request};
use std::collections::{BTreeMap, BTreeSet};

/// After peace, everything must be well within, seconds.
const PATIENCE_S: u64 = 600;
/// A controller at rest is watched for, seconds.
const REST_S: u64 = 20;

/// Notes of the invariants.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub violations: Vec<String>,
    /// Ids of events that were durable at any time.
    promised: BTreeSet<String>,
    /// Ids of events that were given to the shell.
    emitted: BTreeSet<String>,
    /// Operations that were sent: assembly, action, resource.
    pub executed: Vec<(String, String, String)>,
    /// Time of the next heartbeat, by guest and life.
    pub heartbeats: BTreeMap<(usize, u64), u64>,
}

impl Watch {
    pub fn persisted(&mut self, change: &Change) {
        if let Some(value) = change
            .value
            .as_ref()
            .filter(|_| change.key.starts_with("event/"))
            && let Some(id) = value
                .split("\"id\":\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next())
        {
            self.promised.insert(id.to_owned());
        }
    }

    /// An event leaves the controller: it must be durable by then.
    pub fn emitted(&mut self, event: &Event) {
        if !self.promised.contains(&event.id) {
            self.violations.push(format!(
                "event {} ({}) was emitted before it was durable",
                event.id,
                event.kind.as_str()
            ));
        }
        self.emitted.insert(event.id.clone());
    }
}

impl World {
    fn violated(&mut self, text: String) {
        self.say(|| format!("VIOLATED {text}"));
        self.watch.violations.push(format!(
            "{:.6} s: {text}",
            self.now_us as f64 / SECOND as f64
        ));
    }

    fn runs_once(&self, service: &str) -> bool {
        self.scenario
            .services
            .iter()
            .any(|known| known.name == service && !(known.everywhere && known.pinned.is_none()))
    }

    /// Processes of a service appear in a guest: they must not be in another.
    pub(crate) fn process_started(&mut self, guest: usize, service: &str) {
        self.guests[guest].running.insert(service.to_owned());
        let others: Vec<String> = self.others(guest, service);
        if !others.is_empty() && self.runs_once(service) {
            let name = self.guests[guest].name.clone();
            self.violated(format!(
                "{service} runs in {name} and in {}",
                others.join(", ")
            ));
        }
    }

    fn others(&self, guest: usize, service: &str) -> Vec<String> {
        let elsewhere =
            |(index, other): &(usize, &Guest)| *index != guest && other.running.contains(service);
        self.guests
            .iter()
            .enumerate()
            .filter(elsewhere)
            .map(|(_, other)| other.name.clone())
            .collect()
    }

    /// The controller has a service started: nowhere else may it run, or begin to run.
    pub(crate) fn check_execute(&mut self, assembly: &str, operation: &Operation) {
        self.watch.executed.push((
            assembly.to_owned(),
            operation.action.clone(),
            operation.resource.clone(),
        ));
        if operation.action != "start" || !self.runs_once(&operation.resource) {
            return;
        }
        let guest = self.guest(assembly);
        let others = self.others(guest, &operation.resource);
        if !others.is_empty() {
            self.violated(format!(
                "{} is started in {assembly} while it runs in {}",
                operation.resource,
                others.join(", ")
            ));
        }
    }

    /// Lets faults happen, then peace, then checks that everything becomes well and stays silent.
    pub fn run_to_goal(&mut self) {
        self.run_until(self.faults_until_us);
        self.peace();
        let peace_us = self.now_us;
        let cleanup = |world: &mut World, after_s: u64| {
            world.after(
                after_s * SECOND,
                Happening::Wish(Request::Cleanup {
                    service: None,
                    assembly: None,
                }),
            );
        };
        // An administrator cleans up when the dust has settled, and again.
        cleanup(self, 45);
        cleanup(self, 120);
        cleanup(self, 240);
        self.run_for(46);
        let mut well = 0;
        while well < 2 && self.watch.violations.is_empty() {
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
        if self.watch.violations.is_empty() {
            self.check_rest();
            self.check_events();
        }
    }

    /// What is not as it should be when all is well. `None`: all is well.
    pub fn missing(&self) -> Option<String> {
        let controller = self.shell.controller.as_ref()?;
        if controller.state() != "active" {
            return Some(format!(
                "the state is {}: {}",
                controller.state(),
                controller.status(self.time()).summary
            ));
        }
        for service in self.scenario.wanted() {
            let places = self.runs_in(&service.name);
            let expected = match (service.everywhere, service.pinned) {
                (true, None) => self
                    .scenario
                    .present
                    .iter()
                    .filter(|present| **present)
                    .count(),
                _ => 1,
            };
            if places.len() != expected {
                return Some(format!(
                    "{} runs in {places:?}, expected {expected}",
                    service.name
                ));
            }
        }
        let wanted: BTreeSet<&str> = self
            .scenario
            .wanted()
            .map(|service| service.name.as_str())
            .collect();
        let extra = self
            .guests
            .iter()
            .flat_map(|guest| &guest.running)
            .find(|service| !wanted.contains(service.as_str()));
        extra.map(|service| format!("{service} runs and should not"))
    }

    /// A controller at rest does nothing but answer heartbeats.
    fn check_rest(&mut self) {
        // The last cleanup may be still to come: it is part of the world, and then there is work again.
        let last_cleanup_us = self.faults_until_us + 241 * SECOND;
        if self.now_us < last_cleanup_us
            && self.now_us + REST_S * SECOND > self.faults_until_us + 119 * SECOND
        {
            return;
        }
        let (ticks, transitions) = (self.shell.ticks, self.shell.transitions);
        self.run_for(REST_S);
        if self.shell.ticks > ticks || self.shell.transitions > transitions {
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

    /// Every event that was promised is in the log, once, and they make sense.
    fn check_events(&mut self) {
        self.run_for(10);
        let lost: Vec<String> = self
            .watch
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
            .map_or(0, Controller::waiting_events);
        if waiting > 0 {
            self.violated(format!("{waiting} events still wait for the log"));
        }
        self.check_stories();
    }

    /// What events tell about each service and assembly is a story that can be, and ends with the truth.
    fn check_stories(&mut self) {
        let mut events: Vec<Event> = self.log.values().cloned().collect();
        events.sort_by(|a, b| a.id.cmp(&b.id));
        let mut running: BTreeMap<String, String> = BTreeMap::new();
        let mut online: BTreeMap<String, Kind> = BTreeMap::new();
        let mut wrong = Vec::new();
        for event in &events {
            match event.kind {
                Kind::ServiceStarted | Kind::ServiceRecovered | Kind::ServiceMoved => {
                    let before = running.insert(event.service.clone(), event.assembly.clone());
                    let again = event.kind == Kind::ServiceStarted && event.reason == "it runs";
                    if before.is_some() && again && self.runs_once(&event.service) {
                        wrong.push(format!("{} was started twice in the log", event.service));
                    }
                }
                Kind::ServiceStopped | Kind::ServiceFailed | Kind::ServiceUnrecoverable => {
                    running.remove(&event.service);
                }
                Kind::AssemblyOnline | Kind::AssemblyLost | Kind::AssemblyFencingSucceeded => {
                    let before = online.insert(event.assembly.clone(), event.kind);
                    // An assembly that left the document and came back is a new one.
                    let same = self.scenario.generation == 1;
                    if before == Some(event.kind) && event.kind != Kind::AssemblyLost && same {
                        wrong.push(format!(
                            "{} twice for {}",
                            event.kind.as_str(),
                            event.assembly
                        ));
                    }
                }
                _ => {}
            }
        }
        let wanted: Vec<String> = self
            .scenario
            .wanted()
            .filter(|service| self.runs_once(&service.name))
            .map(|service| service.name.clone())
            .collect();
        for service in wanted {
            let places = self.runs_in(&service);
            let told = running.get(&service).map(String::as_str);
            if places.first().copied() != told {
                wrong.push(format!(
                    "{service} runs in {places:?}, the log says {told:?}"
                ));
            }
        }
        for text in wrong {
            self.violated(text);
        }
    }
}
