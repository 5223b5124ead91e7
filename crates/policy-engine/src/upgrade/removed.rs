//! Resources that Pacemaker 3 cannot run (scheduler-spec/01 §19.4): those of the classes `nagios`
//! and `upstart` and bundles of rkt. They go, and so do references to them and what is left empty.

use rustc_hash::FxHashSet;

use super::{Upgrade, Voice, values};
use crate::xml::{Element, ElementId};

const CLASSES: &[&str] = &["nagios", "upstart"];

pub(super) fn to_four(upgrade: &mut Upgrade<'_>) {
    let mut gone = Gone::default();
    gone.templates(upgrade);
    let Some(resources) = upgrade.section("resources") else {
        return;
    };
    gone.below(upgrade, resources);
    if gone.ids.is_empty() {
        return;
    }
    gone.tags(upgrade);
    gone.constraints(upgrade);
    let mut parents: Vec<(ElementId, ElementId)> = gone
        .elements
        .iter()
        .filter_map(|element| Some((*element, upgrade.at(*element).parent()?.id())))
        .collect();
    parents.sort_unstable_by_key(|(element, parent)| (*parent, *element));
    values::remove(upgrade, parents.into_iter());
}

/// What goes.
#[derive(Default)]
struct Gone {
    /// Ids of resources, templates and tags.
    ids: FxHashSet<String>,
    /// Their elements, and others that go with them; not those below them.
    elements: Vec<ElementId>,
    /// Ids of templates of a class that is gone, with the class.
    templates: Vec<(String, &'static str)>,
}

impl Gone {
    fn add(&mut self, upgrade: &Upgrade<'_>, element: ElementId) {
        self.ids.insert(upgrade.get(element, "id").to_owned());
        self.elements.push(element);
    }

    fn templates(&mut self, upgrade: &Upgrade<'_>) {
        for template in upgrade.below("resources", &["template"]) {
            if let Some(class) = gone_class(upgrade.at(template)) {
                let id = upgrade.get(template, "id").to_owned();
                self.templates.push((id, class));
            }
        }
    }

    /// Finds what goes among the children of an element, in document order. Returns whether the
    /// element stays: not if all its resources go.
    fn below(&mut self, upgrade: &mut Upgrade<'_>, parent: ElementId) -> bool {
        let children: Vec<ElementId> = upgrade.at(parent).children().map(|c| c.id()).collect();
        let known = self.elements.len();
        let mut stays = false;
        for child in children {
            match upgrade.at(child).name() {
                "primitive" | "template" => {
                    let class = self.class_of(upgrade.at(child));
                    match class {
                        Some(class) => self.drop_primitive(upgrade, child, class),
                        None => stays = true,
                    }
                }
                "group" | "clone" => {
                    if self.below(upgrade, child) {
                        stays = true;
                    } else {
                        self.drop_empty(upgrade, child);
                    }
                }
                "bundle" => {
                    if upgrade.at(child).child("rkt").is_some() {
                        self.drop_bundle(upgrade, child);
                    } else {
                        self.below(upgrade, child);
                        stays = true;
                    }
                }
                _ => {}
            }
        }
        stays || self.elements.len() == known
    }

    /// The class of a resource that goes for its class, or its template's.
    fn class_of(&self, resource: Element<'_>) -> Option<&'static str> {
        let template = resource.get("template").and_then(|template| {
            let known = self.templates.iter().find(|(id, _)| id == template);
            known.map(|(_, class)| *class)
        });
        gone_class(resource).or(template)
    }

    fn drop_primitive(&mut self, upgrade: &mut Upgrade<'_>, element: ElementId, class: &str) {
        let id = upgrade.get(element, "id");
        let kind = match upgrade.at(element).name() {
            "template" => "template",
            _ => "resource",
        };
        let text =
            format!("Dropping {kind} {id} because {class} resources are no longer supported");
        upgrade.say(element, Voice::Warning, &[&text]);
        self.add(upgrade, element);
    }

    fn drop_bundle(&mut self, upgrade: &mut Upgrade<'_>, element: ElementId) {
        let id = upgrade.get(element, "id");
        let text =
            format!("Dropping bundle resource {id} because rkt containers are no longer supported");
        upgrade.say(element, Voice::Warning, &[&text]);
        let inner: Vec<String> = upgrade
            .at(element)
            .children_named("primitive")
            .filter_map(|primitive| primitive.get("id").map(str::to_owned))
            .collect();
        self.ids.extend(inner);
        self.add(upgrade, element);
    }

    fn drop_empty(&mut self, upgrade: &mut Upgrade<'_>, element: ElementId) {
        let (name, id) = (upgrade.at(element).name(), upgrade.get(element, "id"));
        let text = format!(
            "Dropping {name} resource {id} because it has no more supported resources in it"
        );
        upgrade.note(element, text);
        self.add(upgrade, element);
    }

    /// A tag of which nothing is left goes too.
    fn tags(&mut self, upgrade: &mut Upgrade<'_>) {
        for tag in upgrade.below("tags", &["tag"]) {
            let references = upgrade.children(tag, "obj_ref");
            let lost = self.lost(upgrade, &references);
            if lost.is_empty() {
                continue;
            }
            if lost.len() == references.len() {
                let text = format!("tag {} is empty and was dropped", upgrade.get(tag, "id"));
                upgrade.note(tag, text);
                self.add(upgrade, tag);
            } else {
                self.elements.extend(lost);
            }
        }
    }

    /// Those of some references whose target goes.
    fn lost(&self, upgrade: &Upgrade<'_>, references: &[ElementId]) -> Vec<ElementId> {
        let lost = references.iter().copied();
        lost.filter(|reference| self.ids.contains(upgrade.get(*reference, "id")))
            .collect()
    }

    /// A constraint goes whose resource goes, or all of whose sets are left empty.
    fn constraints(&mut self, upgrade: &mut Upgrade<'_>) {
        let constraints = upgrade.below(
            "constraints",
            &["rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket"],
        );
        for constraint in constraints {
            let element = upgrade.at(constraint);
            let refers = ["rsc", "with-rsc", "first", "then"]
                .iter()
                .filter_map(|name| element.get(name))
                .any(|id| self.ids.contains(id));
            if refers || self.sets(upgrade, constraint) {
                let text = format!(
                    "constraint {} was dropped with the resources that it refers to",
                    upgrade.get(constraint, "id")
                );
                upgrade.note(constraint, text);
                self.elements.push(constraint);
            }
        }
    }

    /// Takes references out of the sets of a constraint. Returns whether all its sets are lost.
    fn sets(&mut self, upgrade: &Upgrade<'_>, constraint: ElementId) -> bool {
        let sets = upgrade.children(constraint, "resource_set");
        let mut left = sets.len();
        let mut elements = Vec::new();
        for set in &sets {
            let references = upgrade.children(*set, "resource_ref");
            let lost = self.lost(upgrade, &references);
            if !lost.is_empty() && lost.len() == references.len() {
                elements.push(*set);
                left -= 1;
            } else {
                elements.extend(lost);
            }
        }
        let all = !sets.is_empty() && left == 0;
        if !all {
            self.elements.extend(elements);
        }
        all
    }
}

fn gone_class(resource: Element<'_>) -> Option<&'static str> {
    let class = resource.get("class")?;
    CLASSES.iter().copied().find(|gone| *gone == class)
}
