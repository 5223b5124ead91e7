//! What is known of the store: everything up to a revision, and beyond it what this host has
//! written or read itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::vocabulary::{
    Changed, DeploymentId, DeploymentRecord, Entry, HostId, HostRecord, HostState, Key, LeaseId,
    Meta, OwnerRecord, Session, Value,
};

/// A value with the revision at which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known<T> {
    pub(crate) value: T,
    pub(crate) revision: u64,
}

/// What another look at the store has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// A host's record.
    Host(HostId),
    /// A host's session, with the one before.
    Alive(HostId, Option<Session>),
    /// A deployment.
    Deployment(DeploymentId),
    /// Its owner.
    Owner(DeploymentId),
}

/// See above.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    revision: u64,
    synced: bool,
    meta: Option<Meta>,
    hosts: BTreeMap<HostId, Known<Arc<HostRecord>>>,
    alive: BTreeMap<HostId, Known<Session>>,
    deployments: BTreeMap<DeploymentId, Known<Arc<DeploymentRecord>>>,
    owners: BTreeMap<DeploymentId, Known<Arc<OwnerRecord>>>,
    by_owner: BTreeMap<HostId, BTreeSet<DeploymentId>>,
    /// Those whose owners have changed since somebody took this.
    moved: BTreeSet<DeploymentId>,
}

