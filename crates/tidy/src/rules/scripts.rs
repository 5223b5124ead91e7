//! Shell scripts say at the top what they are for, and end at the first error.
//!
//! Resource agents are not among them: their exit codes are their interface, and each of their
//! commands may fail.

use crate::tree::File;
use crate::{Finding, Tree};

/// Finds scripts without a purpose or without `set -e`.
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.files()
        .filter(|file| is_script(file))
        .flat_map(check_script)
        .collect()
}

fn is_script(file: &File) -> bool {
    let first = file.text.lines().next().unwrap_or_default();
    let is_shell = first.starts_with("#!") && (first.ends_with("/sh") || first.ends_with("bash"));
    let is_agent = file.text.contains("ocf-exit-reason:") && file.text.contains("meta-data");
    is_shell && !is_agent
}

fn check_script(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut lines = file.text.lines().enumerate().skip(1).peekable();
    if !lines
        .peek()
        .is_some_and(|(_, line)| line.len() > 2 && line.starts_with("# "))
    {
        let remedy = "say in its second line what it is for";
        found.push(Finding::new(
            &file.path,
            2,
            "the script does not say its purpose",
            remedy,
        ));
    }
    let command = lines.find(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    if let Some((index, line)) = command
        && !line.starts_with("set -e")
    {
        let remedy = "begin with `set -euo pipefail`";
        found.push(Finding::new(
            &file.path,
            index + 1,
            "the script goes on after an error",
            remedy,
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_without_purpose_or_set_is_found() {
        let tree = Tree::of(&[
            (
                "good.sh",
                "#!/bin/bash\n# Runs everything.\n\nset -euo pipefail\n",
            ),
            ("bad.sh", "#!/bin/bash\n\ncd x\n"),
            (
                "agent",
                "#!/bin/sh\n# An agent.\ncase $1 in meta-data) echo ocf-exit-reason: ;; esac\n",
            ),
        ]);
        let found: Vec<_> = check(&tree)
            .into_iter()
            .map(|found| (found.file, found.line))
            .collect();
        assert_eq!(found, [("bad.sh".to_owned(), 2), ("bad.sh".to_owned(), 3)]);
    }
}
