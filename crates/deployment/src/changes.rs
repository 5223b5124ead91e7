//! What differs between two documents, by meaning: what was added, removed and changed, whatever
//! the order, the comments and the white space.

use std::collections::BTreeMap;
use std::time::Duration;

use cpe_status::GuestSecret;

use crate::live::{LiveReference, LiveSource};
use crate::model::{
    Assembly, Constraint, Deployment, Escalation, FencingMode, Instances, Origin, Parameter,
    Service,
};
use crate::secret::{is_secret, secret_use};
use crate::tree::{Element, parse};

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What became of it.
    pub how: How,
    /// `deployment`, `assembly`, `service`, `group`, `constraint`, `option`, or an element of
    /// `<configuration>`.
    pub kind: String,
    /// Which one.
    pub name: String,
    /// What is different about something that was changed.
    pub details: Vec<Detail>,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It is not there any more.
    Removed,
    /// It is there, and different.
    Changed,
}

impl How {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Added => "added",
            How::Removed => "removed",
            How::Changed => "changed",
        }
    }
}

/// What differs about something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// `parameter port`.
    pub name: String,
    /// What it was; `None`: it was not said.
    pub from: Option<String>,
    /// What it is.
    pub to: Option<String>,
    /// The values are secrets, by their name or since the document says so: not for the screen.
    pub secret: bool,
}

/// What is said of something, by name.
type Facts = BTreeMap<String, Fact>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact {
    value: String,
    secret: bool,
}

/// All that a document says, by kind and name; kinds in the order of the document.
type Objects = BTreeMap<(u8, String, String), Facts>;

/// What has to be done to a document to get from one to the other.
///
/// Nothing differs by meaning if it is empty, or in ways that have no name: the order of services,
/// or what two constraints of the same resources say.
pub fn changes(from: &Deployment, to: &Deployment) -> Vec<Change> {
    let (from, to) = (objects(from), objects(to));
    let mut keys: Vec<_> = from.keys().chain(to.keys()).collect();
    keys.sort();
    keys.dedup();
    let change = |key: &(u8, String, String)| {
        let (how, details) = match (from.get(key), to.get(key)) {
            (None, Some(_)) => (How::Added, Vec::new()),
            (Some(_), None) => (How::Removed, Vec::new()),
            (Some(from), Some(to)) if from != to => (How::Changed, details(from, to)),
            _ => return None,
        };
        Some(Change {
            how,
            kind: key.1.clone(),
            name: key.2.clone(),
            details,
        })
    };
    keys.into_iter().filter_map(change).collect()
}

fn details(from: &Facts, to: &Facts) -> Vec<Detail> {
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    let differs = names
        .into_iter()
        .filter(|name| from.get(*name) != to.get(*name));
    let detail = |name: &String| {
        let (from, to) = (from.get(name), to.get(name));
        let value = |fact: Option<&Fact>| fact.map(|fact| fact.value.clone());
        Detail {
            name: name.clone(),
            from: value(from),
            to: value(to),
            secret: [from, to].into_iter().flatten().any(|fact| fact.secret),
        }
    };
    differs.map(detail).collect()
}

fn objects(deployment: &Deployment) -> Objects {
    let mut objects = Objects::new();
    let mut put = |place: u8, kind: &str, name: &str, facts: Facts| {
        let key = (place, kind.to_owned(), name.to_owned());
        objects.entry(key).or_default().extend(facts);
    };
    put(0, "deployment", &deployment.name, of_deployment(deployment));
    for assembly in &deployment.assemblies {
        put(1, "assembly", &assembly.name, of_assembly(assembly));
    }
    for service in &deployment.services {
        // The others are in <configuration>.
        if service.origin == Origin::Service {
            let mut facts = of_service(service);
            let live = deployment.live.iter();
            for reference in live.filter(|reference| reference.service == service.id) {
                say_named(
                    &mut facts,
                    "parameter",
                    &reference.parameter,
                    &following(reference),
                );
            }
            put(2, "service", &service.id, facts);
        }
    }
    for group in &deployment.groups {
        let mut facts = Facts::new();
        let members = deployment.services.get(group.members.clone());
        let members = members.unwrap_or_default().iter();
        let members: Vec<&str> = members.map(|service| service.id.as_str()).collect();
        say(&mut facts, "services", members.join(" "));
        say_if(&mut facts, "assembly", group.assembly.as_ref());
        say_if(&mut facts, "instances", group.instances.map(instances));
        put(3, "group", &group.id, facts);
    }
    for constraint in &deployment.constraints {
        let (name, facts) = of_constraint(constraint);
        put(4, "constraint", &name, facts);
    }
    let raw = &deployment.raw;
    let sections = [
        &raw.resources,
        &raw.constraints,
        &raw.rsc_defaults,
        &raw.op_defaults,
        &raw.tags,
    ];
    for (place, section) in (6..).zip(sections) {
        of_section(section, |element| {
            let mut facts = Facts::new();
            of_element(element, "", &mut facts);
            put(place, element.name, name_of(element), facts);
        });
    }
    of_section(&raw.crm_config, |set| {
        set.visit(&mut |element| {
            if let (Some(name), Some(value)) = (element.value("name"), element.value("value")) {
                let mut facts = Facts::new();
                say_named(&mut facts, "value", name, value);
                put(5, "option", name, facts);
            }
        });
    });
    objects
}

