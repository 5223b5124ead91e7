//! The floors of this crate, lowest first: each uses itself and what lies below it. The list is the
//! architecture.

use std::path::Path;

const FLOORS: layers::Floors<'_> = &[&["vocabulary"], &["machines"], &["host"]];

#[test]
fn nothing_uses_what_lies_above_it() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    layers::assert_order(Path::new(source), FLOORS);
}
