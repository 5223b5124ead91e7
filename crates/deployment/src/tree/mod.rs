//! XML text to a small tree in which every element, attribute and value knows its byte offset.
//!
//! quick-xml finds the markup; attributes are read here, strictly and with their positions. DTDs
//! and entities other than XML's five own are refused, so nothing expands; size, depth, the number
//! of elements and of attributes are bounded.

mod attributes;

use std::borrow::Cow;
use std::fmt::Write as _;

use attributes::{attributes, resolve};
use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::{BytesStart, Event};

use crate::problem::quote;

/// The largest document accepted, in bytes.
pub const MAX_SIZE: usize = 8 << 20;
/// The deepest nesting accepted, in elements.
pub const MAX_DEPTH: usize = 64;
/// Bounds the memory of the tree: a document of [`MAX_SIZE`] that consists of the shortest elements
/// would need 30 times its size.
const MAX_ELEMENTS: usize = 250_000;

/// Why there is no tree: the first place where the text is not XML as accepted here.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

fn fault<T>(
    offset: usize,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Result<T, Fault> {
    Err(Fault {
        offset,
        message: message.into(),
        hint: Some(hint.into()),
    })
}

/// An element with everything in it but comments, processing instructions and white space.
#[derive(Debug)]
pub(crate) struct Element<'a> {
    pub(crate) name: &'a str,
    /// Of its `<`.
    pub(crate) offset: usize,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) children: Vec<Element<'a>>,
    pub(crate) text: Option<Text<'a>>,
}

#[derive(Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    /// Of its name.
    pub(crate) offset: usize,
    pub(crate) value: Cow<'a, str>,
    /// Of its value, after the quote.
    pub(crate) value_offset: usize,
}

/// The text directly in an element, in one piece. There is none if it would be white space only.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    pub(crate) value: Cow<'a, str>,
    /// Of the first character that is no white space.
    pub(crate) offset: usize,
}

impl<'a> Element<'a> {
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(|attribute| &*attribute.value)
    }

    /// Where to point for an attribute: at its value, or at the element if it is not there.
    pub(crate) fn place(&self, name: &str) -> usize {
        self.attribute(name)
            .map_or(self.offset, |attribute| attribute.value_offset)
    }

    /// The element as XML text, indented, in one canonical form.
    pub(crate) fn write(&self, out: &mut String, indent: usize) {
        let _ = write!(out, "{:indent$}<{}", "", self.name);
        for attribute in &self.attributes {
            let _ = write!(out, " {}=\"{}\"", attribute.name, escape(&attribute.value));
        }
        if self.children.is_empty() {
            out.push_str("/>\n");
        } else {
            out.push_str(">\n");
            self.children
                .iter()
                .for_each(|child| child.write(out, indent + 2));
            let _ = writeln!(out, "{:indent$}</{}>", "", self.name);
        }
    }
}

/// Text as it may stand between double quotes. White space that a reader would normalise is kept by
/// character references.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '&' | '<' | '>' | '"' | '\n' | '\r' | '\t');
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

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
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                return Err(builder.explain(&error, position(reader.error_position(), text)));
            }
        };
        match event {
            Event::Start(tag) => builder.start(&tag, at)?,
            Event::Empty(tag) => {
                builder.start(&tag, at)?;
                builder.end();
            }
            Event::End(_) => builder.end(),
            Event::Text(content) => builder.append(normalize_lines(content.into_inner()), at)?,
            Event::CData(content) => builder.append(normalize_lines(content.into_inner()), at)?,
            Event::GeneralRef(reference) => {
                let c = resolve(&reference, at)?;
                builder.append(Cow::Owned(c.to_string()), at)?;
            }
            Event::Decl(declaration) => {
                if at != 0 {
                    return fault(
                        at,
                        "an XML declaration stands only at the very beginning",
                        "remove it, or what is before it",
                    );
                }
                let encoding = declaration
                    .encoding()
                    .and_then(Result::ok)
                    .unwrap_or(Cow::Borrowed("UTF-8"));
                if !encoding.eq_ignore_ascii_case("UTF-8")
                    && !encoding.eq_ignore_ascii_case("US-ASCII")
                {
                    return fault(
                        at,
                        format!("the document declares the encoding {}", quote(&encoding)),
                        "save it in UTF-8 and say so",
                    );
                }
                if !matches!(declaration.version().as_deref(), Ok("1.0")) {
                    return fault(
                        at,
                        "the document does not declare XML version 1.0",
                        "begin it with <?xml version=\"1.0\"?>",
                    );
                }
            }
            Event::DocType(_) => {
                return fault(
                    at,
                    "document type declarations are refused",
                    "remove <!DOCTYPE …>; entities are not available",
                );
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(open) = builder.open.last() {
        return fault(
            open.offset,
            format!("<{}> is never closed", open.name),
            format!("add </{}>", open.name),
        );
    }
    match builder.root {
        Some(root) => Ok(root),
        None => fault(
            0,
            "the document is empty",
            "expected <deployable name=\"…\"> … </deployable>",
        ),
    }
}

fn position(reported: u64, text: &str) -> usize {
    usize::try_from(reported)
        .unwrap_or(usize::MAX)
        .min(text.len())
}

struct Builder<'a> {
    text: &'a str,
    open: Vec<Element<'a>>,
    root: Option<Element<'a>>,
    elements: usize,
}

