//! Writing XML: the one writer of elements and escapes for all that the programs write.

use super::Element;

/// Writes elements, one per line, indented by two blanks per level. An element without content is
/// written as an empty one.
///
/// ```
/// let mut xml = policy_engine::xml::Writer::new();
/// xml.open("nodes");
/// xml.open("node").attribute("id", "a & b").close();
/// xml.close();
/// assert_eq!(xml.finish(), "<nodes>\n  <node id=\"a &amp; b\"/>\n</nodes>\n");
/// ```
#[derive(Debug, Default)]
pub struct Writer<'n> {
    text: String,
    /// Levels of indentation outside of what is written here.
    depth: usize,
    /// Names of the elements that are open, the innermost last.
    open: Vec<&'n str>,
    /// The last start tag still lacks its end, `>` or `/>`.
    in_tag: bool,
}

impl<'n> Writer<'n> {
    /// A writer of elements that begin in the first column.
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer of elements that will stand `depth` levels deep in another text.
    pub fn at_depth(depth: usize) -> Self {
        Self {
            depth,
            ..Self::default()
        }
    }

    /// A writer with room for a text of `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Begins an element in the innermost open one. Its attributes follow, then its content, then
    /// [`Writer::close`].
    pub fn open(&mut self, name: &'n str) -> &mut Self {
        self.end_tag();
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        self.open.push(name);
        self.in_tag = true;
        self
    }

    /// Adds an attribute to the element that was just opened.
    pub fn attribute(&mut self, name: &str, value: &str) -> &mut Self {
        self.joined(name, &[value])
    }

    /// The same, with a value that is written in parts.
    pub fn joined(&mut self, name: &str, parts: &[&str]) -> &mut Self {
        debug_assert!(self.in_tag, "the attribute {name} comes after content");
        let values: usize = parts.iter().map(|part| part.len()).sum();
        self.text.reserve(name.len() + values + 4);
        self.text.push(' ');
        self.text.push_str(name);
        self.text.push_str("=\"");
        for part in parts {
            escape(part, &mut self.text);
        }
        self.text.push('"');
        self
    }

    /// The same, with a number.
    pub fn number(&mut self, name: &str, value: impl Into<i64>) -> &mut Self {
        self.attribute(name, Decimal::new(value).text())
    }

    /// Adds an attribute if there is a value.
    pub fn optional(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// Adds attributes, in the order in which they come.
    pub fn attributes<'v>(
        &mut self,
        attributes: impl IntoIterator<Item = (&'v str, &'v str)>,
    ) -> &mut Self {
        for (name, value) in attributes {
            self.attribute(name, value);
        }
        self
    }

    /// Ends the innermost open element.
    pub fn close(&mut self) -> &mut Self {
        let Some(name) = self.open.pop() else {
            debug_assert!(false, "no element is open");
            return self;
        };
        if std::mem::take(&mut self.in_tag) {
            self.text.push_str("/>\n");
        } else {
            self.indent();
            self.text.push_str("</");
            self.text.push_str(name);
            self.text.push_str(">\n");
        }
        self
    }

    /// Writes an element of a document, with all its descendants.
    pub fn element(&mut self, element: Element<'n>) -> &mut Self {
        self.open(element.name()).attributes(element.attributes());
        for child in element.children() {
            self.element(child);
        }
        self.close()
    }

    /// Adds XML text as it is: whole elements, or white space.
    pub fn verbatim(&mut self, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.end_tag();
            self.text.push_str(text);
        }
        self
    }

    /// The text; elements that are still open are closed.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn end_tag(&mut self) {
        if std::mem::take(&mut self.in_tag) {
            self.text.push_str(">\n");
        }
    }

    fn indent(&mut self) {
        let depth = self.depth + self.open.len();
        self.text.extend(std::iter::repeat_n("  ", depth));
    }
}

/// A number as text, for values that are written in parts: there are many of them.
///
/// ```
/// assert_eq!(policy_engine::xml::Decimal::new(-120).text(), "-120");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: [u8; 20],
    begin: usize,
}

impl Decimal {
    /// A number.
    pub fn new(value: impl Into<i64>) -> Decimal {
        let value = value.into();
        let (mut digits, mut begin) = ([b'0'; 20], 20);
        let mut rest = value.unsigned_abs();
        loop {
            begin -= 1;
            digits[begin] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            begin -= 1;
            digits[begin] = b'-';
        }
        Decimal { digits, begin }
    }

    /// Its digits.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.digits[self.begin..]).unwrap_or_default()
    }
}

/// Escapes an attribute value: `<` `>` `&` `"` as entities, control characters as `&#xNN;`
/// (scheduler-spec/06 §A.7).
fn escape(value: &str, out: &mut String) {
    let mut rest = value;
    // most values need no escapes: the text between two of them is copied at once
    while let Some(at) = rest.bytes().position(|byte| ESCAPED[usize::from(byte)]) {
        let byte = rest.as_bytes()[at];
        out.push_str(&rest[..at]);
        match byte {
            b'<' => out.push_str("&lt;"),
            b'>' => out.push_str("&gt;"),
            b'&' => out.push_str("&amp;"),
            b'"' => out.push_str("&quot;"),
            control => out.push_str(&format!("&#x{control:02X};")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Bytes that are not written as they are: all are characters of their own in UTF-8.
const ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[0x7f] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table[b'"' as usize] = true;
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    #[test]
    fn what_has_a_meaning_in_xml_is_escaped_and_nothing_else() {
        let mut out = String::new();
        escape("a<b>&\"ü\u{7f}\n' €", &mut out);
        assert_eq!(out, "a&lt;b&gt;&amp;&quot;ü&#x7F;&#x0A;' €");
    }

    #[test]
    fn numbers_are_written_as_ever() {
        let some = [0, 1, -1, 9, 10, 1_795_000_125, i64::MAX, i64::MIN];
        for value in some {
            assert_eq!(Decimal::new(value).text(), value.to_string());
        }
        let mut xml = Writer::new();
        xml.open("a").number("b", -7);
        xml.joined("c", &["x", Decimal::new(12).text(), "<"]);
        assert_eq!(xml.finish(), "<a b=\"-7\" c=\"x12&lt;\"/>\n");
    }

    #[test]
    fn elements_nest_and_empty_ones_are_closed_at_once() {
        let mut xml = Writer::at_depth(1);
        xml.open("a").optional("x", Some("1")).optional("y", None);
        xml.open("b").close();
        xml.verbatim("").verbatim("    <c/>\n");
        xml.open("d").verbatim("");
        let text = "  <a x=\"1\">\n    <b/>\n    <c/>\n    <d/>\n  </a>\n";
        assert_eq!(xml.finish(), text);
    }

    #[test]
    fn a_document_that_was_written_reads_the_same() {
        let text = "<a>\n  <b c=\"&lt;&#x0A;d\"/>\n  <e>\n    <f/>\n  </e>\n</a>\n";
        let document = parse(text).unwrap();
        let mut xml = Writer::new();
        xml.element(document.root());
        assert_eq!(xml.finish(), text);
    }
}
