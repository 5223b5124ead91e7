//! What must outlive the daemon and is not the agents': facts in rows.
//!
//! A row has a key and a JSON value, so that a shell needs one table with two columns, and later
//! versions can add rows. The controller changes facts only through [`Store`], which notes what was
//! touched; at the end of an input all touched rows become one [`Effect::Persist`](crate::Effect)
//! that precedes every other effect of that input. So nothing follows from a fact that is not
//! durable.

mod store;

pub(crate) use store::Store;

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::machines::announcement::Announced;
use crate::machines::arrivals::Arrivals;
use crate::machines::cut_boots::CutBoots;
use crate::machines::failures::{FailureFacts, FailureTimes};
use crate::machines::fencings::FencingFacts;
use crate::machines::overlay::Overlay;
use crate::machines::room::RoomTold;
use crate::machines::service::ServiceFacts;
use crate::machines::ticket::TicketFacts;
use crate::machines::told::KnownFacts;
use crate::machines::values::{BanFacts, Values};
use crate::vocabulary::{
    AssemblyId, AssemblySpec, Event, Holder, Occupant, OverlayKey, ServiceId, Spec, TicketId,
    Unfenced,
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
    epoch: u64,
    loaded: Option<Loaded>,
    /// What that document says, for a version that does not read it.
    understood: Option<Understood>,
    deployment: DeploymentFacts,
    assemblies: BTreeMap<AssemblyId, AssemblyFacts>,
    /// By assembly and resource.
    failures: BTreeMap<(AssemblyId, String), FailureFacts>,
    services: BTreeMap<ServiceId, ServiceFacts>,
    /// Those about which something was said.
    tickets: BTreeMap<TicketId, TicketFacts>,
    /// Permanent attributes and options that were set beside the document.
    values: Values,
    /// Where services must not run, beside what the document says.
    bans: BTreeMap<(AssemblyId, ServiceId), BanFacts>,
    /// What administrators want of single services beside the document.
    overlay: Overlay,
    /// Values that parameters of services follow.
    known: BTreeMap<AssemblyId, KnownFacts>,
    /// The last attempts to make assemblies safe, numbered in the order in which they began.
    fencings: BTreeMap<u64, FencingFacts>,
    /// Events that the log does not have yet, by epoch and counter: in the order in which they
    /// happened.
    outbox: BTreeMap<(u64, u64), Event>,
    /// The last time that facts were saved.
    saves: Saves,
    /// Newer facts were saved once: this is a backup.
    outdated: bool,
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
    /// What events have said of room for the services after a loss.
    pub room: RoomTold,
    /// Boots in which guests were to be cut off: none is let in again in such a boot.
    pub cut_boots: CutBoots,
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
    /// Services that left the document before they were looked for there.
    pub unseen: BTreeSet<ServiceId>,
    /// What live migrations may have brought there.
    pub arrivals: Arrivals,
    pub standby: bool,
    pub maintenance: bool,
    /// Names the loss, or the restart, for which it is being made safe, also over restarts of the
    /// DPE; empty: it is not. A confirmation must carry it.
    pub fencing_attempt: String,
    /// To be restarted through its fencing: why.
    pub restart: Option<String>,
    /// An administrator wants it to be off after that.
    pub stays_off: bool,
    /// Units of the host, by which it is or was fenced, that were active while its agent answered.
    pub units_seen: BTreeSet<String>,
    /// Its devices have let it in. Forgotten before it is fenced, and when its guest has booted.
    pub unfenced: Option<Unfenced>,
    /// Its devices may be letting it in.
    pub unfencing: bool,
    /// It is safe, and its power is to be on: until its agent answers.
    pub power_on: bool,
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
    Value(Holder, String),
    Ban(AssemblyId, ServiceId),
    Overlay(OverlayKey),
    Known(AssemblyId),
    Fencing(u64),
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
            Key::Value(Holder::Deployment, name) => format!("option/{name}"),
            Key::Value(Holder::Assembly(own), name) => format!("attribute/{own}/{name}"),
            Key::Ban(assembly, service) => format!("ban/{assembly}/{service}"),
            Key::Overlay(key) => format!("overlay/{}", key.text()),
            Key::Known(name) => format!("known/{name}"),
            Key::Fencing(number) => format!("fencing/{number:020}"),
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
            ("option", Some(name)) => Key::Value(Holder::Deployment, name.to_owned()),
            ("attribute", Some(rest)) => {
                let (assembly, name) = rest.split_once('/')?;
                Key::Value(Holder::Assembly(assembly.into()), name.to_owned())
            }
            ("ban", Some(rest)) => {
                let (assembly, service) = rest.split_once('/')?;
                Key::Ban(assembly.into(), service.into())
            }
            ("overlay", Some(rest)) => Key::Overlay(OverlayKey::parse(rest)?),
            ("known", Some(name)) => Key::Known(name.into()),
            ("fencing", Some(number)) => Key::Fencing(number.parse().ok()?),
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
        let values = self.values.keys().cloned();
        keys.extend(values.map(|(holder, name)| Key::Value(holder, name)));
        let bans = self.bans.keys().cloned();
        keys.extend(bans.map(|(assembly, service)| Key::Ban(assembly, service)));
        keys.extend(self.overlay.keys().cloned().map(Key::Overlay));
        keys.extend(self.known.keys().cloned().map(Key::Known));
        keys.extend(self.fencings.keys().copied().map(Key::Fencing));
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

    pub(crate) fn loaded(&self) -> Option<&Loaded> {
        self.loaded.as_ref()
    }

    /// What the loaded document says, as the version understood it that read it last.
    pub(crate) fn understood(&self) -> Option<&Understood> {
        self.understood.as_ref()
    }

    pub(crate) fn deployment(&self) -> &DeploymentFacts {
        &self.deployment
    }

    pub(crate) fn assemblies(&self) -> &BTreeMap<AssemblyId, AssemblyFacts> {
        &self.assemblies
    }

    /// By assembly and resource.
    pub(crate) fn failures(&self) -> &BTreeMap<(AssemblyId, String), FailureFacts> {
        &self.failures
    }

    pub(crate) fn services(&self) -> &BTreeMap<ServiceId, ServiceFacts> {
        &self.services
    }

    /// Those about which something was said.
    pub(crate) fn tickets(&self) -> &BTreeMap<TicketId, TicketFacts> {
        &self.tickets
    }

    /// Permanent attributes and options that were set beside the document.
    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    /// Where services must not run, beside what the document says.
    pub(crate) fn bans(&self) -> &BTreeMap<(AssemblyId, ServiceId), BanFacts> {
        &self.bans
    }

    /// What administrators want of single services beside the document.
    pub(crate) fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// Values that parameters of services follow, by assembly.
    pub(crate) fn known(&self) -> &BTreeMap<AssemblyId, KnownFacts> {
        &self.known
    }

    /// The last attempts to make assemblies safe, in the order in which they began.
    pub(crate) fn fencings(&self) -> &BTreeMap<u64, FencingFacts> {
        &self.fencings
    }

    /// Events that the log does not have yet, in the order in which they happened.
    pub(crate) fn outbox(&self) -> impl ExactSizeIterator<Item = &Event> {
        self.outbox.values()
    }

    /// Newer facts were saved once: this is a backup.
    pub(crate) fn is_outdated(&self) -> bool {
        self.outdated
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
            Some(Key::Value(holder, name)) => {
                drop(self.values.insert((holder, name), read(key, value)?))
            }
            Some(Key::Ban(assembly, service)) => {
                self.bans.insert((assembly, service), read(key, value)?);
            }
            Some(Key::Overlay(own)) => drop(self.overlay.insert(own, read(key, value)?)),
            Some(Key::Known(name)) => drop(self.known.insert(name, read(key, value)?)),
            // Nothing is decided by it, so that another form of it costs the history only.
            Some(Key::Fencing(number)) => {
                if let Ok(facts) = serde_json::from_str(value) {
                    self.fencings.insert(number, facts);
                }
            }
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
            Key::Value(holder, name) => self
                .values
                .get(&(holder.clone(), name.clone()))
                .and_then(write),
            Key::Ban(assembly, service) => self
                .bans
                .get(&(assembly.clone(), service.clone()))
                .and_then(write),
            Key::Overlay(key) => self.overlay.get(key).and_then(write),
            Key::Known(name) => self.known.get(name).and_then(write),
            Key::Fencing(number) => self.fencings.get(number).and_then(write),
            Key::Outbox(epoch, counter) => self.outbox.get(&(*epoch, *counter)).and_then(write),
        }
    }
}

#[cfg(test)]
mod tests;
