//! The documentation of explanations lists every code as it is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;

use policy_engine::explain::{codes, documentation};

#[test]
fn the_documentation_lists_every_code() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/explanations.md");
    if std::env::var_os("UPDATE_EXPLANATIONS").is_some() {
        std::fs::write(&page, documentation()).unwrap();
    }
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        text == documentation(),
        "docs/explanations.md is not up to date: UPDATE_EXPLANATIONS=1 cargo test -p policy-engine --test explanations writes it"
    );
}

#[test]
fn every_code_has_a_name_of_its_own_and_a_meaning() {
    let mut names = BTreeSet::new();
    for code in codes::CHAPTERS.iter().flat_map(|(_, codes)| codes.iter()) {
        assert!(names.insert(code.name), "{} twice", code.name);
        let plain = |letter: char| letter.is_ascii_lowercase() || letter == '-';
        assert!(code.name.chars().all(plain), "{}", code.name);
        assert!(code.meaning.ends_with('.'), "{}", code.name);
        let balanced = |text: &str| text.matches('{').count() == text.matches('}').count();
        assert!(
            balanced(code.sentence) && balanced(code.in_cluster),
            "{}",
            code.name
        );
        assert!(!code.sentence.ends_with('.'), "{}", code.name);
    }
}
