//! Whether assemblies are alive: connections, heartbeats, leases, and what their loss means.

use std::time::Duration;

use cpe_status::{AssemblyState, FencingResult};
use deployment::failover;

use super::incarnations::Identity;
use super::{Controller, Settings};
use crate::machines::assembly::fence::Fence;
use crate::machines::assembly::greeting::{self, Answer, Gap, Told, Verdict};
use crate::machines::assembly::{Assembly, Course, Life};
use crate::machines::facts::LastEvent;
use crate::vocabulary::{
    AssemblyId, AssemblySpec, Attributes, Connect, Effect, EventDraft, EventKind, Hello, Input, MS,
    Record, Time, TransitionKey, epoch_of_dispatcher,
};

/// Heartbeats are called late after this many intervals (in halves).
const LATE_HALF_INTERVALS: u64 = 5;
/// The highest epoch that is believed of a guest: one of the year 2096. Numbers of calls follow
/// from epochs and have 32 bits, so that a guest that lies must leave room for others.
const HIGHEST_EPOCH_HEARD: u64 = 4_000_000_000;

/// Boot time after which nothing runs any more in a guest whose lease ends at `lease_until_us`:
/// [`deployment::failover`] has the derivation. `lease_ms`, `grace_ms`: the longest that its agent
/// was ever told.
pub(crate) fn safe_after(lease_until_us: u64, lease_ms: u32, grace_ms: u32) -> u64 {
    let (lease, grace) = (
        Duration::from_millis(lease_ms.into()),
        Duration::from_millis(grace_ms.into()),
    );
    let beyond_lease = failover::safe_after(lease, grace).saturating_sub(lease);
    lease_until_us + u64::try_from(beyond_lease.as_micros()).unwrap_or(u64::MAX / 2)
}

impl Controller {
    /// Brings an assembly in, or takes its changed specification over.
    pub(crate) fn adopt_assembly(&mut self, now: Time, name: &AssemblyId, spec: AssemblySpec) {
        if let Some(assembly) = self.assemblies.get_mut(name) {
            // Who is heard can be made safe by the new means from now on.
            if assembly.contact().is_up() && *assembly.spec() != spec {
                self.store.assembly_mut(name).accepted = Some(spec.clone());
            }
            assembly.take_spec(spec);
            self.connect(name);
            return;
        }
        let facts = self.store.assembly(name);
        let settings = self.settings();
        // An assembly to which nothing was ever sent never got anything to do.
        let course = if facts.safe || (spec.address.is_none() && facts.is_untouched()) {
            Course::safe()
        } else {
            let appears_within_ms = settings
                .heartbeat_timeout_ms
                .max(settings.lease_ms)
                .max(facts.lease_ms);
            Course::unknown(now.boottime_us + u64::from(appears_within_ms) * MS)
        };
        // An older DPE may have answered a heartbeat just now.
        let lease_ms = if facts.lease_ms > 0 {
            facts.lease_ms
        } else {
            settings.lease_ms
        };
        let assembly = Assembly::new(now, spec, course, lease_ms);
        self.assemblies.insert(name.clone(), assembly);
        if self.is_held(name)
            && let Some(assembly) = self.assemblies.get_mut(name)
        {
            assembly.hold();
        }
        self.await_orphans(now, name);
        self.connect(name);
    }

