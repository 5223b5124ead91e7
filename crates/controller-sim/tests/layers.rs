//! Each part of the simulation uses only itself and what lies below it. The list is the
//! architecture.

use std::path::Path;

/// The parts, floor by floor, lowest first. Those of one floor do not use each other.
const FLOORS: layers::Floors<'_> = &[
    // time zones
    &["zones"],
    // what a world is made of: chance, time, messages
    &["digest", "faults", "network", "time"],
    // what documents say of a service
    &["policies"],
    // deployments; controllers that make mistakes
    &["mutants", "scenario"],
    &["document", "equipment", "escalations", "options", "queue"],
    // who lives in a world: guests, the DPE, who watches them
    &["checker", "gate", "guest", "shell", "wiring"],
    &["world"],
    // what they do there, each through the methods of the world
    &[
        "addresses",
        "agent",
        "agent_model",
        "debugging",
        "devices",
        "dpe",
        "effects",
        "event_log",
        "goal",
        "injection",
        "invariants",
        "leaving",
        "lies",
        "operations",
        "orders",
        "questions",
        "streams",
        "tickets",
        "unfencing",
        "upkeep",
        "world_faults",
    ],
];

#[test]
fn parts_look_only_down() {
    layers::assert_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), FLOORS);
}
