//! Cluster options of Pacemaker 1 (scheduler-spec/01 §19.4): names with underscores, defaults of
//! resources and operations, options that went away.

use super::{Upgrade, Voice, values};
use crate::xml::ElementId;

/// What becomes of an option.
enum Fate {
    /// It has another name.
    Renamed(&'static str),
    /// It is a default of this section, under this name.
    Default {
        section: &'static str,
        name: &'static str,
    },
    /// The same, with the value 1 if it is -INFINITY; any other value is dropped.
    Threshold,
    /// It has no effect, for this reason.
    Dropped(&'static str),
    /// It has no effect if it has one of these values.
    DroppedIf(&'static [&'static str], &'static str),
}

const RESOURCES: &str = "rsc_defaults";
const OPERATIONS: &str = "op_defaults";
const THRESHOLD: &str = "migration-threshold in rsc_defaults can be configured instead";
const ALERTS: &str = "standalone alerts can be configured instead";

/// The messaging layers before Corosync 2.
const LAYERS: &[&str] = &[
    "heartbeat",
    "openais",
    "classic openais",
    "classic openais (with plugin)",
    "cman",
];

fn fate(name: &str) -> Option<Fate> {
    let resources = |name| Fate::Default {
        section: RESOURCES,
        name,
    };
    Some(match name {
        "cluster-infrastructure" => Fate::DroppedIf(
            LAYERS,
            "corosync (2+) infrastructure can be used instead, though the value is not of significance",
        ),
        "cluster_recheck_interval" => Fate::Renamed("cluster-recheck-interval"),
        "dc_deadtime" => Fate::Renamed("dc-deadtime"),
        "election_timeout" => Fate::Renamed("election-timeout"),
        "no_quorum_policy" => Fate::Renamed("no-quorum-policy"),
        "remove_after_stop" => Fate::Renamed("remove-after-stop"),
        "shutdown_escalation" => Fate::Renamed("shutdown-escalation"),
        "startup_fencing" => Fate::Renamed("startup-fencing"),
        "stonith_action" => Fate::Renamed("stonith-action"),
        "stonith_enabled" => Fate::Renamed("stonith-enabled"),
        "stop_orphan_actions" => Fate::Renamed("stop-orphan-actions"),
        "stop_orphan_resources" => Fate::Renamed("stop-orphan-resources"),
        "symmetric_cluster" => Fate::Renamed("symmetric-cluster"),
        "transition_idle_timeout" => Fate::Renamed("cluster-delay"),
        "default-action-timeout" | "default_action_timeout" => Fate::Default {
            section: OPERATIONS,
            name: "timeout",
        },
        "default-resource-stickiness" | "default_resource_stickiness" => {
            resources("resource-stickiness")
        }
        "is-managed-default" | "is_managed_default" => resources("is-managed"),
        "default-resource-failure-stickiness" | "default_resource_failure_stickiness" => {
            Fate::Threshold
        }
        "default-migration-threshold" | "default_migration_threshold" => Fate::Dropped(THRESHOLD),
        "expected-quorum-votes" => {
            Fate::Dropped("corosync (2+) infrastructure tracks quorum on its own")
        }
        "notification-agent" | "notification-recipient" => Fate::Dropped(ALERTS),
        _ => return None,
    })
}

/// A default that moves to another section.
struct Moving {
    section: &'static str,
    pair: ElementId,
}

pub(super) fn to_three(upgrade: &mut Upgrade<'_>) {
    let mut moving = Vec::new();
    for set in upgrade.below("crm_config", &["cluster_property_set"]) {
        let pairs = upgrade.children(set, "nvpair");
        let has_rule = upgrade.at(set).child("rule").is_some();
        let mut gone = Vec::new();
        for pair in pairs {
            let Some(fate) = fate(upgrade.get(pair, "name")) else {
                continue;
            };
            match apply(upgrade, pair, &fate) {
                Outcome::Stays => {}
                Outcome::Goes => gone.push((pair, set)),
                Outcome::Moves(section) => {
                    gone.push((pair, set));
                    // a default under a condition has nowhere to go
                    if !has_rule {
                        moving.push(Moving { section, pair });
                    }
                }
            }
        }
        values::remove(upgrade, gone.into_iter());
        if upgrade.at(set).child("nvpair").is_none()
            && upgrade.at(set).get("id-ref").is_none()
            && let Some(parent) = upgrade.at(set).parent().map(|parent| parent.id())
        {
            values::remove(upgrade, std::iter::once((set, parent)));
        }
    }
    for section in [OPERATIONS, RESOURCES] {
        let moving = moving.iter().filter(|moving| moving.section == section);
        let pairs: Vec<ElementId> = moving.map(|moving| moving.pair).collect();
        add_defaults(upgrade, section, &pairs);
    }
}

enum Outcome {
    Stays,
    Goes,
    Moves(&'static str),
}

/// Gives a pair its new name and value, and tells it.
fn apply(upgrade: &mut Upgrade<'_>, pair: ElementId, fate: &Fate) -> Outcome {
    let old = upgrade.get(pair, "name").to_owned();
    let head = format!("Cluster properties: {}:", upgrade.get(pair, "id"));
    let value = upgrade.get(pair, "value").to_owned();
    let dropped = |upgrade: &mut Upgrade<'_>, matching: &str, why: &str| {
        let lines = [
            format!("{head} dropping {old}{matching}"),
            format!("Cluster properties: ... {why}"),
        ];
        upgrade.say(pair, Voice::Info, &[&lines[0], &lines[1]]);
        Outcome::Goes
    };
    let moved = |upgrade: &mut Upgrade<'_>, section: &'static str, name: &str, redefined: &str| {
        let text = format!(
            "{head} moving {old} under {section} as {name} unless already defined there{redefined}"
        );
        upgrade.document.set(pair, "name", name);
        upgrade.say(pair, Voice::Debug, &[&text]);
        Outcome::Moves(section)
    };
    match fate {
        Fate::Renamed(name) => {
            let text = format!("{head} renaming {old} as {name}");
            upgrade.document.set(pair, "name", name);
            upgrade.say(pair, Voice::Debug, &[&text]);
            Outcome::Stays
        }
        Fate::Default { section, name } => moved(upgrade, section, name, ""),
        Fate::Threshold if value == "-INFINITY" => {
            upgrade.document.set(pair, "value", "1");
            let redefined = ", redefined as 1, for matching -INFINITY";
            moved(upgrade, RESOURCES, "migration-threshold", redefined)
        }
        Fate::Threshold => dropped(upgrade, "", THRESHOLD),
        Fate::Dropped(why) => dropped(upgrade, "", why),
        Fate::DroppedIf(values, why) if values.contains(&value.as_str()) => {
            let matching = format!(" for matching {}", values.join("|"));
            dropped(upgrade, &matching, why)
        }
        Fate::DroppedIf(..) => Outcome::Stays,
    }
}

/// Adds pairs to the first set without a rule, except those whose names it has; a section that is
/// missing is made. A section without such a set takes nothing.
fn add_defaults(upgrade: &mut Upgrade<'_>, section: &str, pairs: &[ElementId]) {
    if pairs.is_empty() {
        return;
    }
    let set = match upgrade.section(section) {
        Some(known) => {
            let sets = upgrade.children(known, "meta_attributes");
            sets.into_iter()
                .find(|set| upgrade.at(*set).child("rule").is_none())
        }
        None => {
            let configuration = upgrade.document.root().child("configuration");
            configuration.map(|c| c.id()).map(|configuration| {
                let section_element = upgrade.document.append(configuration, section);
                let set = upgrade.document.append(section_element, "meta_attributes");
                let id = format!("_2TO3_-{}", section.replace('_', "-"));
                upgrade.document.set(set, "id", &id);
                set
            })
        }
    };
    let known: Vec<String> = set
        .map(|set| upgrade.children(set, "nvpair"))
        .unwrap_or_default()
        .into_iter()
        .map(|pair| upgrade.get(pair, "name").to_owned())
        .collect();
    for pair in pairs {
        let name = upgrade.get(*pair, "name");
        match set {
            Some(_) if known.iter().any(|known| known == name) => {}
            Some(set) => {
                upgrade.document.append_copy(set, *pair);
            }
            None => {
                let text = format!(
                    "{name} was dropped: {section} exists, and has no set without a rule that could take it"
                );
                upgrade.note(*pair, text);
            }
        }
    }
}

/// `stonith-action="poweroff"` is `off`; `remove-after-stop` is gone.
pub(super) fn to_four(upgrade: &mut Upgrade<'_>) {
    for set in upgrade.below("crm_config", &["cluster_property_set"]) {
        let mut gone = Vec::new();
        for pair in upgrade.children(set, "nvpair") {
            match (upgrade.get(pair, "name"), upgrade.get(pair, "value")) {
                ("stonith-action", "poweroff") => {
                    upgrade.document.set(pair, "value", "off");
                    upgrade.note(
                        pair,
                        "stonith-action=\"poweroff\" is now \"off\"".to_owned(),
                    );
                }
                ("remove-after-stop", _) => {
                    let id = upgrade.get(pair, "id");
                    let text = format!(
                        "Dropping nvpair {id} because the remove-after-stop property is unsupported"
                    );
                    upgrade.say(pair, Voice::Warning, &[&text]);
                    gone.push((pair, set));
                }
                _ => {}
            }
        }
        values::remove(upgrade, gone.into_iter());
    }
}
