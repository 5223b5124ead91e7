//! `<assemblies>`: the guests, how they are reached, made safe, and what they offer.

use std::collections::{BTreeMap, HashMap, HashSet};

use cpe_status::{ANY_CID, HOST_CID};

use super::draft::Draft;
use super::form::Form;
use super::service;
use super::values::{Owner, Values};
use crate::model::{Address, Assembly, Fencing, FencingMode};
use crate::problem::{Problems, quote, suggest};
use crate::tree::Element;
use crate::uses::Places;
use crate::{report, treatment, value};

pub(super) fn read(element: &Element<'_>, draft: &mut Draft, problems: &mut Problems) {
    let mut form = Form { element, problems };
    form.attributes(&[]);
    let mut seen = Seen::default();
    for child in form.children(&["assembly"]) {
        let assembly = assembly(child, draft, form.problems);
        seen.check(child, &assembly, form.problems);
        draft.deployment.assemblies.push(assembly);
    }
}

/// What no two assemblies may have in common.
#[derive(Default)]
struct Seen {
    names: HashSet<String>,
    uuids: HashSet<String>,
    /// The places that addresses lead to, with the name of the assembly.
    addresses: HashMap<String, String>,
}

impl Seen {
    fn check(&mut self, element: &Element<'_>, assembly: &Assembly, problems: &mut Problems) {
        let name = &assembly.name;
        if !name.is_empty() && !self.names.insert(name.clone()) {
            let message = format!("there are two assemblies with the name {}", quote(name));
            let hint = "give one of them another name".to_owned();
            problems.error(element.place("name"), message, hint);
        }
        if let Some(uuid) = &assembly.uuid
            && !self.uuids.insert(uuid.clone())
        {
            let message = format!("there are two assemblies with the uuid {}", quote(uuid));
            let hint = "every assembly has its own".to_owned();
            problems.error(element.place("uuid"), message, hint);
        }
        if let Some(address) = &assembly.address
            && let Some(other) = self.addresses.insert(address.place(), name.clone())
        {
            let (name, other) = (quote(name), quote(&other));
            let message = format!("{name} has the same address as assembly {other}");
            let hint = "every assembly has its own agent".to_owned();
            problems.error(element.place("address"), message, hint);
        }
    }
}

fn assembly(element: &Element<'_>, draft: &mut Draft, problems: &mut Problems) -> Assembly {
    let mut form = Form { element, problems };
    form.attributes(&[
        "name",
        "uuid",
        "address",
        "host",
        "escalation_failures",
        "escalation_period",
    ]);
    let name = form.name(value::name);
    let uuid = form.uuid();
    let address = address(&mut form, &name);
    let host = form.optional("host", value::host);
    let escalation = form.escalation();
    let [services, fencing, capacity, attributes, parameters] = form.sections([
        "services",
        "fencing",
        "capacity",
        "attributes",
        "parameters",
    ]);

    let index = draft.deployment.assemblies.len();
    let values = &mut draft.values;
    if let Some(element) = attributes {
        let (owner, key) = (Owner::Assembly(index), value::attribute_key);
        values.read(element, "attribute", owner, key, problems);
        treat(element, problems);
    }
    if let Some(element) = parameters {
        let owner = Owner::AssemblyParameters(index);
        values.read(element, "parameter", owner, value::key, problems);
    }
    if let Some(element) = services {
        service::read(element, Some(&name), draft, problems);
    }
    if let Some(element) = fencing {
        let agent = element.place("agent");
        let places = Places {
            agent,
            ..Places::default()
        };
        draft.fencing.insert(index, places);
    }
    let values = &mut draft.values;
    let fencing = fencing
        .map(|element| self::fencing(Form { element, problems }, index, values))
        .unwrap_or_default();
    Assembly {
        name,
        uuid,
        address,
        host,
        fencing,
        unfenced_by: Vec::new(), // by the devices of the configuration, when those are read
        escalation,
        capacity: capacity
            .map(|element| Form { element, problems }.quantities())
            .unwrap_or_default(),
        attributes: BTreeMap::new(), // filled when references are resolved
    }
}

