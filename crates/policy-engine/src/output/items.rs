//! Nested lists, the text output's only structure (scheduler-spec/06 §B.1).

/// A part of the text output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A line.
    Line(String),
    /// A titled list.
    List(String, Vec<Item>),
    /// An empty line.
    Spacer,
}

/// Appends `items` to `out` as they look inside `depth` lists.
pub fn write(items: &[Item], depth: usize, out: &mut String) {
    for item in items {
        match item {
            Item::Line(text) => line(text, depth, out),
            Item::List(title, items) => {
                line(&format!("{title}:"), depth, out);
                write(items, depth + 1, out);
            }
            Item::Spacer => out.push('\n'),
        }
    }
}

/// Appends one line: two blanks of indentation per level, and a bullet inside a list.
pub fn line(text: &str, depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
    if depth > 0 {
        out.push_str("* ");
    }
    out.push_str(text);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_lists_are_indented_and_have_bullets() {
        let nodes = Item::List("Node List".into(), vec![Item::Line("Online: [ a ]".into())]);
        let mut out = String::new();
        write(
            &[Item::List("Now".into(), vec![nodes, Item::Spacer])],
            0,
            &mut out,
        );
        assert_eq!(out, "Now:\n  * Node List:\n    * Online: [ a ]\n\n");
    }
}
