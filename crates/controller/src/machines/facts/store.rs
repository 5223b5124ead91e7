//! Changes of facts: each is noted, so that it is saved.

use std::collections::BTreeSet;

use cpe_status::FencingResult;

use super::{AssemblyFacts, DeploymentFacts, Durable, Key, LastEvent, Loaded, Understood};
use crate::machines::announcement::Announced;
use crate::machines::failures::FailureFacts;
use crate::machines::fencings::{self, FencingFacts};
use crate::machines::overlay::OverlayFacts;
use crate::machines::service::ServiceFacts;
use crate::machines::ticket::TicketFacts;
use crate::machines::told::KnownFacts;
use crate::machines::values::{BanFacts, ValueFacts};
use crate::vocabulary::{AssemblyId, Change, Event, Holder, OverlayKey, ServiceId, Spec, TicketId};

/// How often one start takes a higher epoch: guests tell a true one, and those that lie cannot have
/// streams made again and again.
const EPOCHS_PASSED: u8 = 4;

/// The facts, with a note of what was touched since the last [`Store::changes`].
#[derive(Debug)]
pub(crate) struct Store {
    facts: Durable,
    touched: BTreeSet<Key>,
    /// How often this start has taken a higher epoch.
    epochs_passed: u8,
    /// The highest that it may take.
    last_epoch: u64,
}

impl std::ops::Deref for Store {
    type Target = Durable;
    fn deref(&self) -> &Durable {
        &self.facts
    }
}

impl Store {
    pub(crate) fn new(facts: Durable) -> Store {
        Store {
            facts,
            touched: BTreeSet::new(),
            epochs_passed: 0,
            last_epoch: u64::MAX,
        }
    }

    /// Takes no epoch above this one.
    pub(crate) fn up_to(mut self, last_epoch: u64) -> Store {
        self.last_epoch = last_epoch;
        self
    }

    /// Takes an epoch above one that a guest has told, but none that another host may be given.
    pub(crate) fn pass_epoch(&mut self, known: u64) {
        let is_ours = known < self.last_epoch;
        if is_ours && known > self.facts.epoch && self.epochs_passed < EPOCHS_PASSED {
            self.epochs_passed += 1;
            self.set_epoch(known + 1);
        }
    }

    pub(crate) fn set_epoch(&mut self, epoch: u64) {
        self.touched.insert(Key::Epoch);
        self.facts.epoch = epoch;
    }

    pub(crate) fn loaded_mut(&mut self) -> &mut Option<Loaded> {
        self.touched.insert(Key::Loaded);
        &mut self.facts.loaded
    }

    /// Notes what the loaded document says.
    pub(crate) fn understand(&mut self, spec: &Spec) {
        let generation = self
            .facts
            .loaded
            .as_ref()
            .map_or(0, |loaded| loaded.generation);
        let known = self.facts.understood.as_ref();
        if known.is_none_or(|known| known.generation != generation || known.spec != *spec) {
            self.touched.insert(Key::Understood);
            let spec = spec.clone();
            self.facts.understood = Some(Understood { generation, spec });
        }
    }

    pub(crate) fn deployment_mut(&mut self) -> &mut DeploymentFacts {
        self.touched.insert(Key::Deployment);
        &mut self.facts.deployment
    }

