//! Since when something is as it is, as far as this host has seen it change: for people.

use std::collections::BTreeMap;

use crate::vocabulary::{DeploymentId, HostId};

/// What is so, and since when; `None`: it was so already when this host began to look.
#[derive(Clone, Debug)]
struct Since<T> {
    what: T,
    at_us: Option<u64>,
}

/// See above.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Everything was looked at once: from then on what is new has become so.
    begun: bool,
    hosts: BTreeMap<HostId, Since<bool>>,
    owners: BTreeMap<DeploymentId, Since<HostId>>,
}

impl Seen {
    /// A host is alive, or is not.
    pub(crate) fn host(&mut self, now_us: u64, host: &HostId, is_alive: bool) {
        let known = self.hosts.get(host);
        if known.is_none_or(|known| known.what != is_alive) {
            let at_us = self.begun.then_some(now_us);
            let what = is_alive;
            self.hosts.insert(host.clone(), Since { what, at_us });
        }
    }

    /// A host has a deployment, or none has it.
    pub(crate) fn owner(&mut self, now_us: u64, name: &DeploymentId, owner: Option<&HostId>) {
        let Some(owner) = owner else {
            self.owners.remove(name);
            return;
        };
        let known = self.owners.get(name);
        if known.is_none_or(|known| known.what != *owner) {
            let at_us = self.begun.then_some(now_us);
            let what = owner.clone();
            self.owners.insert(name.clone(), Since { what, at_us });
        }
    }

    /// All that there is was told of: the rest is gone.
    pub(crate) fn keep(
        &mut self,
        is_host: impl Fn(&HostId) -> bool,
        is_owned: impl Fn(&DeploymentId) -> bool,
    ) {
        self.hosts.retain(|host, _| is_host(host));
        self.owners.retain(|name, _| is_owned(name));
        self.begun = true;
    }

    /// Since when a host is alive, or is not.
    pub(crate) fn host_us(&self, host: &HostId) -> Option<u64> {
        self.hosts.get(host)?.at_us
    }

    /// Since when a deployment has its owner.
    pub(crate) fn owner_us(&self, name: &DeploymentId) -> Option<u64> {
        self.owners.get(name)?.at_us
    }
}
