//! What events have said about a service, and what the next one says.
//!
//! Events are not tied to operations: they are the difference between what the last event said and
//! what the agents' histories say now. So a DPE that was dead while an operation ended sees the
//! same difference, and gives the same event.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::failures::FailureTimes;
use crate::vocabulary::{AssemblyId, Copies, Escalation, EventDraft, EventKind, ServiceId};

/// What events have said about a service: a durable fact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceFacts {
    /// Where it runs.
    on: BTreeSet<AssemblyId>,
    /// The place in the last event about it.
    #[serde(rename = "told_on")]
    last_event_on: Option<AssemblyId>,
    /// Where it ran last, if it runs nowhere now.
    last_on: Option<AssemblyId>,
    /// It failed, and does not run again yet: why.
    failed: Option<String>,
    /// Where it failed.
    failed_on: BTreeSet<AssemblyId>,
    /// It was said to be unrecoverable.
    unrecoverable: bool,
    /// Its failures within the escalation period, by the assembly that they count against.
    failures_in: BTreeMap<AssemblyId, FailureTimes>,
    /// Wall clock of the last change, microseconds.
    since: u64,
}

impl ServiceFacts {
    /// It counts as running there.
    pub(crate) fn runs_on(&self, assembly: &AssemblyId) -> bool {
        self.on.contains(assembly)
    }

    /// Where it counts as running.
    pub(crate) fn places(&self) -> &BTreeSet<AssemblyId> {
        &self.on
    }

    /// Where it failed.
    pub(crate) fn failed_places(&self) -> &BTreeSet<AssemblyId> {
        &self.failed_on
    }

    /// Why it failed, while it does not run again.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// It was said to be unrecoverable.
    pub(crate) fn is_unrecoverable(&self) -> bool {
        self.unrecoverable
    }

    /// It was seen to run, and does not any more, and it has not failed.
    pub(crate) fn went_in_order(&self) -> bool {
        self.last_on.is_some() && self.failed.is_none()
    }

    /// It was not said yet that it is stopped as its policy wants it.
    pub(crate) fn awaits_stop(&self) -> bool {
        self.last_on.is_some() || self.failed.is_some()
    }

    /// Wall clock of the last change, µs; 0: none yet.
    pub(crate) fn since(&self) -> u64 {
        self.since
    }

    /// Notes a failure now that counts against an assembly: see [`FailureTimes::too_often`].
    pub(crate) fn fails_too_often(
        &mut self,
        assembly: &AssemblyId,
        now_wall_us: u64,
        escalation: Escalation,
    ) -> bool {
        let times = self.failures_in.entry(assembly.clone()).or_default();
        let reached = times.too_often(now_wall_us, escalation);
        self.failures_in.retain(|_, times| {
            times.forget_old(now_wall_us, escalation);
            !times.is_empty()
        });
        reached
    }

    /// That it runs in an assembly is the end of its failure: of one that runs several times, only
    /// where it failed.
    pub(crate) fn recovers(&self, assembly: &AssemblyId, copies: Copies) -> bool {
        let here = self.failed_on.is_empty() || self.failed_on.contains(assembly);
        self.failed.is_some() && (here || copies == Copies::One)
    }

    /// It is seen to run where it was not known to.
    pub(crate) fn appear(
        &mut self,
        id: &ServiceId,
        assembly: &AssemblyId,
        copies: Copies,
        wall_us: u64,
    ) -> EventDraft {
        // Of one that runs once, the place where it still counts as running is where it comes from
        // (a live migration).
        let from = match copies {
            Copies::One => self.on.first().or(self.last_on.as_ref()).cloned(),
            Copies::Several => None,
        };
        let event = match &from {
            Some(from) if from != assembly => EventDraft::new(EventKind::ServiceMoved)
                .reason(format!("from assembly {from}"))
                .detail("from", from)
                .detail("to", assembly),
            _ if self.recovers(assembly, copies) => {
                EventDraft::new(EventKind::ServiceRecovered).reason("it runs again")
            }
            Some(_) => EventDraft::new(EventKind::ServiceStarted).reason("it was restarted"),
            None => EventDraft::new(EventKind::ServiceStarted).reason("it runs"),
        };
        self.set_running(assembly, copies, wall_us);
        event.assembly(assembly).service(id)
    }

