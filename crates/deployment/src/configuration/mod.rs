//! `<configuration>`: Pacemaker's own elements, checked and taken verbatim.
//!
//! Checked is what a grammar says, that ids are unique (also against those that the short forms are
//! lowered to), that what is referred to exists, and what each element needs that a table cannot
//! say. What values mean is the policy engine's business.

mod grammar;
mod links;

use std::collections::HashSet;
use std::time::Duration;

use grammar::{Kind, Rule};
use links::Links;

use crate::model::{Agent, Deployment, Instances, Origin, RawConfiguration, Service};
use crate::problem::{Problems, quote};
use crate::tree::{self, Element};
use crate::value;

/// Whether an element of that name is Pacemaker's and could not be meant as one of the short forms.
pub(crate) fn is_section_or_resource(name: &str) -> bool {
    name.starts_with("rsc_")
        || ["configuration", "resources"]
            .iter()
            .filter_map(|parent| grammar::rule(parent))
            .any(|rule| rule.children.contains(&name) && !["group", "constraints"].contains(&name))
}

/// Checks the element and adds what it holds to the deployment: the text of its sections, and its
/// primitives as services.
pub(crate) fn read(element: &Element<'_>, problems: &mut Problems, deployment: &mut Deployment) {
    let Some(rule) = grammar::rule("configuration") else {
        return;
    };
    let mut links = Links::of(deployment);
    check(element, rule, problems, &mut links);
    sections_once(element, problems);
    links.check(problems);

    deployment.raw = text(element);
    let (mut primitives, mut several) = (Vec::new(), HashSet::new());
    let mut timeout = deployment.longest_stop_timeout;
    if let Some(resources) = element
        .children
        .iter()
        .find(|child| child.name == "resources")
    {
        visit(resources, &mut |inner| match inner.name {
            "primitive" => primitives.push(inner),
            "clone" | "bundle" => visit(inner, &mut |member| {
                several.extend(member.value("id").filter(|_| member.name == "primitive"));
            }),
            "op" if inner.value("name") == Some("stop") => {
                timeout = timeout.max(
                    inner
                        .value("timeout")
                        .and_then(lenient_duration)
                        .unwrap_or_default(),
                );
            }
            _ => {}
        });
        let templates: Vec<_> = resources
            .children
            .iter()
            .filter(|child| child.name == "template")
            .collect();
        for primitive in primitives {
            let mut service = service(primitive, &templates);
            // How many, the policy engine knows.
            service.instances = several
                .contains(service.id.as_str())
                .then_some(Instances::All);
            deployment.services.push(service);
        }
    }
    // a default may be the timeout of any stop
    visit(element, &mut |inner| {
        if inner.name == "op_defaults" {
            visit(inner, &mut |pair| {
                if pair.name == "nvpair" && pair.value("name") == Some("timeout") {
                    timeout = timeout.max(
                        pair.value("value")
                            .and_then(lenient_duration)
                            .unwrap_or_default(),
                    );
                }
            });
        }
    });
    deployment.longest_stop_timeout = timeout;
}

/// Does something with the element and with all below it, in the order of the document.
pub(crate) fn visit<'e, 't>(element: &'e Element<'t>, action: &mut impl FnMut(&'e Element<'t>)) {
    action(element);
    element
        .children
        .iter()
        .for_each(|child| visit(child, action));
}

/// A duration as Pacemaker writes most of them; others are the policy engine's business.
fn lenient_duration(text: &str) -> Option<Duration> {
    value::duration(text.trim()).ok()
}

fn text(element: &Element<'_>) -> RawConfiguration {
    let of = |name: &str| {
        let mut out = String::new();
        let section = element.children.iter().find(|child| child.name == name);
        section
            .into_iter()
            .flat_map(|section| &section.children)
            .for_each(|child| child.write(&mut out, 4));
        out
    };
    RawConfiguration {
        crm_config: of("crm_config"),
        resources: of("resources"),
        constraints: of("constraints"),
        rsc_defaults: of("rsc_defaults"),
        op_defaults: of("op_defaults"),
        tags: of("tags"),
        fencing_topology: of("fencing-topology"),
    }
}

