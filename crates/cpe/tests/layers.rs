//! The order of the modules: each uses only what lies below it. docs/architecture.md draws it.

use std::path::Path;

/// The modules, lowest first. Those of a floor do not know each other.
const FLOORS: layers::Floors<'_> = &[
    &["sync", "config", "backoff", "facts", "rights"],
    &["turns", "places"],
    &[
        "access",
        "authorisation",
        "documents",
        "dpe",
        "readers",
        "refusals",
        "rooms",
        "stores",
        "systemd",
        "visitors",
    ],
    &["registry"],
    &["core"],
    &["host"],
    &[
        "cluster",
        "endings",
        "mirror",
        "plan",
        "signals",
        "sockets",
        "supervisor",
        "reconciliation",
        "conflicts",
        "audit",
        "reload",
    ],
    &["admission"],
    &["bus"],
    &["serve"],
];

#[test]
fn every_module_uses_only_what_lies_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    layers::assert_order(&source, FLOORS);
}
