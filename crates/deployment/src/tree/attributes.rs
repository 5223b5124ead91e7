//! The attributes of a tag, with their positions.
//!
//! quick-xml's own iterator is lenient and knows no positions; XML's grammar for attributes is
//! short.

use super::characters::{is_name, unescape};
use super::element::Attribute;
use super::fault::{Fault, fault};
use crate::problem::quote;

/// No element needs more, and finding duplicates compares each with each.
const MAX_ATTRIBUTES: usize = 100;

/// `NAME = "VALUE"` pairs, separated by white space. `base` is the offset of `raw` in the document.
pub(super) fn attributes(raw: &str, base: usize) -> Result<Vec<Attribute<'_>>, Fault> {
    let mut found: Vec<Attribute<'_>> = Vec::new();
    let mut rest = raw;
    loop {
        let trimmed = rest.trim_ascii_start();
        if trimmed.is_empty() {
            return Ok(found);
        }
        let separated = trimmed.len() < rest.len();
        let offset = base + (raw.len() - trimmed.len());
        let (attribute, length) = attribute(trimmed, offset, separated)?;
        if found.iter().any(|earlier| earlier.name == attribute.name) {
            return fault(
                offset,
                format!("the attribute {} is given twice", quote(attribute.name)),
                "remove one of them",
            );
        }
        if found.len() == MAX_ATTRIBUTES {
            return fault(
                offset,
                format!("the element has more than {MAX_ATTRIBUTES} attributes"),
                "remove some of them",
            );
        }
        found.push(attribute);
        rest = &trimmed[length..];
    }
}

/// The attribute at the beginning of `text`, which is not empty, and its length in bytes.
fn attribute(text: &str, offset: usize, separated: bool) -> Result<(Attribute<'_>, usize), Fault> {
    let end = text
        .find(|c: char| c == '=' || c.is_ascii_whitespace())
        .unwrap_or(text.len());
    let name = &text[..end];
    if !is_name(name) {
        return fault(
            offset,
            format!("{} is not the name of an attribute", quote(name)),
            "expected name=\"value\"",
        );
    }
    if !separated {
        return fault(
            offset,
            format!("no white space before the attribute {}", quote(name)),
            "add a space",
        );
    }
    let Some(after) = text[end..].trim_ascii_start().strip_prefix('=') else {
        return fault(
            offset,
            format!("the attribute {} has no value", quote(name)),
            format!("expected {name}=\"…\""),
        );
    };
    let after = after.trim_ascii_start();
    let here = |rest: &str| offset + (text.len() - rest.len());
    let Some(mark) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return fault(
            here(after),
            format!("the value of {} is not in quotes", quote(name)),
            format!("expected {name}=\"…\""),
        );
    };
    let inside = &after[1..];
    let Some(length) = inside.find(mark) else {
        return fault(
            here(after),
            format!("the value of {} is not closed", quote(name)),
            "add the missing quote",
        );
    };
    let value_offset = here(inside);
    let attribute = Attribute {
        name,
        offset,
        value: unescape(&inside[..length], value_offset)?,
        value_offset,
    };
    Ok((attribute, value_offset - offset + length + 1))
}
