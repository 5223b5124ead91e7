//! The attributes of a start tag. `quick-xml` finds the tags; their attributes are read here in one
//! pass, as most of a CIB is attributes.

/// An attribute as written.
pub(super) struct Attribute<'t> {
    pub(super) name: &'t str,
    /// Without quotes.
    pub(super) value: &'t str,
    /// The value is used as it is written: neither references nor white space to be normalised nor
    /// anything that is not allowed.
    pub(super) is_plain: bool,
}

/// The attributes in the text behind an element's name.
pub(super) struct Attributes<'t> {
    rest: &'t str,
}

/// Where an attribute is wrong, and how.
type Wrong<'t> = (&'t str, &'static str);

impl<'t> Attributes<'t> {
    pub(super) fn new(text: &'t str) -> Attributes<'t> {
        Attributes { rest: text }
    }

    /// The next attribute.
    pub(super) fn next(&mut self) -> Option<Result<Attribute<'t>, Wrong<'t>>> {
        let start = skip_blanks(self.rest);
        if start.is_empty() {
            return None;
        }
        if start.len() == self.rest.len() {
            return Some(Err((start, "expected white space before an attribute")));
        }
        Some(self.read(start))
    }

    fn read(&mut self, start: &'t str) -> Result<Attribute<'t>, Wrong<'t>> {
        let (name, rest) = start.split_at(name_length(start));
        if name.is_empty() {
            return Err((start, "expected the name of an attribute"));
        }
        let rest = skip_blanks(rest);
        let Some(rest) = rest.strip_prefix('=') else {
            return Err((rest, "expected \"=\" behind the name of an attribute"));
        };
        let rest = skip_blanks(rest);
        let quote = match rest.as_bytes().first() {
            Some(quote @ (b'"' | b'\'')) => *quote,
            _ => return Err((rest, "expected an attribute value in quotes")),
        };
        let value = &rest[1..];
        let bytes = value.as_bytes();
        let mut end = run(bytes, PLAIN);
        let is_plain = bytes.get(end) == Some(&quote);
        if !is_plain {
            match bytes[end..].iter().position(|c| *c == quote) {
                Some(more) => end += more,
                None => return Err((rest, "expected the quote that ends an attribute value")),
            }
        }
        // a double quote in single quotes, or the other way round, ends the run but is a plain
        // character
        let value_text = &value[..end];
        let is_plain = is_plain
            || value_text
                .bytes()
                .all(|c| CLASS[usize::from(c)] & (PLAIN | QUOTE) != 0);
        self.rest = &value[end + 1..];
        Ok(Attribute {
            name,
            value: value_text,
            is_plain,
        })
    }
}

/// Length of the name that a text begins with. Names are what CIBs are made of: letters, digits and
/// some punctuation; this is wider than XML's own rule only for characters beyond ASCII.
pub(super) fn name_length(text: &str) -> usize {
    match text.as_bytes().first() {
        Some(first) if CLASS[usize::from(*first)] & NAME_START != 0 => run(text.as_bytes(), NAME),
        _ => 0,
    }
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

/// White space of XML.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Number of bytes at the beginning that are of a class.
pub(super) fn run(bytes: &[u8], class: u8) -> usize {
    let end = bytes
        .iter()
        .position(|c| CLASS[usize::from(*c)] & class == 0);
    end.unwrap_or(bytes.len())
}

/// May begin a name.
const NAME_START: u8 = 1;
/// May be in a name.
const NAME: u8 = 2;
/// Means itself in an attribute value.
pub(super) const PLAIN: u8 = 4;
/// A quote.
const QUOTE: u8 = 8;

/// The classes of each byte.
static CLASS: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        let start = c.is_ascii_alphabetic() || c == b'_' || c == b':' || c >= 0x80;
        let inside = start || c.is_ascii_digit() || c == b'-' || c == b'.';
        let quote = c == b'"' || c == b'\'';
        let plain = c >= b' ' && c != b'&' && c != b'<' && !quote;
        classes[byte] = (start as u8 * NAME_START)
            | (inside as u8 * NAME)
            | (plain as u8 * PLAIN)
            | (quote as u8 * QUOTE);
        byte += 1;
    }
    classes
};
