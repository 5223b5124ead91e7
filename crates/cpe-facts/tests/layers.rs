//! Each part uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // how it is written; what is said
    &["frame", "words"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
