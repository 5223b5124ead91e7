//! From selected actions to the self-contained graph: heads, attributes, resource identities
//! (scheduler-spec/05 §16).

use rustc_hash::FxHashMap;

use super::select::{Selected, maintenance_changed};
use super::{ActionHead, ActionKind, GraphAction, ResourceIdentity, Synapse, TransitionGraph};
use crate::configuration::parameters;
use crate::model::*;
use crate::scalar;
use crate::transition::{actions, connections};

/// Describes the selected actions and their inputs.
pub(super) fn describe(cluster: &Cluster, selected: &Selected) -> TransitionGraph {
    // Before the parameters are evaluated: when those change does not make the graph obsolete.
    let attributes = root_attributes(cluster);
    let mut describer = Describer::new(cluster);
    let mut mentioned = vec![false; cluster.actions.len()];
    for (id, inputs) in selected {
        for id in inputs.iter().chain([id]) {
            mentioned[id.index()] = true;
        }
    }
    let heads = (0..cluster.actions.len())
        .filter(|index| mentioned[*index])
        .map(|index| describer.head(ActionId::new(index)))
        .collect();
    let synapses = selected
        .iter()
        .map(|(id, inputs)| Synapse {
            action: id.number(),
            priority: priority(cluster, *id),
            inputs: inputs.iter().map(|input| input.number()).collect(),
        })
        .collect();
    let ids = selected.iter().map(|(id, _)| *id);
    let actions = ids.map(|id| describer.action(id)).collect();
    TransitionGraph {
        attributes,
        synapses,
        actions,
        heads,
    }
}

/// Describes one action, whether it is in a graph or not.
pub(super) fn describe_one(cluster: &Cluster, action: ActionId) -> GraphAction {
    Describer::new(cluster).action(action)
}

/// The attributes of the graph's root element: options of the cluster that its executor needs
/// (§16.2).
fn root_attributes(cluster: &Cluster) -> Vec<(&'static str, Text)> {
    let options = &cluster.options;
    let start_offset = if options.start_failure_is_fatal {
        "INFINITY"
    } else {
        "1"
    };
    let mut attributes: Vec<(&'static str, Text)> = vec![
        ("cluster-delay", options.cluster_delay.clone()),
        ("fencing-timeout", options.fencing_timeout.clone()),
        ("failed-stop-offset", "INFINITY".into()),
        ("failed-start-offset", start_offset.into()),
        ("batch-limit", options.batch_limit.clone()),
        ("transition_id", "1".into()),
    ];
    if scalar::integer(&options.migration_limit).is_some_and(|limit| limit > 0) {
        attributes.push(("migration-limit", options.migration_limit.clone()));
    }
    if let Some(instant) = cluster.recheck_by.get() {
        attributes.push(("recheck-by", instant.to_string().into()));
    }
    attributes
}

/// The priority of a synapse: that of its action or its resource, at least 0 (§15.4).
fn priority(cluster: &Cluster, id: ActionId) -> i32 {
    let action = cluster.action(id);
    let resource = action
        .resource
        .map_or(0, |r| cluster.resource(r).effective_priority);
    resource.max(action.priority).max(0)
}

fn kind(action: &Action) -> ActionKind {
    match action.task {
        Task::Stonith if !action.pseudo => ActionKind::Cluster,
        Task::DoShutdown | Task::ClearFailcount | Task::LrmDelete => ActionKind::Cluster,
        _ if action.pseudo => ActionKind::Pseudo,
        _ => ActionKind::Resource,
    }
}

/// Whether the node of an action is written (§16.4).
fn node_written(action: &Action) -> Option<NodeId> {
    action
        .node
        .filter(|_| kind(action) != ActionKind::Pseudo || action.task == Task::Stonith)
}

struct Describer<'c> {
    cluster: &'c Cluster,
    /// The value of `crm_feature_set`, which each action has.
    feature_set: Text,
    /// Meta-attribute names as the graph writes them: `op-x` → `CRM_meta_op_x`.
    names: FxHashMap<String, Text>,
    /// Names of tasks, shared by their actions.
    tasks: FxHashMap<Task, Text>,
    /// Resources as their actions name them, by number.
    identities: Vec<Option<Arc<ResourceIdentity>>>,
    /// Room in which the keys are put together.
    key: String,
}

