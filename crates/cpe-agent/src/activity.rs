//! Which services may be running in this guest, by the history alone, and in which order they came
//! up.
//!
//! Used when the agent must stop everything by itself. When in doubt a service counts as running:
//! stopping a stopped service does nothing (OCF 1.1, "stop"), while forgetting one would let it run
//! twice. Pure.
//!
//! The history may be forgotten while a service runs: its DPE has it looked for again, or the
//! deployment ends and leaves it. What was active then stays known as [`Left`], until a probe or a
//! stop has told what has become of it. So a resource agent that cannot work any more (it is not
//! installed, it does not take its parameters) does not make a service stopped that was started
//! before: see [`cannot_tell`].

use std::collections::BTreeMap;

use cpe_bus::records::rc;
use cpe_bus::{Operation, OperationRecord, OperationState, OperationStatus};
use serde::{Deserialize, Serialize};

/// Annotation of what an administrator has run once.
const BY_HAND: &str = "debug";

/// A service that may be running though the history does not name it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The operation that knew its parameters best.
    pub operation: Operation,
    /// Its deployment has ended and left it running: it is nobody's to stop.
    pub released: bool,
}

/// The services that were left, by resource.
pub type LeftServices = BTreeMap<String, Left>;

/// The services that may be running and are this agent's to stop, last started first, each with the
/// operation that knows its parameters best.
pub fn active_services<'a>(
    records: &'a BTreeMap<u32, OperationRecord>,
    left: &'a LeftServices,
) -> Vec<&'a Operation> {
    struct Service<'a> {
        since: u32,
        operation: &'a Operation,
        active: bool,
    }
    let left = left.iter().filter(|(_, left)| !left.released);
    let mut services: BTreeMap<&str, Service<'_>> = left
        .map(|(resource, left)| {
            let service = Service {
                since: 0,
                operation: &left.operation,
                active: true,
            };
            (resource.as_str(), service)
        })
        .collect();
    // In the order of call ids, that is of requests; the last evidence about a service counts.
    for (&call_id, record) in records {
        let Some(evidence) = evidence(record) else {
            continue;
        };
        let known = services.get(record.operation.resource.as_str());
        let active = match evidence {
            Evidence::MayRun => true,
            Evidence::Stopped => false,
            // It says nothing about what has been started here before.
            Evidence::CannotRun => known.is_some_and(|service| service.active),
        };
        let service = services
            .entry(record.operation.resource.as_str())
            .or_insert(Service {
                since: call_id,
                operation: &record.operation,
                active: false,
            });
        if active && !service.active {
            service.since = call_id;
        }
        if evidence == Evidence::MayRun {
            service.operation = &record.operation;
        }
        service.active = active;
    }
    let mut active: Vec<_> = services
        .into_values()
        .filter(|service| service.active)
        .collect();
    active.sort_by_key(|service| std::cmp::Reverse(service.since));
    active
        .into_iter()
        .map(|service| service.operation)
        .collect()
}

/// Whether an operation with that outcome has not found out whether its service runs (a probe), or
/// has not done anything to it, because its resource agent cannot work.
pub fn cannot_tell(operation: &Operation, status: OperationStatus, code: i32) -> bool {
    if is_probe(operation) {
        return evidence_of_probe(status, code) == Evidence::CannotRun;
    }
    match status {
        OperationStatus::NotInstalled | OperationStatus::ErrorHard => true,
        OperationStatus::Done => code == rc::INSTALLED,
        _ => false,
    }
}

/// Whether an operation that has ended tells what has become of its service.
pub fn is_decisive(record: &OperationRecord) -> bool {
    let told = evidence(record);
    record.state == OperationState::Complete
        && matches!(told, Some(Evidence::MayRun | Evidence::Stopped))
}

/// Whether an operation has its resource agent look whether a service runs.
pub fn is_probe(operation: &Operation) -> bool {
    matches!(operation.action.as_str(), "monitor" | "status") && operation.interval_ms == 0
}

/// Whether an administrator has a resource agent look once. It counts nowhere: it may ask with
/// other parameters than those that run.
pub fn is_look_by_hand(operation: &Operation) -> bool {
    is_probe(operation) && operation.annotations.contains_key(BY_HAND)
}

