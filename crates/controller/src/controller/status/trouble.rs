//! What a status says about what is wrong, and what was done about it.

use cpe_status::{FailureStatus, FencingStatus};

use crate::controller::Controller;
use crate::machines::failures::{self, FailureFacts};
use crate::vocabulary::{AssemblyId, ServiceId};

/// Problems that are named one by one.
const MOST_PROBLEMS: usize = 100;

impl Controller {
    pub(super) fn problem_texts(&self) -> Vec<String> {
        let error = self.error().cloned();
        let problems = self.problems().map(|problem| problem.to_string());
        let all = error.into_iter().chain(problems);
        all.take(MOST_PROBLEMS).collect()
    }

    pub(super) fn failure_statuses(&self) -> Vec<FailureStatus> {
        let all = self.store.failures().iter();
        let mut failures: Vec<FailureStatus> = all
            .flat_map(|((assembly, resource), facts)| self.failures_of(assembly, resource, facts))
            .collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.time));
        failures
    }

    /// Of one resource in one assembly, by operation.
    fn failures_of(
        &self,
        assembly: &AssemblyId,
        resource: &str,
        facts: &FailureFacts,
    ) -> Vec<FailureStatus> {
        let goal = self.deciding.goal().get(&ServiceId::of_resource(resource));
        let goal = goal.cloned().unwrap_or_default();
        let kept = &self.deciding.terms().kept_failures;
        let place = (assembly.to_string(), resource.to_owned());
        let timeout_s = match kept.contains(&place) {
            true => 0,
            false => i64::from(goal.failure_timeout_ms / 1000),
        };
        // scheduler-spec/02 §19.2: the youngest failure says when all of them are forgotten.
        let last = facts.last_failure().filter(|_| timeout_s > 0);
        let forgotten = last.map_or(0, |last| microseconds(last.saturating_add(timeout_s)));
        let total = failures::total([facts].into_iter());
        // scheduler-spec/02 §19.3.
        let banned = goal.threshold > 0 && total > 0 && total >= goal.threshold;
        let counts = facts.counts();
        counts
            .map(|(name, count)| {
                let (rc, reason) = facts.last_of(name, count);
                FailureStatus {
                    service: resource.to_owned(),
                    assembly: assembly.to_string(),
                    operation: operation(name),
                    count: count.count,
                    threshold: goal.threshold,
                    banned,
                    rc,
                    time: microseconds(count.last_failure),
                    forgotten,
                    reason,
                }
            })
            .collect()
    }

    pub(super) fn fencing_statuses(&self) -> Vec<FencingStatus> {
        let newest_first = self.store.fencings().values().rev();
        newest_first.map(|facts| facts.status().clone()).collect()
    }
}

/// `monitor/10000` of the name under which its failures are counted.
fn operation(name: &str) -> String {
    match name.rsplit_once('_') {
        Some((action, interval)) => format!("{action}/{interval}"),
        None => name.to_owned(),
    }
}

fn microseconds(epoch_s: i64) -> u64 {
    u64::try_from(epoch_s)
        .unwrap_or(0)
        .saturating_mul(1_000_000)
}
