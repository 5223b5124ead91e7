//! Events of the CPE's own, and every event's way into the journal.

use cpe_bus::{Event, EventKind};
use cpe_daemon::now;

/// A new event of this daemon.
pub fn new_event(kind: EventKind, deployment: &str) -> Event {
    Event::new(kind, deployment, now())
}

/// Writes a recorded event to the journal: one line for people, the rest as fields to filter by
/// (`journalctl CPE_DEPLOYMENT=shop`, `journalctl MESSAGE_ID=…`).
pub fn to_journal(event: &Event) {
    let message_id = cpe_bus::events::message_id(&event.kind);
    let details = match event.details.is_empty() {
        true => None,
        false => serde_json::to_string(&event.details).ok(),
    };
    // One macro per level: tracing's callsites are static.
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "cpe::event",
                message_id,
                cpe_event_id = event.id,
                cpe_event_cursor = event.cursor,
                cpe_event_time = event.time,
                cpe_event_kind = event.kind,
                cpe_deployment = some(&event.deployment),
                cpe_assembly = some(&event.assembly),
                cpe_service = some(&event.service),
                cpe_state = some(&event.state),
                cpe_reason = some(&event.reason),
                cpe_details = details,
                "{}",
                sentence(event)
            )
        };
    }
    match severity(&event.kind) {
        Severity::Error => line!(error),
        Severity::Warning => line!(warn),
        Severity::Notice => line!(info),
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// `service.moved shop web1/db started: web2 was lost`
fn sentence(event: &Event) -> String {
    let mut line = event.kind.clone();
    if !event.deployment.is_empty() {
        line.push(' ');
        line.push_str(&event.deployment);
    }
    match (event.assembly.is_empty(), event.service.is_empty()) {
        (true, true) => {}
        (true, false) => line.push_str(&format!(" {}", event.service)),
        (false, true) => line.push_str(&format!(" {}", event.assembly)),
        (false, false) => line.push_str(&format!(" {}/{}", event.assembly, event.service)),
    }
    if !event.state.is_empty() {
        line.push_str(&format!(" ({})", event.state));
    }
    if !event.reason.is_empty() {
        line.push_str(": ");
        line.push_str(&event.reason);
    }
    line
}

#[derive(Debug, PartialEq)]
enum Severity {
    Error,
    Warning,
    Notice,
}

fn severity(kind: &str) -> Severity {
    match kind.parse::<EventKind>() {
        Ok(
            EventKind::AccessRefused
            | EventKind::DeploymentFailed
            | EventKind::DpeDied
            | EventKind::DpeStorageFailed
            | EventKind::AssemblyLost
            | EventKind::AssemblyFencingFailed
            | EventKind::AssemblyUnfencingFailed
            | EventKind::ServiceUnrecoverable,
        ) => Severity::Error,
        Ok(
            EventKind::DeploymentDegraded
            | EventKind::AssemblyHeartbeatMissed
            | EventKind::AssemblyFencingRequested
            | EventKind::ServiceFailed,
        ) => Severity::Warning,
        _ => Severity::Notice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_journal_says_what_happened_to_what_and_why() {
        let mut event = new_event(EventKind::ServiceMoved, "shop");
        assert_eq!(sentence(&event), "service.moved shop");
        event.service = "db".into();
        event.reason = "web2 was lost".into();
        assert_eq!(sentence(&event), "service.moved shop db: web2 was lost");
        event.assembly = "web1".into();
        event.state = "started".into();
        assert_eq!(
            sentence(&event),
            "service.moved shop web1/db (started): web2 was lost"
        );
    }

    #[test]
    fn kinds_of_other_programs_are_notices() {
        assert_eq!(severity("billing.invoice-sent"), Severity::Notice);
        assert_eq!(severity("dpe.died"), Severity::Error);
    }
}
