//! For tests: whether the modules of a crate use only what lies below them.
//!
//! A crate lists its stages, floor by floor, lowest first. A stage may use itself and the stages of
//! lower floors. It may use neither a higher floor nor another stage of its own floor. The root
//! (`lib.rs` or `main.rs`) is above all of them: it may use everything, and no stage may use what
//! it defines; what it only re-exports counts as the stage that it comes from.
//!
//! ```text
//! const FLOORS: &[&[&str]] = &[&["text"], &["model"], &["reader", "writer"]];
//!
//! #[test]
//! fn stages_look_only_down() {
//!     let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
//!     layers::assert_order(Path::new(source), FLOORS);
//! }
//! ```
//!
//! A stage is a module, with all that is in it. It is named by its path (`model`), which may have
//! several segments (`machines::assembly`) where the children of one folder have an order among
//! themselves; such a folder's own file counts as a part of the root.
//!
//! The source is read as tokens. Every path that begins with `crate`, `super`, `self`, a name
//! from a `use` or a child module is followed: in use trees, in inline paths and in macros.
//! Comments, texts and what is compiled for tests only (`#[cfg(test)]`) are left out. A name that
//! comes in through a glob import counts as the glob.

#![warn(missing_docs)]

mod reader;
mod tokens;
mod tree;

use std::fmt;
use std::path::Path;

use tree::Tree;

/// The stages of a crate: floors, lowest first, each with the paths of its modules.
pub type Floors<'a> = &'a [&'a [&'a str]];

/// A place where the order does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the source folder.
    pub file: String,
    /// Line, from 1; 0 if the fault is not in a line.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A path leads to a higher floor.
    Upward {
        /// The stage that uses it.
        stage: String,
        /// The path that is used, from the root.
        path: String,
    },
    /// A path leads to another stage of the same floor.
    Sideways {
        /// The stage that uses it.
        stage: String,
        /// The path that is used, from the root.
        path: String,
    },
    /// A path leads to what the root itself defines.
    Root {
        /// The stage that uses it.
        stage: String,
        /// The path that is used, from the root.
        path: String,
    },
    /// A module is on no floor.
    Unplaced {
        /// The module.
        module: String,
    },
    /// A floor names a module that does not exist.
    Missing {
        /// The module.
        module: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { file, line, .. } = self;
        match &self.fault {
            Fault::Upward { stage, path } => {
                write!(
                    out,
                    "{file}:{line}: {stage} uses {path}, which lies above it"
                )
            }
            Fault::Sideways { stage, path } => write!(
                out,
                "{file}:{line}: {stage} uses {path}, which lies on the same floor"
            ),
            Fault::Root { stage, path } => {
                write!(
                    out,
                    "{file}:{line}: {stage} uses {path} of the crate's root"
                )
            }
            Fault::Unplaced { module } => write!(out, "{file}: module {module} is on no floor"),
            Fault::Missing { module } => write!(out, "floors: there is no module {module}"),
        }
    }
}

/// Reads all `.rs` files under `source` (a crate's `src` folder) and returns every place where a
/// stage uses what is not below it, sorted by file and line.
///
/// # Panics
/// If the folder cannot be read or has neither `lib.rs` nor `main.rs`.
pub fn check(source: &Path, floors: Floors<'_>) -> Vec<Violation> {
    check_files(&files(source), floors)
}

/// [`check`], as a test wants it.
///
/// # Panics
/// If there is a violation; the message lists them all.
pub fn assert_order(source: &Path, floors: Floors<'_>) {
    let violations = check(source, floors);
    let list: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(
        list.is_empty(),
        "{} uses of what is not below:\n{}",
        list.len(),
        list.join("\n")
    );
}

/// [`check`] of files in memory: paths relative to the source folder (with `/`), and texts.
pub fn check_files(files: &[(String, String)], floors: Floors<'_>) -> Vec<Violation> {
    let tree = Tree::read(files);
    let mut violations = tree.placement(floors);
    for (file, module) in tree.modules() {
        for reference in &module.references {
            let Some(target) = tree.resolve(module, &reference.path) else {
                continue;
            };
            if let Some(fault) = tree.fault(&module.path, &target, floors) {
                violations.push(Violation {
                    file: file.to_owned(),
                    line: reference.line,
                    fault,
                });
            }
        }
    }
    violations.sort();
    violations.dedup();
    violations
}

/// The `.rs` files under a folder, with paths relative to it, sorted.
fn files(source: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|fault| unreadable(&folder, &fault))
            .map(|entry| entry.unwrap_or_else(|fault| unreadable(&folder, &fault)));
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path)
                    .unwrap_or_else(|fault| unreadable(&path, &fault));
                let relative = path.strip_prefix(source).unwrap_or(&path);
                found.push((relative.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    found.sort();
    let is_root = |(path, _): &(String, String)| path == "lib.rs" || path == "main.rs";
    assert!(
        found.iter().any(is_root),
        "no lib.rs or main.rs in {}",
        source.display()
    );
    found
}

#[expect(clippy::panic, reason = "a test that cannot read its input has failed")]
fn unreadable(path: &Path, fault: &std::io::Error) -> ! {
    panic!("cannot read {}: {fault}", path.display())
}
