//! Each part of the simulation uses only itself and what lies below it. The list is the
//! architecture.

use std::path::Path;

const FLOORS: layers::Floors<'_> = &[
    &["clock", "faults", "members", "mutants", "store"],
    &["checker", "dpe", "guest", "scenario"],
    &["world"],
    &[
        "dpes",
        "goal",
        "injection",
        "invariants",
        "machines",
        "people",
        "requests",
    ],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
