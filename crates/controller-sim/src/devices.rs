//! What fencing devices of `<configuration>` do, and how they break.

use controller::{DeviceCheck, DeviceUse, FenceRequest, Input, PowerOrder, Request};
use sim_kit::{MS, Random, SECOND};

use crate::equipment::{DEVICES, FABRIC};
use crate::faults::Fault;
use crate::queue::SimEvent;
use crate::world::World;

impl World {
    /// Makes up times in which devices are broken. From chances of its own, so that other seeds
    /// keep theirs.
    pub(crate) fn plan_device_faults(&mut self, mut random: Random) {
        for _ in 0..random.between(1, 4) {
            let at_us = random.between(2 * SECOND, self.faults_until_us);
            let device = random.index(DEVICES.len());
            let for_us = random.between(SECOND, 60 * SECOND);
            self.at(at_us, SimEvent::Fault(Fault::BreakDevice(device, for_us)));
        }
        if self.scenario.fabric {
            for _ in 0..3 {
                let at_us = random.between(SECOND, self.faults_until_us);
                let for_us = random.between(SECOND, 40 * SECOND);
                self.at(
                    at_us,
                    SimEvent::Fault(Fault::BreakDevice(DEVICES.len(), for_us)),
                );
            }
            for _ in 0..2 {
                let at_us = random.between(0, self.faults_until_us);
                let for_us = random.between(10 * SECOND, 120 * SECOND);
                let guest = random.index(self.guests.len());
                self.at(at_us, SimEvent::Fault(Fault::BreakPort(guest, for_us)));
            }
        }
        if random.percent(50) {
            let at_us = random.between(2 * SECOND, self.faults_until_us);
            self.at(at_us, SimEvent::Fault(Fault::BreakDevice(0, 60 * SECOND)));
            self.at(at_us, SimEvent::Fault(Fault::DieBetweenLevels));
        }
    }

    /// Makes up times at which administrators switch the power of assemblies. From chances of its
    /// own, too.
    pub(crate) fn plan_power_orders(&mut self, mut random: Random) {
        for _ in 0..random.between(1, 4) {
            let at_us = random.between(2 * SECOND, self.faults_until_us);
            let index = random.index(self.scenario.assemblies.len());
            let assembly = self.scenario.assemblies[index].name.as_str().into();
            let order = match random.index(5) {
                0 => PowerOrder::Off,
                1 => PowerOrder::On,
                _ => PowerOrder::Reboot,
            };
            let request = Request::Fence { assembly, order };
            self.at(at_us, SimEvent::Fault(Fault::Request(request)));
        }
    }

    /// A device is broken for a time, or a port of the one that lets guests in.
    pub(crate) fn break_device(&mut self, fault: &Fault) {
        match *fault {
            Fault::BreakDevice(device, for_us) => {
                self.devices_broken_until_us[device] = self.now_us + for_us;
            }
            Fault::BreakPort(guest, for_us) => {
                let until_us = self.now_us + for_us;
                self.gate.broken_until_us.insert(guest, until_us);
            }
            _ => {}
        }
    }

    pub(crate) fn is_broken(&self, id: &str) -> bool {
        let mut all = DEVICES.into_iter().chain([FABRIC]);
        let index = all.position(|known| known == id);
        index.is_some_and(|index| self.devices_broken_until_us[index] > self.now_us)
    }

    /// A level of devices is asked: one after the other, until one fails.
    pub(crate) fn level_asked(&mut self, request: &FenceRequest, devices: &[DeviceUse]) {
        let guest = self.wiring.switched_by(&request.device);
        let switches = !devices.iter().any(|used| used.device.unfences);
        if let Some(guest) = guest.filter(|_| switches && self.devices_lie()) {
            return self.device_lies(guest, request.assembly.clone(), request.attempt);
        }
        let silent = self.devices_bad_until_us > self.now_us && self.random.percent(30);
        let broken = devices.iter().find(|used| self.is_broken(&used.device.id));
        let broken = broken.map(|used| used.device.id.clone());
        let delay = self.random.between(200 * MS, 4 * SECOND);
        let fabric = devices.iter().any(|used| used.device.unfences);
        // One that fails comes after those that have done their work.
        let is_first = |id: &String| *id == devices[0].device.id;
        let in_part = fabric && broken.as_ref().is_some_and(|id| !is_first(id));
        if let Some(guest) = guest.filter(|_| in_part) {
            self.cut_is_asked(guest, delay);
        }
        let result = match (&broken, guest) {
            (Some(id), _) => Err(format!("{id} is broken")),
            (None, None) => Err("no machine has that port".to_owned()),
            // A guest with two supplies of power is off when both are.
            (None, Some(guest)) => {
                match fabric {
                    true => self.cut_is_asked(guest, delay),
                    false => self.check_cut(guest, delay),
                }
                let event = match devices.iter().all(|used| used.device.unfences) {
                    true => SimEvent::DeviceCuts(guest),
                    false => SimEvent::DeviceActs(guest),
                };
                self.after(delay, event);
                Ok(())
            }
        };
        if !silent {
            let (start, assembly) = (self.shell.start, request.assembly.clone());
            let answer = SimEvent::DeviceAnswers(start, assembly, request.attempt, result);
            self.after(delay + 50 * MS, answer);
        }
    }

    /// A level has failed: the DPE dies before the next one, if that is to be.
    pub(crate) fn level_failed(&mut self) {
        if std::mem::take(&mut self.dies_between_levels) {
            self.say(|| "  the DPE dies between two levels".to_owned());
            self.shell.dies_after = Some(self.random.between(0, 3));
        }
    }

    /// A device is asked whether it is well.
    pub(crate) fn device_checked(&mut self, check: DeviceCheck) {
        let bad = self.devices_bad_until_us > self.now_us;
        let delay = self.random.between(20 * MS, 800 * MS);
        if bad && self.random.percent(20) {
            return;
        }
        let result = match self.is_broken(&check.device.id) {
            true => Err("the simulated device is broken".to_owned()),
            false => Ok(()),
        };
        let start = self.shell.start;
        self.after(delay, SimEvent::DeviceTells(start, check.question, result));
    }

    pub(crate) fn device_tells(&mut self, start: u64, question: u64, result: Result<(), String>) {
        if self.shell.start == start {
            self.input(Input::DeviceChecked { question, result });
        }
    }
}