/// What a probe that has ended says.
fn evidence_of_probe(status: OperationStatus, code: i32) -> Evidence {
    match (status, code) {
        (OperationStatus::NotInstalled, _) | (OperationStatus::Done, rc::INSTALLED) => {
            Evidence::CannotRun
        }
        (OperationStatus::Done, rc::NOT_RUNNING) => Evidence::Stopped,
        // A program that cannot be executed is an error with exit code 4.
        (
            OperationStatus::Done | OperationStatus::ErrorHard,
            rc::ARGS | rc::UNIMPLEMENTED | rc::PERM | rc::CONFIGURED,
        ) => Evidence::CannotRun,
        _ => Evidence::MayRun,
    }
}

/// Whether the outcome of a stop says that its service is down. Nothing but success does: a
/// resource agent that finds itself not installed, or that cannot read its configuration, may have
/// lost a file system while its daemon runs on from memory.
pub fn has_stopped(status: OperationStatus, code: i32) -> bool {
    status == OperationStatus::Done && code == rc::OK
}

/// What a record says about its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// It runs, or may run.
    MayRun,
    /// It has been stopped, or was found stopped.
    Stopped,
    /// The resource agent cannot work here, at least not now. So it has not started anything in
    /// this operation.
    CannotRun,
}

/// What a record says about its service, if it says anything.
fn evidence(record: &OperationRecord) -> Option<Evidence> {
    let operation = &record.operation;
    let done = record.status == OperationStatus::Done;
    let absent =
        record.status == OperationStatus::NotInstalled || (done && record.rc == rc::INSTALLED);
    let pending = record.state == OperationState::Pending;
    // It waits for its start delay: what was before is still so.
    let delayed = pending && record.not_before_us > 0 && record.started == 0;
    match operation.action.as_str() {
        _ if record.state == OperationState::Cancelled || delayed => None,
        _ if is_look_by_hand(operation) => None,
        "stop" if !pending && has_stopped(record.status, record.rc) => Some(Evidence::Stopped),
        "stop" if !pending && absent => Some(Evidence::CannotRun),
        "stop" => Some(Evidence::MayRun),
        _ if is_probe(operation) && pending => None,
        _ if is_probe(operation) => Some(evidence_of_probe(record.status, record.rc)),
        "start" | "promote" | "demote" | "migrate_from" | "migrate_to" | "restart" => {
            if absent && !pending {
                Some(Evidence::CannotRun)
            } else {
                Some(Evidence::MayRun)
            }
        }
        // It runs with new parameters since: those stop it.
        "reload-agent" if !pending && done && record.rc == rc::OK => Some(Evidence::MayRun),
        // A recurring monitor that finds it stopped does not say that it has been stopped cleanly.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(
        call_id: u32,
        resource: &str,
        action: &str,
        status: OperationStatus,
        rc: i32,
    ) -> (u32, OperationRecord) {
        let operation = Operation {
            resource: resource.into(),
            action: action.into(),
            ..Operation::default()
        };
        let state = if status == OperationStatus::Pending {
            OperationState::Pending
        } else {
            OperationState::Complete
        };
        (
            call_id,
            OperationRecord {
                operation,
                call_id,
                state,
                status,
                rc,
                ..OperationRecord::default()
            },
        )
    }

    fn active(records: &[(u32, OperationRecord)]) -> Vec<String> {
        active_beside(&LeftServices::new(), records)
    }

    fn active_beside(left: &LeftServices, records: &[(u32, OperationRecord)]) -> Vec<String> {
        let records = records.iter().cloned().collect();
        active_services(&records, left)
            .into_iter()
            .map(|operation| operation.resource.clone())
            .collect()
    }

    #[test]
    fn it_lists_started_services_in_reverse_order_of_their_start() {
        use OperationStatus::Done;
        let records = [
            record(1, "ip", "monitor", Done, rc::NOT_RUNNING),
            record(2, "ip", "start", Done, rc::OK),
            record(3, "db", "start", Done, rc::OK),
            record(4, "web", "start", Done, rc::OK),
            record(5, "db", "promote", Done, rc::OK),
            record(6, "web", "stop", Done, rc::OK),
        ];
        assert_eq!(active(&records), ["db", "ip"]);
    }

    #[test]
    fn what_was_left_counts_until_a_record_tells_what_has_become_of_it() {
        use OperationStatus::Done;
        let operation = record(1, "db", "start", Done, rc::OK).1.operation;
        let left = |released| {
            let left = Left {
                operation: operation.clone(),
                released,
            };
            LeftServices::from([("db".to_owned(), left)])
        };
        assert_eq!(active_beside(&left(false), &[]), ["db"]);
        assert!(active_beside(&left(true), &[]).is_empty());
        for (code, runs) in [
            (rc::INSTALLED, true),
            (rc::ARGS, true),
            (rc::GENERIC, true),
            (rc::OK, true),
            (rc::NOT_RUNNING, false),
        ] {
            let probe = record(2, "db", "monitor", Done, code);
            let found = active_beside(&left(false), std::slice::from_ref(&probe));
            assert_eq!(!found.is_empty(), runs, "{code}");
            let told = !cannot_tell(&probe.1.operation, Done, code);
            assert_eq!(is_decisive(&probe.1), told, "{code}");
        }
    }

    #[test]
    fn it_counts_a_service_as_running_when_in_doubt() {
        use OperationStatus::{Done, Error, Pending, Timeout};
        for (action, status, code, expected) in [
            ("start", Pending, 0, true),
            ("start", Timeout, 1, true),
            ("start", Done, rc::GENERIC, true),
            ("start", OperationStatus::NotInstalled, rc::INSTALLED, false),
            ("stop", Pending, 0, true),
            ("stop", Error, rc::UNKNOWN, true),
            ("stop", Done, rc::GENERIC, true),
            ("stop", Done, rc::OK, false),
            ("monitor", Done, rc::OK, true),
            ("monitor", Done, rc::RUNNING_PROMOTED, true),
            ("monitor", Timeout, rc::GENERIC, true),
            ("monitor", Done, rc::NOT_RUNNING, false),
            ("monitor", Done, rc::CONFIGURED, false),
            ("notify", Done, rc::OK, false),
        ] {
            let found = !active(&[record(1, "web", action, status, code)]).is_empty();
            assert_eq!(found, expected, "{action} {status:?} {code}");
        }
    }

    #[test]
    fn a_look_by_hand_tells_nothing() {
        use OperationStatus::Done;
        for code in [rc::NOT_RUNNING, rc::OK] {
            let (call_id, mut look) = record(2, "db", "monitor", Done, code);
            look.operation
                .annotations
                .insert(BY_HAND.into(), "root".into());
            look.operation.parameters.insert("port".into(), "2".into());
            assert!(!is_decisive(&look), "{code}");
            let start = record(1, "db", "start", Done, rc::OK);
            let records = [start, (call_id, look.clone())].into();
            let left = LeftServices::new();
            let [known] = active_services(&records, &left)[..] else {
                panic!("{code}");
            };
            assert!(
                known.parameters.is_empty(),
                "{code}: it is stopped as it runs"
            );
            assert!(active(&[(call_id, look)]).is_empty(), "{code}");
        }
    }

    #[test]
    fn it_takes_nothing_but_a_stop_or_a_probe_that_finds_it_down_for_the_end_of_what_was_started() {
        use OperationStatus::{Done, NotInstalled};
        for (action, status, code) in [
            ("stop", Done, rc::INSTALLED),
            ("stop", NotInstalled, rc::INSTALLED),
            ("monitor", Done, rc::INSTALLED),
            ("monitor", NotInstalled, rc::INSTALLED),
            ("monitor", Done, rc::ARGS),
            ("monitor", Done, rc::UNIMPLEMENTED),
            ("monitor", Done, rc::PERM),
            ("monitor", Done, rc::CONFIGURED),
            ("start", NotInstalled, rc::INSTALLED),
        ] {
            let begun = [
                record(1, "db", "start", Done, rc::OK),
                record(2, "db", action, status, code),
            ];
            assert_eq!(active(&begun), ["db"], "{action} {status:?} {code}");
            let found = [
                record(1, "db", "monitor", Done, rc::OK),
                record(2, "db", action, status, code),
            ];
            assert_eq!(active(&found), ["db"], "{action} {status:?} {code}");
            let never = [record(2, "db", action, status, code)];
            assert!(active(&never).is_empty(), "{action} {status:?} {code}");
        }
    }
}