    /// Has the shell connect with the settings in force, if it does not do so already.
    pub(crate) fn connect(&mut self, name: &AssemblyId) {
        let settings = self.settings();
        let suspended = self.lease_suspended(name);
        let (held, leased) = (self.is_held(name), self.means(name).0.needs_lease());
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        // Who is being made safe by the end of its lease keeps it, whatever the document says now.
        let leased = leased || assembly.fence().is_some_and(Fence::waits_for_lease_end);
        if assembly.spec().address.is_none() || held {
            if assembly.forget_settings() {
                self.effects.push(Effect::Disconnect {
                    assembly: name.clone(),
                });
            }
            return;
        }
        let lease_ms = if leased && !suspended {
            settings.lease_ms
        } else {
            0
        };
        let mut connect = Connect {
            number: assembly.sent_settings().map_or(0, |sent| sent.number),
            assembly: name.clone(),
            address: assembly.spec().address.clone(),
            epoch: self.store.epoch(),
            deployment: self.name.clone(),
            heartbeat_interval_ms: settings.heartbeat_interval_ms,
            heartbeat_timeout_ms: settings.heartbeat_timeout_ms,
            lease_ms,
            grace_ms: settings.grace_ms,
            stop_timeout_ms: settings.stop_timeout_ms,
        };
        if assembly.sent_settings() == Some(&connect) {
            return;
        }
        connect.number = self.effects.number_connect();
        assembly.connect(connect.clone());
        let facts = self.store.assembly_mut(name);
        facts.lease_ms = facts.lease_ms.max(lease_ms);
        facts.grace_ms = facts.grace_ms.max(connect.grace_ms);
        facts.unleased |= lease_ms == 0;
        self.effects.push(Effect::Connect(connect));
    }

    /// The stream that is to be, or is, to an agent. `None`: none is.
    pub fn wanted(&self, name: &AssemblyId) -> Option<&Connect> {
        self.assemblies.get(name)?.sent_settings()
    }

    /// That is the stream with the settings in force. What was said over an earlier one may come
    /// from another guest, or from an agent that was told another lease.
    pub(crate) fn is_present(&self, name: &AssemblyId, number: u64) -> bool {
        self.wanted(name)
            .is_some_and(|connect| connect.number == number)
    }

    /// Tells every agent the settings in force.
    pub(crate) fn connect_all(&mut self) {
        let names: Vec<AssemblyId> = self.assemblies.keys().cloned().collect();
        for name in names {
            self.connect(&name);
        }
    }

    /// Maintenance means hands off: its agent stops nothing, whatever happens to the DPE. Who is
    /// being made safe by the end of a lease keeps it.
    fn lease_suspended(&self, name: &AssemblyId) -> bool {
        let in_doubt = self
            .assemblies
            .get(name)
            .is_none_or(|assembly| assembly.life() == Life::Lost || assembly.fence().is_some());
        // What is being ended with its services is not left alone.
        let loaded = self.store.loaded();
        let ending = loaded.is_some_and(|loaded| loaded.unload == Some(true));
        self.in_maintenance(name) && !in_doubt && !ending
    }

    /// The services of an assembly are left alone; those of its former incarnations too.
    pub(crate) fn in_maintenance(&self, name: &AssemblyId) -> bool {
        let facts = self.store.assemblies().get(name.in_document());
        self.store.deployment().maintenance || facts.is_some_and(|facts| facts.maintenance)
    }

    /// Has the shell connect again, so that the agent's whole truth is heard again.
    pub(crate) fn reconnect(&mut self, name: &AssemblyId) {
        if let Some(assembly) = self.assemblies.get_mut(name) {
            assembly.forget_settings();
            assembly.disconnect();
        }
        self.connect(name);
    }

    /// Takes an epoch above those that a guest knows of. If the state is lost and the clock was set
    /// back, then what is asked for now would count as older than what is over.
    fn pass_epochs_of(&mut self, history: &[Record]) {
        let epochs = history.iter().filter_map(|record| {
            let key = TransitionKey::parse(&record.operation.id)?;
            epoch_of_dispatcher(&key.uuid).filter(|epoch| *epoch <= HIGHEST_EPOCH_HEARD)
        });
        let known = epochs.max().unwrap_or(0);
        self.store.pass_epoch(known);
    }

