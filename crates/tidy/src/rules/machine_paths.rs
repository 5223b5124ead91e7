//! No file names a path of a particular machine: what works in one place only is not part of the
//! project.

use crate::{Finding, Tree};

/// Beginnings of paths that only some machine has. The first part of each is written apart so that
/// this file does not name one.
const MACHINES: &[(&str, &str)] = &[
    ("/home", "/"),
    ("/Users", "/"),
    ("/work", "/"),
    ("/tmp", "/w/"),
    ("/mnt", "/"),
];

/// Finds such paths.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files() {
        for (index, line) in file.text.lines().enumerate() {
            for (folder, rest) in MACHINES {
                let path = format!("{folder}{rest}");
                if names(line, &path) {
                    let what = format!("the path `{path}…` is one of a particular machine");
                    let remedy = "take it from an argument, a variable or a temporary folder";
                    found.push(Finding::new(&file.path, index + 1, what, remedy));
                }
            }
        }
    }
    found
}

/// Whether a line names something below `path`, and `path` itself begins there.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        let is_start = before.is_none_or(|c| !c.is_alphanumeric() && !"/.-_}>)$".contains(c));
        is_start && after.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_found() {
        let line = format!("cd {}/{}\n", "/home", "jo/project");
        let tree = Tree::of(&[("a.sh", &line), ("b.sh", "cd \"$1/home/x\"\n")]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.file).collect();
        assert_eq!(found, ["a.sh"]);
    }
}
