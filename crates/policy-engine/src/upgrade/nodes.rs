//! Types of nodes: `normal` and `ping` (scheduler-spec/01 §19.4).

use super::{Upgrade, Voice};

/// A node of type `normal` is a member.
pub(super) fn normal_to_member(upgrade: &mut Upgrade<'_>) {
    for node in upgrade.below("nodes", &["node"]) {
        if upgrade.at(node).get("type") != Some("normal") {
            continue;
        }
        let (name, id) = (upgrade.get(node, "uname"), upgrade.get(node, "id"));
        let text = format!(
            "Cluster node: {name} (id={id}): keeping type as type, redefined as member, for matching normal"
        );
        upgrade.document.set(node, "type", "member");
        upgrade.say(node, Voice::Debug, &[&text]);
    }
}

/// A node of type `ping` is a member on which nothing may run and nothing is looked for.
pub(super) fn ping_to_member(upgrade: &mut Upgrade<'_>) {
    for node in upgrade.below("nodes", &["node"]) {
        if upgrade.at(node).get("type") != Some("ping") {
            continue;
        }
        let name = upgrade.get(node, "uname").to_owned();
        upgrade.document.set(node, "type", "member");
        upgrade.note(
            node,
            format!("node {name}: type ping is now member, with a ban of all resources"),
        );
        let Some(constraints) = upgrade.section("constraints") else {
            continue;
        };
        let document = &mut *upgrade.document;
        let ban = document.append(constraints, "rsc_location");
        let id = format!("ping-node-{name}");
        for (attribute, value) in [
            ("id", id.as_str()),
            ("rsc-pattern", ".*"),
            ("node", name.as_str()),
            ("score", "-INFINITY"),
            ("resource-discovery", "never"),
        ] {
            document.set(ban, attribute, value);
        }
    }
}
