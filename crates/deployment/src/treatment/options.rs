//! Cluster options.

use super::Values::{Boolean, Duration, Exactly, Integer, PositiveDuration, Words};
use super::{Rows, carried_out, no_meaning, refused};

/// Cluster options: names in a `<cluster_property_set>` of `<crm_config>`.
pub const CLUSTER_OPTIONS: Rows = &[
    // what is decided about everything
    carried_out(
        "symmetric-cluster",
        "without_symmetry_a_service_runs_only_where_a_constraint_says",
    )
    .with(Boolean),
    carried_out(
        "maintenance-mode",
        "in_maintenance_mode_everything_is_left_alone",
    )
    .with(Boolean),
    carried_out(
        "stop-all-resources",
        "everything_stops_while_the_option_says_so",
    )
    .with(Boolean),
    carried_out(
        "start-failure-is-fatal",
        "a_failed_start_is_tried_again_there_unless_it_is_fatal",
    )
    .with(Boolean),
    carried_out(
        "enable-startup-probes",
        "nothing_is_looked_for_without_startup_probes",
    )
    .with(Boolean),
    carried_out(
        "stop-removed-resources",
        "what_is_not_in_the_document_stops_unless_the_option_says_otherwise",
    )
    .with(Boolean),
    carried_out(
        "stop-orphan-resources",
        "what_is_not_in_the_document_stops_unless_the_option_says_otherwise",
    )
    .with(Boolean),
    carried_out(
        "cancel-removed-actions",
        "a_monitor_that_is_not_in_the_document_ends_unless_the_option_says_otherwise",
    )
    .with(Boolean),
    carried_out(
        "stop-orphan-actions",
        "a_monitor_that_is_not_in_the_document_ends_unless_the_option_says_otherwise",
    )
    .with(Boolean),
    carried_out(
        "placement-strategy",
        "services_are_placed_by_capacity_if_the_strategy_says_so",
    )
    .with(Words(&["default", "utilization", "minimal", "balanced"])),
    carried_out("node-health-strategy", HEALTH).with(Words(&[
        "none",
        "migrate-on-red",
        "only-green",
        "progressive",
        "custom",
    ])),
    carried_out("node-health-base", HEALTH).with(Integer),
    carried_out("node-health-green", HEALTH).with(Integer),
    carried_out("node-health-yellow", HEALTH).with(Integer),
    carried_out("node-health-red", HEALTH).with(Integer),
    carried_out("cluster-name", "rules_read_the_attributes_of_assemblies"),
    carried_out(
        "live-migration",
        "what_may_migrate_moves_live_unless_the_option_says_otherwise",
    )
    .with(Boolean),
    // how much at a time, and how often
    carried_out("batch-limit", LIMITS).with(Integer),
    carried_out("node-action-limit", LIMITS).with(Integer),
    carried_out("migration-limit", LIMITS).with(Integer),
    carried_out(
        "cluster-recheck-interval",
        "the_policy_engine_is_asked_again_after_the_recheck_interval",
    )
    .with(Duration),
    // fencing
    carried_out("stonith-enabled", FENCED)
        .with(Boolean)
        .but_not(OFF, NEVER_SAFE),
    carried_out("fencing-enabled", FENCED)
        .with(Boolean)
        .but_not(OFF, NEVER_SAFE),
    carried_out("stonith-action", FENCED).with(ACTION),
    carried_out("fencing-action", FENCED).with(ACTION),
    carried_out("stonith-timeout", DEVICE_TIME).with(PositiveDuration),
    carried_out("fencing-timeout", DEVICE_TIME).with(PositiveDuration),
    carried_out(
        "concurrent-fencing",
        "assemblies_are_fenced_one_after_the_other_if_the_option_says_so",
    )
    .with(Boolean),
    carried_out(
        "priority-fencing-delay",
        "the_devices_of_an_assembly_with_priority_wait_before_they_fence",
    )
    .with(Duration),
    // nothing carries these out
    refused(
        "have-watchdog",
        "the DPE says itself that it can make assemblies safe: remove it",
    ),
    refused("shutdown-lock", NO_LOCK),
    refused("shutdown-lock-limit", NO_LOCK),
    refused(
        "time-zone",
        "the time zone is no cluster option here: remove it, and write <deployable time_zone=\"…\">",
    ),
    // nothing depends on these here
    no_meaning("no-quorum-policy", ONE_DPE),
    no_meaning("fence-remote-without-quorum", ONE_DPE),
    no_meaning("dc-deadtime", ONE_DPE),
    no_meaning("election-timeout", ONE_DPE),
    no_meaning("join-finalization-timeout", ONE_DPE),
    no_meaning("join-integration-timeout", ONE_DPE),
    no_meaning("shutdown-escalation", ONE_DPE),
    no_meaning("transition-delay", ONE_DPE),
    no_meaning("node-pending-timeout", ONE_DPE),
    no_meaning(
        "startup-fencing",
        "the DPE knows of every assembly whether it runs: one that it has not seen counts as lost after a while",
    ),
    no_meaning(
        "cluster-delay",
        "an agent has 60 s beyond the timeout of an operation to report its result",
    ),
    no_meaning(
        "enable-acl",
        "who may do what is said by /etc/cpe/access.toml",
    ),
    no_meaning("cluster-ipc-limit", "queues have bounds of their own"),
    no_meaning(
        "load-threshold",
        "node-action-limit bounds the operations of an assembly",
    ),
    no_meaning("pe-error-series-max", KEPT_INPUTS),
    no_meaning("pe-warn-series-max", KEPT_INPUTS),
    no_meaning("pe-input-series-max", KEPT_INPUTS),
    no_meaning("stonith-max-attempts", TRIED_ON),
    no_meaning("fencing-max-attempts", TRIED_ON),
    no_meaning("stonith-watchdog-timeout", WATCHDOG),
    no_meaning("fencing-watchdog-timeout", WATCHDOG),
    no_meaning("fence-reaction", REACTION),
    no_meaning("fencing-reaction", REACTION),
    no_meaning("dc-version", WRITTEN_BY_PACEMAKER),
    no_meaning("cluster-infrastructure", WRITTEN_BY_PACEMAKER),
    no_meaning("last-lrm-refresh", WRITTEN_BY_PACEMAKER),
];

/// The policy engine does not ignore case here.
const ACTION: super::Values = Exactly(&["reboot", "off"]);

const OFF: &[&str] = &["false", "off", "no", "n", "0"];

const HEALTH: &str = "services_leave_assemblies_that_are_not_healthy";
const LIMITS: &str = "no_more_operations_are_under_way_than_the_limits_say";
const FENCED: &str = "a_lost_assembly_is_switched_off_or_restarted_as_the_option_says";
const DEVICE_TIME: &str = "devices_have_the_time_that_the_option_gives";

const NEVER_SAFE: &str = "services of a lost assembly would never start elsewhere: remove it; <fencing mode=\"none\"/> has a \
                          lost heartbeat count as down, which is unsafe";
const NO_LOCK: &str = "nothing keeps a service waiting for the assembly that was shut down: remove it; <location> with \
                       INFINITY or a high stickiness brings it back there";
const ONE_DPE: &str = "one DPE decides for the deployment, so there is no quorum and no election";
const KEPT_INPUTS: &str = "dpe --keep-inputs says how many inputs are kept";
const TRIED_ON: &str = "fencing is tried until it succeeds or is confirmed";
const REACTION: &str = "no assembly fences itself: an agent ends services by its lease";
const WATCHDOG: &str = "the lease of the deployment says when an agent ends its services";
const WRITTEN_BY_PACEMAKER: &str = "Pacemaker's own programs write it: remove it";
