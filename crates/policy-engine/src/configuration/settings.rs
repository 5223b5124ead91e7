//! Meta-attributes of a resource and their effect (scheduler-spec/01 §12, §13).

use super::nvset;
use super::rules::RuleContext;
use super::{dates, defaults, parameters, remote};
use crate::model::NvSet;
use crate::model::*;
use crate::scalar;

/// The effective meta-attributes of a resource (§12): earlier ones are stronger.
pub(super) fn meta(
    cluster: &Cluster,
    config: &ResourceConfig,
    agent: &Agent,
    parent: Option<ResourceId>,
    instance: Option<u32>,
) -> Table {
    let context = RuleContext {
        agent: Some(agent),
        ..RuleContext::default()
    };
    let evaluate = |sets: &[NvSet], table: &mut Table| {
        nvset::evaluate(cluster, sets, &context, table);
    };
    let mut table = Table::new();
    if let Some(number) = instance {
        table.set("clone", number.to_string());
    }
    for (name, value) in &config.attributes {
        table.set_if_absent(name.clone(), value.clone());
    }
    evaluate(&config.meta, &mut table);
    let mut explicit_above = Table::new();
    let mut ancestor = parent;
    while let Some(id) = ancestor {
        let resource = cluster.resource(id);
        evaluate(&resource.config.meta, &mut explicit_above);
        ancestor = resource.parent;
    }
    add_absent(&explicit_above, &mut table);
    defaults::of_resource(cluster, agent, &mut table);
    if let Some(parent) = parent {
        add_absent(&cluster.resource(parent).meta, &mut table);
    }
    table
}

fn add_absent(from: &Table, to: &mut Table) {
    for (name, value) in from.iter() {
        to.set_if_absent(name.clone(), value.clone());
    }
}

/// Applies a resource's meta-attributes (§13). The resource is in the arena
/// and knows its parent.
pub(super) fn apply(cluster: &mut Cluster, id: ResourceId) {
    let top = cluster.top(id);
    let in_clone = cluster.resource(top).is_clone();
    let options = &cluster.options;
    let resource = cluster.resource(id);
    let meta = &resource.meta;
    let score = |name: &str| {
        let value = meta.text(name);
        value.and_then(|text| options.score(text))
    };
    let remote_connection = resource.is_primitive() && remote::is_connection_agent(&resource.agent);
    let fence_device = resource.agent.class.eq_ignore_ascii_case("stonith");
    let managed_by_meta = match meta.text("is-managed") {
        None => true,
        Some(text) if text.eq_ignore_ascii_case("default") => true,
        Some(text) => scalar::boolean(text) == Some(true),
    };
    let in_maintenance = meta.is_true("maintenance") || options.maintenance_mode;
    let unique = !in_clone
        || match meta.text("globally-unique") {
            Some(text) => scalar::boolean(text) == Some(true),
            None => meta.text("clone-node-max").map_or(1, scalar::non_negative) > 1,
        };
    let requires = requires(options, fence_device, remote_connection, meta);
    let settings = Settings {
        priority: score("priority").unwrap_or(Score::ZERO).0,
        stickiness: score("resource-stickiness").unwrap_or(Score::ZERO),
        migration_threshold: score("migration-threshold")
            .filter(|threshold| *threshold >= Score::ZERO)
            .unwrap_or(Score::INFINITY),
        failure_timeout_ms: meta
            .text("failure-timeout")
            .and_then(dates::parse_interval)
            .unwrap_or(0),
        multiple_active: multiple_active(meta),
        critical: meta.text("critical").is_none() || meta.is_true("critical"),
        notify: meta.is_true("notify"),
        promotable: in_clone && meta.is_true("promotable"),
    };
    let live_migration = options.live_migration;
    let has_fencing_device = fence_device || options.have_fencing_device;
    let resource = cluster.resource_mut(id);
    resource.remote_connection = remote_connection;
    resource.fence_device = fence_device;
    resource.managed = managed_by_meta && !in_maintenance;
    resource.maintenance = in_maintenance;
    resource.unique = unique;
    resource.promotable = settings.promotable;
    resource.multiple_active = settings.multiple_active;
    resource.priority = settings.priority;
    resource.effective_priority = settings.priority;
    resource.stickiness = settings.stickiness;
    resource.migration_threshold = settings.migration_threshold;
    resource.failure_timeout_ms = settings.failure_timeout_ms;
    resource.critical = settings.critical;
    resource.notify = settings.notify;
    resource.needs_quorum = requires == Requires::Quorum;
    resource.needs_fencing = requires >= Requires::Fencing;
    resource.needs_unfencing = requires == Requires::Unfencing;
    resource.migratable = live_migration && remote::may_migrate(resource);
    cluster.options.have_fencing_device = has_fencing_device;
    reconnect_interval(cluster, id);
    target_role(cluster, id);
}

