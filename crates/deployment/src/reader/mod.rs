//! From the tree of elements to the model: every rule of `docs/deployment-document.md`, every
//! violation reported.
//!
//! Reading continues after a problem with whatever can be kept, so that one report is enough to
//! correct a document: a service with a wrong attribute still counts as existing for the
//! constraints that name it.

mod assembly;
mod bounds;
mod configure;
mod constraint;
mod cycle;
mod draft;
mod form;
mod names;
mod original;
mod references;
mod secrets;
mod service;
mod values;
mod without_agent;
mod zone;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::agents::Uses;
use crate::model::{Deployment, Heartbeat, RawConfiguration};
use crate::problem::{Problem, Problems, quote};
use crate::tree::{self, Element};
use crate::uses::{self, Use};
use crate::{configuration, value};
use draft::Draft;
use form::Form;
use names::Names;
use values::Values;

/// The stop timeout of an operation that says nothing: Pacemaker Explained, "Operation Properties".
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// What reading a document gave: the deployment, unless there is an error, and all problems.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `None` exactly if one of the problems is an error.
    pub deployment: Option<Deployment>,
    /// Errors and warnings, in the order of the document.
    pub problems: Vec<Problem>,
}

/// Reads and checks a document. Use this to see the warnings of a valid document too.
pub fn read_with_warnings(document: &[u8]) -> Outcome {
    read_into(document, Problems::default())
}

/// Reads a document that was accepted before, maybe by an earlier version: that nothing carries
/// something out is a warning, since what it started has to be managed on.
pub fn read_accepted(document: &[u8]) -> Outcome {
    read_into(document, Problems::of_accepted())
}

