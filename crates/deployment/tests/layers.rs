//! Each stage uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The stages, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // how long a lost assembly is waited for; fencing devices of the configuration; secrets; values
    // beyond the document; what is run before a service starts
    &["failover", "device", "secret", "live", "configure"],
    // what a document says, and what is wrong with it
    &["model", "problem"],
    // the text of a document, with places; its scalars; what it asks of resource agents
    &["tree", "value", "uses"],
    // what becomes of everything that a configuration can say, and which values it may have
    &["treatment"],
    // problems that any element can have; from the model to the policy engine's configuration; what
    // follows when an assembly is lost; what resource agents say about themselves; what differs
    // between two documents; documents without what is secret
    &["report", "lower", "loss", "metadata", "changes", "mask"],
    // Pacemaker's own elements; documents against what agents say
    &["configuration", "agents"],
    // fence agents against what they say
    &["fence_agents"],
    // the short forms, and the document as a whole
    &["reader"],
    // a cluster's CIB to a document
    &["import"],
];

/// The same, with the order inside of folders.
const PARTS: &[&[&str]] = &[
    &["failover", "device", "secret", "live", "configure"],
    &["model", "problem"],
    &["value", "uses", "tree::fault", "tree::element"],
    &["tree::characters"],
    &["tree::attributes"],
    &["tree::parse"],
    &["treatment"],
    &["report", "lower", "loss", "metadata", "changes", "mask"],
    &["configuration", "agents"],
    &["fence_agents"],
    &["reader::form", "reader::zone", "reader::without_agent"],
    &["reader::configure"],
    &["reader::original"],
    &["reader::values", "reader::names", "reader::cycle"],
    &["reader::secrets"],
    &[
        "reader::bounds",
        "reader::draft",
        "reader::references",
        "reader::constraint",
    ],
    &["reader::service"],
    &["reader::assembly"],
    &[
        "import::comment",
        "import::name",
        "import::section",
        "import::kept",
    ],
    &["import::renames"],
    &["import::node"],
    &["import::remarks"],
];

#[test]
fn stages_look_only_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    layers::assert_order(&source, FLOORS);
}

#[test]
fn parts_of_stages_look_only_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    layers::assert_order(&source, PARTS);
}
