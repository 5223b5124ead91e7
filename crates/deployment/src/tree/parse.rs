//! From text to the tree: the events of quick-xml, and what is refused among them.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::{BytesDecl, BytesStart, Event};

use super::attributes::attributes;
use super::characters::{is_name, normalize_lines, resolve};
use super::element::{Element, Text};
use super::fault::{Fault, fault};
use crate::problem::quote;

/// The deepest nesting accepted, in elements.
pub const MAX_DEPTH: usize = 64;

/// Bounds the memory of the tree: a document of the largest size that consists of the shortest
/// elements would need 30 times its size.
pub(super) const MAX_ELEMENTS: usize = 250_000;

/// Reads the one root element of the text.
pub(crate) fn parse(text: &str) -> Result<Element<'_>, Fault> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut builder = Builder {
        text,
        open: Vec::new(),
        root: None,
        elements: 0,
    };
    loop {
        let at = position(reader.buffer_position(), text);
        match reader.read_event() {
            Ok(Event::Eof) => return builder.finish(),
            Ok(event) => builder.take(event, at)?,
            Err(error) => {
                return Err(builder.explain(&error, position(reader.error_position(), text)));
            }
        }
    }
}

fn position(reported: u64, text: &str) -> usize {
    usize::try_from(reported)
        .unwrap_or(usize::MAX)
        .min(text.len())
}

/// The tree under construction.
struct Builder<'a> {
    text: &'a str,
    /// The elements that are not yet closed, outermost first.
    open: Vec<Element<'a>>,
    root: Option<Element<'a>>,
    /// How many elements there were so far.
    elements: usize,
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'_>, at: usize) -> Result<(), Fault> {
        match event {
            Event::Start(tag) => self.start(&tag, at),
            Event::Empty(tag) => {
                self.start(&tag, at)?;
                self.end();
                Ok(())
            }
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(content) => self.append(normalize_lines(content.into_inner()), at),
            Event::CData(content) => self.append(normalize_lines(content.into_inner()), at),
            Event::GeneralRef(reference) => {
                let c = resolve(&reference, at)?;
                self.append(Cow::Owned(c.to_string()), at)
            }
            Event::Decl(declaration) => check_declaration(&declaration, at),
            Event::DocType(_) => fault(
                at,
                "document type declarations are refused",
                "remove <!DOCTYPE …>; entities are not available",
            ),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn finish(self) -> Result<Element<'a>, Fault> {
        if let Some(open) = self.open.last() {
            return fault(
                open.offset,
                format!("<{}> is never closed", open.name),
                format!("add </{}>", open.name),
            );
        }
        match self.root {
            Some(root) => Ok(root),
            None => fault(
                0,
                "the document is empty",
                "expected <deployable name=\"…\"> … </deployable>",
            ),
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, at: usize) -> Result<(), Fault> {
        if self.root.is_some() {
            return fault(
                at,
                "there is a second root element",
                "a document has one <deployable>",
            );
        }
        if self.open.len() == MAX_DEPTH {
            return fault(
                at,
                format!("elements are nested more than {MAX_DEPTH} deep"),
                "nothing in a deployment document needs that",
            );
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return fault(
                at,
                format!("the document has more than {MAX_ELEMENTS} elements"),
                "split the deployable into several",
            );
        }
        // taken from the text, not from the event, because that lives as long as the tree
        let (begin, length) = (at + 1, tag.name().as_ref().len());
        let name = self.text.get(begin..begin + length).unwrap_or_default();
        if !is_name(name) {
            return fault(
                at,
                format!("{} is not the name of an element", quote(name)),
                "to write '<' in text, use '&lt;'",
            );
        }
        let raw = self
            .text
            .get(begin + length..begin + length + tag.attributes_raw().len())
            .unwrap_or_default();
        self.open.push(Element {
            name,
            offset: at,
            attributes: attributes(raw, begin + length)?,
            children: Vec::new(),
            text: None,
        });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(element) = self.open.pop() {
            match self.open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => self.root = Some(element),
            }
        }
    }

    fn append(&mut self, content: Cow<'_, str>, at: usize) -> Result<(), Fault> {
        let blank = content.trim_ascii_start().is_empty();
        let offset = at + (content.len() - content.trim_ascii_start().len());
        let Some(element) = self.open.last_mut() else {
            if blank {
                return Ok(());
            }
            return fault(
                offset,
                "there is text outside the root element",
                "a document is one <deployable> element",
            );
        };
        match &mut element.text {
            Some(text) => text.value.to_mut().push_str(&content),
            None if blank => {}
            None => {
                element.text = Some(Text {
                    value: Cow::Owned(content.into_owned()),
                    offset,
                });
            }
        }
        Ok(())
    }

    fn line_of(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    }

    /// quick-xml's error in words that say what to do.
    fn explain(&self, error: &Error, at: usize) -> Fault {
        let (message, hint) = match error {
            Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
                let open = self.open.last();
                let line = open.map_or(1, |element| self.line_of(element.offset));
                (
                    format!("found </{found}> where </{expected}> is expected"),
                    format!("<{expected}> was opened in line {line}"),
                )
            }
            Error::IllFormed(IllFormedError::UnmatchedEndTag(name)) => (
                format!("</{name}> closes nothing"),
                "remove it, or open the element before it".to_owned(),
            ),
            Error::IllFormed(IllFormedError::MissingEndTag(name)) => (
                format!("<{name}> is never closed"),
                format!("add </{name}>"),
            ),
            other => match fixed_explanation(other) {
                Some((message, hint)) => (message.to_owned(), hint.to_owned()),
                None => (
                    format!("this is not well-formed XML: {other}"),
                    "correct the syntax here".to_owned(),
                ),
            },
        };
        Fault {
            offset: at,
            message,
            hint: Some(hint),
        }
    }
}

