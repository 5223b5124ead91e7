//! What programs write, without the secrets that they were given.
//!
//! A program that cannot log in tells why, and with what. Its words go into records, events and
//! journals, so whatever is secret is taken out of them first.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Stands for what is not told.
const MASK: &str = "***";
/// Texts that are shorter than this, in bytes, stay in what a program says: nearly every text has
/// them.
const SHORTEST: usize = 4;
/// Lines of a longer secret, and pieces of base64, that are shorter than this are not looked for by
/// themselves.
const SHORTEST_PART: usize = 8;
/// Stands for bytes without a meaning as text.
const NO_CHARACTER: char = '\u{fffd}';

/// Texts that are taken out of what a program has written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(Vec<String>);

/// Which end of a text is missing: what is secret may have been cut there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// None.
    No,
    /// Its beginning is missing.
    Beginning,
    /// Its end is missing.
    End,
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hidden({})", self.0.len())
    }
}

impl Hidden {
    /// Hides these values, long lines of them, and the usual ways to write them otherwise.
    pub fn new<'a>(values: impl Iterator<Item = &'a str>) -> Hidden {
        let mut texts = Vec::new();
        for value in values.map(str::trim).filter(|it| it.len() >= SHORTEST) {
            let lines = value.lines().map(str::trim);
            let lines = lines.filter(|line| line.len() >= SHORTEST_PART);
            texts.extend(lines.map(str::to_owned));
            texts.extend(spellings(value));
            texts.extend(in_base64(value));
            texts.push(value.to_owned());
        }
        // The longest first, so that none is broken up by a part of it.
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        texts.dedup();
        Hidden(texts)
    }

    /// The text without them.
    pub fn take_out(&self, text: String, cut: Cut) -> String {
        // A character that was cut in two is none any more.
        let text = match cut {
            Cut::No => text,
            Cut::Beginning => self.without_beginning(text.trim_start_matches(NO_CHARACTER)),
            Cut::End => self.without_end(text.trim_end_matches(NO_CHARACTER)),
        };
        let replace = |text: String, own: &String| match text.contains(own) {
            true => text.replace(own, MASK),
            false => text,
        };
        self.0.iter().fold(text, replace)
    }

    /// The text without the end of one of them at its beginning.
    fn without_beginning(&self, text: &str) -> String {
        let rest_of = |own: &String| {
            let mut ends = own.char_indices().map(|(at, _)| &own[at..]);
            ends.find(|end| text.starts_with(*end)).map(str::len)
        };
        match self.0.iter().filter_map(rest_of).max() {
            Some(length) => format!("{MASK}{}", &text[length..]),
            None => text.to_owned(),
        }
    }

    /// The text without the beginning of one of them at its end.
    fn without_end(&self, text: &str) -> String {
        let part_of = |own: &String| {
            let ends = own.char_indices().map(|(at, c)| at + c.len_utf8());
            let mut beginnings = ends.rev().map(|end| &own[..end]);
            let found = beginnings.find(|beginning| text.ends_with(*beginning));
            found.map(str::len)
        };
        match self.0.iter().filter_map(part_of).max() {
            Some(length) => format!("{}{MASK}", &text[..text.len() - length]),
            None => text.to_owned(),
        }
    }
}

/// How a value is written by shells that trace what they do, in JSON and by Python, in XML, and in
/// addresses.
fn spellings(value: &str) -> [String; 5] {
    let in_bash = value.replace('\'', r"'\''");
    let in_dash = value.replace('\'', r#"'"'"'"#);
    let mut in_json = value.replace('\\', r"\\").replace('"', r#"\""#);
    for (character, escape) in [('\n', r"\n"), ('\t', r"\t"), ('\r', r"\r")] {
        in_json = in_json.replace(character, escape);
    }
    let mut in_xml = value.replace('&', "&amp;");
    for (character, entity) in [('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;")] {
        in_xml = in_xml.replace(character, entity);
    }
    let mut in_address = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => in_address.push(char::from(byte)),
            false => in_address.push_str(&format!("%{byte:02X}")),
        }
    }
    [in_bash, in_dash, in_json, in_xml, in_address]
}

/// What of a value in base64 does not hang on what stands before and after it, wherever it begins
/// in a group of three bytes: `curl -v` shows `user:password` so.
fn in_base64(value: &str) -> impl Iterator<Item = String> {
    let pieces = (0..3).map(|before: usize| {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value.as_bytes());
        let whole = STANDARD_NO_PAD.encode(&bytes);
        let (begin, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        whole.get(begin..end).unwrap_or_default().to_owned()
    });
    pieces.filter(|piece| piece.len() >= SHORTEST_PART)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn secrets_are_taken_out_whole_in_lines_and_where_they_were_cut() {
        let hidden =
            Hidden::new(["hunter22", "hunter2", "abc", "first line\nsecond line"].into_iter());
        let take = |text: &str, cut| hidden.take_out(text.to_owned(), cut);
        for (text, cut, told) in [
            ("a hunter22, b hunter2, abc", Cut::No, "a ***, b ***, abc"),
            ("x second line y", Cut::No, "x *** y"),
            ("ter22 and more", Cut::Beginning, "*** and more"),
            ("ter22 and more", Cut::No, "ter22 and more"),
            ("nothing", Cut::Beginning, "nothing"),
            ("it is hunt", Cut::End, "it is ***"),
            ("it is hunter22", Cut::End, "it is ***"),
            ("it is hunt", Cut::Beginning, "it is hunt"),
            ("\u{fffd}nter2", Cut::Beginning, "***"),
        ] {
            assert_eq!(take(text, cut), told, "{text}");
        }
        assert_eq!(Hidden::default().take_out("abc".into(), Cut::End), "abc");
        assert!(!format!("{hidden:?}").contains("hunter"));
    }

    #[test]
    fn the_usual_ways_to_write_a_secret_otherwise_do_not_tell_it() {
        let secret = "it's <50%> \"\\\" & no\tmore";
        let hidden = Hidden::new([secret].into_iter());
        for written in [
            r#"+ login 'it'\''s <50%> "\" & no	more'"#,
            "+ login 'it'\"'\"'s <50%> \"\\\" & no\tmore'",
            r#"{"password":"it's <50%> \"\\\" & no\tmore"}"#,
            "<password>it's &lt;50%&gt; &quot;\\&quot; &amp; no\tmore</password>",
            "https://a/?p=it%27s%20%3C50%25%3E%20%22%5C%22%20%26%20no%09more",
        ] {
            let told = hidden.take_out(written.to_owned(), Cut::No);
            assert!(
                told.contains(MASK) && !told.contains("50%") && !told.contains("more<"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_login_in_base64_does_not_tell_its_password() {
        let hidden = Hidden::new(["correct horse"].into_iter());
        for user in ["", "a:", "ab:", "abc:", "alice:"] {
            let written = STANDARD.encode(format!("{user}correct horse"));
            let told = hidden.take_out(format!("Authorization: Basic {written}"), Cut::No);
            assert!(told.contains(MASK), "{user} {told}");
            // What is left at its ends are the bits that it shares with others.
            let word = told.rsplit_once(' ').map_or(told.as_str(), |it| it.1);
            let most = 4 * user.len().div_ceil(3) + MASK.len() + 4;
            assert!(word.len() <= most, "{user} {told}");
        }
    }

    #[test]
    fn short_texts_stay() {
        let hidden = Hidden::new(["123", " ok ", "", "a\nb"].into_iter());
        let text = "123 is ok";
        assert_eq!(hidden.take_out(text.to_owned(), Cut::Beginning), text);
    }
}
