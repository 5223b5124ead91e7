//! `<services>`, of an assembly or of the deployable: services and groups of services.

use std::collections::BTreeMap;

use super::names::{Kind, Names};
use super::reference::{Owner, Values};
use super::{Form, assembly};
use crate::model::{Agent, Deployment, Group, Instances, OnFail, Origin, Service};
use crate::problem::{Problems, quote, suggest};
use crate::tree::Element;
use crate::value;

/// Time between two monitors of a service that does not say.
const DEFAULT_MONITOR_INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);

/// More instances than any deployment has assemblies.
const MAX_INSTANCES: u32 = 1_000;

const CLASSES: [&str; 4] = ["ocf", "lsb", "systemd", "service"];

const SERVICE_ATTRIBUTES: [&str; 19] = [
    "name",
    "class",
    "provider",
    "type",
    "monitor_interval",
    "monitor_timeout",
    "start_timeout",
    "stop_timeout",
    "on_fail",
    "escalation_failures",
    "escalation_period",
    "migration_threshold",
    "failure_timeout",
    "priority",
    "stickiness",
    "enabled",
    "instances",
    "description",
    "uuid",
];

/// Reads the services of the assembly, or free ones.
pub(super) fn read(
    element: &Element<'_>,
    assembly: Option<&str>,
    problems: &mut Problems,
    deployment: &mut Deployment,
    names: &mut Names,
    values: &mut Values,
) {
    let mut form = Form { element, problems };
    form.attributes(&[]);
    for child in form.children(&["service", "group"]) {
        if child.name == "service" {
            let index = deployment.services.len();
            let service = service(child, assembly, index, form.problems, values);
            names.add(
                Kind::Service(index),
                &service.name,
                assembly,
                child.place("name"),
            );
            deployment.services.push(service);
        } else {
            group(child, assembly, form.problems, deployment, names, values);
        }
    }
}

fn group(
    element: &Element<'_>,
    assembly: Option<&str>,
    problems: &mut Problems,
    deployment: &mut Deployment,
    names: &mut Names,
    values: &mut Values,
) {
    let mut form = Form { element, problems };
    form.attributes(&["name", "instances", "description"]);
    let name = form
        .required("name", value::service_name)
        .or_else(|| element.value("name").map(str::to_owned))
        .unwrap_or_default();
    let instances = instances(&mut form, assembly);
    let first = deployment.services.len();
    for child in form.children(&["service"]) {
        let index = deployment.services.len();
        let service = service(child, assembly, index, form.problems, values);
        if let Some(attribute) = child.attribute("instances") {
            let message = format!(
                "service {} of group {} has 'instances'",
                quote(&service.name),
                quote(&name)
            );
            form.problems
                .error(attribute.offset, message, "give it to the group".to_owned());
        }
        names.add(
            Kind::Service(index),
            &service.name,
            assembly,
            child.place("name"),
        );
        deployment.services.push(Service {
            instances: None,
            ..service
        });
    }
    let members = first..deployment.services.len();
    if members.is_empty() {
        if element.children.is_empty() {
            problems.error(
                element.offset,
                format!("group {} has no service", quote(&name)),
                "add one, or remove the group".to_owned(),
            );
        }
        return;
    }
    names.add(
        Kind::Group(deployment.groups.len()),
        &name,
        assembly,
        element.place("name"),
    );
    deployment.groups.push(Group {
        id: name,
        assembly: assembly.map(str::to_owned),
        instances,
        members,
    });
}

