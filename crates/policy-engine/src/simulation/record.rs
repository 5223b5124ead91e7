//! Writing results into the `status` section as an executor would (scheduler-spec/06 §D.5, §D.6).

use rustc_hash::FxHashMap;

use super::inject::SetAttribute;
use crate::graph::ResourceIdentity;
use crate::model::{Text, base_name};
use crate::scalar::integer;
use crate::xml::{Document, ElementId};

/// Feature set that simulated results carry.
const ORIGIN: &str = "crm_simulate";
const TRANSITION_UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

/// The result of one operation.
#[derive(Clone, Debug)]
pub(super) struct Outcome<'a> {
    /// The resource; its `id` is the one in the history.
    pub resource: &'a ResourceIdentity,
    /// Under which other id the history may know the resource.
    pub display_name: &'a str,
    /// Task.
    pub task: &'a str,
    /// Interval in ms.
    pub interval_ms: u32,
    /// Exit code that was expected.
    pub expected: i64,
    /// Exit code.
    pub code: i64,
    /// Why it failed.
    pub exit_reason: &'a str,
    /// For notifications: (type, operation).
    pub notification: Option<(&'a str, &'a str)>,
    /// For migrations: (source, target).
    pub migration: Option<(&'a str, &'a str)>,
    /// Parameter digest.
    pub digest: Option<String>,
}

/// A `status` section being written, with an index over its node states and resource histories.
#[derive(Debug)]
pub(super) struct Recorder<'d> {
    document: &'d mut Document,
    now: i64,
    states: FxHashMap<String, NodeHistory>,
}

/// The history of a node.
#[derive(Debug, Default)]
struct NodeHistory {
    state: Option<ElementId>,
    /// `lrm_resource` elements by id, in document order.
    resources: FxHashMap<String, Vec<ElementId>>,
    /// Sets of `lrm_resource` elements that share an id.
    duplicates: Vec<Vec<ElementId>>,
}