fn of_deployment(deployment: &Deployment) -> Facts {
    let mut facts = Facts::new();
    say_if(&mut facts, "uuid", deployment.uuid.as_ref());
    say_if(&mut facts, "description", deployment.description.as_ref());
    say_if(&mut facts, "time_zone", deployment.time_zone.as_ref());
    let heartbeat = &deployment.heartbeat;
    for (name, time) in [
        ("heartbeat interval", heartbeat.interval),
        ("heartbeat timeout", heartbeat.timeout),
        ("heartbeat lease", heartbeat.lease),
        ("heartbeat grace", heartbeat.grace),
    ] {
        say(&mut facts, name, duration(time));
    }
    facts
}

fn of_assembly(assembly: &Assembly) -> Facts {
    let mut facts = Facts::new();
    say_if(&mut facts, "uuid", assembly.uuid.as_ref());
    say_if(&mut facts, "address", assembly.address.as_ref());
    say_if(&mut facts, "host", assembly.host.as_ref());
    say_if(
        &mut facts,
        "escalation",
        assembly.escalation.map(escalation),
    );
    let fencing = &assembly.fencing;
    say(&mut facts, "fencing mode", fencing.mode.as_str());
    say_if(&mut facts, "fencing timeout", fencing.timeout.map(duration));
    match &fencing.mode {
        FencingMode::Agent { agent, parameters } => {
            say(&mut facts, "fencing agent", agent);
            for own in parameters {
                say_parameter(&mut facts, "fencing parameter", own);
            }
        }
        FencingMode::Unit { unit } => say(&mut facts, "fencing unit", unit),
        // What is said of the devices is in <configuration>.
        FencingMode::Devices(levels) => {
            for (number, level) in (1..).zip(levels) {
                let devices = level.iter().map(|own| own.device.id.as_str());
                let devices: Vec<&str> = devices.collect();
                say(
                    &mut facts,
                    format!("fencing level {number}"),
                    devices.join(" "),
                );
            }
        }
        FencingMode::Lease | FencingMode::Manager | FencingMode::None => {}
    }
    for (kind, amount) in &assembly.capacity {
        say(&mut facts, format!("capacity {kind}"), amount);
    }
    for (name, value) in &assembly.attributes {
        say_named(&mut facts, "attribute", name, value);
    }
    facts
}

fn of_service(service: &Service) -> Facts {
    let mut facts = Facts::new();
    say(&mut facts, "agent", &service.agent);
    say_if(&mut facts, "assembly", service.assembly.as_ref());
    for own in &service.parameters {
        say_parameter(&mut facts, "parameter", own);
    }
    say_if(&mut facts, "configure", service.configure.as_ref());
    for (name, time) in [
        ("monitor interval", service.monitor_interval),
        ("monitor timeout", service.monitor_timeout),
        ("start timeout", service.start_timeout),
        ("stop timeout", service.stop_timeout),
        ("failure_timeout", service.failure_timeout),
    ] {
        say_if(&mut facts, name, time.map(duration));
    }
    say_if(&mut facts, "on_fail", service.on_fail.map(|it| it.as_str()));
    say_if(&mut facts, "escalation", service.escalation.map(escalation));
    let threshold = service.migration_threshold;
    say_if(&mut facts, "migration_threshold", threshold);
    say_if(&mut facts, "priority", service.priority);
    say_if(&mut facts, "stickiness", service.stickiness);
    say(&mut facts, "enabled", service.enabled);
    say_if(&mut facts, "instances", service.instances.map(instances));
    for (kind, amount) in &service.utilization {
        say(&mut facts, format!("utilization {kind}"), amount);
    }
    facts
}

/// What a parameter follows, in words.
fn following(reference: &LiveReference) -> String {
    let LiveReference {
        assembly, source, ..
    } = reference;
    let what = match source {
        LiveSource::Guest(name) => name.clone(),
        LiveSource::Attribute(name) => format!("attribute {name}"),
    };
    let change = reference.on_change.as_str();
    let fallback = reference.fallback.as_ref();
    let fallback = fallback.map_or_else(String::new, |value| format!(", until then {value}"));
    format!("{what} of {assembly} (on_change {change}{fallback})")
}

