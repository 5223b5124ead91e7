//! Values by reference: `<reference assembly="db1" parameter="ipaddress"/>` in place of a value.
//!
//! Attributes and parameters of assemblies, parameters of services and of fencing are *slots*. A
//! slot has a value or refers to one other slot, so resolving follows chains; a chain that comes
//! back to itself is a cycle.

use std::collections::HashMap;

use super::Form;
use crate::model::{Address, Deployment, FencingMode, Parameter};
use crate::problem::{Problems, quote};
use crate::tree::Element;

/// Whose slot it is, by index in the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// `<attributes>` of an assembly.
    Assembly(usize),
    /// `<parameters>` of an assembly: for references only.
    AssemblyParameters(usize),
    Service(usize),
    Fencing(usize),
}

#[derive(Debug)]
struct Slot {
    owner: Owner,
    name: String,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Value(String),
    Reference(Reference),
    /// Already reported.
    Broken,
}

#[derive(Debug, Clone)]
struct Reference {
    offset: usize,
    assembly: Option<(String, usize)>,
    service: Option<(String, usize)>,
    parameter: String,
    parameter_offset: usize,
}

/// Every slot of the document, in its order.
#[derive(Debug, Default)]
pub(super) struct Values {
    slots: Vec<Slot>,
}

impl Values {
    /// Reads the children of `<parameters>` or `<attributes>`.
    pub(super) fn read(
        &mut self,
        element: &Element<'_>,
        child_name: &str,
        owner: Owner,
        key: fn(&str) -> Result<String, String>,
        problems: &mut Problems,
    ) {
        let mut form = Form { element, problems };
        form.attributes(&[]);
        let mut seen: HashMap<String, ()> = HashMap::new();
        for child in form.children(&[child_name]) {
            let mut form = Form {
                element: child,
                problems: form.problems,
            };
            form.attributes(&["name", "value"]);
            let name = form.required("name", key);
            let content = content(&mut form);
            let Some(name) = name else { continue };
            if seen.insert(name.clone(), ()).is_some() {
                let message = format!("<{}> has {} twice", element.name, quote(&name));
                form.problems.error(
                    child.place("name"),
                    message,
                    "remove one of them".to_owned(),
                );
            }
            self.slots.push(Slot {
                owner,
                name,
                content,
            });
        }
    }
}

