//! DPEs and agents speak with each other.

use sim_kit::{MS, SECOND};

use crate::guest::{Guest, ToAgent, ToDpe};
use crate::mutants::Mutant;
use crate::world::{SimEvent, World};

/// A start, or a Hello, that is not answered for so long is given up, with its stream.
const UNANSWERED_US: u64 = 2 * SECOND;

/// How often an agent without a lease looks whether it has one. No service runs then.
const LOOK_US: u64 = SECOND / 2;

impl World {
    /// What a DPE reads immediately before everything that it sends.
    pub(crate) fn may_act(&self, dpe: usize) -> bool {
        let it = &self.dpes[dpe];
        let host = &self.hosts[it.host];
        if !it.alive || !host.up {
            return false;
        }
        let Some(permit) = host.run.permit else {
            return false;
        };
        let is_mine = permit.session == it.grant.session || self.mutant == Some(Mutant::AnySession);
        let is_over = match self.mutant {
            Some(Mutant::NoPermitCheck) => return true,
            Some(Mutant::WallClock) => self.now_us as i64 + host.wall_us >= host.run.wall_until_us,
            _ => host.clock.at(self.now_us) >= permit.until_us,
        };
        is_mine && !is_over
    }

    fn local_us(&self, dpe: usize) -> u64 {
        self.hosts[self.dpes[dpe].host].clock.at(self.now_us)
    }

    /// A DPE looks at what is to be done.
    pub(crate) fn round(&mut self, dpe: usize) {
        if !self.dpes[dpe].alive {
            return;
        }
        self.queue.push(self.now_us + SECOND, SimEvent::Round(dpe));
        self.exit_with_the_session(dpe);
        if !self.may_act(dpe) {
            return;
        }
        let local_us = self.local_us(dpe);
        for index in 0..self.dpes[dpe].contacts.len() {
            let contact = &mut self.dpes[dpe].contacts[index];
            let is_stuck = contact
                .asked_us
                .is_some_and(|at_us| local_us > at_us + UNANSWERED_US);
            let waits = local_us < contact.hello_us + UNANSWERED_US && !contact.open;
            if (!contact.is_heard(local_us) || is_stuck) && !waits {
                contact.stream += 1;
                (contact.open, contact.hello_us) = (false, local_us);
                self.say(dpe, index, ToAgent::Hello);
            }
        }
        self.decide(dpe);
    }

    /// A DPE whose host has another session ends.
    fn exit_with_the_session(&mut self, dpe: usize) {
        let it = &self.dpes[dpe];
        let (host, deployment, revision) = (it.host, it.deployment, it.grant.revision);
        let permit = self.hosts[host].run.permit;
        let is_other = permit.is_some_and(|permit| permit.session != it.grant.session);
        if is_other && self.mutant != Some(Mutant::AnySession) {
            let boot = self.hosts[host].boot;
            self.unit_ends(host, boot, deployment, revision);
        }
    }

    /// Starts the service where it may be started.
    fn decide(&mut self, dpe: usize) {
        let local_us = self.local_us(dpe);
        let lease_us = self.scenario.lease_us;
        if let Some(index) = self.dpes[dpe].choice(local_us, lease_us)
            && self.may_act(dpe)
        {
            let contact = &mut self.dpes[dpe].contacts[index];
            (contact.runs, contact.asked_us) = (true, Some(local_us));
            self.say(dpe, index, ToAgent::Start);
        }
    }

    /// How long something takes between a host and a guest; `None`: it does not arrive.
    fn guest_way(&mut self, host: usize, guest: usize, bit: u8) -> Option<u64> {
        let cut = self.guest_cut.get(&(host, guest)).copied().unwrap_or(0);
        if cut & bit != 0 {
            return None;
        }
        let slow_us = self.hosts[host].slow_us;
        let more_us = match self.random.index(20) {
            0 => self.random.between(0, 1_500) * MS,
            _ => 0,
        };
        Some(self.random.between(200, 2_000) + self.random.between(0, slow_us) + more_us)
    }

    /// The permit was looked at.
    fn say(&mut self, dpe: usize, index: usize, message: ToAgent) {
        let (host, contact) = (self.dpes[dpe].host, &self.dpes[dpe].contacts[index]);
        let (guest, stream) = (contact.guest, contact.stream);
        if let Some(way_us) = self.guest_way(host, guest, 1) {
            let event = SimEvent::ToAgent(dpe, stream, guest, message);
            self.queue.push(self.now_us + way_us, event);
        }
    }

