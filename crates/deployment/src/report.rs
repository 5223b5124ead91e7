//! Problems that any element can have, in the same words for the short forms and for Pacemaker's
//! elements.

use crate::problem::{Problems, quote};
use crate::secret::{self, SECRETS, secret_use};
use crate::treatment::{Row, Treatment};
use crate::tree::{Attribute, Element};

/// An attribute that the element must not have.
pub(crate) fn unknown_attribute<'k>(
    element: &Element<'_>,
    attribute: &Attribute<'_>,
    known: impl IntoIterator<Item = &'k str>,
    problems: &mut Problems,
) {
    let message = format!(
        "<{}> has no attribute {}",
        element.name,
        quote(attribute.name)
    );
    let hint = problems.suggest(attribute.name, known);
    problems.error(attribute.offset, message, hint);
}

/// An attribute that the element must have.
pub(crate) fn missing_attribute(element: &Element<'_>, name: &str, problems: &mut Problems) {
    let message = format!("<{}> lacks the attribute '{name}'", element.name);
    problems.error(element.offset, message, format!("add {name}=\"…\""));
}

/// A value that the attribute must not have.
pub(crate) fn invalid_value(
    element: &Element<'_>,
    attribute: &Attribute<'_>,
    expected: String,
    problems: &mut Problems,
) {
    let message = invalid(element, attribute);
    problems.error(attribute.value_offset, message, expected);
}

/// A value that the attribute must not have, and with which it is read without effect.
pub(crate) fn value_without_effect(
    element: &Element<'_>,
    attribute: &Attribute<'_>,
    expected: String,
    problems: &mut Problems,
) {
    let message = invalid(element, attribute);
    problems.refuse(attribute.value_offset, message, expected);
}

fn invalid(element: &Element<'_>, attribute: &Attribute<'_>) -> String {
    // A password, where somebody took the mark for its place.
    let value = match secret::is_secret(attribute.name) {
        true => "what stands there".to_owned(),
        false => quote(&attribute.value),
    };
    format!(
        "{value} is not a valid {} of <{}>",
        attribute.name, element.name
    )
}

/// An element that must not be here.
pub(crate) fn misplaced(
    parent: &Element<'_>,
    child: &Element<'_>,
    hint: Option<String>,
    problems: &mut Problems,
) {
    let message = format!("<{}> must not contain <{}>", parent.name, child.name);
    let hint = hint.unwrap_or_else(|| "remove it".to_owned());
    problems.error(child.offset, message, hint);
}

/// A second section of one name.
pub(crate) fn second_section(parent: &Element<'_>, child: &Element<'_>, problems: &mut Problems) {
    let message = format!("<{}> contains <{}> twice", parent.name, child.name);
    let hint = "put everything into one of them".to_owned();
    problems.error(child.offset, message, hint);
}

/// Text, if there is any: only `<value>` may contain some.
pub(crate) fn text_in(element: &Element<'_>, problems: &mut Problems) {
    if let Some(text) = &element.text {
        let message = format!("<{}> must not contain text", element.name);
        // It may be a password, written where none belongs.
        let (message, hint) = match element.name {
            "parameter" | "nvpair" => (message, "write it as value=\"…\", or remove it"),
            "parameters" | "instance_attributes" | "attribute" | "value" | "reference" => {
                (message, "remove it, or write it as a comment")
            }
            _ => {
                let found = quote(text.value.trim());
                (
                    format!("{message}: {found}"),
                    "remove it, or write it as a comment",
                )
            }
        };
        problems.error(text.offset, message, hint.to_owned());
    }
}

/// What a row says of a name with a value: that nothing carries it out, or that it means nothing.
/// `said`: what the name is called, the name, the value.
pub(crate) fn treated(row: &Row, said: (&str, &str, &str), at: usize, problems: &mut Problems) {
    let (called, name, value) = said;
    if let Some(hint) = row.refuses(value) {
        let with = match row.treatment {
            Treatment::Refused { .. } => String::new(),
            _ => format!(" with the value {}", quote(value)),
        };
        let message = format!("the {called} {}{with} cannot be carried out", quote(name));
        problems.refuse(at, message, hint.to_owned());
    } else if let Treatment::NoMeaning { reason } = row.treatment {
        let message = format!("the {called} {} means nothing here", quote(name));
        problems.warning(at, message, reason.to_owned());
    }
}

/// A value that the policy engine would not understand: it would take its default, and the author
/// wait in vain. `said`: what the name is called, the name, the value.
pub(crate) fn misunderstood(
    row: &Row,
    said: (&str, &str, &str),
    at: usize,
    problems: &mut Problems,
) {
    let (called, name, value) = said;
    if row.misunderstands(value) {
        let (found, name) = (quote(value), quote(name));
        let message = format!("{found} is not a valid value of the {called} {name}");
        problems.refuse(at, message, row.values.expected(value, problems));
    }
}

/// A parameter of a fence agent whose value is in a file that the deployment must not use; a secret
/// that is in the document itself. `is_secret`: it is one, by its name or by its mark.
pub(crate) fn secret(
    (name, is_secret): (&str, bool),
    value: &str,
    deployment: &str,
    at: usize,
    problems: &mut Problems,
) {
    if let Err(expected) = secret::check(value, deployment) {
        let message = format!("{} must not have its value from that file", quote(name));
        problems.error(at, message, expected);
    } else if is_secret && secret_use(value).is_none() && !value.is_empty() {
        let message = format!("the secret {} is in the document itself", quote(name));
        let hint = format!(
            "whoever reads the document has it: put it into {SECRETS}{deployment}/{name} on the host (root only), \
             and write file=\"{SECRETS}{deployment}/{name}\" (in <configuration>: value=\"{}\")",
            secret::content_of(&format!("{SECRETS}{deployment}/{name}"))
        );
        problems.warning(at, message, hint);
    }
}

/// `'a' → 'b' → 'a'`: what forms a cycle, shortened if it is long.
pub(crate) fn cycle(names: impl ExactSizeIterator<Item = String>, first: String) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = names.take(SHOWN).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown.push(first);
    shown.join(" → ")
}
