//! Each part uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // each for itself
    &[
        "clock", "hidden", "outlet", "man", "notify", "panics", "pauses", "zones",
    ],
    // what is old; the journal; tells systemd that the event loop turns
    &["ages", "journal", "watchdog"],
    // where the log goes
    &["log"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
