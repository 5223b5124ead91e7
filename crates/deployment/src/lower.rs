//! The model to the policy engine's configuration: assemblies become nodes, services primitives,
//! the short forms constraints.
//!
//! Generated ids contain a `.`, which no name can, so they never meet the ids of services. Ids of
//! resources are the services' own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::{
    Assembly, Constraint, Deployment, Instances, Origin, Parameter, Score, Service,
};
use crate::reader::resource_id;
use crate::tree::escape;
use crate::value::duration_text;

pub(crate) fn configuration(deployment: &Deployment) -> String {
    lower(deployment).out
}

/// Every id that the lowering gives, with the name of its element.
pub(crate) fn ids(deployment: &Deployment) -> Vec<(String, &'static str)> {
    lower(deployment).ids
}

fn lower(deployment: &Deployment) -> Xml {
    let raw = &deployment.raw;
    let mut xml = Xml::default();
    xml.open("configuration", &[]);
    section(&mut xml, "crm_config", &raw.crm_config, |xml| {
        cluster_options(xml, deployment)
    });
    section(&mut xml, "nodes", "", |xml| {
        deployment
            .assemblies
            .iter()
            .for_each(|assembly| node(xml, assembly))
    });
    section(&mut xml, "resources", &raw.resources, |xml| {
        resources(xml, deployment)
    });
    section(&mut xml, "constraints", &raw.constraints, |xml| {
        constraints(xml, deployment)
    });
    section(&mut xml, "rsc_defaults", &raw.rsc_defaults, |xml| {
        service_defaults(xml, deployment)
    });
    section(&mut xml, "op_defaults", &raw.op_defaults, |_| ());
    for (name, text) in [
        ("tags", &raw.tags),
        ("fencing-topology", &raw.fencing_topology),
    ] {
        if !text.is_empty() {
            section(&mut xml, name, text, |_| ());
        }
    }
    xml.close("configuration");
    xml
}

/// What is lowered comes first: of two sets of options, the later one wins (Pacemaker Explained,
/// "Rules").
fn section(xml: &mut Xml, name: &'static str, raw: &str, lowered: impl FnOnce(&mut Xml)) {
    xml.open(name, &[]);
    lowered(xml);
    xml.verbatim(raw);
    xml.close(name);
}

/// Options without which the policy engine would not decide what deployments need.
fn cluster_options(xml: &mut Xml, deployment: &Deployment) {
    let mut options = vec![
        ("cluster-name", deployment.name.as_str()),
        // a lost assembly is made safe before its services start elsewhere …
        ("stonith-enabled", "true"),
        // … by the DPE itself, so there is a fencing device even without a resource of class
        // stonith
        ("have-watchdog", "true"),
        // one DPE decides; there is no second partition that could decide otherwise
        ("no-quorum-policy", "ignore"),
    ];
    if deployment
        .services
        .iter()
        .any(|service| !service.utilization.is_empty())
    {
        options.push(("placement-strategy", "balanced"));
    }
    xml.set("cluster_property_set", "deployment.options", &options);
}

/// What users of the short forms expect: a service stays where it runs, and an old failure does not
/// keep it down for ever. A document of Pacemaker's elements only gets Pacemaker's own defaults.
fn service_defaults(xml: &mut Xml, deployment: &Deployment) {
    if deployment
        .services
        .iter()
        .any(|service| service.origin == Origin::Service)
    {
        xml.set(
            "meta_attributes",
            "deployment.defaults",
            &[("resource-stickiness", "1"), ("failure-timeout", "10m")],
        );
    }
}

fn node(xml: &mut Xml, assembly: &Assembly) {
    let name = assembly.name.as_str();
    // the ids of nodes are no XML ids: they may equal those of services
    xml.open("node", &[("id", name), ("uname", name)]);
    xml.map(
        "instance_attributes",
        &format!("node.{name}.attributes"),
        &assembly.attributes,
    );
    xml.map(
        "utilization",
        &format!("node.{name}.capacity"),
        &assembly.capacity,
    );
    xml.close("node");
}

