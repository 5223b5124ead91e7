//! The comments of the CIB, which somebody wrote beside what they are about.
//!
//! The tree of elements has no comments: they are found by a look at the text of their own, and
//! written again before the element that they stood before, or behind the last one.

use std::collections::HashMap;

use policy_engine::xml::Writer;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::tree::Element;

/// Comments, by where they stand.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Those before an element, by its offset.
    before: HashMap<usize, Vec<String>>,
    /// Those behind the last child of an element, by its offset.
    at_end: HashMap<usize, Vec<String>>,
}

impl Kept {
    /// The comments of a text that has been read as a tree.
    pub(super) fn of(text: &str) -> Kept {
        let mut kept = Kept::default();
        let mut reader = Reader::from_str(text);
        // The elements that are open, by their offsets.
        let mut open: Vec<usize> = Vec::new();
        let mut waiting: Vec<String> = Vec::new();
        loop {
            let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            match reader.read_event() {
                Ok(Event::Comment(comment)) => waiting.extend(readable(&comment.into_inner())),
                Ok(Event::Start(_)) => {
                    put(&mut kept.before, at, &mut waiting);
                    open.push(at);
                }
                Ok(Event::Empty(_)) => put(&mut kept.before, at, &mut waiting),
                Ok(Event::End(_)) => {
                    let outer = open.pop().unwrap_or_default();
                    put(&mut kept.at_end, outer, &mut waiting);
                }
                // It was read as a tree: there is no error before the end.
                Ok(Event::Eof) | Err(_) => return kept,
                Ok(_) => {}
            }
        }
    }

    /// Writes those that stand before an element, `depth` levels deep.
    pub(super) fn write_before(&self, element: &Element<'_>, depth: usize, xml: &mut Writer<'_>) {
        write(self.before.get(&element.offset), depth, xml);
    }

    /// Writes those that stand behind the last child of an element, `depth` levels deep.
    pub(super) fn write_at_end(&self, element: &Element<'_>, depth: usize, xml: &mut Writer<'_>) {
        write(self.at_end.get(&element.offset), depth, xml);
    }

    /// Writes all that stand in an element, `depth` levels deep.
    pub(super) fn write_inside(&self, element: &Element<'_>, depth: usize, xml: &mut Writer<'_>) {
        for child in &element.children {
            self.write_before(child, depth, xml);
            self.write_inside(child, depth, xml);
        }
        self.write_at_end(element, depth, xml);
    }
}

fn put(places: &mut HashMap<usize, Vec<String>>, at: usize, waiting: &mut Vec<String>) {
    if !waiting.is_empty() {
        places.insert(at, std::mem::take(waiting));
    }
}

/// The text of a comment, with escapes for what no XML may have. `None`: there is nothing in it.
fn readable(comment: &str) -> Option<String> {
    let text = comment.replace("\r\n", "\n");
    if text.trim().is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_space = matches!(c, '\n' | '\t');
        match !is_space && (c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    Some(out)
}

fn write(comments: Option<&Vec<String>>, depth: usize, xml: &mut Writer<'_>) {
    let indent = "  ".repeat(depth);
    for comment in comments.into_iter().flatten() {
        xml.verbatim(&format!("{indent}<!--{comment}-->\n"));
    }
}