impl<'c> Describer<'c> {
    fn new(cluster: &'c Cluster) -> Describer<'c> {
        Describer {
            cluster,
            feature_set: crate::model::FEATURE_SET.into(),
            names: FxHashMap::default(),
            tasks: FxHashMap::default(),
            identities: vec![None; cluster.resources.len()],
            key: String::new(),
        }
    }

    fn head(&mut self, id: ActionId) -> ActionHead {
        let cluster = self.cluster;
        let action = cluster.action(id);
        let key = actions::key_text_in(cluster, id, &mut self.key);
        let history = action
            .resource
            .and_then(|r| cluster.resource(r).history_name.as_ref());
        let (operation_key, internal_operation_key) = match history {
            Some(history) => (history_key(action, history), Some(key)),
            None => (key, None),
        };
        let node = node_written(action);
        let router = node.and_then(|_| connections::router(cluster, id));
        ActionHead {
            id: id.number(),
            kind: kind(action),
            mode: (action.task == Task::LrmDelete).then_some("cib"),
            operation: self.task(&action.task),
            operation_key,
            internal_operation_key,
            on_node: node.map(|n| cluster.node(n).name.clone()),
            on_node_uuid: node.map(|n| cluster.node(n).id.clone()),
            router_node: router.map(|n| cluster.node(n).name.clone()),
        }
    }

    fn identity(&mut self, id: ResourceId) -> Arc<ResourceIdentity> {
        let cluster = self.cluster;
        self.identities[id.index()]
            .get_or_insert_with(|| Arc::new(identity(cluster, id)))
            .clone()
    }

    fn task(&mut self, task: &Task) -> Text {
        if let Some(known) = self.tasks.get(task) {
            return known.clone();
        }
        let name: Text = task.name().into();
        self.tasks.insert(task.clone(), name.clone());
        name
    }

    fn action(&mut self, id: ActionId) -> GraphAction {
        let action = self.cluster.action(id);
        let (attributes, numbered_parameters) = self.attributes(id);
        GraphAction {
            shutdown_lock: shutdown_lock(self.cluster, action),
            resource: action
                .resource
                .filter(|_| !action.pseudo)
                .map(|r| self.identity(r)),
            attributes,
            numbered_parameters,
            downed: downed(self.cluster, action),
            maintenance: maintenance(self.cluster, action),
        }
    }

    /// §16.5: attributes sorted by name, and parameters whose names start with a digit.
    fn attributes(&mut self, id: ActionId) -> (Pairs, Pairs) {
        let cluster = self.cluster;
        let action = cluster.action(id);
        let known = 8 + action.own_meta.len() + action.options.meta.len();
        let mut out = Attributes(Vec::with_capacity(known));
        out.set_if_absent(self.name("", "crm_feature_set"), &self.feature_set);
        for (name, value) in action.extra.iter().flat_map(|extra| extra.iter()) {
            out.set_if_absent(name.clone(), value);
        }
        let mut numbered = Vec::new();
        let before = out.0.len();
        for (name, value) in self.parameters(action).iter() {
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                numbered.push((name.clone(), value.clone()));
            } else {
                // there may be thousands
                out.add_if_absent_before(before, name.clone(), value);
            }
        }
        for (name, value) in &action.own_meta {
            if !name.contains(['#', ':']) {
                out.set_if_absent(self.name("CRM_meta_", name), value);
            }
        }
        if let Some(node) = node_written(action) {
            let node = cluster.node(node);
            out.set_if_absent(self.name("CRM_meta_", "on_node"), &node.name);
            out.set_if_absent(self.name("CRM_meta_", "on_node_uuid"), &node.id);
        }
        for (name, value) in action.options.meta.iter() {
            if !name.contains(['#', ':']) {
                out.set_if_absent(self.name("CRM_meta_", name), value);
            }
        }
        let mut level = action.resource;
        while let Some(id) = level {
            self.resource_attributes(id, &mut out);
            level = cluster.resource(id).parent;
        }
        self.guest_attributes(action, &mut out);
        out.0.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        (out.0, numbered)
    }

    fn name(&mut self, prefix: &str, name: &str) -> Text {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let full: Text = if prefix.is_empty() {
            name.into()
        } else {
            format!("{prefix}{}", name.replace('-', "_")).into()
        };
        self.names.insert(name.to_owned(), full.clone());
        full
    }