fn of_constraint(constraint: &Constraint) -> (String, Facts) {
    let mut facts = Facts::new();
    let name = match constraint {
        Constraint::Order { first, then, kind } => {
            say(&mut facts, "kind", kind.as_str());
            format!("{first} before {then}")
        }
        Constraint::Colocation {
            resource,
            with,
            score,
        } => {
            say(&mut facts, "score", crate::model::Score(*score));
            format!("{resource} with {with}")
        }
        Constraint::Location {
            resource,
            assembly,
            score,
        } => {
            say(&mut facts, "score", crate::model::Score(*score));
            format!("{resource} on {assembly}")
        }
    };
    (name, facts)
}

/// Hands over each element of a section of `<configuration>`.
fn of_section(section: &str, mut each: impl FnMut(&Element<'_>)) {
    // It was written by the reader; one that cannot be read has no elements to compare.
    if let Ok(root) = parse(&format!("<section>{section}</section>")) {
        root.children.iter().for_each(&mut each);
    }
}

/// All that an element and those below it say, by path.
fn of_element(element: &Element<'_>, path: &str, facts: &mut Facts) {
    let is_pair = element.name == "nvpair" || element.name == "parameter";
    if let (true, Some(name)) = (is_pair, element.value("name")) {
        let value = element.value("value").unwrap_or_default();
        return say_named(facts, path, name, value);
    }
    let own = attributes_path(path);
    for attribute in &element.attributes {
        if attribute.name != "id" {
            say(facts, format!("{own}{}", attribute.name), &attribute.value);
        }
    }
    for child in &element.children {
        let which = match (child.name, name_of(child)) {
            // Their ids are made up by whoever wrote them.
            (name @ ("instance_attributes" | "meta_attributes" | "utilization"), _) => {
                name.to_owned()
            }
            ("nvpair" | "parameter", _) => String::new(),
            ("op", _) => format!(
                "op {}",
                ["name", "interval", "role"]
                    .iter()
                    .filter_map(|key| child.value(key))
                    .collect::<Vec<_>>()
                    .join("/")
            ),
            (name, "") => name.to_owned(),
            (name, id) => format!("{name} {id}"),
        };
        let below = match which.is_empty() {
            true => path.to_owned(),
            false => format!("{own}{which}"),
        };
        let says_more = child.attributes.iter().any(|own| own.name != "id");
        if !which.is_empty() && !says_more && child.children.is_empty() {
            // That it is there at all.
            facts.entry(below.clone()).or_insert_with(|| Fact {
                value: String::new(),
                secret: false,
            });
        }
        of_element(child, &below, facts);
    }
}

fn attributes_path(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!("{path} "),
    }
}

fn name_of<'e>(element: &'e Element<'_>) -> &'e str {
    element.value("id").unwrap_or_default()
}

fn say(facts: &mut Facts, name: impl Into<String>, value: impl ToString) {
    let fact = Fact {
        value: value.to_string(),
        secret: false,
    };
    facts.insert(name.into(), fact);
}

fn say_if(facts: &mut Facts, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        say(facts, name, value);
    }
}

fn say_parameter(facts: &mut Facts, kind: &str, own: &Parameter) {
    let fact = Fact {
        value: own.value.clone(),
        secret: own.secret && !is_elsewhere(&own.value),
    };
    facts.insert(format!("{kind} {}", own.name), fact);
}

/// Whether it says where the value is, which everybody who looks may know.
fn is_elsewhere(value: &str) -> bool {
    secret_use(value).is_some() || GuestSecret::of_value(value).is_some()
}

/// A value that has a name of its own, by which it may be a secret.
fn say_named(facts: &mut Facts, kind: &str, name: &str, value: &str) {
    let key = match kind {
        "" | "value" => name.to_owned(),
        kind => format!("{kind} {name}"),
    };
    let key = if kind == "value" {
        kind.to_owned()
    } else {
        key
    };
    let fact = Fact {
        value: value.to_owned(),
        secret: is_secret(name) && !is_elsewhere(value),
    };
    facts.insert(key, fact);
}

fn duration(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

fn escalation(escalation: Escalation) -> String {
    let Escalation { failures, period } = escalation;
    format!("{failures} failures within {}", duration(period))
}

fn instances(instances: Instances) -> String {
    match instances {
        Instances::All => "all".to_owned(),
        Instances::Count(count) => count.to_string(),
    }
}
