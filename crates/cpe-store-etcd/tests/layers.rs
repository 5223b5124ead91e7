//! Each part uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // calls that are repeated; the place of an event; how values are written
    &["calls", "cursor", "records"],
    // uploads; the event log; what DPEs know
    &["documents", "log", "facts"],
    // what is kept; what DPEs know, many of them at once
    &["deployments", "orders", "grouped"],
    // what nobody needs any more
    &["sweep"],
    // all of it
    &["store"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