    /// The parameters of an action's resource, with the address of a bundle's connection filled in
    /// (§16.5 item 3).
    fn parameters(&self, action: &Action) -> Arc<Table> {
        let cluster = self.cluster;
        let Some(id) = action.resource else {
            return Arc::default();
        };
        if action.node.is_none() && !cluster.resource(id).is_primitive() {
            return Arc::default();
        }
        let parameters = parameters::of_resource(cluster, id, action.node);
        let substituted = cluster.resource(id).nesting_allowed
            && parameters
                .text("addr")
                .is_some_and(|addr| addr.eq_ignore_ascii_case("#uname"));
        match substituted.then(|| container_host(cluster, id)).flatten() {
            Some(host) => {
                let mut table = (*parameters).clone();
                table.set("addr", cluster.node(host).name.clone());
                Arc::new(table)
            }
            None => parameters,
        }
    }

    /// §16.5 item 5, for one level of the resource tree.
    fn resource_attributes(&mut self, id: ResourceId, out: &mut Attributes) {
        let cluster = self.cluster;
        let resource = cluster.resource(id);
        let mut set = |name: &str, value: Text| {
            let name = self.name("CRM_meta_", name);
            out.set(name, value);
        };
        match &resource.variant {
            Variant::Primitive => {
                if let Some(number) = resource.instance {
                    set("clone", number.to_string().into());
                }
                if let Some(node) = resource.meta.get("remote-node") {
                    set("remote_node", node.clone());
                }
                if let Some(launcher) = outermost_launcher(cluster, id) {
                    set("container", cluster.resource(launcher).id.clone());
                }
                if let Some(address) = resource.meta.get("external-ip") {
                    out.set("pcmk_external_ip".into(), address.clone());
                }
            }
            Variant::Clone(data) => {
                let truth = |value: bool| Text::from(if value { "true" } else { "false" });
                set("globally_unique", truth(resource.unique));
                set("notify", truth(resource.notify));
                set("clone_max", data.clone_max.to_string().into());
                set("clone_node_max", data.clone_node_max.to_string().into());
                if resource.promotable {
                    let (max, node_max): (Text, Text) = (
                        data.promoted_max.to_string().into(),
                        data.promoted_node_max.to_string().into(),
                    );
                    set("promoted_max", max.clone());
                    set("promoted_node_max", node_max.clone());
                    set("master_max", max);
                    set("master_node_max", node_max);
                }
            }
            Variant::Group(_) | Variant::Bundle(_) => {}
        }
    }

    /// §16.5 item 6: which host a guest runs on when the action happens.
    fn guest_attributes(&mut self, action: &Action, out: &mut Attributes) {
        let cluster = self.cluster;
        let (Some(id), Some(node)) = (action.resource, action.node) else {
            return;
        };
        let Some(launcher) = cluster.guest_launcher(node) else {
            return;
        };
        let task = match action.task {
            Task::Notify | Task::Notified => {
                Task::parse(action.meta("notify_operation").unwrap_or_default())
            }
            ref task => task.clone(),
        };
        let host = match task {
            Task::Stop | Task::Stopped | Task::Demote | Task::Demoted => {
                cluster.current_node(launcher)
            }
            Task::Start | Task::Running | Task::Monitor | Task::Promote | Task::Promoted => {
                cluster.resource(launcher).assigned
            }
            _ => None,
        };
        let Some(host) = host else { return };
        if let Some(target) = cluster.resource(id).meta.get("container-attribute-target") {
            out.set(
                self.name("CRM_meta_", "container_attribute_target"),
                target.clone(),
            );
        }
        out.set(
            self.name("CRM_meta_", "physical_host"),
            cluster.node(host).name.clone(),
        );
    }
}

/// Names with values.
type Pairs = Vec<(Text, Text)>;

struct Attributes(Pairs);

impl Attributes {
    #[inline]
    fn set_if_absent(&mut self, name: Text, value: &Text) {
        self.add_if_absent_before(self.0.len(), name, value);
    }
    /// Adds what the first `before` entries do not have, from a table that has no name twice.
    #[inline]
    fn add_if_absent_before(&mut self, before: usize, name: Text, value: &Text) {
        if !self.0[..before].iter().any(|(own, _)| *own == name) {
            self.0.push((name, value.clone()));
        }
    }
    fn set(&mut self, name: Text, value: Text) {
        match self.0.iter_mut().find(|(own, _)| *own == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name, value)),
        }
    }
}