/// Attributes that mean something else to the policy engine than their author can want.
fn treat(attributes: &Element<'_>, problems: &mut Problems) {
    for attribute in &attributes.children {
        let name = attribute.value("name").unwrap_or_default();
        if let Some(row) = treatment::find(treatment::NODE_ATTRIBUTES, name) {
            let said = ("node attribute", name, "");
            report::treated(row, said, attribute.place("name"), problems);
            // A reference has no value of its own.
            if let Some((value, at)) = said_value(attribute) {
                report::misunderstood(row, ("node attribute", name, value), at, problems);
            }
        }
    }
}

/// The value that an `<attribute>` gives, and its place.
fn said_value<'e>(attribute: &'e Element<'_>) -> Option<(&'e str, usize)> {
    if let Some(value) = attribute.value("value") {
        return Some((value, attribute.place("value")));
    }
    let mut children = attribute.children.iter();
    let child = children.find(|child| child.name == "value")?;
    let text = child.text.as_ref()?;
    Some((text.value.trim_ascii(), child.offset))
}

/// The address, and warnings about an assembly that cannot be reached.
fn address(form: &mut Form<'_, '_, '_>, assembly: &str) -> Option<Address> {
    let address = form.optional("address", value::address);
    match (&address, form.element.attribute("address")) {
        (None, None) => form.problems.warning(
            form.element.offset,
            format!("assembly {} has no address", quote(assembly)),
            "it stays offline until it has one, such as address=\"unix:/run/cpe/guests/NAME/agent.sock\"".to_owned(),
        ),
        (Some(Address::Vsock { cid: HOST_CID | ANY_CID, .. }), Some(attribute)) => {
            let message = "no virtual machine has this address".to_owned();
            let hint = "give the number of the guest's vsock device, 3 or more, such as 'vsock:3'".to_owned();
            form.problems.refuse(attribute.value_offset, message, hint);
        }
        _ => {}
    }
    address
}

const MODES: [&str; 5] = ["lease", "agent", "unit", "manager", "none"];

fn fencing(mut form: Form<'_, '_, '_>, assembly: usize, values: &mut Values) -> Fencing {
    let element = form.element;
    let mode = element.value("mode").unwrap_or("lease");
    form.attributes(match mode {
        "agent" => &["mode", "timeout", "agent"],
        "unit" => &["mode", "timeout", "unit"],
        "lease" | "manager" | "none" => &["mode", "timeout"],
        // it is not known which mode was meant
        _ => &["mode", "timeout", "agent", "unit"],
    });
    let timeout = form.optional("timeout", value::positive_duration);
    if mode == "agent" {
        let [parameters] = form.sections(["parameters"]);
        if let Some(element) = parameters {
            let owner = Owner::Fencing(assembly);
            values.read(
                element,
                "parameter",
                owner,
                value::own_fence_key,
                form.problems,
            );
        }
    } else if MODES.contains(&mode) {
        form.children(&[]).for_each(drop);
    }
    Fencing {
        mode: fencing_mode(&mut form, mode),
        timeout,
        is_own: true,
    }
}

fn fencing_mode(form: &mut Form<'_, '_, '_>, mode: &str) -> FencingMode {
    match mode {
        "lease" => FencingMode::Lease,
        "agent" => FencingMode::Agent {
            agent: form
                .required("agent", value::own_fence_agent)
                .unwrap_or_default(),
            parameters: Vec::new(), // filled when references are resolved
        },
        "unit" => FencingMode::Unit {
            unit: form.required("unit", value::unit).unwrap_or_default(),
        },
        "manager" => FencingMode::Manager,
        "none" => {
            let message = "fencing mode 'none' is unsafe: a lost heartbeat counts as down, so a service may run twice";
            let hint = "leave <fencing> out for mode 'lease', unless the services tolerate that";
            let at = form.element.place("mode");
            form.problems.warning(at, message, hint.to_owned());
            FencingMode::None
        }
        other => {
            let message = format!("{} is not a valid mode of <fencing>", quote(other));
            let at = form.element.place("mode");
            form.problems.error(at, message, suggest(other, MODES));
            FencingMode::Lease
        }
    }
}
