//! Each part of the agent uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // one thing each, for itself: rules, clocks, memory and processors, secrets
    &[
        "accept", "activity", "clock", "ending", "lease", "machine", "network", "renewal",
        "secrets", "standing",
    ],
    // how programs are run
    &["process"],
    // how what is left is killed
    &["remains"],
    // how the guest is taken down
    &["reset"],
    // what resource agents say about their guest, and how they say it
    &["attributes"],
    // what outlives the process; how a resource is operated
    &["classes", "store"],
    // what was run before services; what resets the guest when the agent feeds it no more; where a
    // former version's state is
    &["configure", "device", "former"],
    // the command line
    &["cli"],
    // the one decision maker; who watches it
    &["engine", "guard"],
    // the way to it from outside
    &["server"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
