//! POSIX extended regular expressions, as `rsc-pattern` has them (scheduler-spec/03 §4.1), on
//! bytes: Pacemaker's scheduler sets no locale.
//!
//! They are translated into the syntax of the `regex` crate, which takes a time in proportion to
//! the text for each match, and whose expressions are bounded in size. Back-references, which POSIX
//! does not have either, are refused.

use regex::bytes::{Regex, RegexBuilder};

/// Limit of a compiled expression, in bytes: a constant, and a part for each byte of its text.
/// Repetitions of repetitions exceed it; a long list of names does not.
const SIZE_LIMIT: (usize, usize) = (16 * 1024, 128);

/// Reads an expression.
///
/// # Errors
/// Why a pattern is not valid.
pub(crate) fn parse(pattern: &str) -> Result<Regex, String> {
    let translated = Translation::of(pattern)?;
    RegexBuilder::new(&translated)
        .unicode(false)
        .size_limit(SIZE_LIMIT.0 + SIZE_LIMIT.1 * pattern.len())
        .build()
        .map_err(|error| error.to_string())
}

/// An expression that has been read.
pub struct Pattern(Regex);

impl Pattern {
    /// Reads an expression.
    ///
    /// # Errors
    /// Why a pattern is not valid.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        parse(pattern).map(Pattern)
    }

    /// Whether a text matches it somewhere.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

/// Upper bound of the places of an expression that the matching of a name can be in at once: each
/// is compared with each byte.
pub(crate) fn places(pattern: &str) -> u64 {
    /// Bytes of a compiled expression for each place.
    const PLACE: usize = 32;
    let repetitions = pattern.split('{').skip(1).map(|text| {
        let counts = text.split('}').next().unwrap_or_default().split(',');
        let counts = counts.filter_map(|count| count.parse::<u64>().ok());
        counts.max().unwrap_or(1).max(1)
    });
    let places = repetitions.fold(pattern.len() as u64, u64::saturating_mul);
    places.min(((SIZE_LIMIT.0 + SIZE_LIMIT.1 * pattern.len()) / PLACE) as u64)
}

struct Translation<'p> {
    rest: std::iter::Peekable<std::slice::Iter<'p, u8>>,
    out: String,
}

impl Translation<'_> {
    fn of(pattern: &str) -> Result<String, String> {
        let mut translation = Translation {
            rest: pattern.as_bytes().iter().peekable(),
            out: String::new(),
        };
        while let Some(byte) = translation.next() {
            match byte {
                b'\\' => translation.escape()?,
                b'[' => translation.bracket()?,
                b'(' if translation.peek() == Some(b'?') => {
                    return Err("there is nothing to repeat before \"?\"".to_owned());
                }
                _ if byte.is_ascii() => translation.out.push(char::from(byte)),
                _ => translation.literal(byte),
            }
        }
        Ok(translation.out)
    }

    fn next(&mut self) -> Option<u8> {
        self.rest.next().copied()
    }

    fn peek(&mut self) -> Option<u8> {
        self.rest.peek().map(|byte| **byte)
    }

    fn literal(&mut self, byte: u8) {
        self.out += &format!("\\x{byte:02X}");
    }

    /// The character after a backslash: one of GNU's classes and anchors, else a plain character.
    fn escape(&mut self) -> Result<(), String> {
        match self.next().ok_or("it ends with a backslash")? {
            byte @ (b'w' | b'W' | b's' | b'S' | b'b' | b'B') => {
                self.out.push('\\');
                self.out.push(char::from(byte));
            }
            b'<' => self.out += r"\b{start}",
            b'>' => self.out += r"\b{end}",
            b'`' => self.out += r"\A",
            b'\'' => self.out += r"\z",
            b'1'..=b'9' => return Err("back-references are not supported".to_owned()),
            byte => self.literal(byte),
        }
        Ok(())
    }

    /// A bracket expression, in which a backslash is a plain character, and a first `]` as well.
    fn bracket(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&&b'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let byte = self.next().ok_or("a \"[\" has no \"]\"")?;
            if byte == b']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if byte == b'[' && self.rest.next_if_eq(&&b':').is_some() {
                self.class()?;
                continue;
            }
            self.literal(byte);
            let mut ahead = self.rest.clone();
            if ahead.next() == Some(&b'-')
                && let Some(end) = ahead.next()
                && *end != b']'
            {
                self.rest = ahead;
                self.out.push('-');
                self.literal(*end);
            }
        }
    }

    /// A class such as `[:digit:]`, behind its `[:`.
    fn class(&mut self) -> Result<(), String> {
        const CLASSES: [&str; 12] = [
            "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
            "space", "upper", "xdigit",
        ];
        let mut name = String::new();
        while let Some(byte) = self.rest.next_if(|byte| byte.is_ascii_lowercase()) {
            name.push(char::from(*byte));
        }
        if !CLASSES.contains(&&*name) || self.next() != Some(b':') || self.next() != Some(b']') {
            return Err(format!(
                "expected a class such as [:digit:], found [:{name}"
            ));
        }
        self.out += &format!("[:{name}:]");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        let pattern = parse(pattern).expect("an expression");
        pattern.is_match(name.as_bytes())
    }

    #[test]
    fn an_expression_may_match_anywhere() {
        assert!(matches("b", "abc"));
        assert!(!matches("^b", "abc"));
        assert!(matches("^(ab|x)c{1,2}$", "abcc"));
    }

    #[test]
    fn bytes_are_matched_as_in_the_reference() {
        assert!(matches("^..$", "é"));
        assert!(matches("^é$", "é"));
        assert!(matches("^[é]{2}$", "é"));
        assert!(!matches(r"\w", "é"));
    }

    #[test]
    fn a_backslash_means_what_it_means_in_posix() {
        assert!(matches(r"^\d$", "d"));
        assert!(matches(r"^\.\w$", ".x"));
        assert!(matches(r"\<ab\>", "x ab"));
        assert!(matches(r"^[\d]$", r"\"));
        assert!(matches("^[]a-c]+$", "]b"));
        assert!(matches("^[^[:digit:]_-]$", "x"));
        assert!(!matches("^[a-]$", "b"));
        assert!(matches("^[a&&b]$", "&"));
    }

    #[test]
    fn an_invalid_expression_is_refused() {
        for pattern in [
            "(?i)a",
            "[a",
            "[[:nothing:]]",
            r"a\",
            r"(a)\1",
            "(a",
            "[b-a]",
        ] {
            assert!(parse(pattern).is_err(), "{pattern}");
        }
        assert!(parse("(((a{30}){30}){30}){30}").is_err());
        let names: Vec<String> = (0..500).map(|i| format!("service-{i}")).collect();
        assert!(matches(&format!("^({})$", names.join("|")), "service-499"));
    }
}
