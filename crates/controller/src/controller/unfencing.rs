//! Letting assemblies in again: the graph's action `on`, by all devices that provide unfencing.
//!
//! A device that cuts a guest off its disks leaves it cut off when it has booted. The policy engine
//! has whatever requires unfencing wait until the devices have let it in (scheduler-spec/05 §9.5),
//! and goes by what is kept here: when that was, and by which definition of the devices. It is
//! forgotten before the assembly is fenced, and with the boot of its guest.
//!
//! An `on` after an `off` would give a guest its disks back that is taken for down. So an assembly
//! that is to be fenced gets none; one that is under way is ended first, and its fencing waits
//! until the shell says that nothing of it is left, or until its time is over, which is bounded.
//!
//! As fencing does, unfencing belongs to the assembly: a graph that demands it finds it under way.

use cpe_status::FencingResult;
use policy_engine::GraphAction;

use super::Controller;
use crate::machines::assembly::Assembly;
use crate::machines::assembly::fence::Fence;
use crate::machines::assembly::unfence::Ended;
use crate::machines::fencings::FencingFacts;
use crate::machines::run::{Run, Work};
use crate::vocabulary::{
    AssemblyId, Digests, Effect, EventDraft, EventKind, Fencing, MS, SECOND, Time, UnfenceRequest,
    Unfenced,
};

/// What an attempt may take beside what the devices take. Milliseconds.
const BESIDE_DEVICES_MS: u32 = 5_000;
/// The shell has this much longer than an attempt's own time to see its end. Milliseconds.
const ENDS_WITHIN_MS: u32 = 5_000;

impl Controller {
    /// Begins a graph's action `on`, or waits for what is under way.
    pub(super) fn initiate_unfencing(
        &mut self,
        now: Time,
        index: usize,
        name: &AssemblyId,
        action: &GraphAction,
    ) {
        let text = |name: &str| action.attribute(name).unwrap_or_default().to_owned();
        let digests = Digests {
            all: text("CRM_meta_digests_all"),
            secure: text("CRM_meta_digests_secure"),
        };
        let Some(assembly) = self.assemblies.get(name).filter(|own| own.usable()) else {
            self.end(index, false);
            return;
        };
        // A former life gets nothing to do, and the name of the new one is for other disks.
        let is_former = !self.document.names(name);
        if is_former || assembly.spec().unfenced_by.is_empty() {
            self.note_unfenced(now, name, digests);
            self.execution.pass(index);
            return;
        }
        let run = Run {
            assembly: name.clone(),
            deadline_us: None,
            since_wall_us: now.wall_us,
            delayed_until_us: 0,
            waits: false,
            work: Work::Unfence(digests),
        };
        self.execution.start(index, run);
        self.still_kept_out(name, index);
        self.age_unfencing_of(now, name);
    }

    /// Begins what is wanted and may begin, and gives up what has no end.
    pub(crate) fn age_unfencing(&mut self, now: Time) {
        let is_idle = |own: &Assembly| own.unfencing().is_idle();
        let waits = self
            .execution
            .runs()
            .any(|(_, run)| run.unfences().is_some());
        // Mostly nobody is to be let in.
        if !waits && self.assemblies.values().all(is_idle) {
            return;
        }
        let busy = self.assemblies.iter().filter(|(name, own)| {
            !is_idle(own) || (waits && self.execution.unfencing_of(name).is_some())
        });
        let busy: Vec<AssemblyId> = busy.map(|(name, _)| name.clone()).collect();
        for name in busy {
            self.age_unfencing_of(now, &name);
        }
    }

    fn age_unfencing_of(&mut self, now: Time, name: &AssemblyId) {
        let wanted = self.execution.unfencing_of(name).cloned();
        let wanted = wanted.or_else(|| self.wants_in(name));
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        if let Some((attempt, tell)) = assembly.unfencing().overdue(now.boottime_us) {
            if tell {
                let assembly = name.clone();
                self.effects
                    .push(Effect::EndUnfencing { assembly, attempt });
            }
            let reason = "there was no result in time";
            self.unfencing_result(now, name, attempt, Err(reason.to_owned()));
            return;
        }
        assembly.unfencing_mut().end_pause(now.boottime_us);
        if !assembly.usable() {
            self.end_unfencing(now, name);
            self.unfencing_ended(name, false, |_| true);
            return;
        }
        if !assembly.unfencing().may_begin(now.boottime_us) || self.is_cut_off(name) {
            return;
        }
        match wanted {
            Some(digests) => self.unfence(now, name, digests),
            None if self.execution.is_idle() && self.deciding.is_settled() => {
                self.settle_unfencing(name);
            }
            None => {}
        }
    }

