//! What services and the deployment as a whole do, as events: the difference between what the last
//! event said and what the agents' histories say now.

use std::collections::BTreeSet;

use cpe_status::OverlayKind;

use super::Controller;
use crate::machines::announcement;
use crate::machines::assembly::Life;
use crate::machines::facts::Departure;
use crate::machines::history::Activity;
use crate::machines::service::ServiceFacts;
use crate::vocabulary::{AssemblyId, Copies, ServiceId, Time};

/// Something that is wrong, with the name of the assembly or service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem<'a> {
    /// The reason of the fencing.
    BeingMadeSafe(&'a AssemblyId, &'a str),
    Lost(&'a AssemblyId),
    Offline(&'a AssemblyId),
    Left(&'a AssemblyId),
    /// How it failed.
    Failed(&'a ServiceId, &'a str),
    Nowhere(&'a ServiceId),
}

impl std::fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::BeingMadeSafe(name, reason) => {
                write!(f, "assembly {name} is being made safe: {reason}")
            }
            Problem::Lost(name) => write!(f, "assembly {name} is lost"),
            Problem::Offline(name) => write!(f, "assembly {name} is offline"),
            Problem::Left(name) => write!(f, "assembly {name} went down as planned"),
            Problem::Failed(name, reason) => write!(f, "service {name} failed: {reason}"),
            Problem::Nowhere(name) => write!(f, "service {name} can run nowhere"),
        }
    }
}

impl Controller {
    /// Compares what one assembly's history says about a resource with the last event about it. If
    /// they differ, there is a new event.
    pub(crate) fn observe(&mut self, now: Time, assembly: &AssemblyId, resource: &str) {
        let Some(own) = self.assemblies.get(assembly) else {
            return;
        };
        if !own.is_heard() {
            return;
        }
        let service = ServiceId::of_resource(resource);
        let activity = own.history().service_activity(&service);
        let copies = self.copies(&service);
        let facts = self.store.service(&service);
        let known = facts.runs_on(assembly);
        match activity {
            Some(Activity::Active) if !known => {
                let facts = self.store.service_mut(&service);
                let event = facts.appear(&service, assembly, copies, now.wall_us);
                self.tell(now, event);
            }
            Some(Activity::Active) if facts.recovers(assembly, copies) => {
                let facts = self.store.service_mut(&service);
                let event = facts.recover(&service, assembly, copies, now.wall_us);
                self.tell(now, event);
            }
            Some(Activity::Inactive) | None if known => {
                self.service_disappeared(now, assembly, &service);
            }
            _ => {}
        }
    }

    fn service_disappeared(&mut self, now: Time, assembly: &AssemblyId, service: &ServiceId) {
        let copies = self.copies(service);
        let facts = self.store.service_mut(service);
        if let Some(event) = facts.disappear(service, assembly, copies, now.wall_us) {
            self.tell(now, event);
        }
    }

    /// How often a service may run at a time.
    fn copies(&self, service: &ServiceId) -> Copies {
        let spec = self.document.service(service);
        spec.map_or(Copies::One, |service| service.copies)
    }

    /// Tells that a service failed.
    pub(crate) fn service_failed(
        &mut self,
        now: Time,
        assembly: &AssemblyId,
        service: &ServiceId,
        reason: &str,
    ) {
        let facts = self.store.service_mut(service);
        let event = facts.fail(service, assembly, reason, now.wall_us);
        self.tell(now, event);
    }

