//! What must hold at all times: looked at where it could break, and every second.

use ownership::{
    ChangeId, Changed, DeploymentId, HostId, HostState, Key, Origin, OwnerRecord, Value, What,
    timing,
};
use sim_kit::{MS, SECOND};

use crate::scenario::Style;
use crate::world::World;

/// Within this time after the last disturbance a DPE can act for each deployment, beside the time
/// that hosts need to start what they get. `docs/dev/scale-out.md` derives it.
const BOUND_US: u64 = 13_500 * MS;
/// How long a host may not know of a herd yet.
const HERD_KNOWN_US: u64 = 3 * SECOND;
/// Sweeps are so far apart.
const SWEEP_US: u64 = SECOND;

impl World {
    /// Something has gone wrong, or was mended.
    pub(crate) fn disturbed(&mut self) {
        self.checker.disturbed_us = self.now_us;
    }

    /// A DPE starts: no other one of its deployment may act, and its epoch is the highest.
    pub(crate) fn check_start(&mut self, dpe: usize) {
        let it = &self.dpes[dpe];
        let (number, epoch, revision) = (it.deployment, it.epoch, it.grant.revision);
        let host = it.host;
        let deployment = &mut self.deployments[number];
        let name = deployment.name.clone();
        let before = deployment.max_epoch;
        deployment.max_epoch = before.max(epoch);
        deployment.started = deployment.started.max(revision);
        let is_newest = revision == deployment.started;
        // A former owner's DPE may be started again, but must not outbid its successor.
        if is_newest == (epoch <= before) {
            self.violation(format!("{name} starts with epoch {epoch} after {before}"));
        }
        if !is_newest {
            return;
        }
        let others = self.deployments[number].dpes.clone();
        for other in others {
            if self.may_act(other) {
                let from = self.dpes[other].host;
                let text =
                    format!("{name} starts on host {host} while its DPE on host {from} may act");
                self.violation(text);
            }
        }
    }

    /// A permit has moved: no DPE may act by it whose successor was started.
    pub(crate) fn check_permit(&mut self, host: usize) {
        let units = self.hosts[host].units.iter();
        let numbers: Vec<usize> = units.filter_map(|(_, unit)| unit.dpe).collect();
        for dpe in numbers {
            let it = &self.dpes[dpe];
            let deployment = &self.deployments[it.deployment];
            if it.grant.revision < deployment.started && self.may_act(dpe) {
                let name = deployment.name.clone();
                self.violation(format!("the DPE of {name} on host {host} may act again"));
            }
        }
    }

    /// A service starts in a guest: it runs in no other one.
    pub(crate) fn check_service(&mut self, guest: usize) {
        let deployment = self.guests[guest].deployment;
        let guests = &self.deployments[deployment].guests;
        let running = guests.iter().filter(|it| self.guests[**it].running).count();
        if running > 1 {
            let name = self.deployments[deployment].name.clone();
            self.violation(format!("the service of {name} runs in {running} guests"));
        }
    }

    /// A lease has ended while a service ran.
    pub(crate) fn check_lease(&mut self, guest: usize) {
        self.checker.lease_stops += 1;
        let is_calm = !matches!(self.scenario.style, Style::Chaos | Style::Herd);
        if is_calm {
            let deployment = self.guests[guest].deployment;
            let name = self.deployments[deployment].name.clone();
            self.violation(format!(
                "the service of {name} is stopped: its lease has ended"
            ));
        }
    }

    /// A host stops a unit: not because the store is silent.
    pub(crate) fn check_stop(&mut self, host: usize, name: &DeploymentId) {
        let has_begun = !self.checker.loads.is_empty();
        if self.scenario.style == Style::Outage && has_begun {
            self.violation(format!(
                "host {host} stops {name} although the store was only away"
            ));
        }
    }

    /// The store has taken a change.
    pub(crate) fn check_commit(&mut self, change: &Changed) {
        match (&change.key, &change.value) {
            (Key::Owner(name), Some(Value::Owner(owner))) => self.check_owner(name, owner),
            (Key::Alive(host), None) => {
                // The session is not told by a deletion.
                let session = self.sessions_of(host);
                if let Some(session) = session {
                    let entry = (self.now_us, session);
                    self.checker.vanished.insert(host.clone(), entry);
                }
                self.checker.losses += 1;
                self.check_herd();
            }
            (Key::Alive(host), Some(_)) => {
                self.checker.vanished.remove(host);
                self.check_herd();
            }
            (Key::Host(host), value) => {
                let alive = Key::Alive(host.clone());
                if value.is_none() && self.store.get(&alive).is_some() {
                    self.violation(format!("{host} is taken out, and lives"));
                }
                self.check_herd();
            }
            (Key::Change(id), Some(Value::Change(None))) => self.check_refusal(*id),
            (Key::Deployment(name), None) => {
                self.checker.ended.insert(name.clone());
            }
            (Key::Deployment(name), Some(Value::Deployment(record))) => {
                if let Some(number) = self.names.get(name)
                    && record.generation == 1
                {
                    self.deployments[*number].served_us = self.now_us;
                }
                if let Some(asked) = self.checker.by_id.get(&record.change) {
                    let asked = &mut self.checker.changes[*asked];
                    asked.done += 1;
                    if asked.done > 1 {
                        let text = format!("a change of {name} is done {} times", asked.done);
                        self.violation(text);
                    }
                }
            }
            _ => {}
        }
    }

