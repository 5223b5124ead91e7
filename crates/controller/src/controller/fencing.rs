//! Making an assembly safe, by the mode that its document says.
//!
//! ```text
//!                 lease ────▶ waiting until lease + grace + drift + reset are over ──┐
//!  demanded ──┬── unit, agent ─▶ requested ──▶ result ───────────────────────────────┼──▶ safe
//!             │   devices           ▲  failed, no answer: the next level; pause      │
//!             └── manager ────▶ waiting for ConfirmFenced ───────────────────────────┘
//!                 none: safe at once if lost; cannot be done if it is online
//! ```
//!
//! Before devices are asked, what lets the assembly in is ended (`unfencing.rs`). Where they have
//! only cut its guest off, the same wait as in mode `lease` follows (`cut_off.rs`).
//!
//! Fencing belongs to the assembly, not to the transition that demanded it: when the world changes
//! meanwhile, the next graph demands the same, and finds it under way.

use cpe_status::{AssemblyState, FencingResult};
use deployment::{DeviceUse, only_cuts_off};

use super::Controller;
use super::liveness::safe_after;
use crate::machines::assembly::fence::{Fence, Phase, Success};
use crate::machines::assembly::{Assembly, Life};
use crate::machines::facts::{AssemblyFacts, Departure, LastEvent};
use crate::machines::fencings::FencingFacts;
use crate::vocabulary::{
    AssemblyId, Effect, EventDraft, EventKind, FenceDevice, FenceRequest, Fencing, MS, Refusal,
    SECOND, Time,
};

/// What an attempt with devices may take beside what the devices take. Milliseconds.
const BESIDE_DEVICES_MS: u32 = 5_000;
/// Units that are remembered of an assembly: documents that change them often are mistaken.
const MOST_UNITS: usize = 8;

