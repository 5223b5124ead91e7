//! What must outlive the daemon and is not the agents': facts in rows.
//!
//! A row has a key and a JSON value, so that a shell needs one table with two columns, and later
//! versions can add rows. The controller changes facts only through [`Store`], which notes what was
//! touched; at the end of an input all touched rows become one [`Effect::Persist`](crate::Effect)
//! that precedes every other effect of that input. So nothing follows from a fact that is not
//! durable.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::announcement::Announced;
use super::arrivals::Arrivals;
use super::failures::{FailureFacts, FailureTimes};
use super::service::ServiceFacts;
use super::ticket::TicketFacts;
use crate::vocabulary::{
    AssemblyId, AssemblySpec, Change, Event, Occupant, ServiceId, Spec, TicketId,
};

/// Key of the row that counts the times that facts were saved. A shell keeps its value in a second
/// place, which a backup of the state does not bring back.
pub const SAVES: &str = "saves";

/// A row that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the saved state is damaged: row \"{key}\" holds {problem}; keep the file for analysis and start with an empty state, \
     the controller then learns from the agents what runs"
)]
pub struct Damaged {
    /// Key of the row.
    pub key: String,
    /// What is wrong with its value.
    pub problem: String,
}

/// Everything that a controller has saved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durable {
    pub(crate) epoch: u64,
    pub(crate) loaded: Option<Loaded>,
    /// What that document says, for a version that does not read it.
    pub(crate) understood: Option<Understood>,
    pub(crate) deployment: DeploymentFacts,
    pub(crate) assemblies: BTreeMap<AssemblyId, AssemblyFacts>,
    /// By assembly and resource.
    pub(crate) failures: BTreeMap<(AssemblyId, String), FailureFacts>,
    pub(crate) services: BTreeMap<ServiceId, ServiceFacts>,
    /// Those about which something was said.
    pub(crate) tickets: BTreeMap<TicketId, TicketFacts>,
    /// Events that the log does not have yet, by epoch and counter: in the order in which they
    /// happened.
    pub(crate) outbox: BTreeMap<(u64, u64), Event>,
    /// The last time that facts were saved.
    pub(crate) saves: Saves,
    /// Newer facts were saved once: this is a backup.
    pub(crate) outdated: bool,
}

/// Counts the times that facts were saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saves {
    /// Tells this state from others of the deployment: the epoch in which it began.
    state: u64,
    /// Over all starts.
    number: u64,
}

/// The document that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub document: String,
    pub generation: u64,
    /// Being ended; `Some(true)`: after stopping the services.
    #[serde(default)]
    pub unload: Option<bool>,
}

/// What the document of a generation says, as the version understood it that read it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Understood {
    pub generation: u64,
    pub spec: Spec,
}

/// What was said about the deployment as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DeploymentFacts {
    /// The state that the last deployment event told.
    pub announced: Announced,
    /// All of it is left alone.
    pub maintenance: bool,
}

/// What must be known about an assembly after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AssemblyFacts {
    /// Nothing of ours can run there: it was made safe, and no Hello was sent since.
    pub safe: bool,
    /// The liveness that the last event told.
    #[serde(rename = "told")]
    pub last_event: LastEvent,
    /// The guest, as it named itself in its last Hello; empty: not known.
    pub machine_id: String,
    /// Whether its guest, of the boot below, goes down as planned.
    pub departure: Departure,
    /// To whom the guest at its address belongs, if not to this assembly: it is not ours to use, to
    /// wait for or to fence.
    pub occupant: Option<Occupant>,
    /// What its guest was accepted with, where the document has another way to make it safe since.
    pub accepted: Option<AssemblySpec>,
    /// How many former incarnations this name has had: their names are not given again.
    pub former_lives: u32,
    /// The boot of the guest that its failures belong to.
    pub boot_id: String,
    /// The longest lease that its agent was ever told, and may still hold.
    pub lease_ms: u32,
    /// The longest time that its agent was ever told it may take to stop services after the lease.
    pub grace_ms: u32,
    /// Its agent may run services without a lease: it was told so, or left alone.
    pub unleased: bool,
    /// Services of ours may run there of which neither these facts nor its agent say anything:
    /// facts were lost, or an earlier deployment left them. A lease does not end those. Until each
    /// service was looked for there.
    pub in_doubt: bool,
    /// What live migrations may have brought there.
    pub arrivals: Arrivals,
    pub standby: bool,
    pub maintenance: bool,
    /// Names the loss, or the restart, for which it is being made safe, also over restarts of the
    /// DPE; empty: it is not. A confirmation must carry it.
    pub fencing_attempt: String,
    /// To be restarted through its fencing: why.
    pub restart: Option<String>,
    /// Its failures within the escalation period.
    pub failed_at: FailureTimes,
    /// No longer in the document: how it was made safe when it was.
    pub retired: Option<AssemblySpec>,
}

