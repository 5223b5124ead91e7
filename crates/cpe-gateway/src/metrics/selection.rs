//! Of which deployments there are series for single services and assemblies: whole deployments, as
//! many as there is room for.

use std::collections::BTreeMap;

use cpe_status::{DeploymentStatus, INFINITE_FAILURES};

use super::facts::{Facts, told};

/// A service, all its instances together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Service {
    /// Instances that run.
    pub running: u32,
    /// Failures that count against it.
    pub failures: u32,
}

/// A deployment of which all is told.
#[derive(Debug)]
pub(super) struct Told<'f> {
    pub name: &'f str,
    pub status: &'f DeploymentStatus,
    pub services: BTreeMap<&'f str, Service>,
}

/// What is told.
#[derive(Debug)]
pub(super) struct Selection<'f> {
    pub deployments: Vec<Told<'f>>,
    /// Series that are left out.
    pub dropped: usize,
}

/// Those that fit, with their services.
pub(super) fn of_services(facts: &Facts) -> Selection<'_> {
    let (deployments, dropped) = fitting(facts, |name, status| {
        let services = services(status);
        let series = 2 * (services.len() + status.assemblies.len());
        let own = Told {
            name,
            status,
            services,
        };
        (own, series)
    });
    Selection {
        deployments,
        dropped,
    }
}

/// What is made of the deployments that fit, in the order of names; and how many series are left
/// out. `make` also says how many series a deployment has.
pub(super) fn fitting<'f, T>(
    facts: &'f Facts,
    make: impl Fn(&'f str, &'f DeploymentStatus) -> (T, usize),
) -> (Vec<T>, usize) {
    let mut room = facts.max_series;
    let (mut fitting, mut dropped) = (Vec::new(), 0);
    for seen in &facts.seen {
        let Some(status) = told(seen) else {
            continue;
        };
        let (own, series) = make(seen.entry.name.as_str(), status);
        if series > room {
            dropped += series;
            continue;
        }
        room -= series;
        fitting.push(own);
    }
    (fitting, dropped)
}

fn services(status: &DeploymentStatus) -> BTreeMap<&str, Service> {
    let mut services: BTreeMap<&str, Service> = BTreeMap::new();
    for instance in &status.services {
        let name = match instance.service.as_str() {
            "" => instance.name.as_str(),
            name => name,
        };
        let service = services.entry(name).or_default();
        service.running += u32::from(instance.state.runs());
        service.failures = service.failures.saturating_add(instance.failures);
        service.failures = service.failures.min(INFINITE_FAILURES);
    }
    services
}
