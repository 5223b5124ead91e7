//! Reading text into a [`Document`].

use quick_xml::Reader;
use quick_xml::escape::{resolve_xml_entity, unescape_with};
use quick_xml::events::{BytesStart, Event};

use super::attributes::{self, Attribute, Attributes};
use super::names::NameId;
use super::tree::{Document, ElementId};

/// Largest text that is read, in bytes.
const MAX_BYTES: usize = 1 << 30;
/// Deepest nesting of elements; a CIB needs about 12.
pub(super) const MAX_DEPTH: usize = 64;
/// Most attributes of one element; a history entry has about 25.
pub(super) const MAX_ATTRIBUTES: usize = 4096;

/// Why a text is not accepted as an XML document, with the position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct XmlError {
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
    /// What was expected and what was found.
    pub message: String,
}

impl XmlError {
    /// An error at the byte `offset` of `text`.
    fn at(text: &[u8], offset: usize, message: impl Into<String>) -> XmlError {
        let before = &text[..offset.min(text.len())];
        let line = before.iter().filter(|c| **c == b'\n').count();
        let column = before.iter().rev().take_while(|c| **c != b'\n').count();
        XmlError {
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
            message: message.into(),
        }
    }
}

/// The bytes of a file as text.
///
/// # Errors
/// Bytes that are not UTF-8, with the position of the first one.
pub fn decode(bytes: &[u8]) -> Result<&str, XmlError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let message = "expected UTF-8 text, found bytes that are not: convert the file to UTF-8";
        XmlError::at(bytes, error.valid_up_to(), message)
    })
}

/// Parses a document. Bounds: 1 GiB of text, depth 64 (a CIB needs about 12).
///
/// Text between elements is skipped, as it has no meaning in a CIB.
///
/// # Errors
/// Malformed XML, a DTD, an unknown entity, or a bound exceeded; with line and column.
pub fn parse(text: &str) -> Result<Document, XmlError> {
    if text.len() > MAX_BYTES {
        let message = format!(
            "expected at most {MAX_BYTES} bytes, found {}: split or shorten the document",
            text.len()
        );
        return Err(XmlError::at(b"", 0, message));
    }
    parse_plain(text).map_or_else(|| parse_any(text), Ok)
}

/// Reads a text in one pass, as most are: see `plain.rs`. `None`: it has to be read with care.
fn parse_plain(text: &str) -> Option<Document> {
    let mut parser = Parser::new(text);
    parser.run_plain()?;
    Some(parser.finish())
}

