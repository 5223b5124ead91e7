//! Some crates are pure: they read no clock and do no input or output, so that the same inputs give
//! the same outputs, in a test, in the simulation and in a daemon.

use crate::{Finding, Tree, manifest};

/// These crates. Their tests may do what they like.
const PURE: &[&str] = &[
    "controller",
    "cpe-status",
    "deployment",
    "ownership",
    "policy-engine",
];

/// Names of std, and of other crates that re-export it, that stand for a clock or the outside.
const OUTSIDE: &[&str] = &[
    "Instant",
    "SystemTime",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "stdin",
    "stdout",
    "stderr",
];

/// Modules of std that do.
const MODULES: &[&str] = &["env", "fs", "process", "thread"];

/// Crates that do.
const CRATES: &[&str] = &["libc", "nix", "rusqlite", "rustix", "tokio", "zbus"];

/// Finds uses of the outside in pure crates.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let remedy = "take it as an input; the programs read clocks, files and sockets";
    let mut found = Vec::new();
    for name in PURE {
        let complain = |file: &str, line: usize, used: &str| {
            let what = format!("the pure crate `{name}` uses `{used}`");
            Finding::new(file, line, what, remedy)
        };
        let folder = format!("crates/{name}/src/");
        for file in tree.rust().filter(|file| file.path.starts_with(&folder)) {
            let used = outside(&file.parts().code);
            found.extend(
                used.iter()
                    .map(|(line, used)| complain(&file.path, *line, used)),
            );
        }
        if let Some(file) = tree.get(&format!("crates/{name}/Cargo.toml")) {
            let entries = manifest::entries(&file.text).into_iter();
            let used = entries.filter(|it| it.table == "dependencies" && CRATES.contains(&it.key));
            found.extend(used.map(|entry| complain(&file.path, entry.line, entry.key)));
        }
    }
    found
}

/// What code uses of the outside, with the lines.
fn outside(code: &str) -> Vec<(usize, &str)> {
    let tokens = crate::rust::tokens(code);
    let mut found = Vec::new();
    let mut in_std = false;
    for (index, token) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(index + ahead).map_or("", |token| token.text);
        match token.text {
            "std" if next(1) == "::" => in_std = true,
            ";" | "(" | ")" | "=" => in_std = false,
            module if in_std && MODULES.contains(&module) => found.push((token.line, module)),
            name if OUTSIDE.contains(&name) => found.push((token.line, name)),
            "now" if index > 0 && tokens[index - 1].text == "::" && next(1) == "(" => {
                found.push((token.line, "now"));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_a_file_and_a_runtime_in_a_pure_crate_are_found() {
        let text = "use std::{fmt, fs};\nuse std::time::Duration;\n\n\
                    fn f() { let now = jiff::Timestamp::now(); g(now, process) }\n";
        let tree = Tree::of(&[
            (
                "crates/controller/Cargo.toml",
                "[dependencies]\ntokio.workspace = true\n",
            ),
            ("crates/controller/src/lib.rs", text),
            ("crates/cpe/src/main.rs", text),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.what).collect();
        assert_eq!(
            found,
            [
                "the pure crate `controller` uses `fs`",
                "the pure crate `controller` uses `now`",
                "the pure crate `controller` uses `tokio`"
            ]
        );
    }
}
