//! Values of attributes: which are right, and how to say which would be.

use super::grammar::Accepted;

/// Whether a value is one of those that are accepted.
pub(super) fn accepts(accepted: &Accepted, value: &str) -> bool {
    let trimmed = value.trim_matches([' ', '\t', '\n', '\r']);
    match accepted {
        Accepted::Text => true,
        Accepted::Id | Accepted::IdRef => is_name(trimmed),
        Accepted::Integer => is_integer(trimmed),
        Accepted::Positive => {
            let digits = trimmed.strip_prefix('+').unwrap_or(trimmed);
            is_digits(digits) && digits.bytes().any(|digit| digit != b'0')
        }
        Accepted::Boolean => matches!(trimmed, "true" | "false" | "1" | "0"),
        Accepted::Ports => {
            !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit() || c == b'-')
        }
        Accepted::Devices => value.split(',').all(|device| {
            let part = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
            !device.is_empty() && device.bytes().all(part)
        }),
        Accepted::Literal(text) => same(text, value),
        Accepted::Not(texts) => !texts.contains(&value),
    }
}

/// How a value that is accepted is called.
pub(super) fn describe(accepted: &[&Accepted]) -> String {
    let mut texts: Vec<String> = accepted
        .iter()
        .map(|accepted| match accepted {
            Accepted::Text => "any text".to_owned(),
            Accepted::Id => "an id (a letter or _, then letters, digits, _ - .)".to_owned(),
            Accepted::IdRef => "the id of another element".to_owned(),
            Accepted::Integer => "an integer".to_owned(),
            Accepted::Positive => "a positive integer".to_owned(),
            Accepted::Boolean => "true or false".to_owned(),
            Accepted::Ports => "a range of ports such as 3000-3010".to_owned(),
            Accepted::Devices => "ids of devices, with commas between them".to_owned(),
            Accepted::Literal(text) => format!("\"{text}\""),
            Accepted::Not(_) => "another name".to_owned(),
        })
        .collect();
    texts.dedup();
    match texts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// Equal, whatever the white space.
fn same(a: &str, b: &str) -> bool {
    a == b || a.split_ascii_whitespace().eq(b.split_ascii_whitespace())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

fn is_integer(text: &str) -> bool {
    is_digits(text.strip_prefix(['+', '-']).unwrap_or(text))
}

/// A name of XML without colon. Characters beyond ASCII are taken for letters.
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let start = |c: u8| c.is_ascii_alphabetic() || c == b'_' || c >= 0x80;
    bytes.next().is_some_and(start)
        && bytes.all(|c| start(c) || c.is_ascii_digit() || matches!(c, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_right_or_not() {
        for (accepted, right, wrong) in [
            (Accepted::Id, "a-1.b", "1a"),
            (Accepted::Id, " a ", "a:b"),
            (Accepted::Integer, "-05", "1.0"),
            (Accepted::Positive, "+1", "00"),
            (Accepted::Boolean, "1", "yes"),
            (Accepted::Ports, "1-2", "a"),
            (Accepted::Devices, "a,b.c", "a,"),
            (Accepted::Literal("a b"), " a  b", "ab"),
            (Accepted::Not(vec!["x"]), "y", "x"),
        ] {
            assert!(accepts(&accepted, right), "{accepted:?} {right}");
            assert!(!accepts(&accepted, wrong), "{accepted:?} {wrong}");
        }
    }
}
