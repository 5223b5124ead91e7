//! Injections: events that are put into a CIB before it is scheduled (scheduler-spec/06 §D.8).

use super::record::{Outcome, Recorder, identity};
use super::specification::Specification;
use crate::cib::Cib;
use crate::model::Cluster;
use crate::xml::{Document, ElementId};

/// Injections in the order in which they are done. Those about standby are this simulator's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injections {
    /// Whether the cluster has quorum, as the text of the attribute `have-quorum`.
    pub quorum: Option<String>,
    /// Whether there is a watchdog, as the text of the option `have-watchdog`.
    pub watchdog: Option<String>,
    /// Nodes that come online, by name.
    pub nodes_up: Vec<String>,
    /// Nodes that leave cleanly, by name.
    pub nodes_down: Vec<String>,
    /// Nodes that are lost, by name.
    pub nodes_failed: Vec<String>,
    /// Nodes that are put in standby, by name.
    pub nodes_standby: Vec<String>,
    /// Nodes that are taken out of standby, by name.
    pub nodes_unstandby: Vec<String>,
    /// Tickets that are granted, by id.
    pub tickets_granted: Vec<String>,
    /// Tickets that are revoked, by id.
    pub tickets_revoked: Vec<String>,
    /// Tickets that are put in standby, by id.
    pub tickets_standby: Vec<String>,
    /// Tickets that are taken out of standby, by id.
    pub tickets_activated: Vec<String>,
    /// Results of operations, as `RESOURCE_TASK_INTERVAL@NODE=RC`, the interval in milliseconds.
    pub operations: Vec<String>,
}

impl Injections {
    /// Whether there is anything to do. The quorum alone does not count: the field's simulator
    /// applies it only together with others.
    pub fn is_empty(&self) -> bool {
        let quorum = self.quorum.clone();
        *self
            == Injections {
                quorum,
                ..Injections::default()
            }
    }
}

/// The injections that were done.
#[derive(Clone, Debug, Default)]
pub struct Injected {
    /// Items of `Performing Requested Modifications:`.
    pub lines: Vec<String>,
    /// Transient attributes that were set because of injected failures.
    pub attributes: Vec<SetAttribute>,
    /// What could not be understood, and was skipped.
    pub problems: Vec<String>,
}

/// A transient attribute that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAttribute {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Id of the `node_state`.
    pub state: String,
}

impl std::fmt::Display for SetAttribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SetAttribute { name, value, state } = self;
        write!(
            f,
            "Injecting attribute {name}={value} into /node_state '{state}'"
        )
    }
}

const UP: [(&str, &str); 4] = [
    ("in_ccm", "true"),
    ("crmd", "online"),
    ("join", "member"),
    ("expected", "member"),
];
pub(super) const DOWN: [(&str, &str); 4] = [
    ("in_ccm", "false"),
    ("crmd", "offline"),
    ("join", "down"),
    ("expected", "down"),
];

/// Changes the CIB as requested. `cluster`: the same CIB, loaded. `now`: real time, epoch seconds.
pub fn inject(cib: &mut Cib, cluster: &Cluster, injections: &Injections, now: i64) -> Injected {
    let mut done = Injected::default();
    let document = cib.document_mut();
    if let Some(quorum) = &injections.quorum {
        done.lines.push(format!("Setting quorum: {quorum}"));
        let root = document.root().id();
        document.set(root, "have-quorum", quorum);
    }
    if let Some(watchdog) = &injections.watchdog {
        done.lines.push(format!("Setting watchdog: {watchdog}"));
        set_cluster_option(document, "have-watchdog", watchdog);
    }
    for node in &injections.nodes_up {
        configure_node(document, node);
    }
    for (nodes, verb, value) in [
        (&injections.nodes_standby, "standby", "on"),
        (&injections.nodes_unstandby, "active mode", "off"),
    ] {
        for node in nodes {
            if set_node_attribute(document, node, "standby", value) {
                done.lines.push(format!("Putting node {node} in {verb}"));
            } else {
                done.problems.push(format!("Invalid node name: {node}"));
            }
        }
    }
    let mut recorder = Recorder::new(document, now);
    nodes(&mut recorder, injections, &mut done);
    tickets(&mut recorder, injections, &mut done);
    for text in &injections.operations {
        done.lines
            .push(format!("Injecting {text} into the configuration"));
        operation(&mut recorder, cluster, text, &mut done);
    }
    done
}

fn nodes(recorder: &mut Recorder<'_>, injections: &Injections, done: &mut Injected) {
    for node in &injections.nodes_up {
        done.lines.push(format!("Bringing node {node} online"));
        let state = recorder.state(node, None);
        recorder.set_membership(state, &UP);
    }
    for node in &injections.nodes_down {
        done.lines.push(format!("Taking node {node} offline"));
        let state = recorder.state(node, None);
        recorder.set_membership(state, &DOWN);
        recorder.forget(node, state);
    }
    for node in &injections.nodes_failed {
        done.lines.push(format!("Failing node {node}"));
        let state = recorder.state(node, None);
        recorder.set_membership(state, &UP);
        recorder.set_membership(state, &[("in_ccm", "false")]);
    }
}