    /// Services that were told to run in an assembly.
    fn services_in(&self, assembly: &AssemblyId) -> Vec<ServiceId> {
        let services = self.store.services().iter();
        services
            .filter(|(_, facts)| facts.runs_on(assembly))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// An assembly is let go of, and nothing runs there: what was told to run there may have been
    /// in a guest that the name has meant before.
    pub(crate) fn services_left(&mut self, now: Time, assembly: &AssemblyId) {
        for service in self.services_in(assembly) {
            self.service_disappeared(now, assembly, &service);
        }
    }

    /// Everything that ran in an assembly counts as failed: it is gone, or nobody knows.
    pub(crate) fn services_gone(&mut self, now: Time, assembly: &AssemblyId, how: &str) {
        for service in self.services_in(assembly) {
            self.service_disappeared(now, assembly, &service);
            // A device is on this host: it is only counted elsewhere from now on.
            if self
                .document
                .spec()
                .is_some_and(|spec| spec.device(&service).is_some())
            {
                continue;
            }
            let left = !self.store.service(&service).places().is_empty();
            if left && self.copies(&service) == Copies::One {
                continue;
            }
            let reason = format!("its assembly {assembly} {how}");
            self.service_failed(now, assembly, &service, &reason);
        }
    }

    /// The policy engine has nothing more to demand: tells which services stay stopped, and which
    /// cannot be helped.
    pub(crate) fn settle_services(&mut self, now: Time) {
        let loaded = self.store.loaded();
        let ending = loaded.is_none_or(|loaded| loaded.unload.is_some());
        let restarts = self.is_restarting();
        let known = self
            .store
            .services()
            .keys()
            .chain(self.deciding.goal().keys());
        for id in known.cloned().collect::<BTreeSet<ServiceId>>() {
            let facts = self.store.service(&id);
            if !facts.places().is_empty() {
                if facts.failure().is_some() && self.runs_well(&id, &facts) {
                    let copies = self.copies(&id);
                    let event = self.store.service_mut(&id).settle_failure(&id, copies);
                    self.tell(now, event);
                }
                continue;
            }
            let left_alone = self.is_left_alone(&id);
            let wanted = !ending && self.is_enabled(&id) && !left_alone;
            if wanted && restarts && facts.went_in_order() {
                // It is stopped with what is being restarted, and starts with it again.
                continue;
            }
            if wanted && !facts.is_unrecoverable() {
                let event = self.store.service_mut(&id).give_up(&id);
                self.tell(now, event);
            } else if !wanted && facts.awaits_stop() {
                let event = self.store.service_mut(&id).stop(&id, left_alone);
                self.tell(now, event);
            }
            let spec = self.document.spec();
            let gone = spec.is_some_and(|spec| spec.service(&id).is_none());
            if gone && !wanted {
                self.store.remove_service(&id);
            }
        }
    }

    /// Something is being restarted as an administrator wants it.
    fn is_restarting(&self) -> bool {
        let mut wanted = self.store.overlay().keys();
        wanted.any(|key| key.kind == OverlayKind::Restart)
    }

    /// Its configuration does not say that it is to be stopped.
    fn is_enabled(&self, id: &ServiceId) -> bool {
        let goal = self.deciding.goal().get(id);
        goal.is_some_and(|goal| goal.enabled)
    }

    /// Nobody starts it, since it is unmanaged, and nothing of it has failed that a person would
    /// clean up: what it ran in has gone.
    fn is_left_alone(&self, id: &ServiceId) -> bool {
        let goal = self.deciding.goal().get(id);
        let mut failures = self.store.failures().iter();
        goal.is_some_and(|goal| goal.unmanaged)
            && !failures.any(|((_, resource), facts)| {
                facts.last().is_some() && ServiceId::of_resource(resource) == *id
            })
    }

    /// What failed is not what runs now: of a service that runs once, another assembly runs it; of
    /// one that runs several times, all that is left of it runs.
    fn runs_well(&self, id: &ServiceId, facts: &ServiceFacts) -> bool {
        let goal = self.deciding.goal().get(id);
        let managed = goal.is_some_and(|goal| !goal.unmanaged) || self.is_left_alone(id);
        let runs = |assembly: &AssemblyId| {
            self.assemblies.get(assembly).is_some_and(|own| {
                let mut resources = own.history().of_service(id);
                resources
                    .all(|(resource, _)| own.history().activity(resource) != Some(Activity::Failed))
            })
        };
        let elsewhere = || {
            self.copies(id) == Copies::Several || facts.places().is_disjoint(facts.failed_places())
        };
        managed && elsewhere() && facts.places().iter().all(runs)
    }

    /// What is wrong with the deployment now, the worst first; nothing: all is well.
    pub(crate) fn problems(&self) -> impl Iterator<Item = Problem<'_>> {
        let assemblies = self.assemblies.iter().filter_map(|(name, assembly)| {
            let retired = self.document.has_dropped(name);
            let facts = self.store.assemblies().get(name);
            let left = facts.is_some_and(|facts| facts.departure == Departure::Left);
            match (assembly.life(), assembly.fence()) {
                (_, Some(fence)) => Some(Problem::BeingMadeSafe(name, fence.reason())),
                (Life::Lost, _) => Some(Problem::Lost(name)),
                (Life::Safe, _) if !retired && left => Some(Problem::Left(name)),
                (Life::Safe, _) if !retired => Some(Problem::Offline(name)),
                _ => None,
            }
        });
        let services = self.store.services().iter();
        let services = services.filter_map(|(id, facts)| match facts.failure() {
            Some(reason) => Some(Problem::Failed(id, reason)),
            None if facts.is_unrecoverable() => Some(Problem::Nowhere(id)),
            None => None,
        });
        assemblies.chain(services)
    }

    /// Tells how the deployment as a whole is, if that changed.
    pub(crate) fn announce(&mut self, now: Time) {
        let Some(loaded) = self.store.loaded() else {
            return;
        };
        if loaded.unload.is_some() || !self.everything_known() {
            return;
        }
        let announced = self.store.deployment().announced;
        let problem = self.problems().next().map(|problem| problem.to_string());
        let next = announcement::next(announced, problem.as_deref(), self.idle());
        if let Some((announced, event)) = next {
            self.store.deployment_mut().announced = announced;
            self.tell(now, event);
        }
    }
}
