//! Cluster options: read, defaulted, validated (scheduler-spec/01 §7).

use super::{dates, nvset, rules::RuleContext};
use crate::model::*;
use crate::scalar;

/// Reads the `cib` attributes and all `cluster_property_set`s of `crm_config` (step A2).
pub(super) fn unpack(cluster: &mut Cluster) {
    let document = cluster.document.clone();
    let root = document.root();
    let mut table = Table::new();
    if let Some(section) = document.section("crm_config") {
        let first = Some("cib-bootstrap-options");
        let sets = nvset::read(cluster, section, "cluster_property_set", first);
        nvset::evaluate(cluster, &sets, &RuleContext::default(), &mut table);
    }
    let read = Reader { table: &table };
    let defaults = ClusterOptions::default();
    let mut options = ClusterOptions {
        quorate: root.get("have-quorum").and_then(scalar::boolean) == Some(true),
        no_quorum_panic: root
            .get("no-quorum-panic")
            .and_then(scalar::integer)
            .is_some_and(|n| n != 0),
        dc_uuid: root.get("dc-uuid").map(Into::into),
        feature_set: root.get("crm_feature_set").map(Into::into),
        shutdown_lock: read.boolean("shutdown-lock", defaults.shutdown_lock),
        symmetric: read.boolean("symmetric-cluster", defaults.symmetric),
        maintenance_mode: read.boolean("maintenance-mode", defaults.maintenance_mode),
        start_failure_is_fatal: read
            .boolean("start-failure-is-fatal", defaults.start_failure_is_fatal),
        startup_probes: read.boolean("enable-startup-probes", defaults.startup_probes),
        fence_remote_without_quorum: read.boolean(
            "fence-remote-without-quorum",
            defaults.fence_remote_without_quorum,
        ),
        fencing_enabled: read.boolean_or_legacy(
            "fencing-enabled",
            "stonith-enabled",
            defaults.fencing_enabled,
        ),
        fencing_action: read.text(
            &["fencing-action", "stonith-action"],
            |text| matches!(text, "reboot" | "off"),
            defaults.fencing_action,
        ),
        fencing_timeout: read.text(
            &["fencing-timeout", "stonith-timeout"],
            |text| dates::parse_interval(text).is_some(),
            defaults.fencing_timeout,
        ),
        have_watchdog: read.boolean("have-watchdog", defaults.have_watchdog),
        concurrent_fencing: read.boolean("concurrent-fencing", defaults.concurrent_fencing),
        priority_fencing_delay_ms: read.interval("priority-fencing-delay"),
        node_pending_timeout_ms: read.interval("node-pending-timeout"),
        cluster_delay: read.text(
            &["cluster-delay"],
            |text| dates::parse_interval(text).is_some(),
            defaults.cluster_delay,
        ),
        batch_limit: read.text(&["batch-limit"], is_integer, defaults.batch_limit),
        migration_limit: read.text(&["migration-limit"], is_integer, defaults.migration_limit),
        live_migration: read.boolean("live-migration", defaults.live_migration),
        node_action_limit: read.text(
            &["node-action-limit"],
            is_integer,
            defaults.node_action_limit,
        ),
        stop_all_resources: read.boolean("stop-all-resources", defaults.stop_all_resources),
        stop_removed_resources: read.boolean_or_legacy(
            "stop-removed-resources",
            "stop-orphan-resources",
            defaults.stop_removed_resources,
        ),
        cancel_removed_actions: read.boolean_or_legacy(
            "cancel-removed-actions",
            "stop-orphan-actions",
            defaults.cancel_removed_actions,
        ),
        placement_strategy: read.choice(
            "placement-strategy",
            &[
                ("default", PlacementStrategy::Default),
                ("utilization", PlacementStrategy::Utilization),
                ("minimal", PlacementStrategy::Minimal),
                ("balanced", PlacementStrategy::Balanced),
            ],
        ),
        cluster_name: table.get("cluster-name").cloned(),
        ..defaults
    };
    if options.shutdown_lock {
        options.shutdown_lock_limit_ms = read.interval("shutdown-lock-limit");
    }
    options.startup_fencing = options.fencing_enabled && read.boolean("startup-fencing", true);
    options.no_quorum_policy = quorum_policy(&read, &options);
    options.have_fencing_device = options.have_watchdog;
    health(&read, &mut options);
    options.unfencing_in_use = unfencing_in_use(cluster);
    cluster.options = options;
}

/// The option table with the ways to read it. An invalid value counts as the default.
struct Reader<'t> {
    table: &'t Table,
}

impl Reader<'_> {
    fn boolean(&self, name: &str, default: bool) -> bool {
        let value = self.table.text(name);
        value.and_then(scalar::boolean).unwrap_or(default)
    }
    /// An option with an older name, which counts if the new one is not set.
    fn boolean_or_legacy(&self, name: &str, legacy: &str, default: bool) -> bool {
        let value = self.table.text(name).or_else(|| self.table.text(legacy));
        value.and_then(scalar::boolean).unwrap_or(default)
    }
    fn interval(&self, name: &str) -> u32 {
        let value = self.table.text(name);
        value.and_then(dates::parse_interval).unwrap_or(0)
    }
    /// The text of the first name that is set, if it is valid.
    fn text(&self, names: &[&str], valid: fn(&str) -> bool, default: Text) -> Text {
        let value = names.iter().find_map(|name| self.table.get(name));
        value.filter(|text| valid(text)).cloned().unwrap_or(default)
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

fn is_integer(text: &str) -> bool {
    matches!(text, "INFINITY" | "+INFINITY" | "-INFINITY") || scalar::integer(text).is_some()
}

/// §7.3.
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