fn service(primitive: &Element<'_>, templates: &[&Element<'_>]) -> Service {
    let template = primitive.value("template");
    let template = templates
        .iter()
        .find(|candidate| template.is_some() && candidate.value("id") == template);
    let described = template.copied().unwrap_or(primitive);
    let of = |name: &str| described.value(name).unwrap_or_default().to_owned();
    let id = primitive.value("id").unwrap_or_default().to_owned();
    Service {
        id: id.clone(),
        name: id,
        origin: Origin::Configuration,
        assembly: None,
        agent: Agent {
            class: of("class"),
            provider: described.value("provider").map(str::to_owned),
            kind: of("type"),
        },
        parameters: Vec::new(),
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

fn sections_once(element: &Element<'_>, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for child in element
        .children
        .iter()
        .filter(|child| !seen.insert(child.name))
    {
        let message = format!("<configuration> contains <{}> twice", child.name);
        problems.error(
            child.offset,
            message,
            "put everything into one of them".to_owned(),
        );
    }
}

/// Checks an element and everything in it against the grammar; collects ids and what refers to
/// them.
fn check<'e>(
    element: &'e Element<'_>,
    rule: &'static Rule,
    problems: &mut Problems,
    links: &mut Links<'e>,
) {
    if let Some(text) = &element.text {
        let message = format!(
            "<{}> must not contain text: {}",
            element.name,
            quote(text.value.trim())
        );
        problems.error(
            text.offset,
            message,
            "remove it, or write it as a comment".to_owned(),
        );
    }
    let referred = element.attribute("id-ref").is_some()
        && rule.attributes.iter().any(|(name, _)| *name == "id-ref");
    for required in rule.required {
        // an <nvpair id-ref="…" name="…"> is allowed, and one without a name too
        if element.attribute(required).is_none() && !referred {
            let message = format!("<{}> lacks the attribute '{required}'", element.name);
            problems.error(element.offset, message, format!("add {required}=\"…\""));
        }
    }
    for attribute in &element.attributes {
        let Some((_, kind)) = rule
            .attributes
            .iter()
            .find(|(name, _)| *name == attribute.name)
        else {
            let known = rule.attributes.iter().map(|(name, _)| *name);
            let hint = problems.suggest(attribute.name, known);
            problems.error(
                attribute.offset,
                format!(
                    "<{}> has no attribute {}",
                    element.name,
                    quote(attribute.name)
                ),
                hint,
            );
            continue;
        };
        let value = &*attribute.value;
        let expected = match kind {
            Kind::Text => None,
            Kind::Id if !tree::is_id(value) => Some(
                "expected an XML id: a letter or _, then letters, digits, '.', '-' and '_'"
                    .to_owned(),
            ),
            Kind::Id => {
                links.define(value, element, attribute.value_offset, problems);
                None
            }
            Kind::SameAs | Kind::Resource | Kind::Template | Kind::Object | Kind::Node => {
                links.refer(*kind, element.name, value, attribute.value_offset);
                None
            }
            Kind::Devices => {
                for device in value.split(',').map(str::trim) {
                    links.refer(Kind::Resource, element.name, device, attribute.value_offset);
                }
                None
            }
            Kind::Score => match value {
                // node health; Pacemaker Explained, "Node Health"
                "red" | "yellow" | "green" => None,
                _ => value::score(value).err(),
            },
            Kind::Boolean => value::boolean(value).err(),
            Kind::Integer => {
                let digits = value.trim_start_matches(['-', '+']);
                let valid = (1..=9).contains(&digits.len())
                    && digits.bytes().all(|byte| byte.is_ascii_digit());
                (!valid).then(|| "expected an integer".to_owned())
            }
            Kind::Duration => {
                let begins =
                    value.starts_with(|c: char| c.is_ascii_digit()) || value.starts_with('P');
                (!begins).then(|| "expected a duration such as '10s'".to_owned())
            }
            Kind::Word(words) => {
                let known = words.iter().any(|word| word.eq_ignore_ascii_case(value));
                (!known).then(|| {
                    problems
                        .suggest(value, words.iter().copied())
                        .unwrap_or_default()
                })
            }
        };
        if let Some(expected) = expected {
            let message = format!(
                "{} is no valid {} of <{}>",
                quote(value),
                attribute.name,
                element.name
            );
            problems.error(attribute.value_offset, message, expected);
        }
    }
    if !referred {
        requirements(element, problems);
    }
    links.bring_nodes(element);
    for child in &element.children {
        match grammar::rule(child.name).filter(|_| rule.children.contains(&child.name)) {
            Some(rule) => check(child, rule, problems, links),
            None => {
                let hint = grammar::instead(child.name).map(str::to_owned);
                let hint =
                    hint.or_else(|| problems.suggest(child.name, rule.children.iter().copied()));
                let message = format!("<{}> must not contain <{}>", element.name, child.name);
                problems.error(
                    child.offset,
                    message,
                    hint.or_else(|| Some("remove it".to_owned())),
                );
            }
        }
    }
}

/// What the table cannot say: either this or that, and only with the other.
fn requirements(element: &Element<'_>, problems: &mut Problems) {
    let has = |name: &str| element.attribute(name).is_some();
    let children = |names: &[&str]| {
        element
            .children
            .iter()
            .filter(|child| names.contains(&child.name))
            .count()
    };
    let mut demand = |fulfilled: bool, found: &str, expected: &str| {
        if !fulfilled {
            problems.error(
                element.offset,
                format!("<{}> {found}", element.name),
                expected.to_owned(),
            );
        }
    };
    match element.name {
        "primitive" if has("template") => {
            demand(
                !has("class") && !has("type"),
                "has a template and an agent of its own",
                "remove 'class', 'provider', 'type', or 'template'",
            );
        }
        "primitive" | "template" => {
            demand(
                has("class"),
                "lacks the attribute 'class'",
                "add class=\"ocf\", provider=\"…\", type=\"…\", or template=\"…\"",
            );
            demand(
                has("type"),
                "lacks the attribute 'type'",
                "add type=\"…\", the name of the agent",
            );
            let ocf = element.value("class") == Some("ocf");
            demand(
                !ocf || has("provider"),
                "of class 'ocf' lacks the attribute 'provider'",
                "add provider=\"heartbeat\", or where the agent comes from",
            );
        }
        "group" => demand(
            children(&["primitive"]) > 0,
            "has no member",
            "add a <primitive>",
        ),
        "clone" => {
            demand(
                children(&["primitive", "group"]) == 1,
                "does not have exactly one resource",
                "expected one <primitive> or one <group> in it",
            );
        }
        "bundle" => {
            demand(
                children(&["docker", "podman"]) == 1,
                "does not have exactly one container technology",
                "expected one <docker> or one <podman> in it",
            );
            demand(
                children(&["primitive"]) <= 1,
                "has more than one resource",
                "a bundle runs at most one <primitive>",
            );
        }
        "storage-mapping" => {
            demand(
                has("source-dir") != has("source-dir-root"),
                "does not have exactly one source",
                "expected one of 'source-dir' and 'source-dir-root'",
            );
        }
        "port-mapping" => demand(
            has("port") != has("range"),
            "does not have exactly one kind of ports",
            "expected one of 'port' and 'range'",
        ),
        "rsc_location" => {
            let resources = usize::from(has("rsc"))
                + usize::from(has("rsc-pattern"))
                + usize::from(children(&["resource_set"]) > 0);
            demand(
                resources == 1,
                "does not say for which resources",
                "expected one of 'rsc', 'rsc-pattern' and <resource_set>",
            );
            let rules = children(&["rule"]);
            let direct = has("node") && has("score");
            demand(
                rules > 0 || direct,
                "does not say where",
                "expected 'node' and 'score', or a <rule>",
            );
            demand(
                rules == 0 || !has("node"),
                "has a node and a <rule>",
                "keep one of them",
            );
            demand(
                rules <= 1,
                "has more than one <rule>",
                "write one constraint for each rule",
            );
        }
        "rsc_colocation" | "rsc_order" | "rsc_ticket" => {
            let names: &[&str] = match element.name {
                "rsc_colocation" => &["rsc", "with-rsc"],
                "rsc_order" => &["first", "then"],
                _ => &["rsc"],
            };
            let sets = children(&["resource_set"]) > 0;
            let given = names.iter().filter(|name| has(name)).count();
            let right = if sets {
                given == 0
            } else {
                given == names.len()
            };
            let expected = format!(
                "expected {}, or <resource_set> elements",
                names.map_quoted()
            );
            demand(right, "does not say for which resources", &expected);
        }
        "resource_set" => demand(
            children(&["resource_ref"]) > 0,
            "names no resource",
            "add a <resource_ref id=\"…\"/>",
        ),
        "fencing-level" => {
            let targets = ["target", "target-pattern", "target-attribute"]
                .iter()
                .filter(|name| has(name))
                .count();
            demand(
                targets == 1,
                "does not say for which nodes",
                "expected one of 'target', 'target-pattern' and 'target-attribute'",
            );
        }
        _ => {}
    }
    warn(element, problems);
}

trait Quoted {
    fn map_quoted(&self) -> String;
}

impl Quoted for [&str] {
    fn map_quoted(&self) -> String {
        self.iter()
            .map(|name| format!("'{name}'"))
            .collect::<Vec<_>>()
            .join(" and ")
    }
}

/// What is valid, but hardly meant.
fn warn(element: &Element<'_>, problems: &mut Problems) {
    let options = match element.name {
        "cluster_property_set" => grammar::CLUSTER_OPTIONS,
        "primitive" if element.value("class") == Some("stonith") => {
            let message = format!(
                "fencing device {} is not run",
                quote(element.value("id").unwrap_or_default())
            );
            problems.warning(
                element.offset,
                message,
                "the DPE does the fencing: say <fencing> in the assembly".to_owned(),
            );
            return;
        }
        "meta_attributes" => grammar::RESOURCE_OPTIONS,
        _ => return,
    };
    for pair in element
        .children
        .iter()
        .filter(|child| child.name == "nvpair")
    {
        let Some(name) = pair.value("name").filter(|name| !options.contains(name)) else {
            let off = |name: &str| {
                pair.value("name") == Some(name)
                    && pair
                        .value("value")
                        .is_some_and(|v| value::boolean(v) == Ok(false))
            };
            if off("stonith-enabled")
                || off("fencing-enabled")
                || off("startup-fencing")
                || off("have-watchdog")
            {
                let message = format!(
                    "{} switched off is unsafe: a service may run twice",
                    quote(pair.value("name").unwrap_or_default())
                );
                problems.warning(
                    pair.offset,
                    message,
                    "remove it; <fencing mode=…> says how an assembly is made safe".to_owned(),
                );
            }
            continue;
        };
        if let Some(hint) = problems
            .suggest(name, options.iter().copied())
            .filter(|hint| hint.starts_with("did you mean"))
        {
            problems.warning(
                pair.place("name"),
                format!("the option {} has no effect", quote(name)),
                hint,
            );
        }
    }
}
