//! Reading in one pass what almost every document is: elements with attributes, and blanks between
//! them. Whatever else there is, right or wrong, is left to `parse.rs`, which reads the whole text
//! again and says what is wrong with it. So this gives the same tree, or none.

use super::attributes::{Attribute, PLAIN, is_blank, name_length, run};
use super::parse::{MAX_ATTRIBUTES, MAX_DEPTH, Parser};
use super::tree::ElementId;

/// How a start tag ends.
enum End {
    /// With `>`: content follows.
    Open,
    /// With `/>`.
    Empty,
}

impl Parser<'_> {
    /// Reads the text. `None`: it has to be read with care.
    pub(super) fn run_plain(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let mut at = match self.text.starts_with("<?xml ") {
            true => self.text.find("?>")? + 2,
            false => 0,
        };
        loop {
            at = skip_blanks(bytes, at);
            let Some(first) = bytes.get(at) else {
                break;
            };
            if *first != b'<' {
                return None;
            }
            at = match bytes.get(at + 1)? {
                b'/' => self.end_tag(at)?,
                _ => self.start_tag(at)?,
            };
        }
        (self.open.is_empty() && self.document.element_count() > 0).then_some(())
    }

    /// Reads an end tag. Gives where it ends.
    fn end_tag(&mut self, at: usize) -> Option<usize> {
        let open = self.open.pop()?;
        let name = self.document.element(open).name();
        let rest = self.text.as_bytes().get(at + 2..)?;
        let rest = rest.strip_prefix(name.as_bytes())?;
        (*rest.first()? == b'>').then_some(at + 2 + name.len() + 1)
    }

    /// Reads a start tag, or that of an empty element. Gives where it ends.
    fn start_tag(&mut self, start: usize) -> Option<usize> {
        let parent = self.open.last().copied();
        if parent.is_none() && self.document.element_count() > 0 {
            return None;
        }
        let text = self.text;
        let rest = text.get(start + 1..)?;
        let name = &rest[..name_length(rest)];
        if name.is_empty() {
            return None;
        }
        let mut at = start + 1 + name.len();
        let before = parent.and_then(|parent| self.document.name_of_last_child(parent));
        let name = self.interned(before, name);
        let id = self.document.push_parsed(parent, name, start);
        let alike = self.replace_last(name, id);
        for count in 0.. {
            let next = skip_blanks(text.as_bytes(), at);
            if let Some((end, length)) = end_of_tag(text.as_bytes(), next) {
                if matches!(end, End::Open) {
                    self.open.push(id);
                }
                return (self.open.len() <= MAX_DEPTH).then_some(next + length);
            }
            if next == at || count >= MAX_ATTRIBUTES {
                return None;
            }
            at = self.plain_attribute(id, alike, count, next)?;
        }
        None
    }

    /// Reads an attribute. Gives where it ends. `alike`: an element that may have the same ones.
    fn plain_attribute(
        &mut self,
        id: ElementId,
        alike: Option<ElementId>,
        number: usize,
        at: usize,
    ) -> Option<usize> {
        let text = self.text;
        let rest = text.get(at..)?;
        let name = &rest[..name_length(rest)];
        if name.is_empty() {
            return None;
        }
        let quote_at = at + name.len() + 1;
        let bytes = text.as_bytes();
        let quote = *bytes.get(quote_at)?;
        if bytes[quote_at - 1] != b'=' || !matches!(quote, b'"' | b'\'') {
            return None;
        }
        let guess = alike.and_then(|it| self.document.name_of_attribute(it, number));
        let known = self.interned(guess, name);
        if self.is_duplicate(known, id) {
            return None;
        }
        let begin = quote_at + 1;
        let mut end = begin + run(&bytes[begin..], PLAIN);
        let is_plain = *bytes.get(end)? == quote;
        let (start, length) = match is_plain {
            true => (begin as u32, (end - begin) as u32),
            false => {
                end += bytes[end..].iter().position(|byte| *byte == quote)?;
                let value = &text[begin..end];
                let attribute = Attribute {
                    name,
                    value,
                    is_plain: false,
                };
                match value.contains(['&', '<', '\n', '\r', '\t']) {
                    true => self.value(&attribute).ok()?,
                    false if value.bytes().any(|byte| byte < b' ') => return None,
                    false => (begin as u32, (end - begin) as u32),
                }
            }
        };
        self.document.push_attribute(id.0, known, start, length);
        Some(end + 1)
    }
}

/// How a start tag ends there, and in how many bytes. `None`: it does not.
fn end_of_tag(bytes: &[u8], at: usize) -> Option<(End, usize)> {
    match bytes.get(at)? {
        b'>' => Some((End::Open, 1)),
        b'/' if bytes.get(at + 1) == Some(&b'>') => Some((End::Empty, 2)),
        _ => None,
    }
}

/// The first place from there on without a blank.
fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| is_blank(*byte)) {
        at += 1;
    }
    at
}