/// Message and hint for the errors that name nothing of the document.
fn fixed_explanation(error: &Error) -> Option<(&'static str, &'static str)> {
    Some(match error {
        Error::IllFormed(IllFormedError::DoubleHyphenInComment) => (
            "a comment contains '--'",
            "XML allows '--' only at the end of a comment",
        ),
        Error::IllFormed(IllFormedError::UnclosedReference) => (
            "found '&' without a reference",
            "to write '&' in text, use '&amp;'",
        ),
        Error::Syntax(
            SyntaxError::UnclosedSingleQuotedAttributeValue
            | SyntaxError::UnclosedDoubleQuotedAttributeValue,
        ) => (
            "the value of an attribute is not closed in this tag",
            "add the missing quote",
        ),
        Error::Syntax(SyntaxError::UnclosedTag) => ("this tag is not closed", "add '>'"),
        Error::Syntax(SyntaxError::UnclosedComment) => ("this comment is not closed", "add '-->'"),
        Error::Syntax(SyntaxError::UnclosedCData) => {
            ("this CDATA section is not closed", "add ']]>'")
        }
        Error::Syntax(SyntaxError::UnclosedDoctype) => (
            "document type declarations are refused",
            "remove <!DOCTYPE …>",
        ),
        _ => return None,
    })
}

/// `<?xml version="1.0" encoding="UTF-8"?>`, at the very beginning or not at all.
fn check_declaration(declaration: &BytesDecl<'_>, at: usize) -> Result<(), Fault> {
    if at != 0 {
        return fault(
            at,
            "an XML declaration is allowed only at the very beginning",
            "remove it, or what is before it",
        );
    }
    let encoding = declaration
        .encoding()
        .and_then(Result::ok)
        .unwrap_or(Cow::Borrowed("UTF-8"));
    if !encoding.eq_ignore_ascii_case("UTF-8") && !encoding.eq_ignore_ascii_case("US-ASCII") {
        return fault(
            at,
            format!("the document declares the encoding {}", quote(&encoding)),
            "save it in UTF-8 and declare that",
        );
    }
    if !matches!(declaration.version().as_deref(), Ok("1.0")) {
        return fault(
            at,
            "the document does not declare XML version 1.0",
            "begin it with <?xml version=\"1.0\"?>",
        );
    }
    Ok(())
}
