//! Each part uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // who is believed; one process
    &["certificates", "member"],
    // who may do what; what lies between a host and the members
    &["users", "ways"],
    // all of it, here and elsewhere
    &["lab", "apart"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
