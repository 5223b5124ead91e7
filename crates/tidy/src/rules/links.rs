//! Every link of a document leads somewhere, and every document is linked from another.

use std::collections::BTreeSet;

use crate::tree::{File, is_below, join};
use crate::{Finding, Tree, markdown};

/// Finds links to files and headings that do not exist, and files below `docs` that no document
/// links to, not even to their folder.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut linked = BTreeSet::new();
    for file in tree.markdown() {
        for link in markdown::links(&file.text) {
            match follow(tree, file, link.target) {
                Ok(path) => {
                    if path != file.path {
                        linked.insert(path);
                    }
                }
                Err(what) => {
                    let remedy = "correct the link";
                    found.push(Finding::new(&file.path, link.line, what, remedy));
                }
            }
        }
    }
    for file in tree.files().filter(|file| is_below(&file.path, "docs")) {
        let leads_to = |path: &String| *path == file.path || is_folder_of(path, &file.path);
        if !linked.iter().any(leads_to) {
            let remedy = "link it where a reader looks for it";
            found.push(Finding::new(
                &file.path,
                1,
                "no document links to this file",
                remedy,
            ));
        }
    }
    found
}

fn is_folder_of(path: &str, file: &str) -> bool {
    !path.is_empty() && path != "docs" && is_below(file, path)
}

/// The path to which a link leads; empty for one that leaves the repository.
fn follow(tree: &Tree, from: &File, target: &str) -> Result<String, String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(String::new());
    }
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let path = match path {
        "" => from.path.clone(),
        path => join(from.folder(), path).ok_or(format!("`{target}` leaves the repository"))?,
    };
    if !tree.exists(&path) {
        return Err(format!("there is no file `{path}`"));
    }
    if let (Some(anchor), Some(file)) = (anchor, tree.get(&path))
        && file.has_extension("md")
        && !markdown::headings(&file.text)
            .iter()
            .any(|heading| heading.anchor == anchor)
    {
        return Err(format!("`{path}` has no heading `#{anchor}`"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_nothing_are_found() {
        let text =
            "# One\n[a](docs/a.md#two) [b](docs/b.md) [c](#one) [d](../x) [e](https://e.org/f)\n";
        let tree = Tree::of(&[("README.md", text), ("docs/a.md", "# One\n")]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.what).collect();
        assert_eq!(
            found,
            [
                "`docs/a.md` has no heading `#two`",
                "there is no file `docs/b.md`",
                "`../x` leaves the repository",
                "no document links to this file"
            ]
        );
    }

    #[test]
    fn a_file_in_a_linked_folder_is_linked() {
        let tree = Tree::of(&[
            ("README.md", "[bus](docs/bus/)"),
            ("docs/bus/a.xml", ""),
            ("docs/alone.md", "[me](alone.md)"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.file).collect();
        assert_eq!(found, ["docs/alone.md"]);
    }
}
