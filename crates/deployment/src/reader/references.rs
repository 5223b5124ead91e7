//! Values by reference: `<reference assembly="db1" parameter="ipaddress"/>` in place of a value.
//!
//! A slot refers to one other slot, so resolving follows chains; a chain that comes back to itself
//! is a cycle. A parameter of a service may follow what the document does not have, or has only
//! until somebody says otherwise: what a guest tells, and node attributes.

use std::collections::HashMap;
use std::net::IpAddr;

use super::secrets;
use super::values::{Content, Live, Owner, Reference, Slot, Values, Word};
use crate::live::{self, LiveReference, LiveSource};
use crate::model::{Address, Assembly, Deployment, FencingMode, Parameter, resource_id};
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
    let wholes = wholes(deployment);
    for slot in slots {
        let name = slot.name.clone();
        let value = match slot.content.clone() {
            Content::Value(value) => value,
            Content::Live(live) => {
                let fallback = live.fallback.clone();
                follow_live(deployment, slot.owner, &wholes, &name, live);
                fallback.unwrap_or_default()
            }
            Content::Reference(_) | Content::Broken => continue,
        };
        secrets::check(&slot, &value, deployment, problems);
        if matches!(slot.owner, Owner::Fencing(_)) {
            check_fencing(&slot, &value, &deployment.name, problems);
        }
        let parameter = Parameter {
            name,
            value,
            secret: slot.secret,
        };
        assign(deployment, slot.owner, parameter);
    }
}

/// What each service is placed with, by its index: its group, its clone or itself.
fn wholes(deployment: &Deployment) -> Vec<String> {
    let services = deployment.services.iter();
    let mut wholes: Vec<String> = services
        .map(|service| resource_id(&service.id, service.instances))
        .collect();
    for group in &deployment.groups {
        let whole = resource_id(&group.id, group.instances);
        wholes[group.members.clone()].fill(whole);
    }
    wholes
}

/// Notes that a parameter of a service follows a value beyond the document.
fn follow_live(
    deployment: &mut Deployment,
    owner: Owner,
    wholes: &[String],
    parameter: &str,
    live: Live,
) {
    let Owner::Service(at) = owner else { return };
    deployment.live.push(LiveReference {
        service: deployment.services[at].id.clone(),
        whole: wholes[at].clone(),
        parameter: parameter.to_owned(),
        assembly: deployment.assemblies[live.assembly].name.clone(),
        source: live.source,
        fallback: live.fallback,
        on_change: live.on_change,
    });
}

/// Checks a parameter of a fence agent.
fn check_fencing(slot: &Slot, value: &str, deployment: &str, problems: &mut Problems) {
    let (at, name) = (slot.offset, &slot.name);
    if value.contains(char::is_control) {
        let message = format!(
            "the value of {} has a line break or another control character in it",
            quote(name)
        );
        let hint = "a fence agent takes one line for each parameter: write the value on one line";
        problems.error(at, message, hint.to_owned());
    } else {
        report::secret((name, slot.secret), value, deployment, at, problems);
    }
}

