//! Fence devices that say what is not so. What they never do: say that an attempt has switched a
//! guest off which it has not. That is what is assumed of them (`docs/safety.md`, A3).

use controller::AssemblyId;
use sim_kit::{MS, Random, SECOND};

use crate::faults::Fault;
use crate::queue::SimEvent;
use crate::world::World;

impl World {
    /// Makes up times in which devices lie, with guests that are then fenced. From chances of its
    /// own, so that other seeds keep theirs.
    pub(crate) fn plan_lies(&mut self, mut random: Random) {
        for _ in 0..random.between(1, 3) {
            let at_us = random.between(2 * SECOND, self.faults_until_us);
            let for_us = random.between(10 * SECOND, 60 * SECOND);
            let guest = random.index(self.guests.len());
            self.at(at_us, SimEvent::Fault(Fault::LieDevices(for_us)));
            self.at(at_us, SimEvent::Fault(Fault::Cut(guest, for_us)));
        }
    }

    pub(crate) fn devices_lie(&self) -> bool {
        self.devices_lie_until_us > self.now_us
    }

    /// A device is asked to switch a guest off.
    pub(crate) fn device_lies(&mut self, guest: usize, assembly: AssemblyId, attempt: u64) {
        let acts_us = self.switching_takes();
        self.check_cut(guest, acts_us);
        self.after(acts_us, SimEvent::DeviceActs(guest));
        let (says_us, result) = match self.says_so_after_us {
            // It has done it, and does not know.
            0 if self.random.percent(50) => (50 * MS, Err("it does not answer".to_owned())),
            // By then other attempts may have been made, and the guest may have come back, and may
            // be lost once more.
            0 => (self.random.between(20 * SECOND, 400 * SECOND), Ok(())),
            given => (given, Ok(())),
        };
        let answer = SimEvent::DeviceAnswers(self.shell.start, assembly, attempt, result);
        self.after(acts_us + says_us, answer);
    }
}
