//! Names that are read, what their values may be, and what counts where a value is not one of them
//! (scheduler-spec/01 §7.2, §13, §17).

use super::kinds::Kind::{
    self, Any, Boolean, BooleanOrDefault, BooleanOrTime, Count, Delay, Exactly, Integer, Interval,
    Moment, Percent, Score, Threshold, Timeout, Words,
};
use crate::model::QuorumPolicy;

/// A name, what its value may be, and what counts instead of another value.
pub(super) type Names = &'static [(&'static str, Kind, &'static str)];

const ON_FAIL: Kind = Words(&[
    "ignore",
    "block",
    "stop",
    "restart",
    "standby",
    "fence",
    "demote",
    "restart-container",
    "migrate",
    "nothing",
]);
const ROLES: Kind = Words(&[
    "Started",
    "Stopped",
    "Promoted",
    "Unpromoted",
    "Master",
    "Slave",
]);
const TASKS: Kind = Words(&["start", "stop", "promote", "demote"]);
const KINDS: Kind = Words(&["Mandatory", "Optional", "Serialize"]);

/// Options of the cluster, those too that other parts of it than the scheduler read.
pub(super) const OPTIONS: Names = &[
    ("no-quorum-policy", Words(&QuorumPolicy::WORDS), "stop"),
    ("have-watchdog", Boolean, "false"),
    ("fencing-enabled", Boolean, "true"),
    ("stonith-enabled", Boolean, "true"),
    ("startup-fencing", Boolean, "true"),
    ("fencing-action", Exactly(&["reboot", "off"]), "reboot"),
    // The upgrade has made `off` of `poweroff`.
    (
        "stonith-action",
        Exactly(&["reboot", "off", "poweroff"]),
        "reboot",
    ),
    ("fencing-timeout", Interval, "60s"),
    ("stonith-timeout", Interval, "60s"),
    ("concurrent-fencing", Boolean, "true"),
    ("fence-remote-without-quorum", Boolean, "false"),
    ("priority-fencing-delay", Interval, "0"),
    ("node-pending-timeout", Interval, "0"),
    ("symmetric-cluster", Boolean, "true"),
    ("maintenance-mode", Boolean, "false"),
    ("stop-all-resources", Boolean, "false"),
    ("start-failure-is-fatal", Boolean, "true"),
    ("shutdown-lock", Boolean, "false"),
    ("shutdown-lock-limit", Interval, "0"),
    (
        "placement-strategy",
        Words(&["default", "utilization", "minimal", "balanced"]),
        "default",
    ),
    ("enable-startup-probes", Boolean, "true"),
    ("live-migration", Boolean, "true"),
    ("stop-removed-resources", Boolean, "true"),
    ("stop-orphan-resources", Boolean, "true"),
    ("cancel-removed-actions", Boolean, "true"),
    ("stop-orphan-actions", Boolean, "true"),
    ("cluster-delay", Interval, "60s"),
    ("batch-limit", Integer, "0"),
    ("migration-limit", Integer, "-1"),
    ("node-action-limit", Integer, "0"),
    ("cluster-recheck-interval", Interval, "15min"),
    (
        "node-health-strategy",
        Words(&[
            "none",
            "migrate-on-red",
            "only-green",
            "progressive",
            "custom",
        ]),
        "none",
    ),
    ("node-health-red", Score, "-INFINITY"),
    ("node-health-yellow", Score, "0"),
    ("node-health-green", Score, "0"),
    ("node-health-base", Score, "0"),
    ("cluster-name", Any, ""),
    ("time-zone", Any, ""),
    ("dc-version", Any, ""),
    ("cluster-infrastructure", Any, ""),
    ("last-lrm-refresh", Any, ""),
    ("dc-deadtime", Interval, "20s"),
    ("election-timeout", Interval, "2min"),
    ("shutdown-escalation", Interval, "20min"),
    ("join-integration-timeout", Interval, "3min"),
    ("join-finalization-timeout", Interval, "30min"),
    ("transition-delay", Interval, "0"),
    ("enable-acl", Boolean, "false"),
    ("fencing-reaction", Words(&["stop", "panic"]), "stop"),
    ("fence-reaction", Words(&["stop", "panic"]), "stop"),
    ("fencing-watchdog-timeout", Interval, "0"),
    // -1: twice what sbd has.
    ("stonith-watchdog-timeout", Any, "0"),
    ("fencing-max-attempts", Count, "10"),
    ("stonith-max-attempts", Count, "10"),
    ("load-threshold", Percent, "80%"),
    ("cluster-ipc-limit", Count, "500"),
    ("pe-error-series-max", Integer, "-1"),
    ("pe-warn-series-max", Integer, "5000"),
    ("pe-input-series-max", Integer, "4000"),
];