fn read_into(document: &[u8], mut problems: Problems) -> Outcome {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    let deployment = match tree::decode(document).and_then(tree::parse) {
        Ok(root) => {
            let deployment = deployable(&root, None, &mut problems);
            if let Some(deployment) = deployment.as_ref().filter(|_| !problems.has_errors()) {
                check_size(deployment, &root, &mut problems);
            }
            deployment
        }
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

/// What a document that was accepted asks of resource agents, and the deployment; `None` if it has
/// errors.
pub fn read_uses(document: &[u8]) -> Option<(Deployment, Uses)> {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    let mut problems = Problems::default();
    let root = tree::decode(document).and_then(tree::parse).ok()?;
    let mut uses = Vec::new();
    let deployment = deployable(&root, Some(&mut uses), &mut problems)?;
    let uses = Uses {
        document: document.to_vec(),
        uses,
    };
    (!problems.has_errors()).then_some((deployment, uses))
}

fn deployable(
    root: &Element<'_>,
    uses: Option<&mut Vec<Use>>,
    problems: &mut Problems,
) -> Option<Deployment> {
    if root.name != "deployable" {
        let hint = match root.name {
            "cib" | "configuration" => {
                "`cpectl import` makes a document of it; or put Pacemaker's <configuration> into <deployable name=\"…\">"
            }
            _ => "expected <deployable name=\"…\">",
        };
        let message = format!("the root element is <{}>", root.name);
        problems.error(root.offset, message, hint.to_owned());
        return None;
    }
    let mut form = Form {
        element: root,
        problems,
    };
    let deployment = attributes(&mut form);
    let [assemblies, services, constraints, raw] =
        form.sections(["assemblies", "services", "constraints", "configuration"]);
    let mut draft = Draft {
        deployment,
        names: Names::default(),
        values: Values::default(),
        places: Vec::new(),
        fencing: BTreeMap::new(),
    };
    if let Some(element) = assemblies {
        assembly::read(element, &mut draft, problems);
    }
    if draft.deployment.assemblies.is_empty() {
        let at = assemblies.map_or(root.offset, |element| element.offset);
        let hint = "nothing can run until <assemblies> has one".to_owned();
        problems.warning(at, "the deployable has no assembly", hint);
    }
    if let Some(element) = services {
        service::read(element, None, &mut draft, problems);
    }
    let deployment = finish(draft, constraints, raw, uses, problems);
    if let Some(element) = assemblies {
        without_agent::check(element, raw, &deployment, problems);
    }
    Some(deployment)
}

/// What the attributes of `<deployable>` say; the rest is still empty.
fn attributes(form: &mut Form<'_, '_, '_>) -> Deployment {
    form.attributes(&[
        "name",
        "uuid",
        "description",
        "heartbeat_interval",
        "heartbeat_timeout",
        "lease",
        "grace",
        "time_zone",
        "version",
        "monitor",
        "username",
    ]);
    original::without_effect(form);
    form.optional("version", |text| match text {
        "1" => Ok(()),
        _ => Err("this is version 1 of the format".to_owned()),
    });
    Deployment {
        name: form.required("name", value::name).unwrap_or_default(),
        uuid: form.uuid(),
        description: form.optional("description", |text| Ok(text.to_owned())),
        time_zone: form.optional("time_zone", zone::read),
        heartbeat: heartbeat(form),
        assemblies: Vec::new(),
        services: Vec::new(),
        groups: Vec::new(),
        constraints: Vec::new(),
        raw: RawConfiguration::default(),
        devices: Vec::new(),
        tickets: Vec::new(),
        live: Vec::new(),
        longest_stop_timeout: DEFAULT_TIMEOUT,
    }
}

/// What can be read only when all assemblies and services are known.
fn finish(
    draft: Draft,
    constraints: Option<&Element<'_>>,
    raw: Option<&Element<'_>>,
    mut uses: Option<&mut Vec<Use>>,
    problems: &mut Problems,
) -> Deployment {
    let Draft {
        mut deployment,
        mut names,
        values,
        mut places,
        mut fencing,
    } = draft;
    if uses.is_some() {
        values.place_parameters(&mut places, &mut fencing);
    }
    check_capacity(&deployment, &names, problems);
    names.identify(&mut deployment, problems);
    references::resolve(&mut deployment, values, problems);
    bounds::check(&deployment, &names, raw, problems);
    if let Some(element) = constraints {
        constraint::read(element, &mut deployment, &names, problems);
    }
    deployment.longest_stop_timeout = deployment
        .services
        .iter()
        .filter_map(|service| service.stop_timeout)
        .fold(DEFAULT_TIMEOUT, Duration::max);
    if let Some(uses) = uses.as_deref_mut() {
        *uses = uses::of_services(&deployment, &places);
        uses.extend(uses::of_fencing(&deployment, &fencing));
    }
    if let Some(element) = raw {
        configuration::read(element, &mut deployment, uses, problems);
    }
    deployment
}

/// The policy engine refuses a configuration whose expansion exceeds its limits, such as an order
/// of each of thousands of resources behind each of thousands.
fn check_size(deployment: &Deployment, root: &Element<'_>, problems: &mut Problems) {
    let cib = format!("<cib>{}</cib>", deployment.configuration());
    match policy_engine::Cib::parse(&cib) {
        Ok(_) => {}
        Err(policy_engine::Error::TooLarge(excess)) => {
            let mut at = root.offset;
            root.visit(&mut |element| {
                if excess.id.is_some() && element.value("id") == excess.id.as_deref() {
                    at = element.offset;
                }
            });
            problems.error(at, excess.what(), excess.advice().to_owned());
        }
        Err(error) => {
            let message =
                format!("the policy engine cannot read what this document becomes: {error}");
            let hint = "this is a defect of this program: please report it with the document";
            problems.error(root.offset, message, hint.to_owned());
        }
    }
}

/// Warns of services that use more of a kind of capacity than any assembly has: the policy engine
/// counts what is not offered as zero.
fn check_capacity(deployment: &Deployment, names: &Names, problems: &mut Problems) {
    let mut most: HashMap<&String, u32> = HashMap::new();
    for (kind, amount) in deployment.assemblies.iter().flat_map(|it| &it.capacity) {
        let known = most.entry(kind).or_insert(0);
        *known = (*known).max(*amount);
    }
    for (index, offset) in names.services() {
        let service = &deployment.services[index];
        let mut pinned = deployment.assemblies.iter();
        let own = pinned.find(|assembly| service.assembly.as_ref() == Some(&assembly.name));
        for (kind, used) in &service.utilization {
            let offered = match own {
                Some(assembly) => assembly.capacity.get(kind).copied(),
                None => most.get(kind).copied(),
            };
            if *used <= offered.unwrap_or(0) {
                continue;
            }
            let who = match own {
                Some(assembly) => format!("assembly {} offers", quote(&assembly.name)),
                None => "no assembly offers".to_owned(),
            };
            let not = if own.is_some() { "not " } else { "" };
            let (kind, name) = (quote(kind), quote(&service.name));
            let (message, hint) = match offered {
                None => (
                    format!("{who} {not}the capacity {kind} that {name} uses"),
                    "it cannot run until one has it in its <capacity>",
                ),
                Some(most) => (
                    format!("{who} {not}as much {kind} as {name} uses: {used}, the most is {most}"),
                    "it cannot run until one has that much in its <capacity>",
                ),
            };
            problems.warning(offset, message, hint.to_owned());
        }
    }
}

/// `heartbeat_interval`, `heartbeat_timeout`, `lease` and `grace`, and what must hold between them.
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
    let grace = form.optional("grace", bounded).unwrap_or(defaults.grace);
    // what is not given follows what is
    let bound = timeout.or(lease.map(|lease| lease / 2));
    let interval = interval.unwrap_or_else(|| {
        bound.map_or(defaults.interval, |bound| defaults.interval.min(bound / 3))
    });
    let timeout = timeout.unwrap_or_else(|| {
        let usual = defaults.timeout.max(interval * 3);
        bound.map_or(usual, |bound| usual.min(bound.max(interval * 2)))
    });
    let lease = lease.unwrap_or(defaults.lease.max(timeout * 2));
    if timeout < interval * 2 {
        let at = form.element.place("heartbeat_timeout");
        let message = format!(
            "heartbeat_timeout ({}) is less than two heartbeat_interval ({})",
            value::duration_text(timeout),
            value::duration_text(interval)
        );
        let hint =
            "one late heartbeat would fail an assembly: expected at least twice the interval";
        form.problems.error(at, message, hint.to_owned());
    }
    if lease < timeout {
        let at = form.element.place("lease");
        let message = format!(
            "lease ({}) is less than heartbeat_timeout ({})",
            value::duration_text(lease),
            value::duration_text(timeout)
        );
        let hint = "agents would stop services before their assembly counts as lost: expected at least the timeout";
        form.problems.error(at, message, hint.to_owned());
    }
    Heartbeat {
        interval,
        timeout,
        lease,
        grace,
    }
}
