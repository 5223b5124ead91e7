//! Pairs, periods and fencing levels that schema 4.0 does not have (scheduler-spec/01 §16.3,
//! §19.4).

use super::{Upgrade, Voice};
use crate::scalar;
use crate::xml::{Element, ElementId};

/// Meta-attributes of operations whose work `on-fail` does.
const OF_OPERATIONS: &[&str] = &["can_fail", "role_after_failure"];

/// The highest level of a fencing topology.
const LEVELS: i64 = 9;

pub(super) fn to_four(upgrade: &mut Upgrade<'_>) {
    renamed_pairs(upgrade);
    pairs(upgrade);
    moon(upgrade);
    levels(upgrade);
}

/// A pair that refers to another one and has a name is a pair with that name and the other's value.
fn renamed_pairs(upgrade: &mut Upgrade<'_>) {
    let all: Vec<(ElementId, String, String)> = configuration(upgrade)
        .filter(|pair| pair.name() == "nvpair" && pair.get("name").is_some())
        .filter_map(|pair| {
            let target = pair.get("id-ref")?;
            let value = pair.document().referenced(pair)?.get("value")?;
            Some((pair.id(), target.to_owned(), value.to_owned()))
        })
        .collect();
    for (pair, target, value) in all {
        let name = upgrade.get(pair, "name").to_owned();
        let document = &mut *upgrade.document;
        document.unset(pair, "id-ref");
        document.set(pair, "id", &format!("{target}-{name}"));
        document.set(pair, "value", &value);
        upgrade.note(
            pair,
            format!("nvpair {name} now has the value of {target}, \"{value}\", itself"),
        );
    }
}

/// Why a pair goes.
enum Gone {
    WithoutValue,
    OfOperation,
    RestartType,
}

fn pairs(upgrade: &mut Upgrade<'_>) {
    let all: Vec<(ElementId, ElementId, Gone)> = configuration(upgrade)
        .filter(|pair| pair.name() == "nvpair" && pair.get("id-ref").is_none())
        .filter_map(|pair| {
            let set = pair.parent()?;
            Some((pair.id(), set.id(), why_gone(pair, set)?))
        })
        .collect();
    for (pair, set, gone) in &all {
        let (name, id) = (upgrade.get(*pair, "name"), upgrade.get(*set, "id"));
        match gone {
            Gone::WithoutValue => {
                let text = format!("nvpair {name} of {id} has no value and was dropped");
                upgrade.note(*pair, text);
            }
            Gone::OfOperation => {
                let text = format!(
                    "Dropping {name} meta-attribute from {id} because it is no longer supported. Consider setting the \"on-fail\" operation attribute instead"
                );
                upgrade.say(*pair, Voice::Warning, &[&text]);
            }
            Gone::RestartType => {
                let text = format!(
                    "Dropping {name} meta-attribute from {id} because it is no longer supported. Consider setting the \"kind\" attribute of its order constraints instead"
                );
                upgrade.say(*pair, Voice::Warning, &[&text]);
            }
        }
    }
    remove(upgrade, all.iter().map(|(pair, set, _)| (*pair, *set)));
}

fn why_gone(pair: Element<'_>, set: Element<'_>) -> Option<Gone> {
    if pair.get("value").is_none() {
        return Some(Gone::WithoutValue);
    }
    let name = pair.get("name")?;
    if set.name() != "meta_attributes" {
        return None;
    }
    let owner = set.parent()?.name();
    if OF_OPERATIONS.contains(&name) && matches!(owner, "op" | "op_defaults") {
        return Some(Gone::OfOperation);
    }
    let of_resources = matches!(
        owner,
        "primitive" | "template" | "group" | "clone" | "master" | "bundle" | "rsc_defaults"
    );
    (name == "restart-type" && of_resources).then_some(Gone::RestartType)
}

/// No schedule follows the moon.
fn moon(upgrade: &mut Upgrade<'_>) {
    let all: Vec<ElementId> = configuration(upgrade)
        .filter(|period| matches!(period.name(), "date_spec" | "duration"))
        .filter(|period| period.get("moon").is_some())
        .map(|period| period.id())
        .collect();
    for period in all {
        let id = upgrade.get(period, "id");
        let text = format!("moon of {id} has no effect and was dropped");
        upgrade.document.unset(period, "moon");
        upgrade.note(period, text);
    }
}

fn levels(upgrade: &mut Upgrade<'_>) {
    let too_high = |level: &ElementId| {
        let index = scalar::integer(upgrade.get(*level, "index"));
        index.is_some_and(|index| index > LEVELS)
    };
    let mut all = upgrade.below("fencing-topology", &["fencing-level"]);
    all.retain(too_high);
    for level in &all {
        let (id, index) = (upgrade.get(*level, "id"), upgrade.get(*level, "index"));
        let text =
            format!("fencing level {id} has index {index}, beyond {LEVELS}, and was dropped");
        upgrade.note(*level, text);
    }
    let parents: Vec<(ElementId, ElementId)> = all
        .iter()
        .filter_map(|level| Some((*level, upgrade.at(*level).parent()?.id())))
        .collect();
    remove(upgrade, parents.into_iter());
}

/// Takes elements out of their parents; those of one parent lie side by side in the list.
pub(super) fn remove(
    upgrade: &mut Upgrade<'_>,
    gone: impl Iterator<Item = (ElementId, ElementId)>,
) {
    let mut by_parent: Vec<(ElementId, Vec<ElementId>)> = Vec::new();
    for (element, parent) in gone {
        match by_parent.last_mut() {
            Some((known, elements)) if *known == parent => elements.push(element),
            _ => by_parent.push((parent, vec![element])),
        }
    }
    for (parent, elements) in by_parent {
        let elements: rustc_hash::FxHashSet<ElementId> = elements.into_iter().collect();
        upgrade
            .document
            .remove_children(parent, |child| elements.contains(&child.id()));
    }
}

/// All elements of the configuration.
fn configuration<'u>(upgrade: &'u Upgrade<'_>) -> impl Iterator<Item = Element<'u>> {
    let configuration = upgrade.document.root().child("configuration");
    configuration
        .into_iter()
        .flat_map(|configuration| configuration.descendants())
}
