//! Failed operations: fail counts, and escalation from service to assembly to deployment.
//!
//! A result is counted once, however often an agent tells it: the last counted one is a durable
//! fact.

use super::Controller;
use crate::machines::facts::Announced;
use crate::vocabulary::{Escalation, Fencing, Kind, Record, Task, Time};

/// Pacemaker's INFINITY.
const INFINITY: u32 = 1_000_000;

impl Controller {
    /// Takes a failed result into account, if it is new (scheduler-spec/05 §18.3).
    pub(crate) fn count_failure(&mut self, now: Time, assembly: &str, record: &Record) {
        let operation = &record.operation;
        let resource = operation.resource.as_str();
        // Finding a resource otherwise than expected is news, and a probe that fails bans nothing
        // by its count.
        if record.is_probe()
            || operation.action == Task::Notify
            || operation.action == Task::MetaData
        {
            return;
        }
        let key = (assembly.to_owned(), resource.to_owned());
        let seen = self.store.failures.get(&key).and_then(|facts| facts.seen);
        let result = record.result_key();
        if seen.is_some_and(|seen| seen == result || seen.0 > result.0) {
            return;
        }
        let ignored = operation.failure_is_ignored();
        let added = match operation.action {
            _ if ignored => 0,
            Task::Stop => INFINITY,
            Task::Start if self.start_failure_is_fatal => INFINITY,
            Task::Start | Task::Promote | Task::Demote => 1,
            _ if operation.interval_ms > 0 => 1,
            _ => 0,
        };
        let facts = self.store.failure_mut(assembly, resource);
        let count = facts
            .counts
            .entry(format!("{}_{}", operation.action, operation.interval_ms))
            .or_default();
        count.count = count.count.saturating_add(added).min(INFINITY);
        count.last_failure = now.wall_s();
        facts.last = Some(record.clone());
        facts.seen = Some(result);
        self.service_failed(now, assembly, resource, &record.describe());
        self.world_changed(&format!(
            "{} of {resource} on {assembly} failed",
            operation.action
        ));
        if !ignored {
            self.escalate_service(now, assembly, resource);
        }
    }

    /// Forgets failures that the policy engine or a person says are over. What was counted stays
    /// noted.
    pub(crate) fn forget_failure(&mut self, assembly: &str, resource: &str) {
        let key = (assembly.to_owned(), resource.to_owned());
        if self.store.failures.contains_key(&key) {
            let facts = self.store.failure_mut(assembly, resource);
            facts.counts.clear();
            facts.last = None;
        }
    }

    /// A service that fails too often fails its assembly.
    fn escalate_service(&mut self, now: Time, assembly: &str, resource: &str) {
        let Some(service) = self.spec.as_ref().and_then(|spec| spec.service(resource)) else {
            return;
        };
        let (id, Some(escalation)) = (service.id.clone(), service.escalation) else {
            return;
        };
        let failed_at = &mut self.store.service_mut(&id).failed_at;
        if !too_often(failed_at, now.wall_us, escalation) {
            return;
        }
        let reason = format!(
            "service {id} failed {} times within {} s",
            escalation.failures,
            escalation.period_us / 1_000_000
        );
        if self.assembly_failed(now, assembly, &reason) {
            return;
        }
        self.restart_assembly(now, assembly, &reason);
    }

    /// An assembly that fails too often fails the deployment. `true`: it did.
    pub(crate) fn assembly_failed(&mut self, now: Time, name: &str, reason: &str) -> bool {
        let Some(escalation) = self
            .assemblies
            .get(name)
            .and_then(|assembly| assembly.spec.escalation)
        else {
            return false;
        };
        let failed_at = &mut self.store.assembly_mut(name).failed_at;
        if !too_often(failed_at, now.wall_us, escalation) {
            return false;
        }
        let text = format!(
            "assembly {name} failed {} times within {} s, last because {reason}: all assemblies are restarted",
            escalation.failures,
            escalation.period_us / 1_000_000
        );
        self.store.deployment_mut().announced = Announced::Failed;
        self.event(now, Kind::DeploymentFailed, name, "", "failed", &text, &[]);
        for name in self.assemblies.keys().cloned().collect::<Vec<_>>() {
            self.restart_assembly(now, &name, "the deployment failed");
        }
        true
    }

    /// Has an assembly restarted through its fencing: the policy engine demands it when it sees the
    /// mark.
    fn restart_assembly(&mut self, now: Time, name: &str, reason: &str) {
        let Some(assembly) = self
            .assemblies
            .get(name)
            .filter(|assembly| assembly.usable())
        else {
            return;
        };
        // To demand what cannot be done would only keep its services from being managed.
        if assembly.spec.fencing == Fencing::None {
            let text = format!(
                "{reason}, but fencing mode none cannot restart an assembly that is online"
            );
            self.event(
                now,
                Kind::AssemblyFencingFailed,
                name,
                "",
                "online",
                &text,
                &[],
            );
            return;
        }
        self.store.assembly_mut(name).restart = Some(reason.to_owned());
        self.world_changed(&format!("assembly {name} is to be restarted"));
    }
}

/// Notes a failure now; `true`, and nothing noted any more: as many as the escalation says happened
/// within its period.
fn too_often(failed_at: &mut Vec<u64>, now_wall_us: u64, escalation: Escalation) -> bool {
    failed_at.retain(|at| *at <= now_wall_us && now_wall_us - at < escalation.period_us);
    failed_at.push(now_wall_us);
    let reached = failed_at.len() >= escalation.failures as usize;
    if reached {
        failed_at.clear();
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_escalate_only_within_their_period() {
        let escalation = Escalation {
            failures: 3,
            period_us: 100,
        };
        let mut failed_at = Vec::new();
        assert!(!too_often(&mut failed_at, 1000, escalation));
        assert!(!too_often(&mut failed_at, 1050, escalation));
        assert!(
            !too_often(&mut failed_at, 1101, escalation),
            "the first is too old by now"
        );
        assert!(too_often(&mut failed_at, 1120, escalation));
        assert!(failed_at.is_empty());
    }
}
