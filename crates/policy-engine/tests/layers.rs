//! Each stage uses only itself and what lies below it. The list is the architecture.

use std::path::Path;

/// The stages, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    // values and texts, which know nothing of clusters
    &["score", "scalar", "xml"],
    // the format of configurations; beside it, old ones in the words of the newest version
    &["schema", "upgrade"],
    // the working set of a run, and the journal of its decisions
    &["model"],
    // from the document to options, nodes and resources
    &["configuration"],
    // the transition under construction: how actions and orderings come to be and are found; beside
    // it, what of a document is not read as it is written
    &["transition", "misread"],
    // from the document to what runs where
    &["status"],
    // constraints, those of the document and those that always hold
    &["constraints"],
    // which node and which role each resource gets; beside it, limits of expansion
    &["assignment", "expansion"],
    // what has to be done with each resource and node; beside it, the input
    &["actions", "cib"],
    // in which order
    &["ordering"],
    // what of all that is to be carried out
    &["graph"],
    // carrying it out on a copy of the input
    &["simulation"],
    // texts
    &["output"],
    // the run, step by step
    &["schedule"],
    // why it was decided so; beside it, whether it may be carried out
    &["explain", "lint"],
];

#[test]
fn stages_look_only_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    layers::assert_order(&source, FLOORS);
}
