//! Every file of Rust source opens with a `//!` that says what it is for.

use crate::{Finding, Tree};

/// Finds files that open with something else.
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| !has_header(&file.text))
        .map(|file| {
            let remedy = "write in a `//!` at its top what it is for";
            Finding::new(&file.path, 1, "the file does not say its purpose", remedy)
        })
        .collect()
}

fn has_header(text: &str) -> bool {
    text.strip_prefix("//!")
        .is_some_and(|rest| rest.lines().next().is_some_and(|line| line.len() > 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        let tree = Tree::of(&[
            ("good.rs", "//! Adds.\n"),
            ("empty.rs", "//!\n"),
            ("without.rs", "use std::io;\n"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.file).collect();
        assert_eq!(found, ["empty.rs", "without.rs"]);
    }
}
