//! Lines with a comment end at column 100, as code does.

use crate::{Finding, Tree};

/// The last column.
const LIMIT: usize = 100;

/// Finds lines with comments that are too long.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.rust() {
        let comments = &file.parts().comments;
        let lines = file.text.lines().zip(comments.lines()).enumerate();
        for (index, (line, comment)) in lines {
            let width = line.chars().count();
            if width > LIMIT && !comment.trim().is_empty() {
                let what = format!("the comment ends at column {width}");
                let remedy = format!("break it: {LIMIT} is the last column");
                found.push(Finding::new(&file.path, index + 1, what, remedy));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_may_reach_column_100_and_no_further() {
        let text = format!("//! {}\n// {}\n", "é".repeat(96), "é".repeat(98));
        let found = check(&Tree::of(&[("a.rs", &text)]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
        assert_eq!(found[0].what, "the comment ends at column 101");
    }

    #[test]
    fn a_long_text_in_code_is_not_a_comment() {
        let text = format!("const A: &str = \"// {}\";\n", "a".repeat(100));
        assert_eq!(check(&Tree::of(&[("a.rs", &text)])), []);
    }
}
