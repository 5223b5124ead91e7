//! Writing elements as text.

use super::Element;

/// Escapes an attribute value: `<` `>` `&` `"` as entities, control characters as `&#xNN;` (06 §A.7).
pub fn escape_attribute(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c if c.is_ascii_control() => out.push_str(&format!("&#x{:02X};", c as u32)),
            c => out.push(c),
        }
    }
}

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
