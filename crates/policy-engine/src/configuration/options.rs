//! Cluster options: read, defaulted, validated (scheduler-spec/01 §7).

use super::{dates, nvset, rules::RuleContext};
use crate::model::*;
use crate::scalar;
use crate::xml::Element;

/// Reads the `cib` attributes and all `cluster_property_set`s of `crm_config` (step A2).
pub(super) fn unpack(cluster: &mut Cluster) {
    let document = cluster.document.clone();
    let mut table = Table::new();
    if let Some(section) = document.section("crm_config") {
        let first = Some("cib-bootstrap-options");
        let sets = nvset::read(cluster, section, "cluster_property_set", first);
        nvset::evaluate(cluster, &sets, &RuleContext::default(), &mut table);
    }
    let read = Reader { table: &table };
    let mut options = ClusterOptions {
        cluster_name: table.get("cluster-name").cloned(),
        ..ClusterOptions::default()
    };
    of_document(document.root(), &mut options);
    fencing(&read, &mut options);
    placement(&read, &mut options);
    execution(&read, &mut options);
    options.no_quorum_policy = quorum_policy(&read, &options);
    options.no_quorum_policy_text = read.table.get("no-quorum-policy").cloned();
    health(&read, &mut options);
    options.unfencing_in_use = unfencing_in_use(cluster);
    cluster.options = options;
}

/// The values of the `cib` element's attributes.
fn of_document(root: Element<'_>, options: &mut ClusterOptions) {
    let panic = root.get("no-quorum-panic").and_then(scalar::integer);
    options.quorate = root.get("have-quorum").and_then(scalar::boolean) == Some(true);
    options.no_quorum_panic = panic.is_some_and(|panic| panic != 0);
    options.dc_uuid = root.get("dc-uuid").map(Into::into);
    options.feature_set = root.get("crm_feature_set").map(Into::into);
}

/// Whether and how nodes are fenced.
fn fencing(read: &Reader<'_>, options: &mut ClusterOptions) {
    read.boolean("have-watchdog", &mut options.have_watchdog);
    options.have_fencing_device = options.have_watchdog;
    let names = ["fencing-enabled", "stonith-enabled"];
    read.boolean_or_legacy(names, &mut options.fencing_enabled);
    read.boolean("startup-fencing", &mut options.startup_fencing);
    options.startup_fencing &= options.fencing_enabled;
    let names = ["fencing-action", "stonith-action"];
    let is_action = |text: &str| matches!(text, "reboot" | "off");
    read.text(&names, is_action, &mut options.fencing_action);
    let names = ["fencing-timeout", "stonith-timeout"];
    read.text(&names, is_interval, &mut options.fencing_timeout);
    read.boolean("concurrent-fencing", &mut options.concurrent_fencing);
    let remote = &mut options.fence_remote_without_quorum;
    read.boolean("fence-remote-without-quorum", remote);
    options.priority_fencing_delay_ms = read.interval("priority-fencing-delay");
    options.node_pending_timeout_ms = read.interval("node-pending-timeout");
}

/// Where resources may be, and whether at all.
fn placement(read: &Reader<'_>, options: &mut ClusterOptions) {
    read.boolean("symmetric-cluster", &mut options.symmetric);
    read.boolean("maintenance-mode", &mut options.maintenance_mode);
    read.boolean("stop-all-resources", &mut options.stop_all_resources);
    let fatal = &mut options.start_failure_is_fatal;
    read.boolean("start-failure-is-fatal", fatal);
    read.boolean("shutdown-lock", &mut options.shutdown_lock);
    if options.shutdown_lock {
        options.shutdown_lock_limit_ms = read.interval("shutdown-lock-limit");
    }
    options.placement_strategy = read.choice(
        "placement-strategy",
        &[
            ("default", PlacementStrategy::Default),
            ("utilization", PlacementStrategy::Utilization),
            ("minimal", PlacementStrategy::Minimal),
            ("balanced", PlacementStrategy::Balanced),
        ],
    );
}

/// Which actions there are, and limits for those who execute them.
fn execution(read: &Reader<'_>, options: &mut ClusterOptions) {
    read.boolean("enable-startup-probes", &mut options.startup_probes);
    read.boolean("live-migration", &mut options.live_migration);
    let names = ["stop-removed-resources", "stop-orphan-resources"];
    read.boolean_or_legacy(names, &mut options.stop_removed_resources);
    let names = ["cancel-removed-actions", "stop-orphan-actions"];
    read.boolean_or_legacy(names, &mut options.cancel_removed_actions);
    read.text(&["cluster-delay"], is_interval, &mut options.cluster_delay);
    read.text(&["batch-limit"], is_integer, &mut options.batch_limit);
    let migrations = &mut options.migration_limit;
    read.text(&["migration-limit"], is_integer, migrations);
    let actions = &mut options.node_action_limit;
    read.text(&["node-action-limit"], is_integer, actions);
    let recheck = read.table.text("cluster-recheck-interval");
    if let Some(interval) = recheck.and_then(dates::parse_interval) {
        options.recheck_interval_ms = interval;
    }
}