    /// It is seen to run well where it failed.
    pub(crate) fn recover(
        &mut self,
        id: &ServiceId,
        assembly: &AssemblyId,
        copies: Copies,
        wall_us: u64,
    ) -> EventDraft {
        self.set_running(assembly, copies, wall_us);
        let event = EventDraft::new(EventKind::ServiceRecovered).reason("it runs again");
        event.assembly(assembly).service(id)
    }

    /// It no longer runs there. An event only if it still runs elsewhere, and the copy that was
    /// in the last event is the one that went (fencing mode `none` does not prevent two copies).
    pub(crate) fn disappear(
        &mut self,
        id: &ServiceId,
        assembly: &AssemblyId,
        copies: Copies,
        wall_us: u64,
    ) -> Option<EventDraft> {
        self.on.remove(assembly);
        self.since = wall_us;
        let Some(rest) = self.on.first().cloned() else {
            self.last_on = Some(assembly.clone());
            return None;
        };
        if self.last_event_on.as_ref() != Some(assembly) || copies == Copies::Several {
            return None;
        }
        self.set_running(&rest, copies, wall_us);
        let event = EventDraft::new(EventKind::ServiceMoved)
            .reason(format!("it does not run in assembly {assembly} any more"))
            .detail("from", assembly)
            .detail("to", &rest);
        Some(event.assembly(&rest).service(id))
    }

    fn set_running(&mut self, assembly: &AssemblyId, copies: Copies, wall_us: u64) {
        self.on.insert(assembly.clone());
        self.last_event_on = Some(assembly.clone());
        self.last_on = None;
        self.failed_on.remove(assembly);
        if copies == Copies::One || self.failed_on.is_empty() {
            self.failed = None;
            self.failed_on.clear();
        }
        self.unrecoverable = false;
        self.since = wall_us;
    }

    /// It failed there.
    pub(crate) fn fail(
        &mut self,
        id: &ServiceId,
        assembly: &AssemblyId,
        reason: &str,
        wall_us: u64,
    ) -> EventDraft {
        self.failed = Some(reason.to_owned());
        self.failed_on.insert(assembly.clone());
        self.since = wall_us;
        let event = EventDraft::new(EventKind::ServiceFailed).reason(reason);
        event.assembly(assembly).service(id)
    }

    /// What failed will not come back where it was, and what runs is what there should be.
    pub(crate) fn settle_failure(&mut self, id: &ServiceId, copies: Copies) -> EventDraft {
        self.failed = None;
        self.failed_on.clear();
        let event = EventDraft::new(EventKind::ServiceRecovered)
            .service(id)
            .reason("it runs wherever it should now");
        match self.on.first() {
            Some(place) if copies == Copies::One => event.assembly(place),
            _ => event,
        }
    }

    /// It should run, and the policy engine has no more to demand.
    pub(crate) fn give_up(&mut self, id: &ServiceId) -> EventDraft {
        self.unrecoverable = true;
        let reason = self.failed.as_deref();
        EventDraft::new(EventKind::ServiceUnrecoverable)
            .service(id)
            .reason(reason.unwrap_or("no assembly may run it now"))
    }

    /// It is stopped, as its policy wants it; or it failed, and its policy does not let it start;
    /// or it is left alone, so that nobody starts it.
    pub(crate) fn stop(&mut self, id: &ServiceId, left_alone: bool) -> EventDraft {
        let reason = match self.failed {
            _ if left_alone => "it is left alone (unmanaged, or in maintenance): nobody starts it",
            None => "its policy wants it stopped",
            Some(_) => "it failed, and its policy does not let it start again",
        };
        let event = EventDraft::new(EventKind::ServiceStopped)
            .service(id)
            .reason(reason);
        let event = match &self.last_on {
            Some(place) => event.assembly(place),
            None => event,
        };
        (self.last_on, self.failed, self.unrecoverable) = (None, None, false);
        self.failed_on.clear();
        event
    }

