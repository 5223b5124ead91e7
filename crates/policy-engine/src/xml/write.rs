//! Writing elements as text.

use super::Element;

/// Escapes an attribute value: `<` `>` `&` `"` as entities, control characters as `&#xNN;` (06
/// §A.7).
pub fn escape_attribute(value: &str, out: &mut String) {
    let mut rest = value;
    // most values need no escapes: what lies between two of them is copied as a whole
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

/// Writes an element with its descendants, two blanks of indentation per level, from depth `depth`.
pub fn write_element(element: Element<'_>, depth: usize, out: &mut String) {
    let indent = |out: &mut String| out.extend(std::iter::repeat_n("  ", depth));
    indent(out);
    out.push('<');
    out.push_str(element.name());
    for (name, value) in element.attributes() {
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        escape_attribute(value, out);
        out.push('"');
    }
    let mut children = element.children().peekable();
    if children.peek().is_none() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for child in children {
        write_element(child, depth + 1, out);
    }
    indent(out);
    out.push_str("</");
    out.push_str(element.name());
    out.push_str(">\n");
}

#[cfg(test)]
mod tests {
    use super::escape_attribute;

    #[test]
    fn what_has_a_meaning_in_xml_is_escaped_and_nothing_else() {
        let mut out = String::new();
        escape_attribute("a<b>&\"ü\u{7f}\n' €", &mut out);
        assert_eq!(out, "a&lt;b&gt;&amp;&quot;ü&#x7F;&#x0A;' €");
    }
}