    fn settle_unfencing(&mut self, name: &AssemblyId) {
        if let Some(assembly) = self.assemblies.get_mut(name) {
            assembly.unfencing_mut().settle();
        }
    }

    /// Asks all its devices.
    fn unfence(&mut self, now: Time, name: &AssemblyId, digests: Digests) {
        let attempt = self.effects.number_fence_attempt();
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let devices = assembly.spec().unfenced_by.clone();
        let ids: Vec<&str> = devices.iter().map(|it| it.device.id.as_str()).collect();
        let ids = ids.join(", ");
        let within = devices.iter().map(|used| used.unfenced_within_ms());
        let timeout_ms = within.fold(BESIDE_DEVICES_MS, u32::saturating_add);
        let within_ms = timeout_ms.saturating_add(ENDS_WITHIN_MS);
        let until_us = now.boottime_us + u64::from(within_ms) * MS;
        let is_first = assembly.unfencing().failures().0 == 0;
        let reason = "its guest has booted, or its fencing devices have changed";
        let facts = FencingFacts::unfencing(name, reason, &ids, now.wall_us);
        let record = self.store.fencing_begins(facts);
        let own = assembly.unfencing_mut();
        own.begin(attempt, record, until_us, digests);
        self.store.assembly_mut(name).unfencing = true;
        if is_first {
            let event = EventDraft::new(EventKind::AssemblyUnfencingRequested)
                .assembly(name)
                .reason(reason)
                .detail("devices", ids);
            self.tell(now, event);
        }
        self.effects.push(Effect::Unfence(UnfenceRequest {
            assembly: name.clone(),
            attempt,
            devices,
            timeout_ms,
        }));
    }

    /// The shell's answer: an attempt has ended, and nothing of it is left.
    pub(crate) fn unfencing_result(
        &mut self,
        now: Time,
        asked_as: &AssemblyId,
        attempt: u64,
        result: Result<(), String>,
    ) {
        // It may have another name since.
        let mut all = self.assemblies.iter();
        let renamed = all.find(|(_, own)| own.unfencing().has(attempt));
        let name = &renamed.map_or(asked_as, |(name, _)| name).clone();
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let Some(Ended { counts, record }) = assembly.unfencing_mut().ended(attempt) else {
            return;
        };
        let counts = counts.filter(|_| assembly.usable());
        let is_last = assembly.unfencing().until_us().is_none();
        self.store.assembly_mut(name).unfencing = !is_last;
        let (how, detail) = match (&counts, &result) {
            (None, _) => (FencingResult::GivenUp, "its guest is lost, or to be fenced"),
            (_, Ok(())) => (FencingResult::Succeeded, ""),
            (_, Err(reason)) => (FencingResult::Failed, reason.as_str()),
        };
        self.store.end_fencings(now.wall_us, |number, facts| {
            let is_it = match record {
                Some(own) => own == number,
                // That of an earlier DPE.
                None => name == facts.assembly() && facts.unfences(),
            };
            is_it.then(|| (how, detail.to_owned()))
        });
        match (counts, result) {
            (Some(digests), Ok(())) => self.unfenced(now, name, digests),
            (Some(digests), Err(reason)) => {
                self.unfencing_failed(now, name, &reason);
                self.keep_out(name, &digests);
            }
            (None, _) => {}
        }
        if self.fence_of(name).is_some_and(Fence::waits_for_unfencing) {
            self.attempt(now, name);
        }
        // It may be wanted again.
        self.age_unfencing_of(now, name);
    }

