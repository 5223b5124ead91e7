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

fn expect_nothing(found: &[Finding]) {
    let found: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(
        found.is_empty(),
        "{} found:\n{}",
        found.len(),
        found.join("\n")
    );
}

macro_rules! rules {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                expect_nothing(&rules::$name::check(repository()));
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