fn resources(xml: &mut Xml, deployment: &Deployment) {
    let mut groups = deployment.groups.iter().peekable();
    let mut index = 0;
    while let Some(service) = deployment.services.get(index) {
        if let Some(group) = groups.next_if(|group| group.members.start == index) {
            cloned(xml, &group.id, group.instances, |xml| {
                xml.open_id("group", &group.id, &[]);
                deployment.services[group.members.clone()]
                    .iter()
                    .for_each(|member| primitive(xml, member));
                xml.close("group");
            });
            index = group.members.end;
        } else {
            if service.origin == Origin::Service {
                cloned(xml, &service.id, service.instances, |xml| {
                    primitive(xml, service)
                });
            }
            index += 1;
        }
    }
}

fn cloned(xml: &mut Xml, id: &str, instances: Option<Instances>, content: impl FnOnce(&mut Xml)) {
    let Some(count) = instances else {
        return content(xml);
    };
    xml.open_id("clone", &resource_id(id, instances), &[]);
    // interleave: an instance waits for the instances in its own assembly only, not for those of
    // all
    let number = match count {
        Instances::All => None,
        Instances::Count(number) => Some(number.to_string()),
    };
    let mut options = vec![("interleave", "true")];
    options.extend(number.as_deref().map(|number| ("clone-max", number)));
    xml.set("meta_attributes", &format!("{id}.instances"), &options);
    content(xml);
    xml.close("clone");
}

fn primitive(xml: &mut Xml, service: &Service) {
    let id = service.id.as_str();
    let mut agent = vec![("class", service.agent.class.as_str())];
    agent.extend(
        service
            .agent
            .provider
            .as_deref()
            .map(|provider| ("provider", provider)),
    );
    agent.push(("type", &service.agent.kind));
    xml.open_id("primitive", id, &agent);
    let threshold = service
        .migration_threshold
        .or(service.escalation.map(|escalation| escalation.failures));
    let forgotten = service
        .failure_timeout
        .or(service.escalation.map(|escalation| escalation.period));
    let options = [
        ("priority", service.priority.map(|score| score.to_string())),
        (
            "resource-stickiness",
            service.stickiness.map(|score| score.to_string()),
        ),
        (
            "migration-threshold",
            threshold.map(|failures| failures.to_string()),
        ),
        ("failure-timeout", forgotten.map(duration_text)),
        (
            "target-role",
            (!service.enabled).then(|| "Stopped".to_owned()),
        ),
    ];
    xml.set(
        "meta_attributes",
        &format!("{id}.options"),
        &given(&options),
    );
    xml.map(
        "utilization",
        &format!("{id}.utilization"),
        &service.utilization,
    );
    let parameters: Vec<_> = service
        .parameters
        .iter()
        .map(|Parameter { name, value }| (name.as_str(), value.as_str()))
        .collect();
    xml.set(
        "instance_attributes",
        &format!("{id}.parameters"),
        &parameters,
    );
    xml.open("operations", &[]);
    let on_fail = service.on_fail.map(|on_fail| on_fail.as_str().to_owned());
    operation(
        xml,
        id,
        "start",
        None,
        service.start_timeout.map(duration_text),
        on_fail.clone(),
    );
    operation(
        xml,
        id,
        "stop",
        None,
        service.stop_timeout.map(duration_text),
        None,
    );
    if let Some(interval) = service.monitor_interval {
        operation(
            xml,
            id,
            "monitor",
            Some(duration_text(interval)),
            service.monitor_timeout.map(duration_text),
            on_fail,
        );
    }
    xml.close("operations");
    xml.close("primitive");
}

/// An operation, unless there is nothing to say about it.
fn operation(
    xml: &mut Xml,
    id: &str,
    name: &str,
    interval: Option<String>,
    timeout: Option<String>,
    on_fail: Option<String>,
) {
    if interval.is_none() && timeout.is_none() && on_fail.is_none() {
        return;
    }
    let interval = interval.unwrap_or_else(|| "0".to_owned());
    let mut attributes = vec![("name", name), ("interval", &interval)];
    attributes.extend(timeout.as_deref().map(|timeout| ("timeout", timeout)));
    attributes.extend(on_fail.as_deref().map(|on_fail| ("on-fail", on_fail)));
    xml.open_id("op", &format!("{id}.{name}"), &attributes);
    xml.close("op");
}

