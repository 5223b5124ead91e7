//! What one host knows of all of them, for people.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Host;
use crate::machines::rendezvous;
use crate::vocabulary::{DeploymentId, DeploymentRecord, HostId, HostRecord, HostState};

/// All hosts and who owns what, as one host knows it: by its watch, so that it may be a moment old.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The host that says so.
    pub me: HostId,
    /// When, µs of its CLOCK_BOOTTIME: of the times below too.
    pub now_us: u64,
    /// It has listed everything once. Until then nothing else is known.
    pub is_complete: bool,
    /// Of the store: what was written up to then is in here.
    pub revision: u64,
    /// Its DPEs may act: the store has answered lately.
    pub may_act: bool,
    /// Very many hosts are gone: nothing is taken from them before a person confirms.
    pub guard_holds: bool,
    /// The cluster has left its version behind.
    pub too_old: bool,
    /// By name.
    pub hosts: Vec<HostView>,
    /// Deployments that nobody owns.
    pub unowned: Vec<DeploymentId>,
}

/// One of the hosts.
#[derive(Clone, Debug)]
pub struct HostView {
    /// Its name.
    pub host: HostId,
    /// What it is. `None`: it was taken out, and has deployments still.
    pub record: Option<Arc<HostRecord>>,
    /// It has a session.
    pub is_alive: bool,
    /// Since when it is alive, or is not. `None`: since before the other one began to look.
    pub since_us: Option<u64>,
    /// The herd guard waits for it, or for a person.
    pub is_waited_for: bool,
    /// What it owns.
    pub owned: Vec<OwnedView>,
}

/// A deployment that a host owns.
#[derive(Clone, Debug)]
pub struct OwnedView {
    /// Its name.
    pub deployment: DeploymentId,
    /// What it is. `None`: it has ended.
    pub record: Option<Arc<DeploymentRecord>>,
    /// Since when that host has it. `None`: since before the other one began to look.
    pub since_us: Option<u64>,
}

/// Who owns a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The host.
    pub host: HostId,
    /// Since when. `None`: since before the host that says so began to look.
    pub since_us: Option<u64>,
    /// When that is said, µs of its CLOCK_BOOTTIME.
    pub now_us: u64,
}

impl HostView {
    fn takes(&self) -> Option<&HostRecord> {
        let record = self.record.as_deref()?;
        (self.is_alive && record.state == HostState::Active).then_some(record)
    }
}

impl Overview {
    /// One of the hosts.
    pub fn host(&self, host: &HostId) -> Option<&HostView> {
        self.hosts.iter().find(|it| it.host == *host)
    }

    /// Who owns a deployment, and since when.
    pub fn owner(&self, deployment: &DeploymentId) -> Option<(&HostView, &OwnedView)> {
        self.hosts.iter().find_map(|host| {
            let mut owned = host.owned.iter();
            let found = owned.find(|it| it.deployment == *deployment)?;
            Some((host, found))
        })
    }

    /// Where each deployment of a host, in the order of [`HostView::owned`], would go if it drained
    /// now and nothing else changed. `None`: no other host can take it, and it stays.
    pub fn drained(&self, host: &HostId) -> Vec<(DeploymentId, Option<HostId>)> {
        let takers = self.hosts.iter().filter(|it| it.host != *host);
        let takers: Vec<(&HostId, &HostRecord)> = takers
            .filter_map(|it| Some((&it.host, it.takes()?)))
            .collect();
        let capacity: u64 = takers.iter().map(|(_, it)| u64::from(it.capacity)).sum();
        let load = |it: &HostView| (it.host.clone(), it.owned.len() as u64);
        let mut loads: BTreeMap<HostId, u64> = self.hosts.iter().map(load).collect();
        let all = loads.values().sum::<u64>() + self.unowned.len() as u64;
        let mut found = Vec::new();
        for owned in self.host(host).map_or(&[][..], |it| &it.owned) {
            let name = &owned.deployment;
            let fits = |(it, record): &(&HostId, &HostRecord)| {
                let needs = owned.record.as_ref().map(|record| &record.needs);
                loads
                    .get(*it)
                    .is_none_or(|it| *it < u64::from(record.capacity))
                    && needs.is_none_or(|needs| needs.are_met_by(record))
            };
            let is_below = |(it, record): &(&HostId, &HostRecord)| {
                let share = all * u64::from(record.capacity) / capacity.max(1);
                loads.get(*it).is_none_or(|it| *it < share)
            };
            let able = || takers.iter().copied().filter(fits);
            let to = rendezvous::best(name, able().filter(is_below))
                .or_else(|| rendezvous::best(name, able()))
                .cloned();
            if let Some(to) = &to {
                *loads.entry(to.clone()).or_default() += 1;
            }
            found.push((name.clone(), to));
        }
        found
    }
}

impl Host {
    /// What it knows of all hosts.
    pub fn overview(&self, now_us: u64) -> Overview {
        let mut names: Vec<&HostId> = self.view.hosts().map(|(host, _)| host).collect();
        names.extend(self.view.owning().filter(|it| self.view.host(it).is_none()));
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        let is_unowned = |name: &&DeploymentId| self.view.owner(name).is_none();
        let unowned = self.view.deployments().filter(is_unowned).cloned();
        Overview {
            me: self.me().clone(),
            now_us,
            is_complete: self.view.is_synced(),
            revision: self.view.revision(),
            may_act: self.membership.may_act(now_us),
            guard_holds: self.guard.holds(),
            too_old: self.is_too_old(),
            hosts: names.into_iter().map(|host| self.view_of(host)).collect(),
            unowned: unowned.collect(),
        }
    }

    /// Who owns a deployment, as far as this host knows.
    pub fn owner(&self, now_us: u64, deployment: &DeploymentId) -> Option<Owner> {
        let known = self.view.owner(deployment)?;
        Some(Owner {
            host: known.value.host.clone(),
            since_us: self.seen.owner_us(deployment),
            now_us,
        })
    }

    fn view_of(&self, host: &HostId) -> HostView {
        let owned = self.view.owned_by(host).map(|name| {
            let record = self.view.deployment(name);
            OwnedView {
                deployment: name.clone(),
                record: record.map(|known| known.value.clone()),
                since_us: self.seen.owner_us(name),
            }
        });
        HostView {
            host: host.clone(),
            record: self.view.host(host).map(|known| known.value.clone()),
            is_alive: self.view.alive(host).is_some(),
            since_us: self.seen.host_us(host),
            is_waited_for: self.guard.waits_for(host),
            owned: owned.collect(),
        }
    }

    /// Notes since when things are so, after everything was listed.
    pub(super) fn see_all(&mut self, now_us: u64) {
        let view = &self.view;
        for (host, _) in view.hosts() {
            self.seen.host(now_us, host, view.alive(host).is_some());
        }
        for (name, owner) in view.owners() {
            self.seen.owner(now_us, name, Some(&owner.host));
        }
        let is_host = |host: &HostId| view.host(host).is_some();
        self.seen.keep(is_host, |name| view.owner(name).is_some());
    }

    pub(super) fn see_host(&mut self, now_us: u64, host: &HostId) {
        let is_alive = self.view.alive(host).is_some();
        self.seen.host(now_us, host, is_alive);
    }

    pub(super) fn see_owner(&mut self, now_us: u64, name: &DeploymentId) {
        let owner = self.view.owner(name).map(|known| &known.value.host);
        self.seen.owner(now_us, name, owner);
    }
}
