//! Orders about single services, as the event log tells them.

use cpe_bus::Fields;
use cpe_bus::fields::{Reader, bounded};

/// Bytes of an option that an event has at most.
const LONGEST_SHOWN: usize = 255;

/// What an order says beside its verb and its service.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub assembly: String,
    pub more: Vec<(&'static str, String)>,
}

/// What of the options of an order is told. What is wrong with them the DPE says.
pub(super) fn told(options: &Fields) -> Told {
    let reader = Reader::new("options", options);
    let text = |key: &str| reader.text(key, LONGEST_SHOWN).unwrap_or_default();
    let is_set = |key: &str| reader.boolean(key).unwrap_or_default();
    let for_ms = reader.u64("for_ms").unwrap_or_default();
    let mut more = Vec::new();
    for (key, value) in [
        ("lifetime", text("lifetime")),
        (
            "for_ms",
            if for_ms > 0 {
                for_ms.to_string()
            } else {
                String::new()
            },
        ),
        (
            "role",
            if is_set("promoted") {
                "Promoted".into()
            } else {
                String::new()
            },
        ),
        (
            "force",
            if is_set("force") {
                "force".into()
            } else {
                String::new()
            },
        ),
    ] {
        if !value.is_empty() {
            more.push((key, value));
        }
    }
    Told {
        assembly: bounded(&text("assembly"), LONGEST_SHOWN),
        more,
    }
}

/// The verb of an order as the action of an event.
pub(super) fn action(verb: &str) -> &'static str {
    match verb {
        "move" => "move",
        "ban" => "ban",
        "clear" => "clear",
        "disable" => "disable",
        "enable" => "enable",
        "unmanage" => "unmanage",
        "manage" => "manage",
        "restart" => "restart",
        _ => "order",
    }
}