/// The key under which the history knows an operation of an instance with a history name.
fn history_key(action: &Action, history: &str) -> Text {
    let meta = |name| action.meta(name).unwrap_or("(null)");
    if action.task == Task::Notify {
        return format!(
            "{history}_{}_notify_{}_0",
            meta("notify_type"),
            meta("notify_operation")
        )
        .into();
    }
    let task = action.cancelled_task.as_ref().unwrap_or(&action.task);
    format!(
        "{history}_{task}_{}",
        action.meta("interval").unwrap_or("0")
    )
    .into()
}

/// The host of a replica's container: where it is assigned, else where it runs (04 §15.5).
fn container_host(cluster: &Cluster, connection: ResourceId) -> Option<NodeId> {
    let container = cluster.resource(connection).launcher?;
    cluster
        .resource(container)
        .assigned
        .or_else(|| cluster.current_node(container))
}

/// Launcher of the outermost of the resource and its ancestors that has one.
fn outermost_launcher(cluster: &Cluster, id: ResourceId) -> Option<ResourceId> {
    let (mut found, mut level) = (None, Some(id));
    while let Some(id) = level {
        let resource = cluster.resource(id);
        found = resource.launcher.or(found);
        level = resource.parent;
    }
    found
}

fn shutdown_lock(cluster: &Cluster, action: &Action) -> Option<i64> {
    let (resource, node) = (cluster.resource(action.resource?), action.node?);
    let locked = !action.pseudo && resource.lock_node == Some(node);
    let written = locked && (!cluster.node(node).shutdown || action.task == Task::Stop);
    written.then_some(resource.lock_time)
}

/// How an action names its resource: by the id in the history, and by its own id if that differs
/// (§16.4 item 1).
fn identity(cluster: &Cluster, id: ResourceId) -> ResourceIdentity {
    let resource = cluster.resource(id);
    let (name, long) = match &resource.history_name {
        Some(history) if resource.removed => (history.clone(), Some(resource.id.clone())),
        history if !resource.unique => {
            let long = match history {
                Some(history) if *history != resource.config_id => history.clone(),
                _ => resource.id.clone(),
            };
            (resource.config_id.clone(), Some(long))
        }
        _ => (resource.id.clone(), None),
    };
    let text = |text: &str| (!text.is_empty()).then(|| Text::from(text));
    ResourceIdentity {
        element: Text::from(&*resource.config.element),
        id: name,
        long_id: long,
        class: text(&resource.agent.class),
        provider: resource.agent.provider.clone(),
        kind: text(&resource.agent.kind),
    }
}

/// The ids of the nodes that an action takes down (§16.6).
fn downed(cluster: &Cluster, action: &Action) -> Option<Vec<Text>> {
    let node = node_written(action)?;
    match action.task {
        Task::DoShutdown => Some(vec![cluster.node(node).id.clone()]),
        Task::Stonith => {
            if !matches!(action.meta("stonith_action"), Some("off" | "reboot")) {
                return None;
            }
            let mut nodes = vec![cluster.node(node).id.clone()];
            for running in &cluster.node(node).running {
                let resource = cluster.resource(*running);
                if resource.remote_connection && resource.launcher.is_some() {
                    nodes.push(resource.id.clone());
                }
            }
            Some(nodes)
        }
        Task::Stop if !action.pseudo => {
            let id = action
                .resource
                .filter(|r| cluster.resource(*r).remote_connection)?;
            let migrates = action.before.iter().any(|link| {
                let first = cluster.action(link.first);
                first.task == Task::MigrateFrom && first.resource == Some(id)
            });
            (!migrates).then(|| vec![cluster.resource(id).id.clone()])
        }
        _ => None,
    }
}

fn maintenance(cluster: &Cluster, action: &Action) -> Vec<(Text, bool)> {
    if action.task != Task::MaintenanceNodes {
        return Vec::new();
    }
    maintenance_changed(cluster)
        .map(|n| (cluster.node(n).id.clone(), cluster.node(n).maintenance))
        .collect()
}
