//! Each part uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // what everything else may name: errors, kinds of events, a socket
    &["error", "events", "wire"],
    // how values travel, and over what bus
    &["connect", "fields", "json"],
    // what travels
    &["names", "records"],
    &["orders"],
    // who is at the other end of a network
    &["identity"],
    // what a peer may send
    &["stream"],
    // how guests are reached
    &["peer"],
    // interfaces and formats made of that, and what is heard there
    &["cloudevents", "news", "proxies"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
