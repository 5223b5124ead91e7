//! The model to the policy engine's configuration: assemblies become nodes, services primitives,
//! the short forms constraints.
//!
//! Generated ids contain a `.`, which no name can, so they never collide with the ids of services.
//! The ids of resources are those of the services.

use std::collections::BTreeMap;

use cpe_status::Configure;
use policy_engine::xml::Writer;

use crate::configure::CONFIGURE_PARAMETER;
use crate::model::{
    Assembly, Constraint, Deployment, Instances, Origin, Score, Service, resource_id,
};
use crate::secret::{is_secret, secret_use};
use crate::tree::{Element, parse};
use crate::value::duration_text;

impl Deployment {
    /// `<configuration>…</configuration>` as the policy engine and Pacemaker's tools read it: the
    /// assemblies as nodes, the short forms lowered to Pacemaker's elements, and what the
    /// document's own `<configuration>` holds. Deterministic.
    pub fn configuration(&self) -> String {
        lower(self).xml.finish()
    }
}

/// What stands for a secret.
const HIDDEN: &str = "***";

impl Deployment {
    /// As [`Deployment::configuration`], without the secrets of fencing devices: who decides and
    /// what is kept for people have no use for them.
    pub fn configuration_without_secrets(&self) -> String {
        let mut configuration = self.configuration();
        let mut hidden: Vec<(usize, usize)> = Vec::new();
        if !self.devices.is_empty()
            && let Ok(root) = parse(&configuration)
        {
            root.visit(&mut |device| {
                if device.value("class") == Some("stonith") {
                    device.visit(&mut |pair| hidden.extend(secret_of(pair, &configuration)));
                }
            });
        }
        // From the end, so that places stay as they are; templates may have been visited twice.
        hidden.sort_unstable();
        hidden.dedup();
        for (start, end) in hidden.into_iter().rev() {
            configuration.replace_range(start..end, HIDDEN);
        }
        configuration
    }
}

/// Where the secret of a `<nvpair>` is in the text.
fn secret_of(pair: &Element<'_>, text: &str) -> Option<(usize, usize)> {
    let value = pair.attribute("value")?;
    let is_one = pair.name == "nvpair"
        && pair.value("name").is_some_and(is_secret)
        && secret_use(&value.value).is_none();
    value.place(text).filter(|_| is_one)
}

/// Every id that the lowering gives, with the name of its element.
pub(crate) fn ids(deployment: &Deployment) -> Vec<(String, &'static str)> {
    lower(deployment).ids
}

fn lower(deployment: &Deployment) -> Lowered {
    let raw = &deployment.raw;
    let mut out = Lowered::default();
    out.xml.open("configuration");
    out.section("crm_config", &raw.crm_config, |out| {
        cluster_options(out, deployment)
    });
    out.section("nodes", "", |out| {
        let nodes = deployment.assemblies.iter();
        nodes.for_each(|assembly| node(out, assembly))
    });
    out.section("resources", &raw.resources, |out| {
        resources(out, deployment)
    });
    out.section("constraints", &raw.constraints, |out| {
        pins(out, deployment);
        let constraints = deployment.constraints.iter();
        constraints.for_each(|rule| constraint(out, rule));
    });
    out.section("rsc_defaults", &raw.rsc_defaults, |out| {
        service_defaults(out, deployment)
    });
    out.section("op_defaults", &raw.op_defaults, |_| ());
    if !raw.tags.is_empty() {
        out.section("tags", &raw.tags, |_| ());
    }
    out.xml.close();
    out
}

/// Options without which the policy engine would not decide what deployments need.
fn cluster_options(out: &mut Lowered, deployment: &Deployment) {
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
    options.extend(
        deployment
            .time_zone
            .as_deref()
            .map(|zone| ("time-zone", zone)),
    );
    let uses_capacity = |service: &Service| !service.utilization.is_empty();
    if deployment.services.iter().any(uses_capacity) {
        options.push(("placement-strategy", "balanced"));
    }
    out.set("cluster_property_set", "deployment.options", &options);
}