impl<'d> Recorder<'d> {
    /// A recorder over a CIB. `now`: real time, epoch seconds.
    pub(super) fn new(document: &'d mut Document, now: i64) -> Recorder<'d> {
        let mut states: FxHashMap<String, NodeHistory> = FxHashMap::default();
        if let Some(status) = document.section("status") {
            for state in status.children_named("node_state") {
                if let Some(name) = state.get("uname") {
                    states
                        .entry(name.to_owned())
                        .or_insert_with(|| history_of(document, state.id()));
                }
            }
        }
        Recorder {
            document,
            now,
            states,
        }
    }

    /// The document.
    pub(super) fn document(&mut self) -> &mut Document {
        self.document
    }

    /// The `status` section.
    pub(super) fn status(&mut self) -> ElementId {
        let found = self.document.section("status").map(|status| status.id());
        found.unwrap_or_else(|| {
            let root = self.document.root().id();
            self.document.append(root, "status")
        })
    }

    /// Finds or creates the `node_state` of a node; `id`: its id, if known.
    pub(super) fn state(&mut self, node: &str, id: Option<&str>) -> ElementId {
        if let Some(state) = self.states.get(node).and_then(|history| history.state) {
            return state;
        }
        let id = match id {
            Some(id) => id.to_owned(),
            None => self.configured_id(node).unwrap_or_else(|| node.to_owned()),
        };
        let status = self.status();
        let with_id = self
            .document
            .element(status)
            .children_named("node_state")
            .find(|state| state.get("id") == Some(&id))
            .map(|state| state.id());
        let (state, history) = match with_id {
            Some(state) => {
                self.document.set(state, "uname", node);
                (state, history_of(self.document, state))
            }
            None => {
                let state = self.document.append(status, "node_state");
                self.document.set(state, "id", &id);
                self.document.set(state, "uname", node);
                let history = NodeHistory {
                    state: Some(state),
                    ..NodeHistory::default()
                };
                (state, history)
            }
        };
        self.states.insert(node.to_owned(), history);
        state
    }

    /// The id of a configured node (for remote nodes, its name).
    fn configured_id(&self, node: &str) -> Option<String> {
        let nodes = self.document.section("nodes")?;
        let configured = nodes.children_named("node").find(|configured| {
            configured
                .get("uname")
                .is_some_and(|name| name.eq_ignore_ascii_case(node))
        })?;
        let name = match configured.get("type") {
            Some("remote") => "uname",
            _ => "id",
        };
        configured.get(name).map(str::to_owned)
    }

    /// Sets the membership attributes of a node.
    pub(super) fn set_membership(&mut self, state: ElementId, attributes: &[(&str, &str)]) {
        for (name, value) in attributes {
            self.document.set(state, name, value);
        }
        self.document.set(state, "crm-debug-origin", ORIGIN);
    }

    /// Forgets what ran on a node, and its transient attributes.
    pub(super) fn forget(&mut self, node: &str, state: ElementId) {
        let gone: Vec<ElementId> = self
            .document
            .element(state)
            .children()
            .filter(|child| matches!(child.name(), "lrm" | "transient_attributes"))
            .map(|child| child.id())
            .collect();
        for child in gone {
            self.document.remove(child);
        }
        if let Some(history) = self.states.get_mut(node) {
            history.resources.clear();
            history.duplicates.clear();
        }
    }

    /// Sets a transient attribute of a node, and returns the value that it had.
    pub(super) fn set_attribute(&mut self, state: ElementId, name: &str, value: &str) {
        let id = self
            .document
            .element(state)
            .get("id")
            .unwrap_or_default()
            .to_owned();
        let attributes = self.child(state, "transient_attributes", &id);
        let set = self.child(attributes, "instance_attributes", &id);
        let existing = self
            .document
            .element(set)
            .children_named("nvpair")
            .find(|pair| pair.get("name") == Some(name))
            .map(|pair| pair.id());
        let pair = existing.unwrap_or_else(|| {
            let pair = self.document.append(set, "nvpair");
            let pair_id = format!("{id}-{}", name.replace(['#', ':'], "."));
            self.document.set(pair, "id", &pair_id);
            self.document.set(pair, "name", name);
            pair
        });
        self.document.set(pair, "value", value);
    }

    /// The value of a transient attribute of a node.
    pub(super) fn attribute(&self, state: ElementId, name: &str) -> Option<&str> {
        let attributes = self.document.element(state).child("transient_attributes")?;
        attributes
            .children()
            .flat_map(|set| set.children())
            .find(|pair| pair.get("name") == Some(name))
            .and_then(|pair| pair.get("value"))
    }

    /// The first child of that name, or a new one with that id.
    fn child(&mut self, parent: ElementId, name: &str, id: &str) -> ElementId {
        let existing = self
            .document
            .element(parent)
            .child(name)
            .map(|child| child.id());
        existing.unwrap_or_else(|| {
            let child = self.document.append(parent, name);
            if !id.is_empty() {
                self.document.set(child, "id", id);
            }
            child
        })
    }

    /// Counts a failure (06 §D.8); `fatal`: set the fail count to INFINITY. Returns the attributes
    /// that were set.
    pub(super) fn count_failure(
        &mut self,
        state: ElementId,
        resource: &str,
        task: &str,
        interval_ms: u32,
        fatal: bool,
    ) -> [SetAttribute; 2] {
        let name = format!("fail-count-{resource}#{task}_{interval_ms}");
        let value = if fatal {
            "INFINITY".to_owned()
        } else {
            let old = match self.attribute(state, &name) {
                Some("INFINITY") => Some(1_000_000),
                old => old.and_then(integer),
            };
            match old.unwrap_or(0).saturating_add(1) {
                1_000_000.. => "INFINITY".to_owned(),
                count => count.to_string(),
            }
        };
        let time = (
            format!("last-failure-{resource}#{task}_{interval_ms}"),
            self.now.to_string(),
        );
        [(name, value), time].map(|(name, value)| {
            self.set_attribute(state, &name, &value);
            let state = self
                .document
                .element(state)
                .get("id")
                .unwrap_or_default()
                .to_owned();
            SetAttribute { name, value, state }
        })
    }

    /// Writes a history entry on a node whose `node_state` exists (06 §D.5).
    pub(super) fn record(&mut self, node: &str, state: ElementId, outcome: &Outcome<'_>) {
        self.merge_duplicates(node);
        let (history, fresh) = self.history(node, state, outcome);
        let calls = self.document.element(history).children();
        let last_call = calls
            .filter_map(|entry| entry.get("call-id").and_then(integer))
            .max();
        let call = match fresh {
            true => 1,
            false => last_call.unwrap_or(0).saturating_add(1),
        };

        let id = &*outcome.resource.id;
        let task = match outcome.task {
            "reload" | "reload-agent" => "start",
            task => task,
        };
        let interval_ms = outcome.interval_ms;
        let key = format!("{id}_{task}_{interval_ms}");
        let failed = outcome.code != outcome.expected;
        let entries = match (outcome.notification, task) {
            (Some((kind, operation)), _) => vec![format!("{id}_{kind}_notify_{operation}_0")],
            (None, _) if failed && interval_ms == 0 => {
                vec![format!("{id}_last_failure_0"), format!("{id}_last_0")]
            }
            (None, _) if failed => vec![format!("{id}_last_failure_0")],
            (None, "migrate_to" | "migrate_from") => vec![key.clone()],
            (None, _) if interval_ms > 0 => vec![key.clone()],
            (None, _) => vec![format!("{id}_last_0")],
        };
        let code = outcome.code.to_string();
        let transition_key = format!("{call}:-1:{}:{TRANSITION_UUID}", outcome.expected);
        let now = self.now.to_string();
        for entry_id in entries {
            let entry = self.entry(history, &entry_id);
            let document = &mut *self.document;
            let mut set = |name: &str, value: &str| document.set(entry, name, value);
            set("operation_key", &key);
            set("operation", task);
            set("crm-debug-origin", ORIGIN);
            set("crm_feature_set", crate::model::FEATURE_SET);
            set("transition-key", &transition_key);
            set("transition-magic", &format!("0:{code};{transition_key}"));
            set("exit-reason", outcome.exit_reason);
            set("on_node", node);
            set("call-id", &call.to_string());
            set("rc-code", &code);
            set("op-status", "0");
            set("interval", &interval_ms.to_string());
            set("last-rc-change", &now);
            set("exec-time", "0");
            set("queue-time", "0");
            if let Some((source, target)) = outcome.migration {
                set("migrate_source", source);
                set("migrate_target", target);
            }
            if let Some(digest) = &outcome.digest {
                set("op-digest", digest);
            }
        }
    }

    /// Finds or creates the `lrm_rsc_op` with that id.
    fn entry(&mut self, history: ElementId, id: &str) -> ElementId {
        let existing = self
            .document
            .element(history)
            .children_named("lrm_rsc_op")
            .find(|entry| entry.get("id") == Some(id))
            .map(|entry| entry.id());
        existing.unwrap_or_else(|| {
            let entry = self.document.append(history, "lrm_rsc_op");
            self.document.set(entry, "id", id);
            entry
        })
    }

    /// Finds or creates the `lrm_resource` (06 §D.6); also whether its calls are numbered from 1.
    fn history(
        &mut self,
        node: &str,
        state: ElementId,
        outcome: &Outcome<'_>,
    ) -> (ElementId, bool) {
        let resource = outcome.resource;
        let known = self.states.entry(node.to_owned()).or_default();
        for id in [outcome.display_name, &*resource.id] {
            if let Some([only]) = known.resources.get(id).map(Vec::as_slice) {
                return (*only, false);
            }
        }
        // With several histories of the same id, the field's simulator makes another one and merges
        // it into the first afterwards.
        if let Some(first) = known
            .resources
            .get(&*resource.id)
            .and_then(|all| all.first())
        {
            return (*first, true);
        }
        let state_id = self
            .document
            .element(state)
            .get("id")
            .unwrap_or_default()
            .to_owned();
        let lrm = self.child(state, "lrm", &state_id);
        let resources = self.child(lrm, "lrm_resources", "");
        let history = self.document.append(resources, "lrm_resource");
        self.document.set(history, "id", &resource.id);
        for (name, value) in [
            ("class", &resource.class),
            ("provider", &resource.provider),
            ("type", &resource.kind),
        ] {
            if let Some(value) = value {
                self.document.set(history, name, value);
            }
        }
        let known = self.states.entry(node.to_owned()).or_default();
        known
            .resources
            .insert(resource.id.to_string(), vec![history]);
        (history, true)
    }

    /// Copies the operations of histories with the same id into the first of them (06 §D.6
    /// "Duplicates").
    fn merge_duplicates(&mut self, node: &str) {
        let Some(known) = self.states.get(node) else {
            return;
        };
        for histories in known.duplicates.clone() {
            let [first, others @ ..] = histories.as_slice() else {
                continue;
            };
            for other in others {
                let attributes = owned_attributes(self.document, *other);
                set_all(self.document, *first, &attributes);
                let entries: Vec<ElementId> = self
                    .document
                    .element(*other)
                    .children_named("lrm_rsc_op")
                    .map(|entry| entry.id())
                    .collect();
                for entry in entries {
                    let attributes = owned_attributes(self.document, entry);
                    let id = self
                        .document
                        .element(entry)
                        .get("id")
                        .unwrap_or_default()
                        .to_owned();
                    let target = self.entry(*first, &id);
                    set_all(self.document, target, &attributes);
                }
            }
        }
    }
}

fn owned_attributes(document: &Document, element: ElementId) -> Vec<(String, String)> {
    let attributes = document.element(element).attributes();
    attributes
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn set_all(document: &mut Document, element: ElementId, attributes: &[(String, String)]) {
    for (name, value) in attributes {
        document.set(element, name, value);
    }
}

fn history_of(document: &Document, state: ElementId) -> NodeHistory {
    let mut history = NodeHistory {
        state: Some(state),
        ..NodeHistory::default()
    };
    let mut repeated = Vec::new();
    let resources = document
        .element(state)
        .children_named("lrm")
        .flat_map(|lrm| lrm.children_named("lrm_resources"))
        .flat_map(|resources| resources.children_named("lrm_resource"));
    for resource in resources {
        let Some(id) = resource.get("id") else {
            continue;
        };
        let same = history.resources.entry(id.to_owned()).or_default();
        same.push(resource.id());
        if same.len() == 2 {
            repeated.push(id.to_owned());
        }
    }
    history.duplicates = repeated
        .iter()
        .filter_map(|id| history.resources.get(id).cloned())
        .collect();
    history
}

/// The identity that a configured resource has in graphs.
pub(super) fn identity(cluster: &crate::model::Cluster, name: &str) -> Option<ResourceIdentity> {
    let id = cluster
        .find_resource(name)
        .or_else(|| cluster.find_resource(base_name(name)))?;
    let resource = cluster.resource(id);
    let text = |text: &crate::model::ShortText| -> Option<Text> {
        (!text.is_empty()).then(|| Text::from(&**text))
    };
    Some(ResourceIdentity {
        element: Text::from(&*resource.config.element),
        id: Text::from(name),
        long_id: None,
        class: text(&resource.agent.class),
        provider: resource.agent.provider.clone(),
        kind: text(&resource.agent.kind),
    })
}
