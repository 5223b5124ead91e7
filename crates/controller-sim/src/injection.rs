//! Faults: how they are made up, and what they do to the world.

use std::collections::BTreeSet;

use controller::{AssemblyId, Request};
use sim_kit::{MS, SECOND};

use crate::faults::Fault;
use crate::queue::SimEvent;
use crate::scenario::service_of;
use crate::world::World;

impl World {
    /// Makes up faults: some, within two minutes.
    pub fn plan_faults(&mut self) {
        let until_us = self.random.between(60, 120) * SECOND;
        self.faults_until_us = until_us;
        for _ in 0..self.random.between(3, 14) {
            let at_us = self.random.between(2 * SECOND, until_us);
            let fault = self.some_fault();
            self.at(at_us, SimEvent::Fault(fault.clone()));
            // Trouble seldom comes alone.
            if self.random.percent(25) {
                let other = self.some_fault();
                let later = self.random.between(0, 3 * SECOND);
                self.at((at_us + later).min(until_us), SimEvent::Fault(other));
            }
        }
        self.plan_ticket_orders(until_us);
        self.plan_service_orders(until_us);
        if self.random.percent(12) {
            let (at_us, stop) = (
                self.random.between(SECOND, until_us),
                self.random.percent(70),
            );
            self.at(at_us, SimEvent::Fault(Fault::End(stop)));
        }
    }

    /// Makes up times in which the DPE does not run and does not know.
    pub fn plan_stops(&mut self) {
        for _ in 0..self.random.between(1, 3) {
            let at_us = self.random.between(2 * SECOND, self.faults_until_us);
            let for_us = self.random.between(500 * MS, 60 * SECOND);
            self.at(at_us, SimEvent::Fault(Fault::StopDpe(for_us)));
        }
    }

    pub(crate) fn some_fault(&mut self) -> Fault {
        let guest = self.random.index(self.guests.len());
        let service = self.random.index(self.scenario.services.len());
        let long = self.random.between(500 * MS, 40 * SECOND);
        let on = self.random.percent(50);
        match self.random.index(25) {
            0 | 1 => Fault::KillDpe,
            2 | 3 => Fault::DieAtEffect(self.random.between(1, 60)),
            4 | 5 => Fault::PowerCut(guest),
            6 if self.may_pause(guest) => Fault::Pause(guest, long, on),
            6 | 7 => Fault::HangAgent(guest, long),
            8 => Fault::KillAgent(guest),
            9 | 10 => Fault::Stall(guest, long),
            11 | 12 => Fault::Cut(guest, long),
            13 => Fault::Slow(guest, long, self.random.between(10 * MS, 3 * SECOND)),
            14 => Fault::KillService(guest, service),
            15 if long.is_multiple_of(4) => Fault::ProgramsAway(guest, long),
            15 => Fault::BadOperations(guest, long),
            16 => Fault::RefuseStop(guest, long),
            17 => Fault::BadDevices(long),
            18 if on => Fault::LogAway(long),
            18 => Fault::SlowDisk(long),
            19..=21 => Fault::Modify,
            22 => Fault::Muddle(on),
            _ => self.some_request(),
        }
    }

    fn some_request(&mut self) -> Fault {
        let index = self.random.index(self.scenario.assemblies.len());
        let assembly = AssemblyId::from(self.scenario.assemblies[index].name.as_str());
        let on = self.random.percent(60);
        Fault::Request(match self.random.index(4) {
            0 => Request::Standby { assembly, on },
            1 => Request::Maintenance {
                assembly: self.random.percent(50).then_some(assembly),
                on,
            },
            _ => Request::Cleanup {
                service: None,
                assembly: self.random.percent(50).then_some(assembly),
            },
        })
    }