fn tickets(recorder: &mut Recorder<'_>, injections: &Injections, done: &mut Injected) {
    let requests = [
        (
            &injections.tickets_granted,
            "Granting ticket",
            "granted",
            "true",
        ),
        (
            &injections.tickets_revoked,
            "Revoking ticket",
            "granted",
            "false",
        ),
        (
            &injections.tickets_standby,
            "Making ticket",
            "standby",
            "true",
        ),
        (
            &injections.tickets_activated,
            "Activating ticket",
            "standby",
            "false",
        ),
    ];
    for (tickets, verb, attribute, value) in requests {
        for ticket in tickets {
            let standby = if verb == "Making ticket" {
                " standby"
            } else {
                ""
            };
            done.lines.push(format!("{verb} {ticket}{standby}"));
            let status = recorder.status();
            let document = recorder.document();
            let section = child(document, status, "tickets", None);
            let state = child(document, section, "ticket_state", Some(("id", ticket)));
            document.set(state, attribute, value);
        }
    }
}

fn operation(recorder: &mut Recorder<'_>, cluster: &Cluster, text: &str, done: &mut Injected) {
    let specification = match Specification::parse(text) {
        Ok(specification) => specification,
        Err(problem) => return done.problems.push(problem),
    };
    let operation = specification.operation;
    let Some(resource) = identity(cluster, operation.resource) else {
        let problem = format!("Invalid resource name: {}", operation.resource);
        return done.problems.push(problem);
    };
    let state = recorder.state(specification.node, None);
    let probe_says_stopped = specification.code == 7 && operation.interval_ms == 0;
    if specification.code != 0 && !probe_says_stopped {
        let fatal = operation.task == "stop"
            || (operation.task == "start" && cluster.options.start_failure_is_fatal);
        let attributes = recorder.count_failure(
            state,
            operation.resource,
            operation.task,
            operation.interval_ms,
            fatal,
        );
        done.lines
            .extend(attributes.iter().map(ToString::to_string));
        done.attributes.extend(attributes);
    }
    recorder.record(
        specification.node,
        state,
        &Outcome {
            resource: &resource,
            display_name: operation.resource,
            task: operation.task,
            interval_ms: operation.interval_ms,
            expected: 0,
            code: i64::from(specification.code),
            exit_reason: "Simulated action result",
            notification: None,
            migration: None,
            digest: None,
        },
    );
}

/// The first child of `parent` called `name` (with that attribute), or a new one.
fn child(
    document: &mut Document,
    parent: ElementId,
    name: &str,
    attribute: Option<(&str, &str)>,
) -> ElementId {
    let existing = document
        .element(parent)
        .children_named(name)
        .find(|child| attribute.is_none_or(|(name, value)| child.get(name) == Some(value)))
        .map(|child| child.id());
    existing.unwrap_or_else(|| {
        let child = document.append(parent, name);
        if let Some((name, value)) = attribute {
            document.set(child, name, value);
        }
        child
    })
}

/// A section of the configuration, created if it is missing.
fn section(document: &mut Document, name: &str) -> ElementId {
    if let Some(section) = document.section(name) {
        return section.id();
    }
    let root = document.root().id();
    let configuration = child(document, root, "configuration", None);
    child(document, configuration, name, None)
}

fn set_cluster_option(document: &mut Document, name: &str, value: &str) {
    let section = section(document, "crm_config");
    let existing = document
        .element(section)
        .children()
        .flat_map(|set| set.children_named("nvpair"))
        .find(|pair| pair.get("name") == Some(name))
        .map(|pair| pair.id());
    if let Some(pair) = existing {
        document.set(pair, "value", value);
        return;
    }
    let set_id = "cib-bootstrap-options";
    let set = child(
        document,
        section,
        "cluster_property_set",
        Some(("id", set_id)),
    );
    add_pair(document, set, &format!("{set_id}-{name}"), name, value);
}

fn add_pair(document: &mut Document, set: ElementId, id: &str, name: &str, value: &str) {
    let pair = document.append(set, "nvpair");
    document.set(pair, "id", id);
    document.set(pair, "name", name);
    document.set(pair, "value", value);
}

/// Adds a node to the configuration if it is not there.
fn configure_node(document: &mut Document, node: &str) {
    let nodes = section(document, "nodes");
    let configured = document.element(nodes).children_named("node");
    if configured
        .into_iter()
        .any(|known| known.get("uname") == Some(node))
    {
        return;
    }
    let element = document.append(nodes, "node");
    document.set(element, "id", node);
    document.set(element, "uname", node);
}

/// Sets a permanent attribute of a configured node; false if there is no such node.
fn set_node_attribute(document: &mut Document, node: &str, name: &str, value: &str) -> bool {
    let Some((element, id)) = configured(document, node) else {
        return false;
    };
    let existing = document
        .element(element)
        .children_named("instance_attributes")
        .flat_map(|set| set.children_named("nvpair"))
        .find(|pair| pair.get("name") == Some(name))
        .map(|pair| pair.id());
    if let Some(pair) = existing {
        document.set(pair, "value", value);
    } else {
        let set_id = format!("nodes-{id}");
        let set = child(
            document,
            element,
            "instance_attributes",
            Some(("id", &set_id)),
        );
        add_pair(document, set, &format!("{set_id}-{name}"), name, value);
    }
    true
}

/// A configured node: its element, and its id.
fn configured(document: &Document, name: &str) -> Option<(ElementId, String)> {
    let mut nodes = document.section("nodes")?.children_named("node");
    let node = nodes.find(|node| node.get("uname") == Some(name))?;
    Some((node.id(), node.get("id").unwrap_or(name).to_owned()))
}