fn constraints(xml: &mut Xml, deployment: &Deployment) {
    let mut alone = vec![true; deployment.services.len()];
    deployment
        .groups
        .iter()
        .for_each(|group| alone[group.members.clone()].fill(false));
    let alone = deployment
        .services
        .iter()
        .zip(alone)
        .filter(|(_, alone)| *alone);
    let pinned = alone
        .map(|(service, _)| (&service.id, &service.assembly))
        .chain(
            deployment
                .groups
                .iter()
                .map(|group| (&group.id, &group.assembly)),
        );
    for (id, assembly) in pinned {
        if let Some(assembly) = assembly {
            // exclusive: it is neither allowed nor looked for in any other assembly
            let place = [
                ("rsc", id.as_str()),
                ("node", assembly),
                ("score", "INFINITY"),
                ("resource-discovery", "exclusive"),
            ];
            xml.open_id("rsc_location", &format!("pinned.{id}"), &place);
            xml.close("rsc_location");
        }
    }
    for constraint in &deployment.constraints {
        match constraint {
            Constraint::Order { first, then, kind } => {
                let attributes = [
                    ("first", first.as_str()),
                    ("then", then),
                    ("kind", kind.as_str()),
                ];
                xml.open_id("rsc_order", &format!("order.{first}.{then}"), &attributes);
                xml.close("rsc_order");
            }
            Constraint::Collocation {
                resource,
                with,
                score,
            } => {
                let score = Score(*score).to_string();
                let attributes = [
                    ("rsc", resource.as_str()),
                    ("with-rsc", with),
                    ("score", &score),
                ];
                xml.open_id(
                    "rsc_colocation",
                    &format!("collocation.{resource}.{with}"),
                    &attributes,
                );
                xml.close("rsc_colocation");
            }
            Constraint::Location {
                resource,
                assembly,
                score,
            } => {
                let score = Score(*score).to_string();
                let attributes = [
                    ("rsc", resource.as_str()),
                    ("node", assembly),
                    ("score", &score),
                ];
                xml.open_id(
                    "rsc_location",
                    &format!("location.{resource}.{assembly}"),
                    &attributes,
                );
                xml.close("rsc_location");
            }
        }
    }
}

fn given<'v>(pairs: &'v [(&'static str, Option<String>)]) -> Vec<(&'static str, &'v str)> {
    pairs
        .iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (*name, value)))
        .collect()
}

/// Indented XML text, and the ids in it. An element that is closed at once is written as an empty
/// one.
#[derive(Default)]
struct Xml {
    out: String,
    depth: usize,
    /// The last start tag still lacks its end, `>` or `/>`.
    unfinished: bool,
    ids: Vec<(String, &'static str)>,
}

impl Xml {
    fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.finish();
        let _ = write!(self.out, "{:1$}<{name}", "", self.depth * 2);
        for (name, value) in attributes {
            let _ = write!(self.out, " {name}=\"{}\"", escape(value));
        }
        self.unfinished = true;
        self.depth += 1;
    }

    fn open_id(&mut self, name: &'static str, id: &str, attributes: &[(&str, &str)]) {
        self.ids.push((id.to_owned(), name));
        self.open(name, &[&[("id", id)], attributes].concat());
    }

    fn finish(&mut self) {
        if std::mem::take(&mut self.unfinished) {
            self.out.push_str(">\n");
        }
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        if std::mem::take(&mut self.unfinished) {
            self.out.push_str("/>\n");
        } else {
            let _ = writeln!(self.out, "{:1$}</{name}>", "", self.depth * 2);
        }
    }

    /// Complete elements as text.
    fn verbatim(&mut self, text: &str) {
        if !text.is_empty() {
            self.finish();
            self.out.push_str(text);
        }
    }

    /// A set of names and values; nothing if it would be empty.
    fn set(&mut self, name: &'static str, id: &str, pairs: &[(&str, &str)]) {
        if pairs.is_empty() {
            return;
        }
        self.open_id(name, id, &[]);
        for (name, value) in pairs {
            let id = format!("{id}.{}", name.replace('#', "."));
            self.open_id("nvpair", &id, &[("name", name), ("value", value)]);
            self.close("nvpair");
        }
        self.close(name);
    }

    fn map<V: ToString>(&mut self, name: &'static str, id: &str, map: &BTreeMap<String, V>) {
        let values: Vec<String> = map.values().map(ToString::to_string).collect();
        let pairs: Vec<_> = map
            .keys()
            .map(String::as_str)
            .zip(values.iter().map(String::as_str))
            .collect();
        self.set(name, id, &pairs);
    }
}
