//! Operation configuration: lookup and options (scheduler-spec/01 §17, 05 §2.4–2.6).

use std::sync::Arc;

use super::rules::RuleContext;
use super::{caches, dates, defaults, nvset, parameters};
use crate::model::{
    Cluster, NodeId, OnFail, OperationConfig, OperationOptions, Resource, ResourceId, Role, Table,
    Task,
};
use crate::scalar;

/// What the options of an operation depend on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct OptionsKey {
    resource: ResourceId,
    task: Task,
    interval_ms: u32,
    notification: bool,
    /// Only for fence devices, whose timeout may depend on it.
    node: Option<NodeId>,
    /// The response to failures of connections depends on it; it changes while the status is read.
    managed: bool,
}

/// Timeout of an operation without valid timeout, in ms.
const DEFAULT_TIMEOUT_MS: i64 = 20_000;

/// The `op` of (name, interval), enabled or not: first match in document order; `migrate_*` falls
/// back to `migrate` (01 §17.1).
pub(crate) fn find<'c>(
    cluster: &'c Cluster,
    resource: ResourceId,
    name: &str,
    interval_ms: u32,
) -> Option<&'c OperationConfig> {
    find_where(cluster, resource, name, interval_ms, |_| true)
}

/// [`find`] among those that are enabled.
pub(crate) fn find_enabled<'c>(
    cluster: &'c Cluster,
    resource: ResourceId,
    name: &str,
    interval_ms: u32,
) -> Option<&'c OperationConfig> {
    find_where(cluster, resource, name, interval_ms, |op| op.enabled)
}

fn find_where<'c>(
    cluster: &'c Cluster,
    resource: ResourceId,
    name: &str,
    interval_ms: u32,
    counts: fn(&OperationConfig) -> bool,
) -> Option<&'c OperationConfig> {
    let mut operations = cluster.resource(resource).config.operations.iter();
    let found = operations
        .clone()
        .find(|op| op.interval_ms == interval_ms && *op.name == *name && counts(op));
    found.or_else(|| match name {
        "migrate_to" | "migrate_from" => {
            operations.find(|op| op.interval_ms == 0 && &*op.name == "migrate" && counts(op))
        }
        _ => None,
    })
}

/// Options of an operation of a resource, for its interval in milliseconds. `node` matters for
/// `pcmk_monitor_timeout` only. Cached.
pub(crate) fn options(
    cluster: &Cluster,
    resource: ResourceId,
    task: &Task,
    interval_ms: u32,
    node: Option<NodeId>,
) -> Arc<OperationOptions> {
    let owner = cluster.resource(resource);
    let probe = *task == Task::Monitor && interval_ms == 0;
    let key = OptionsKey {
        resource,
        task: task.clone(),
        interval_ms,
        notification: false,
        node: node.filter(|_| owner.fence_device && (probe || *task == Task::Start)),
        managed: owner.managed,
    };
    cached(cluster, key)
}

/// Options of a notification of a resource, `task` being `notify` or `notified`: those of `op
/// name=notify` (01 §17.1). Cached.
pub(crate) fn notification_options(
    cluster: &Cluster,
    resource: ResourceId,
    task: &Task,
) -> Arc<OperationOptions> {
    let key = OptionsKey {
        resource,
        task: task.clone(),
        interval_ms: 0,
        notification: true,
        node: None,
        managed: cluster.resource(resource).managed,
    };
    cached(cluster, key)
}

fn cached(cluster: &Cluster, key: OptionsKey) -> Arc<OperationOptions> {
    let owner = cluster.resource(key.resource);
    if let Some(known) = caches::of(cluster).options.borrow().get(&key) {
        return known.clone();
    }
    let options = Arc::new(calculate(cluster, owner, &key));
    let mut cache = caches::of(cluster).options.borrow_mut();
    cache.insert(key, options.clone());
    options
}

fn calculate(cluster: &Cluster, owner: &Resource, key: &OptionsKey) -> OperationOptions {
    let name = key.task.name();
    let find = |name: &str, interval_ms| find(cluster, key.resource, name, interval_ms);
    let op = find(name, key.interval_ms)
        .or_else(|| key.notification.then(|| find("notify", 0)).flatten());
    let probe = key.task == Task::Monitor && key.interval_ms == 0;
    let mut meta = option_table(cluster, owner, op, key);
    meta.remove("id");
    match key.interval_ms {
        0 => meta.remove("interval"),
        interval => meta.set("interval", interval.to_string()),
    }
    if owner.fence_device && (probe || key.task == Task::Start) {
        let parameters = parameters::of_resource(cluster, key.resource, key.node);
        if let Some(timeout) = parameters.get("pcmk_monitor_timeout") {
            meta.set("timeout", timeout.clone());
        }
    }
    let timeout = meta.text("timeout").and_then(scalar::milliseconds);
    let timeout = timeout
        .filter(|ms| *ms > 0)
        .unwrap_or(DEFAULT_TIMEOUT_MS)
        .min(i64::from(i32::MAX));
    meta.set("timeout", timeout.to_string());
    normalise_on_fail(owner, op, &key.task, &mut meta);
    normalise_start_delay(cluster, key.interval_ms, &mut meta);
    let on_fail = on_fail(cluster, owner, &key.task, probe, meta.text("on-fail"));
    OperationOptions {
        timeout_ms: timeout as u32,
        role_after_failure: role_after_failure(owner, &key.task, on_fail),
        on_fail,
        configured: op.is_some(),
        has_parameters: op.is_some_and(|op| !op.parameters.is_empty()),
        meta,
    }
}

