//! Options of operations of Pacemaker 1 (scheduler-spec/01 §19.4): those among the parameters
//! become meta-attributes, and what an operation requires is required by its resource.

use super::{Upgrade, Voice, values};
use crate::xml::ElementId;

/// Options that stood among the parameters of an operation.
const OPTIONS: &[&str] = &[
    "enabled",
    "interval-origin",
    "on-fail",
    "record-pending",
    "role",
    "start-delay",
    "timeout",
];

/// Replaces references to sets of options by what they refer to, before any of it moves.
pub(super) fn resolve(upgrade: &mut Upgrade<'_>) {
    for operation in upgrade.below("resources", &["op"]) {
        for set in upgrade.children(operation, "instance_attributes") {
            resolve_set(upgrade, set);
        }
    }
}

/// The operations of one primitive or template.
pub(super) fn to_three(upgrade: &mut Upgrade<'_>, resource: ElementId) {
    let operations = upgrade.children(resource, "operations");
    let operations: Vec<ElementId> = operations
        .into_iter()
        .flat_map(|operations| upgrade.children(operations, "op"))
        .collect();
    let mut required = None;
    for operation in &operations {
        Operation::of(upgrade, resource, *operation).sets(upgrade, &mut required);
    }
    for operation in &operations {
        Operation::of(upgrade, resource, *operation).attribute(upgrade, &mut required);
    }
    require(upgrade, resource, required);
}

/// An operation that is being upgraded.
struct Operation {
    element: ElementId,
    /// Its id.
    id: String,
    /// Of its resource.
    resource: String,
    /// It brings its resource to life, so that it may require something.
    starts: bool,
}

/// The latest requirement of a start: the value, and the id of the set or operation that has it.
type Required = Option<(String, ElementId)>;

impl Operation {
    fn of(upgrade: &Upgrade<'_>, resource: ElementId, element: ElementId) -> Operation {
        Operation {
            element,
            id: upgrade.get(element, "id").to_owned(),
            resource: upgrade.get(resource, "id").to_owned(),
            starts: matches!(upgrade.get(element, "name"), "start" | "promote"),
        }
    }

    /// Moves options from its parameters, and what it requires from all its sets.
    fn sets(&self, upgrade: &mut Upgrade<'_>, required: &mut Required) {
        let mut moved: Vec<ElementId> = Vec::new();
        for set in upgrade.children(self.element, "instance_attributes") {
            let place = format!(
                "Resources-operation instance_attributes: {} (rsc={}, meta={})",
                self.id,
                self.resource,
                upgrade.get(set, "id")
            );
            let options = self.options(upgrade, set, &place);
            self.requirements(upgrade, set, &place, required, "instance_attributes");
            if let Some(target) = self.target(upgrade, set, !options.is_empty()) {
                let names: Vec<&str> = options.iter().map(|o| upgrade.get(*o, "name")).collect();
                let earlier = moved
                    .iter()
                    .filter(|earlier| names.contains(&upgrade.get(**earlier, "name")))
                    .map(|earlier| (*earlier, target));
                // of two sets, the later one counts
                let earlier: Vec<_> = earlier.collect();
                values::remove(upgrade, earlier.into_iter());
                let document = &mut *upgrade.document;
                let copies = options.iter().map(|o| document.append_copy(target, *o));
                moved.extend(copies);
            }
            let gone = options.into_iter().map(|option| (option, set));
            values::remove(upgrade, gone);
            self.remove_if_empty(upgrade, set);
        }
        for set in upgrade.children(self.element, "meta_attributes") {
            let place = format!(
                "Resources-operation: {} (rsc={}, meta={})",
                self.id,
                self.resource,
                upgrade.get(set, "id")
            );
            if self.requirements(upgrade, set, &place, required, "meta_attributes") {
                self.remove_if_empty(upgrade, set);
            }
        }
    }

    /// The options among the pairs of a set.
    fn options(&self, upgrade: &mut Upgrade<'_>, set: ElementId, place: &str) -> Vec<ElementId> {
        let mut options = upgrade.children(set, "nvpair");
        options.retain(|pair| OPTIONS.contains(&upgrade.get(*pair, "name")));
        for pair in &options {
            let name = upgrade.get(*pair, "name");
            let text = format!(
                "{place}: moving {name} under meta_attributes as {name} unless already defined there"
            );
            upgrade.say(*pair, Voice::Debug, &[&text]);
        }
        options
    }

