//! Each part of the program uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // what is said; who says it; how an agent is kept apart, and how what is left of it is ended
    &["protocol", "caller", "apart", "remains"],
    // files for agents; one run of an agent
    &["secrets", "agent"],
    // one connection
    &["serve"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
