//! Comments in the document.

use policy_engine::xml::Writer;

/// How a comment begins that asks for a decision.
pub(super) const DECIDE: &str = "<!-- Decide: ";

/// The longest line, where words allow it.
const WIDTH: usize = 110;

/// What a comment says.
#[derive(Debug)]
pub(super) enum Remark {
    /// A person has to look at it.
    Decide(String),
    /// What was done.
    Said(String),
}

/// Writes a comment in lines of its own, `depth` levels deep.
pub(super) fn comment(xml: &mut Writer<'_>, depth: usize, remark: &Remark) {
    let (begin, text) = match remark {
        Remark::Decide(text) => (DECIDE, text),
        Remark::Said(text) => ("<!-- ", text),
    };
    let indent = "  ".repeat(depth);
    let mut lines = String::new();
    let mut line = format!("{indent}{begin}");
    let mut is_empty = true;
    for word in harmless(text).split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = format!("{indent}     ");
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push_str(&line);
    lines.push_str(" -->\n");
    xml.verbatim(&lines);
}

/// The text without what would end a comment, or what XML does not allow.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '-' && out.ends_with('-') {
            out.push(' ');
        }
        match c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_cannot_be_ended_by_what_it_quotes() {
        let mut xml = Writer::new();
        comment(&mut xml, 1, &Remark::Said("a --> b ---\n-".to_owned()));
        assert_eq!(xml.finish(), "  <!-- a - -> b - - -\\n- -->\n");
    }

    #[test]
    fn long_comments_have_several_lines() {
        let mut xml = Writer::new();
        comment(&mut xml, 0, &Remark::Decide("word ".repeat(60)));
        let text = xml.finish();
        assert!(text.lines().count() > 2);
        assert!(text.lines().all(|line| line.len() <= WIDTH + 4), "{text}");
    }
}