    fn unfenced(&mut self, now: Time, name: &AssemblyId, digests: Digests) {
        self.note_unfenced(now, name, digests.clone());
        let was_kept_out = self.wants_in(name).is_some();
        self.settle_unfencing(name);
        let event = EventDraft::new(EventKind::AssemblyUnfencingSucceeded)
            .assembly(name)
            .reason("all its devices have let it in");
        self.tell(now, event);
        // A transition that waited for this goes on as it was planned, if that was with it. One
        // that wants the devices of a newer document waits for those.
        let is_same = |own: &Digests| *own == digests;
        let was_awaited = self.unfencing_ended(name, true, is_same);
        let is_awaited = was_awaited || self.execution.unfencing_of(name).is_some();
        if was_kept_out || !is_awaited {
            self.world_changed(&format!("assembly {name} is unfenced"));
        }
    }

    fn unfencing_failed(&mut self, now: Time, name: &AssemblyId, reason: &str) {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let own = assembly.unfencing_mut();
        let pause_us = own.fail(now.boottime_us, reason);
        let attempts = own.failures().0;
        let event = EventDraft::new(EventKind::AssemblyUnfencingFailed)
            .assembly(name)
            .reason(reason)
            .detail("attempts", attempts)
            .detail("next_attempt_after_s", pause_us / SECOND);
        self.tell(now, event);
    }

    /// For the policy engine: its devices have let it in.
    fn note_unfenced(&mut self, now: Time, name: &AssemblyId, digests: Digests) {
        let boot_id = self
            .assemblies
            .get(name)
            .map(|own| own.hello().boot_id.clone());
        self.store.assembly_mut(name).unfenced = Some(Unfenced {
            at_s: now.wall_s(),
            digests,
            boot_id: boot_id.unwrap_or_default(),
        });
    }

    /// Ends all actions `on` of an assembly that are for such devices. `true`: there were some.
    fn unfencing_ended(
        &mut self,
        name: &AssemblyId,
        succeeded: bool,
        is_for: impl Fn(&Digests) -> bool,
    ) -> bool {
        let unfences = |run: &Run| run.assembly == *name && run.unfences().is_some_and(&is_for);
        let done = self.execution.synapses(unfences);
        for index in &done {
            self.end(*index, succeeded);
        }
        !done.is_empty()
    }

    /// Has what lets an assembly in ended. Gives until when that may still be under way, boot time,
    /// µs; `None`: it is not.
    pub(crate) fn end_unfencing(&mut self, now: Time, name: &AssemblyId) -> Option<u64> {
        let own = self.assemblies.get_mut(name)?.unfencing_mut();
        let attempts = own.end();
        let until_us = own.until_us().filter(|us| *us > now.boottime_us);
        for attempt in attempts {
            let assembly = name.clone();
            self.effects
                .push(Effect::EndUnfencing { assembly, attempt });
        }
        until_us
    }

    /// What lets an assembly in is ended before its devices make it safe. `true`: that is waited
    /// for.
    pub(crate) fn awaits_unfencing(
        &mut self,
        now: Time,
        name: &AssemblyId,
        means: &Fencing,
    ) -> bool {
        let until_us = self.end_unfencing(now, name);
        // Where no device is asked, nothing can be given back after it was taken.
        let by_device = matches!(means, Fencing::Device(_) | Fencing::Devices(_));
        let Some(until_us) = until_us.filter(|_| by_device) else {
            return false;
        };
        if let Some(fence) = self.assemblies.get_mut(name).and_then(Assembly::fence_mut) {
            fence.wait_for_unfencing(until_us);
        }
        true
    }

    /// An earlier DPE may have devices at work at an assembly that is taken up.
    pub(crate) fn await_orphans(&mut self, now: Time, name: &AssemblyId) {
        let facts = self.store.assembly(name);
        let at_work = facts.unfencing || !facts.fencing_attempt.is_empty();
        let own = self.assemblies.get_mut(name).filter(|_| at_work);
        if let Some(assembly) =
            own.filter(|own| facts.unfencing || !own.spec().unfenced_by.is_empty())
        {
            let own = assembly.unfencing_mut();
            own.wait_for_orphans(now.boottime_us, facts.unfencing);
        }
    }
}
