//! Events as Pacemaker tells them to its alert agents: variables `CRM_alert_…`.
//!
//! By its documentation ("Pacemaker Administration", alert agents), so that agents written for it
//! run unchanged:
//!
//! | events | kind | besides |
//! | --- | --- | --- |
//! | assembly.online, .recovered | node | desc=member, nodeid |
//! | assembly.lost, .left | node | desc=lost, nodeid |
//! | assembly.fencing-succeeded, .fencing-failed | fencing | desc, task, rc |
//! | service.* | resource | desc, rsc, task, interval, rc, target_rc, status, exec_time |
//! | others | the event's kind, and only for those who ask for all | desc |

use cpe_bus::cloudevents::rfc3339;
use cpe_bus::{Event, EventKind};

/// Name and value.
pub type Variable = (String, String);

/// Longest value, in bytes: the kernel takes 128 KiB, and all together must fit, too.
const MAX_VALUE: usize = 4096;
/// `CRM_alert_status` of what is done, and of what has failed.
const DONE: &str = "0";
const ERROR: &str = "4";

/// Whether an alert agent of Pacemaker's knows such an event.
pub fn is_known(event: &Event) -> bool {
    subject(event).is_some()
}

/// The variables of an event for a recipient.
pub fn of(event: &Event, recipient: &str) -> Vec<Variable> {
    let mut found = Variables::default();
    found.alert("version", env!("CARGO_PKG_VERSION"));
    found.alert("recipient", recipient);
    found.alert("node_sequence", &event.cursor.to_string());
    found.alert("timestamp", &rfc3339(event.time));
    found.alert("timestamp_epoch", &(event.time / 1_000_000).to_string());
    found.alert("timestamp_usec", &(event.time % 1_000_000).to_string());
    found.alert("node", &event.assembly);
    match subject(event) {
        Some(Subject::Node(state)) => {
            found.alert("kind", "node");
            found.alert("desc", state);
            found.alert(
                "nodeid",
                &node_id(&event.deployment, &event.assembly).to_string(),
            );
        }
        Some(Subject::Fencing { rc }) => {
            found.alert("kind", "fencing");
            found.alert("desc", &sentence(event));
            found.alert("task", detail(event, "action", "off"));
            found.alert("rc", rc);
        }
        Some(Subject::Resource { task, failed }) => resource(&mut found, event, task, failed),
        None => {
            found.alert("kind", &event.kind);
            found.alert("desc", &sentence(event));
        }
    }
    own(&mut found, event);
    found.0
}