fn service(
    element: &Element<'_>,
    assembly: Option<&str>,
    index: usize,
    problems: &mut Problems,
    values: &mut Values,
) -> Service {
    let mut form = Form { element, problems };
    form.attributes(&SERVICE_ATTRIBUTES);
    let name = form
        .required("name", value::service_name)
        .or_else(|| element.value("name").map(str::to_owned))
        .unwrap_or_default();
    let agent = agent(&mut form);
    let monitor_interval = match form.optional("monitor_interval", value::duration) {
        Some(interval) if interval.is_zero() => {
            let message = format!("service {} is not monitored", quote(&name));
            let hint =
                "its failures are not noticed; leave monitor_interval out for every 10s".to_owned();
            form.problems
                .warning(element.place("monitor_interval"), message, hint);
            None
        }
        given => Some(given.unwrap_or(DEFAULT_MONITOR_INTERVAL)),
    };
    form.optional("uuid", value::uuid);
    let service = Service {
        id: name.clone(),
        name,
        origin: Origin::Service,
        assembly: assembly.map(str::to_owned),
        agent,
        parameters: Vec::new(), // filled when references are resolved
        monitor_interval,
        monitor_timeout: form.optional("monitor_timeout", value::positive_duration),
        start_timeout: form.optional("start_timeout", value::positive_duration),
        stop_timeout: form.optional("stop_timeout", value::positive_duration),
        on_fail: form.optional("on_fail", on_fail),
        escalation: form.escalation(),
        migration_threshold: form.optional("migration_threshold", |text| {
            value::integer(text, 1, 1_000_000)
        }),
        failure_timeout: form.optional("failure_timeout", value::positive_duration),
        priority: form.optional("priority", value::score),
        stickiness: form.optional("stickiness", value::score),
        enabled: form.optional("enabled", value::boolean).unwrap_or(true),
        instances: instances(&mut form, assembly),
        utilization: BTreeMap::new(),
    };
    let [parameters, utilization] = form.sections(["parameters", "utilization"]);
    if let Some(element) = parameters {
        values.read(
            element,
            "parameter",
            Owner::Service(index),
            value::key,
            problems,
        );
    }
    let utilization = utilization
        .map(|element| assembly::quantities(element, problems))
        .unwrap_or_default();
    Service {
        utilization,
        ..service
    }
}

/// `class`, `provider`, `type`.
fn agent(form: &mut Form<'_, '_, '_>) -> Agent {
    let class = form
        .required("class", |text| {
            let hint = || suggest(text, CLASSES).unwrap_or_default();
            if CLASSES.contains(&text) {
                Ok(text.to_owned())
            } else {
                Err(hint())
            }
        })
        .unwrap_or_default();
    let kind = form.required("type", value::agent_part).unwrap_or_default();
    let provider = form.optional("provider", value::agent_part);
    match class.as_str() {
        "ocf" if form.element.attribute("provider").is_none() => {
            let message = "<service> of class 'ocf' lacks the attribute 'provider'";
            form.problems.error(
                form.element.offset,
                message,
                "add provider=\"heartbeat\", or where the agent comes from".to_owned(),
            );
            Agent {
                class,
                provider,
                kind,
            }
        }
        "ocf" | "" => Agent {
            class,
            provider,
            kind,
        },
        _ => {
            if let Some(attribute) = form.element.attribute("provider") {
                let message = format!("agents of class '{class}' have no provider");
                form.problems.warning(
                    attribute.offset,
                    message,
                    "it is not used: remove it".to_owned(),
                );
            }
            Agent {
                class,
                provider: None,
                kind,
            }
        }
    }
}

fn on_fail(text: &str) -> Result<OnFail, String> {
    const KNOWN: [OnFail; 6] = [
        OnFail::Restart,
        OnFail::Stop,
        OnFail::Block,
        OnFail::Ignore,
        OnFail::Standby,
        OnFail::Fence,
    ];
    let known = KNOWN.into_iter().find(|on_fail| on_fail.as_str() == text);
    known.ok_or_else(|| match text {
        "move" | "migrate" => {
            "to move it after the first failure, give it migration_threshold=\"1\"".to_owned()
        }
        _ => suggest(text, KNOWN.map(OnFail::as_str)).unwrap_or_default(),
    })
}

/// `instances="2"` or `instances="all"`.
fn instances(form: &mut Form<'_, '_, '_>, assembly: Option<&str>) -> Option<Instances> {
    let instances = form.optional("instances", |text| match text {
        "all" => Ok(Instances::All),
        _ => value::integer(text, 1, MAX_INSTANCES)
            .map(Instances::Count)
            .map_err(|expected| format!("{expected}, or 'all' for one in every assembly")),
    });
    if let (Some(attribute), Some(assembly)) = (form.element.attribute("instances"), assembly) {
        let message = format!(
            "<{}> is pinned to assembly {}, so it has one instance",
            form.element.name,
            quote(assembly)
        );
        form.problems.error(
            attribute.offset,
            message,
            "move it to the <services> of the deployable".to_owned(),
        );
    }
    instances
}