/// Meta attributes of resources.
pub(super) const OF_RESOURCES: Names = &[
    ("is-managed", BooleanOrDefault, "false"),
    ("maintenance", Boolean, "false"),
    ("critical", Boolean, "false"),
    ("allow-migrate", Boolean, "false"),
    ("allow-unhealthy-nodes", Boolean, "false"),
    ("resource-stickiness", Score, "0"),
    ("priority", Score, "0"),
    ("migration-threshold", Threshold, "INFINITY"),
    ("failure-timeout", Interval, "0"),
    (
        "multiple-active",
        Words(&["block", "stop_only", "stop_start", "stop_unexpected"]),
        "stop_start",
    ),
    (
        "requires",
        Words(&["nothing", "quorum", "fencing", "unfencing"]),
        "the default",
    ),
    (
        "target-role",
        Words(&[
            "Started",
            "Stopped",
            "Promoted",
            "Unpromoted",
            "Master",
            "Slave",
            "default",
        ]),
        "Started",
    ),
    ("clone-max", Count, "0"),
    ("clone-node-max", Count, "0"),
    ("clone-min", Count, "0"),
    ("promoted-max", Count, "0"),
    ("promoted-node-max", Count, "0"),
    ("master-max", Count, "0"),
    ("master-node-max", Count, "0"),
    ("interleave", Boolean, "false"),
    ("ordered", Boolean, "the default"),
    ("collocated", Boolean, "true"),
    ("notify", Boolean, "false"),
    ("globally-unique", Boolean, "false"),
    ("promotable", Boolean, "false"),
    ("container", Any, ""),
    ("container-attribute-target", Exactly(&["host"]), "nothing"),
    ("provides", Any, ""),
    ("remote-node", Any, ""),
    ("remote-addr", Any, ""),
    ("remote-port", Any, ""),
    ("remote-connect-timeout", Timeout, "20s"),
    ("remote-allow-migrate", Boolean, "false"),
    ("internal_rsc", Any, ""),
    ("external-ip", Any, ""),
    ("clone", Any, ""),
    // Notes.
    ("description", Any, ""),
    ("comment", Any, ""),
];

/// Of those, what only a clone has: what is inside it does not hand them up.
pub(super) const OF_CLONES: &[&str] = &[
    "clone-max",
    "clone-node-max",
    "clone-min",
    "promoted-max",
    "promoted-node-max",
    "master-max",
    "master-node-max",
    "interleave",
];

/// Options of operations, in their meta attributes.
pub(super) const OF_OPERATIONS: Names = &[
    ("interval", Interval, "0"),
    ("timeout", Timeout, "20s"),
    ("start-delay", Delay, "0"),
    ("interval-origin", Moment, "nothing"),
    ("on-fail", ON_FAIL, "the default"),
    ("record-pending", Boolean, "true"),
    ("enabled", Boolean, "true"),
    ("role", ROLES, "nothing"),
];

/// Attributes of nodes that are not only for rules.
pub(super) const OF_NODES: Names = &[
    ("standby", Boolean, "false"),
    ("maintenance", Boolean, "false"),
    ("terminate", BooleanOrTime, "false"),
    ("resource-discovery-enabled", Boolean, "false"),
];

