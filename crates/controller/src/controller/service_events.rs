//! What services do, as events tell it: the difference between what was told last and what the
//! agents' histories say now.
//!
//! Events are not tied to operations: a DPE that was dead while an operation ended sees the same
//! difference, and tells the same.

use std::collections::BTreeSet;

use super::Controller;
use super::fencing::Fence;
use super::liveness::Life;
use crate::machines::facts::{Announced, ServiceFacts};
use crate::machines::history::Activity;
use crate::vocabulary::{Kind, Time, base_name};

/// Something that is wrong, with the name of the assembly or service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem<'a> {
    /// The reason of the fencing.
    BeingMadeSafe(&'a str, &'a str),
    Lost(&'a str),
    Offline(&'a str),
    /// How it failed.
    Failed(&'a str, &'a str),
    Nowhere(&'a str),
}

impl std::fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::BeingMadeSafe(name, reason) => {
                write!(f, "assembly {name} is being made safe: {reason}")
            }
            Problem::Lost(name) => write!(f, "assembly {name} is lost"),
            Problem::Offline(name) => write!(f, "assembly {name} is offline"),
            Problem::Failed(name, reason) => write!(f, "service {name} failed: {reason}"),
            Problem::Nowhere(name) => write!(f, "service {name} can run nowhere"),
        }
    }
}

impl Controller {
    /// Compares what one assembly's history says about a resource with what was told, and tells the
    /// difference.
    pub(crate) fn observe(&mut self, now: Time, assembly: &str, resource: &str) {
        let Some(own) = self.assemblies.get(assembly) else {
            return;
        };
        if !matches!(own.life, Life::Online | Life::Missed) {
            return;
        }
        let activity = own.history.activity(resource);
        let service = base_name(resource).to_owned();
        let facts = self
            .store
            .services
            .get(&service)
            .cloned()
            .unwrap_or_default();
        let known = facts.on.contains(assembly);
        match activity {
            Some(Activity::Active) if !known => {
                self.service_appeared(now, assembly, &service, &facts)
            }
            Some(Activity::Active) if self.recovers(assembly, &service, &facts) => {
                self.set_running(now, assembly, &service);
                self.event(
                    now,
                    Kind::ServiceRecovered,
                    assembly,
                    &service,
                    "started",
                    "it runs again",
                    &[],
                );
            }
            Some(Activity::Inactive) | None if known => {
                self.service_disappeared(now, assembly, &service)
            }
            _ => {}
        }
    }

    fn service_disappeared(&mut self, now: Time, assembly: &str, service: &str) {
        let facts = self.store.service_mut(service);
        facts.on.remove(assembly);
        facts.since = now.wall_us;
        let Some(rest) = facts.on.first().cloned() else {
            facts.last_on = Some(assembly.to_owned());
            return;
        };
        // It ran twice (which fencing mode none does not prevent), and the copy that was told last
        // is the one that went.
        let told_last = facts.told_on.as_deref() == Some(assembly);
        if told_last && !self.runs_several_times(service) {
            self.set_running(now, &rest, service);
            let details = [("from", assembly), ("to", rest.as_str())];
            let reason = format!("it does not run in assembly {assembly} any more");
            self.event(
                now,
                Kind::ServiceMoved,
                &rest,
                service,
                "started",
                &reason,
                &details,
            );
        }
    }

    fn runs_several_times(&self, service: &str) -> bool {
        let spec = self.spec.as_ref().and_then(|spec| spec.service(service));
        spec.is_some_and(|service| service.instances)
    }

    /// That it runs in an assembly is the end of its failure: of one that runs several times, only
    /// where it failed.
    fn recovers(&self, assembly: &str, service: &str, facts: &ServiceFacts) -> bool {
        let here = facts.failed_on.is_empty() || facts.failed_on.contains(assembly);
        facts.failed.is_some() && (here || !self.runs_several_times(service))
    }