    /// Something goes wrong now.
    pub fn inject(&mut self, fault: Fault) {
        self.say(|| format!("FAULT {fault:?}"));
        if let Some(kind) = fault.kind() {
            *self.injected.entry(kind).or_default() += 1;
        }
        let until = |for_us: u64| self.now_us + for_us;
        match fault {
            Fault::KillDpe => {
                let back = self.random.between(100 * MS, 12 * SECOND);
                self.kill_dpe(back);
            }
            Fault::DieAtEffect(effects) => self.shell.dies_after = Some(effects),
            Fault::StopDpe(for_us) => self.stop_dpe(for_us),
            Fault::PowerCut(guest) => self.power_cycle(guest),
            Fault::Pause(guest, ..) if !self.may_pause(guest) => {}
            Fault::Pause(guest, for_us, clock_goes_on) => self.pause(guest, for_us, clock_goes_on),
            Fault::KillAgent(guest) => self.agent_dies(guest),
            Fault::HangAgent(guest, for_us) => self.agent_hangs(guest, for_us),
            Fault::Stall(guest, for_us) => self.links[guest].stall(until(for_us)),
            Fault::Cut(guest, for_us) => self.cut(guest, for_us),
            Fault::Slow(guest, for_us, slow_us) => self.slow_down(guest, for_us, slow_us),
            Fault::KillService(guest, service) => {
                let name = &self.scenario.services[service].name;
                let mut running = self.guests[guest].running.iter();
                let instance = running.find(|own| service_of(own) == name);
                let name = instance.unwrap_or(name).clone();
                if self.guests[guest].process_ends(&name) {
                    self.vanished(guest, &name);
                }
            }
            Fault::BadOperations(guest, for_us) => {
                self.guests[guest].bad_operations_until_us = until(for_us)
            }
            Fault::ProgramsAway(guest, for_us) => {
                self.guests[guest].programs_away_until_us = until(for_us)
            }
            Fault::RefuseStop(guest, for_us) => {
                self.guests[guest].refuses_stop_until_us = until(for_us)
            }
            Fault::BadDevices(for_us) => self.devices_bad_until_us = until(for_us),
            own @ (Fault::BreakDevice(..) | Fault::BreakPort(..)) => self.break_device(&own),
            Fault::DieBetweenLevels => self.dies_between_levels = true,
            Fault::LogAway(for_us) => self.log_away_until_us = until(for_us),
            Fault::SlowDisk(for_us) => self.shell.slow_disk_until_us = until(for_us),
            Fault::Modify => {
                self.scenario.change(&mut self.random);
                let request = self.load_request();
                self.request(request);
            }
            Fault::Muddle(dies) => {
                self.request(Request::Cleanup {
                    service: None,
                    assembly: None,
                });
                self.inject(Fault::Modify);
                self.shell.dies_after = dies.then(|| self.random.between(1, 12));
            }
            Fault::End(stop) => {
                self.scenario.ending = Some(stop);
                self.request(Request::Unload {
                    stop_services: stop,
                });
            }
            Fault::Request(request) => self.request(request),
            Fault::Debug(task, service, guest) => self.debug(task, service, guest),
            Fault::Readdress(guest, address) => self.guests[guest].address = address,
            Fault::Ask(guest, question) => self.ask_in(guest, question),
            fault => self.inject_in_world(fault),
        }
    }

    /// Messages to a guest take longer for a while.
    fn slow_down(&mut self, guest: usize, for_us: u64, slow_us: u64) {
        self.links[guest].slow_us = slow_us;
        if slow_us > 0 {
            self.after(for_us, SimEvent::Fault(Fault::Slow(guest, 0, 0)));
        }
    }

    /// Streams to a guest end, at once or a little later, and no new ones are made for a while.
    pub(crate) fn cut(&mut self, guest: usize, for_us: u64) {
        self.links[guest].cut_until_us = self.now_us + for_us;
        let ids: Vec<u64> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.open && stream.guest == guest)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let drains = self.random.percent(50);
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.drains = drains;
            }
            let delay = self.random.between(0, SECOND);
            self.after(delay, SimEvent::Closed(id));
        }
    }

    /// Everything that is broken is repaired, and people undo what they did.
    pub(crate) fn peace(&mut self) {
        let document = self.scenario.document();
        self.say(|| format!("PEACE with\n{document}"));
        self.peaceful = true;
        for link in &mut self.links {
            *link = Default::default();
        }
        for guest in &mut self.guests {
            guest.bad_operations_until_us = 0;
            guest.programs_away_until_us = 0;
            guest.refuses_stop_until_us = 0;
        }
        (self.devices_bad_until_us, self.log_away_until_us) = (0, 0);
        self.devices_lie_until_us = 0;
        (self.devices_broken_until_us, self.dies_between_levels) = Default::default();
        self.gate.broken_until_us.clear();
        self.shell.slow_disk_until_us = 0;
        self.shell.dies_after = None;
        for guest in 0..self.guests.len() {
            self.resume_guest(guest);
        }
        self.repair_world();
        let named = self.scenario.assemblies.iter();
        let mut names: BTreeSet<AssemblyId> = named
            .map(|own| AssemblyId::from(own.name.as_str()))
            .collect();
        // Those that the document does not name any more are in the status.
        if let Some(controller) = &self.shell.controller {
            let known = controller.status(self.time()).assemblies;
            names.extend(known.iter().map(|own| AssemblyId::from(own.name.as_str())));
        }
        for assembly in names {
            self.request(Request::Standby {
                assembly: assembly.clone(),
                on: false,
            });
            self.request(Request::Maintenance {
                assembly: Some(assembly),
                on: false,
            });
        }
        self.request(Request::Maintenance {
            assembly: None,
            on: false,
        });
        let request = match self.scenario.ending {
            Some(stop_services) => Request::Unload { stop_services },
            None => self.load_request(),
        };
        self.request(request);
        if self.scenario.rich {
            self.scenario.ticket = self.random.percent(50);
        }
        self.settle_ticket(0);
        self.settle_orders(0);
    }
}