impl Controller {
    /// Makes an assembly safe. `true`: it is.
    pub(crate) fn fence(
        &mut self,
        now: Time,
        name: &AssemblyId,
        reboot: bool,
        reason: &str,
        delay_ms: u32,
    ) -> bool {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return true;
        };
        if assembly.is_safe() {
            return true;
        }
        if assembly.fence().is_none() {
            assembly.demand_fence(reboot, reason, delay_ms);
            if self.store.assembly(name).last_event != LastEvent::Fencing {
                self.store.assembly_mut(name).last_event = LastEvent::Fencing;
                let attempt = self.name_fencing(name);
                let mode = self
                    .assemblies
                    .get(name)
                    .map_or("", |assembly| assembly.spec().fencing.word());
                self.tell(
                    now,
                    EventDraft::new(EventKind::AssemblyFencingRequested)
                        .assembly(name)
                        .reason(reason)
                        .detail("mode", mode)
                        .detail("attempt", &attempt),
                );
            }
            self.attempt(now, name);
        }
        self.assemblies
            .get(name)
            .is_some_and(|assembly| assembly.is_safe())
    }

    /// The name of the loss, or of the restart, for which an assembly is made safe: given once, and
    /// kept until it is safe or its agent is back.
    pub(crate) fn name_fencing(&mut self, name: &AssemblyId) -> String {
        let facts = self.store.assembly(name);
        if !facts.fencing_attempt.is_empty() {
            return facts.fencing_attempt;
        }
        let number = self.effects.number_fence_attempt();
        let attempt = format!("{}-{number}", self.store.epoch());
        self.store.assembly_mut(name).fencing_attempt = attempt.clone();
        attempt
    }

    /// Begins an attempt.
    pub(crate) fn attempt(&mut self, now: Time, name: &AssemblyId) {
        let facts = self.store.assembly(name);
        let lease_over_us = self.lease_over_us(name, &facts);
        let (means, timeout_ms) = self.means(name);
        if let Some(why) = self.needs_a_person(name) {
            self.note_attempt(now, name, &Fencing::Manager, &facts);
            self.wait_for_manager(now, name, why, timeout_ms);
            return;
        }
        if self.awaits_unfencing(now, name, &means) {
            return;
        }
        self.note_attempt(now, name, &means, &facts);
        if matches!(means, Fencing::Device(_) | Fencing::Devices(_)) {
            self.store.assembly_mut(name).unfenced = None;
        }
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let Some(fence) = assembly.fence_mut() else {
            return;
        };
        match &means {
            Fencing::Lease => {
                fence.wait_for_lease(lease_over_us);
                self.have_restarted(name);
                self.age_fence(now, name);
            }
            Fencing::Device(device) => {
                let attempt = self.effects.number_fence_attempt();
                let until_us = now.boottime_us + u64::from(timeout_ms) * MS;
                fence.request(attempt, until_us);
                let request = FenceRequest {
                    assembly: name.clone(),
                    attempt,
                    device: device.clone(),
                    unit_seen: is_unit_of(&facts, device),
                    reboot: fence.reboot(),
                    timeout_ms,
                    delay_ms: 0,
                };
                self.effects.push(Effect::Fence(request));
            }
            Fencing::Devices(levels) => self.ask_level(now, name, levels),
            Fencing::Manager => {
                fence.wait_for_manager(now.boottime_us, u64::from(timeout_ms) * MS);
            }
            Fencing::None if fence.lost() => {
                self.made_safe(
                    now,
                    name,
                    "a lost heartbeat counts as down (fencing mode none, which is unsafe)",
                );
            }
            Fencing::None => self.attempt_failed(
                now,
                name,
                "fencing mode none cannot restart an assembly that is online",
            ),
        }
    }

    /// Why only the word of a person makes an assembly safe although its mode is another.
    ///
    /// What is in doubt and has no address may have been some guest, or none. Nobody can be asked
    /// there to whom that guest belongs, and nobody has answered before: to switch it off on the
    /// word of the document alone may hit another deployment's.
    pub(crate) fn needs_a_person(&self, name: &AssemblyId) -> Option<&'static str> {
        let facts = self.store.assembly(name);
        let nowhere = self.assemblies.get(name)?.spec().address.is_none();
        match self.means(name).0 {
            Fencing::Lease if facts.in_doubt => Some(
                "services may run there that neither this DPE nor its agent knows of, so waiting does not make it safe",
            ),
            means @ Fencing::Devices(_)
                if (facts.in_doubt || facts.unleased) && means.has_only_lease() =>
            {
                Some(
                    "its devices only cut it off, and services may run on there without a lease, so waiting does not make it safe",
                )
            }
            Fencing::Lease if facts.unleased => {
                Some("its agent may run services without a lease, so waiting does not make it safe")
            }
            Fencing::Device(_) | Fencing::Devices(_)
                if facts.in_doubt && nowhere && facts.machine_id.is_empty() =>
            {
                Some(
                    "services may run there that this DPE does not know of, but it has no address, so nobody can be asked to whom that guest belongs before it is switched off",
                )
            }
            _ => None,
        }
    }

    fn wait_for_manager(&mut self, now: Time, name: &AssemblyId, why: &str, within_ms: u32) {
        let fence = self.assemblies.get_mut(name);
        if let Some(fence) = fence.and_then(|own| own.fence_mut()) {
            fence.wait_for_manager(now.boottime_us, u64::from(within_ms) * MS);
        }
        let reason =
            format!("{why}: when it is down, say so with ConfirmFenced (cpectl confirm-fenced)");
        self.tell(
            now,
            EventDraft::new(EventKind::AssemblyFencingFailed)
                .assembly(name)
                .reason(&reason),
        );
    }

    /// Notes for the status that an attempt begins.
    fn note_attempt(
        &mut self,
        now: Time,
        name: &AssemblyId,
        means: &Fencing,
        facts: &AssemblyFacts,
    ) {
        let Some(fence) = self.fence_of(name) else {
            return;
        };
        let device = match means {
            Fencing::Lease => "lease".to_owned(),
            Fencing::Device(FenceDevice::Unit { unit }) => format!("unit {unit}"),
            Fencing::Device(FenceDevice::Agent { agent, .. }) => format!("agent {agent}"),
            Fencing::Devices(levels) => {
                let level = fence.level();
                let used = levels.get(level).or(levels.first()).into_iter().flatten();
                let ids: Vec<&str> = used.map(|used| used.device.id.as_str()).collect();
                let (ids, level, count) = (ids.join(", "), level + 1, levels.len());
                format!("devices {ids} (level {level} of {count})")
            }
            Fencing::Device(FenceDevice::Level(_)) => "devices".to_owned(),
            Fencing::Manager => "confirmation".to_owned(),
            Fencing::None => "none".to_owned(),
        };
        let attempt = &facts.fencing_attempt;
        let facts = FencingFacts::new(name, attempt, fence.reason(), device, now.wall_us);
        // That of a DPE that was killed.
        self.note_end(now, name, FencingResult::GivenUp, "it is begun again");
        self.store.fencing_begins(facts);
    }

    /// Notes how the attempt that is under way has ended.
    pub(crate) fn note_end(
        &mut self,
        now: Time,
        name: &AssemblyId,
        result: FencingResult,
        detail: &str,
    ) {
        self.store.end_fencings(now.wall_us, |_, facts| {
            let is_it = name == facts.assembly() && !facts.unfences();
            is_it.then(|| (result, detail.to_owned()))
        });
    }

    /// Ends attempts in the status of which nothing is left: the assembly needs none any more, or
    /// the DPE that made them was restarted, and the assembly is known again.
    pub(crate) fn end_idle_attempts(&mut self, now: Time) {
        let assemblies = &self.assemblies;
        let is_under_way = |record| {
            let mut all = assemblies.values();
            all.any(|own| own.unfencing().has_record(record))
        };
        self.store.end_fencings(now.wall_us, |record, facts| {
            let why = match assemblies.get(facts.assembly()) {
                // Perhaps under another name than it was begun with.
                _ if is_under_way(record) => return None,
                None => "the assembly is not there any more",
                Some(own) if facts.unfences() => match own.unfencing().until_us() {
                    Some(_) => return None,
                    None => "it was ended",
                },
                Some(assembly) if assembly.fence().is_some() => return None,
                Some(assembly) => match assembly.life() {
                    Life::Unknown { .. } => return None,
                    Life::Online | Life::Missed => "its agent is back",
                    Life::Lost => "it is begun again",
                    Life::Safe => "there was no need any more",
                },
            };
            Some((FencingResult::GivenUp, why.to_owned()))
        });
    }

    /// Asks the agent of an assembly that is made safe by the end of its lease to end that now, and
    /// to reset its guest. Nothing relies on it: without a lease renewed it ends anyway. One that
    /// was lost and is back is not asked, since what it is fenced for is over then; but one that
    /// may be cut off is, also while its next attempt is waited for: it has to boot.
    pub(crate) fn have_restarted(&mut self, name: &AssemblyId) {
        let Some(assembly) = self.assemblies.get(name) else {
            return;
        };
        let Some(fence) = assembly.course().fence() else {
            return;
        };
        if !fence.is_to_end() || !assembly.contact().is_up() {
            return;
        }
        let booted = assembly.hello().boot_id != self.store.assembly(name).boot_id;
        if fence.may_be_cut_off() && booted {
            // It has booted while its devices were at work: it says so once more.
            self.reconnect(name);
        } else {
            self.effects.push(Effect::Restart {
                assembly: name.clone(),
                reason: fence.reason().to_owned(),
            });
        }
    }

    /// A unit was active while the agent of an assembly answered.
    pub(crate) fn unit_seen(&mut self, name: &AssemblyId, unit: String) {
        let has = |facts: &AssemblyFacts| facts.units_seen.contains(&unit);
        if !self.assemblies.contains_key(name) || has(&self.store.assembly(name)) {
            return;
        }
        let seen = &mut self.store.assembly_mut(name).units_seen;
        if seen.len() >= MOST_UNITS {
            seen.clear();
        }
        seen.insert(unit);
    }

    /// Asks the devices of the level whose turn it is.
    fn ask_level(&mut self, now: Time, name: &AssemblyId, levels: &[Vec<DeviceUse>]) {
        let attempt = self.effects.number_fence_attempt();
        let ran = !self.store.assembly(name).boot_id.is_empty();
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let Some(fence) = assembly.fence_mut() else {
            return;
        };
        // The document may have fewer levels than when the last one was tried.
        let Some(devices) = levels.get(fence.level()).or(levels.first()) else {
            return;
        };
        let (reboot, delay_ms) = (fence.reboot(), fence.take_delay_ms());
        let within = devices.iter().map(|used| used.within_ms(reboot));
        let timeout_ms = within.fold(delay_ms, u32::saturating_add);
        let timeout_ms = timeout_ms.saturating_add(BESIDE_DEVICES_MS);
        let until_us = now.boottime_us + u64::from(timeout_ms) * MS;
        if devices.iter().any(|used| used.device.unfences) {
            fence.request_cut(attempt, until_us, only_cuts_off(devices), ran);
            assembly.unfencing_mut().device_begins(attempt, until_us);
            self.note_cut(name);
        } else {
            fence.request(attempt, until_us);
        }
        self.effects.push(Effect::Fence(FenceRequest {
            assembly: name.clone(),
            attempt,
            device: FenceDevice::Level(devices.clone()),
            unit_seen: false,
            reboot,
            timeout_ms,
            delay_ms,
        }));
    }

    /// By what an assembly is made safe, and how long that may take, ms: by what its guest was
    /// accepted with, until it is heard again.
    pub(crate) fn means(&self, name: &AssemblyId) -> (Fencing, u32) {
        let facts = self.store.assemblies().get(name);
        let accepted = facts.and_then(|facts| facts.accepted.as_ref());
        let own = self.assemblies.get(name).map(Assembly::spec);
        accepted.or(own).map_or_else(Default::default, |spec| {
            (spec.fencing.clone(), spec.fencing_timeout_ms)
        })
    }

    /// Boot time after which an assembly under lease is safe, µs.
    pub(crate) fn lease_over_us(&self, name: &AssemblyId, facts: &AssemblyFacts) -> u64 {
        let lease_until_us = self
            .assemblies
            .get(name)
            .map_or(0, |assembly| assembly.lease().until_us());
        safe_after(lease_until_us, facts.lease_ms, facts.grace_ms)
    }

    /// What is under way to make an assembly safe.
    pub(crate) fn fence_of(&self, name: &AssemblyId) -> Option<&Fence> {
        self.assemblies.get(name)?.fence()
    }

    /// Boot time at which fencing goes on by itself.
    pub(crate) fn fence_deadline(&self, name: &AssemblyId) -> Option<u64> {
        self.fence_of(name)?.deadline_us()
    }

    pub(crate) fn age_fence(&mut self, now: Time, name: &AssemblyId) {
        if self
            .fence_deadline(name)
            .is_none_or(|deadline| deadline > now.boottime_us)
        {
            return;
        }
        let Some(assembly) = self.assemblies.get(name) else {
            return;
        };
        let Some(fence) = assembly.fence() else {
            return;
        };
        match fence.phase() {
            // It may have been told meanwhile that it needs none.
            Phase::Lease { .. } if self.store.assembly(name).unleased => self.attempt(now, name),
            Phase::Lease { .. } => {
                self.made_safe(now, name, "its lease and everything after it are over")
            }
            Phase::Requested { .. } => {
                self.attempt_failed(now, name, "there was no result in time");
            }
            Phase::Pause { .. } | Phase::Unfencing { .. } => self.attempt(now, name),
            Phase::Manager { .. } => self.remind(now, name),
        }
    }

    /// Reminds whoever is to switch an assembly off that nobody has said that it is down.
    fn remind(&mut self, now: Time, name: &AssemblyId) {
        let attempt = self.store.assembly(name).fencing_attempt;
        let mode = self.means(name).0.word();
        let Some(fence) = self.assemblies.get_mut(name).and_then(Assembly::fence_mut) else {
            return;
        };
        let (number, waited_us) = fence.remind(now.boottime_us);
        let waited_s = waited_us / SECOND;
        let reason = format!(
            "nobody has confirmed within {waited_s} s that it is down: {}",
            fence.reason()
        );
        self.tell(
            now,
            EventDraft::new(EventKind::AssemblyFencingRequested)
                .assembly(name)
                .reason(reason)
                .detail("mode", mode)
                .detail("attempt", &attempt)
                .detail("reminder", number)
                .detail("waited_s", waited_s),
        );
    }

    /// The shell's answer. A late success of an earlier attempt may count, too: see
    /// [`Fence::success_of`].
    pub(crate) fn fencing_result(
        &mut self,
        now: Time,
        name: &AssemblyId,
        attempt: u64,
        result: Result<(), String>,
    ) {
        // It may have another name since.
        for assembly in self.assemblies.values_mut() {
            let own = assembly.unfencing_mut();
            own.device_ended(attempt, now.boottime_us, result.is_ok());
        }
        let Some(fence) = self.fence_of(name) else {
            return;
        };
        match (result, fence.success_of(attempt)) {
            (Ok(()), Success::Nothing) => {}
            (Ok(()), Success::CutOff) => self.cut_off(now, name),
            (Ok(()), Success::Safe) => {
                let again = fence.reboot() && !self.store.assembly(name).stays_off;
                self.made_safe(now, name, "its fencing succeeded");
                if again {
                    self.switch_on_again(now, name);
                }
            }
            (Err(reason), _) if fence.awaits(attempt) => self.attempt_failed(now, name, &reason),
            (Err(_), _) => {}
        }
    }

    pub(crate) fn attempt_failed(&mut self, now: Time, name: &AssemblyId, reason: &str) {
        self.note_end(now, name, FencingResult::Failed, reason);
        let levels = match self.means(name).0 {
            Fencing::Devices(levels) => levels.len(),
            _ => 1,
        };
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let is_up = assembly.contact().is_up();
        let Some(fence) = assembly.fence_mut() else {
            return;
        };
        let (level, is_back) = (fence.level(), fence.lost() && is_up);
        // Whoever may be cut off has to boot.
        let is_back = is_back && !fence.may_be_cut_off();
        if level + 1 < levels && !is_back {
            fence.step_down(now.boottime_us);
            self.tell(
                now,
                EventDraft::new(EventKind::AssemblyFencingFailed)
                    .assembly(name)
                    .reason(reason)
                    .detail("level", level + 1)
                    .detail("next_level", level + 2),
            );
            self.attempt(now, name);
            return;
        }
        let pause_us = fence.fail(now.boottime_us);
        let attempts = fence.failed().to_string();
        // Its agent is back, and the device did nothing: it is as it was.
        if is_back {
            assembly.give_fence_up();
            self.tell(
                now,
                EventDraft::new(EventKind::AssemblyFencingFailed)
                    .assembly(name)
                    .state(AssemblyState::Online.as_str())
                    .reason(reason)
                    .detail("attempts", &attempts),
            );
            self.reconnect(name);
            self.world_changed(&format!("assembly {name} came back"));
            return;
        }
        let pause = (pause_us / SECOND).to_string();
        self.tell(
            now,
            EventDraft::new(EventKind::AssemblyFencingFailed)
                .assembly(name)
                .reason(reason)
                .detail("attempts", &attempts)
                .detail("next_attempt_after_s", &pause),
        );
        self.have_restarted(name);
    }

    /// Nothing of ours runs there any more.
    pub(crate) fn made_safe(&mut self, now: Time, name: &AssemblyId, reason: &str) {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        assembly.made_safe();
        self.note_end(now, name, FencingResult::Succeeded, reason);
        self.nothing_is_there(now, name, "was fenced");
        self.tell(
            now,
            EventDraft::new(EventKind::AssemblyFencingSucceeded)
                .assembly(name)
                .reason(reason),
        );
        self.go_on_without(name, "was fenced");
    }

    /// Notes that nothing of ours is in an assembly's guest; `how` that came about.
    pub(crate) fn nothing_is_there(&mut self, now: Time, name: &AssemblyId, how: &str) {
        self.services_gone(now, name, how);
        self.forget_life(name);
        let facts = self.store.assembly_mut(name);
        facts.safe = true;
        facts.departure = Departure::None;
        facts.last_event = LastEvent::Safe;
        facts.unleased = false;
        facts.in_doubt = false;
        facts.unseen.clear();
        facts.lease_ms = 0;
        facts.fencing_attempt.clear();
        facts.accepted = None;
    }

    /// Goes on without an assembly that has become safe; `how` it did.
    pub(crate) fn go_on_without(&mut self, name: &AssemblyId, how: &str) {
        self.actions_lost(name, &format!("its assembly {how}"));
        // Whatever comes back is asked for everything again.
        self.reconnect(name);
        self.connect_waiting();
        // A transition that waited for this goes on as it was planned.
        if !self.fencing_ended(name, true) {
            self.world_changed(&format!("assembly {name} is safe"));
        }
    }

    /// Lets go of the fencing of an assembly that cannot be fenced and answers (mode `none`): a
    /// person has cleaned up, so what failed there is looked at again.
    pub(crate) fn give_fencing_up(&mut self, now: Time, name: &AssemblyId) {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let hopeless = assembly.spec().fencing == Fencing::None
            && assembly.contact().is_up()
            && assembly.fence().is_some_and(|fence| !fence.lost());
        if !hopeless {
            return;
        }
        assembly.give_fence_up();
        let facts = self.store.assembly_mut(name);
        (facts.last_event, facts.restart) = (LastEvent::Online, None);
        facts.fencing_attempt.clear();
        let reason = "its failures were cleaned up";
        self.tell(
            now,
            EventDraft::new(EventKind::AssemblyRecovered)
                .assembly(name)
                .reason(reason),
        );
        self.fencing_ended(name, false);
    }

    /// ConfirmFenced: a person vouches for it. A confirmation that comes late vouches for an
    /// earlier loss: what has run there since is not known to be down.
    pub(crate) fn confirm_fenced(
        &mut self,
        now: Time,
        name: &AssemblyId,
        attempt: &str,
        by: &str,
    ) -> Result<(), Refusal> {
        let current = self.store.assembly(name).fencing_attempt;
        let Some(assembly) = self.assemblies.get(name) else {
            return Err(self.no_assembly(name));
        };
        if !assembly.is_safe() && !current.is_empty() && current != attempt {
            return Err(Refusal::InvalidArgument(format!(
                "attempt \"{attempt}\" is not the present one: assembly \"{name}\" is being made safe as attempt \"{current}\"; \
                 make sure that it is down now, then confirm that one"
            )));
        }
        match assembly.life() {
            Life::Safe => Ok(()),
            Life::Lost => {
                self.made_safe(now, name, &format!("confirmed from outside{by}"));
                Ok(())
            }
            Life::Online | Life::Missed
                if assembly.fence().is_some() && !assembly.contact().is_up() =>
            {
                self.made_safe(now, name, &format!("confirmed from outside{by}"));
                Ok(())
            }
            Life::Unknown { .. } => Err(Refusal::NotReady(format!(
                "assembly \"{name}\" may still appear: confirm once it counts as lost, or wait for it"
            ))),
            // Final: an order with an id that was refused is not looked at again.
            Life::Online if assembly.contact().is_up() => Err(Refusal::Refused(format!(
                "assembly \"{name}\" answers, so it is not down: confirm only what is known to be down"
            ))),
            Life::Online | Life::Missed => Err(Refusal::NotReady(format!(
                "assembly \"{name}\" does not answer and may be lost soon: confirm then"
            ))),
        }
    }

    /// What a device does, in a word, for people.
    pub(crate) fn fence_phase_text(&self, fence: &Fence, device: &Fencing, now: Time) -> String {
        let left_s = |until_us: u64| until_us.saturating_sub(now.boottime_us).div_ceil(SECOND);
        match (fence.phase(), device) {
            (Phase::Lease { until_us }, _) => {
                format!("waiting {} s for the end of its lease", left_s(until_us))
            }
            (Phase::Requested { .. }, Fencing::Device(FenceDevice::Unit { unit })) => {
                format!("restarting {unit}")
            }
            (Phase::Requested { .. }, Fencing::Device(FenceDevice::Agent { agent, .. })) => {
                format!("running {agent}")
            }
            (Phase::Requested { .. }, Fencing::Devices(levels)) => {
                let level = levels.get(fence.level()).or(levels.first());
                let devices = level.into_iter().flatten();
                let ids: Vec<&str> = devices.map(|used| used.device.id.as_str()).collect();
                format!(
                    "level {} of {}: running {}",
                    fence.level() + 1,
                    levels.len(),
                    ids.join(", ")
                )
            }
            (Phase::Requested { .. }, _) => "being fenced".into(),
            (Phase::Pause { until_us }, _) => {
                format!(
                    "{} attempts failed, the next in {} s",
                    fence.failed(),
                    left_s(until_us)
                )
            }
            (Phase::Unfencing { .. }, _) => "waiting for the end of its unfencing".into(),
            (Phase::Manager { .. }, _) => {
                "waiting for ConfirmFenced (cpectl confirm-fenced)".into()
            }
        }
    }
}

/// The device is a unit that was active while the agent answered.
fn is_unit_of(facts: &AssemblyFacts, device: &FenceDevice) -> bool {
    matches!(device, FenceDevice::Unit { unit } if facts.units_seen.contains(unit))
}