/// `value="…"`, `<value>…</value>` or `<reference …/>`: exactly one of them.
fn content(form: &mut Form<'_, '_, '_>) -> Content {
    let element = form.element;
    let mut contents = Vec::new();
    if let Some(attribute) = element.attribute("value") {
        contents.push((
            attribute.offset,
            Content::Value(attribute.value.clone().into_owned()),
        ));
    }
    for child in form.children(&["value", "reference"]) {
        let mut form = Form {
            element: child,
            problems: form.problems,
        };
        let content = if child.name == "value" {
            form.attributes(&[]);
            child.children.iter().for_each(|inner| {
                let message = format!("<value> must not contain <{}>", inner.name);
                form.problems.error(
                    inner.offset,
                    message,
                    "to write '<' in text, use '&lt;'".to_owned(),
                );
            });
            Content::Value(
                child
                    .text
                    .as_ref()
                    .map_or(String::new(), |text| text.value.trim_ascii().to_owned()),
            )
        } else {
            form.attributes(&["assembly", "service", "parameter"]);
            form.children(&[]).for_each(drop);
            let named = |name: &str| {
                child
                    .attribute(name)
                    .map(|a| (a.value.clone().into_owned(), a.value_offset))
            };
            let reference = Reference {
                offset: child.offset,
                assembly: named("assembly"),
                service: named("service"),
                parameter: form
                    .required("parameter", |text| Ok(text.to_owned()))
                    .unwrap_or_default(),
                parameter_offset: child.place("parameter"),
            };
            if reference.assembly.is_none() && reference.service.is_none() {
                let hint = "add assembly=\"…\" (or service=\"…\", for a parameter of a service)"
                    .to_owned();
                form.problems.error(
                    child.offset,
                    "<reference> lacks the attribute 'assembly'",
                    hint,
                );
                Content::Broken
            } else if reference.parameter.is_empty() {
                Content::Broken
            } else {
                Content::Reference(reference)
            }
        };
        contents.push((child.offset, content));
    }
    let mut contents = contents.into_iter();
    let Some((_, content)) = contents.next() else {
        // unknown children were reported already
        if element.children.is_empty() {
            let message = format!("<{}> has no value", element.name);
            form.problems.error(
                element.offset,
                message,
                "expected <value>…</value> or <reference …/> in it".to_owned(),
            );
        }
        return Content::Broken;
    };
    if let Some((offset, _)) = contents.next() {
        let message = format!("<{}> has more than one value", element.name);
        form.problems.error(
            offset,
            message,
            "keep one of value=\"…\", <value>…</value> and <reference …/>".to_owned(),
        );
    }
    content
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

/// Gives every attribute and parameter of the deployment its value; reports references that lead
/// nowhere or in a circle.
pub(super) fn resolve(deployment: &mut Deployment, mut values: Values, problems: &mut Problems) {
    let mut index = Index {
        assemblies: HashMap::new(),
        services: HashMap::new(),
        slots: HashMap::new(),
    };
    for (at, assembly) in deployment.assemblies.iter().enumerate() {
        index.assemblies.entry(assembly.name.clone()).or_insert(at);
    }
    for (at, service) in deployment.services.iter().enumerate() {
        index
            .services
            .entry(service.name.clone())
            .or_default()
            .push(at);
        if service.id != service.name {
            index
                .services
                .entry(service.id.clone())
                .or_default()
                .push(at);
        }
    }
    for (at, slot) in values.slots.iter().enumerate() {
        let owned = index.slots.entry(slot.owner);
        let owned = owned.or_insert_with(|| Owned {
            first: at,
            by_name: HashMap::new(),
        });
        owned.by_name.entry(slot.name.clone()).or_insert(at);
    }
    for start in 0..values.slots.len() {
        follow(start, &mut values.slots, &index, deployment, problems);
    }
    for slot in values.slots {
        let value = match slot.content {
            Content::Value(value) => value,
            Content::Reference(_) | Content::Broken => continue,
        };
        let parameter = Parameter {
            name: slot.name,
            value,
        };
        match slot.owner {
            Owner::Assembly(at) => {
                deployment.assemblies[at]
                    .attributes
                    .insert(parameter.name, parameter.value);
            }
            Owner::AssemblyParameters(_) => {}
            Owner::Service(at) => deployment.services[at].parameters.push(parameter),
            Owner::Fencing(at) => {
                if let FencingMode::Agent { parameters, .. } =
                    &mut deployment.assemblies[at].fencing.mode
                {
                    parameters.push(parameter);
                }
            }
        }
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
            const SHOWN: usize = 8;
            let cycle = &chain[begin..];
            let mut names: Vec<String> = cycle
                .iter()
                .take(SHOWN)
                .map(|at| describe(&slots[*at], deployment))
                .collect();
            if cycle.len() > SHOWN {
                names.push(format!("{} more", cycle.len() - SHOWN));
            }
            names.push(describe(&slots[at], deployment));
            let message = format!("references go in a circle: {}", names.join(" → "));
            problems.error(
                reference.offset,
                message,
                "give one of them a value".to_owned(),
            );
            break Content::Broken;
        }
        on_chain.insert(at, chain.len());
        chain.push(at);
        match lookup(reference, index, slots, deployment, problems) {
            Ok(Found::Slot(next)) => at = next,
            Ok(Found::Value(value)) => break Content::Value(value),
            Err((offset, message, hint)) => {
                problems.error(offset, message, hint);
                break Content::Broken;
            }
        }
    };
    for at in chain {
        slots[at].content = result.clone();
    }
}

enum Found {
    Slot(usize),
    Value(String),
}

type Dangling = (usize, String, Option<String>);