impl View {
    /// All changes up to this revision are known.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether everything was listed once.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced
    }

    pub(crate) fn meta(&self) -> Option<Meta> {
        self.meta
    }

    pub(crate) fn host(&self, host: &HostId) -> Option<&Known<Arc<HostRecord>>> {
        self.hosts.get(host)
    }

    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&HostId, &HostRecord)> {
        self.hosts.iter().map(|(name, known)| (name, &*known.value))
    }

    pub(crate) fn alive(&self, host: &HostId) -> Option<&Known<Session>> {
        self.alive.get(host)
    }

    pub(crate) fn deployment(
        &self,
        deployment: &DeploymentId,
    ) -> Option<&Known<Arc<DeploymentRecord>>> {
        self.deployments.get(deployment)
    }

    pub(crate) fn deployments(&self) -> impl ExactSizeIterator<Item = &DeploymentId> {
        self.deployments.keys()
    }

    pub(crate) fn owner(&self, deployment: &DeploymentId) -> Option<&Known<Arc<OwnerRecord>>> {
        self.owners.get(deployment)
    }

    pub(crate) fn owned_by(&self, host: &HostId) -> impl Iterator<Item = &DeploymentId> {
        self.by_owner.get(host).into_iter().flatten()
    }

    /// Deployments that have another owner than when this was asked last.
    pub(crate) fn take_moved(&mut self) -> BTreeSet<DeploymentId> {
        std::mem::take(&mut self.moved)
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = (&DeploymentId, &OwnerRecord)> {
        self.owners
            .iter()
            .map(|(name, known)| (name, &*known.value))
    }

    /// Hosts that have deployments.
    pub(crate) fn owning(&self) -> impl Iterator<Item = &HostId> {
        let owning = self.by_owner.iter().filter(|(_, all)| !all.is_empty());
        owning.map(|(host, _)| host)
    }

    /// How many deployments a host has.
    pub(crate) fn load(&self, host: &HostId) -> u64 {
        self.by_owner.get(host).map_or(0, |all| all.len() as u64)
    }

    /// Hosts that are alive and take deployments.
    pub(crate) fn takers(&self) -> impl Iterator<Item = (&HostId, &HostRecord)> {
        self.hosts().filter(|(name, record)| {
            record.state == HostState::Active && self.alive.contains_key(name)
        })
    }

    /// Takes a list of everything.
    pub(crate) fn listed(&mut self, revision: u64, entries: Vec<Entry>) {
        let old = std::mem::take(self);
        self.moved = old.moved;
        self.moved.extend(old.owners.keys().cloned());
        for entry in entries {
            self.set(entry.key, Some(entry.value), entry.revision);
        }
        // What this host has written since is newer than the list.
        for (name, known) in old.hosts {
            self.keep(
                revision,
                known.revision,
                Key::Host(name),
                Value::Host(known.value),
            );
        }
        for (name, known) in old.alive {
            self.keep(
                revision,
                known.revision,
                Key::Alive(name),
                Value::Alive(known.value),
            );
        }
        for (name, known) in old.owners {
            self.keep(
                revision,
                known.revision,
                Key::Owner(name),
                Value::Owner(known.value),
            );
        }
        for (name, known) in old.deployments {
            let value = Value::Deployment(known.value);
            self.keep(revision, known.revision, Key::Deployment(name), value);
        }
        self.revision = revision;
        self.synced = true;
    }

    fn keep(&mut self, listed: u64, revision: u64, key: Key, value: Value) {
        if revision > listed {
            self.set(key, Some(value), revision);
        }
    }

    /// Takes what a watch tells, up to this revision. Gives what is new.
    pub(crate) fn watched(&mut self, revision: u64, changes: Vec<Changed>) -> Vec<Touched> {
        let mut touched = Vec::new();
        for change in changes {
            if change.revision > self.revision && change.revision >= self.written(&change.key) {
                touched.extend(self.set(change.key, change.value, change.revision));
            }
        }
        self.revision = self.revision.max(revision);
        touched
    }

    /// Takes what this host has written or read at a revision.
    pub(crate) fn learn(&mut self, key: Key, value: Value, revision: u64) -> Option<Touched> {
        // What the watch has told of already may have been deleted since.
        let is_new = revision > self.revision.max(self.written(&key));
        is_new
            .then(|| self.set(key, Some(value), revision))
            .flatten()
    }

    /// When the key was last written, as far as it is there.
    fn written(&self, key: &Key) -> u64 {
        let found = match key {
            Key::Host(name) => self.hosts.get(name).map(|known| known.revision),
            Key::Alive(name) => self.alive.get(name).map(|known| known.revision),
            Key::Deployment(name) => self.deployments.get(name).map(|known| known.revision),
            Key::Owner(name) => self.owners.get(name).map(|known| known.revision),
            Key::Meta | Key::Change(_) => None,
        };
        found.unwrap_or(0)
    }

    fn set(&mut self, key: Key, value: Option<Value>, revision: u64) -> Option<Touched> {
        match (key, value) {
            (Key::Meta, Some(Value::Meta(meta))) => {
                self.meta = Some(meta);
                None
            }
            (Key::Host(name), Some(Value::Host(value))) => {
                self.hosts.insert(name.clone(), Known { value, revision });
                Some(Touched::Host(name))
            }
            (Key::Host(name), None) => {
                self.hosts.remove(&name);
                Some(Touched::Host(name))
            }
            (Key::Alive(name), Some(Value::Alive(value))) => {
                let before = self.alive.insert(name.clone(), Known { value, revision });
                Some(Touched::Alive(name, before.map(|known| known.value)))
            }
            (Key::Alive(name), None) => {
                let before = self.alive.remove(&name)?;
                Some(Touched::Alive(name, Some(before.value)))
            }
            (Key::Deployment(name), Some(Value::Deployment(value))) => {
                let known = Known { value, revision };
                self.deployments.insert(name.clone(), known);
                Some(Touched::Deployment(name))
            }
            (Key::Deployment(name), None) => {
                self.deployments.remove(&name);
                Some(Touched::Deployment(name))
            }
            (Key::Owner(name), Some(Value::Owner(value))) => {
                self.set_owner(&name, Some(Known { value, revision }));
                Some(Touched::Owner(name))
            }
            (Key::Owner(name), None) => {
                self.set_owner(&name, None);
                Some(Touched::Owner(name))
            }
            _ => None,
        }
    }

    fn set_owner(&mut self, name: &DeploymentId, owner: Option<Known<Arc<OwnerRecord>>>) {
        if let Some(owner) = &owner {
            let of_host = self.by_owner.entry(owner.value.host.clone()).or_default();
            of_host.insert(name.clone());
        }
        self.moved.insert(name.clone());
        let host = owner.as_ref().map(|owner| owner.value.host.clone());
        let before = match owner {
            Some(owner) => self.owners.insert(name.clone(), owner),
            None => self.owners.remove(name),
        };
        if let Some(before) = before.filter(|before| Some(&before.value.host) != host.as_ref())
            && let Some(of_host) = self.by_owner.get_mut(&before.value.host)
        {
            of_host.remove(name);
        }
    }
}

/// The session that an answer to a question after `alive` shows, with its lease.
pub(crate) fn session_in(found: &[Entry]) -> Option<(Session, Option<LeaseId>)> {
    found.iter().find_map(|entry| match entry.value {
        Value::Alive(session) => Some((session, entry.lease)),
        _ => None,
    })
}
