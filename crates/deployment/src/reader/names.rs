//! Names of services and groups, and the resource ids that they become.
//!
//! A name that occurs once is the id. Services of several assemblies may share a name, as in the form of the original project;
//! each is then `NAME-ASSEMBLY`, and the name alone stands for all of them in constraints.

use std::collections::HashMap;

use crate::model::{Deployment, Instances};
use crate::problem::{Problems, quote};

/// What a name names, with its index in the deployment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Service(usize),
    Group(usize),
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

    /// Gives every service and group its id; reports names that cannot be told apart.
    pub(super) fn identify(&mut self, deployment: &mut Deployment, problems: &mut Problems) {
        let mut by_name: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| !entry.name.is_empty()) {
            by_name.entry(&entry.name).or_default().push(entry);
        }
        // an id, and whether it was reported already
        let mut ids: HashMap<String, &Entry> = HashMap::new();
        let mut targets: HashMap<String, Vec<Target>> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| !entry.name.is_empty()) {
            let shared = by_name[entry.name.as_str()].len() > 1;
            let id = match &entry.assembly {
                Some(assembly) if shared => format!("{}-{assembly}", entry.name),
                _ => entry.name.clone(),
            };
            let instances = match entry.kind {
                Kind::Service(index) => {
                    let service = &mut deployment.services[index];
                    service.id.clone_from(&id);
                    service.instances
                }
                Kind::Group(index) => {
                    let group = &mut deployment.groups[index];
                    group.id.clone_from(&id);
                    group.instances
                }
            };
            let resource = resource_id(&id, instances);
            // a free service and a pinned one of the same name, too: the name would mean one of them in one place and both in another
            let mixed = shared && entry.assembly.is_none();
            if let Some(other) = ids.insert(id.clone(), entry) {
                let message = format!("there is already a service or group {}", quote(&id));
                let hint = match (&other.assembly, other.name == entry.name) {
                    (_, true) => "give one of them another name".to_owned(),
                    (Some(assembly), _) => format!(
                        "that is {} of assembly {}; choose another name",
                        quote(&other.name),
                        quote(assembly)
                    ),
                    (None, _) => "choose another name".to_owned(),
                };
                problems.error(entry.offset, message, hint);
            } else if mixed {
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
            if resource != id
                && let Some(other) = ids.insert(resource.clone(), entry)
            {
                let message = format!(
                    "the instances of {} are called {}",
                    quote(&entry.name),
                    quote(&resource)
                );
                problems.error(
                    other.offset,
                    message,
                    "give this service another name".to_owned(),
                );
            }
            let target = Target {
                resource,
                assembly: entry.assembly.clone(),
            };
            if id != entry.name {
                targets.entry(id).or_default().push(target.clone());
            }
            targets.entry(entry.name.clone()).or_default().push(target);
        }
        self.targets = targets;
    }

    /// The resources that a name or id stands for; empty if it is not known.
    pub(super) fn targets(&self, name: &str) -> &[Target] {
        self.targets.get(name).map_or(&[], Vec::as_slice)
    }

    /// For suggestions.
    pub(super) fn known(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }
}

/// The id that constraints have to name: of the clone, where there is one.
pub(crate) fn resource_id(id: &str, instances: Option<Instances>) -> String {
    match instances {
        Some(_) => format!("{id}-clone"),
        None => id.to_owned(),
    }
}