    pub(crate) fn agent_connected(
        &mut self,
        now: Time,
        name: &AssemblyId,
        hello: Hello,
        history: Vec<Record>,
        attributes: Attributes,
    ) {
        let Some(settings) = self.wanted(name).cloned() else {
            return;
        };
        if self.identify(name, &hello) == Identity::Another {
            self.replaced(now, name);
            return;
        }
        self.join_former(name, &hello);
        self.pass_epochs_of(&history);
        if history.is_empty() {
            self.suspect_predecessor(now, name);
        }
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let facts = self.store.assembly(name);
        let in_doubt = facts.in_doubt;
        let verdict = greeting::judge(&facts, &hello.boot_id, assembly.course());
        // Who is heard can be made safe by the means that the document names now. Else one mistyped
        // device would be asked for ever.
        let accepted = facts
            .accepted
            .filter(|accepted| accepted != assembly.spec());
        if accepted.is_some()
            && !facts.machine_id.is_empty()
            && facts.machine_id == hello.machine_id
        {
            self.store.assembly_mut(name).accepted = Some(assembly.spec().clone());
        }
        let told = hello.facts.clone();
        assembly.greet(now, hello);
        match verdict {
            Verdict::MadeSafe => self.made_safe(now, name, "its guest was rebooted"),
            Verdict::StaysFenced { heard: false } => self.have_restarted(name),
            Verdict::StaysFenced { heard: true } => {
                self.take_departure(now, name);
                self.take_history(now, name, history);
                self.take_attributes(now, name, attributes);
                self.take_facts(now, name, told);
                self.have_restarted(name);
            }
            Verdict::Online(answer) => {
                self.take_departure(now, name);
                self.comes_online(now, name, &settings, answer);
                // Of the same boot its history is the truth, even if it was thought to be down:
                // what runs there is seen to run.
                self.take_history(now, name, history);
                if in_doubt {
                    self.doubt_arrivals(name);
                }
                self.take_attributes(now, name, attributes);
                self.take_facts(now, name, told);
                // It was greeted as one that may be in doubt.
                self.connect(name);
                self.world_changed(&format!("assembly {name} is online"));
            }
        }
    }

    /// An assembly is there: its lease, its facts, and the event that tells it.
    fn comes_online(&mut self, now: Time, name: &AssemblyId, settings: &Connect, answer: Answer) {
        let longest_ms = self.store.assembly(name).lease_ms;
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        // An agent without a lease begins one when it gets the Hello, which was before now; a
        // longer one of the past may still run.
        assembly.answer(now, settings.lease_ms, longest_ms);
        let (hello, accepted) = (assembly.hello().clone(), assembly.spec().clone());
        if answer.rebooted {
            // What lets in another boot counts for nothing in this one.
            self.end_unfencing(now, name);
            self.forget_boot(name);
            // Nor does what was asked of another boot: it may have to be let in first.
            self.actions_lost(name, "its assembly was rebooted");
            // One that a killed DPE had begun has done what it was for.
            let how = "its guest was rebooted";
            self.note_end(now, name, FencingResult::Succeeded, how);
        }
        match answer.gap {
            Gap::None => {}
            Gap::Expected => self.services_gone(now, name, "was rebooted"),
            Gap::Loss => {
                let reason = "its guest was rebooted";
                let lost = EventDraft::new(EventKind::AssemblyLost)
                    .assembly(name)
                    .state(AssemblyState::Offline.as_str())
                    .reason(reason);
                self.tell(now, lost);
                self.assembly_failed(now, name, reason);
                // It has just been restarted.
                self.store.assembly_mut(name).restart = None;
                self.services_gone(now, name, "was rebooted");
            }
        }
        self.power_settled(name);
        let fact = self.store.assembly_mut(name);
        fact.safe = false;
        fact.occupant = None;
        fact.fencing_attempt.clear();
        fact.boot_id = hello.boot_id;
        if !hello.machine_id.is_empty() {
            fact.machine_id = hello.machine_id;
        }
        fact.accepted = Some(accepted);
        fact.grace_ms = settings.grace_ms;
        fact.unleased = settings.lease_ms == 0;
        fact.last_event = LastEvent::Online;
        let (kind, reason) = match answer.event {
            None => return,
            Some(Told::Online) => (EventKind::AssemblyOnline, "its agent answers"),
            Some(Told::Recovered) if answer.rebooted => (
                EventKind::AssemblyRecovered,
                "its guest was rebooted, its agent answers",
            ),
            Some(Told::Recovered) => (EventKind::AssemblyRecovered, "its agent answers again"),
        };
        self.tell(now, EventDraft::new(kind).assembly(name).reason(reason));
    }

