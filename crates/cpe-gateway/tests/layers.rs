//! Each part uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // what may be set; what has changed on disk; how much at once; what went wrong; who may what
    &["settings", "files", "limits", "problem", "rights"],
    // who calls, and where they arrive
    &["identity", "sockets", "tls"],
    // the way to cpe; plans that were shown
    &["bus", "plans"],
    // what is known
    &["mirror"],
    // numbers of it
    &["metrics"],
    // what requests share
    &["app"],
    // what requests consist of
    &["http"],
    // whether they may come at all
    &["guard"],
    // the resources; beside them, the same for people
    &["rest", "page"],
    // accepting connections
    &["serve"],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
