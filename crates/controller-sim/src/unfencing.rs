//! Letting guests in again, by the device that provides unfencing, and how that goes wrong.

use controller::{AssemblyId, Effect, Input, Operation, Task, UnfenceRequest};
use sim_kit::{MS, SECOND};

use crate::equipment::FABRIC;
use crate::gate::LettingIn;
use crate::queue::SimEvent;
use crate::world::World;

/// The end of a DPE ends what it had run within this time, µs. The controller counts on five
/// seconds.
const ORPHANS_END_US: u64 = 3 * SECOND;

impl World {
    /// Devices are asked to let a guest in: mostly they do.
    pub(crate) fn unfencing_asked(&mut self, request: UnfenceRequest) {
        let UnfenceRequest {
            assembly,
            attempt,
            timeout_ms,
            ..
        } = request;
        let start = self.shell.start;
        let Some(guest) = self.place_of(&assembly) else {
            let why = Err("no machine has that port".to_owned());
            self.after(200 * MS, SimEvent::LettingInEnds(start, attempt, why));
            return;
        };
        if self.gate.is_about_to_cut(guest, self.now_us) && !self.checker.state_lost {
            let name = self.guests[guest].name.clone();
            self.violated(format!("{name} is let in while a device makes it safe"));
        }
        let boot = self.guests[guest].boot;
        if self.guests[guest].cut_in == Some(boot) && !self.checker.state_lost {
            let name = self.guests[guest].name.clone();
            self.violated(format!(
                "{name} is let in in the boot in which it was cut off"
            ));
        }
        let own = LettingIn {
            assembly,
            guest,
            boot,
        };
        self.gate.letting_in.insert((start, attempt), own);
        let longest = if self.random.percent(20) {
            12 * SECOND
        } else {
            2 * SECOND
        };
        let delay = match self.letting_in_takes_us {
            0 => self.random.between(100 * MS, longest),
            given => given,
        };
        let bad = self.devices_bad_until_us > self.now_us;
        let broken = match (
            self.is_broken(FABRIC),
            self.gate.is_broken(guest, self.now_us),
        ) {
            (true, _) => Some(format!("{FABRIC} is broken")),
            (_, true) => Some("its port is broken".to_owned()),
            _ => None,
        };
        let result = match (broken, bad && self.random.percent(50)) {
            (Some(why), _) => Err(why),
            // It hangs: what it was asked for may come at the very end.
            (_, true) => {
                let limit = u64::from(timeout_ms) * MS;
                self.after(limit - MS, SimEvent::LetsIn(start, attempt));
                let late = Err("not done in time".to_owned());
                self.after(limit, SimEvent::LettingInEnds(start, attempt, late));
                return;
            }
            _ => Ok(()),
        };
        if result.is_ok() {
            self.after(delay, SimEvent::LetsIn(start, attempt));
        }
        let ends = SimEvent::LettingInEnds(start, attempt, result);
        self.after(delay + 50 * MS, ends);
    }

    /// What lets a guest in is to be ended: it is killed, which takes a moment.
    pub(crate) fn unfencing_is_ended(&mut self, attempt: u64) {
        let (start, delay) = (self.shell.start, self.random.between(MS, 500 * MS));
        let why = Err("it was ended".to_owned());
        self.after(delay, SimEvent::LettingInEnds(start, attempt, why));
    }

    /// The DPE is gone, and with it, in a moment, what it had run.
    pub(crate) fn orphans_end(&mut self) {
        for (start, attempt) in self.gate.letting_in.keys().copied().collect::<Vec<_>>() {
            let delay = self.random.between(MS, ORPHANS_END_US);
            let why = Err("its DPE is gone".to_owned());
            self.after(delay, SimEvent::LettingInEnds(start, attempt, why));
        }
    }

