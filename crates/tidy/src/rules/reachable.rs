//! Every file of Rust source belongs to a target of its package: what nobody declares, nobody
//! compiles.

use std::collections::BTreeSet;

use crate::tree::{File, folder, join};
use crate::{Finding, Tree, manifest, rust};

/// Finds files that are not reached by `mod` from the root of a target.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut roots: Vec<String> = tree.packages().flat_map(|it| roots(tree, it)).collect();
    while let Some(path) = roots.pop() {
        if let Some(file) = tree.get(&path)
            && reached.insert(path)
        {
            roots.extend(modules(tree, file));
        }
    }
    tree.rust()
        .filter(|file| !reached.contains(&file.path))
        .map(|file| {
            let what = "no target of the package reaches the file";
            Finding::new(&file.path, 1, what, "declare it with `mod`, or remove it")
        })
        .collect()
}

/// The root files of a package's targets: by convention, and as the manifest says.
fn roots(tree: &Tree, package: &str) -> Vec<String> {
    let mut found: Vec<String> = ["src/lib.rs", "src/main.rs", "build.rs"]
        .iter()
        .map(|path| format!("{package}/{path}"))
        .collect();
    for folder in ["src/bin", "tests", "benches", "examples"] {
        let folder = format!("{package}/{folder}");
        found.extend(tree.rust().filter_map(|file| {
            let rest = file.path.strip_prefix(&folder)?.strip_prefix('/')?;
            let is_root = !rest.contains('/')
                || (rest.ends_with("/main.rs") && rest.matches('/').count() == 1);
            is_root.then(|| file.path.clone())
        }));
    }
    if let Some(file) = tree.get(&format!("{package}/Cargo.toml")) {
        let entries = manifest::entries(&file.text).into_iter();
        let paths = entries.filter(|entry| entry.key == "path" && entry.table.starts_with('['));
        found.extend(paths.map(|entry| format!("{package}/{}", entry.value)));
    }
    found
}

/// The files of the modules that a file declares.
fn modules(tree: &Tree, file: &File) -> Vec<String> {
    let parts = file.parts();
    let tokens = rust::tokens(&parts.code);
    let literals: Vec<&str> = parts.literals.lines().collect();
    let mut found = Vec::new();
    // Inline modules that are open, with the depth of braces inside them.
    let mut inline: Vec<(&str, usize)> = Vec::new();
    let mut depth = 0;
    let mut path_line = None;
    for (index, token) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(index + ahead).map_or("", |token| token.text);
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|(_, inside)| *inside <= depth);
            }
            // A variable may be called path too.
            "path" if next(1) == "=" && index > 0 && tokens[index - 1].text == "[" => {
                path_line = Some(token.line)
            }
            "mod" if next(2) == "{" => inline.push((next(1), depth + 1)),
            "mod" if next(2) == ";" => {
                let named = path_line.take().and_then(|line| literals.get(line - 1));
                found.extend(match named {
                    Some(literal) => join(file.folder(), literal.trim().trim_matches('"')),
                    None => declared(tree, file, &inline, next(1)),
                });
            }
            _ => {}
        }
    }
    found
}

/// The file of `mod name;`.
fn declared(tree: &Tree, file: &File, inline: &[(&str, usize)], name: &str) -> Option<String> {
    let stem = file.path.strip_suffix(".rs")?;
    let last = stem.rsplit('/').next()?;
    let is_root = matches!(last, "lib" | "main" | "mod" | "build")
        || tree
            .package_of(&file.path)
            .is_some_and(|package| roots(tree, package).contains(&file.path));
    let mut base = if is_root { folder(stem) } else { stem }.to_owned();
    for (module, _) in inline {
        base = format!("{base}/{module}");
    }
    [format!("{base}/{name}.rs"), format!("{base}/{name}/mod.rs")]
        .into_iter()
        .find(|path| tree.get(path).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_declares_is_found() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", "[[bin]]\nname = \"x\"\npath = \"x.rs\"\n"),
            ("a/x.rs", "mod y;\n"),
            ("a/y.rs", ""),
            (
                "a/src/lib.rs",
                "mod b;\nmod c { mod d; }\n#[path = \"e/f.rs\"]\nmod g;\n",
            ),
            ("a/src/b/mod.rs", "let path = 1;\nmod h;\n// mod lost;"),
            ("a/src/b/h.rs", "mod i;\n"),
            ("a/src/b/h/i.rs", ""),
            ("a/src/c/d.rs", ""),
            ("a/src/e/f.rs", ""),
            ("a/src/b/lost.rs", ""),
            ("a/tests/one.rs", ""),
            ("a/tests/two/main.rs", "mod helper;"),
            ("a/tests/two/helper.rs", ""),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.file).collect();
        assert_eq!(found, ["a/src/b/lost.rs"]);
    }
}
