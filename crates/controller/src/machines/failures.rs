//! Failed operations: fail counts, and when failures are so many that the next level fails.
//!
//! A result is counted once, however often an agent tells it: which was counted last is part of the
//! durable facts.

use std::collections::BTreeMap;

use cpe_status::INFINITE_FAILURES;
use serde::{Deserialize, Serialize};

use crate::vocabulary::{Escalation, FailedOperation, Operation, Record, Task};

/// Failures of one resource in one assembly: a durable fact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FailureFacts {
    /// By `OPERATION_INTERVAL`.
    counts: BTreeMap<String, FailCount>,
    /// The record of the last failure that was not cleaned up.
    last: Option<Record>,
    /// The last failure that was counted, or forgotten by a clean-up: it is not counted again when
    /// an agent tells it again.
    seen: Option<(u32, u64, i32, i32)>,
    /// Of a clean-up: records up to this call id are not believed until something newer is known.
    disbelieved: Option<u32>,
    /// Nobody can look: of these records only failed stops are not believed.
    unlooked: bool,
    /// Nothing is begun because of that before it was looked at.
    looked_for: bool,
    /// It is to be looked at when nothing is under way, if it has failed.
    due: bool,
    /// The same, whatever is known of it.
    due_anyway: bool,
    /// So many operations in a row have an unknown result.
    unknown: u32,
}

/// After so many unknown results in a row the next is a failure: perhaps the operation kills its
/// agent.
const MOST_UNKNOWN: u32 = 3;

/// A fail count as the policy engine reads it, and how the operation failed last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailCount {
    /// 1000000 is INFINITY.
    pub count: u32,
    /// Epoch seconds.
    pub last_failure: i64,
    /// Exit code of the last failure.
    #[serde(default)]
    pub rc: i32,
    /// The last failure for people; empty: an earlier version counted it.
    #[serde(default)]
    pub reason: String,
}

impl FailCount {
    /// The count as an attribute's value.
    pub(crate) fn text(&self) -> String {
        if self.count >= INFINITE_FAILURES {
            "INFINITY".to_owned()
        } else {
            self.count.to_string()
        }
    }
}

/// The name under which failures of an operation are counted: `OPERATION_INTERVAL`.
fn counter(operation: &Operation) -> String {
    format!("{}_{}", operation.action, operation.interval_ms)
}

impl FailureFacts {
    /// Whether a failed result counts and was not counted yet (scheduler-spec/05 §18.3).
    pub(crate) fn is_news(&self, record: &Record) -> bool {
        let operation = &record.operation;
        // Finding a resource otherwise than expected is news, and a probe that fails bans nothing
        // by its count.
        let counts =
            !record.is_probe() && !matches!(operation.action, Task::Notify | Task::MetaData);
        let result = record.result_key();
        counts
            && self
                .seen
                .is_none_or(|seen| seen != result && seen.0 <= result.0)
    }

    /// Counts a failed result. `now_s`: epoch seconds; `start_is_fatal`: a failed start bans.
    pub(crate) fn count(&mut self, record: &Record, now_s: i64, start_is_fatal: bool) {
        let operation = &record.operation;
        let added = match operation.action {
            _ if operation.failure_is_ignored() => 0,
            Task::Stop => INFINITE_FAILURES,
            Task::Start if start_is_fatal => INFINITE_FAILURES,
            Task::Start | Task::Promote | Task::Demote => 1,
            _ if operation.interval_ms > 0 => 1,
            _ => 0,
        };
        let count = self.counts.entry(counter(operation)).or_default();
        count.count = count.count.saturating_add(added).min(INFINITE_FAILURES);
        count.last_failure = now_s;
        (count.rc, count.reason) = (record.rc, record.describe());
        self.last = Some(record.clone());
        self.seen = Some(record.result_key());
    }

    /// Forgets failures that the policy engine or a person says are over. What was counted stays
    /// noted.
    pub(crate) fn forget(&mut self) {
        self.counts.clear();
        self.last = None;
    }

    /// Forgets the failures of one operation. `true`: there were some. What was counted stays
    /// noted.
    pub(crate) fn forget_operation(&mut self, which: &FailedOperation) -> bool {
        let before = self.counts.len();
        self.counts.retain(|name, _| !which.is_counted_as(name));
        let last = self.last.as_ref();
        let was_last = last.is_some_and(|record| which.is(&record.operation));
        if was_last {
            self.last = None;
        }
        was_last || self.counts.len() < before
    }

    /// Records up to that call id are not believed until something newer is known.
    pub(crate) fn disbelieve(&mut self, up_to: Option<u32>) {
        self.disbelieved = up_to;
        self.unlooked = false;
    }

