//! Parameters and meta-attributes of resources of Pacemaker 1 (scheduler-spec/01 §19.4).

use super::{Upgrade, Voice, values};
use crate::xml::ElementId;

const THRESHOLD: &str =
    "Resource meta_attributes: ... migration-threshold can be configured instead";
const ISOLATION: &str = "Resource meta_attributes: ... i.e. resource at hand disabled; isolation wrappers obsoleted with bundle resources";

/// Parameters of fencing devices, and their names since.
const COMMANDS: &[(&str, &str)] = &[
    ("pcmk_list_cmd", "pcmk_list_action"),
    ("pcmk_monitor_cmd", "pcmk_monitor_action"),
    ("pcmk_off_cmd", "pcmk_off_action"),
    ("pcmk_on_cmd", "pcmk_on_action"),
    ("pcmk_poweroff_cmd", "pcmk_poweroff_action"),
    ("pcmk_reboot_cmd", "pcmk_reboot_action"),
    ("pcmk_status_cmd", "pcmk_status_action"),
];

/// Those of one primitive or template.
pub(super) fn to_three(upgrade: &mut Upgrade<'_>, resource: ElementId) {
    for set in upgrade.children(resource, "instance_attributes") {
        commands(upgrade, set);
    }
    for set in upgrade.children(resource, "meta_attributes") {
        meta_attributes(upgrade, resource, set);
    }
}

fn commands(upgrade: &mut Upgrade<'_>, set: ElementId) {
    let mut gone = Vec::new();
    for pair in upgrade.children(set, "nvpair") {
        let name = upgrade.get(pair, "name").to_owned();
        let head = format!("Resource instance_attributes: {}:", upgrade.get(pair, "id"));
        if let Some((_, new)) = COMMANDS.iter().find(|(old, _)| *old == name) {
            upgrade.document.set(pair, "name", new);
            let text = format!("{head} renaming {name} as {new}");
            upgrade.say(pair, Voice::Debug, &[&text]);
        } else if name == "pcmk_arg_map" {
            let value = upgrade.get(pair, "value");
            let text = match value.strip_prefix("port:").map(str::to_owned) {
                Some(argument) => {
                    upgrade.document.set(pair, "name", "pcmk_host_argument");
                    upgrade.document.set(pair, "value", &argument);
                    format!(
                        "{head} renaming {name} as pcmk_host_argument for matching port: prefix that will, meanwhile, get dropped"
                    )
                }
                None => {
                    gone.push((pair, set));
                    format!("{head} dropping {name}")
                }
            };
            upgrade.say(pair, Voice::Debug, &[&text]);
        }
    }
    values::remove(upgrade, gone.into_iter());
}

/// At most one pair of a set gets a new name, and none whose new name the set has before it.
fn meta_attributes(upgrade: &mut Upgrade<'_>, resource: ElementId, set: ElementId) {
    let head = format!(
        "Resource meta_attributes: {} (meta={}):",
        upgrade.get(resource, "id"),
        upgrade.get(set, "id")
    );
    let mut gone = Vec::new();
    let mut taken = false;
    let mut seen: Vec<String> = Vec::new();
    for pair in upgrade.children(set, "nvpair") {
        let name = upgrade.get(pair, "name").to_owned();
        let is_infinite = upgrade.get(pair, "value") == "-INFINITY";
        let new = match name.as_str() {
            "resource-failure-stickiness" | "resource_failure_stickiness" if is_infinite => {
                let text = format!(
                    "{head} renaming {name} as migration-threshold, redefined as 1, for matching -INFINITY"
                );
                upgrade.say(pair, Voice::Debug, &[&text]);
                ("migration-threshold", "1")
            }
            "resource-failure-stickiness" | "resource_failure_stickiness" => {
                let text = format!("{head} dropping {name}");
                upgrade.say(pair, Voice::Info, &[&text, THRESHOLD]);
                gone.push((pair, set));
                continue;
            }
            "isolation" | "isolation-host" | "isolation-instance" | "isolation-wrapper" => {
                let text = format!("{head} renaming {name} as target-role, redefined as Stopped");
                upgrade.say(pair, Voice::Warning, &[&text, ISOLATION]);
                ("target-role", "Stopped")
            }
            _ => {
                seen.push(name);
                continue;
            }
        };
        if taken || seen.iter().any(|name| name == new.0) {
            gone.push((pair, set));
            continue;
        }
        taken = true;
        upgrade.document.set(pair, "name", new.0);
        upgrade.document.set(pair, "value", new.1);
    }
    let changed = !gone.is_empty();
    values::remove(upgrade, gone.into_iter());
    if changed && upgrade.at(set).child("nvpair").is_none() {
        values::remove(upgrade, std::iter::once((set, resource)));
    }
}