fn lookup(
    reference: &Reference,
    index: &Index,
    slots: &[Slot],
    deployment: &Deployment,
    problems: &Problems,
) -> Result<Found, Dangling> {
    let assembly = reference.assembly.as_ref().map(|(name, offset)| {
        index.assemblies.get(name).copied().ok_or_else(|| {
            let known = deployment
                .assemblies
                .iter()
                .map(|assembly| assembly.name.as_str());
            (
                *offset,
                format!("there is no assembly {}", quote(name)),
                problems.suggest(name, known),
            )
        })
    });
    let assembly = assembly.transpose()?;
    match (&reference.service, assembly) {
        (Some((name, offset)), assembly) => {
            let all = index.services.get(name).map_or(&[][..], Vec::as_slice);
            let pinned = assembly.map(|at| deployment.assemblies[at].name.as_str());
            let mut matching = all.iter().copied().filter(|at| {
                pinned.is_none() || deployment.services[*at].assembly.as_deref() == pinned
            });
            let Some(service) = matching.next() else {
                let place = pinned
                    .map(|name| format!(" pinned to assembly {}", quote(name)))
                    .unwrap_or_default();
                let hint = match all.first() {
                    Some(_) => {
                        Some("leave 'assembly' out for a service that may run anywhere".to_owned())
                    }
                    None => problems.suggest(
                        name,
                        deployment
                            .services
                            .iter()
                            .map(|service| service.name.as_str()),
                    ),
                };
                return Err((
                    *offset,
                    format!("there is no service {}{place}", quote(name)),
                    hint,
                ));
            };
            if matching.next().is_some() {
                let message = format!("several assemblies have a service {}", quote(name));
                return Err((
                    *offset,
                    message,
                    Some("add assembly=\"…\" to say which".to_owned()),
                ));
            }
            let owner = Owner::Service(service);
            find(index, owner, &reference.parameter)
                .map(Found::Slot)
                .ok_or_else(|| {
                    let known = names_of(index, slots, &[owner]);
                    let message = format!(
                        "service {} has no parameter {}",
                        quote(name),
                        quote(&reference.parameter)
                    );
                    let hint = problems.suggest(&reference.parameter, known);
                    (
                        reference.parameter_offset,
                        message,
                        hint.or_else(|| Some("give it one in its <parameters>".to_owned())),
                    )
                })
        }
        (None, Some(at)) => {
            let owners = [Owner::Assembly(at), Owner::AssemblyParameters(at)];
            if let Some(slot) = owners
                .into_iter()
                .find_map(|owner| find(index, owner, &reference.parameter))
            {
                return Ok(Found::Slot(slot));
            }
            let assembly = &deployment.assemblies[at];
            let own = match reference.parameter.as_str() {
                "name" => Some(assembly.name.clone()),
                "uuid" => assembly.uuid.clone(),
                "address" => assembly.address.as_ref().map(ToString::to_string),
                "ipaddress" => match &assembly.address {
                    Some(Address::Tcp { host, .. }) => Some(host.clone()),
                    _ => None,
                },
                _ => None,
            };
            own.map(Found::Value).ok_or_else(|| {
                let known = names_of(index, slots, &owners);
                let message = format!(
                    "assembly {} has no attribute or parameter {}",
                    quote(&assembly.name),
                    quote(&reference.parameter)
                );
                let hint = problems.suggest(&reference.parameter, known);
                let hint = hint.or_else(|| Some("give it one in its <attributes>".to_owned()));
                (reference.parameter_offset, message, hint)
            })
        }
        (None, None) => Err((
            reference.offset,
            "this reference names nothing".to_owned(),
            None,
        )),
    }
}

fn find(index: &Index, owner: Owner, name: &str) -> Option<usize> {
    index.slots.get(&owner)?.by_name.get(name).copied()
}

/// Names of the owners' slots, for suggestions. The slots of one owner are neighbours.
fn names_of<'s>(index: &Index, slots: &'s [Slot], owners: &[Owner]) -> Vec<&'s str> {
    const COMPARED: usize = 200;
    let first = |owner: &Owner| index.slots.get(owner).map(|owned| owned.first);
    let of = |owner: &Owner| {
        let owner = *owner;
        let slots = first(&owner).map_or(&[][..], |first| &slots[first..]);
        slots
            .iter()
            .take_while(move |slot| slot.owner == owner)
            .take(COMPARED)
    };
    owners
        .iter()
        .flat_map(of)
        .map(|slot| slot.name.as_str())
        .collect()
}

/// `port of service 'web'`.
fn describe(slot: &Slot, deployment: &Deployment) -> String {
    let owner = match slot.owner {
        Owner::Assembly(at) | Owner::AssemblyParameters(at) => {
            format!("assembly {}", quote(&deployment.assemblies[at].name))
        }
        Owner::Service(at) => format!("service {}", quote(&deployment.services[at].id)),
        Owner::Fencing(at) => format!(
            "the fencing of assembly {}",
            quote(&deployment.assemblies[at].name)
        ),
    };
    format!("{} of {owner}", quote(&slot.name))
}
