//! `<configuration>`: Pacemaker's own elements, checked and taken verbatim.
//!
//! It is checked that the form fits the grammar, that ids are unique (also against those that the
//! short forms are lowered to), that references lead somewhere, and that each element has what it
//! needs beside that. The policy engine interprets the values. What older schemas say in other
//! words is put in those of the newest first.

mod check;
mod clones;
mod constraints;
mod devices;
mod grammar;
mod hosts;
mod index;
mod links;
mod operations;
mod options;
mod plugs;
mod requirements;
mod roles;
mod roster;
mod rules;
mod secrets;
mod tickets;
mod topology;
mod unfencing;
mod upgrade;
mod uses;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use policy_engine::xml::Writer;

use crate::model::{Agent, Deployment, Instances, Origin, RawConfiguration, RawInstances, Service};
use crate::problem::Problems;
use crate::tree::Element;
use crate::uses::Use;
use crate::{report, treatment};
use check::check;
use links::Links;
use upgrade::Outcome;

/// A cluster option of former versions, which removes history.
const REMOVE_AFTER_STOP: &str = "remove-after-stop";

/// Whether a cluster option of that name means something: here, or to Pacemaker's daemons.
pub(crate) fn is_cluster_option(name: &str) -> bool {
    name == REMOVE_AFTER_STOP || treatment::find(treatment::CLUSTER_OPTIONS, name).is_some()
}

/// Whether an element of that name is Pacemaker's and could not be meant as one of the short forms.
pub(crate) fn is_section_or_resource(name: &str) -> bool {
    name.starts_with("rsc_")
        || ["configuration", "resources"]
            .iter()
            .filter_map(|parent| grammar::rule(parent))
            .any(|rule| rule.children.contains(&name) && !["group", "constraints"].contains(&name))
}

/// Checks the element and adds what it holds to the deployment: the text of its sections, and its
/// primitives as services; and, if that is wanted, what these ask of their agents. An old one is
/// upgraded first.
pub(crate) fn read(
    element: &Element<'_>,
    deployment: &mut Deployment,
    uses: Option<&mut Vec<Use>>,
    problems: &mut Problems,
) {
    match upgrade::upgrade(element, problems) {
        Outcome::AsItIs => read_newest(element, deployment, uses, problems),
        Outcome::Upgraded(upgraded) => {
            element.visit(&mut |inner| report::text_in(inner, problems));
            read_newest(&upgraded.element(), deployment, uses, problems);
        }
        Outcome::Refused => {}
    }
}

fn read_newest(
    element: &Element<'_>,
    deployment: &mut Deployment,
    wanted: Option<&mut Vec<Use>>,
    problems: &mut Problems,
) {
    let Some(rule) = grammar::rule("configuration") else {
        return;
    };
    let mut links = Links::of(deployment);
    check(element, rule, &mut links, problems);
    options::check(element, problems);
    sections_once(element, problems);
    links.check(problems);

    secrets::check(element, &deployment.name, problems);
    let devices = devices::read(element, &deployment.name, problems);
    topology::assign(element, &devices, &links, deployment, problems);
    roles::check(element, deployment, problems);
    clones::check(element, problems);
    rules::check(element, deployment, problems);
    operations::check(element, problems);
    constraints::check(element, problems);
    deployment.devices = devices.into_iter().map(|found| found.device).collect();
    deployment.raw = raw(element);
    if let Some(wanted) = wanted {
        uses::read(element, deployment, wanted);
    }
    let mut longest = deployment.longest_stop_timeout;
    for child in &element.children {
        match child.name {
            "resources" => {
                read_services(child, &mut deployment.services);
                read_instances(child, &mut deployment.raw.instances);
                longest = longest.max(longest_stop(child));
            }
            "op_defaults" => longest = longest.max(longest_default(child)),
            _ => {}
        }
    }
    deployment.longest_stop_timeout = longest;
    deployment.tickets = tickets::read(element, deployment);
}

/// Adds the primitives of `<resources>`.
fn read_services(resources: &Element<'_>, services: &mut Vec<Service>) {
    let (mut primitives, mut several) = (Vec::new(), HashSet::new());
    resources.visit(&mut |inner| match inner.name {
        "primitive" => primitives.push(inner),
        "clone" | "bundle" => inner.visit(&mut |member| {
            several.extend(member.value("id").filter(|_| member.name == "primitive"));
        }),
        _ => {}
    });
    let templates: Vec<_> = resources
        .children
        .iter()
        .filter(|child| child.name == "template")
        .collect();
    for primitive in primitives {
        let mut service = service(primitive, &templates);
        // only the policy engine knows how many there are
        if several.contains(service.id.as_str()) {
            service.instances = Some(Instances::All);
        }
        services.push(service);
    }
}