    fn service_appeared(
        &mut self,
        now: Time,
        assembly: &str,
        service: &str,
        before: &ServiceFacts,
    ) {
        // Of one that runs once, the place where it still counts as running is where it comes from
        // (a live migration).
        let from = if self.runs_several_times(service) {
            None
        } else {
            before.on.iter().next().or(before.last_on.as_ref()).cloned()
        };
        let (kind, reason) = match &from {
            Some(from) if from != assembly => (Kind::ServiceMoved, format!("from assembly {from}")),
            _ if self.recovers(assembly, service, before) => {
                (Kind::ServiceRecovered, "it runs again".into())
            }
            Some(_) => (Kind::ServiceStarted, "it was restarted".into()),
            None => (Kind::ServiceStarted, "it runs".into()),
        };
        self.set_running(now, assembly, service);
        let details: Vec<(&str, &str)> = match &from {
            Some(from) if kind == Kind::ServiceMoved => vec![("from", from), ("to", assembly)],
            _ => Vec::new(),
        };
        self.event(now, kind, assembly, service, "started", &reason, &details);
    }

    fn set_running(&mut self, now: Time, assembly: &str, service: &str) {
        let several = self.runs_several_times(service);
        let facts = self.store.service_mut(service);
        facts.on.insert(assembly.to_owned());
        facts.told_on = Some(assembly.to_owned());
        facts.last_on = None;
        facts.failed_on.remove(assembly);
        if !several || facts.failed_on.is_empty() {
            facts.failed = None;
            facts.failed_on.clear();
        }
        facts.unrecoverable = false;
        facts.since = now.wall_us;
    }

    /// Tells that a service failed.
    pub(crate) fn service_failed(
        &mut self,
        now: Time,
        assembly: &str,
        resource: &str,
        reason: &str,
    ) {
        let service = base_name(resource).to_owned();
        let facts = self.store.service_mut(&service);
        facts.failed = Some(reason.to_owned());
        facts.failed_on.insert(assembly.to_owned());
        facts.since = now.wall_us;
        self.event(
            now,
            Kind::ServiceFailed,
            assembly,
            &service,
            "failed",
            reason,
            &[],
        );
    }

    /// Everything that ran in an assembly counts as failed: it is gone, or nobody knows.
    pub(crate) fn services_gone(&mut self, now: Time, assembly: &str, how: &str) {
        let here: Vec<String> = self
            .store
            .services
            .iter()
            .filter(|(_, facts)| facts.on.contains(assembly))
            .map(|(name, _)| name.clone())
            .collect();
        for service in here {
            self.service_disappeared(now, assembly, &service);
            let left = self
                .store
                .services
                .get(&service)
                .is_some_and(|facts| !facts.on.is_empty());
            if left && !self.runs_several_times(&service) {
                continue;
            }
            self.service_failed(
                now,
                assembly,
                &service,
                &format!("its assembly {assembly} {how}"),
            );
        }
    }

    /// The policy engine has nothing more to demand: tells which services stay stopped, and which
    /// cannot be helped.
    pub(crate) fn settle_services(&mut self, now: Time) {
        let ending = self
            .store
            .loaded
            .as_ref()
            .is_none_or(|loaded| loaded.unload.is_some());
        let names: BTreeSet<String> = self
            .store
            .services
            .keys()
            .chain(self.goal.keys())
            .cloned()
            .collect();
        for name in names {
            let facts = self.store.services.get(&name).cloned().unwrap_or_default();
            if !facts.on.is_empty() {
                if facts.failed.is_some() && self.runs_well(&name, &facts) {
                    self.settle_failure(now, &name);
                }
                continue;
            }
            let wanted = !ending && self.goal.get(&name).is_some_and(|goal| goal.enabled);
            if wanted && !facts.unrecoverable {
                let reason = facts
                    .failed
                    .clone()
                    .unwrap_or_else(|| "no assembly may run it now".into());
                self.store.service_mut(&name).unrecoverable = true;
                self.event(
                    now,
                    Kind::ServiceUnrecoverable,
                    "",
                    &name,
                    "blocked",
                    &reason,
                    &[],
                );
            } else if !wanted && (facts.last_on.is_some() || facts.failed.is_some()) {
                let assembly = facts.last_on.clone().unwrap_or_default();
                let facts = self.store.service_mut(&name);
                (facts.last_on, facts.failed, facts.unrecoverable) = (None, None, false);
                facts.failed_on.clear();
                self.event(
                    now,
                    Kind::ServiceStopped,
                    &assembly,
                    &name,
                    "stopped",
                    "its policy wants it stopped",
                    &[],
                );
            }
            let gone = self
                .spec
                .as_ref()
                .is_some_and(|spec| spec.service(&name).is_none());
            if gone && !wanted {
                self.store.remove_service(&name);
            }
        }
    }