/// §17.2, before normalisation.
fn option_table(
    cluster: &Cluster,
    owner: &Resource,
    op: Option<&OperationConfig>,
    key: &OptionsKey,
) -> Table {
    let context = RuleContext {
        agent: Some(&owner.agent),
        operation: Some((key.task.name(), key.interval_ms)),
        ..RuleContext::default()
    };
    let mut table = Table::new();
    if let Some(op) = op {
        nvset::evaluate(cluster, &op.meta, &context, &mut table);
        for (name, value) in &op.attributes {
            table.set(name.clone(), value.clone());
        }
    }
    let probe = key.task == Task::Monitor && key.interval_ms == 0;
    if probe
        && !table.contains("timeout")
        && let Some(timeout) = most_frequent_monitor(owner).and_then(|op| op.attribute("timeout"))
    {
        table.set("timeout", timeout);
    }
    let (task, interval_ms) = (&key.task, key.interval_ms);
    defaults::of_operation(cluster, &owner.agent, task, interval_ms, &mut table);
    table
}

impl OperationConfig {
    /// An XML attribute of the `op`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| &**own == name);
        found.map(|(_, value)| &**value)
    }

    /// A recurring monitor of the promoted role.
    fn monitors_promoted(&self) -> bool {
        let role = self.role.as_deref().and_then(Role::parse);
        &*self.name == "monitor" && self.interval_ms > 0 && role == Some(Role::Promoted)
    }
}

fn most_frequent_monitor(owner: &Resource) -> Option<&OperationConfig> {
    owner
        .config
        .operations
        .iter()
        .filter(|op| op.enabled && &*op.name == "monitor" && op.interval_ms > 0)
        .min_by_key(|op| op.interval_ms)
}

/// Removes values that are not allowed, adds those that promoted monitors imply (§17.3).
fn normalise_on_fail(
    owner: &Resource,
    op: Option<&OperationConfig>,
    task: &Task,
    meta: &mut Table,
) {
    let value = meta.get("on-fail").cloned();
    let is = |word: &str| {
        value
            .as_deref()
            .is_some_and(|value| value.eq_ignore_ascii_case(word))
    };
    match task {
        Task::Stop => {
            if is("standby") || is("demote") || is("stop") {
                meta.remove("on-fail");
            }
        }
        Task::Demote if value.is_none() => {
            let promoted_monitor = owner
                .config
                .operations
                .iter()
                .filter(|op| op.enabled && op.monitors_promoted())
                .filter_map(|op| op.attribute("on-fail"))
                .rfind(|value| !value.eq_ignore_ascii_case("demote"));
            if let Some(value) = promoted_monitor {
                meta.set("on-fail", value);
            }
        }
        Task::LrmDelete => meta.set("on-fail", "ignore"),
        _ => {
            let allowed = op.is_some_and(|op| &*op.name == "promote" || op.monitors_promoted());
            if is("demote") && !allowed {
                meta.remove("on-fail");
            }
        }
    }
}

/// Sets `start-delay` in milliseconds: as configured, or the time until the operation is in phase
/// with `interval-origin` (§17.6).
fn normalise_start_delay(cluster: &Cluster, interval_ms: u32, meta: &mut Table) {
    if let Some(text) = meta.text("start-delay") {
        let delay = scalar::milliseconds(text).unwrap_or(0);
        let delay = delay.clamp(0, i64::from(i32::MAX));
        meta.set("start-delay", delay.to_string());
        return;
    }
    let interval = scalar::seconds(interval_ms);
    let origin = meta.text("interval-origin");
    let origin = origin.and_then(|text| dates::parse_instant(text, cluster.now, &cluster.run.zone));
    if let Some(origin) = origin.filter(|_| interval > 0) {
        let since = (cluster.now - origin) % interval;
        let delay = if since <= 0 { -since } else { interval - since };
        meta.set("start-delay", (delay * 1000).to_string());
    }
}

/// The failure response (§17.3).
fn on_fail(
    cluster: &Cluster,
    owner: &Resource,
    task: &Task,
    probe: bool,
    value: Option<&str>,
) -> OnFail {
    let fencing = cluster.options.fencing_enabled;
    let launched = owner.launcher.is_some();
    let needs_reset = owner.remote_connection
        && !super::remote::is_guest_connection(owner)
        && !probe
        && *task != Task::Start;
    let value = value.filter(|_| !needs_reset || owner.managed);
    let explicit = value.and_then(|value| match &*value.to_ascii_lowercase() {
        "ignore" | "nothing" => Some(OnFail::Ignore),
        "block" => Some(OnFail::Block),
        "stop" => Some(OnFail::Stop),
        "restart" => Some(OnFail::Restart),
        "standby" => Some(OnFail::Standby),
        "migrate" => Some(OnFail::Ban),
        "demote" => Some(OnFail::Demote),
        "fence" if fencing => Some(OnFail::Fence),
        "fence" => Some(OnFail::Stop),
        "restart-container" if launched => Some(OnFail::RestartContainer),
        _ => None,
    });
    explicit.unwrap_or(if launched {
        OnFail::RestartContainer
    } else if needs_reset {
        match owner.managed {
            true => OnFail::ResetRemote,
            false => OnFail::Stop,
        }
    } else if *task == Task::Stop {
        match fencing {
            true => OnFail::Fence,
            false => OnFail::Block,
        }
    } else {
        OnFail::Restart
    })
}

fn role_after_failure(owner: &Resource, task: &Task, on_fail: OnFail) -> Role {
    match on_fail {
        OnFail::Stop => Role::Stopped,
        OnFail::ResetRemote if owner.reconnect_interval_ms > 0 => Role::Stopped,
        _ if *task == Task::Promote => Role::Unpromoted,
        _ => Role::Started,
    }
}
