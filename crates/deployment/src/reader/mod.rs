//! From the tree of elements to the model: every rule of `docs/deployment-document.md`, every
//! violation reported.
//!
//! Reading goes on after a problem with whatever can be kept, so that one look at the report is
//! enough to correct a document: a service with a wrong attribute still counts as existing for the
//! constraints that name it.

mod assembly;
mod constraint;
mod names;
mod reference;
mod service;

pub(crate) use names::resource_id;

use std::collections::HashSet;
use std::time::Duration;

use names::Names;
use reference::Values;

use crate::model::{Deployment, Escalation, Heartbeat, RawConfiguration};
use crate::problem::{Problems, quote};
use crate::tree::{self, Element};
use crate::{Outcome, configuration, value};

/// The stop timeout of an operation that says nothing: Pacemaker Explained, "Operation Properties".
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) fn read(document: &[u8]) -> Outcome {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    let mut problems = Problems::default();
    let deployment = match tree::decode(document).and_then(tree::parse) {
        Ok(root) => deployable(&root, &mut problems),
        Err(fault) => {
            problems.error(fault.offset, fault.message, fault.hint);
            None
        }
    };
    let deployment = deployment.filter(|_| !problems.has_errors());
    Outcome {
        deployment,
        problems: problems.locate(document),
    }
}

fn deployable(root: &Element<'_>, problems: &mut Problems) -> Option<Deployment> {
    if root.name != "deployable" {
        let hint = match root.name {
            "cib" | "configuration" => {
                "put Pacemaker's <configuration> into <deployable name=\"…\">"
            }
            _ => "expected <deployable name=\"…\">",
        };
        problems.error(
            root.offset,
            format!("the root element is <{}>", root.name),
            hint.to_owned(),
        );
        return None;
    }
    let mut form = Form {
        element: root,
        problems,
    };
    form.attributes(&[
        "name",
        "uuid",
        "description",
        "heartbeat_interval",
        "heartbeat_timeout",
        "lease",
        "version",
    ]);
    let name = form.required("name", value::name).unwrap_or_default();
    let uuid = form.optional("uuid", value::uuid);
    let description = form.optional("description", |text| Ok(text.to_owned()));
    form.optional("version", |text| {
        if text == "1" {
            Ok(())
        } else {
            Err("this is version 1 of the format".to_owned())
        }
    });
    let heartbeat = heartbeat(&mut form);
    let [assemblies, services, constraints, raw] =
        form.sections(["assemblies", "services", "constraints", "configuration"]);

    let mut values = Values::default();
    let mut names = Names::default();
    let mut deployment = Deployment {
        name,
        uuid,
        description,
        heartbeat,
        assemblies: Vec::new(),
        services: Vec::new(),
        groups: Vec::new(),
        constraints: Vec::new(),
        raw: RawConfiguration::default(),
        longest_stop_timeout: DEFAULT_TIMEOUT,
    };
    if let Some(element) = assemblies {
        assembly::read(element, problems, &mut deployment, &mut names, &mut values);
    }
    if deployment.assemblies.is_empty() {
        let at = assemblies.map_or(root.offset, |element| element.offset);
        problems.warning(
            at,
            "the deployable has no assembly",
            "nothing can run until <assemblies> has one".to_owned(),
        );
    }
    if let Some(element) = services {
        service::read(
            element,
            None,
            problems,
            &mut deployment,
            &mut names,
            &mut values,
        );
    }
    offered(&deployment, &names, problems);
    names.identify(&mut deployment, problems);
    reference::resolve(&mut deployment, values, problems);
    if let Some(element) = constraints {
        constraint::read(element, problems, &mut deployment, &names);
    }
    deployment.longest_stop_timeout = deployment
        .services
        .iter()
        .filter_map(|service| service.stop_timeout)
        .max()
        .unwrap_or(DEFAULT_TIMEOUT)
        .max(DEFAULT_TIMEOUT);
    if let Some(element) = raw {
        configuration::read(element, problems, &mut deployment);
    }
    if !problems.has_errors() {
        decidable(&deployment, root, problems);
    }
    Some(deployment)
}

