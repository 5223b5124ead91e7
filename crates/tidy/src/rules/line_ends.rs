//! Text files have the line ends that `.editorconfig` asks for: one line feed, nothing before it,
//! also at the end of the file.

use crate::{Finding, Tree};

/// Documents that are wrong on purpose.
const MALFORMED: &str = "crates/deployment/tests/malformed/";

/// Finds other line ends.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree
        .files()
        .filter(|file| !file.path.starts_with(MALFORMED))
    {
        let count = file.text.lines().count();
        for (index, line) in file.text.split('\n').enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                let what = "the line ends with a blank";
                found.push(Finding::new(&file.path, index + 1, what, "remove it"));
            }
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            let what = "the file ends within a line";
            found.push(Finding::new(
                &file.path,
                count,
                what,
                "end it with a line feed",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_carriage_returns_at_line_ends_are_found() {
        let tree = Tree::of(&[("a.md", "a \nb\r\nc"), ("b.md", "a\n\nb\n"), ("c.md", "")]);
        let found: Vec<_> = check(&tree)
            .into_iter()
            .map(|found| (found.file, found.line))
            .collect();
        let line = |number| ("a.md".to_owned(), number);
        assert_eq!(found, [line(1), line(2), line(3)]);
    }
}