    /// What failed is not what runs now: of a service that runs once, another assembly runs it; of
    /// one that runs several times, all that is left of it runs.
    fn runs_well(&self, name: &str, facts: &ServiceFacts) -> bool {
        let managed = self.goal.get(name).is_some_and(|goal| !goal.unmanaged);
        let runs = |assembly: &String| {
            self.assemblies.get(assembly).is_some_and(|own| {
                let of_service = |resource: &&str| base_name(resource) == name;
                own.history
                    .resources()
                    .map(|(resource, _)| resource)
                    .filter(of_service)
                    .all(|resource| own.history.activity(resource) != Some(Activity::Failed))
            })
        };
        let elsewhere = || self.runs_several_times(name) || facts.on.is_disjoint(&facts.failed_on);
        managed && elsewhere() && facts.on.iter().all(runs)
    }

    /// What failed will not come back where it was, and what runs is what there should be.
    fn settle_failure(&mut self, now: Time, name: &str) {
        let several = self.runs_several_times(name);
        let facts = self.store.service_mut(name);
        facts.failed = None;
        facts.failed_on.clear();
        let place = facts.on.first().filter(|_| !several).cloned();
        self.event(
            now,
            Kind::ServiceRecovered,
            &place.unwrap_or_default(),
            name,
            "started",
            "it runs wherever it should now",
            &[],
        );
    }

    /// What is wrong with the deployment now, the worst first; nothing: all is well.
    pub(crate) fn problems(&self) -> impl Iterator<Item = Problem<'_>> {
        let assemblies = self.assemblies.iter().filter_map(|(name, assembly)| {
            let retired = self
                .spec
                .as_ref()
                .is_some_and(|spec| !spec.assemblies.contains_key(name));
            match (assembly.life, &assembly.fence) {
                (_, Some(Fence { reason, .. })) => Some(Problem::BeingMadeSafe(name, reason)),
                (Life::Lost, _) => Some(Problem::Lost(name)),
                (Life::Safe, _) if !retired => Some(Problem::Offline(name)),
                _ => None,
            }
        });
        let services = self
            .store
            .services
            .iter()
            .filter_map(|(name, facts)| match &facts.failed {
                Some(reason) => Some(Problem::Failed(name, reason)),
                None if facts.unrecoverable => Some(Problem::Nowhere(name)),
                None => None,
            });
        assemblies.chain(services)
    }

    /// Tells how the deployment as a whole is, if that changed.
    pub(crate) fn announce(&mut self, now: Time) {
        let Some(loaded) = &self.store.loaded else {
            return;
        };
        if loaded.unload.is_some() || self.superseded || !self.everything_known() {
            return;
        }
        let announced = self.store.deployment.announced;
        let problem = self.problems().next();
        let idle = self.idle();
        let first = problem.map_or_else(String::new, |problem| problem.to_string());
        match (first.is_empty(), announced) {
            (true, Announced::Nothing) if idle => {
                self.store.deployment_mut().announced = Announced::Active;
                self.event(
                    now,
                    Kind::DeploymentStarted,
                    "",
                    "",
                    "active",
                    "everything runs that should",
                    &[],
                );
            }
            (true, Announced::Degraded | Announced::Failed) if idle => {
                self.store.deployment_mut().announced = Announced::Active;
                self.event(
                    now,
                    Kind::DeploymentRecovered,
                    "",
                    "",
                    "active",
                    "everything runs that should",
                    &[],
                );
            }
            (false, Announced::Active) => {
                self.store.deployment_mut().announced = Announced::Degraded;
                self.event(
                    now,
                    Kind::DeploymentDegraded,
                    "",
                    "",
                    "degraded",
                    &first,
                    &[],
                );
            }
            (false, Announced::Nothing) if idle => {
                self.store.deployment_mut().announced = Announced::Degraded;
                self.event(
                    now,
                    Kind::DeploymentDegraded,
                    "",
                    "",
                    "degraded",
                    &first,
                    &[],
                );
            }
            _ => {}
        }
    }
}