fn assign(deployment: &mut Deployment, owner: Owner, parameter: Parameter) {
    match owner {
        Owner::Assembly(at) => {
            let attributes = &mut deployment.assemblies[at].attributes;
            attributes.insert(parameter.name, parameter.value);
        }
        Owner::AssemblyParameters(_) => {}
        Owner::Service(at) => deployment.services[at].parameters.push(parameter),
        Owner::Fencing(at) => {
            let mode = &mut deployment.assemblies[at].fencing.mode;
            if let FencingMode::Agent { parameters, .. } = mode {
                parameters.push(parameter);
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
    let (mut next, mut result) = loop {
        let Content::Reference(reference) = &slots[at].content else {
            break (Some(at), slots[at].content.clone());
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
            break (None, Content::Broken);
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
            Ok(Found::Value(value)) => break (None, Content::Value(value)),
            Ok(Found::Live(live)) => break (None, Content::Live(live)),
            Err(dangling) => {
                problems.error(dangling.offset, dangling.message, dangling.hint);
                break (None, Content::Broken);
            }
        }
    };
    for at in chain.into_iter().rev() {
        let Content::Reference(reference) = slots[at].content.clone() else {
            continue;
        };
        let target = next.map(|next| &slots[next]);
        let of_secret = target.is_some_and(|target| target.secret);
        result = seen_from(&slots[at], &reference, target, result, deployment, problems);
        slots[at].content = result.clone();
        slots[at].secret |= of_secret;
        next = Some(at);
    }
}

/// What a slot gets of what it refers to. Only parameters of services follow what changes.
fn seen_from(
    slot: &Slot,
    reference: &Reference,
    target: Option<&Slot>,
    content: Content,
    deployment: &Deployment,
    problems: &mut Problems,
) -> Content {
    let on_change = reference.on_change.unwrap_or_default();
    let of_service = matches!(slot.owner, Owner::Service(_));
    // Tools in guests may set attributes of others: who follows one has asked for it.
    let follows = of_service && (reference.is_attribute || reference.on_change.is_some());
    let attribute = target.and_then(|target| match target.owner {
        Owner::Assembly(assembly) => Some((assembly, target.name.clone())),
        _ => None,
    });
    match (content, attribute) {
        (Content::Value(value), Some((assembly, name))) if follows => Content::Live(Live {
            assembly,
            source: LiveSource::Attribute(name),
            fallback: Some(value),
            on_change,
        }),
        (Content::Live(live), _) if of_service => Content::Live(Live { on_change, ..live }),
        (Content::Live(live), _) => live.fallback.map_or_else(
            || {
                let (slot, name) = (describe(slot, deployment), quote(live.source.name()));
                let assembly = quote(&deployment.assemblies[live.assembly].name);
                let message = format!(
                    "{slot} refers to {name} of assembly {assembly}, which is known only while the deployment runs"
                );
                let hint = "only parameters of services follow such values: write the value here, or refer to it from the service";
                problems.error(reference.offset, message, hint.to_owned());
                Content::Broken
            },
            Content::Value,
        ),
        (content, _) => {
            if reference.on_change.is_some() && matches!(content, Content::Value(_)) {
                let message = "'on_change' of this <reference> has no effect";
                let hint = "the value is the document's, and changes with it: remove it";
                problems.warning(reference.offset, message, hint.to_owned());
            }
            content
        }
    }
}

/// Where a reference leads to.
enum Found {
    Slot(usize),
    /// A property of an assembly that is not a slot.
    Value(String),
    /// Beyond the document.
    Live(Live),
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
            (None, Some(at)) if reference.is_attribute => {
                Ok(self.attribute_of_assembly(at, &reference.parameter))
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

    /// A node attribute; that which the document gives counts until another is set.
    fn attribute_of_assembly(&self, at: usize, name: &Word) -> Found {
        let slot = self.index.slot(Owner::Assembly(at), &name.text);
        let live = || live(at, LiveSource::Attribute(name.text.clone()), None);
        slot.map_or_else(live, Found::Slot)
    }

    fn parameter_of_assembly(&self, at: usize, parameter: &Word) -> Result<Found, Dangling> {
        let owners = [Owner::Assembly(at), Owner::AssemblyParameters(at)];
        let slot = |owner: &Owner| self.index.slot(*owner, &parameter.text);
        if let Some(slot) = owners.iter().find_map(slot) {
            return Ok(Found::Slot(slot));
        }
        let assembly = &self.deployment.assemblies[at];
        let own = property(at, assembly, &parameter.text);
        own.ok_or_else(|| {
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
        let of_assembly = !matches!(owners, [Owner::Service(_)]);
        let own = self.index.names(self.slots, owners).into_iter();
        let known = own.chain(live::told().filter(|_| of_assembly));
        let hint = self.problems.suggest(&parameter.text, known);
        let otherwise = match of_assembly {
            true => format!(
                "give it one in its {section}, or write attribute=\"{}\" if it is set while the deployment runs",
                parameter.text
            ),
            false => format!("give it one in its {section}"),
        };
        Dangling {
            offset: parameter.offset,
            message,
            hint: hint.or(Some(otherwise)),
        }
    }
}

/// A value beyond the document.
fn live(assembly: usize, source: LiveSource, fallback: Option<String>) -> Found {
    Found::Live(Live {
        assembly,
        source,
        fallback,
        on_change: crate::live::OnChange::default(),
    })
}

/// What an assembly has without saying so in `<attributes>`, and what its guest tells. An address
/// by number at which its agent is reached is the guest's; a name that stands there counts until
/// the guest has told an address.
fn property(at: usize, assembly: &Assembly, name: &str) -> Option<Found> {
    let host = match &assembly.address {
        Some(Address::Tcp { host, .. } | Address::Ssh { host, .. }) => Some(host.clone()),
        _ => None,
    };
    let by_number = |host: &&String| host.parse::<IpAddr>().is_ok();
    let value = match name {
        "name" => Some(assembly.name.clone()),
        "uuid" => assembly.uuid.clone(),
        "address" => assembly.address.as_ref().map(ToString::to_string),
        "ipaddress" => host.as_ref().filter(by_number).cloned(),
        _ => None,
    };
    let told = || {
        let fallback = host.filter(|_| name == "ipaddress");
        live(at, LiveSource::Guest(name.to_owned()), fallback)
    };
    value
        .map(Found::Value)
        .or_else(|| live::is_told(name).then(told))
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