impl AssemblyFacts {
    /// No agent was ever told anything, as far as is known.
    pub(crate) fn is_untouched(&self) -> bool {
        self.last_event == LastEvent::Nothing
            && self.boot_id.is_empty()
            && self.lease_ms == 0
            && !self.unleased
            && !self.in_doubt
    }

    /// No agent was ever heard under this name.
    pub(crate) fn is_unheard(&self) -> bool {
        self.boot_id.is_empty() && !self.in_doubt
    }

    /// What these facts say may be untrue: services may run there, with a lease or without.
    pub(crate) fn doubt(&mut self) {
        self.safe = false;
        self.occupant = None;
        self.in_doubt = true;
        self.fencing_attempt.clear();
    }
}

/// How far a guest is that goes down as planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Departure {
    /// It stays.
    #[default]
    None,
    /// It has said that it leaves: it keeps no services.
    Leaving,
    /// It has said that nothing runs there any more.
    Left,
}

/// What events have told about an assembly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LastEvent {
    #[default]
    Nothing,
    Online,
    Missed,
    Lost,
    Fencing,
    Safe,
}

/// Key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Epoch,
    Loaded,
    Understood,
    Deployment,
    Assembly(AssemblyId),
    Failures(AssemblyId, String),
    Service(ServiceId),
    Ticket(TicketId),
    Outbox(u64, u64),
    Saves,
}

impl Key {
    fn text(&self) -> String {
        match self {
            Key::Epoch => "epoch".into(),
            Key::Loaded => "loaded".into(),
            Key::Understood => "understood".into(),
            Key::Deployment => "deployment".into(),
            Key::Assembly(name) => format!("assembly/{name}"),
            Key::Failures(assembly, resource) => format!("failures/{assembly}/{resource}"),
            Key::Service(name) => format!("service/{name}"),
            Key::Ticket(name) => format!("ticket/{name}"),
            Key::Outbox(epoch, counter) => format!("event/{epoch:020}/{counter:010}"),
            Key::Saves => SAVES.into(),
        }
    }

    fn parse(text: &str) -> Option<Key> {
        let (kind, rest) = text
            .split_once('/')
            .map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        Some(match (kind, rest) {
            ("epoch", None) => Key::Epoch,
            (SAVES, None) => Key::Saves,
            ("loaded", None) => Key::Loaded,
            ("understood", None) => Key::Understood,
            ("deployment", None) => Key::Deployment,
            ("assembly", Some(name)) => Key::Assembly(name.into()),
            ("failures", Some(rest)) => {
                let (assembly, resource) = rest.split_once('/')?;
                Key::Failures(assembly.into(), resource.to_owned())
            }
            ("service", Some(name)) => Key::Service(name.into()),
            ("ticket", Some(name)) => Key::Ticket(name.into()),
            ("event", Some(rest)) => {
                let (epoch, counter) = rest.split_once('/')?;
                Key::Outbox(epoch.parse().ok()?, counter.parse().ok()?)
            }
            _ => return None,
        })
    }
}

