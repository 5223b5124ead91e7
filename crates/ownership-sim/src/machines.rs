//! Hosts: their power, their cpe and what it wants, and the units of DPEs.

use std::collections::BTreeSet;

use ownership::{Effect, Grant, HostRecord, HostState, Input, Kept, Session, Settings};
use sim_kit::{MS, SECOND};

use crate::dpe::{Contact, Dpe};
use crate::mutants::{Mutant, Subject};
use crate::world::{Run, SimEvent, Unit, World};

impl World {
    pub(crate) fn boots(&mut self, host: usize) {
        if self.hosts[host].up {
            return;
        }
        self.boots += 1;
        let boot = self.boots;
        let it = &mut self.hosts[host];
        (it.up, it.boot, it.run) = (true, boot, Run::default());
        it.units.clear();
        self.cpe_starts(host, boot);
    }

    pub(crate) fn cuts_power(&mut self, host: usize) {
        let it = &mut self.hosts[host];
        it.up = false;
        it.cpe = None;
        it.life += 1;
        it.tick_us = u64::MAX;
        it.paused_until_us = 0;
        it.hung_until_us = 0;
        let units = std::mem::take(&mut it.units);
        for (_, unit) in units {
            self.dpe_dies(unit.dpe);
        }
    }

    pub(crate) fn cpe_dies(&mut self, host: usize) {
        let it = &mut self.hosts[host];
        it.cpe = None;
        it.life += 1;
        it.tick_us = u64::MAX;
        it.hung_until_us = 0;
        let (boot, at_us) = (it.boot, self.now_us + self.random.between(100, 1_000) * MS);
        self.queue.push(at_us, SimEvent::CpeStarts(host, boot));
    }

    pub(crate) fn watchdog(&mut self, host: usize, life: u64) {
        let it = &self.hosts[host];
        if it.life == life && it.hung_until_us > self.now_us {
            self.note(|| format!("host {host}: the watchdog ends cpe"));
            self.cpe_dies(host);
        }
    }

    pub(crate) fn cpe_starts(&mut self, host: usize, boot: u64) {
        if !self.hosts[host].up || self.hosts[host].boot != boot || self.hosts[host].cpe.is_some() {
            return;
        }
        let it = &self.hosts[host];
        let record = HostRecord {
            version: it.version,
            address: String::new(),
            capacity: it.capacity,
            labels: BTreeSet::new(),
            state: HostState::Active,
            session: Session { boot: 0, number: 0 },
            confirmed_lost: None,
        };
        let entropy = self.random.bits();
        let settings = Settings {
            host: it.name.clone(),
            record,
            boot: it.boot,
            entropy,
        };
        let names = |deployment: &usize| self.deployments[*deployment].name.clone();
        let kept = Kept {
            session: it.run.session,
            units: it
                .units
                .iter()
                .map(|(deployment, unit)| (names(deployment), unit.grant))
                .collect(),
        };
        let local_us = it.clock.at(self.now_us);
        let subject = Subject::new(settings, kept, local_us, self.mutant);
        self.note(|| format!("host {host}: cpe starts"));
        let it = &mut self.hosts[host];
        it.life += 1;
        it.claims.clear();
        it.cpe = Some(Box::new(subject));
        self.act(host);
    }

    pub(crate) fn tick(&mut self, host: usize, planned_us: u64) {
        if self.hosts[host].tick_us == planned_us {
            self.hosts[host].tick_us = u64::MAX;
            let life = self.hosts[host].life;
            self.reaches_host(host, life, Input::Tick);
        }
    }

    pub(crate) fn reaches_host(&mut self, host: usize, life: u64, input: Input) {
        let it = &mut self.hosts[host];
        if let Input::Answer(id, _) = &input {
            it.owed_us = None;
            it.claims.remove(id);
        }
        let local_us = it.clock.at(self.now_us);
        if let Some(cpe) = it.cpe.as_mut().filter(|_| it.life == life) {
            cpe.handle(local_us, input);
            self.act(host);
        }
    }

    /// Does what a host's machine wants.
    fn act(&mut self, host: usize) {
        let Some(cpe) = &mut self.hosts[host].cpe else {
            return;
        };
        for effect in cpe.take_effects() {
            self.carry_out(host, effect);
        }
        let it = &mut self.hosts[host];
        let deadline = it.cpe.as_ref().and_then(|cpe| cpe.deadline());
        if let Some(deadline_us) = deadline {
            let at_us = it.clock.when(deadline_us).max(self.now_us + 1);
            if at_us < it.tick_us {
                it.tick_us = at_us;
                self.queue.push(at_us, SimEvent::Tick(host, at_us));
            }
        }
    }

