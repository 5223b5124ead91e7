//! Ids of `<configuration>` and what refers to them.

use std::collections::{HashMap, HashSet};

use super::grammar::Kind;
use crate::lower;
use crate::model::Deployment;
use crate::problem::{Problems, quote};
use crate::tree::Element;

const RESOURCES: [&str; 6] = ["primitive", "group", "clone", "bundle", "template", "tag"];

/// Every id with the name of its element, every name of a node, every reference.
pub(super) struct Links<'e> {
    /// Those of the short forms first.
    elements: HashMap<String, &'e str>,
    assemblies: Vec<String>,
    /// Lower-case: the names of nodes are compared ignoring case.
    nodes: HashSet<String>,
    /// Bundles bring nodes called `BUNDLE-NUMBER`.
    bundles: HashSet<String>,
    references: Vec<Reference<'e>>,
}

struct Reference<'e> {
    kind: Kind,
    /// The element that refers.
    from: &'e str,
    to: String,
    offset: usize,
}

impl<'e> Links<'e> {
    pub(super) fn of(deployment: &Deployment) -> Self {
        Links {
            elements: lower::ids(deployment).into_iter().collect(),
            assemblies: deployment
                .assemblies
                .iter()
                .map(|assembly| assembly.name.clone())
                .collect(),
            nodes: deployment
                .assemblies
                .iter()
                .map(|assembly| assembly.name.to_ascii_lowercase())
                .collect(),
            bundles: HashSet::new(),
            references: Vec::new(),
        }
    }

    pub(super) fn define(
        &mut self,
        id: &str,
        element: &'e Element<'_>,
        offset: usize,
        problems: &mut Problems,
    ) {
        if let Some(earlier) = self.elements.insert(id.to_owned(), element.name) {
            let message = format!("the id {} is already used by a <{earlier}>", quote(id));
            let hint = "choose another: it must differ from all ids and names of services";
            problems.error(offset, message, hint.to_owned());
        }
    }

    pub(super) fn refer(&mut self, kind: Kind, from: &'e str, to: &str, offset: usize) {
        self.references.push(Reference {
            kind,
            from,
            to: to.to_owned(),
            offset,
        });
    }

    /// Records the nodes that an element brings along: remote nodes, guest nodes and those of
    /// bundles.
    pub(super) fn bring_nodes(&mut self, element: &Element<'_>) {
        let is = |name: &str, value: &str| {
            element
                .value(name)
                .is_some_and(|found| found.eq_ignore_ascii_case(value))
        };
        match element.name {
            "primitive"
                if is("class", "ocf") && is("provider", "pacemaker") && is("type", "remote") =>
            {
                self.nodes
                    .extend(element.value("id").map(str::to_ascii_lowercase));
            }
            "nvpair" if is("name", "remote-node") => {
                self.nodes
                    .extend(element.value("value").map(str::to_ascii_lowercase));
            }
            "bundle" => self
                .bundles
                .extend(element.value("id").map(str::to_ascii_lowercase)),
            _ => {}
        }
    }

    /// A node of that name: an assembly, or one that a resource brings along.
    pub(super) fn is_node(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let replica = |(bundle, number): (&str, &str)| {
            self.bundles.contains(bundle)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        };
        self.nodes.contains(&name) || name.rsplit_once('-').is_some_and(replica)
    }

    /// Reports references that lead nowhere.
    pub(super) fn check(&self, problems: &mut Problems) {
        // sorted, for the same suggestion every time
        let ids = |wanted: &dyn Fn(&str) -> bool| {
            let of_kind = self.elements.iter().filter(|(_, name)| wanted(name));
            let mut ids: Vec<&str> = of_kind.map(|(id, _)| id.as_str()).collect();
            ids.sort_unstable();
            ids
        };
        for reference in &self.references {
            let found = self.elements.get(&reference.to).copied();
            let to = quote(&reference.to);
            let wanted: &dyn Fn(&str) -> bool = match reference.kind {
                Kind::Resource => &|name| RESOURCES.contains(&name),
                Kind::Template => &|name| name == "template",
                Kind::SameAs => &|name| name == reference.from,
                _ => &|_| true,
            };
            let leads_somewhere = match reference.kind {
                Kind::Node => self.is_node(&reference.to),
                _ => found.is_some_and(wanted),
            };
            if leads_somewhere {
                continue;
            }
            let message = match reference.kind {
                Kind::Resource => format!("there is no resource, template or tag {to}"),
                Kind::Template => format!("there is no template {to}"),
                Kind::SameAs => format!("there is no <{}> with the id {to}", reference.from),
                Kind::Node => format!("there is no assembly {to}"),
                _ => format!("there is nothing with the id {to}"),
            };
            let known = match reference.kind {
                _ if !problems.may_suggest() => Vec::new(),
                Kind::Node => self.assemblies.iter().map(String::as_str).collect(),
                Kind::Object => ids(&|name| RESOURCES.contains(&name)),
                _ => ids(wanted),
            };
            let hint = problems.suggest(&reference.to, known);
            problems.error(reference.offset, message, hint);
        }
    }
}