    /// A change is refused for ever: by what the store says, not by what somebody has seen.
    fn check_refusal(&mut self, id: ChangeId) {
        let Some(index) = self.checker.by_id.get(&id) else {
            return;
        };
        let change = &self.checker.changes[*index].change;
        let name = &change.deployment;
        let there = match self.store.get(&Key::Deployment(name.clone())) {
            Some((Value::Deployment(record), _)) => Some(record),
            _ => None,
        };
        let is_due = match (&change.what, there) {
            (What::Create(..), there) => there.is_some(),
            (_, None) => true,
            (_, Some(there)) if there.destroying => true,
            (What::Update(seen), Some(there)) => *seen != there.generation,
            (What::Destroy, Some(_)) => false,
        };
        if !is_due {
            let text = format!("a change of {name} is refused by what is over: {change:?}");
            self.violation(text);
        }
    }

    /// The last session of a host whose key is gone, by what its machines have kept.
    fn sessions_of(&self, host: &HostId) -> Option<ownership::Session> {
        let machines = self.hosts.iter().filter(|it| it.name == *host);
        machines.filter_map(|it| it.run.session).max()
    }

    /// Whether a host is one that takes deployments.
    fn is_active(&self, host: &HostId) -> bool {
        match self.store.get(&Key::Host(host.clone())) {
            Some((Value::Host(record), _)) => record.state == HostState::Active,
            _ => false,
        }
    }

    fn is_confirmed(&self, host: &HostId, session: ownership::Session) -> bool {
        match self.store.get(&Key::Host(host.clone())) {
            Some((Value::Host(record), _)) => record.confirmed_lost == Some(session),
            _ => false,
        }
    }

    /// Notes since when very many hosts are gone that went within a minute.
    fn check_herd(&mut self) {
        let gone = self
            .checker
            .vanished
            .iter()
            .filter(|(host, (at_us, session))| {
                self.now_us < at_us + timing::HERD_US
                    && self.is_active(host)
                    && !self.is_confirmed(host, *session)
            });
        let gone = gone.count();
        let hosts = self.store.iter().filter(|it| matches!(it.0, Key::Host(_)));
        let is_herd = gone >= 2 && gone * 100 > hosts.count() * timing::HERD_PERCENT;
        match (is_herd, self.checker.herd_us) {
            (true, None) => self.checker.herd_us = Some(self.now_us),
            (false, Some(_)) => self.checker.herd_us = None,
            _ => {}
        }
    }

    /// A record changes hands: by the rules only.
    fn check_owner(&mut self, name: &DeploymentId, owner: &OwnerRecord) {
        let owners = &mut self.checker.owners;
        let before = owners.insert(name.clone(), owner.host.clone());
        // Who claims again what it has taken waits again.
        let is_other = before.as_ref() != Some(&owner.host);
        match &owner.origin {
            Origin::Handed(_) => {
                self.checker.handed += 1;
                let number = self.names[name];
                let runs = self.deployments[number].dpes.iter();
                let runs: Vec<usize> = runs.copied().filter(|it| self.may_act(*it)).collect();
                if let Some(dpe) = runs.first() {
                    let host = self.dpes[*dpe].host;
                    self.violation(format!("{name} is given away while it runs on host {host}"));
                }
            }
            Origin::Taken(from) if is_other => {
                self.checker.taken += 1;
                *self.checker.taken_by.entry(owner.host.clone()).or_default() += 1;
                self.check_taken(name, from, owner);
            }
            Origin::Taken(_) | Origin::New | Origin::Again => {}
        }
        self.check_capacity(&owner.host);
    }

    fn check_taken(&mut self, name: &DeploymentId, from: &HostId, owner: &OwnerRecord) {
        let is_alive = match self.store.get(&Key::Alive(owner.host.clone())) {
            Some((Value::Alive(session), _)) => *session == owner.session,
            _ => false,
        };
        if !is_alive {
            let host = &owner.host;
            self.violation(format!("{host} takes {name} in a session that is over"));
        }
        let unit = |it: &&crate::world::SimHost| it.name == *from && *from != owner.host;
        let alive = match self.store.get(&Key::Alive(from.clone())) {
            Some((Value::Alive(session), _)) => Some(*session),
            _ => None,
        };
        let number = self.names[name];
        let runs = |it: &crate::world::SimHost| {
            let unit = it.units.get(&number);
            unit.is_some_and(|unit| Some(unit.grant.session) == alive && !unit.stops)
        };
        if self.hosts.iter().filter(unit).any(runs) {
            self.violation(format!("{name} is taken from {from}, whose session lives"));
        }
        let since_us = self.checker.herd_us.unwrap_or(u64::MAX);
        if *from != owner.host && self.now_us > since_us.saturating_add(HERD_KNOWN_US) {
            self.violation(format!(
                "{name} is taken from {from}, which is one of very many"
            ));
        }
    }

