//! What goes wrong.

use controller::Request;

use crate::world::{Happening, MS, SECOND, World};

/// Something that goes wrong, or that people do at a bad time.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The DPE is killed.
    KillDpe,
    /// The DPE dies after so many more effects.
    DieAtEffect(u64),
    /// The DPE does not run for a while, and does not know (SIGSTOP, a suspended or overloaded
    /// host).
    StopDpe(u64),
    /// A guest loses power, and comes back.
    PowerCut(usize),
    /// A guest stands still (not under lease, which cannot cover that), with or without its clock.
    Pause(usize, u64, bool),
    /// An agent is killed.
    KillAgent(usize),
    /// An agent hangs.
    HangAgent(usize, u64),
    /// Nothing passes between the DPE and a guest; it arrives later.
    Stall(usize, u64),
    /// Streams to a guest end, and cannot be made anew for a while.
    Cut(usize, u64),
    /// A link is slow.
    Slow(usize, u64, u64),
    /// The processes of a service die.
    KillService(usize, usize),
    /// Operations fail, hang and are slow.
    BadOperations(usize, u64),
    /// Services do not let themselves be stopped.
    RefuseStop(usize, u64),
    /// Fence devices fail or are silent.
    BadDevices(u64),
    /// The event log is away.
    LogAway(u64),
    /// The DPE's disk is slow.
    SlowDisk(u64),
    /// The document is changed.
    Modify,
    /// A clean-up, a change of the document and, perhaps, the death of the DPE at the same time.
    Muddle(bool),
    /// The deployment is ended, after stopping the services or not.
    End(bool),
    /// Administration.
    Wish(Request),
}

impl World {
    /// Makes up faults: some, within two minutes.
    pub fn plan_faults(&mut self) {
        let until_us = self.random.between(60, 120) * SECOND;
        self.faults_until_us = until_us;
        for _ in 0..self.random.between(3, 14) {
            let at_us = self.random.between(2 * SECOND, until_us);
            let fault = self.some_fault();
            self.at(at_us, Happening::Fault(fault.clone()));
            // Trouble seldom comes alone.
            if self.random.percent(25) {
                let other = self.some_fault();
                let later = self.random.between(0, 3 * SECOND);
                self.at((at_us + later).min(until_us), Happening::Fault(other));
            }
        }
        if self.random.percent(12) {
            let (at_us, stop) = (
                self.random.between(SECOND, until_us),
                self.random.percent(70),
            );
            self.at(at_us, Happening::Fault(Fault::End(stop)));
        }
    }

    /// Makes up times in which the DPE does not run and does not know.
    pub fn plan_stops(&mut self) {
        for _ in 0..self.random.between(1, 3) {
            let at_us = self.random.between(2 * SECOND, self.faults_until_us);
            let for_us = self.random.between(500 * MS, 60 * SECOND);
            self.at(at_us, Happening::Fault(Fault::StopDpe(for_us)));
        }
    }

    fn some_fault(&mut self) -> Fault {
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
            15 => Fault::BadOperations(guest, long),
            16 => Fault::RefuseStop(guest, long),
            17 => Fault::BadDevices(long),
            18 if on => Fault::LogAway(long),
            18 => Fault::SlowDisk(long),
            19..=21 => Fault::Modify,
            22 => Fault::Muddle(on),
            _ => self.some_wish(),
        }
    }

    fn some_wish(&mut self) -> Fault {
        let guest = self.random.index(self.guests.len());
        let assembly = self.guests[guest].name.clone();
        let on = self.random.percent(60);
        Fault::Wish(match self.random.index(4) {
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

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.say(|| format!("FAULT {fault:?}"));
        let until = |for_us: u64| self.now_us + for_us;
        match fault {
            Fault::KillDpe => {
                let back = self.random.between(100 * MS, 12 * SECOND);
                self.kill_dpe(back);
            }
            Fault::DieAtEffect(effects) => self.shell.dies_after = Some(effects),
            Fault::StopDpe(for_us) => self.stop_dpe(for_us),
            Fault::PowerCut(guest) => self.power_cycle(guest),
            Fault::Pause(guest, for_us, clock_goes_on) => self.pause(guest, for_us, clock_goes_on),
            Fault::KillAgent(guest) => self.agent_dies(guest),
            Fault::HangAgent(guest, for_us) => self.agent_hangs(guest, for_us),
            Fault::Stall(guest, for_us) => self.links[guest].stalled_until_us = until(for_us),
            Fault::Cut(guest, for_us) => {
                self.links[guest].cut_until_us = until(for_us);
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
                    self.after(delay, Happening::Closed(id));
                }
            }
            Fault::Slow(guest, for_us, slow_us) => {
                self.links[guest].slow_us = slow_us;
                if slow_us > 0 {
                    self.after(for_us, Happening::Fault(Fault::Slow(guest, 0, 0)));
                }
            }
            Fault::KillService(guest, service) => {
                let name = self.scenario.services[service].name.clone();
                if self.guests[guest].process_ends(&name) {
                    self.vanished(guest, &name);
                }
            }
            Fault::BadOperations(guest, for_us) => {
                self.guests[guest].bad_operations_until_us = until(for_us)
            }
            Fault::RefuseStop(guest, for_us) => {
                self.guests[guest].refuses_stop_until_us = until(for_us)
            }
            Fault::BadDevices(for_us) => self.devices_bad_until_us = until(for_us),
            Fault::LogAway(for_us) => self.log_away_until_us = until(for_us),
            Fault::SlowDisk(for_us) => self.shell.slow_disk_until_us = until(for_us),
            Fault::Modify => {
                self.scenario.change(&mut self.random);
                let request = self.load_request();
                self.wish(request);
            }
            Fault::Muddle(dies) => {
                self.wish(Request::Cleanup {
                    service: None,
                    assembly: None,
                });
                self.fault(Fault::Modify);
                self.shell.dies_after = dies.then(|| self.random.between(1, 12));
            }
            Fault::End(stop) => {
                self.scenario.ending = Some(stop);
                self.wish(Request::Unload {
                    stop_services: stop,
                });
            }
            Fault::Wish(request) => self.wish(request),
        }
    }

    /// Everything that is broken is repaired, and people undo what they did.
    pub(crate) fn peace(&mut self) {
        self.say(|| "PEACE".into());
        self.peaceful = true;
        for link in &mut self.links {
            *link = Default::default();
        }
        for guest in &mut self.guests {
            guest.bad_operations_until_us = 0;
            guest.refuses_stop_until_us = 0;
        }
        (self.devices_bad_until_us, self.log_away_until_us) = (0, 0);
        self.shell.slow_disk_until_us = 0;
        self.shell.dies_after = None;
        for guest in 0..self.guests.len() {
            self.resume_guest(guest);
            let assembly = self.guests[guest].name.clone();
            self.wish(Request::Standby {
                assembly: assembly.clone(),
                on: false,
            });
            self.wish(Request::Maintenance {
                assembly: Some(assembly),
                on: false,
            });
        }
        self.wish(Request::Maintenance {
            assembly: None,
            on: false,
        });
        let request = match self.scenario.ending {
            Some(stop_services) => Request::Unload { stop_services },
            None => self.load_request(),
        };
        self.wish(request);
    }
}
