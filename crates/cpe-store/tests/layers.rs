//! Each part uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // what can go wrong; the way into the journal; what is kept
    &["error", "journal", "words"],
    // what follows from a request; what a store does
    &["outcomes", "store"],
    // one of a host; the tests of all
    &["sqlite", "conformance"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