    /// Hosts have no more than they can take, but for what comes from several at once.
    fn check_capacity(&mut self, host: &HostId) {
        // Counting is slow, and rarely of interest.
        if self.deployments.len() > 400 && !self.store.revision().is_multiple_of(64) {
            return;
        }
        let load = self.loads().get(host).copied().unwrap_or(0);
        let Some(machine) = self.hosts.iter().find(|it| it.name == *host) else {
            return;
        };
        let (room, others) = (u64::from(machine.capacity), self.hosts.len() as u64);
        if load > room + others {
            let text = format!("{host} has {load} deployments, and room for {room}");
            self.violation(text);
        }
    }

    /// How many deployments each host has, by the store.
    pub(crate) fn loads(&self) -> std::collections::BTreeMap<HostId, u64> {
        let mut loads = std::collections::BTreeMap::new();
        for (_, value, _) in self.store.iter() {
            if let Value::Owner(owner) = value {
                *loads.entry(owner.host.clone()).or_default() += 1;
            }
        }
        loads
    }

    /// Looks whether a DPE can act for each deployment.
    pub(crate) fn sweep(&mut self) {
        self.queue
            .push(self.now_us + SWEEP_US, crate::world::SimEvent::Sweep);
        for host in 0..self.hosts.len() {
            if !self.runs(host) {
                continue;
            }
            let units: Vec<(usize, u64, usize)> = self.hosts[host]
                .units
                .iter()
                .filter_map(|(number, unit)| Some((*number, unit.grant.revision, unit.dpe?)))
                .collect();
            for (number, revision, dpe) in units {
                let name = self.deployments[number].name.clone();
                let is_owner = self.store.get(&Key::Owner(name)).map(|it| it.1) == Some(revision);
                if is_owner && self.may_act(dpe) {
                    self.deployments[number].served_us = self.now_us;
                }
            }
        }
        if self.guard_holds() || !self.is_able() {
            self.disturbed();
            return;
        }
        let quiet_us = self.checker.disturbed_us;
        let bound_us = BOUND_US + self.scenario.starts_us();
        for number in 0..self.deployments.len() {
            let it = &self.deployments[number];
            let unserved_us = self.now_us - it.served_us.max(quiet_us);
            if unserved_us <= self.checker.longest_us && unserved_us <= bound_us {
                continue;
            }
            let known = self.store.get(&Key::Deployment(it.name.clone()));
            let is_wanted = match known {
                Some((Value::Deployment(record), _)) => !record.destroying,
                _ => false,
            };
            if !is_wanted {
                self.deployments[number].served_us = self.now_us;
                continue;
            }
            self.checker.longest_us = unserved_us;
            if unserved_us > bound_us {
                let name = self.deployments[number].name.clone();
                let owner = self.store.get(&Key::Owner(name.clone()));
                let text =
                    format!("{name} has had no DPE that acts for {unserved_us} µs: {owner:?}");
                self.violation(text);
                return;
            }
        }
    }

    /// Whether a machine waits for a person.
    fn guard_holds(&mut self) -> bool {
        let now_us = self.now_us;
        let holds = |it: &crate::world::SimHost| {
            let status = it.cpe.as_ref().map(|cpe| cpe.status(it.clock.at(now_us)));
            status.is_some_and(|status| status.guard_holds && status.session.is_some())
        };
        let holds = self.hosts.iter().any(holds);
        if holds && self.checker.losses < 2 {
            self.violation("a machine waits for a person although one host is gone".to_owned());
        }
        holds
    }

    /// Whether a quorum lives, and a host that has room and reaches it.
    fn is_able(&self) -> bool {
        let all_reach = self.members.cut.is_empty();
        let paused = self.members.all.iter().any(|it| it.paused);
        if self.members.leading().is_none() || !all_reach || paused || self.unruly > 0 {
            return false;
        }
        let loads = self.loads();
        let total: u64 = loads.values().sum();
        let is_well = |host: &usize| {
            let it = &self.hosts[*host];
            let is_well = self.runs(*host)
                && it.hung_until_us <= self.now_us
                && it.cpe.is_some()
                && it.store_cut == 0
                && it.slow_us == 0;
            is_well && self.is_active(&it.name)
        };
        // Of two machines with one name only one is a host.
        let mut rooms = std::collections::BTreeMap::new();
        for host in (0..self.hosts.len()).filter(is_well) {
            rooms.insert(&self.hosts[host].name, u64::from(self.hosts[host].capacity));
        }
        let room: u64 = rooms.values().sum();
        room > total.max(self.deployments.len() as u64)
    }
}
