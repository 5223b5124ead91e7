//! Each part uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // what ends a driver; how keys are written
    &["error", "keys"],
    // what starts DPEs; how values are written
    &["runner", "values"],
    // what is left for the next process; what a watch has told; starts and stops under way
    &["folder", "seen", "units"],
    // requests to etcd, and its answers
    &["store"],
    // what others have of a driver; what a watch always has to tell
    &["handle", "pulse"],
    // all of it
    &["driver"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