/// Reads any text, and says what is wrong with it.
fn parse_any(text: &str) -> Result<Document, XmlError> {
    let mut parser = Parser::new(text);
    parser.run()?;
    Ok(parser.finish())
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) document: Document,
    /// Elements that are open, the innermost last.
    pub(super) open: Vec<ElementId>,
    /// By [`NameId`]: the element in which an attribute of that name was last seen, to find
    /// duplicates.
    seen_in: Vec<u32>,
    /// By [`NameId`]: the last element of that name. The next one mostly has the same attributes.
    last_of: Vec<Option<ElementId>>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Parser<'t> {
        Parser {
            text,
            document: Document::over(text),
            open: Vec::with_capacity(MAX_DEPTH),
            seen_in: Vec::new(),
            last_of: Vec::new(),
        }
    }

    fn finish(mut self) -> Document {
        self.document.shrink();
        self.document
    }

    fn run(&mut self) -> Result<(), XmlError> {
        let mut reader = Reader::from_str(self.text);
        loop {
            let start = reader.buffer_position() as usize;
            let event = reader.read_event();
            let event = event
                .map_err(|error| self.error(reader.error_position() as usize, error.to_string()))?;
            match event {
                Event::Start(tag) => {
                    let id = self.element(&tag, start)?;
                    self.open.push(id);
                    if self.open.len() > MAX_DEPTH {
                        let message = format!("expected at most {MAX_DEPTH} nested elements");
                        return Err(self.error(start, message));
                    }
                }
                Event::Empty(tag) => {
                    self.element(&tag, start)?;
                }
                Event::End(_) => {
                    self.open.pop();
                }
                Event::Eof => break,
                Event::DocType(_) => {
                    let message = "document type declarations are not accepted: remove <!DOCTYPE>";
                    return Err(self.error(start, message));
                }
                Event::Text(content) => {
                    if self.open.is_empty() && !content.trim_matches(['\u{feff}']).trim().is_empty()
                    {
                        return Err(self.error(start, "expected an element, found text"));
                    }
                }
                Event::Comment(_)
                | Event::CData(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::GeneralRef(_) => {}
            }
        }
        if let Some(open) = self.open.last() {
            let element = self.document.element(*open);
            let (line, _) = element.position();
            let message = format!(
                "expected </{}> for the element of line {line}, found the end of the text",
                element.name()
            );
            return Err(self.error(self.text.len(), message));
        }
        if self.document.element_count() == 0 {
            return Err(self.error(0, "expected an element, found nothing"));
        }
        Ok(())
    }

    /// Adds the element of a start tag that begins at `start`.
    fn element(&mut self, tag: &BytesStart<'_>, start: usize) -> Result<ElementId, XmlError> {
        let parent = self.open.last().copied();
        if parent.is_none() && self.document.element_count() > 0 {
            return Err(self.error(start, "expected one root element, found a second one"));
        }
        let name = tag.name();
        if attributes::name_length(name.as_ref()) != name.as_ref().len() {
            let found = name.as_ref().escape_debug();
            return Err(self.error(start, format!("expected a name, found \"{found}\"")));
        }
        let before = parent.and_then(|parent| self.document.name_of_last_child(parent));
        let name = self.interned(before, name.as_ref());
        let id = self.document.push_parsed(parent, name, start);
        let alike = self.replace_last(name, id);
        let mut attributes = Attributes::new(tag.attributes_raw());
        let mut count = 0;
        while let Some(attribute) = attributes.next() {
            let attribute = attribute.map_err(|(rest, message)| {
                self.error(self.offset_of(rest).unwrap_or(start), message)
            })?;
            let guess = alike.and_then(|it| self.document.name_of_attribute(it, count));
            let name = self.interned(guess, attribute.name);
            count += 1;
            if self.is_duplicate(name, id) || count > MAX_ATTRIBUTES {
                let at = self.offset_of(attribute.name).unwrap_or(start);
                let message = match count {
                    0..=MAX_ATTRIBUTES => "expected each attribute once, found a second",
                    _ => "expected at most 4096 attributes, found more, the next is",
                };
                return Err(self.error(at, format!("{message} \"{}\"", attribute.name)));
            }
            let (start, length) = self.value(&attribute)?;
            self.document.push_attribute(id.0, name, start, length);
        }
        Ok(id)
    }

    /// The id of a name, which is mostly the one that is guessed.
    pub(super) fn interned(&mut self, guess: Option<NameId>, text: &str) -> NameId {
        guess
            .filter(|guess| self.document.names.text(*guess) == text)
            .unwrap_or_else(|| self.document.names.intern(text))
    }

    /// Notes the last element of a name. Gives the one before it.
    pub(super) fn replace_last(&mut self, name: NameId, id: ElementId) -> Option<ElementId> {
        if self.last_of.len() <= name.index() {
            self.last_of.resize(name.index() + 1, None);
        }
        self.last_of[name.index()].replace(id)
    }

    /// Where the value lies in the document's text; it is appended there if it is not literally in
    /// the parsed text.
    pub(super) fn value(&mut self, attribute: &Attribute<'_>) -> Result<(u32, u32), XmlError> {
        let raw = attribute.value;
        if attribute.is_plain
            && let Some(offset) = self.offset_of(raw)
        {
            return Ok((offset as u32, raw.len() as u32));
        }
        let at = self.offset_of(attribute.name).unwrap_or(0);
        // attribute-value normalisation: white space becomes a blank, unless written as a reference
        let normalised: String = raw.replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
        if let Some(forbidden) = normalised.find(|c: char| c < ' ' || c == '<') {
            let message = match normalised.as_bytes()[forbidden] {
                b'<' => "\"<\" is not allowed in an attribute value: write &lt;",
                _ => "control characters are not allowed in XML",
            };
            return Err(self.error(at, message));
        }
        let value = unescape_with(&normalised, resolve_xml_entity)
            .map_err(|error| self.error(at, error.to_string()))?;
        let start = self.document.text.len();
        self.document.text.push_str(&value);
        Ok((start as u32, value.len() as u32))
    }

    /// Offset in the parsed text of a slice of it.
    fn offset_of(&self, slice: &str) -> Option<usize> {
        let offset = (slice.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        (offset + slice.len() <= self.text.len()).then_some(offset)
    }

    pub(super) fn is_duplicate(&mut self, name: NameId, id: ElementId) -> bool {
        if self.seen_in.len() <= name.index() {
            self.seen_in.resize(name.index() + 1, u32::MAX);
        }
        std::mem::replace(&mut self.seen_in[name.index()], id.0) == id.0
    }

    fn error(&self, offset: usize, message: impl Into<String>) -> XmlError {
        XmlError::at(self.text.as_bytes(), offset, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Element;

    #[test]
    fn a_document_is_read_with_positions() {
        let document =
            parse("<?xml version=\"1.0\"?>\n<cib a='1'>\n <!-- x --><b c=\"&lt;&#10;d\"/>\n</cib>")
                .unwrap();
        let root = document.root();
        assert_eq!((root.name(), root.get("a")), ("cib", Some("1")));
        let child = root.children().next().unwrap();
        assert_eq!(child.get("c"), Some("<\nd"));
        assert_eq!(child.position(), (3, 12));
        assert_eq!(document.section("b").map(Element::id), Some(child.id()));
    }

    #[test]
    fn bad_documents_are_refused_with_line_and_column() {
        for (text, position) in [
            ("", (1, 1)),
            ("<a>\n<b></a>", (2, 4)),
            ("<a>\n <b x=\"1\" x=\"2\"/></a>", (2, 11)),
            ("<!DOCTYPE a [<!ENTITY x \"y\">]>\n<a/>", (1, 1)),
            ("<a>\n<b x=\"&nothing;\"/></a>", (2, 4)),
            ("<a/>\n<b/>", (2, 1)),
            ("<a>\n<b>\n", (3, 1)),
            ("text", (1, 1)),
            ("<a x=\"<\"/>", (1, 4)),
            ("<1/>", (1, 1)),
            ("<a x=1/>", (1, 6)),
            ("<a x/>", (1, 5)),
            ("<a x=\"1\"y=\"2\"/>", (1, 9)),
            ("<a\n=\"1\"/>", (2, 1)),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!((error.line, error.column), position, "{text:?}: {error}");
        }
        assert!(parse(&"<a>".repeat(100)).is_err());
        assert_eq!(decode(b"<a>\n\xff").unwrap_err().line, 2);
    }

    #[test]
    fn a_text_that_is_read_in_one_pass_gives_the_same_tree() {
        let same = [
            "<a/>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b='1'>\n <c d=\"x&amp;&#10;y\"/>\n</a>\n",
            "<a  x=\"1\"\n\ty = 'a\"b'><b></b><b x=\"ü\" z='&lt;'/><c.d-e:f/></a >",
            "<a b=\"\" c=\"it's\r\nso\"><b/><d b=\"1\" e=\"2\"/><d b=\"1\" ee=\"2\"/><d e=\"2\"/></a>",
            "<a>\n<!-- x --><b>text &amp; more</b><![CDATA[<z/>]]><?p i?></a>",
        ];
        for text in same {
            let known = format!("{:?}", parse_any(text).unwrap());
            if let Some(document) = parse_plain(text) {
                assert_eq!(format!("{document:?}"), known, "{text}");
            }
        }
        let read = same.map(|text| parse_plain(text).is_some());
        assert_eq!(read, [true, true, false, true, false]);
    }

    #[test]
    fn what_is_wrong_is_not_read_in_one_pass() {
        let deep = "<a>".repeat(65) + &"</a>".repeat(65);
        for text in [
            "",
            " ",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<a>x</a>",
            "<1/>",
            "<a x=1/>",
            "<a x/>",
            "<a x=\"1\"y=\"2\"/>",
            "<a x=\"1\" x=\"2\"/>",
            "<a x=\"<\"/>",
            "<a x=\"&no;\"/>",
            "<a x=\"1",
            "<a x=\"1\"",
            "<a",
            "<",
            "<a /",
            "<a / >",
            "<a></a",
            "<a></",
            "<a x=\"\u{1}\"/>",
            "<!DOCTYPE a><a/>",
            "<?xml",
            "\u{feff}<a/>",
            "<a\u{b}/>",
            &deep,
        ] {
            assert!(parse_plain(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_document_can_be_changed() {
        let mut document = parse("<a x=\"1\"><b/><c/><b/></a>").unwrap();
        let root = document.root().id();
        let c = document.root().child("c").unwrap().id();
        document.set(root, "y", "2");
        document.set(root, "x", "3");
        document.set(c, "z", "4");
        document.set(c, "w", "5");
        document.unset(c, "z");
        let new = document.append(c, "d");
        let first = document.root().children().next().unwrap().id();
        document.remove(first);
        let root = document.root();
        assert_eq!((root.get("x"), root.get("y")), (Some("3"), Some("2")));
        let c = root.child("c").unwrap();
        assert_eq!(c.attributes().collect::<Vec<_>>(), [("w", "5")]);
        assert_eq!(c.child("d").map(Element::id), Some(new));
        let names: Vec<_> = root.descendants().map(Element::name).collect();
        assert_eq!(names, ["a", "c", "d", "b"]);
        assert_eq!(
            document
                .section("b")
                .and_then(|b| b.parent())
                .map(Element::name),
            Some("a")
        );
    }

    #[test]
    fn references_are_followed_if_they_are_unambiguous() {
        let text = "<a><x id-ref=\"1\"/><x id=\"1\" v=\"y\"/><z id=\"1\"/><x id-ref=\"2\"/><x id=\"2\"/><x id=\"2\"/></a>";
        let document = parse(text).unwrap();
        let children: Vec<_> = document.root().children().collect();
        let found = document.referenced(children[0]).unwrap();
        assert_eq!(found.get("v"), Some("y"));
        assert!(document.referenced(children[3]).is_none());
        assert!(document.referenced(found).is_some());
    }
}