    fn reply(&mut self, dpe: usize, stream: u32, guest: usize, message: ToDpe) {
        let host = self.dpes[dpe].host;
        if let Some(way_us) = self.guest_way(host, guest, 2) {
            let event = SimEvent::ToDpe(dpe, stream, guest, message);
            self.queue.push(self.now_us + way_us, event);
        }
    }

    pub(crate) fn reaches_agent(
        &mut self,
        dpe: usize,
        stream: u32,
        guest: usize,
        message: &ToAgent,
    ) {
        let (now_us, epoch) = (self.now_us, self.dpes[dpe].epoch);
        let it = &mut self.guests[guest];
        let local_us = it.clock.at(now_us);
        match message {
            ToAgent::Hello => {
                if !it.hello(local_us, dpe, stream, epoch) {
                    return;
                }
                let runs = it.running;
                self.reply(dpe, stream, guest, ToDpe::Welcome(runs));
                // So that its lease is renewed at once.
                self.reply(dpe, stream, guest, ToDpe::Heartbeat(local_us));
            }
            ToAgent::Renew(stamp_us) => {
                if it.obeys(dpe, stream, epoch) {
                    it.renew(*stamp_us);
                }
            }
            ToAgent::Start => {
                if !it.obeys(dpe, stream, epoch) {
                    return;
                }
                let may = local_us < it.end_us && !it.stopping;
                if may && !it.running {
                    it.running = true;
                    let deployment = it.deployment;
                    self.note(|| format!("guest {guest} of {deployment} runs the service"));
                    self.check_service(guest);
                }
                self.reply(dpe, stream, guest, ToDpe::Started(may));
            }
        }
    }

    pub(crate) fn reaches_dpe(&mut self, dpe: usize, stream: u32, guest: usize, message: &ToDpe) {
        let it = &self.dpes[dpe];
        let found = it.contacts.iter().position(|it| it.guest == guest);
        let Some(index) = found.filter(|index| it.alive && it.contacts[*index].stream == stream)
        else {
            return;
        };
        let local_us = self.local_us(dpe);
        let contact = &mut self.dpes[dpe].contacts[index];
        match message {
            ToDpe::Welcome(runs) => {
                (contact.open, contact.runs) = (true, *runs);
                (contact.heard_us, contact.asked_us) = (Some(local_us), None);
            }
            ToDpe::Heartbeat(stamp_us) if contact.open => {
                contact.heard_us = Some(local_us);
                if self.may_act(dpe) {
                    self.say(dpe, index, ToAgent::Renew(*stamp_us));
                }
                return;
            }
            ToDpe::Heartbeat(_) => return,
            ToDpe::Started(runs) => {
                (contact.runs, contact.asked_us) = (*runs, None);
            }
        }
        if self.may_act(dpe) {
            self.decide(dpe);
        }
    }

    pub(crate) fn heartbeat(&mut self, guest: usize) {
        self.queue
            .push(self.now_us + SECOND, SimEvent::Heartbeat(guest));
        let it = &self.guests[guest];
        if let Some((dpe, stream)) = it.master {
            let stamp_us = it.clock.at(self.now_us);
            self.reply(dpe, stream, guest, ToDpe::Heartbeat(stamp_us));
        }
    }

    pub(crate) fn lease_check(&mut self, guest: usize) {
        let it = &mut self.guests[guest];
        let is_over = it.clock.at(self.now_us) >= it.end_us;
        let next_us = if is_over {
            self.now_us + LOOK_US
        } else {
            it.clock.when(it.end_us).max(self.now_us + 1)
        };
        self.queue.push(next_us, SimEvent::LeaseCheck(guest));
        if is_over && it.running && !it.stopping {
            it.stopping = true;
            let takes_us = self.random.between(0, crate::dpe::GRACE_US);
            // By the guest's clock.
            let it = &self.guests[guest];
            let at_us = it.clock.when(it.clock.at(self.now_us) + takes_us);
            self.queue.push(at_us, SimEvent::ServiceStops(guest));
            self.check_lease(guest);
        }
    }

    pub(crate) fn service_stops(&mut self, guest: usize) {
        let it: &mut Guest = &mut self.guests[guest];
        (it.running, it.stopping) = (false, false);
        let master = it.master;
        self.note(|| format!("guest {guest} has stopped its service"));
        if let Some((dpe, stream)) = master {
            self.reply(dpe, stream, guest, ToDpe::Started(false));
        }
    }
}
