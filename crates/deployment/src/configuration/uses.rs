//! What the primitives of `<configuration>` ask of their agents.

use std::collections::HashSet;
use std::sync::Arc;

use cpe_status::GuestSecret;

use super::index::{Index, referred};
use super::{agent, unfencing};
use crate::model::Deployment;
use crate::problem::Problems;
use crate::secret::is_secret;
use crate::tree::Element;
use crate::uses::{Given, MAX_GIVEN, Needed, Use, Why};
use crate::value;

/// Adds the uses of the primitives of a `<configuration>`.
pub(super) fn read(configuration: &Element<'_>, deployment: &Deployment, uses: &mut Vec<Use>) {
    let mut index = Index::new();
    let mut located = HashSet::new();
    configuration.visit(&mut |element| {
        if let Some(id) = element.value("id") {
            index.insert((element.name, id), element);
        }
        if element.name == "rsc_location" {
            located.extend(element.value("rsc"));
            element.visit(&mut |inner| {
                located.extend(inner.value("id").filter(|_| inner.name == "resource_ref"));
            });
            // A pattern may mean any of them.
            located.extend(element.value("rsc-pattern").map(|_| ""));
        }
    });
    let names = deployment.assemblies.iter().map(|it| it.name.clone());
    let mut collector = Collector {
        index,
        located,
        assemblies: names.collect(),
        given: 0,
        uses,
    };
    for section in &configuration.children {
        if section.name == "resources" {
            for resource in &section.children {
                collector.resource(resource, &Outer::default());
            }
        }
    }
}

/// What groups and clones around a primitive say about it.
#[derive(Debug, Clone, Copy, Default)]
struct Outer {
    promotable: bool,
    notified: bool,
    /// A location is about one of them.
    located: bool,
}

struct Collector<'e, 'u> {
    index: Index<'e>,
    /// Ids of resources that locations are about; an empty one stands for a pattern.
    located: HashSet<&'e str>,
    assemblies: Arc<[String]>,
    /// How many parameters there are so far.
    given: usize,
    uses: &'u mut Vec<Use>,
}

impl<'e> Collector<'e, '_> {
    fn resource(&mut self, element: &'e Element<'e>, outer: &Outer) {
        let is_located = self.located.contains("")
            || element
                .value("id")
                .is_some_and(|id| self.located.contains(id));
        let mut outer = Outer {
            located: outer.located || is_located,
            ..*outer
        };
        match element.name {
            "primitive" => self.primitive(element, &outer),
            "group" | "clone" | "bundle" => {
                let is_clone = element.name == "clone";
                outer.promotable |= is_clone && self.is_set(element, "promotable");
                outer.notified |= is_clone && self.is_set(element, "notify");
                for child in &element.children {
                    self.resource(child, &outer);
                }
            }
            _ => {}
        }
    }

    fn primitive(&mut self, primitive: &'e Element<'e>, outer: &Outer) {
        let template = primitive.value("template");
        let template = template.and_then(|id| self.index.get(&("template", id)).copied());
        let described = template.unwrap_or(primitive);
        // Said when the device itself was read.
        let mut ignored = Problems::default();
        let mut one = Use {
            service: primitive.value("id").unwrap_or_default().to_owned(),
            agent: agent(described),
            at: described.place("type"),
            assemblies: Arc::clone(&self.assemblies),
            everywhere: !outer.located,
            parameters: Vec::new(),
            actions: Vec::new(),
            unfences: unfencing::provided(primitive, template, &self.index, &mut ignored).is_some(),
        };
        let both = [Some(primitive), template];
        for part in both.into_iter().flatten() {
            self.parameters(part, &mut one);
            self.operations(part, &mut one);
        }
        let is_set = |name: &str| {
            let parts = both.into_iter().flatten();
            parts.into_iter().any(|part| self.is_set(part, name))
        };
        let at = primitive.offset;
        let mut need = |is_needed: bool, actions: &[&str], why: Why| {
            for action in actions.iter().filter(|_| is_needed) {
                let action = (*action).to_owned();
                one.actions.push(Needed { action, why, at });
            }
        };
        need(outer.promotable, &["promote", "demote"], Why::Promotable);
        need(outer.notified, &["notify"], Why::Notified);
        let migrates = is_set("allow-migrate");
        need(migrates, &["migrate_to", "migrate_from"], Why::Migrates);
        self.uses.push(one);
    }

    fn parameters(&mut self, part: &'e Element<'e>, one: &mut Use) {
        let sets = part.children.iter();
        for set in sets.filter(|set| set.name == "instance_attributes") {
            for pair in referred(set, &self.index).children.iter() {
                if pair.name != "nvpair" || self.given == MAX_GIVEN {
                    continue;
                }
                let source = referred(pair, &self.index);
                let name = pair.value("name").or(source.value("name"));
                if let (Some(name), Some(value)) = (name, source.value("value")) {
                    self.given += 1;
                    one.parameters.push(Given {
                        is_elsewhere: GuestSecret::of_value(value).is_some(),
                        is_secret: is_secret(name),
                        name: name.to_owned(),
                        value: value.to_owned(),
                        at: source.offset,
                    });
                }
            }
        }
    }

    fn operations(&self, part: &'e Element<'e>, one: &mut Use) {
        let sections = part.children.iter();
        let sections = sections.filter(|section| section.name == "operations");
        for operation in sections.flat_map(|section| &referred(section, &self.index).children) {
            if let Some(action) = operation.value("name") {
                one.actions.push(Needed {
                    action: action.to_owned(),
                    why: Why::Operation,
                    at: operation.place("name"),
                });
            }
        }
    }

    /// A meta attribute says yes.
    fn is_set(&self, element: &'e Element<'e>, name: &str) -> bool {
        let sets = element.children.iter();
        let mut pairs = sets
            .filter(|set| set.name == "meta_attributes")
            .flat_map(|set| &referred(set, &self.index).children);
        pairs.any(|pair| {
            let value = pair.value("value").unwrap_or_default();
            pair.value("name") == Some(name) && value::boolean(value) == Ok(true)
        })
    }
}