/// Sets the values that are read from the meta table without interpretation.
struct Settings {
    priority: i32,
    stickiness: Score,
    migration_threshold: Score,
    failure_timeout_ms: u32,
    multiple_active: MultipleActive,
    critical: bool,
    notify: bool,
    promotable: bool,
}

fn multiple_active(meta: &Table) -> MultipleActive {
    match meta.text("multiple-active") {
        Some(text) if text.eq_ignore_ascii_case("stop_only") => MultipleActive::StopOnly,
        Some(text) if text.eq_ignore_ascii_case("block") => MultipleActive::Block,
        Some(text) if text.eq_ignore_ascii_case("stop_unexpected") => {
            MultipleActive::StopUnexpected
        }
        _ => MultipleActive::StopStart,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Requires {
    Nothing,
    Quorum,
    Fencing,
    Unfencing,
}

/// The effective `requires` of a primitive (§13.3).
fn requires(
    options: &ClusterOptions,
    fence_device: bool,
    connection: bool,
    meta: &Table,
) -> Requires {
    const NAMES: [(&str, Requires); 4] = [
        ("nothing", Requires::Nothing),
        ("quorum", Requires::Quorum),
        ("fencing", Requires::Fencing),
        ("unfencing", Requires::Unfencing),
    ];
    let explicit = meta.text("requires").and_then(|text| {
        let known = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, requires)| *requires)
    });
    let wanted = explicit.unwrap_or_else(|| {
        if fence_device || connection {
            Requires::Quorum
        } else if options.unfencing_in_use {
            Requires::Unfencing
        } else if options.fencing_enabled {
            Requires::Fencing
        } else if options.no_quorum_policy == QuorumPolicy::Ignore {
            Requires::Nothing
        } else {
            Requires::Quorum
        }
    });
    match wanted {
        Requires::Unfencing if fence_device || !options.fencing_enabled => Requires::Quorum,
        wanted => wanted,
    }
}

/// `reconnect_interval` of a remote connection, which replaces its failure timeout (§13.1).
fn reconnect_interval(cluster: &mut Cluster, id: ResourceId) {
    let resource = cluster.resource(id);
    if !resource.remote_connection || remote::is_guest_connection(resource) {
        return;
    }
    let parameters = parameters::of_resource(cluster, id, None);
    if let Some(text) = parameters.text("reconnect_interval") {
        let interval = dates::parse_interval(text).unwrap_or(0);
        let resource = cluster.resource_mut(id);
        resource.reconnect_interval_ms = interval;
        resource.failure_timeout_ms = interval;
    }
}

/// `target-role` sets the next role (§13.4).
fn target_role(cluster: &mut Cluster, id: ResourceId) {
    let resource = cluster.resource(id);
    let Some(text) = resource.meta.get("target-role").cloned() else {
        return;
    };
    if text.eq_ignore_ascii_case("default") {
        return;
    }
    let promotable = cluster.resource(cluster.top(id)).promotable;
    let role = match Role::parse(&text) {
        Some(Role::Started) => return,
        Some(Role::Stopped) => Role::Stopped,
        Some(Role::Unpromoted) if promotable => Role::Unpromoted,
        Some(Role::Promoted) if promotable => return,
        Some(role @ (Role::Promoted | Role::Unpromoted)) => {
            let message = format!(
                "{}: target-role \"{text}\" is ignored: expected a promotable clone for role {role}",
                cluster.resource(id).id
            );
            cluster.say(Level::Error, message);
            return;
        }
        Some(Role::Unknown) | None => {
            let message = format!(
                "{}: expected target-role Started, Stopped, Promoted or Unpromoted, found \"{text}\": it is ignored",
                cluster.resource(id).id
            );
            cluster.say(Level::Error, message);
            return;
        }
    };
    cluster.resource_mut(id).next_role = role;
}
