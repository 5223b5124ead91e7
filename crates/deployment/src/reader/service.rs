//! `<services>`, of an assembly or of the deployable: services and groups of services.

use std::collections::BTreeMap;
use std::time::Duration;

use cpe_status::Configure;

use super::configure::{self, CONFIGURE};
use super::draft::Draft;
use super::form::Form;
use super::names::Kind;
use super::original;
use super::values::Owner;
use crate::model::{Agent, Group, Instances, OnFail, Origin, Service};
use crate::problem::{Problems, quote, suggest};
use crate::treatment;
use crate::tree::Element;
use crate::uses::Places;
use crate::value;

/// Time between two monitors of a service that does not say.
const DEFAULT_MONITOR_INTERVAL: Duration = Duration::from_secs(10);

/// More instances than any deployment has assemblies.
const MAX_INSTANCES: u32 = 1_000;

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

/// Reads the services of the assembly, or the free ones.
pub(super) fn read(
    element: &Element<'_>,
    assembly: Option<&str>,
    draft: &mut Draft,
    problems: &mut Problems,
) {
    let mut form = Form { element, problems };
    form.attributes(&[]);
    for child in form.children(&["service", "group"]) {
        if child.name == "service" {
            service(child, assembly, draft, form.problems);
        } else {
            group(child, assembly, draft, form.problems);
        }
    }
}

fn group(
    element: &Element<'_>,
    assembly: Option<&str>,
    draft: &mut Draft,
    problems: &mut Problems,
) {
    let mut form = Form { element, problems };
    form.attributes(&["name", "instances", "description"]);
    let name = form.name(value::service_name);
    let instances = instances(&mut form, assembly);
    let first = draft.deployment.services.len();
    for child in form.children(&["service"]) {
        let member = service(child, assembly, draft, form.problems);
        member.instances = None;
        if let Some(attribute) = child.attribute("instances") {
            let (member, group) = (quote(&member.name), quote(&name));
            let message = format!("service {member} of group {group} has 'instances'");
            let hint = "give it to the group".to_owned();
            form.problems.error(attribute.offset, message, hint);
        }
    }
    let members = first..draft.deployment.services.len();
    if members.is_empty() {
        if element.children.is_empty() {
            let message = format!("group {} has no service", quote(&name));
            let hint = "add one, or remove the group".to_owned();
            problems.error(element.offset, message, hint);
        }
        return;
    }
    let kind = Kind::Group(draft.deployment.groups.len());
    draft
        .names
        .add(kind, &name, assembly, element.place("name"));
    draft.deployment.groups.push(Group {
        id: name,
        assembly: assembly.map(str::to_owned),
        instances,
        members,
    });
}

/// Adds a service, and gives it for what its group says.
fn service<'d>(
    element: &Element<'_>,
    assembly: Option<&str>,
    draft: &'d mut Draft,
    problems: &mut Problems,
) -> &'d mut Service {
    let index = draft.deployment.services.len();
    let mut form = Form { element, problems };
    form.attributes(&SERVICE_ATTRIBUTES);
    let mut service = attributes(&mut form, assembly);
    let sections = ["parameters", "utilization", CONFIGURE];
    let [parameters, utilization, configure] = form.sections_also(sections, &[original::CONFIGURE]);
    service.configure = before_start(&mut form, configure);
    if let Some(element) = parameters {
        let (owner, values) = (Owner::Service(index), &mut draft.values);
        values.read(element, "parameter", owner, value::key, problems);
        if service.configure.is_some() {
            configure::check_parameters(element, problems);
        }
    }
    if let Some(element) = utilization {
        service.utilization = Form { element, problems }.quantities();
    }
    let (kind, place) = (Kind::Service(index), element.place("name"));
    draft.names.add(kind, &service.name, assembly, place);
    draft.deployment.services.push(service);
    draft.places.push(Places {
        agent: element.place("type"),
        ..Places::default()
    });
    &mut draft.deployment.services[index]
}

/// What the guest runs before the service starts; `configure`: the element of today's form.
fn before_start(form: &mut Form<'_, '_, '_>, configure: Option<&Element<'_>>) -> Option<Configure> {
    let mut found = configure.and_then(|element| configure::read(element, form.problems));
    let mut one = configure.is_some();
    let children = form.element.children.iter();
    for element in children.filter(|child| child.name == original::CONFIGURE) {
        let read = original::configure(element, form.problems);
        if one && read.is_some() {
            let message = "<service> has more than one program to run before it starts";
            let hint = "write one <configure>, with a script that does it all".to_owned();
            form.problems
                .refuse(element.offset, message.to_owned(), hint);
        }
        one |= read.is_some();
        found = found.or(read);
    }
    found
}

/// What the attributes of a `<service>` say.
fn attributes(form: &mut Form<'_, '_, '_>, assembly: Option<&str>) -> Service {
    let name = form.name(value::service_name);
    let agent = agent(form);
    let monitor_interval = monitor_interval(form, &name);
    form.uuid();
    Service {
        id: name.clone(),
        name,
        origin: Origin::Service,
        assembly: assembly.map(str::to_owned),
        agent,
        parameters: Vec::new(), // filled when references are resolved
        configure: None,
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
        instances: instances(form, assembly),
        utilization: BTreeMap::new(),
    }
}

fn monitor_interval(form: &mut Form<'_, '_, '_>, service: &str) -> Option<Duration> {
    match form.optional("monitor_interval", value::duration) {
        Some(Duration::ZERO) => {
            let message = format!("service {} is not monitored", quote(service));
            let hint = "its failures are not noticed; leave monitor_interval out for every 10s";
            let at = form.element.place("monitor_interval");
            form.problems.warning(at, message, hint.to_owned());
            None
        }
        given => Some(given.unwrap_or(DEFAULT_MONITOR_INTERVAL)),
    }
}

/// `class`, `provider`, `type`.
fn agent(form: &mut Form<'_, '_, '_>) -> Agent {
    let class = form.required("class", |text| match value::CLASSES.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(suggest(text, value::CLASSES).unwrap_or_default()),
    });
    let class = class.unwrap_or_default();
    let kind = form.required("type", value::agent_part).unwrap_or_default();
    let mut provider = form.optional("provider", value::agent_part);
    match (class.as_str(), form.element.attribute("provider")) {
        ("ocf", None) => {
            let message = "<service> of class 'ocf' lacks the attribute 'provider'";
            let hint = "add provider=\"heartbeat\", or where the agent comes from".to_owned();
            form.problems.error(form.element.offset, message, hint);
        }
        ("ocf" | "", _) => {}
        (class, attribute) => {
            if let Some(attribute) = attribute {
                let message = format!("agents of class '{class}' have no provider");
                let hint = "it is not used: remove it".to_owned();
                form.problems.warning(attribute.offset, message, hint);
            }
            provider = None;
        }
    }
    let named = provider.as_deref().unwrap_or_default();
    if let Some(hint) = treatment::refuses_agent(&class, named, &kind) {
        let message = "<service> is the connection to a Pacemaker Remote node";
        let at = form.element.offset;
        form.problems.error(at, message, hint.to_owned());
    }
    Agent {
        class,
        provider,
        kind,
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
        let (name, assembly) = (form.element.name, quote(assembly));
        let message = format!("<{name}> is pinned to assembly {assembly}, so it has one instance");
        let hint = "move it to the <services> of the deployable".to_owned();
        form.problems.error(attribute.offset, message, hint);
    }
    instances
}