/// The policy engine refuses what means too much, such as an order of each of thousands of
/// resources behind each of thousands.
fn decidable(deployment: &Deployment, root: &Element<'_>, problems: &mut Problems) {
    let cib = format!("<cib>{}</cib>", deployment.configuration());
    match policy_engine::Cib::parse(&cib) {
        Ok(_) => {}
        Err(policy_engine::Error::TooMuch(excess)) => {
            let mut at = root.offset;
            configuration::visit(root, &mut |element| {
                if excess.id.is_some() && element.value("id") == excess.id.as_deref() {
                    at = element.offset;
                }
            });
            problems.error(at, excess.what(), excess.advice().to_owned());
        }
        Err(error) => problems.error(
            root.offset,
            format!("the policy engine cannot read what it becomes: {error}"),
            "this is a fault of ours: please report it with the document".to_owned(),
        ),
    }
}

/// Warns of services that no assembly has the kind of capacity for: the policy engine counts what
/// is not offered as zero.
fn offered(deployment: &Deployment, names: &Names, problems: &mut Problems) {
    let assemblies = deployment.assemblies.iter();
    let offered: HashSet<&String> = assemblies
        .flat_map(|assembly| assembly.capacity.keys())
        .collect();
    for (index, offset) in names.services() {
        let service = &deployment.services[index];
        let lacking = |(kind, used): &(&String, &u32)| **used > 0 && !offered.contains(kind);
        for (kind, _) in service.utilization.iter().filter(lacking) {
            let (kind, name) = (quote(kind), quote(&service.name));
            let message = format!("no assembly offers the capacity {kind} that {name} uses");
            let hint = "it cannot run until one has it in its <capacity>".to_owned();
            problems.warning(offset, message, hint);
        }
    }
}

/// `heartbeat_interval`, `heartbeat_timeout` and `lease`, and what has to hold between them.
fn heartbeat(form: &mut Form<'_, '_, '_>) -> Heartbeat {
    let defaults = Heartbeat::default();
    let bounded = |text: &str| match value::duration(text)? {
        duration if (Duration::from_millis(50)..=Duration::from_secs(3600)).contains(&duration) => {
            Ok(duration)
        }
        _ => Err("expected a duration from '50ms' to '1h'".to_owned()),
    };
    let interval = form.optional("heartbeat_interval", bounded);
    let timeout = form.optional("heartbeat_timeout", bounded);
    let lease = form.optional("lease", bounded);
    // what is not given follows what is
    let interval = interval.unwrap_or_else(|| {
        timeout.map_or(defaults.interval, |timeout| {
            defaults.interval.min(timeout / 3)
        })
    });
    let timeout = timeout.unwrap_or(defaults.timeout.max(interval * 3));
    let lease = lease.unwrap_or(defaults.lease.max(timeout * 2));
    let place = |form: &Form<'_, '_, '_>, name: &str| form.element.place(name);
    if timeout < interval * 2 {
        let at = place(form, "heartbeat_timeout");
        let message = format!(
            "heartbeat_timeout ({}) is less than two heartbeat_interval ({})",
            value::duration_text(timeout),
            value::duration_text(interval)
        );
        form.problems.error(
            at,
            message,
            "one late heartbeat would fail an assembly: expected at least twice the interval"
                .to_owned(),
        );
    }
    if lease < timeout {
        let at = place(form, "lease");
        let message = format!(
            "lease ({}) is less than heartbeat_timeout ({})",
            value::duration_text(lease),
            value::duration_text(timeout)
        );
        form.problems.error(at, message, "agents would stop services that are not yet counted as lost: expected at least the timeout".to_owned());
    }
    Heartbeat {
        interval,
        timeout,
        lease,
    }
}

/// One element being read: what may be in it, and its values by type.
struct Form<'e, 't, 'p> {
    element: &'e Element<'t>,
    problems: &'p mut Problems,
}

