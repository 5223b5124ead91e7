//! What a status says about services: each instance, and the tree that they are parts of.

use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{
    INFINITE_FAILURES, ResourceKind, ResourceStatus, ServiceRole, ServiceState, ServiceStatus,
};
use policy_engine::model::base_name;

use super::places::{Place, Places, number};
use crate::controller::Controller;
use crate::machines::facts::Durable;
use crate::machines::failures;
use crate::machines::service::ServiceFacts;
use crate::vocabulary::Waits;

/// Instances of one service that are listed although they run nowhere, at most.
const MOST_STOPPED: u32 = 1000;

/// A service of the document, or a part of a bundle.
#[derive(Debug)]
struct Listed<'a> {
    id: &'a str,
    agent: &'a str,
    /// It is cloned.
    many: bool,
    /// Its instances can be told apart: so many there are to be.
    numbered: Option<u32>,
}

impl Controller {
    pub(in crate::controller) fn service_statuses(&self) -> Vec<ServiceStatus> {
        let goal = self.deciding.goal();
        let unmanaged = |service: &str| goal.get(service).is_some_and(|goal| goal.unmanaged);
        let mut places = Places::new(&self.assemblies, unmanaged);
        let counts = Counts::new(&self.store);
        let nothing = ServiceFacts::default();
        let mut statuses = Vec::new();
        for listed in self.listed() {
            let facts = self.store.services().get(listed.id).unwrap_or(&nothing);
            let own = places.take(listed.id);
            self.list_service(&listed, facts, &own, &counts, &mut statuses);
        }
        for (service, own) in places.rest() {
            statuses.extend(own.iter().map(|place| left_over(service, place)));
        }
        statuses
    }

    fn list_service(
        &self,
        listed: &Listed<'_>,
        facts: &ServiceFacts,
        places: &[Place<'_>],
        counts: &Counts<'_>,
        statuses: &mut Vec<ServiceStatus>,
    ) {
        let reason = facts.failure().unwrap_or_default();
        let base = ServiceStatus {
            name: listed.id.to_owned(),
            service: listed.id.to_owned(),
            agent: listed.agent.to_owned(),
            role: ServiceRole::Stopped,
            since: facts.since(),
            failures: counts.of_service(listed.id),
            ..ServiceStatus::default()
        };
        let mut rows: Vec<ServiceStatus> = places
            .iter()
            .map(|place| ServiceStatus {
                name: place.resource.to_owned(),
                assembly: place.assembly.to_string(),
                state: place.state,
                role: place.role,
                failures: match listed.many {
                    true => counts.of_instance(place.resource, place.assembly.as_str()),
                    false => base.failures,
                },
                reason: self.why(listed, facts, place),
                ..base.clone()
            })
            .collect();
        let known = self.everything_known();
        let stopped = ServiceStatus {
            state: match () {
                () if !known => ServiceState::Unknown,
                () if !rows.is_empty() => ServiceState::Stopped,
                () if facts.is_unrecoverable() => ServiceState::Blocked,
                () if facts.failure().is_some() => ServiceState::Failed,
                () => ServiceState::Stopped,
            },
            role: match known {
                true => ServiceRole::Stopped,
                false => ServiceRole::Unknown,
            },
            reason: self.failed_or_waits(listed.id, reason),
            ..base
        };
        match listed.numbered {
            Some(instances) => rows.extend(missing(places, instances).map(|number| {
                let name = format!("{}:{number}", listed.id);
                let failures = counts.of_resource(&name);
                ServiceStatus {
                    name,
                    failures,
                    ..stopped.clone()
                }
            })),
            None if rows.is_empty() => rows.push(stopped),
            None => {}
        }
        if listed.numbered.is_some() {
            rows.sort_by_key(|row| number(&row.name));
        }
        statuses.append(&mut rows);
    }

    /// How a service failed; else which ticket it waits for, if it does.
    fn failed_or_waits(&self, service: &str, failed: &str) -> String {
        let goal = self.deciding.goal().get(service);
        let waits = goal.and_then(|goal| goal.waits.as_ref());
        let waits = waits.filter(|_| failed.is_empty());
        waits.map_or_else(|| failed.to_owned(), ToString::to_string)
    }

    /// Why an instance is in its state: what it waits for, what failed there, or what it lacks.
    fn why(&self, listed: &Listed<'_>, facts: &ServiceFacts, place: &Place<'_>) -> String {
        if let Some(delayed) = &place.delayed {
            return delayed.clone();
        }
        let concerned = !listed.many || facts.failed_places().contains(place.assembly);
        match facts.failure() {
            Some(reason) if concerned && !reason.is_empty() => reason.to_owned(),
            _ => self.freezes(listed.id, place.state),
        }
    }

    /// Why an instance runs and is left alone, if that is for want of a ticket.
    fn freezes(&self, service: &str, state: ServiceState) -> String {
        let goal = self.deciding.goal().get(service);
        let waits = goal.and_then(|goal| goal.waits.as_ref());
        let waits = waits.filter(|_| state == ServiceState::Unmanaged);
        waits.map(Waits::freezes).unwrap_or_default()
    }

    /// The services of the document, and after them what the policy engine made of its bundles.
    fn listed(&self) -> Vec<Listed<'_>> {
        let Some(spec) = self.document.spec() else {
            return Vec::new();
        };
        let mut leaves = BTreeMap::new();
        let mut order = Vec::new();
        for element in &spec.resources {
            collect(element, None, &mut leaves, &mut order);
        }
        let services = spec.services.iter();
        let named: BTreeSet<&str> = services.clone().map(|it| it.id.as_str()).collect();
        let own = services.map(|service| {
            let known = leaves.get(service.id.as_str());
            Listed {
                id: service.id.as_str(),
                agent: &service.agent,
                many: known.is_some_and(|(_, clone)| clone.is_some()),
                numbered: known.and_then(|(element, clone)| {
                    clone
                        .filter(|clone| clone.unique)
                        .map(|_| element.instances)
                }),
            }
        });
        let parts = order.into_iter().filter(|it| !named.contains(&*it.name));
        let parts = parts.map(|element| Listed {
            id: &element.name,
            agent: &element.agent,
            many: false,
            numbered: None,
        });
        own.chain(parts).collect()
    }