enum Subject {
    Node(&'static str),
    Fencing { rc: &'static str },
    Resource { task: &'static str, failed: bool },
}

fn subject(event: &Event) -> Option<Subject> {
    let resource = |task, failed| Some(Subject::Resource { task, failed });
    match event.kind.parse::<EventKind>().ok()? {
        EventKind::AssemblyOnline | EventKind::AssemblyRecovered => Some(Subject::Node("member")),
        EventKind::AssemblyLost | EventKind::AssemblyLeft => Some(Subject::Node("lost")),
        EventKind::AssemblyFencingSucceeded => Some(Subject::Fencing { rc: "0" }),
        EventKind::AssemblyFencingFailed => Some(Subject::Fencing { rc: "1" }),
        EventKind::ServiceStarted | EventKind::ServiceMoved => resource("start", false),
        EventKind::ServiceStopped => resource("stop", false),
        EventKind::ServiceRecovered => resource("monitor", false),
        EventKind::ServiceFailed => resource("monitor", true),
        EventKind::ServiceUnrecoverable => resource("start", true),
        _ => None,
    }
}

/// What is known of an operation stands in the details; what is not has the value of one that went
/// well, or of one that failed.
fn resource(found: &mut Variables, event: &Event, task: &str, failed: bool) {
    let (rc, status) = if failed { ("1", ERROR) } else { ("0", DONE) };
    let said = sentence(event);
    found.alert("kind", "resource");
    found.alert("desc", if failed { &said } else { "ok" });
    found.alert("rsc", &event.service);
    found.alert("task", detail(event, "operation", task));
    found.alert("interval", detail(event, "interval_ms", "0"));
    found.alert("rc", detail(event, "rc", rc));
    found.alert("target_rc", detail(event, "expected_rc", "0"));
    found.alert("status", status);
    found.alert("exec_time", detail(event, "exec_ms", "0"));
}

/// What Pacemaker does not have.
fn own(found: &mut Variables, event: &Event) {
    for (name, value) in [
        ("CPE_EVENT_ID", &event.id),
        ("CPE_EVENT_KIND", &event.kind),
        ("CPE_DEPLOYMENT", &event.deployment),
        ("CPE_ASSEMBLY", &event.assembly),
        ("CPE_SERVICE", &event.service),
        ("CPE_STATE", &event.state),
        ("CPE_REASON", &event.reason),
    ] {
        found.put(name.to_owned(), value);
    }
}

#[derive(Default)]
struct Variables(Vec<Variable>);

impl Variables {
    fn alert(&mut self, name: &str, value: &str) {
        self.put(format!("CRM_alert_{name}"), value);
    }

    fn put(&mut self, name: String, value: &str) {
        // No variable can hold a zero byte.
        let value = cpe_status::limits::bounded(value, MAX_VALUE).replace('\0', " ");
        self.0.push((name, value));
    }
}

fn detail<'a>(event: &'a Event, name: &str, otherwise: &'a str) -> &'a str {
    event.details.get(name).map_or(otherwise, String::as_str)
}

/// `shop: web1 is down`
fn sentence(event: &Event) -> String {
    let said = match event.reason.as_str() {
        "" => &event.kind,
        reason => reason,
    };
    match event.deployment.as_str() {
        "" => said.to_owned(),
        deployment => format!("{deployment}: {said}"),
    }
}

/// Assemblies have no numbers; agents want one, the same each time (FNV-1a).
fn node_id(deployment: &str, assembly: &str) -> u32 {
    let bytes = deployment.bytes().chain([b'/']).chain(assembly.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (hash >> 1).max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn event(kind: EventKind) -> Event {
        Event {
            cursor: 42,
            assembly: "web1".into(),
            reason: "it did not answer".into(),
            ..Event::new(kind, "shop", 1_700_000_000_123_456)
        }
    }

    fn variables(event: &Event) -> BTreeMap<String, String> {
        of(event, "/var/log/alerts").into_iter().collect()
    }

    #[track_caller]
    fn expect(event: &Event, expected: &[(&str, &str)]) {
        let found = variables(event);
        for (name, value) in expected {
            let name = format!("CRM_alert_{name}");
            assert_eq!(found.get(&name).map(String::as_str), Some(*value), "{name}");
        }
    }

    #[test]
    fn every_event_says_when_where_and_to_whom() {
        let common = [
            ("recipient", "/var/log/alerts"),
            ("node_sequence", "42"),
            ("timestamp", "2023-11-14T22:13:20.123456Z"),
            ("timestamp_epoch", "1700000000"),
            ("timestamp_usec", "123456"),
            ("node", "web1"),
        ];
        expect(&event(EventKind::AssemblyLost), &common);
        expect(&event(EventKind::TransitionStarted), &common);
        let found = variables(&event(EventKind::TransitionStarted));
        assert_eq!(found["CPE_EVENT_KIND"], "transition.started");
        assert_eq!(found["CPE_DEPLOYMENT"], "shop");
        assert_eq!(found["CRM_alert_kind"], "transition.started");
        assert!(!is_known(&event(EventKind::TransitionStarted)));
    }

    #[test]
    fn assemblies_are_nodes_with_a_number_that_stays() {
        let lost = event(EventKind::AssemblyLost);
        expect(&lost, &[("kind", "node"), ("desc", "lost")]);
        expect(&event(EventKind::AssemblyOnline), &[("desc", "member")]);
        expect(&event(EventKind::AssemblyRecovered), &[("desc", "member")]);
        let number = variables(&lost)["CRM_alert_nodeid"].clone();
        assert_eq!(
            number,
            variables(&event(EventKind::AssemblyOnline))["CRM_alert_nodeid"]
        );
        assert!(number.parse::<i32>().is_ok_and(|number| number > 0));
        let other = Event {
            assembly: "web2".into(),
            ..lost
        };
        assert_ne!(number, variables(&other)["CRM_alert_nodeid"]);
    }

    #[test]
    fn fencing_says_what_came_of_it() {
        let reason = ("desc", "shop: it did not answer");
        expect(
            &event(EventKind::AssemblyFencingSucceeded),
            &[("kind", "fencing"), ("task", "off"), ("rc", "0"), reason],
        );
        expect(
            &event(EventKind::AssemblyFencingFailed),
            &[("rc", "1"), reason],
        );
        assert!(!is_known(&event(EventKind::AssemblyFencingRequested)));
    }

    #[test]
    fn services_are_resources_with_their_operation() {
        let mut failed = event(EventKind::ServiceFailed);
        failed.service = "db".into();
        expect(
            &failed,
            &[
                ("kind", "resource"),
                ("rsc", "db"),
                ("task", "monitor"),
                ("interval", "0"),
                ("rc", "1"),
                ("target_rc", "0"),
                ("status", "4"),
                ("exec_time", "0"),
                ("desc", "shop: it did not answer"),
            ],
        );
        for (name, value) in [("operation", "promote"), ("rc", "9"), ("exec_ms", "31")] {
            failed.details.insert(name.into(), value.into());
        }
        expect(
            &failed,
            &[("task", "promote"), ("rc", "9"), ("exec_time", "31")],
        );
        expect(
            &event(EventKind::ServiceStarted),
            &[
                ("task", "start"),
                ("rc", "0"),
                ("status", "0"),
                ("desc", "ok"),
            ],
        );
    }

    #[test]
    fn no_event_makes_an_environment_that_no_program_can_get() {
        let mut long = event(EventKind::ServiceFailed);
        long.reason = format!("a\0b{}", "ü".repeat(100_000));
        let size: usize = of(&long, "")
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        assert!(size < 64 << 10, "{size}");
        assert!(!of(&long, "").iter().any(|(_, value)| value.contains('\0')));
    }
}