/// What users of the short forms expect: a service stays where it runs, and an old failure does not
/// keep it down for ever. A document with only Pacemaker's elements gets Pacemaker's own defaults.
fn service_defaults(out: &mut Lowered, deployment: &Deployment) {
    let is_short = |service: &Service| service.origin == Origin::Service;
    if deployment.services.iter().any(is_short) {
        out.set(
            "meta_attributes",
            "deployment.defaults",
            &[("resource-stickiness", "1"), ("failure-timeout", "10m")],
        );
    }
}

fn node(out: &mut Lowered, assembly: &Assembly) {
    let name = assembly.name.as_str();
    // the ids of nodes are not XML ids: they may equal those of services
    out.xml
        .open("node")
        .attribute("id", name)
        .attribute("uname", name);
    let attributes = format!("node.{name}.attributes");
    out.map("instance_attributes", &attributes, &assembly.attributes);
    let capacity = format!("node.{name}.capacity");
    out.map("utilization", &capacity, &assembly.capacity);
    out.xml.close();
}

fn resources(out: &mut Lowered, deployment: &Deployment) {
    let mut groups = deployment.groups.iter().peekable();
    let mut index = 0;
    while let Some(service) = deployment.services.get(index) {
        if let Some(group) = groups.next_if(|group| group.members.start == index) {
            cloned(out, &group.id, group.instances, |out| {
                out.open("group", &group.id);
                let members = deployment.services[group.members.clone()].iter();
                members.for_each(|member| primitive(out, member));
                out.xml.close();
            });
            index = group.members.end;
        } else {
            if service.origin == Origin::Service {
                cloned(out, &service.id, service.instances, |out| {
                    primitive(out, service)
                });
            }
            index += 1;
        }
    }
}

/// The content, in a clone if there are several instances.
fn cloned(
    out: &mut Lowered,
    id: &str,
    instances: Option<Instances>,
    content: impl FnOnce(&mut Lowered),
) {
    let Some(count) = instances else {
        return content(out);
    };
    out.open("clone", &resource_id(id, instances));
    // interleave: an instance waits only for the instances in its own assembly, not for those of
    // all
    let number = match count {
        Instances::All => None,
        Instances::Count(number) => Some(number.to_string()),
    };
    let mut options = vec![("interleave", "true")];
    options.extend(number.as_deref().map(|number| ("clone-max", number)));
    out.set("meta_attributes", &format!("{id}.instances"), &options);
    content(out);
    out.xml.close();
}

fn primitive(out: &mut Lowered, service: &Service) {
    let id = service.id.as_str();
    let agent = &service.agent;
    out.open("primitive", id)
        .attribute("class", &agent.class)
        .optional("provider", agent.provider.as_deref())
        .attribute("type", &agent.kind);
    options(out, service);
    let utilization = format!("{id}.utilization");
    out.map("utilization", &utilization, &service.utilization);
    let configure = service.configure.as_ref().map(Configure::mark);
    let parameters: Vec<_> = service
        .parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), parameter.value.as_str()))
        .chain(configure.as_deref().map(|mark| (CONFIGURE_PARAMETER, mark)))
        .collect();
    let set = format!("{id}.parameters");
    out.set("instance_attributes", &set, &parameters);
    operations(out, service);
    out.xml.close();
}

/// The meta attributes of a service.
fn options(out: &mut Lowered, service: &Service) {
    let escalation = service.escalation;
    let threshold = service
        .migration_threshold
        .or(escalation.map(|escalation| escalation.failures));
    let forgotten = service
        .failure_timeout
        .or(escalation.map(|escalation| escalation.period));
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
    let given: Vec<_> = options
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)))
        .collect();
    out.set(
        "meta_attributes",
        &format!("{}.options", service.id),
        &given,
    );
}

