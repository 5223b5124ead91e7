//! The attributes of a tag, with their positions, and the references in values and text.
//!
//! quick-xml's own iterator is lenient and knows no positions; XML's grammar for attributes is
//! short.

use std::borrow::Cow;

use super::{Attribute, Fault, allowed, fault, is_name};
use crate::problem::quote;

/// So many on one element are no mistake but an attack: finding duplicates compares each with each.
const MAX_ATTRIBUTES: usize = 100;

/// `NAME = "VALUE"` pairs, separated by white space.
pub(super) fn attributes(raw: &str, base: usize) -> Result<Vec<Attribute<'_>>, Fault> {
    let mut found: Vec<Attribute<'_>> = Vec::new();
    let mut rest = raw;
    let here = |rest: &str| base + (raw.len() - rest.len());
    loop {
        let trimmed = rest.trim_ascii_start();
        if trimmed.is_empty() {
            return Ok(found);
        }
        let (offset, separated) = (here(trimmed), trimmed.len() < rest.len());
        let end = trimmed
            .find(|c: char| c == '=' || c.is_ascii_whitespace())
            .unwrap_or(trimmed.len());
        let name = &trimmed[..end];
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
        let Some(after) = trimmed[end..].trim_ascii_start().strip_prefix('=') else {
            return fault(
                offset,
                format!("the attribute {} has no value", quote(name)),
                format!("expected {name}=\"…\""),
            );
        };
        let after = after.trim_ascii_start();
        let Some(quote_mark) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return fault(
                here(after),
                format!("the value of {} is not in quotes", quote(name)),
                format!("expected {name}=\"…\""),
            );
        };
        let inside = &after[1..];
        let Some(length) = inside.find(quote_mark) else {
            return fault(
                here(after),
                format!("the value of {} is not closed", quote(name)),
                "add the missing quote",
            );
        };
        let value_offset = here(inside);
        let value = unescape(&inside[..length], value_offset)?;
        if found.iter().any(|earlier| earlier.name == name) {
            return fault(
                offset,
                format!("the attribute {} is given twice", quote(name)),
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
        found.push(Attribute {
            name,
            offset,
            value,
            value_offset,
        });
        rest = &inside[length + 1..];
    }
}

/// An attribute's value: references resolved, white space normalised as XML says.
fn unescape(raw: &str, base: usize) -> Result<Cow<'_, str>, Fault> {
    if !raw.contains(['&', '<', '\n', '\r', '\t']) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '<' => {
                return fault(
                    base + at,
                    "found '<' in the value of an attribute",
                    "write '&lt;', or close the quote before it",
                );
            }
            '&' => {
                // character and entity references are short: no search to the end of a long value
                // for each '&'
                let name: String = raw[at + 1..]
                    .chars()
                    .take(16)
                    .take_while(|c| *c != ';')
                    .collect();
                if !raw[at + 1 + name.len()..].starts_with(';') {
                    return fault(
                        base + at,
                        "found '&' without a reference",
                        "to write '&', use '&amp;'",
                    );
                }
                out.push(resolve(&name, base + at)?);
                while chars
                    .next_if(|(next, _)| *next <= at + 1 + name.len())
                    .is_some()
                {}
            }
            '\r' => {
                chars.next_if(|(_, next)| *next == '\n');
                out.push(' ');
            }
            '\n' | '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    Ok(Cow::Owned(out))
}

/// What `&name;` stands for.
pub(super) fn resolve(name: &str, at: usize) -> Result<char, Fault> {
    let number = match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => match name.strip_prefix('#') {
            Some(number) => number,
            None => {
                let message = format!(
                    "the entity {} is not known: entities are refused",
                    quote(&format!("&{name};"))
                );
                return fault(
                    at,
                    message,
                    "write the text itself, or a character reference such as '&#228;'",
                );
            }
        },
    };
    let code = match number.strip_prefix('x') {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16).ok()
        }
        None if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse().ok(),
        _ => None,
    };
    match code.and_then(char::from_u32).filter(|c| allowed(*c)) {
        Some(c) => Ok(c),
        None => fault(
            at,
            format!(
                "{} is no character that XML allows",
                quote(&format!("&{name};"))
            ),
            "remove it",
        ),
    }
}