    fn carry_out(&mut self, host: usize, effect: Effect) {
        match effect {
            Effect::Send(id, request) => self.request(host, id, request),
            Effect::Keep(session) => {
                self.hosts[host].run.session = Some(session);
                // What was claimed in a former one holds no more.
                self.hosts[host].claims.clear();
            }
            Effect::Publish(permit) => self.publish(host, permit),
            Effect::Start(name, grant) => {
                let deployment = self.names[&name];
                self.note(|| format!("host {host}: start {name} under {}", grant.revision));
                if self.hosts[host].units.contains_key(&deployment) {
                    let text = format!("host {host} starts {name}, whose unit is there");
                    self.violation(text);
                }
                let unit = Unit {
                    grant,
                    dpe: None,
                    stops: false,
                    restarts: 0,
                };
                let it = &mut self.hosts[host];
                it.units.insert(deployment, unit);
                let each_us = self.random.between(34, 56) * MS;
                it.starts_free_us = it.starts_free_us.max(self.now_us) + each_us;
                let event = SimEvent::UnitStarts(host, it.boot, deployment, grant);
                self.queue.push(it.starts_free_us, event);
            }
            Effect::Stop(name, revision) => {
                self.note(|| format!("host {host}: stop {name} under {revision}"));
                self.check_stop(host, &name);
                let deployment = self.names[&name];
                let boot = self.hosts[host].boot;
                if let Some(unit) = self.hosts[host].units.get_mut(&deployment) {
                    unit.stops = true;
                }
                let takes_ms = match self.random.index(12) {
                    0 => self.random.between(400, 8_000),
                    _ => self.random.between(10, 400),
                };
                let event = SimEvent::UnitEnds(host, boot, deployment, revision);
                self.queue.push(self.now_us + takes_ms * MS, event);
            }
            Effect::Answer(id, answer) => self.change_answered(id, answer),
            Effect::Ordered(order, outcome) => self.order_answered(host, &order, outcome),
        }
    }

    fn publish(&mut self, host: usize, permit: ownership::Permit) {
        let it = &mut self.hosts[host];
        let left_us = permit.until_us as i64 - it.clock.at(self.now_us) as i64;
        it.run.wall_until_us = self.now_us as i64 + it.wall_us + left_us;
        it.run.permit = Some(permit);
        self.check_permit(host);
    }

    pub(crate) fn unit_starts(&mut self, host: usize, boot: u64, deployment: usize, grant: Grant) {
        let it = &self.hosts[host];
        let unit = it
            .units
            .get(&deployment)
            .filter(|_| it.up && it.boot == boot);
        if unit.is_some_and(|unit| unit.grant == grant && !unit.stops && unit.dpe.is_none()) {
            self.dpe_starts(host, boot, deployment, grant.revision);
        }
    }

    /// A DPE's process starts, the first time or again.
    pub(crate) fn dpe_starts(&mut self, host: usize, boot: u64, deployment: usize, revision: u64) {
        let it = &mut self.hosts[host];
        if !it.up || it.boot != boot {
            return;
        }
        let Some(unit) = it.units.get_mut(&deployment).filter(|unit| !unit.stops) else {
            return;
        };
        if unit.grant.revision != revision || unit.dpe.is_some() {
            return;
        }
        let (grant, restart) = (unit.grant, unit.restarts);
        unit.restarts += 1;
        let wall_s = (self.now_us as i64 + it.wall_us) / SECOND as i64;
        let epoch = if self.mutant == Some(Mutant::WallEpoch) {
            Some((1_795_000_000 + wall_s) as u64)
        } else {
            grant.epoch(restart)
        };
        let Some(epoch) = epoch else {
            return;
        };
        let number = self.dpes.len();
        unit.dpe = Some(number);
        let contact = |guest: &usize| Contact {
            guest: *guest,
            stream: 0,
            open: false,
            hello_us: 0,
            heard_us: None,
            runs: false,
            asked_us: None,
        };
        let contacts = self.deployments[deployment].guests.iter().map(contact);
        self.dpes.push(Dpe {
            deployment,
            host,
            grant,
            epoch,
            alive: true,
            started_us: it.clock.at(self.now_us),
            contacts: contacts.collect(),
        });
        self.check_start(number);
        self.deployments[deployment].dpes.push(number);
        if !self.deployments[deployment].guests.is_empty() {
            self.round(number);
        }
    }

    pub(crate) fn dpe_dies(&mut self, dpe: Option<usize>) {
        if let Some(dpe) = dpe {
            self.dpes[dpe].alive = false;
            let deployment = self.dpes[dpe].deployment;
            self.deployments[deployment].dpes.retain(|it| *it != dpe);
        }
    }

    pub(crate) fn unit_ends(&mut self, host: usize, boot: u64, deployment: usize, revision: u64) {
        let it = &mut self.hosts[host];
        if !it.up || it.boot != boot {
            return;
        }
        let is_same = |unit: &Unit| unit.grant.revision == revision;
        if it.units.get(&deployment).is_some_and(is_same) {
            let unit = it.units.remove(&deployment);
            self.dpe_dies(unit.and_then(|unit| unit.dpe));
        }
        let name = self.deployments[deployment].name.clone();
        let life = self.hosts[host].life;
        let input = Box::new(Input::DpeEnded(name, revision));
        self.queue
            .push(self.now_us, SimEvent::ToHost(host, life, input));
    }
}