    /// The set of meta-attributes that takes options of a set of parameters: a new one with the
    /// same rule, else the first without a rule.
    fn target(&self, upgrade: &mut Upgrade<'_>, set: ElementId, wanted: bool) -> Option<ElementId> {
        if !wanted {
            return None;
        }
        let rule = upgrade.at(set).child("rule").map(|rule| rule.id());
        let known = upgrade.children(self.element, "meta_attributes");
        let known = known
            .into_iter()
            .find(|known| upgrade.at(*known).child("rule").is_none());
        if rule.is_none() && known.is_some() {
            return known;
        }
        let id = match rule {
            Some(_) => format!("_2TO3_{}", upgrade.get(set, "id")),
            None => format!("_2TO3_{}-meta", self.id),
        };
        let target = upgrade.document.append(self.element, "meta_attributes");
        upgrade.document.set(target, "id", &id);
        if let Some(rule) = rule {
            upgrade.document.append_copy(target, rule);
        }
        Some(target)
    }

    /// Takes `requires` out of a set. Returns whether there was one.
    fn requirements(
        &self,
        upgrade: &mut Upgrade<'_>,
        set: ElementId,
        place: &str,
        required: &mut Required,
        kind: &str,
    ) -> bool {
        let mut pairs = upgrade.children(set, "nvpair");
        pairs.retain(|pair| upgrade.get(*pair, "name") == "requires");
        for pair in &pairs {
            let target = match kind {
                "instance_attributes" => "per-resource-meta_attributes",
                _ => "meta_attributes",
            };
            self.tell_requirement(upgrade, *pair, place, target);
            if self.starts {
                *required = Some((upgrade.get(*pair, "value").to_owned(), set));
            }
        }
        let found = !pairs.is_empty();
        values::remove(upgrade, pairs.into_iter().map(|pair| (pair, set)));
        found
    }

    /// The same for `requires` as attribute of the operation itself.
    fn attribute(&self, upgrade: &mut Upgrade<'_>, required: &mut Required) {
        let Some(value) = upgrade.at(self.element).get("requires") else {
            return;
        };
        let value = value.to_owned();
        let place = format!("Resources-operation: {} (rsc={})", self.id, self.resource);
        self.tell_requirement(upgrade, self.element, &place, "meta_attributes");
        upgrade.document.unset(self.element, "requires");
        if self.starts {
            *required = Some((value, self.element));
        }
    }

    fn tell_requirement(&self, upgrade: &mut Upgrade<'_>, at: ElementId, place: &str, to: &str) {
        if self.starts {
            let text = format!(
                "{place}: moving requires under {to} as requires unless already defined there for matching start|promote"
            );
            upgrade.say(at, Voice::Debug, &[&text]);
            return;
        }
        let kind = place.split(':').next().unwrap_or_default();
        let lines = [
            format!("{place}: dropping requires"),
            format!("{kind}: ... only start/promote operation taken into account"),
        ];
        upgrade.say(at, Voice::Info, &[&lines[0], &lines[1]]);
    }

    fn remove_if_empty(&self, upgrade: &mut Upgrade<'_>, set: ElementId) {
        if upgrade.at(set).child("nvpair").is_none() {
            values::remove(upgrade, std::iter::once((set, self.element)));
        }
    }
}

fn resolve_set(upgrade: &mut Upgrade<'_>, set: ElementId) {
    let element = upgrade.at(set);
    if element.get("id-ref").is_none() {
        return;
    }
    let Some(target) = element.document().referenced(element) else {
        return;
    };
    let pairs: Vec<ElementId> = target.children().map(|child| child.id()).collect();
    let moves = target
        .children()
        .any(|pair| pair.get("name").is_some_and(|name| OPTIONS.contains(&name)));
    if !moves {
        return;
    }
    let id = format!("_cibtr-2_{}", upgrade.get(set, "id-ref"));
    upgrade.document.unset(set, "id-ref");
    upgrade.document.set(set, "id", &id);
    for pair in pairs {
        upgrade.document.append_copy(set, pair);
    }
}

/// Gives a resource the requirement of its starts, unless it has one of its own.
fn require(upgrade: &mut Upgrade<'_>, resource: ElementId, required: Required) {
    let Some((value, from)) = required else {
        return;
    };
    let has_own = upgrade
        .at(resource)
        .children_named("meta_attributes")
        .flat_map(|set| set.children_named("nvpair"))
        .any(|pair| pair.get("name") == Some("requires"));
    if has_own {
        return;
    }
    let set_id = format!("_2TO3_{}-meta", upgrade.get(resource, "id"));
    let pair_id = format!("_2TO3_{}-meta-requires", upgrade.get(from, "id"));
    let document = &mut *upgrade.document;
    let set = document.append(resource, "meta_attributes");
    document.set(set, "id", &set_id);
    let pair = document.append(set, "nvpair");
    document.set(pair, "id", &pair_id);
    document.set(pair, "name", "requires");
    document.set(pair, "value", &value);
}