    /// One side's certificate is refused by the other, or its agent cannot operate services: it is
    /// told, and nothing else follows. What cannot be heard is late and lost like any other.
    pub(crate) fn not_reached(&mut self, now: Time, refused: Input) {
        let (kind, assembly, number, reason) = match refused {
            Input::IdentityRefused {
                assembly,
                number,
                reason,
            } => (EventKind::AssemblyIdentityRefused, assembly, number, reason),
            Input::AgentUnusable {
                assembly,
                number,
                reason,
            } => (EventKind::AssemblyAgentUnusable, assembly, number, reason),
            _ => return,
        };
        if self.is_present(&assembly, number) {
            let event = EventDraft::new(kind);
            self.tell(now, event.assembly(&assembly).reason(reason));
        }
    }

    pub(crate) fn agent_disconnected(&mut self, name: &AssemblyId) {
        if let Some(assembly) = self.assemblies.get_mut(name) {
            assembly.disconnect();
        }
    }

    pub(crate) fn heartbeat(&mut self, now: Time, name: &AssemblyId, stamp_us: u64) {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        if !assembly.contact().is_up() {
            return;
        }
        if assembly.hear(now) && assembly.course().fence().is_none() {
            self.store.assembly_mut(name).last_event = LastEvent::Online;
            self.tell(
                now,
                EventDraft::new(EventKind::AssemblyRecovered)
                    .assembly(name)
                    .reason("its heartbeats come again"),
            );
        }
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        // Who is to be made safe gets no new lease.
        if !assembly.usable() {
            return;
        }
        let lease_ms = assembly.renew_lease(now);
        self.effects.push(Effect::Renew {
            assembly: name.clone(),
            stamp_us,
        });
        // A lease that the document has shortened is no longer to be reckoned with once the last
        // long one is over.
        let longest_ms = self
            .store
            .assemblies()
            .get(name)
            .map_or(0, |facts| facts.lease_ms);
        if longest_ms > lease_ms && assembly.lease().old_one_is_over(now) {
            self.store.assembly_mut(name).lease_ms = lease_ms;
        }
    }

    /// Boot time at which an assembly's life goes on by itself.
    pub(crate) fn life_deadline(&self, name: &AssemblyId) -> Option<u64> {
        Controller::life_deadline_of(self.assemblies.get(name)?, &self.settings())
    }

    /// As [`Controller::life_deadline`], with the settings in force.
    pub(crate) fn life_deadline_of(assembly: &Assembly, settings: &Settings) -> Option<u64> {
        let timeout = u64::from(settings.heartbeat_timeout_ms) * MS;
        let late =
            (u64::from(settings.heartbeat_interval_ms) * MS * LATE_HALF_INTERVALS / 2).min(timeout);
        assembly.deadline_us(late, timeout)
    }

    /// Lets time pass for every assembly.
    pub(crate) fn age_assemblies(&mut self, now: Time) {
        // Mostly nothing is due, and a look at each costs less than all names.
        if !self.assemblies.values().any(|own| self.is_due(now, own)) {
            return;
        }
        let names: Vec<AssemblyId> = self.assemblies.keys().cloned().collect();
        for name in names {
            // Late and then lost may both be due.
            for _ in 0..2 {
                if self
                    .life_deadline(&name)
                    .is_some_and(|deadline| deadline <= now.boottime_us)
                {
                    self.age(now, &name);
                }
            }
            self.age_fence(now, &name);
        }
    }