    /// The tree, with what the last decision wants.
    pub(crate) fn resource_statuses(&self) -> Vec<ResourceStatus> {
        let Some(spec) = self.document.spec() else {
            return Vec::new();
        };
        let goal = self.deciding.goal();
        let mut resources = spec.resources.clone();
        for element in &mut resources {
            element.each_mut(&mut |element| {
                let own = goal.get(element.name.as_str());
                if element.kind == ResourceKind::Service
                    && let Some(goal) = own
                {
                    element.enabled = goal.enabled;
                    (element.wanted, element.promoted) = (goal.placed, goal.promoted);
                }
            });
        }
        resources
    }
}

/// Services below an element of the tree, each with the clone that it is in.
fn collect<'a>(
    element: &'a ResourceStatus,
    clone: Option<&'a ResourceStatus>,
    leaves: &mut BTreeMap<&'a str, (&'a ResourceStatus, Option<&'a ResourceStatus>)>,
    order: &mut Vec<&'a ResourceStatus>,
) {
    if element.kind == ResourceKind::Service {
        leaves.insert(&element.name, (element, clone));
        order.push(element);
    }
    let clone = match element.kind {
        ResourceKind::Clone => Some(element),
        _ => clone,
    };
    for member in &element.members {
        collect(member, clone, leaves, order);
    }
}

/// Numbers of instances that are nowhere.
fn missing(places: &[Place<'_>], instances: u32) -> impl Iterator<Item = u32> {
    let numbers = places.iter().filter_map(|place| number(place.resource));
    let there: BTreeSet<u32> = numbers.collect();
    let most = MOST_STOPPED as usize;
    (0..instances)
        .filter(move |number| !there.contains(number))
        .take(most)
}

/// What still runs of a service that the document does not have any more.
fn left_over(service: &str, place: &Place<'_>) -> ServiceStatus {
    let operation = &place.record.operation;
    let provider = match operation.provider.as_str() {
        "" => String::new(),
        provider => format!("{provider}:"),
    };
    ServiceStatus {
        name: place.resource.to_owned(),
        service: service.to_owned(),
        agent: format!("{}:{provider}{}", operation.class, operation.kind),
        assembly: place.assembly.to_string(),
        state: place.state,
        role: place.role,
        reason: "it is not in the document".to_owned(),
        ..ServiceStatus::default()
    }
}

/// Fail counts, added up.
#[derive(Debug, Default)]
struct Counts<'a> {
    by_place: BTreeMap<(&'a str, &'a str), u32>,
    by_resource: BTreeMap<&'a str, u32>,
    by_service: BTreeMap<&'a str, u32>,
}

impl<'a> Counts<'a> {
    fn new(facts: &'a Durable) -> Counts<'a> {
        let mut counts = Counts::default();
        for ((assembly, resource), facts) in facts.failures() {
            let own = failures::total([facts].into_iter());
            let add = |sum: &mut u32| *sum = sum.saturating_add(own).min(INFINITE_FAILURES);
            let resource = resource.as_str();
            add(counts
                .by_place
                .entry((resource, assembly.as_str()))
                .or_default());
            add(counts.by_resource.entry(resource).or_default());
            add(counts.by_service.entry(base_name(resource)).or_default());
        }
        counts
    }

    fn of_service(&self, service: &str) -> u32 {
        self.by_service.get(service).copied().unwrap_or(0)
    }

    fn of_resource(&self, resource: &str) -> u32 {
        self.by_resource.get(resource).copied().unwrap_or(0)
    }

    /// Of an instance in an assembly: of one with a number, those in all assemblies.
    fn of_instance(&self, resource: &str, assembly: &str) -> u32 {
        if number(resource).is_some() {
            return self.of_resource(resource);
        }
        let own = self.by_place.get(&(resource, assembly));
        own.copied().unwrap_or(0)
    }
}
