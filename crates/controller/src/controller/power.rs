//! Switching the power of assemblies by an administrator's word, and on again after a fencing.
//!
//! ```text
//!  Fence off, reboot ──▶ marked ──▶ the policy demands it ──▶ fencing ──▶ safe
//!                                                                 │ reboot, with a device
//!  Fence on ──────────────────────────▶ to be on ◀────────────────┘
//!                                          │ asked at once, or 60 s later, then again and again
//!                                          ▼
//!                                  its agent answers: over
//! ```
//!
//! To switch on is safe at any time: a guest that has just been booted runs nothing of ours.

use deployment::DeviceUse;

use super::Controller;
use crate::machines::assembly::{Assembly, Life};
use crate::vocabulary::{
    AssemblyId, Effect, FenceDevice, Fencing, PowerOn, PowerOrder, Refusal, Time,
};

impl Controller {
    /// An administrator has an assembly's power switched.
    pub(crate) fn switch_power(
        &mut self,
        now: Time,
        name: &AssemblyId,
        order: PowerOrder,
        by: &str,
    ) -> Result<(), Refusal> {
        self.known_assembly(name)?;
        self.may_switch(name, order)?;
        if order == PowerOrder::On {
            self.store.assembly_mut(name).power_on = true;
            if let Some(assembly) = self.assemblies.get_mut(name) {
                assembly.power_mut().begin(now.boottime_us, true);
            }
            return Ok(());
        }
        let off = order == PowerOrder::Off;
        let facts = self.store.assembly_mut(name);
        (facts.stays_off, facts.power_on) = (off, false);
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return Ok(());
        };
        if assembly.is_safe() {
            return Ok(());
        }
        let reason = match off {
            true => format!("it is to be switched off{by}"),
            false => format!("it is to be restarted{by}"),
        };
        match assembly.fence_mut() {
            Some(fence) => {
                fence.take_order(off);
                // Whoever asks does not want to wait for the next attempt.
                fence.end_pause(now.boottime_us);
            }
            None => self.store.assembly_mut(name).restart = Some(reason),
        }
        self.world_changed(&format!("assembly {name} is to be fenced{by}"));
        Ok(())
    }

    /// Whether there is something that can do that, and nothing against it.
    fn may_switch(&self, name: &AssemblyId, order: PowerOrder) -> Result<(), Refusal> {
        let Some(assembly) = self.assemblies.get(name) else {
            return Err(self.no_assembly(name));
        };
        let means = self.means(name).0;
        let has_device = means.switches_power();
        let word = means.word();
        let refuse = |why: String| Err(Refusal::Refused(why));
        let not_yet = |why: String| Err(Refusal::NotReady(why));
        if !has_device && (order != PowerOrder::Reboot || means == Fencing::None) {
            return refuse(format!(
                "assembly \"{name}\" has fencing mode {word}, which has no device that could do that: \
                 switch the guest yourself, or give it a device in <fencing>"
            ));
        }
        if self.store.assembly(name).occupant.is_some() {
            return refuse(format!(
                "the guest of assembly \"{name}\" belongs to somebody else: it is left alone"
            ));
        }
        if self.in_maintenance(name) {
            return refuse(format!(
                "assembly \"{name}\" is in maintenance, in which nothing is fenced: end that first"
            ));
        }
        match (order, assembly.life()) {
            (PowerOrder::On, Life::Safe) => Ok(()),
            (PowerOrder::On, Life::Online | Life::Missed) => {
                refuse(format!("assembly \"{name}\" answers, so its power is on"))
            }
            (PowerOrder::On, Life::Lost | Life::Unknown { .. }) => not_yet(format!(
                "assembly \"{name}\" is not known to be down: wait until it is made safe, or have it restarted (--reboot)"
            )),
            (_, Life::Unknown { .. }) => not_yet(format!(
                "assembly \"{name}\" may still appear: wait for it, or until it counts as lost"
            )),
            (PowerOrder::Reboot, Life::Safe) => refuse(format!(
                "assembly \"{name}\" is safe already: nothing of ours runs there; --on switches it on"
            )),
            _ => Ok(()),
        }
    }

    /// Its fencing by a device has succeeded: it is to be on again, if it was to be restarted.
    pub(crate) fn switch_on_again(&mut self, now: Time, name: &AssemblyId) {
        self.store.assembly_mut(name).power_on = true;
        if let Some(assembly) = self.assemblies.get_mut(name) {
            assembly.power_mut().begin(now.boottime_us, false);
        }
    }

    /// Its agent is back, or nobody wants it to be on any more.
    pub(crate) fn power_settled(&mut self, name: &AssemblyId) {
        if self.store.assembly(name).power_on {
            self.store.assembly_mut(name).power_on = false;
        }
        if let Some(assembly) = self.assemblies.get_mut(name) {
            assembly.power_mut().end();
        }
    }

    /// It is off as far as is known, and is to be on.
    fn wants_power(&self, name: &AssemblyId, assembly: &Assembly) -> bool {
        // Mostly it is not.
        if !assembly.is_safe() {
            return false;
        }
        let facts = self.store.assemblies().get(name);
        let wanted = facts.is_some_and(|facts| facts.power_on && facts.retired.is_none());
        let ready = !self.phase.is_over() && self.document.is_in_force();
        ready && wanted && !assembly.contact().is_up() && !self.in_maintenance(name)
    }

    /// Boot time at which a device is asked to switch an assembly on, µs.
    pub(crate) fn power_deadline(&self, name: &AssemblyId) -> Option<u64> {
        self.power_deadline_of(name, self.assemblies.get(name)?)
    }

    /// As [`Controller::power_deadline`], of the assembly of that name.
    pub(crate) fn power_deadline_of(&self, name: &AssemblyId, assembly: &Assembly) -> Option<u64> {
        let next_us = assembly.power().next_us();
        next_us.filter(|_| self.wants_power(name, assembly))
    }

    /// Asks the devices of assemblies that are to be on.
    pub(crate) fn age_power(&mut self, now: Time) {
        let wanting: Vec<AssemblyId> = self
            .assemblies
            .iter()
            .filter(|(name, assembly)| self.wants_power(name, assembly))
            .map(|(name, _)| name.clone())
            .collect();
        for name in wanting {
            let Some(assembly) = self.assemblies.get_mut(&name) else {
                continue;
            };
            let fencing = assembly.spec().fencing.clone();
            let timeout_ms = assembly.spec().fencing_timeout_ms;
            let power = assembly.power_mut();
            if power.next_us().is_none() {
                // The DPE was restarted meanwhile.
                power.begin(now.boottime_us, false);
            }
            if !power.is_due(now.boottime_us) {
                continue;
            }
            let devices = match fencing {
                Fencing::Device(device) => vec![device],
                Fencing::Devices(levels) => powers(levels),
                Fencing::Lease | Fencing::Manager | Fencing::None => {
                    self.power_settled(&name);
                    continue;
                }
            };
            self.effects.push(Effect::PowerOn(PowerOn {
                assembly: name,
                devices,
                timeout_ms,
            }));
        }
    }
}

/// What switches power, of each level. Devices that unfence are asked when the guest has booted.
fn powers(levels: Vec<Vec<DeviceUse>>) -> Vec<FenceDevice> {
    let powers = levels.into_iter().map(|mut level| {
        level.retain(|used| !used.device.unfences);
        level
    });
    let powers = powers.filter(|level| !level.is_empty());
    powers.map(FenceDevice::Level).collect()
}
