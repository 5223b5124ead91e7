//! Each part of the daemon uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // the host's clock; whether anything may be sent
    &["clock", "permit"],
    // one piece of work each: staying apart, what guests' agents say of themselves, translating,
    // explaining, simulating losses, saving, fencing
    &[
        "apart",
        "catalogue",
        "convert",
        "explain",
        "fencing",
        "kept_inputs",
        "newest",
        "room",
        "store",
    ],
    // tasks beside the loop: the streams to agents, the bus, the ways to the event log and to the
    // disk, and to who wants to know what takes how long
    &["agents", "bus", "outbox", "saving", "spans"],
    // the loop
    &["shell"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