    /// Nobody can look: what was known counts, but for failed stops, so that it is stopped again.
    pub(crate) fn believe_but_stops(&mut self) {
        self.unlooked = true;
    }

    /// Whether that is so.
    pub(crate) fn believes_but_stops(&self) -> bool {
        self.unlooked
    }

    /// The call id up to which records are not believed.
    pub(crate) fn disbelieved(&self) -> Option<u32> {
        self.disbelieved
    }

    /// The highest number of a result that these facts compare others with.
    pub(crate) fn highest_number(&self) -> u32 {
        let seen = self.seen.map(|(number, ..)| number);
        let last = self.last.as_ref().map(|record| record.call_id);
        let all = [seen, last, self.disbelieved].into_iter().flatten();
        all.max().unwrap_or(0)
    }

    /// Notes that a result is unknown. `false`: too often in a row.
    pub(crate) fn note_unknown(&mut self) -> bool {
        self.unknown = self.unknown.saturating_add(1);
        self.unknown <= MOST_UNKNOWN
    }

    /// Whether the last result was.
    pub(crate) fn was_unknown(&self) -> bool {
        self.unknown > 0
    }

    /// Notes that one is known.
    pub(crate) fn note_known(&mut self) {
        self.unknown = 0;
    }

    /// It is to be looked at when nothing is under way.
    pub(crate) fn look_later(&mut self) {
        self.due = true;
    }

    /// The same, whatever is known of it.
    pub(crate) fn look_later_anyway(&mut self) {
        self.due_anyway = true;
    }

    /// Whether it is.
    pub(crate) fn is_due(&self) -> bool {
        self.due || self.due_anyway
    }

    /// The time has come. `true`: whatever is known of it.
    pub(crate) fn end_wait(&mut self) -> bool {
        self.due = false;
        std::mem::take(&mut self.due_anyway)
    }

    /// A look is awaited.
    pub(crate) fn look(&mut self) {
        self.looked_for = true;
    }

    /// Whether one is.
    pub(crate) fn is_looked_for(&self) -> bool {
        self.looked_for
    }

    /// None is any more.
    pub(crate) fn end_look(&mut self) {
        self.looked_for = false;
    }

    /// Fail counts by `OPERATION_INTERVAL`.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, &FailCount)> {
        self.counts
            .iter()
            .map(|(name, count)| (name.as_str(), count))
    }

    /// The record of the last failure that counts, and when it was counted, epoch seconds.
    pub(crate) fn last(&self) -> Option<(&Record, Option<i64>)> {
        let record = self.last.as_ref()?;
        let count = self.counts.get(&counter(&record.operation));
        Some((record, count.map(|count| count.last_failure)))
    }

    /// When any of its operations failed last, epoch seconds: all fail counts are forgotten
    /// together.
    pub(crate) fn last_failure(&self) -> Option<i64> {
        self.counts.values().map(|count| count.last_failure).max()
    }

    /// What was counted after that time (epoch seconds) was counted at it.
    pub(crate) fn happened_by(&mut self, now_s: i64) {
        for count in self.counts.values_mut() {
            count.last_failure = count.last_failure.min(now_s);
        }
    }

    /// Exit code and description of the last failure of an operation.
    pub(crate) fn last_of(&self, name: &str, count: &FailCount) -> (i32, String) {
        let known = self.last.as_ref();
        let record = known.filter(|record| counter(&record.operation) == name);
        match (count.reason.is_empty(), record) {
            (true, Some(record)) => (record.rc, record.describe()),
            _ => (count.rc, count.reason.clone()),
        }
    }
}

/// The sum of fail counts; at most INFINITY.
pub(crate) fn total<'a>(failures: impl Iterator<Item = &'a FailureFacts>) -> u32 {
    let counts = failures.flat_map(|facts| facts.counts.values());
    let sum = counts.fold(0, |sum: u32, count| sum.saturating_add(count.count));
    sum.min(INFINITE_FAILURES)
}

/// Wall clock of the failures that count for an escalation, microseconds: a durable fact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FailureTimes(Vec<u64>);

impl FailureTimes {
    /// Notes a failure now. `true`: as many as the escalation says happened within its period; then
    /// none is noted any more.
    pub(crate) fn too_often(&mut self, now_wall_us: u64, escalation: Escalation) -> bool {
        self.forget_old(now_wall_us, escalation);
        self.0.push(now_wall_us);
        let reached = self.0.len() >= escalation.failures as usize;
        if reached {
            self.0.clear();
        }
        reached
    }

