//! What a crate depends on, its sources name.

use std::collections::BTreeSet;

use crate::manifest::{self, Entry};
use crate::tree::is_below;
use crate::{Finding, Tree, rust};

/// Packages whose library has another name.
const LIBRARIES: &[(&str, &str)] = &[("md-5", "md5")];

/// Finds dependencies that no source of their package names: those for building in its `build.rs`,
/// all others anywhere but there, and those that are not for tests under `src`.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in tree.packages() {
        let path = format!("{package}/Cargo.toml");
        let Some(file) = tree.get(&path) else {
            continue;
        };
        let library_words = words(tree, package, Sources::Library);
        let build_words = words(tree, package, Sources::Build);
        let all_words = words(tree, package, Sources::All);
        for entry in manifest::entries(&file.text) {
            let words = match sources(&entry) {
                Some(Sources::Library) => &library_words,
                Some(Sources::Build) => &build_words,
                Some(Sources::All) => &all_words,
                None => continue,
            };
            if !words.contains(&library(entry.key)) {
                let what = format!("the dependency `{}` is not used", entry.key);
                let remedy = "remove it, or move it where it is used";
                found.push(Finding::new(&path, entry.line, what, remedy));
            }
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sources {
    Library,
    Build,
    All,
}

/// Where a dependency has to be named; `None` for an entry that is not a dependency.
fn sources(entry: &Entry<'_>) -> Option<Sources> {
    match entry.table.rsplit('.').next()? {
        _ if entry.table.starts_with("workspace") => None,
        "dependencies" => Some(Sources::Library),
        "build-dependencies" => Some(Sources::Build),
        "dev-dependencies" => Some(Sources::All),
        _ => None,
    }
}

fn library(package: &str) -> String {
    let known = LIBRARIES.iter().find(|(name, _)| *name == package);
    known.map_or_else(|| package.replace('-', "_"), |(_, it)| (*it).to_owned())
}

/// The words in the code of a package.
fn words(tree: &Tree, package: &str, sources: Sources) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in tree.rust() {
        let is_build = file.path == format!("{package}/build.rs");
        let is_wanted = match sources {
            Sources::Build => is_build,
            // A package without a folder `src` has its targets elsewhere.
            Sources::Library if tree.exists(&format!("{package}/src")) => {
                is_below(&file.path, &format!("{package}/src"))
            }
            Sources::Library | Sources::All => !is_build,
        };
        if is_wanted && tree.package_of(&file.path) == Some(package) {
            let tokens = rust::tokens(&file.parts().code).into_iter();
            found.extend(tokens.map(|token| token.text.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_nothing_names_is_found() {
        let manifest = "[dependencies]\nserde.workspace = true\nmd-5.workspace = true\nuuid = \"1\"\n\n\
                        [dev-dependencies]\ntempfile = \"3\"\ncpe-bus = { path = \"../cpe-bus\" }\n";
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", manifest),
            (
                "crates/a/src/lib.rs",
                "use md5::Md5;\nuse serde::Serialize; // uuid\n",
            ),
            (
                "crates/a/tests/b.rs",
                "use uuid::Uuid;\nuse cpe_bus::names;\n",
            ),
            ("crates/b/src/lib.rs", "use tempfile::TempDir;\n"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.what).collect();
        assert_eq!(
            found,
            [
                "the dependency `uuid` is not used",
                "the dependency `tempfile` is not used"
            ]
        );
    }
}