    /// Its life, or its fencing, goes on by itself now.
    fn is_due(&self, now: Time, assembly: &Assembly) -> bool {
        let life_us = Controller::life_deadline_of(assembly, &self.settings());
        let fence_us = assembly.fence().and_then(Fence::deadline_us);
        let mut deadlines = life_us.into_iter().chain(fence_us);
        deadlines.any(|deadline| deadline <= now.boottime_us)
    }

    fn age(&mut self, now: Time, name: &AssemblyId) {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let silent_ms = assembly.contact().silent_ms(now);
        match assembly.life() {
            Life::Online => {
                assembly.miss();
                // That it falls silent while it is restarted is no news, and no further failure.
                // If it has got another name since, its fencing is still to begin again.
                let told = self.store.assembly(name).last_event;
                if assembly.course().fence().is_some() || told == LastEvent::Fencing {
                    return;
                }
                self.store.assembly_mut(name).last_event = LastEvent::Missed;
                let reason = format!("no heartbeat for {silent_ms} ms");
                self.tell(
                    now,
                    EventDraft::new(EventKind::AssemblyHeartbeatMissed)
                        .assembly(name)
                        .reason(&reason),
                );
            }
            Life::Missed => {
                self.lose(now, name, &format!("no heartbeat for {silent_ms} ms"));
            }
            Life::Unknown { .. } => self.lose(
                now,
                name,
                "its agent was not heard of since this DPE started",
            ),
            Life::Lost | Life::Safe => {}
        }
    }

    /// Gives an assembly up. It is not safe by that.
    pub(crate) fn lose(&mut self, now: Time, name: &AssemblyId, reason: &str) {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        assembly.lose();
        let attempt = self.name_fencing(name);
        let never = self.store.assembly(name).last_event == LastEvent::Nothing;
        if !matches!(
            self.store.assembly(name).last_event,
            LastEvent::Lost | LastEvent::Fencing
        ) {
            self.store.assembly_mut(name).last_event = LastEvent::Lost;
            self.tell(
                now,
                EventDraft::new(EventKind::AssemblyLost)
                    .assembly(name)
                    .reason(reason)
                    .detail("attempt", &attempt),
            );
            if !never {
                self.assembly_failed(now, name, reason);
            }
        }
        self.services_gone(now, name, "is lost");
        self.actions_lost(name, "its assembly is lost");
        // A stream over which nothing comes is given up: a new one tells when the agent is back.
        self.reconnect(name);
        self.connect_waiting();
        self.deciding.hurry();
        self.world_changed(&format!("assembly {name} is lost"));
    }

    /// What belonged to a boot of a guest that is over: its history, its attributes and everything
    /// about its failures.
    pub(crate) fn forget_boot(&mut self, name: &AssemblyId) {
        self.forget_life(name);
        self.store.forget_failures(name, None);
    }

    /// What was before an assembly was made safe. Its guest may come back without a new boot and
    /// tell its failures again: that they were counted stays noted.
    pub(crate) fn forget_life(&mut self, name: &AssemblyId) {
        if let Some(assembly) = self.assemblies.get_mut(name) {
            assembly.forget();
        }
        let failures = self
            .store
            .failures()
            .keys()
            .filter(|(assembly, _)| assembly == name);
        for (_, resource) in failures.cloned().collect::<Vec<_>>() {
            self.forget_failure(name, &resource);
        }
        let facts = self.store.assembly_mut(name);
        facts.restart = None;
        facts.stays_off = false;
        facts.unfenced = None;
        facts.arrivals.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::SECOND;

    #[test]
    fn an_assembly_under_lease_is_safe_only_after_lease_grace_drift_and_reset() {
        let after = safe_after(100 * SECOND, 10_000, 5_000);
        assert_eq!(after, 100 * SECOND + 5 * SECOND + 300 * MS + 2 * SECOND);
    }
}
