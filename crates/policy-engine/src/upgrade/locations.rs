//! Lifetimes, and locations with several rules (scheduler-spec/01 §19.4).

use super::{Upgrade, Voice};
use crate::xml::ElementId;

pub(super) fn to_four(upgrade: &mut Upgrade<'_>) {
    let constraints = upgrade.below(
        "constraints",
        &["rsc_location", "rsc_colocation", "rsc_order"],
    );
    for constraint in constraints {
        let lifetime = upgrade.at(constraint).child("lifetime");
        let lifetime = lifetime.map(|lifetime| lifetime.id());
        if upgrade.at(constraint).name() != "rsc_location" {
            if lifetime.is_some() {
                drop_lifetime(upgrade, constraint);
            }
            continue;
        }
        if let Some(lifetime) = lifetime {
            limit(upgrade, constraint, lifetime);
        }
        split(upgrade, constraint);
    }
}

/// Colocations and orders hold at all times.
fn drop_lifetime(upgrade: &mut Upgrade<'_>, constraint: ElementId) {
    let id = upgrade.get(constraint, "id");
    let text = format!(
        "Dropping lifetime element from constraint {id} because lifetime elements are no longer supported. Any rules contained there will no longer apply to the constraint"
    );
    upgrade.say(constraint, Voice::Warning, &[&text]);
    upgrade
        .document
        .remove_children(constraint, |child| child.name() == "lifetime");
}

/// Each rule of a location holds only while one of the lifetime's rules does. A location by node
/// becomes one by rule.
fn limit(upgrade: &mut Upgrade<'_>, location: ElementId, lifetime: ElementId) {
    let id = upgrade.get(location, "id").to_owned();
    let during = upgrade.children(lifetime, "rule");
    let rules = upgrade.children(location, "rule");
    let lifetime_id = format!("{id}-lifetime");
    let mut shared = None;
    if rules.is_empty() {
        let rule = by_node(upgrade, location, &id);
        add_lifetime(upgrade, rule, &during, &lifetime_id, &mut shared);
    }
    for (number, rule) in rules.iter().enumerate() {
        let element = upgrade.at(*rule);
        let target = element.document().referenced(element).unwrap_or(element);
        let attributes: Vec<(String, String)> = target
            .attributes()
            .filter(|(name, _)| matches!(*name, "score" | "score-attribute" | "role"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let limited = upgrade.document.append(location, "rule");
        upgrade
            .document
            .set(limited, "id", &format!("{lifetime_id}-{number}"));
        upgrade.document.set(limited, "boolean-op", "and");
        for (name, value) in attributes {
            upgrade.document.set(limited, &name, &value);
        }
        upgrade.document.append_copy(limited, *rule);
        add_lifetime(upgrade, limited, &during, &lifetime_id, &mut shared);
    }
    upgrade.note(
        lifetime,
        format!("the lifetime of location {id} is now a condition in its rules"),
    );
    upgrade.document.remove_children(location, |child| {
        child.id() == lifetime || rules.contains(&child.id())
    });
}

/// Makes a location by node one with a rule.
fn by_node(upgrade: &mut Upgrade<'_>, location: ElementId, id: &str) -> ElementId {
    let node = upgrade.get(location, "node").to_owned();
    let score = upgrade.get(location, "score").to_owned();
    let role = upgrade.at(location).get("role").map(str::to_owned);
    let document = &mut *upgrade.document;
    let rule = document.append(location, "rule");
    document.set(rule, "id", &format!("{id}-rule"));
    document.set(rule, "boolean-op", "and");
    document.set(rule, "score", &score);
    if let Some(role) = role {
        document.set(rule, "role", &role);
    }
    let expression = document.append(rule, "expression");
    for (attribute, value) in [
        ("id", format!("{id}-rule-node").as_str()),
        ("attribute", "#uname"),
        ("operation", "eq"),
        ("value", &node),
    ] {
        document.set(expression, attribute, value);
    }
    document.unset(location, "node");
    document.unset(location, "score");
    rule
}

/// Adds the condition that one of the lifetime's rules holds. The second rule of a location, and
/// any after it, refer to the condition of the first.
fn add_lifetime(
    upgrade: &mut Upgrade<'_>,
    rule: ElementId,
    during: &[ElementId],
    id: &str,
    shared: &mut Option<String>,
) {
    let document = &mut *upgrade.document;
    let any = document.append(rule, "rule");
    if let Some(shared) = shared {
        document.set(any, "id-ref", shared);
        return;
    }
    let id = format!("{id}-rule");
    document.set(any, "id", &id);
    document.set(any, "boolean-op", "or");
    for rule in during {
        document.append_copy(any, *rule);
    }
    *shared = Some(id);
}

/// A location with several rules becomes one location for each rule. The first keeps the id.
fn split(upgrade: &mut Upgrade<'_>, location: ElementId) {
    let rules = upgrade.children(location, "rule");
    if rules.len() < 2 {
        return;
    }
    let id = upgrade.get(location, "id").to_owned();
    let sets = upgrade.children(location, "resource_set");
    let mut last = location;
    for rule in &rules[1..] {
        let element = upgrade.at(*rule);
        let name = element.get("id").or(element.get("id-ref"));
        let new_id = format!("{id}-{}", name.unwrap_or_default());
        let document = &mut *upgrade.document;
        let copy = document.insert_after(last, "rsc_location");
        document.copy_attributes(copy, location);
        document.set(copy, "id", &new_id);
        for set in &sets {
            refer(document, copy, *set);
        }
        document.append_copy(copy, *rule);
        last = copy;
    }
    upgrade.note(
        location,
        format!(
            "location {id} has {} rules and is now as many locations",
            rules.len()
        ),
    );
    upgrade
        .document
        .remove_children(location, |child| rules[1..].contains(&child.id()));
}

/// Adds a reference to a resource set.
fn refer(document: &mut crate::xml::Document, location: ElementId, set: ElementId) {
    let element = document.element(set);
    let target = element.get("id-ref").or(element.get("id"));
    let target = target.unwrap_or_default().to_owned();
    let reference = document.append(location, "resource_set");
    document.set(reference, "id-ref", &target);
}
