//! Names of services and groups, and the resource ids that they become.
//!
//! A name that occurs once is the id. Services of several assemblies may share a name, as in the
//! form of the original project; each is then `NAME-ASSEMBLY`, and the name alone stands for all of
//! them in constraints.

use std::collections::HashMap;

use super::original;
use crate::model::{Deployment, Instances, resource_id};
use crate::problem::{Problems, quote};

/// What a name names, with its index in the deployment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Service(usize),
    Group(usize),
}

impl Kind {
    /// Gives it its id; returns its number of instances.
    fn identify(self, deployment: &mut Deployment, id: &str) -> Option<Instances> {
        match self {
            Kind::Service(index) => {
                let service = &mut deployment.services[index];
                id.clone_into(&mut service.id);
                service.instances
            }
            Kind::Group(index) => {
                let group = &mut deployment.groups[index];
                id.clone_into(&mut group.id);
                group.instances
            }
        }
    }
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    name: String,
    assembly: Option<String>,
    /// Of the name in the document.
    offset: usize,
}

/// Every name of a service or group, in the order of the document.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: Vec<Entry>,
    /// A name or id, and the resources that constraints mean by it.
    targets: HashMap<String, Vec<Target>>,
    /// Pinned services by the id that the original project gives their resources.
    original: HashMap<String, Target>,
}

/// A resource that a constraint can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// In the configuration: of the clone, if there are several instances.
    pub(super) resource: String,
    /// The assembly that it is pinned to.
    pub(super) assembly: Option<String>,
}

impl Names {
    pub(super) fn add(&mut self, kind: Kind, name: &str, assembly: Option<&str>, offset: usize) {
        self.entries.push(Entry {
            kind,
            name: name.to_owned(),
            assembly: assembly.map(str::to_owned),
            offset,
        });
    }

    /// Gives every service and group its id; reports names that would get the same id.
    pub(super) fn identify(&mut self, deployment: &mut Deployment, problems: &mut Problems) {
        let named = || self.entries.iter().filter(|entry| !entry.name.is_empty());
        // by name: the assembly of the first one, and whether another assembly has one too
        let mut places: HashMap<&str, (Option<&str>, bool)> = HashMap::new();
        for entry in named() {
            let assembly = entry.assembly.as_deref();
            let (first, several) = places.entry(&entry.name).or_insert((assembly, false));
            *several |= *first != assembly;
        }
        let mut ids: HashMap<String, &Entry> = HashMap::new();
        let mut targets: HashMap<String, Vec<Target>> = HashMap::new();
        for entry in named() {
            let (_, several) = places[entry.name.as_str()];
            let id = match &entry.assembly {
                Some(assembly) if several => format!("{}-{assembly}", entry.name),
                _ => entry.name.clone(),
            };
            let instances = entry.kind.identify(deployment, &id);
            let resource = resource_id(&id, instances);
            if let Some(earlier) = ids.get(&id) {
                report_duplicate(entry, earlier, &id, problems);
                continue;
            }
            if several && entry.assembly.is_none() {
                let message = format!(
                    "{} is also the name of a service pinned to an assembly",
                    quote(&entry.name)
                );
                problems.error(
                    entry.offset,
                    message,
                    "give one of them another name".to_owned(),
                );
            }
            if let Some(earlier) = ids.get(&resource).filter(|_| resource != id) {
                let message = format!(
                    "the instances of {} are called {}",
                    quote(&entry.name),
                    quote(&resource)
                );
                problems.error(
                    earlier.offset,
                    message,
                    "give this service another name".to_owned(),
                );
            }
            let target = Target {
                resource: resource.clone(),
                assembly: entry.assembly.clone(),
            };
            if let Some(assembly) = &entry.assembly {
                let id = original::resource_id(assembly, &entry.name);
                self.original.insert(id, target.clone());
            }
            if id != entry.name {
                targets.entry(id.clone()).or_default().push(target.clone());
            }
            targets.entry(entry.name.clone()).or_default().push(target);
            ids.insert(id, entry);
            ids.insert(resource, entry);
        }
        self.targets = targets;
    }

    /// The resources that a name or id stands for; empty if it is not known.
    pub(super) fn targets(&self, name: &str) -> &[Target] {
        self.targets.get(name).map_or(&[], Vec::as_slice)
    }

    /// The resource that has this id in the form of the original project.
    pub(super) fn original(&self, id: &str) -> Option<&Target> {
        self.original.get(id)
    }

    /// The services by index, and where each has its name.
    pub(super) fn services(&self) -> impl Iterator<Item = (usize, usize)> {
        self.entries.iter().filter_map(|entry| match entry.kind {
            Kind::Service(index) => Some((index, entry.offset)),
            Kind::Group(_) => None,
        })
    }

    /// For suggestions.
    pub(super) fn known(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }
}

fn report_duplicate(entry: &Entry, earlier: &Entry, id: &str, problems: &mut Problems) {
    let (message, hint) = if entry.name == earlier.name {
        let place = match &entry.assembly {
            Some(assembly) => format!("assembly {} already has", quote(assembly)),
            None => "there is already".to_owned(),
        };
        (
            format!("{place} a service or group {}", quote(&entry.name)),
            "give one of them another name",
        )
    } else {
        // `web` of assembly `a` and of others is `web-a`; an instance of `web` belongs to
        // `web-clone`
        let (name, id, earlier) = (quote(&entry.name), quote(id), quote(&earlier.name));
        let message = format!("{name} would get the resource id {id}, which {earlier} already has");
        (message, "choose another name")
    };
    problems.error(entry.offset, message, hint.to_owned());
}
