//! Every library has the compiler ask for the documentation of what it shows.

use crate::{Finding, Tree};

/// What the root of a library says.
const ATTRIBUTE: &str = "#![warn(missing_docs)]";

/// Finds libraries that do not say it.
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/src/lib.rs"))
        .filter(|file| !file.parts().code.contains(ATTRIBUTE))
        .map(|file| {
            let remedy = format!("write `{ATTRIBUTE}` below its header");
            let what = "the library may leave public items without documentation";
            Finding::new(&file.path, 1, what, remedy)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_without_the_attribute_is_found() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "//! A.\n\n#![warn(missing_docs)]\n"),
            ("crates/b/src/lib.rs", "// #![warn(missing_docs)]\n"),
            ("crates/c/src/main.rs", ""),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.file).collect();
        assert_eq!(found, ["crates/b/src/lib.rs"]);
    }
}
