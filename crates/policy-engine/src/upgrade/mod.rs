//! Old configurations (scheduler-spec/01 §19.4): what they say is put in the words of schema 4.0
//! before anything else reads it. Each kind of change has its file; each change is told. What is
//! new has ids such as those in the output of `crm_simulate`.
//!
//! ```text
//! 1.0 – 2.10 ─ options, nodes, operations, parameters ─▶ 3.0
//! 3.0 – 3.10 ─ promotable, pings, removed, values, locations ─▶ 4.0
//! ```

mod change;
mod locations;
mod nodes;
mod operations;
mod options;
mod parameters;
mod promotable;
mod removed;
mod values;

#[cfg(test)]
mod tests;

pub use change::{Change, Voice};

use crate::xml::{Document, Element, ElementId};

/// From which schemas a configuration is upgraded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum From {
    /// 1.0 to 2.10: to 3.0 first, then on to 4.0.
    Two,
    /// 3.0 to 3.10: to 4.0.
    Three,
}

/// Upgrades the configuration of a CIB to schema 4.0. Returns what was changed, in the order in
/// which it was done.
pub(crate) fn upgrade(document: &mut Document, from: From) -> Vec<Change> {
    let mut upgrade = Upgrade {
        document,
        changes: Vec::new(),
    };
    if from == From::Two {
        options::to_three(&mut upgrade);
        nodes::normal_to_member(&mut upgrade);
        operations::resolve(&mut upgrade);
        for resource in upgrade.below("resources", &["primitive", "template"]) {
            parameters::to_three(&mut upgrade, resource);
            operations::to_three(&mut upgrade, resource);
        }
    }
    values::to_four(&mut upgrade);
    options::to_four(&mut upgrade);
    promotable::to_four(&mut upgrade);
    nodes::ping_to_member(&mut upgrade);
    removed::to_four(&mut upgrade);
    locations::to_four(&mut upgrade);
    upgrade.changes
}

/// An upgrade under way.
struct Upgrade<'d> {
    document: &'d mut Document,
    changes: Vec<Change>,
}

impl Upgrade<'_> {
    /// A handle on an element.
    fn at(&self, id: ElementId) -> Element<'_> {
        self.document.element(id)
    }

    /// The value of an attribute, or nothing.
    fn get(&self, id: ElementId, name: &str) -> &str {
        self.at(id).get(name).unwrap_or_default()
    }

    /// The children of `parent` that are called so.
    fn children(&self, parent: ElementId, name: &str) -> Vec<ElementId> {
        let children = self.at(parent).children_named(name);
        children.map(|child| child.id()).collect()
    }

    /// The elements below a section that are called one of `names`, in document order.
    fn below(&self, section: &str, names: &[&str]) -> Vec<ElementId> {
        let section = self.section(section);
        let all = section.map(|section| {
            let all = self.at(section).descendants();
            all.filter(|element| names.contains(&element.name()))
                .map(|element| element.id())
                .collect()
        });
        all.unwrap_or_default()
    }

    /// A section of the configuration.
    fn section(&self, name: &str) -> Option<ElementId> {
        let configuration = self.document.root().child("configuration")?;
        configuration.child(name).map(|section| section.id())
    }

    /// Tells a change in the words in which Pacemaker's programs tell it, each line by itself.
    fn say(&mut self, at: ElementId, voice: Voice, lines: &[&str]) {
        for line in lines {
            self.record(at, voice, (*line).to_owned());
        }
    }

    /// Tells a change about which Pacemaker's programs are silent.
    fn note(&mut self, at: ElementId, text: String) {
        self.record(at, Voice::Silent, text);
    }

    fn record(&mut self, at: ElementId, voice: Voice, text: String) {
        let (line, column) = self.at(at).position();
        self.changes.push(Change {
            voice,
            text,
            line,
            column,
        });
    }
}
