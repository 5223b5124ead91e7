//! Every form in which a module can use another one is found, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use layers::{Fault, check_files};

const FLOORS: &[&[&str]] = &[&["low"], &["middle", "beside"], &["high"]];

/// The faults of a crate in which the named file has that text, as `kind path` with their lines.
fn faults(file: &str, text: &str) -> Vec<(usize, String)> {
    faults_with_root("pub mod low; pub use high::Thing;", file, text)
}

fn faults_with_root(root: &str, file: &str, text: &str) -> Vec<(usize, String)> {
    let mut files: Vec<(String, String)> = ["low.rs", "middle/mod.rs", "beside.rs", "high/mod.rs"]
        .map(|name| (name.to_owned(), String::new()))
        .to_vec();
    files.push(("lib.rs".to_owned(), root.to_owned()));
    files.retain(|(name, _)| name != file);
    files.push((file.to_owned(), text.to_owned()));
    let describe = |fault| match fault {
        Fault::Upward { path, .. } => format!("up {path}"),
        Fault::Sideways { path, .. } => format!("sideways {path}"),
        Fault::Root { path, .. } => format!("root {path}"),
        Fault::Unplaced { module } => format!("unplaced {module}"),
        Fault::Missing { module } => format!("missing {module}"),
    };
    check_files(&files, FLOORS)
        .into_iter()
        .map(|violation| (violation.line, describe(violation.fault)))
        .collect()
}

/// The text, as a file in the folder `middle`, has exactly this fault.
#[track_caller]
fn assert_fault(text: &str, line: usize, fault: &str) {
    let found = faults("middle/part.rs", text);
    assert_eq!(found, [(line, fault.to_owned())], "in {text}");
}

#[track_caller]
fn assert_fine(text: &str) {
    assert_eq!(faults("middle/part.rs", text), [], "in {text}");
}

#[test]
fn a_plain_import_is_found() {
    assert_fault("\nuse crate::high::f;", 2, "up crate::high::f");
    assert_fault(
        "pub(crate) use crate::high::f as g;",
        1,
        "up crate::high::f",
    );
    assert_fault("use crate::high;", 1, "up crate::high");
    assert_fault("use crate::high::*;", 1, "up crate::high");
}

#[test]
fn every_branch_of_a_use_tree_is_found_in_its_line() {
    let text = "use crate::{\n low::{self, a},\n high::{b::{c, d as e}, self},\n};";
    let found = faults("middle/part.rs", text);
    let expected = [
        "up crate::high",
        "up crate::high::b::c",
        "up crate::high::b::d",
    ];
    assert_eq!(found, expected.map(|fault| (3, fault.to_owned())));
}

#[test]
fn an_inline_path_is_found() {
    assert_fault("fn f() {\n crate::high::g(1) }", 2, "up crate::high::g");
    assert_fault(
        "struct S { field: Vec<crate::high::T> }",
        1,
        "up crate::high::T",
    );
    assert_fault(
        "macro_rules! m { () => { $crate::high::g() } }",
        1,
        "up crate::high::g",
    );
    assert_fault("fn f() { g::<crate::high::T>() }", 1, "up crate::high::T");
    assert_fault("fn f() { use crate::high::g; }", 1, "up crate::high::g");
}

#[test]
fn super_is_followed() {
    assert_fault("use super::super::high::f;", 1, "up crate::high::f");
    assert_fault("fn f() { super::super::high::g() }", 1, "up crate::high::g");
    assert_fault(
        "mod inner { use super::super::super::high::f; }",
        1,
        "up crate::high::f",
    );
    assert_fine("use super::f; use self::g; fn f() { super::h() }");
}

#[test]
fn aliases_are_followed() {
    let high = |line| (line, "up crate::high::f".to_owned());
    let root = |line| (line, "root crate::".to_owned());
    let inline = "use super::super as up;\nfn g() { up::high::f() }";
    assert_eq!(faults("middle/part.rs", inline), [root(1), high(2)]);
    let import = "use crate as root;\nuse root::high::f;";
    assert_eq!(faults("middle/part.rs", import), [root(1), high(2)]);
}