impl<'a> Builder<'a> {
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
        // taken from the text rather than from the event, for its lifetime
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
        let attributes = attributes(raw, begin + length)?;
        self.open.push(Element {
            name,
            offset: at,
            attributes,
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
        let Some(element) = self.open.last_mut() else {
            if blank {
                return Ok(());
            }
            let at = at + (content.len() - content.trim_ascii_start().len());
            return fault(
                at,
                "there is text outside the root element",
                "a document is one <deployable> element",
            );
        };
        match &mut element.text {
            Some(text) => text.value.to_mut().push_str(&content),
            None if blank => {}
            None => {
                let offset = at + (content.len() - content.trim_ascii_start().len());
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

    /// The reader's errors in words that say what to do.
    fn explain(&self, error: &Error, at: usize) -> Fault {
        let (message, hint) = match error {
            Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
                let line = self
                    .open
                    .last()
                    .map_or(1, |element| self.line_of(element.offset));
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
            Error::IllFormed(IllFormedError::DoubleHyphenInComment) => (
                "a comment contains '--'".to_owned(),
                "XML allows '--' only at the end of a comment".to_owned(),
            ),
            Error::IllFormed(IllFormedError::UnclosedReference) => (
                "found '&' without a reference".to_owned(),
                "to write '&' in text, use '&amp;'".to_owned(),
            ),
            Error::Syntax(
                SyntaxError::UnclosedSingleQuotedAttributeValue
                | SyntaxError::UnclosedDoubleQuotedAttributeValue,
            ) => (
                "the value of an attribute is not closed in this tag".to_owned(),
                "add the missing quote".to_owned(),
            ),
            Error::Syntax(SyntaxError::UnclosedTag) => {
                ("this tag is not closed".to_owned(), "add '>'".to_owned())
            }
            Error::Syntax(SyntaxError::UnclosedComment) => (
                "this comment is not closed".to_owned(),
                "add '-->'".to_owned(),
            ),
            Error::Syntax(SyntaxError::UnclosedCData) => (
                "this CDATA section is not closed".to_owned(),
                "add ']]>'".to_owned(),
            ),
            Error::Syntax(SyntaxError::UnclosedDoctype) => (
                "document type declarations are refused".to_owned(),
                "remove <!DOCTYPE …>".to_owned(),
            ),
            other => (
                format!("this is not well-formed XML: {other}"),
                "correct the syntax here".to_owned(),
            ),
        };
        Fault {
            offset: at,
            message,
            hint: Some(hint),
        }
    }
}

/// Line ends as XML gives them to its readers.
fn normalize_lines(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        text
    }
}

/// `NCName` of XML's namespaces, without its rarest characters: a letter or `_`, then letters,
/// digits, `.`, `-`, `_`; here with `:` too.
fn is_name(text: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, String) {
        let fault = decode(text.as_bytes()).and_then(parse).expect_err(text);
        (fault.offset, fault.message)
    }

    #[test]
    fn it_knows_the_offset_of_elements_attributes_values_and_text() {
        let text = "<?xml version=\"1.0\"?>\n<a  b = 'c&amp;d'\n e=\"\">\n <!-- x --> <f/> text &#65;<![CDATA[<]]></a >";
        let root = parse(text).unwrap();
        let at = |needle: &str| text.find(needle).unwrap();
        assert_eq!((root.name, root.offset), ("a", at("<a")));
        let b = root.attribute("b").unwrap();
        assert_eq!(
            (&*b.value, b.offset, b.value_offset),
            ("c&d", at("b ="), at("c&amp;d"))
        );
        assert_eq!(root.children[0].offset, at("<f"));
        let content = root.text.as_ref().unwrap();
        assert_eq!(
            (content.value.trim(), content.offset),
            ("text A<", at("text"))
        );
    }

    #[test]
    fn it_refuses_document_types_and_entities() {
        assert_eq!(
            refused("<!DOCTYPE a><a/>").1,
            "document type declarations are refused"
        );
        assert_eq!(
            refused("<a>&x;</a>"),
            (
                3,
                "the entity '&x;' is not known: entities are refused".into()
            )
        );
        assert_eq!(refused("<a b='&x;'/>").0, 6);
        assert!(
            refused("<a b='&#0;'/>")
                .1
                .contains("no character that XML allows")
        );
    }

    #[test]
    fn it_bounds_depth_size_elements_and_attributes() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        assert_eq!(refused(&deep).0, 3 * MAX_DEPTH);
        assert!(
            refused(&" ".repeat(MAX_SIZE + 1))
                .1
                .contains("more than the")
        );
        assert!(
            refused(&format!("<r>{}</r>", "<a/>".repeat(MAX_ELEMENTS)))
                .1
                .contains("elements")
        );
        let attributes: String = (0..=100).map(|n| format!(" a{n}=''")).collect();
        assert!(
            refused(&format!("<r{attributes}/>"))
                .1
                .contains("attributes")
        );
    }

    #[test]
    fn it_reads_what_it_writes() {
        let text = "<a x=\"1 &lt; 2 &amp; &quot;3&quot;&#10;\">\n  <b/>\n</a>\n";
        let mut written = String::new();
        parse(text).unwrap().write(&mut written, 0);
        assert_eq!(written, text.replace("1 < 2", "1 &lt; 2"));
    }

    #[test]
    fn it_says_where_an_element_was_opened_that_is_closed_by_another_name() {
        let fault = parse("<a>\n<b>\n</a>").unwrap_err();
        assert_eq!(fault.message, "found </a> where </b> is expected");
        assert_eq!(fault.hint.as_deref(), Some("<b> was opened in line 2"));
    }
}
