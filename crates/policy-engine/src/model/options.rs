//! Cluster options after reading, defaulting and validation (scheduler-spec/01 §7). Written by
//! `configuration`, read by all.

use super::{HealthStrategy, PlacementStrategy, QuorumPolicy, Score, Text};
use crate::scalar;

/// The feature set of the scheduler that this one follows.
pub const FEATURE_SET: &str = "3.20.5";

/// Cluster options and the `cib` attributes that matter.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// `have-quorum` of the CIB.
    pub quorate: bool,
    /// `no-quorum-panic` is a nonzero integer.
    pub no_quorum_panic: bool,
    /// `dc-uuid` of the CIB.
    pub dc_uuid: Option<Text>,
    /// `crm_feature_set` of the CIB.
    pub feature_set: Option<Text>,
    /// `no-quorum-policy` after the checks of §7.3.
    pub no_quorum_policy: QuorumPolicy,
    /// `no-quorum-policy` as configured: for texts.
    pub no_quorum_policy_text: Option<Text>,
    /// `shutdown-lock`.
    pub shutdown_lock: bool,
    /// `shutdown-lock-limit` in ms, 0 = unlimited; 0 unless `shutdown_lock`.
    pub shutdown_lock_limit_ms: u32,
    /// `symmetric-cluster`.
    pub symmetric: bool,
    /// `maintenance-mode`.
    pub maintenance_mode: bool,
    /// `start-failure-is-fatal`.
    pub start_failure_is_fatal: bool,
    /// `enable-startup-probes`.
    pub startup_probes: bool,
    /// `fence-remote-without-quorum`.
    pub fence_remote_without_quorum: bool,
    /// `fencing-enabled` (`stonith-enabled`).
    pub fencing_enabled: bool,
    /// `fencing-action` (`stonith-action`): `reboot` or `off`.
    pub fencing_action: Text,
    /// `fencing-timeout` as configured.
    pub fencing_timeout: Text,
    /// `have-watchdog`.
    pub have_watchdog: bool,
    /// `concurrent-fencing`.
    pub concurrent_fencing: bool,
    /// `startup-fencing`; false when fencing is disabled.
    pub startup_fencing: bool,
    /// `priority-fencing-delay` in ms.
    pub priority_fencing_delay_ms: u32,
    /// `node-pending-timeout` in ms.
    pub node_pending_timeout_ms: u32,
    /// `cluster-delay` as configured.
    pub cluster_delay: Text,
    /// `batch-limit` as configured.
    pub batch_limit: Text,
    /// `migration-limit` as configured.
    pub migration_limit: Text,
    /// `live-migration`, which Pacemaker's scheduler does not have: whether `allow-migrate` counts
    /// at all.
    pub live_migration: bool,
    /// `node-action-limit` as configured: for executors, without influence on scheduling.
    pub node_action_limit: Text,
    /// `cluster-recheck-interval` in ms, 0 = never: for executors, without influence on scheduling.
    pub recheck_interval_ms: u32,
    /// `stop-all-resources`.
    pub stop_all_resources: bool,
    /// `stop-removed-resources`.
    pub stop_removed_resources: bool,
    /// `cancel-removed-actions`.
    pub cancel_removed_actions: bool,
    /// `node-health-strategy`.
    pub health_strategy: HealthStrategy,
    /// Score of the word `red` (§9; 0 without strategy).
    pub health_red: Score,
    /// Score of the word `yellow`.
    pub health_yellow: Score,
    /// Score of the word `green`.
    pub health_green: Score,
    /// `node-health-base` for strategy `progressive`, else 0.
    pub health_base: Score,
    /// `placement-strategy`.
    pub placement_strategy: PlacementStrategy,
    /// `cluster-name`.
    pub cluster_name: Option<Text>,
    /// Derived (§7.4): a watchdog or a configured resource of class `stonith`; the status stage
    /// adds removed ones.
    pub have_fencing_device: bool,
    /// Derived (§7.4): `provides` or `requires` = `unfencing` occurs textually.
    pub unfencing_in_use: bool,
}

impl ClusterOptions {
    /// Score text (01 §3.2), with the health words of the run; `None` if it is not a score.
    pub fn score(&self, text: &str) -> Option<Score> {
        match text {
            "-INFINITY" => return Some(Score::MINUS_INFINITY),
            "INFINITY" | "+INFINITY" => return Some(Score::INFINITY),
            _ => {}
        }
        if text.eq_ignore_ascii_case("red") {
            Some(self.health_red)
        } else if text.eq_ignore_ascii_case("yellow") {
            Some(self.health_yellow)
        } else if text.eq_ignore_ascii_case("green") {
            Some(self.health_green)
        } else {
            scalar::integer(text).map(Score::clamped)
        }
    }
}

impl Default for ClusterOptions {
    fn default() -> Self {
        ClusterOptions {
            quorate: false,
            no_quorum_panic: false,
            dc_uuid: None,
            feature_set: None,
            no_quorum_policy: QuorumPolicy::Stop,
            no_quorum_policy_text: None,
            shutdown_lock: false,
            shutdown_lock_limit_ms: 0,
            symmetric: true,
            maintenance_mode: false,
            start_failure_is_fatal: true,
            startup_probes: true,
            fence_remote_without_quorum: false,
            fencing_enabled: true,
            fencing_action: "reboot".into(),
            fencing_timeout: "60s".into(),
            have_watchdog: false,
            concurrent_fencing: true,
            startup_fencing: true,
            priority_fencing_delay_ms: 0,
            node_pending_timeout_ms: 0,
            cluster_delay: "60s".into(),
            batch_limit: "0".into(),
            migration_limit: "-1".into(),
            live_migration: true,
            node_action_limit: "0".into(),
            recheck_interval_ms: 15 * 60 * 1000,
            stop_all_resources: false,
            stop_removed_resources: true,
            cancel_removed_actions: true,
            health_strategy: HealthStrategy::None,
            health_red: Score::ZERO,
            health_yellow: Score::ZERO,
            health_green: Score::ZERO,
            health_base: Score::ZERO,
            placement_strategy: PlacementStrategy::Default,
            cluster_name: None,
            have_fencing_device: false,
            unfencing_in_use: false,
        }
    }
}
