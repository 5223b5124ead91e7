//! The characters of a document: encoding, which ones XML allows, names, references, line ends.

use std::borrow::Cow;

use super::fault::{Fault, fault};
use crate::problem::quote;

/// The largest document accepted, in bytes.
pub const MAX_SIZE: usize = 8 << 20;

/// The document as text: UTF-8 of a bounded size with characters that XML allows.
pub(crate) fn decode(document: &[u8]) -> Result<&str, Fault> {
    if document.len() > MAX_SIZE {
        let message = format!(
            "the document has {} bytes, more than the {MAX_SIZE} accepted",
            document.len()
        );
        return fault(0, message, "split the deployable into several");
    }
    if document.starts_with(&[0xff, 0xfe]) || document.starts_with(&[0xfe, 0xff]) {
        return fault(0, "the document is encoded in UTF-16", "save it in UTF-8");
    }
    let text = match std::str::from_utf8(document) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            return fault(
                at,
                format!("the byte 0x{:02x} is not valid UTF-8 here", document[at]),
                "save the document in UTF-8",
            );
        }
    };
    match text.char_indices().find(|(_, c)| !allowed(*c)) {
        Some((at, c)) => fault(
            at,
            format!("XML does not allow the character U+{:04X}", u32::from(c)),
            "remove it",
        ),
        None => Ok(text),
    }
}

/// `Char` of the XML 1.0 recommendation.
fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// `NCName` of XML's namespaces, without its rarest characters: a letter or `_`, then letters,
/// digits, `.`, `-`, `_`; here `:` is allowed too.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_' || c == ':')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '\u{b7}'))
}

/// What XML Schema accepts as an id: an `NCName`.
pub(crate) fn is_id(text: &str) -> bool {
    is_name(text) && !text.contains(':')
}

/// Line ends become `\n`, as XML says.
pub(super) fn normalize_lines(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        text
    }
}

/// An attribute's value: references resolved, white space normalized as XML says.
pub(super) fn unescape(raw: &str, base: usize) -> Result<Cow<'_, str>, Fault> {
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
                // Its name is not told: it may be a piece of a password.
                return fault(
                    at,
                    "this entity is not known: entities are refused",
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
                "{} is not a character that XML allows",
                quote(&format!("&{name};"))
            ),
            "remove it",
        ),
    }
}
