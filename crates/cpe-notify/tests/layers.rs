//! Each part uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // each for itself: texts, pauses, signatures, variables of alert agents
    &["environment", "retry", "signature", "text"],
    // what an administrator writes; what must not be forgotten; where events come from
    &["config", "event_log", "store"],
    // one attempt; the page about sinks
    &["deliver", "manual"],
    // one sink
    &["worker"],
    // all of them
    &["sinks"],
    // the object on the bus
    &["bus"],
    // putting it together
    &["serve"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
