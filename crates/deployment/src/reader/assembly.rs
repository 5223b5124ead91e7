//! `<assemblies>`: the guests, how they are reached, made safe, and what they offer.

use std::collections::{BTreeMap, HashMap};

use super::names::Names;
use super::reference::{Owner, Values};
use super::{Form, service};
use crate::model::{Address, Assembly, Deployment, Fencing, FencingMode};
use crate::problem::{Problems, quote, suggest};
use crate::tree::Element;
use crate::value;

/// Utilization values are bounded so that sums over all services of a document stay exact.
const MAX_CAPACITY: u32 = 1_000_000_000;

pub(super) fn read(
    element: &Element<'_>,
    problems: &mut Problems,
    deployment: &mut Deployment,
    names: &mut Names,
    values: &mut Values,
) {
    let mut form = Form { element, problems };
    form.attributes(&[]);
    let mut seen: HashMap<String, ()> = HashMap::new();
    let mut uuids: HashMap<String, ()> = HashMap::new();
    let mut addresses: HashMap<Address, String> = HashMap::new();
    for child in form.children(&["assembly"]) {
        let assembly = assembly(child, form.problems, deployment, names, values);
        let duplicate = |what: &str| format!("there are two assemblies with the {what}");
        if !assembly.name.is_empty() && seen.insert(assembly.name.clone(), ()).is_some() {
            let message = format!("{} {}", duplicate("name"), quote(&assembly.name));
            form.problems.error(
                child.place("name"),
                message,
                "give one of them another name".to_owned(),
            );
        }
        if let Some(uuid) = &assembly.uuid
            && uuids.insert(uuid.clone(), ()).is_some()
        {
            let message = format!("{} {}", duplicate("uuid"), quote(uuid));
            form.problems.error(
                child.place("uuid"),
                message,
                "every assembly has its own".to_owned(),
            );
        }
        if let Some(address) = &assembly.address
            && let Some(other) = addresses.insert(address.clone(), assembly.name.clone())
        {
            let message = format!(
                "{} has the address of assembly {}",
                quote(&assembly.name),
                quote(&other)
            );
            form.problems.error(
                child.place("address"),
                message,
                "every assembly has its own agent".to_owned(),
            );
        }
        deployment.assemblies.push(assembly);
    }
}

fn assembly(
    element: &Element<'_>,
    problems: &mut Problems,
    deployment: &mut Deployment,
    names: &mut Names,
    values: &mut Values,
) -> Assembly {
    let mut form = Form { element, problems };
    form.attributes(&[
        "name",
        "uuid",
        "address",
        "escalation_failures",
        "escalation_period",
    ]);
    // an invalid name is kept: constraints and references to it are right
    let name = form
        .required("name", value::name)
        .or_else(|| element.value("name").map(str::to_owned))
        .unwrap_or_default();
    let uuid = form.optional("uuid", value::uuid);
    let address = form.optional("address", value::address);
    match (&address, element.attribute("address")) {
        (None, None) => form.problems.warning(
            element.offset,
            format!("assembly {} has no address", quote(&name)),
            "it stays offline until it has one, such as address=\"unix:/run/cpe/guests/NAME/agent.sock\"".to_owned(),
        ),
        (Some(Address::Tcp { .. }), Some(attribute)) => form.problems.warning(
            attribute.value_offset,
            format!("assembly {} has an address of type tcp", quote(&name)),
            "this version reaches guests through 'unix:PATH' only, so it stays offline".to_owned(),
        ),
        _ => {}
    }
    let escalation = form.escalation();
    let [services, fencing, capacity, attributes, parameters] = form.sections([
        "services",
        "fencing",
        "capacity",
        "attributes",
        "parameters",
    ]);

    let index = deployment.assemblies.len();
    let owner = Owner::Assembly(index);
    if let Some(element) = attributes {
        values.read(element, "attribute", owner, value::attribute_key, problems);
    }
    if let Some(element) = parameters {
        values.read(
            element,
            "parameter",
            Owner::AssemblyParameters(index),
            value::key,
            problems,
        );
    }
    if let Some(element) = services {
        service::read(element, Some(&name), problems, deployment, names, values);
    }
    Assembly {
        name,
        uuid,
        address,
        fencing: fencing
            .map(|element| self::fencing(element, index, values, problems))
            .unwrap_or_default(),
        escalation,
        capacity: capacity
            .map(|element| quantities(element, problems))
            .unwrap_or_default(),
        attributes: BTreeMap::new(), // filled when references are resolved
    }
}

/// `<capacity cpu="4" memory="8192"/>`, `<utilization …/>`: any kinds, whole numbers.
pub(super) fn quantities(element: &Element<'_>, problems: &mut Problems) -> BTreeMap<String, u32> {
    let mut form = Form { element, problems };
    form.children(&[]).for_each(drop);
    let mut quantities = BTreeMap::new();
    for attribute in &element.attributes {
        if let Some(quantity) =
            form.optional(attribute.name, |text| value::integer(text, 0, MAX_CAPACITY))
        {
            if let Err(expected) = value::key(attribute.name) {
                form.problems.error(
                    attribute.offset,
                    format!("{} is no name of a capacity", quote(attribute.name)),
                    expected,
                );
            }
            quantities.insert(attribute.name.to_owned(), quantity);
        }
    }
    quantities
}

fn fencing(
    element: &Element<'_>,
    assembly: usize,
    values: &mut Values,
    problems: &mut Problems,
) -> Fencing {
    const MODES: [&str; 5] = ["lease", "agent", "unit", "manager", "none"];
    let mut form = Form { element, problems };
    let mode = element.value("mode").unwrap_or("lease");
    form.attributes(match mode {
        "agent" => &["mode", "timeout", "agent"],
        "unit" => &["mode", "timeout", "unit"],
        "lease" | "manager" | "none" => &["mode", "timeout"],
        // whatever the mode is that was meant
        _ => &["mode", "timeout", "agent", "unit"],
    });
    let timeout = form.optional("timeout", value::positive_duration);
    let mode = match mode {
        "lease" => FencingMode::Lease,
        "agent" => {
            let agent = form.required("agent", |text| match value::agent_part(text) {
                Ok(agent) if agent.starts_with("fence_") => Ok(agent),
                _ => Err(
                    "expected the name of an installed fence agent, such as 'fence_openstack'"
                        .to_owned(),
                ),
            });
            let agent = agent.unwrap_or_default();
            FencingMode::Agent {
                agent,
                parameters: Vec::new(),
            }
        }
        "unit" => FencingMode::Unit {
            unit: form.required("unit", value::unit).unwrap_or_default(),
        },
        "manager" => FencingMode::Manager,
        "none" => {
            form.problems.warning(
                element.place("mode"),
                "fencing mode 'none' is unsafe: a lost heartbeat counts as down, so a service may run twice",
                "leave <fencing> out for mode 'lease', unless the services bear that".to_owned(),
            );
            FencingMode::None
        }
        other => {
            let message = format!("{} is no valid mode of <fencing>", quote(other));
            form.problems
                .error(element.place("mode"), message, suggest(other, MODES));
            FencingMode::Lease
        }
    };
    if matches!(mode, FencingMode::Agent { .. }) {
        let [parameters] = form.sections(["parameters"]);
        if let Some(element) = parameters {
            values.read(
                element,
                "parameter",
                Owner::Fencing(assembly),
                value::key,
                problems,
            );
        }
    } else if MODES.contains(&element.value("mode").unwrap_or("lease")) {
        form.children(&[]).for_each(drop);
    }
    Fencing { mode, timeout }
}