/// What XML attributes may be, by element: where the schema says no more than that they are texts,
/// or is not asked.
pub(super) const ELEMENTS: &[(&str, Names)] = &[
    ("op", OF_OPERATIONS),
    (
        "rsc_location",
        &[
            ("score", Score, "0"),
            ("role", ROLES, "nothing: the constraint is void"),
            (
                "resource-discovery",
                Words(&["always", "never", "exclusive"]),
                "always",
            ),
        ],
    ),
    (
        "rsc_colocation",
        &[
            ("score", Score, "0"),
            ("rsc-role", ROLES, "nothing: the constraint is void"),
            ("with-rsc-role", ROLES, "nothing: the constraint is void"),
            ("influence", Boolean, "the default"),
        ],
    ),
    (
        "rsc_order",
        &[
            ("kind", KINDS, "the default"),
            ("score", Score, "0: the order is optional"),
            ("symmetrical", Boolean, "the default"),
            ("require-all", Boolean, "true"),
            ("first-action", TASKS, "nothing"),
            ("then-action", TASKS, "nothing"),
        ],
    ),
    (
        "rsc_ticket",
        &[
            ("rsc-role", ROLES, "every role"),
            (
                "loss-policy",
                Words(&["stop", "demote", "fence", "freeze"]),
                "the default",
            ),
        ],
    ),
    (
        "rule",
        &[
            ("score", Score, "0"),
            ("role", ROLES, "nothing: the constraint is void"),
            (
                "boolean-op",
                Words(&["and", "or"]),
                "nothing: it never holds",
            ),
        ],
    ),
    (
        "expression",
        &[
            (
                "operation",
                Words(&[
                    "lt",
                    "gt",
                    "lte",
                    "gte",
                    "eq",
                    "ne",
                    "defined",
                    "not_defined",
                ]),
                "nothing: it never holds",
            ),
            (
                "type",
                Words(&["string", "integer", "number", "version"]),
                "nothing: it never holds",
            ),
            (
                "value-source",
                Words(&["literal", "param", "meta"]),
                "nothing: it never holds",
            ),
        ],
    ),
    (
        "date_expression",
        &[
            ("start", Moment, "nothing: it never holds"),
            ("end", Moment, "nothing: it never holds"),
            (
                "operation",
                Words(&["in_range", "gt", "lt", "date_spec"]),
                "nothing: it never holds",
            ),
        ],
    ),
    (
        "duration",
        &[
            ("years", Integer, "0"),
            ("months", Integer, "0"),
            ("weeks", Integer, "0"),
            ("days", Integer, "0"),
            ("hours", Integer, "0"),
            ("minutes", Integer, "0"),
            ("seconds", Integer, "0"),
        ],
    ),
    (
        "op_expression",
        &[("interval", Interval, "nothing: it never holds")],
    ),
    (
        "resource_set",
        &[
            ("sequential", Boolean, "true"),
            ("require-all", Boolean, "true"),
            ("score", Score, "0"),
            ("role", ROLES, "nothing"),
            ("action", TASKS, "nothing"),
            ("kind", KINDS, "the default"),
        ],
    ),
    ("node", &[("score", Score, "0")]),
    ("fencing-level", &[("index", Count, "0")]),
];

/// What is known under that name.
pub(super) fn find(names: Names, name: &str) -> Option<(Kind, &'static str)> {
    let found = names.iter().find(|(it, _, _)| *it == name);
    found.map(|(_, kind, instead)| (*kind, *instead))
}

/// The name that was meant: one of seven letters or more that differs in its dashes, its case or by
/// two letters at most.
pub(super) fn meant(names: Names, name: &str) -> Option<&'static str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let written = plain(name);
    let known = names.iter().map(|(known, _, _)| *known);
    let near = known.filter_map(|known| {
        let steps = distance(&plain(known), &written);
        (steps <= 2 && known.len() > 6).then_some((steps, known))
    });
    near.min_by_key(|(steps, _)| *steps).map(|(_, known)| known)
}

/// How many letters have to be put in, taken out or changed to make one text of another.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
