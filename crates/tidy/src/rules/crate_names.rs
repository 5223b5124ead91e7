//! A crate is called as its folder under `crates/`: who reads a path knows the name, and the other
//! way round.

use crate::{Finding, Tree, manifest};

/// Finds crates with another name than their folder.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files() {
        let folder = file
            .path
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/Cargo.toml"))
            .filter(|folder| !folder.contains('/'));
        let (Some(folder), Some(entry)) = (folder, manifest::name(&file.text)) else {
            continue;
        };
        if entry.value != folder {
            let what = format!("the crate `{}` is in the folder `{folder}`", entry.value);
            let remedy = "give both one name";
            found.push(Finding::new(&file.path, entry.line, what, remedy));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_with_another_name_is_found() {
        let tree = Tree::of(&[
            ("crates/one/Cargo.toml", "[package]\nname = \"one\"\n"),
            ("crates/two/Cargo.toml", "[package]\nname = \"cpe-two\"\n"),
            ("tests/Cargo.toml", "[package]\nname = \"end-to-end\"\n"),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "the crate `cpe-two` is in the folder `two`");
    }
}
