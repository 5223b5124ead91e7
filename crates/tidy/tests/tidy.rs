//! This repository by the rules of [`tidy`]: one test for each rule.

use std::path::Path;
use std::sync::OnceLock;

use tidy::{Finding, Tree, rules};

fn repository() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Tree::read(&root).expect("the repository can be read")
    })
}

/// Files that still break a rule, as `RULE PATH`. The list may only shrink, and goes when it is
/// empty.
const PENDING: &str = include_str!("pending.txt");

fn expect_nothing(rule: &str, found: &[Finding]) {
    let is_pending = |file: &str| PENDING.lines().any(|line| line == format!("{rule} {file}"));
    let new: Vec<String> = found
        .iter()
        .filter(|finding| !is_pending(&finding.file))
        .map(Finding::to_string)
        .collect();
    assert!(new.is_empty(), "{} found:\n{}", new.len(), new.join("\n"));
    let done: Vec<&str> = PENDING
        .lines()
        .filter_map(|line| line.strip_prefix(rule)?.strip_prefix(' '))
        .filter(|file| found.iter().all(|finding| finding.file != *file))
        .collect();
    assert!(
        done.is_empty(),
        "remove from tests/pending.txt, nothing is left to do in them:\n{rule} {}",
        done.join(&format!("\n{rule} "))
    );
}

macro_rules! rules {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                expect_nothing(stringify!($name), &rules::$name::check(repository()));
            }
        )*
    };
}

rules! {
    citations
    comment_width
    crate_map
    crate_names
    dependencies
    file_headers
    floors
    function_length
    imports
    library_docs
    line_ends
    links
    machine_paths
    measurements
    named_paths
    pure_crates
    reachable
    retired_words
    scripts
}
