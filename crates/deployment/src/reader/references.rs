//! Values by reference: `<reference assembly="db1" parameter="ipaddress"/>` in place of a value.
//!
//! A slot refers to one other slot, so resolving follows chains; a chain that comes back to itself
//! is a cycle.

use std::collections::HashMap;

use super::original;
use super::values::{Content, Owner, Reference, Slot, Values, Word};
use crate::model::{Address, Assembly, Deployment, FencingMode, Parameter};
use crate::problem::{Problems, quote};
use crate::report;

/// Gives every attribute and parameter of the deployment its value; reports references that lead
/// nowhere or form a cycle.
pub(super) fn resolve(deployment: &mut Deployment, values: Values, problems: &mut Problems) {
    let mut slots = values.slots;
    let index = Index::of(deployment, &slots);
    for start in 0..slots.len() {
        follow(start, &mut slots, &index, deployment, problems);
    }
    for slot in slots {
        if let Content::Value(value) = slot.content {
            let name = slot.name;
            if matches!(slot.owner, Owner::Fencing(_)) {
                check_fencing(slot.offset, &name, &value, &deployment.name, problems);
            }
            assign(deployment, slot.owner, Parameter { name, value });
        }
    }
}

/// Checks a parameter of a fence agent.
fn check_fencing(at: usize, name: &str, value: &str, deployment: &str, problems: &mut Problems) {
    if value.contains(char::is_control) {
        let message = format!(
            "the value of {} has a line break or another control character in it",
            quote(name)
        );
        let hint = "a fence agent takes one line for each parameter: write the value on one line";
        problems.error(at, message, hint.to_owned());
    } else {
        report::secret(name, value, deployment, at, problems);
    }
}

fn assign(deployment: &mut Deployment, owner: Owner, Parameter { name, value }: Parameter) {
    match owner {
        Owner::Assembly(at) => {
            let assembly = &mut deployment.assemblies[at];
            assembly.attributes.insert(name, value);
        }
        Owner::AssemblyParameters(_) => {}
        Owner::Service(at) => {
            let service = &mut deployment.services[at];
            service.parameters.push(Parameter { name, value });
        }
        Owner::Fencing(at) => {
            let mode = &mut deployment.assemblies[at].fencing.mode;
            if let FencingMode::Agent { parameters, .. } = mode {
                parameters.push(Parameter { name, value });
            }
        }
    }
}

/// Where names lead to.
struct Index {
    assemblies: HashMap<String, usize>,
    /// By name and by id.
    services: HashMap<String, Vec<usize>>,
    slots: HashMap<Owner, Owned>,
}

/// The slots of one owner: the index of the first, and of each by name.
struct Owned {
    first: usize,
    by_name: HashMap<String, usize>,
}

impl Index {
    fn of(deployment: &Deployment, slots: &[Slot]) -> Index {
        let mut index = Index {
            assemblies: HashMap::new(),
            services: HashMap::new(),
            slots: HashMap::new(),
        };
        for (at, assembly) in deployment.assemblies.iter().enumerate() {
            index.assemblies.entry(assembly.name.clone()).or_insert(at);
        }
        for (at, service) in deployment.services.iter().enumerate() {
            let of_name = index.services.entry(service.name.clone());
            of_name.or_default().push(at);
            if service.id != service.name {
                let of_id = index.services.entry(service.id.clone());
                of_id.or_default().push(at);
            }
        }
        for (at, slot) in slots.iter().enumerate() {
            let owned = index.slots.entry(slot.owner).or_insert_with(|| Owned {
                first: at,
                by_name: HashMap::new(),
            });
            owned.by_name.entry(slot.name.clone()).or_insert(at);
        }
        index
    }

    fn slot(&self, owner: Owner, name: &str) -> Option<usize> {
        self.slots.get(&owner)?.by_name.get(name).copied()
    }