    /// A person has cleaned up, in one assembly or in all: it may be recoverable again, and its
    /// failures there no longer count against its assembly.
    pub(crate) fn forgive(&mut self, assembly: Option<&AssemblyId>) {
        self.unrecoverable = false;
        self.failures_in
            .retain(|name, _| assembly.is_some_and(|assembly| assembly != name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> (ServiceId, AssemblyId, AssemblyId) {
        ("db".into(), "node1".into(), "node2".into())
    }

    fn kind_and_place(event: &EventDraft) -> (EventKind, Option<&str>) {
        (event.kind, event.assembly.as_ref().map(AssemblyId::as_str))
    }

    #[test]
    fn it_is_started_then_moved_then_stopped() {
        let (db, one, two) = ids();
        let mut facts = ServiceFacts::default();
        let event = facts.appear(&db, &one, Copies::One, 1);
        assert_eq!(
            kind_and_place(&event),
            (EventKind::ServiceStarted, Some("node1"))
        );
        assert_eq!(facts.disappear(&db, &one, Copies::One, 2), None);
        let event = facts.appear(&db, &two, Copies::One, 3);
        assert_eq!(
            kind_and_place(&event),
            (EventKind::ServiceMoved, Some("node2"))
        );
        assert_eq!(facts.disappear(&db, &two, Copies::One, 4), None);
        assert!(facts.awaits_stop());
        let event = facts.stop(&db, false);
        assert_eq!(
            kind_and_place(&event),
            (EventKind::ServiceStopped, Some("node2"))
        );
        assert!(!facts.awaits_stop());
    }

    #[test]
    fn a_failure_of_one_copy_ends_anywhere_and_of_several_where_it_was() {
        let (db, one, two) = ids();
        let mut facts = ServiceFacts::default();
        facts.fail(&db, &one, "it returned 1", 1);
        assert!(facts.recovers(&two, Copies::One));
        assert!(!facts.recovers(&two, Copies::Several));
        assert!(facts.recovers(&one, Copies::Several));
        let event = facts.recover(&db, &one, Copies::Several, 2);
        assert_eq!(
            kind_and_place(&event),
            (EventKind::ServiceRecovered, Some("node1"))
        );
        assert_eq!(facts.failure(), None);
    }

    #[test]
    fn of_two_copies_that_should_be_one_the_last_told_moves_when_it_goes() {
        let (db, one, two) = ids();
        let mut facts = ServiceFacts::default();
        facts.appear(&db, &one, Copies::One, 1);
        facts.appear(&db, &two, Copies::One, 2);
        let event = facts.disappear(&db, &two, Copies::One, 3);
        let event = event.expect("there is an event about the other copy");
        assert_eq!(
            kind_and_place(&event),
            (EventKind::ServiceMoved, Some("node1"))
        );
    }

    #[test]
    fn what_is_given_up_says_why_it_failed() {
        let (db, one, _) = ids();
        let mut facts = ServiceFacts::default();
        facts.fail(&db, &one, "it returned 1", 1);
        assert_eq!(facts.give_up(&db).reason, "it returned 1");
        assert!(facts.is_unrecoverable());
        facts.forgive(None);
        assert!(!facts.is_unrecoverable());
    }

    #[test]
    fn failures_count_against_the_assembly_that_they_happened_in() {
        let (_, one, two) = ids();
        let escalation = Escalation {
            failures: 2,
            period_us: 100,
        };
        let mut facts = ServiceFacts::default();
        assert!(!facts.fails_too_often(&one, 10, escalation));
        assert!(!facts.fails_too_often(&two, 20, escalation));
        assert!(facts.fails_too_often(&one, 30, escalation));
        assert!(
            !facts.fails_too_often(&one, 40, escalation),
            "it is used up"
        );
        facts.forgive(Some(&one));
        assert!(!facts.fails_too_often(&one, 50, escalation), "cleaned up");
        assert!(facts.fails_too_often(&two, 60, escalation));
        facts.forgive(None);
        assert_eq!(facts, ServiceFacts::default());
    }
}