#[test]
fn a_stage_beside_and_the_root_are_out_of_reach() {
    assert_fault("use crate::beside::f;", 1, "sideways crate::beside::f");
    assert_fault("use crate::own;", 1, "root crate::own");
    assert_fault("use crate::*;", 1, "root crate::");
    assert_eq!(
        faults("lib.rs", "mod low; mod high; fn f() { high::g() }"),
        []
    );
}

#[test]
fn what_the_root_re_exports_is_what_it_comes_from() {
    assert_fault("use crate::Thing;", 1, "up crate::Thing");
    let root = "pub use low::{Deep, wide::Wide as Broad};";
    let text = "use crate::{Broad, Deep};";
    assert_eq!(faults_with_root(root, "middle/part.rs", text), []);
}

#[test]
fn what_lies_below_may_be_used() {
    assert_fine(
        "use crate::low::{self, f}; use crate::middle::g; fn h() { low::i(); crate::low::j() }",
    );
    assert_fine("use std::high::f; use ::high::g; fn h() { x.high::<u8>(); other::high::i() }");
    assert_fine("fn f<'a>() -> impl Iterator + use<'a> { high }");
}

#[test]
fn comments_texts_and_tests_are_left_out() {
    assert_fine("// crate::high::f\n/* use crate::high; */\n/// [`crate::high::f`]\nfn f() {}");
    assert_fine("const A: &str = \"crate::high::f\"; const B: &str = r#\"crate::high\"#;");
    assert_fine("#[cfg(test)]\nmod tests { use crate::high::f; fn g() { crate::high::h() } }");
    assert_fine("#[cfg(test)] use crate::{high::f};");
    assert_fine("#[cfg(test)] #[inline] fn f(a: [u8; 2]) { crate::high::h() }");
    let after = "#[cfg(test)] mod tests { fn f() {} }\nuse crate::high::f;";
    assert_fault(after, 2, "up crate::high::f");
}

#[test]
fn the_file_of_a_test_module_is_left_out() {
    let files = [
        ("lib.rs", "mod low; mod high;"),
        ("low.rs", "#[cfg(test)] mod tests;"),
        ("low/tests.rs", "use crate::high::f;"),
        ("high.rs", ""),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(check_files(&files, &[&["low"], &["high"]]), []);
}

#[test]
fn modules_and_floors_fit_together() {
    assert_eq!(faults("extra.rs", ""), [(0, "unplaced extra".to_owned())]);
    let files = [("lib.rs".to_owned(), String::new())];
    let found = check_files(&files, &[&["gone"]]);
    assert_eq!(found[0].to_string(), "floors: there is no module gone");
}

#[test]
fn children_of_a_folder_can_be_stages() {
    let floors: &[&[&str]] = &[&["parts::one", "parts::two"], &["whole"]];
    let check = |one: &str, whole: &str| {
        let files = [
            ("lib.rs", "mod parts; mod whole;"),
            (
                "parts/mod.rs",
                "pub mod one; pub mod two; pub use two::Two;",
            ),
            ("parts/one.rs", one),
            ("parts/two.rs", ""),
            ("whole.rs", whole),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
        let found = check_files(&files, floors);
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        check(
            "",
            "use crate::parts::{self, Two}; fn f() { parts::one::g() }"
        )
        .len(),
        1
    );
    assert_eq!(check("", "use crate::parts::{Two, one};"), [""; 0]);
    let beside =
        "parts/one.rs:1: parts::one uses crate::parts::two::f, which lies on the same floor";
    assert_eq!(check("use super::two::f;", ""), [beside]);
    let re_exported =
        "parts/one.rs:1: parts::one uses crate::parts::Two, which lies on the same floor";
    assert_eq!(check("use super::Two;", ""), [re_exported]);
}
