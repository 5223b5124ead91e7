//! Failed operations: fail counts, and escalation from service to assembly to deployment.
//!
//! A result is counted once, however often an agent tells it: the last counted one is a durable
//! fact.

use cpe_status::AssemblyState;

use super::Controller;
use crate::machines::announcement::Announced;
use crate::vocabulary::{AssemblyId, EventDraft, EventKind, Fencing, Record, ServiceId, Time};

impl Controller {
    /// Takes a failed result into account, if it is new (scheduler-spec/05 §18.3).
    pub(crate) fn count_failure(&mut self, now: Time, assembly: &AssemblyId, record: &Record) {
        let operation = &record.operation;
        let resource = operation.resource.as_str();
        if !self.store.failure(assembly, resource).is_news(record) {
            return;
        }
        let facts = self.store.failure_mut(assembly, resource);
        facts.count(record, now.wall_s(), self.deciding.start_failure_is_fatal());
        let service = ServiceId::of_resource(resource);
        self.service_failed(now, assembly, &service, &record.describe());
        self.world_changed(&format!(
            "{} of {resource} on {assembly} failed",
            operation.action
        ));
        if !operation.failure_is_ignored() {
            self.escalate_service(now, assembly, &service);
        }
    }

    /// What failed at a time that is still to come was counted before the clock was set back. How
    /// long ago, nobody knows: it counts as having failed now. Else it would not expire before that
    /// time has come and its timeout is over.
    pub(crate) fn correct_failures(&mut self, now: Time) {
        let now_s = now.wall_s();
        let failures = self.store.failures().iter();
        let ahead = failures.filter(|(_, facts)| facts.last_failure() > Some(now_s));
        let ahead: Vec<_> = ahead.map(|(key, _)| key.clone()).collect();
        for (assembly, resource) in ahead {
            let facts = self.store.failure_mut(&assembly, &resource);
            facts.happened_by(now_s);
        }
    }

    /// Forgets failures that the policy engine or a person says are over.
    pub(crate) fn forget_failure(&mut self, assembly: &AssemblyId, resource: &str) {
        if self.store.has_failure(assembly, resource) {
            self.store.failure_mut(assembly, resource).forget();
        }
    }

    /// A service that fails too often in an assembly fails that. What fails under maintenance is
    /// being worked on: it counts nowhere.
    fn escalate_service(&mut self, now: Time, assembly: &AssemblyId, id: &ServiceId) {
        let spec = self.document.service(id);
        let Some(escalation) = spec.and_then(|service| service.escalation) else {
            return;
        };
        if self.in_maintenance(assembly) {
            return;
        }
        let facts = self.store.service_mut(id);
        if !facts.fails_too_often(assembly, now.wall_us, escalation) {
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
    pub(crate) fn assembly_failed(&mut self, now: Time, name: &AssemblyId, reason: &str) -> bool {
        let Some(escalation) = self
            .assemblies
            .get(name)
            .and_then(|assembly| assembly.spec().escalation)
        else {
            return false;
        };
        if self.in_maintenance(name) {
            return false;
        }
        let times = &mut self.store.assembly_mut(name).failed_at;
        if !times.too_often(now.wall_us, escalation) {
            return false;
        }
        let text = format!(
            "assembly {name} failed {} times within {} s, last because {reason}: all that are online and not in maintenance are restarted",
            escalation.failures,
            escalation.period_us / 1_000_000
        );
        self.store.deployment_mut().announced = Announced::Failed;
        self.tell(
            now,
            EventDraft::new(EventKind::DeploymentFailed)
                .assembly(name)
                .reason(&text),
        );
        for name in self.assemblies.keys().cloned().collect::<Vec<_>>() {
            self.restart_assembly(now, &name, "the deployment failed");
        }
        true
    }

    /// Has an assembly restarted through its fencing: the policy engine demands it when it sees the
    /// mark.
    fn restart_assembly(&mut self, now: Time, name: &AssemblyId, reason: &str) {
        let Some(assembly) = self
            .assemblies
            .get(name)
            .filter(|assembly| assembly.usable() && !self.in_maintenance(name))
        else {
            return;
        };
        // To demand what cannot be done would only keep its services from being managed.
        if assembly.spec().fencing == Fencing::None {
            let text = format!(
                "{reason}, but fencing mode none cannot restart an assembly that is online"
            );
            self.tell(
                now,
                EventDraft::new(EventKind::AssemblyFencingFailed)
                    .assembly(name)
                    .state(AssemblyState::Online.as_str())
                    .reason(&text),
            );
            return;
        }
        self.store.assembly_mut(name).restart = Some(reason.to_owned());
        self.world_changed(&format!("assembly {name} is to be restarted"));
    }
}