    /// Names of the owners' slots, for suggestions.
    fn names<'s>(&self, slots: &'s [Slot], owners: &[Owner]) -> Vec<&'s str> {
        const COMPARED: usize = 200;
        let slots_of = |owner: Owner| {
            let owned = self.slots.get(&owner);
            let slots = owned.map_or(&[][..], |owned| &slots[owned.first..]);
            slots
                .iter()
                .take_while(move |slot| slot.owner == owner)
                .take(COMPARED)
        };
        let slots = owners.iter().flat_map(|owner| slots_of(*owner));
        slots.map(|slot| slot.name.as_str()).collect()
    }
}

/// Follows the chain of references from a slot to its value, and gives the value to every slot on
/// the way.
fn follow(
    start: usize,
    slots: &mut [Slot],
    index: &Index,
    deployment: &Deployment,
    problems: &mut Problems,
) {
    let mut chain: Vec<usize> = Vec::new();
    let mut on_chain: HashMap<usize, usize> = HashMap::new();
    let mut at = start;
    let result = loop {
        let Content::Reference(reference) = &slots[at].content else {
            break slots[at].content.clone();
        };
        if let Some(&begin) = on_chain.get(&at) {
            let describe = |at: &usize| describe(&slots[*at], deployment);
            let names = chain[begin..].iter().map(describe);
            let message = format!(
                "references form a cycle: {}",
                report::cycle(names, describe(&at))
            );
            let hint = "give one of them a value".to_owned();
            problems.error(reference.offset, message, hint);
            break Content::Broken;
        }
        on_chain.insert(at, chain.len());
        chain.push(at);
        let lookup = Lookup {
            index,
            slots,
            deployment,
            problems,
        };
        match lookup.reference(reference) {
            Ok(Found::Slot(next)) => at = next,
            Ok(Found::Value(value)) => {
                let Word { text, offset } = &reference.parameter;
                original::warn_of_hostname(text, &value, *offset, problems);
                break Content::Value(value);
            }
            Err(dangling) => {
                problems.error(dangling.offset, dangling.message, dangling.hint);
                break Content::Broken;
            }
        }
    };
    for at in chain {
        slots[at].content = result.clone();
    }
}

/// Where a reference leads to.
enum Found {
    Slot(usize),
    /// A property of an assembly that is not a slot.
    Value(String),
}

/// A reference that leads nowhere.
struct Dangling {
    offset: usize,
    message: String,
    hint: Option<String>,
}

struct Lookup<'l> {
    index: &'l Index,
    slots: &'l [Slot],
    deployment: &'l Deployment,
    /// For suggestions.
    problems: &'l Problems,
}