    pub(crate) fn assembly(&self, name: &AssemblyId) -> AssemblyFacts {
        self.facts.assemblies.get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn assembly_mut(&mut self, name: &AssemblyId) -> &mut AssemblyFacts {
        self.touched.insert(Key::Assembly(name.clone()));
        self.facts.assemblies.entry(name.clone()).or_default()
    }

    /// What the facts of an assembly say may be untrue: services may run there, with a lease or
    /// without.
    pub(crate) fn doubt(&mut self, name: &AssemblyId) -> &mut AssemblyFacts {
        let facts = self.assembly_mut(name);
        facts.safe = false;
        facts.occupant = None;
        facts.in_doubt = true;
        facts.fencing_attempt.clear();
        facts
    }

    pub(crate) fn has_failure(&self, assembly: &AssemblyId, resource: &str) -> bool {
        let key = (assembly.clone(), resource.to_owned());
        self.facts.failures.contains_key(&key)
    }

    pub(crate) fn failure(&self, assembly: &AssemblyId, resource: &str) -> FailureFacts {
        let key = (assembly.clone(), resource.to_owned());
        self.facts.failures.get(&key).cloned().unwrap_or_default()
    }

    pub(crate) fn failure_mut(
        &mut self,
        assembly: &AssemblyId,
        resource: &str,
    ) -> &mut FailureFacts {
        self.touched
            .insert(Key::Failures(assembly.clone(), resource.to_owned()));
        self.facts
            .failures
            .entry((assembly.clone(), resource.to_owned()))
            .or_default()
    }

    pub(crate) fn service(&self, name: &ServiceId) -> ServiceFacts {
        self.facts.services.get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn service_mut(&mut self, name: &ServiceId) -> &mut ServiceFacts {
        self.touched.insert(Key::Service(name.clone()));
        self.facts.services.entry(name.clone()).or_default()
    }

    pub(crate) fn ticket(&self, name: &TicketId) -> TicketFacts {
        self.facts.tickets.get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn ticket_mut(&mut self, name: &TicketId) -> &mut TicketFacts {
        self.touched.insert(Key::Ticket(name.clone()));
        self.facts.tickets.entry(name.clone()).or_default()
    }

    pub(crate) fn remove_ticket(&mut self, name: &TicketId) {
        if self.facts.tickets.remove(name).is_some() {
            self.touched.insert(Key::Ticket(name.clone()));
        }
    }

    /// Gives somebody a value; `None`: takes it away.
    pub(crate) fn put_value(&mut self, holder: &Holder, name: &str, value: Option<ValueFacts>) {
        let key = (holder.clone(), name.to_owned());
        self.touched
            .insert(Key::Value(holder.clone(), name.to_owned()));
        match value {
            Some(value) => drop(self.facts.values.insert(key, value)),
            None => drop(self.facts.values.remove(&key)),
        }
    }

    /// Keeps a service off an assembly; `None`: no longer.
    pub(crate) fn put_ban(
        &mut self,
        assembly: &AssemblyId,
        service: &ServiceId,
        ban: Option<BanFacts>,
    ) {
        let key = (assembly.clone(), service.clone());
        self.touched
            .insert(Key::Ban(assembly.clone(), service.clone()));
        match ban {
            Some(ban) => drop(self.facts.bans.insert(key, ban)),
            None => drop(self.facts.bans.remove(&key)),
        }
    }

    /// Gives the overlay an entry; `None`: takes it away.
    pub(crate) fn put_overlay(&mut self, key: &OverlayKey, facts: Option<OverlayFacts>) {
        self.touched.insert(Key::Overlay(key.clone()));
        match facts {
            Some(facts) => drop(self.facts.overlay.insert(key.clone(), facts)),
            None => drop(self.facts.overlay.remove(key)),
        }
    }

    pub(crate) fn known_mut(&mut self, name: &AssemblyId) -> &mut KnownFacts {
        self.touched.insert(Key::Known(name.clone()));
        self.facts.known.entry(name.clone()).or_default()
    }

    /// Forgets the values of an assembly that parameters follow: another guest has its name.
    pub(crate) fn forget_known(&mut self, name: &AssemblyId) {
        if self.facts.known.remove(name).is_some() {
            self.touched.insert(Key::Known(name.clone()));
        }
    }

    /// Notes that an attempt to make an assembly safe, or to let it in, begins; gives the number of
    /// its record. The oldest are forgotten.
    pub(crate) fn fencing_begins(&mut self, facts: FencingFacts) -> u64 {
        let replaced =
            |(number, own): (&u64, &FencingFacts)| own.is_replaced_by(&facts).then_some(*number);
        let replaced: Vec<u64> = self.facts.fencings.iter().filter_map(replaced).collect();
        for number in replaced {
            self.facts.fencings.remove(&number);
            self.touched.insert(Key::Fencing(number));
        }
        let last = self.facts.fencings.last_key_value();
        let number = last.map_or(1, |(number, _)| number + 1);
        self.touched.insert(Key::Fencing(number));
        self.facts.fencings.insert(number, facts);
        while self.facts.fencings.len() > fencings::KEPT {
            let Some((oldest, _)) = self.facts.fencings.pop_first() else {
                break;
            };
            self.touched.insert(Key::Fencing(oldest));
        }
        number
    }

    /// Ends the attempts of which `result` says how they ended, and how to say that. It is given
    /// the number of each record.
    pub(crate) fn end_fencings(
        &mut self,
        now_us: u64,
        result: impl Fn(u64, &FencingFacts) -> Option<(FencingResult, String)>,
    ) {
        for (number, facts) in &mut self.facts.fencings {
            if facts.is_under_way()
                && let Some((result, detail)) = result(*number, facts)
            {
                facts.end(now_us, result, &detail);
                self.touched.insert(Key::Fencing(*number));
            }
        }
    }

    pub(crate) fn remove_assembly(&mut self, name: &AssemblyId) {
        if self.facts.assemblies.remove(name).is_some() {
            self.touched.insert(Key::Assembly(name.clone()));
        }
        self.forget_failures(name, None);
    }

    pub(crate) fn remove_service(&mut self, name: &ServiceId) {
        if self.facts.services.remove(name).is_some() {
            self.touched.insert(Key::Service(name.clone()));
        }
    }

    /// Forgets the failures in an assembly, of one resource or of all.
    pub(crate) fn forget_failures(&mut self, assembly: &AssemblyId, resource: Option<&str>) {
        let keys: Vec<_> = self
            .facts
            .failures
            .keys()
            .filter(|(a, r)| a == assembly && resource.is_none_or(|resource| r == resource))
            .cloned()
            .collect();
        for key in keys {
            self.facts.failures.remove(&key);
            self.touched.insert(Key::Failures(key.0, key.1));
        }
    }

    /// Keeps an event. Beyond `limit` the oldest is dropped: a log that is away for weeks must not
    /// fill the disk.
    pub(crate) fn push_event(&mut self, counter: u64, event: Event, limit: usize) {
        let key = (self.facts.epoch, counter);
        self.touched.insert(Key::Outbox(key.0, key.1));
        self.facts.outbox.insert(key, event);
        while self.facts.outbox.len() > limit {
            let Some((key, _)) = self.facts.outbox.pop_first() else {
                break;
            };
            self.touched.insert(Key::Outbox(key.0, key.1));
        }
    }

    /// Of a state from a backup only settings are believed, and what former incarnations there
    /// were: the document is asked for again, and what events have told since is not known.
    pub(crate) fn drop_what_is_outdated(&mut self) {
        if !self.facts.outdated {
            return;
        }
        *self.loaded_mut() = None;
        self.deployment_mut().announced = Announced::default();
        let services = std::mem::take(&mut self.facts.services);
        self.touched.extend(services.into_keys().map(Key::Service));
        for name in self.facts.assemblies.keys().cloned().collect::<Vec<_>>() {
            let facts = self.doubt(&name);
            facts.last_event = LastEvent::Nothing;
            self.forget_failures(&name, None);
        }
    }

    /// Forgets everything but the epoch and the outbox.
    pub(crate) fn end(&mut self) {
        let facts = std::mem::take(&mut self.facts);
        self.touched
            .extend([Key::Loaded, Key::Understood, Key::Deployment]);
        self.touched
            .extend(facts.assemblies.into_keys().map(Key::Assembly));
        self.touched.extend(
            facts
                .failures
                .into_keys()
                .map(|(assembly, resource)| Key::Failures(assembly, resource)),
        );
        self.touched
            .extend(facts.services.into_keys().map(Key::Service));
        self.touched
            .extend(facts.tickets.into_keys().map(Key::Ticket));
        let values = facts.values.into_keys();
        self.touched
            .extend(values.map(|(holder, name)| Key::Value(holder, name)));
        let bans = facts.bans.into_keys();
        self.touched
            .extend(bans.map(|(assembly, service)| Key::Ban(assembly, service)));
        let overlay = facts.overlay.into_keys();
        self.touched.extend(overlay.map(Key::Overlay));
        let known = facts.known.into_keys();
        self.touched.extend(known.map(Key::Known));
        self.touched
            .extend(facts.fencings.into_keys().map(Key::Fencing));
        self.facts = Durable {
            epoch: facts.epoch,
            outbox: facts.outbox,
            saves: facts.saves,
            ..Durable::default()
        };
    }

    pub(crate) fn remove_event(&mut self, id: &str) {
        // The log acknowledges in order, so that the event is at or near the front.
        let Some(key) = self
            .facts
            .outbox
            .iter()
            .find(|(_, event)| event.id == id)
            .map(|(key, _)| *key)
        else {
            return;
        };
        self.facts.outbox.remove(&key);
        self.touched.insert(Key::Outbox(key.0, key.1));
    }

    /// Everything that was touched since the last call, as rows.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        if !self.touched.is_empty() {
            let saves = &mut self.facts.saves;
            saves.number += 1;
            if saves.state == 0 {
                saves.state = self.facts.epoch;
            }
            self.touched.insert(Key::Saves);
        }
        let touched = std::mem::take(&mut self.touched);
        touched
            .into_iter()
            .map(|key| Change {
                key: key.text(),
                value: self.facts.value(&key),
            })
            .collect()
    }
}
