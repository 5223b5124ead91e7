//! Ids: each is there once, and what refers to one refers to one that is there.

use rustc_hash::FxHashMap;

use super::Invalid;
use crate::xml::{Document, Element};

/// Attributes that refer to an id.
const REFERENCES: &[&str] = &[
    "first",
    "id-ref",
    "reference",
    "rsc",
    "template",
    "then",
    "with-rsc",
];

/// Checks the `configuration` section, which follows a version of the format.
pub(super) fn check(document: &Document) -> Result<(), Invalid> {
    let Some(configuration) = document.root().child("configuration") else {
        return Ok(());
    };
    let mut ids: FxHashMap<&str, Element<'_>> = FxHashMap::default();
    for element in configuration.descendants() {
        if let Some(id) = own_id(element)
            && let Some(known) = ids.insert(id, element)
        {
            let (line, _) = known.position();
            let text = format!(
                "<{}> has the id {id}, which <{}> in line {line} has already",
                element.name(),
                known.name()
            );
            return Err(invalid(element, text));
        }
    }
    for element in configuration.descendants() {
        for (name, value) in element.attributes() {
            let refers = REFERENCES.contains(&name) || (name == "id" && has_reference(element));
            if refers && !ids.contains_key(value.trim()) {
                let tag = element.name();
                let text = format!("{name} of <{tag}>: there is no element with the id {value}");
                return Err(invalid(element, text));
            }
        }
    }
    Ok(())
}

/// The id of an element, if it is one that must be unique.
fn own_id(element: Element<'_>) -> Option<&str> {
    let is_text = matches!(element.name(), "node" | "acl_target" | "obj_ref");
    if is_text || has_reference(element) {
        return None;
    }
    element.get("id").map(str::trim)
}

/// Elements whose `id` is that of another one.
fn has_reference(element: Element<'_>) -> bool {
    matches!(element.name(), "resource_ref" | "role" | "role_ref")
}

fn invalid(element: Element<'_>, text: String) -> Invalid {
    let (line, column) = element.position();
    Invalid { line, column, text }
}
