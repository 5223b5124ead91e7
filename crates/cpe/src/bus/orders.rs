//! Orders about single services, as the event log tells them.

use cpe_bus::Fields;
use cpe_bus::fields::Reader;

use super::deployment::LONGEST_SHOWN;

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
    let said = |is_so: bool, key, value: String| is_so.then_some((key, value));
    let lifetime = text("lifetime");
    let more = [
        said(!lifetime.is_empty(), "lifetime", lifetime),
        said(for_ms > 0, "for_ms", for_ms.to_string()),
        said(is_set("promoted"), "role", "Promoted".to_owned()),
        said(is_set("force"), "force", "force".to_owned()),
    ];
    Told {
        assembly: text("assembly"),
        more: more.into_iter().flatten().collect(),
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

/// What an agent is had to do once as the action of an event.
pub(super) fn debug_action(verb: &str) -> &'static str {
    match verb {
        "monitor" => "debug-monitor",
        "start" => "debug-start",
        "stop" => "debug-stop",
        _ => "debug",
    }
}