impl Lookup<'_> {
    fn reference(&self, reference: &Reference) -> Result<Found, Dangling> {
        let assembly = reference.assembly.as_ref();
        let assembly = assembly.map(|word| self.assembly(word)).transpose()?;
        match (&reference.service, assembly) {
            (Some(name), assembly) => {
                let service = self.service(name, assembly)?;
                self.parameter_of_service(name, service, &reference.parameter)
            }
            (None, Some(at)) => self.parameter_of_assembly(at, &reference.parameter),
            (None, None) => Err(Dangling {
                offset: reference.offset,
                message: "this reference names nothing".to_owned(),
                hint: None,
            }),
        }
    }

    /// The index of an assembly.
    fn assembly(&self, name: &Word) -> Result<usize, Dangling> {
        let found = self.index.assemblies.get(&name.text).copied();
        found.ok_or_else(|| {
            let assemblies = self.deployment.assemblies.iter();
            let known = assemblies.map(|assembly| assembly.name.as_str());
            Dangling {
                offset: name.offset,
                message: format!("there is no assembly {}", quote(&name.text)),
                hint: self.problems.suggest(&name.text, known),
            }
        })
    }

    /// The index of the only service of that name: of all, or of those pinned to the assembly.
    fn service(&self, name: &Word, assembly: Option<usize>) -> Result<usize, Dangling> {
        let services = &self.deployment.services;
        let all = self.index.services.get(&name.text);
        let all = all.map_or(&[][..], Vec::as_slice);
        let pinned = assembly.map(|at| self.deployment.assemblies[at].name.as_str());
        let mut matching = all
            .iter()
            .filter(|at| pinned.is_none() || services[**at].assembly.as_deref() == pinned);
        let dangling = |message, hint| {
            Err(Dangling {
                offset: name.offset,
                message,
                hint,
            })
        };
        match (matching.next(), matching.next()) {
            (Some(service), None) => Ok(*service),
            (Some(_), Some(_)) => dangling(
                format!("several assemblies have a service {}", quote(&name.text)),
                Some("add assembly=\"…\" to say which".to_owned()),
            ),
            (None, _) => {
                let place = pinned.map_or(String::new(), |pinned| {
                    format!(" pinned to assembly {}", quote(pinned))
                });
                let hint = if all.is_empty() {
                    let known = services.iter().map(|service| service.name.as_str());
                    self.problems.suggest(&name.text, known)
                } else {
                    Some("leave 'assembly' out for a service that may run anywhere".to_owned())
                };
                dangling(
                    format!("there is no service {}{place}", quote(&name.text)),
                    hint,
                )
            }
        }
    }

    fn parameter_of_service(
        &self,
        name: &Word,
        service: usize,
        parameter: &Word,
    ) -> Result<Found, Dangling> {
        let owner = Owner::Service(service);
        let found = self.index.slot(owner, &parameter.text);
        found.map(Found::Slot).ok_or_else(|| {
            let (service, text) = (quote(&name.text), quote(&parameter.text));
            let message = format!("service {service} has no parameter {text}");
            self.no_parameter(&[owner], parameter, message, "<parameters>")
        })
    }

    fn parameter_of_assembly(&self, at: usize, parameter: &Word) -> Result<Found, Dangling> {
        let owners = [Owner::Assembly(at), Owner::AssemblyParameters(at)];
        let slot = |owner: &Owner| self.index.slot(*owner, &parameter.text);
        if let Some(slot) = owners.iter().find_map(slot) {
            return Ok(Found::Slot(slot));
        }
        let assembly = &self.deployment.assemblies[at];
        let own = property(assembly, &parameter.text);
        own.map(Found::Value).ok_or_else(|| {
            let (assembly, text) = (quote(&assembly.name), quote(&parameter.text));
            let message = format!("assembly {assembly} has no attribute or parameter {text}");
            self.no_parameter(&owners, parameter, message, "<attributes>")
        })
    }

    fn no_parameter(
        &self,
        owners: &[Owner],
        parameter: &Word,
        message: String,
        section: &str,
    ) -> Dangling {
        let known = self.index.names(self.slots, owners);
        let hint = self.problems.suggest(&parameter.text, known);
        Dangling {
            offset: parameter.offset,
            message,
            hint: hint.or_else(|| Some(format!("give it one in its {section}"))),
        }
    }
}

/// What an assembly has without saying so in `<attributes>`.
fn property(assembly: &Assembly, name: &str) -> Option<String> {
    match name {
        "name" | original::HOSTNAME => Some(assembly.name.clone()),
        "uuid" => assembly.uuid.clone(),
        "address" => assembly.address.as_ref().map(ToString::to_string),
        "ipaddress" => match &assembly.address {
            Some(Address::Tcp { host, .. } | Address::Ssh { host, .. }) => Some(host.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// `'port' of service 'web'`.
fn describe(slot: &Slot, deployment: &Deployment) -> String {
    let assembly = |at: usize| quote(&deployment.assemblies[at].name);
    let owner = match slot.owner {
        Owner::Assembly(at) | Owner::AssemblyParameters(at) => {
            format!("assembly {}", assembly(at))
        }
        Owner::Service(at) => format!("service {}", quote(&deployment.services[at].id)),
        Owner::Fencing(at) => format!("the fencing of assembly {}", assembly(at)),
    };
    format!("{} of {owner}", quote(&slot.name))
}