impl<'e, 't> Form<'e, 't, '_> {
    /// Reports attributes that the element does not have.
    fn attributes(&mut self, known: &[&str]) {
        for attribute in &self.element.attributes {
            if !known.contains(&attribute.name) {
                let message = format!(
                    "<{}> has no attribute {}",
                    self.element.name,
                    quote(attribute.name)
                );
                let hint = self.problems.suggest(attribute.name, known.iter().copied());
                self.problems.error(attribute.offset, message, hint);
            }
        }
    }

    /// Reports child elements that must not be here, and text; gives the others.
    fn children(&mut self, known: &[&str]) -> impl Iterator<Item = &'e Element<'t>> + use<'e, 't> {
        self.no_text();
        let mut valid = Vec::with_capacity(self.element.children.len());
        for child in &self.element.children {
            if known.contains(&child.name) {
                valid.push(child);
            } else {
                let message = format!("<{}> must not contain <{}>", self.element.name, child.name);
                let hint = match configuration::is_section_or_resource(child.name) {
                    true => Some("Pacemaker's own elements stand in <configuration>".to_owned()),
                    false => self.problems.suggest(child.name, known.iter().copied()),
                };
                let hint = hint.or_else(|| Some("remove it".to_owned()));
                self.problems.error(child.offset, message, hint);
            }
        }
        valid.into_iter()
    }

    /// Child elements of these names, each at most once.
    fn sections<const N: usize>(&mut self, names: [&str; N]) -> [Option<&'e Element<'t>>; N] {
        let mut found = [None; N];
        for child in self.children(&names) {
            let Some(slot) = names.iter().position(|name| *name == child.name) else {
                continue;
            };
            if found[slot].is_some() {
                let message = format!("<{}> contains <{}> twice", self.element.name, child.name);
                self.problems.error(
                    child.offset,
                    message,
                    "put everything into one of them".to_owned(),
                );
            } else {
                found[slot] = Some(child);
            }
        }
        found
    }

    fn no_text(&mut self) {
        if let Some(text) = &self.element.text {
            let message = format!(
                "<{}> must not contain text: {}",
                self.element.name,
                quote(text.value.trim())
            );
            self.problems.error(
                text.offset,
                message,
                "remove it, or write it as a comment".to_owned(),
            );
        }
    }

    /// The value of an attribute; `None` if it is not there, or (reported) not valid.
    fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let attribute = self.element.attribute(name)?;
        match parse(&attribute.value) {
            Ok(value) => Some(value),
            Err(expected) => {
                let message = format!(
                    "{} is no valid {name} of <{}>",
                    quote(&attribute.value),
                    self.element.name
                );
                self.problems
                    .error(attribute.value_offset, message, expected);
                None
            }
        }
    }

    /// As [`Form::optional`], and its absence is a problem.
    fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.element.attribute(name).is_none() {
            let message = format!("<{}> lacks the attribute '{name}'", self.element.name);
            self.problems
                .error(self.element.offset, message, format!("add {name}=\"…\""));
        }
        self.optional(name, parse)
    }

    /// `escalation_failures` and `escalation_period`, which stand together.
    fn escalation(&mut self) -> Option<Escalation> {
        let failures = self.optional("escalation_failures", |text| {
            value::integer(text, 1, 1_000_000)
        });
        let period = self.optional("escalation_period", value::positive_duration);
        for (given, missing, example) in [
            ("escalation_failures", "escalation_period", "10m"),
            ("escalation_period", "escalation_failures", "3"),
        ] {
            if let Some(attribute) = self.element.attribute(given)
                && self.element.attribute(missing).is_none()
            {
                let message = format!("<{}> has '{given}' without '{missing}'", self.element.name);
                self.problems.error(
                    attribute.offset,
                    message,
                    format!("add {missing}=\"{example}\""),
                );
            }
        }
        Some(Escalation {
            failures: failures?,
            period: period?,
        })
    }
}