impl Durable {
    /// The state that a shell's table holds. Rows of unknown kind (of a later version) are ignored.
    ///
    /// # Errors
    /// [`Damaged`] names the first row whose value is not what it should be.
    pub fn from_rows<K: AsRef<str>, V: AsRef<str>>(
        rows: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Durable, Damaged> {
        let mut durable = Durable::default();
        for (key, value) in rows {
            durable.set(key.as_ref(), value.as_ref())?;
        }
        Ok(durable)
    }

    /// All rows: for tests, copies and diagnosis. A shell writes the changes of
    /// [`Effect::Persist`](crate::Effect) instead.
    pub fn rows(&self) -> BTreeMap<String, String> {
        let mut keys = vec![Key::Epoch, Key::Deployment, Key::Saves];
        keys.extend(self.loaded.is_some().then_some(Key::Loaded));
        keys.extend(self.understood.is_some().then_some(Key::Understood));
        keys.extend(self.assemblies.keys().cloned().map(Key::Assembly));
        keys.extend(
            self.failures
                .keys()
                .cloned()
                .map(|(assembly, resource)| Key::Failures(assembly, resource)),
        );
        keys.extend(self.services.keys().cloned().map(Key::Service));
        keys.extend(self.tickets.keys().cloned().map(Key::Ticket));
        keys.extend(
            self.outbox
                .keys()
                .map(|(epoch, counter)| Key::Outbox(*epoch, *counter)),
        );
        keys.into_iter()
            .filter_map(|key| Some((key.text(), self.value(&key)?)))
            .collect()
    }

    /// The epoch of the last start.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Compares with the newest save that is known of: the value of [`SAVES`] in the last
    /// [`Effect::Persist`](crate::Effect) that was carried out; empty if none is known. If these
    /// facts are older, or of another state, they are a backup, and what they call safe is not
    /// known to be.
    #[must_use]
    pub fn compared_with(mut self, newest: &str) -> Durable {
        if let Ok(newest) = serde_json::from_str::<Saves>(newest) {
            let same = newest.state == self.saves.state;
            self.outdated = !same || newest.number > self.saves.number;
            if self.outdated {
                self.saves = newest;
            }
        }
        self
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Damaged> {
        fn read<T: DeserializeOwned>(key: &str, value: &str) -> Result<T, Damaged> {
            serde_json::from_str(value).map_err(|error| Damaged {
                key: key.to_owned(),
                problem: error.to_string(),
            })
        }
        match Key::parse(key) {
            None => {}
            Some(Key::Epoch) => self.epoch = read(key, value)?,
            Some(Key::Saves) => self.saves = read(key, value)?,
            Some(Key::Loaded) => self.loaded = Some(read(key, value)?),
            // That of another version may have another form; mostly nothing needs it.
            Some(Key::Understood) => self.understood = read(key, value).ok(),
            Some(Key::Deployment) => self.deployment = read(key, value)?,
            Some(Key::Assembly(name)) => drop(self.assemblies.insert(name, read(key, value)?)),
            Some(Key::Failures(assembly, resource)) => drop(
                self.failures
                    .insert((assembly, resource), read(key, value)?),
            ),
            Some(Key::Service(name)) => drop(self.services.insert(name, read(key, value)?)),
            Some(Key::Ticket(name)) => drop(self.tickets.insert(name, read(key, value)?)),
            Some(Key::Outbox(epoch, counter)) => {
                drop(self.outbox.insert((epoch, counter), read(key, value)?))
            }
        }
        Ok(())
    }

    fn value(&self, key: &Key) -> Option<String> {
        fn write<T: Serialize>(value: &T) -> Option<String> {
            Some(serde_json::to_string(value).expect("invariant: facts are trees with text keys"))
        }
        match key {
            Key::Epoch => write(&self.epoch),
            Key::Saves => write(&self.saves),
            Key::Loaded => self.loaded.as_ref().and_then(write),
            Key::Understood => self.understood.as_ref().and_then(write),
            Key::Deployment => write(&self.deployment),
            Key::Assembly(name) => self.assemblies.get(name).and_then(write),
            Key::Failures(assembly, resource) => self
                .failures
                .get(&(assembly.clone(), resource.clone()))
                .and_then(write),
            Key::Service(name) => self.services.get(name).and_then(write),
            Key::Ticket(name) => self.tickets.get(name).and_then(write),
            Key::Outbox(epoch, counter) => self.outbox.get(&(*epoch, *counter)).and_then(write),
        }
    }
}

/// The facts, with a note of what was touched since the last [`Store::changes`].
#[derive(Debug)]
pub(crate) struct Store {
    facts: Durable,
    touched: BTreeSet<Key>,
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
            let facts = self.assembly_mut(&name);
            facts.doubt();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_what_it_wrote() {
        let mut store = Store::new(Durable::default());
        store.set_epoch(7);
        *store.loaded_mut() = Some(Loaded {
            document: "<deployable/>".into(),
            generation: 3,
            unload: None,
        });
        store.assembly_mut(&"web1".into()).standby = true;
        store.failure_mut(&"web1".into(), "db").disbelieve(Some(3));
        store
            .service_mut(&"db".into())
            .fail(&"db".into(), &"web1".into(), "it returned 1", 5);
        store.ticket_mut(&"east/1".into()).granted = true;
        let rows: Vec<_> = store
            .changes()
            .into_iter()
            .map(|c| (c.key, c.value.unwrap()))
            .collect();
        let read = Durable::from_rows(rows).unwrap();
        assert_eq!(read, store.facts);
        assert!(store.changes().is_empty());
        store.remove_assembly(&"web1".into());
        let deleted: Vec<_> = store
            .changes()
            .into_iter()
            .filter(|c| c.value.is_none())
            .map(|c| c.key)
            .collect();
        assert_eq!(deleted, ["assembly/web1", "failures/web1/db"]);
        let expected = Saves {
            state: 7,
            number: 2,
        };
        assert_eq!(store.facts.saves, expected, "each set of changes counts");
    }

    #[test]
    fn facts_are_outdated_if_newer_ones_were_saved() {
        let saved = |state, number| Durable {
            saves: Saves { state, number },
            ..Durable::default()
        };
        let newest = &saved(7, 5).rows()[SAVES];
        assert!(!saved(7, 5).compared_with("").outdated, "nothing is known");
        assert!(!saved(7, 5).compared_with(newest).outdated);
        let unnoted = saved(7, 6).compared_with(newest);
        assert!(!unnoted.outdated && unnoted.saves.number == 6);
        for backup in [saved(7, 4), saved(6, 9), saved(0, 0)] {
            let backup = backup.compared_with(newest);
            assert!(backup.outdated);
            assert_eq!(backup.saves.number, 5, "the next one is the newest");
        }
    }

    #[test]
    fn a_damaged_row_is_named_and_an_unknown_one_ignored() {
        let error = Durable::from_rows([("assembly/web1", "{")]).unwrap_err();
        assert!(error.to_string().contains("assembly/web1"), "{error}");
        let error = Durable::from_rows([("ticket/east", "7")]).unwrap_err();
        assert!(error.to_string().contains("ticket/east"), "{error}");
        assert!(Durable::from_rows([("colour", "red")]).is_ok());
        let other_form = Durable::from_rows([("understood", "{}")]).unwrap();
        assert_eq!(other_form, Durable::default());
    }

    #[test]
    fn what_an_earlier_version_understood_needs_not_all_that_this_one_knows() {
        let row = r#"{"generation":3,"spec":{"name":"shop","assemblies":{"web1":{"address":"unix:/a"}},"old":1}}"#;
        let read = Durable::from_rows([("understood", row)]).unwrap();
        let understood = read.understood.unwrap();
        assert_eq!(understood.generation, 3);
        let web1 = &understood.spec.assemblies["web1"];
        assert_eq!(web1.address.as_deref(), Some("unix:/a"));
    }
}