/// The option table with the ways to read it. An option that is not set, or whose value is invalid,
/// stays at its default.
struct Reader<'t> {
    table: &'t Table,
}

impl Reader<'_> {
    fn boolean(&self, name: &str, option: &mut bool) {
        let value = self.table.text(name);
        *option = value.and_then(scalar::boolean).unwrap_or(*option);
    }
    /// An option with an older name, which counts if the new one is not set.
    fn boolean_or_legacy(&self, [name, legacy]: [&str; 2], option: &mut bool) {
        match self.table.contains(name) {
            true => self.boolean(name, option),
            false => self.boolean(legacy, option),
        }
    }
    fn interval(&self, name: &str) -> u32 {
        let value = self.table.text(name);
        value.and_then(dates::parse_interval).unwrap_or(0)
    }
    /// The text of the first name that is set, if it is valid.
    fn text(&self, names: &[&str], valid: fn(&str) -> bool, option: &mut Text) {
        let value = names.iter().find_map(|name| self.table.get(name));
        if let Some(value) = value.filter(|text| valid(text)) {
            *option = value.clone();
        }
    }
    fn choice<T: Copy + Default>(&self, name: &str, choices: &[(&str, T)]) -> T {
        let Some(value) = self.table.text(name) else {
            return T::default();
        };
        choices
            .iter()
            .find(|(text, _)| text.eq_ignore_ascii_case(value))
            .map_or_else(T::default, |(_, choice)| *choice)
    }
    fn score(&self, name: &str, default: Score) -> Score {
        // the words red, yellow, green are what is being defined here: only numbers are valid
        let value = self.table.text(name).filter(|text| is_integer(text));
        value
            .and_then(|text| ClusterOptions::default().score(text))
            .unwrap_or(default)
    }
}

fn is_interval(text: &str) -> bool {
    dates::parse_interval(text).is_some()
}

fn is_integer(text: &str) -> bool {
    matches!(text, "INFINITY" | "+INFINITY" | "-INFINITY") || scalar::integer(text).is_some()
}

/// The effective `no-quorum-policy`; fencing needs more conditions (§7.3).
fn quorum_policy(read: &Reader<'_>, options: &ClusterOptions) -> QuorumPolicy {
    let wanted = read.choice(
        "no-quorum-policy",
        &[
            ("freeze", QuorumPolicy::Freeze),
            ("ignore", QuorumPolicy::Ignore),
            ("demote", QuorumPolicy::Demote),
            ("fence", QuorumPolicy::Fence),
            ("suicide", QuorumPolicy::Fence),
        ],
    );
    let may_fence = options.fencing_enabled && (options.quorate || options.no_quorum_panic);
    match wanted {
        QuorumPolicy::Fence if !may_fence => QuorumPolicy::Stop,
        policy => policy,
    }
}

/// §9: the strategy and what the health words are worth.
fn health(read: &Reader<'_>, options: &mut ClusterOptions) {
    use HealthStrategy::*;
    let strategies = [MigrateOnRed, OnlyGreen, Progressive, Custom].map(|s| (s.name(), s));
    options.health_strategy = read.choice("node-health-strategy", &strategies);
    let (red, yellow, green) = match options.health_strategy {
        None => (Score::ZERO, Score::ZERO, Score::ZERO),
        MigrateOnRed => (Score::MINUS_INFINITY, Score::ZERO, Score::ZERO),
        OnlyGreen => (Score::MINUS_INFINITY, Score::MINUS_INFINITY, Score::ZERO),
        Progressive | Custom => (
            read.score("node-health-red", Score::MINUS_INFINITY),
            read.score("node-health-yellow", Score::ZERO),
            read.score("node-health-green", Score::ZERO),
        ),
    };
    (options.health_red, options.health_yellow) = (red, yellow);
    options.health_green = green;
    if options.health_strategy == Progressive {
        options.health_base = read.score("node-health-base", Score::ZERO);
    }
}

/// §7.4: purely textual, without rules or defaults.
fn unfencing_in_use(cluster: &Cluster) -> bool {
    let document = &*cluster.document;
    let below_resources = document
        .section("resources")
        .into_iter()
        .flat_map(|section| {
            section
                .descendants()
                .filter(|element| element.name() == "meta_attributes")
                .flat_map(|set| set.descendants())
        });
    let defaults = document
        .section("rsc_defaults")
        .into_iter()
        .flat_map(|section| {
            section
                .children_named("meta_attributes")
                .flat_map(|set| set.children())
        });
    below_resources.chain(defaults).any(|pair| {
        pair.name() == "nvpair"
            && matches!(pair.get("name"), Some("provides" | "requires"))
            && pair.get("value") == Some("unfencing")
    })
}
