//! What the reference prints about a configuration of an old version that follows a later one than
//! it names: a report for each version that it was tried with in vain.
//!
//! `crm_simulate` lets libxml2 check the configuration against one version of the format after the
//! other, and libxml2 writes to standard error where a check fails. Scripts compare that text, so
//! it is written here as well: what is found first, what is left out, and which place is named
//! follow from the order in which libxml2 tries patterns ([`matching`]) and from the rules by which
//! it drops reports ([`report`]). The order in which it lists ids that are not known is by chance;
//! here it is that of their first references.

mod choices;
mod matching;
mod report;
mod state;
#[cfg(test)]
mod tests;

use super::grammar::Grammar;
use super::{Named, VERSIONS, Version, check, named};
use crate::xml::{Document, ElementId};

/// An attribute that refers to an id.
struct Reference {
    element: ElementId,
    attribute: &'static str,
    id: String,
}

/// What all checks of one document share: libxml2 keeps with the document which attributes were
/// found to be ids, and each reference as often as it was looked at.
#[derive(Default)]
struct Ids {
    /// Ids, and whose they are.
    known: rustc_hash::FxHashMap<String, ElementId>,
    references: Vec<Reference>,
}

/// The lines, if any version fails before one fits. A document that no version allows is refused,
/// and has no lines.
pub(crate) fn complaints(document: &Document) -> Vec<String> {
    let Named::Version(first) = named(document) else {
        return Vec::new();
    };
    let mut later = VERSIONS.iter().copied().filter(|version| *version >= first);
    let mut failing = Vec::new();
    loop {
        match later.next() {
            None => return Vec::new(),
            Some(version) if check::check(document, version).is_ok() => break,
            Some(version) => failing.push(version),
        }
    }
    let mut ids = Ids::default();
    let mut lines = Vec::new();
    for version in failing {
        one_version(document, version, &mut ids, &mut lines);
    }
    lines
}

fn one_version(document: &Document, version: Version, ids: &mut Ids, lines: &mut Vec<String>) {
    let grammar = Grammar::of(version);
    lines.extend(matching::check(document, &grammar, &mut *ids));
    let mut told: Vec<&str> = Vec::new();
    for reference in &ids.references {
        if ids.known.contains_key(&reference.id) || told.contains(&&*reference.id) {
            continue;
        }
        told.push(&reference.id);
        let same = ids.references.iter().filter(|it| it.id == reference.id);
        lines.extend(same.map(|it| {
            format!(
                "element {}: validity error : IDREF attribute {} references an unknown ID \"{}\"",
                document.element(it.element).name(),
                it.attribute,
                it.id
            )
        }));
    }
}