/// How many instances the primitives in clones and bundles ask for, at most.
fn read_instances(resources: &Element<'_>, instances: &mut BTreeMap<String, RawInstances>) {
    resources.visit(&mut |outer| {
        if !matches!(outer.name, "clone" | "bundle") {
            return;
        }
        let mut asked = RawInstances {
            count: 0,
            unique: outer.name == "bundle",
        };
        let mut count = |text: Option<&str>| {
            let number = text.and_then(|text| text.trim().parse().ok());
            asked.count = asked.count.max(number.unwrap_or(0));
        };
        let mut primitives = Vec::new();
        outer.visit(&mut |inner| match (inner.name, inner.value("name")) {
            ("nvpair", Some("clone-max")) => count(inner.value("value")),
            ("nvpair", Some("globally-unique")) => {
                asked.unique |= inner.value("value") != Some("false");
            }
            ("primitive", _) => primitives.extend(inner.value("id")),
            _ => count(inner.value("replicas")),
        });
        for primitive in primitives {
            instances.insert(primitive.to_owned(), asked);
        }
    });
}

/// The longest timeout of a stop operation in `<resources>`.
fn longest_stop(resources: &Element<'_>) -> Duration {
    let mut longest = Duration::ZERO;
    resources.visit(&mut |inner| {
        if inner.name == "op" && inner.value("name") == Some("stop") {
            longest = longest.max(lenient_duration(inner.value("timeout")));
        }
    });
    longest
}

/// The longest timeout in `<op_defaults>`: each may be the one of a stop.
fn longest_default(defaults: &Element<'_>) -> Duration {
    let mut longest = Duration::ZERO;
    defaults.visit(&mut |inner| {
        if inner.name == "nvpair" && inner.value("name") == Some("timeout") {
            longest = longest.max(lenient_duration(inner.value("value")));
        }
    });
    longest
}

/// A duration as the policy engine reads it.
fn lenient_duration(text: Option<&str>) -> Duration {
    let ms = text.and_then(policy_engine::parse_interval);
    Duration::from_millis(u64::from(ms.unwrap_or_default()))
}

/// The sections as text.
fn raw(element: &Element<'_>) -> RawConfiguration {
    let of = |name: &str| {
        let mut xml = Writer::at_depth(2);
        let section = element.children.iter().find(|child| child.name == name);
        section
            .into_iter()
            .flat_map(|section| &section.children)
            .for_each(|child| child.write(&mut xml));
        xml.finish()
    };
    RawConfiguration {
        crm_config: of("crm_config"),
        resources: of("resources"),
        constraints: of("constraints"),
        rsc_defaults: of("rsc_defaults"),
        op_defaults: of("op_defaults"),
        tags: of("tags"),
        instances: BTreeMap::new(),
    }
}

/// A primitive, with the agent of its template if it has one.
fn service(primitive: &Element<'_>, templates: &[&Element<'_>]) -> Service {
    let template = primitive.value("template");
    let template = templates
        .iter()
        .find(|candidate| template.is_some() && candidate.value("id") == template);
    let described = template.copied().unwrap_or(primitive);
    let id = primitive.value("id").unwrap_or_default().to_owned();
    Service {
        id: id.clone(),
        name: id,
        origin: Origin::Configuration,
        assembly: None,
        agent: agent(described),
        parameters: Vec::new(),
        configure: None,
        monitor_interval: None,
        monitor_timeout: None,
        start_timeout: None,
        stop_timeout: None,
        on_fail: None,
        escalation: None,
        migration_threshold: None,
        failure_timeout: None,
        priority: None,
        stickiness: None,
        enabled: true,
        instances: None,
        utilization: Default::default(),
    }
}

/// The agent that a primitive or a template names.
fn agent(described: &Element<'_>) -> Agent {
    let of = |name: &str| described.value(name).unwrap_or_default().to_owned();
    Agent {
        class: of("class"),
        provider: described.value("provider").map(str::to_owned),
        kind: of("type"),
    }
}

fn sections_once(element: &Element<'_>, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for child in &element.children {
        if !seen.insert(child.name) {
            report::second_section(element, child, problems);
        }
    }
}