/// The operations of a service about which the document says something.
fn operations(out: &mut Lowered, service: &Service) {
    let on_fail = service.on_fail.map(|on_fail| on_fail.as_str());
    let (start, stop) = (service.start_timeout, service.stop_timeout);
    let rows = [
        ("start", None, start, on_fail),
        ("stop", None, stop, None),
        (
            "monitor",
            service.monitor_interval,
            service.monitor_timeout,
            on_fail,
        ),
    ];
    out.xml.open("operations");
    for (name, interval, timeout, on_fail) in rows {
        let is_given = match name {
            "monitor" => interval.is_some(),
            _ => timeout.is_some() || on_fail.is_some(),
        };
        if is_given {
            let interval = interval.map_or_else(|| "0".to_owned(), duration_text);
            out.open("op", &format!("{}.{name}", service.id))
                .attribute("name", name)
                .attribute("interval", &interval)
                .optional("timeout", timeout.map(duration_text).as_deref())
                .optional("on-fail", on_fail)
                .close();
        }
    }
    out.xml.close();
}

/// Pinned services and groups are allowed in their assembly only.
fn pins(out: &mut Lowered, deployment: &Deployment) {
    for (id, assembly) in deployment.pins() {
        // exclusive: it is not even looked for in any other assembly
        out.open("rsc_location", &format!("pinned.{id}"))
            .attribute("rsc", id)
            .attribute("node", assembly)
            .attribute("score", "INFINITY")
            .attribute("resource-discovery", "exclusive")
            .close();
    }
}

fn constraint(out: &mut Lowered, constraint: &Constraint) {
    match constraint {
        Constraint::Order { first, then, kind } => out
            .open("rsc_order", &format!("order.{first}.{then}"))
            .attribute("first", first)
            .attribute("then", then)
            .attribute("kind", kind.as_str()),
        Constraint::Colocation {
            resource,
            with,
            score,
        } => out
            .open("rsc_colocation", &format!("colocation.{resource}.{with}"))
            .attribute("rsc", resource)
            .attribute("with-rsc", with)
            .attribute("score", &Score(*score).to_string()),
        Constraint::Location {
            resource,
            assembly,
            score,
        } => out
            .open("rsc_location", &format!("location.{resource}.{assembly}"))
            .attribute("rsc", resource)
            .attribute("node", assembly)
            .attribute("score", &Score(*score).to_string()),
    }
    .close();
}

/// The configuration under construction, and the ids in it.
#[derive(Default)]
struct Lowered {
    xml: Writer<'static>,
    ids: Vec<(String, &'static str)>,
}

impl Lowered {
    /// Opens an element with an id.
    fn open(&mut self, name: &'static str, id: &str) -> &mut Writer<'static> {
        self.ids.push((id.to_owned(), name));
        self.xml.open(name).attribute("id", id)
    }

    /// A section of the configuration. What is lowered comes first: of two sets of options, the
    /// later one wins (Pacemaker Explained, "Rules").
    fn section(&mut self, name: &'static str, raw: &str, lowered: impl FnOnce(&mut Self)) {
        self.xml.open(name);
        lowered(self);
        self.xml.verbatim(raw).close();
    }

    /// A set of names and values; nothing if it would be empty.
    fn set(&mut self, name: &'static str, id: &str, pairs: &[(&str, &str)]) {
        if pairs.is_empty() {
            return;
        }
        self.open(name, id);
        for (name, value) in pairs {
            self.open("nvpair", &format!("{id}.{}", name.replace('#', ".")))
                .attribute("name", name)
                .attribute("value", value)
                .close();
        }
        self.xml.close();
    }

    fn map<V: ToString>(&mut self, name: &'static str, id: &str, map: &BTreeMap<String, V>) {
        let values: Vec<String> = map.values().map(ToString::to_string).collect();
        let names = map.keys().map(String::as_str);
        let pairs: Vec<_> = names.zip(values.iter().map(String::as_str)).collect();
        self.set(name, id, &pairs);
    }
}