    /// Forgets what is too old to count. A time that is still to come was noted before the clock
    /// was set back: how old it is, nobody knows.
    pub(crate) fn forget_old(&mut self, now_wall_us: u64, escalation: Escalation) {
        let period_us = escalation.period_us;
        self.0
            .retain(|at| *at <= now_wall_us && now_wall_us - at < period_us);
    }

    /// Nothing counts any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(action: Task, interval_ms: u32, call_id: u32) -> Record {
        let operation = Operation {
            id: format!("{call_id}:1:0:u"),
            resource: "db".into(),
            action,
            interval_ms,
            ..Operation::default()
        };
        Record {
            operation,
            call_id,
            rc: 1,
            ..Record::default()
        }
    }

    fn counts(facts: &FailureFacts) -> Vec<(&str, String)> {
        facts
            .counts()
            .map(|(name, count)| (name, count.text()))
            .collect()
    }

    #[test]
    fn a_result_is_counted_once() {
        let mut facts = FailureFacts::default();
        let monitor = failed(Task::Monitor, 10_000, 3);
        assert!(facts.is_news(&monitor));
        facts.count(&monitor, 7, true);
        assert!(!facts.is_news(&monitor), "reported again");
        assert!(!facts.is_news(&failed(Task::Start, 0, 2)), "older");
        assert!(facts.is_news(&failed(Task::Start, 0, 4)), "newer");
        assert_eq!(counts(&facts), [("monitor_10000", "1".into())]);
        facts.forget();
        assert!(counts(&facts).is_empty());
        assert!(!facts.is_news(&monitor), "forgotten, but reported again");
    }

    #[test]
    fn a_stop_bans_and_a_start_only_if_that_is_fatal() {
        let mut facts = FailureFacts::default();
        facts.count(&failed(Task::Start, 0, 1), 7, false);
        assert_eq!(counts(&facts), [("start_0", "1".into())]);
        facts.count(&failed(Task::Start, 0, 2), 7, true);
        facts.count(&failed(Task::Stop, 0, 3), 7, false);
        let expected = [
            ("start_0", "INFINITY".into()),
            ("stop_0", "INFINITY".into()),
        ];
        assert_eq!(counts(&facts), expected);
        assert_eq!(total([&facts, &facts].into_iter()), INFINITE_FAILURES);
    }

    #[test]
    fn what_may_fail_counts_nothing_and_probes_are_no_news() {
        let mut facts = FailureFacts::default();
        let mut ignored = failed(Task::Start, 0, 1);
        let on_fail = ("CRM_meta_on_fail".to_owned(), "ignore".to_owned());
        ignored.operation.meta.extend([on_fail]);
        facts.count(&ignored, 7, true);
        assert_eq!(counts(&facts), [("start_0", "0".into())]);
        assert!(!facts.is_news(&failed(Task::Monitor, 0, 2)));
        assert!(!facts.is_news(&failed(Task::Notify, 0, 2)));
    }

    #[test]
    fn one_operation_is_forgotten_and_what_else_failed_is_not() {
        let mut facts = FailureFacts::default();
        for (interval_ms, call_id) in [(10_000, 1), (30_000, 2)] {
            facts.count(&failed(Task::Monitor, interval_ms, call_id), 7, true);
        }
        facts.count(&failed(Task::Start, 0, 3), 8, true);
        let monitor = |interval_ms| FailedOperation {
            action: Task::Monitor,
            interval_ms,
        };
        assert!(!facts.forget_operation(&monitor(Some(0))));
        assert!(facts.forget_operation(&monitor(Some(10_000))));
        let left = [
            ("monitor_30000", "1".to_owned()),
            ("start_0", "INFINITY".into()),
        ];
        assert_eq!(counts(&facts), left);
        assert!(facts.last().is_some(), "the start failed last");
        assert!(facts.forget_operation(&monitor(None)));
        let start = FailedOperation {
            action: Task::Start,
            interval_ms: None,
        };
        assert!(facts.forget_operation(&start) && facts.last().is_none());
        assert!(
            !facts.is_news(&failed(Task::Start, 0, 3)),
            "what was counted is not counted again"
        );
        assert!(!facts.forget_operation(&start));
    }

    #[test]
    fn failures_escalate_only_within_their_period() {
        let escalation = Escalation {
            failures: 3,
            period_us: 100,
        };
        let mut times = FailureTimes::default();
        assert!(!times.too_often(1000, escalation));
        assert!(!times.too_often(1050, escalation));
        assert!(
            !times.too_often(1101, escalation),
            "the first is too old by now"
        );
        assert!(times.too_often(1120, escalation));
        assert_eq!(times, FailureTimes::default());
    }
}
