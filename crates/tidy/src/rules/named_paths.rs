//! Every path of this repository that a document, a script or a comment names exists.
//!
//! Three forms are known: a path from the root or from the package of the file
//! (`crates/tidy/src/lib.rs`, a pattern with `*`, a placeholder in capitals); the end of the path
//! of a source in backticks (`rules/named_paths.rs`); and behind a source two colons and a function
//! (`crates/tidy/src/rust.rs::parts`).

use crate::tree::{File, is_below};
use crate::{Finding, Tree, rust};

/// Folders in the root, and in packages. A path begins with one of them.
const FOLDERS: &[&str] = &[
    ".ci/",
    ".github/",
    "crates/",
    "docs/",
    "examples/",
    "mk/",
    "systemd/",
    "tests/",
];

/// The rules' own sources name what does not exist.
const OWN: &str = "crates/tidy/src/";

/// Finds paths that do not exist.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files().filter(|file| !file.path.starts_with(OWN)) {
        let Some(text) = told(file) else { continue };
        for (index, line) in text.lines().enumerate() {
            let complaints = paths(line)
                .into_iter()
                .filter_map(|path| missing(tree, file, path))
                .chain(sources(line).filter_map(|name| unknown_source(tree, name)));
            for what in complaints {
                let remedy = "correct the path, or remove what names it";
                found.push(Finding::new(&file.path, index + 1, what, remedy));
            }
        }
    }
    found
}

/// What a file tells its readers, with blank lines for what it tells the machine.
fn told(file: &File) -> Option<&str> {
    let name = file.path.rsplit('/').next()?;
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "rs" => Some(&file.parts().comments),
        "md" | "sh" | "toml" | "mk" | "yml" | "service" | "rules" | "conf" => Some(&file.text),
        _ => (name == "Makefile" || file.path == ".ci/run").then_some(&file.text),
    }
}

/// The paths that a line names.
fn paths(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for (at, _) in line.match_indices(folder) {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "/._-$}:*".contains(c)) {
                continue;
            }
            let rest = &line[at..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "/._-*@:".contains(c)));
            let path = rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', ':', '-']);
            // What goes on with a variable or an ellipsis is not a whole path.
            let goes_on = rest[path.len()..].starts_with(['$', '{', '<', '…', '[', '%']);
            if path.len() > folder.len() && !goes_on {
                found.push(path);
            }
        }
    }
    found
}

/// What is wrong with a path.
fn missing(tree: &Tree, file: &File, path: &str) -> Option<String> {
    let (path, function) = match path.split_once("::") {
        Some((path, function)) => (path, Some(function)),
        None => (path.split(':').next().unwrap_or(path), None),
    };
    let mut places: Vec<String> = vec![path.to_owned()];
    // A document of the whole repository may name what any package has.
    let is_general = tree.package_of(&file.path).is_none();
    let near = |package: &&str| is_general || is_below(&file.path, package);
    places.extend(
        tree.packages()
            .filter(near)
            .map(|package| format!("{package}/{path}")),
    );
    let Some(place) = places.iter().find(|place| exists(tree, place)) else {
        return Some(format!("there is no file `{path}`"));
    };
    let source = tree.get(place)?;
    let function = function?;
    let functions = rust::functions(&source.parts().code);
    let is_there = functions.iter().any(|it| it.name == function);
    (!is_there).then(|| format!("`{path}` has no function `{function}`"))
}

fn exists(tree: &Tree, path: &str) -> bool {
    if tree.exists(path) {
        return true;
    }
    let is_pattern = |part: &str| part.contains('*') || is_placeholder(part);
    path.split('/').any(is_pattern) && tree.paths().any(|it| matches(path, it))
}

/// Capitals stand for any name.
fn is_placeholder(part: &str) -> bool {
    let name = part.split('.').next().unwrap_or(part);
    name.len() > 1
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Whether a path fits a pattern, part by part.
fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(pattern, part)| {
            is_placeholder(pattern) || fits(pattern.as_bytes(), part.as_bytes())
        })
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| fits(rest, &text[skip..])),
        Some((byte, rest)) => text.first() == Some(byte) && fits(rest, &text[1..]),
    }
}

/// Names of sources in backticks that do not begin with one of [`FOLDERS`].
fn sources(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|name| {
        let is_path = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
        let is_named = name
            .strip_suffix(".rs")
            .is_some_and(|stem| !stem.is_empty());
        is_named
            && name.chars().all(is_path)
            && !name.split('/').any(is_placeholder)
            && !FOLDERS.iter().any(|folder| name.starts_with(folder))
    })
}

fn unknown_source(tree: &Tree, name: &str) -> Option<String> {
    let is_end = |path: &str| {
        path.strip_suffix(name)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    (!tree.paths().any(is_end)).then(|| format!("there is no file `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", ""),
            ("crates/a/src/b/c.rs", "fn here() {}\n"),
            ("crates/a/tests/d.txt", ""),
            ("docs/e.md", ""),
            (path, text),
        ]);
        check(&tree).into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn paths_that_exist_are_right() {
        let text = "See docs/e.md, `crates/a/src/b/c.rs::here`, `b/c.rs`, crates/a/src/*/c.rs, docs/NAME.md, tests/d.txt.\n\
                    And docs/$x, docs/…, ../docs/x, ${y}docs/z.\n";
        assert_eq!(found("x.md", text), Vec::<String>::new());
    }

    #[test]
    fn a_path_to_nothing_is_found() {
        let text = "See docs/f.md and `crates/a/src/b/c.rs::there` and `d/c.rs`.\n";
        assert_eq!(
            found("x.md", text),
            [
                "`crates/a/src/b/c.rs` has no function `there`",
                "there is no file `docs/f.md`",
                "there is no file `d/c.rs`"
            ]
        );
    }

    #[test]
    fn in_sources_comments_count() {
        let text = "// tests/d.txt docs/f.md\nconst A: &str = \"docs/g.md\";\n";
        assert_eq!(
            found("crates/a/src/lib.rs", text),
            ["there is no file `docs/f.md`"]
        );
    }
}