    /// A device lets a guest in, if nobody has ended that.
    pub(crate) fn lets_in(&mut self, start: u64, attempt: u64) {
        let Some(own) = self.gate.letting_in.get(&(start, attempt)).cloned() else {
            return;
        };
        let guest = &mut self.guests[own.guest];
        if guest.up && guest.boot == own.boot {
            guest.let_in = true;
            self.say(|| format!("node {}: let in", own.guest));
        }
    }

    /// Nothing of an attempt is left.
    pub(crate) fn letting_in_ends(&mut self, start: u64, attempt: u64, result: Result<(), String>) {
        let Some(own) = self.gate.letting_in.remove(&(start, attempt)) else {
            return;
        };
        if self.shell.start != start || self.shell.controller.is_none() {
            return;
        }
        let assembly = own.assembly;
        // A DPE that is stopped hears of it later.
        self.after(
            0,
            SimEvent::LettingInEnded(start, assembly, attempt, result),
        );
    }

    pub(crate) fn letting_in_ended(
        &mut self,
        start: u64,
        assembly: AssemblyId,
        attempt: u64,
        result: Result<(), String>,
    ) {
        if self.shell.start == start {
            self.input(Input::UnfencingResult {
                assembly,
                attempt,
                result,
            });
        }
    }

    /// A guest is about to be made safe by devices, in that time: nothing may let it in any more.
    pub(crate) fn check_cut(&mut self, guest: usize, within_us: u64) {
        self.gate.cuts_at_us.insert(guest, self.now_us + within_us);
        if self.gate.may_let_in(guest) && !self.checker.state_lost {
            let name = self.guests[guest].name.clone();
            self.violated(format!("{name} is made safe while it may be let in"));
        }
    }

    /// A device is asked to cut a guest off. What has done something for us in this boot may have
    /// more of that under way.
    pub(crate) fn cut_is_asked(&mut self, guest: usize, within_us: u64) {
        self.check_cut(guest, within_us);
        self.cut_off(guest);
        let own = &mut self.guests[guest];
        if own.up && !own.agent.records.is_empty() {
            own.cut_in = Some(own.boot);
        }
    }

    /// A guest is cut off and runs on.
    pub(crate) fn cut_off(&mut self, guest: usize) {
        self.say(|| format!("node {guest}: cut off"));
        self.guests[guest].let_in = false;
    }

    /// What is started has been let in, if that assembly is to be, by the document on which it was
    /// decided.
    pub(crate) fn check_let_in(&mut self, assembly: &AssemblyId, operation: &Operation) {
        let starts = matches!(operation.action, Task::Start | Task::MigrateFrom);
        // The text is long.
        let is_to_be = starts
            && self.decided_on.contains("value=\"unfencing\"")
            && self.decided_on.contains(&format!("{assembly}:"));
        let Some(guest) = self.connected_to(assembly).filter(|_| is_to_be) else {
            return;
        };
        // What is sent to a boot that is over goes nowhere.
        let arrives = self.is_connected(guest);
        let own = &self.guests[guest];
        // What a snapshot brings back was let in before.
        if arrives && !own.let_in && !self.checker.given_up.contains(&guest) {
            let text = format!(
                "{} is started in {}, which nobody has let in since it has booted",
                operation.resource, own.name
            );
            self.violated(text);
        }
    }

    /// An attempt that waits for the disk is not begun any more: its end was asked for.
    pub(crate) fn withdraw_unfencing(&mut self, attempt: u64) -> bool {
        let is_it = |(_, effect): &(u64, Effect)| matches!(effect, Effect::Unfence(request) if request.attempt == attempt);
        let Some(at) = self.shell.held.iter().position(is_it) else {
            return false;
        };
        if let Some((_, Effect::Unfence(request))) = self.shell.held.remove(at) {
            let why = Err("it was ended before it began".to_owned());
            let (start, assembly) = (self.shell.start, request.assembly);
            self.after(0, SimEvent::LettingInEnded(start, assembly, attempt, why));
        }
        true
    }
}
