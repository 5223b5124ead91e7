//! The map of the crates in `docs/architecture.md` is that of their manifests: each crate has a
//! row, and the row names the crates of this project that it uses.
//!
//! A row is ``| [`NAME`](../crates/NAME) | what it is | `one`, `two` |``.

use std::collections::BTreeSet;

use crate::{Finding, Tree, manifest};

/// Where the map is.
const MAP: &str = "docs/architecture.md";

/// Finds crates without a row, rows without a crate, and rows with other uses than the manifest.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.get(MAP) else {
        return vec![Finding::new(
            MAP,
            1,
            "there is no map of the crates",
            "write it",
        )];
    };
    let crates: BTreeSet<&str> = tree
        .packages()
        .filter_map(|package| package.strip_prefix("crates/"))
        .filter(|name| !name.contains('/'))
        .collect();
    let mut missing = crates.clone();
    let mut found = Vec::new();
    for (index, line) in map.text.lines().enumerate() {
        let Some((name, uses)) = row(line) else {
            continue;
        };
        missing.remove(name);
        let wanted = dependencies(tree, name, &crates);
        if uses != wanted {
            let list: Vec<String> = wanted.iter().map(|it| format!("`{it}`")).collect();
            let what = format!("the map says wrongly what `{name}` uses");
            let remedy = format!("its manifest says: {}", list.join(", "));
            found.push(Finding::new(MAP, index + 1, what, remedy));
        }
    }
    found.extend(missing.iter().map(|name| {
        let what = format!("the map has no row for the crate `{name}`");
        Finding::new(MAP, 1, what, "add it")
    }));
    found
}

/// The crate of a row of the map, and what it uses.
fn row(line: &str) -> Option<(&str, BTreeSet<&str>)> {
    let mut cells = line.strip_prefix("| [`")?.split('|');
    let (name, rest) = cells.next()?.split_once("`](../crates/")?;
    let uses = cells.nth(1)?;
    (rest.trim() == format!("{name})")).then(|| (name, quoted(uses)))
}

/// What stands between backticks.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn dependencies<'a>(tree: &Tree, name: &str, crates: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let file = tree.get(&format!("crates/{name}/Cargo.toml"));
    file.map(|file| manifest::entries(&file.text))
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.table == "dependencies")
        .filter_map(|entry| crates.get(entry.key).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_differs_from_the_manifests_is_found() {
        let map = "| crate | what | uses |\n| [`a`](../crates/a) | A | `b` |\n| [`b`](../crates/b) | B | `a` |\n";
        let tree = Tree::of(&[
            (MAP, map),
            (
                "crates/a/Cargo.toml",
                "[dependencies]\nb.workspace = true\nserde = \"1\"\n",
            ),
            (
                "crates/b/Cargo.toml",
                "[dev-dependencies]\na.workspace = true\n",
            ),
            ("crates/c/Cargo.toml", ""),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.what).collect();
        assert_eq!(
            found,
            [
                "the map says wrongly what `b` uses",
                "the map has no row for the crate `c`"
            ]
        );
    }
}
