//! `cpectl status --operations`: the last operations of services, as a section below the status.

use cpe_status::{
    DeploymentStatus, INFINITE_FAILURES, OperationList, OperationOutcome, OperationStatus,
};
use cpe_terminal::{Cell, Line, Table};
use serde::Serialize;

use crate::cells::{milliseconds, time};
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::output::{BAD, BUSY, FAINT, HEAD, PLAIN, Screen};

/// The last operations, or why they are not known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operations {
    Known(OperationList),
    /// The DPE is away: the status is what is known without it.
    Unknown(String),
}

/// A status with the last operations, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct WithOperations<'a> {
    #[serde(flatten)]
    status: &'a DeploymentStatus,
    /// `null`: they are not known now.
    operations: Option<&'a [OperationStatus]>,
    operations_left_out: usize,
}

impl Operations {
    /// Those of a service; empty: of all.
    pub(super) async fn ask(
        client: &Client,
        name: &str,
        service: &str,
    ) -> Result<Operations, Failure> {
        match client.operations(name, service).await {
            Ok(known) => Ok(Operations::Known(known)),
            Err(failure) if failure.kind == Kind::Unreachable => {
                Ok(Operations::Unknown(failure.message))
            }
            Err(failure) => Err(failure),
        }
    }

    /// With the status of their deployment.
    pub(super) fn beside<'a>(&'a self, status: &'a DeploymentStatus) -> WithOperations<'a> {
        let (operations, operations_left_out) = match self {
            Operations::Known(known) => (Some(known.operations.as_slice()), known.left_out),
            Operations::Unknown(_) => (None, 0),
        };
        WithOperations {
            status,
            operations,
            operations_left_out,
        }
    }

    pub(super) fn show(&self, screen: &mut Screen) {
        let known = match self {
            Operations::Known(known) => known,
            Operations::Unknown(why) => {
                screen.line("");
                return screen.line(format!("the last operations are not known: {why}"));
            }
        };
        if known.operations.is_empty() {
            screen.line("");
            return screen.line("no operation was done, as far as the guests' agents have told");
        }
        screen.section(&table(&known.operations));
        if known.left_out > 0 {
            let text = format!(
                "{} more: cpectl status {} --operations=SERVICE shows those of a service",
                known.left_out, known.deployment
            );
            screen.line(Line::new().styled(text, FAINT));
        }
    }
}

const HEADS: [&str; 9] = [
    "LAST OPERATION",
    "SERVICE",
    "ASSEMBLY",
    "OPERATION",
    "RESULT",
    "TOOK",
    "WAITED",
    "FAILED",
    "REASON",
];

fn table(operations: &[OperationStatus]) -> Table<9> {
    let rows = operations.iter().map(|operation| {
        let ms = |time: Option<u32>| time.map_or_else(|| "-".to_owned(), milliseconds);
        [
            Cell::new(time(operation.time), FAINT),
            Cell::from(&operation.service),
            Cell::from(&operation.assembly),
            Cell::from(&operation.operation),
            result(operation),
            Cell::from(ms(operation.took_ms)),
            Cell::from(ms(operation.waited_ms)),
            failures(operation),
            Cell::from(&operation.reason),
        ]
    });
    Table::new(HEADS, HEAD, rows)
}

/// `7 (not running)`, `timed out after 20000 ms`.
fn result(operation: &OperationStatus) -> Cell {
    let text = match operation.rc {
        Some(rc) => format!("{rc} ({})", operation.meaning),
        None => operation.meaning.clone(),
    };
    let style = match operation.outcome {
        _ if operation.failed => BAD,
        OperationOutcome::Pending => BUSY,
        _ => PLAIN,
    };
    Cell::new(text, style)
}

/// How many failures count, and when the last one was: `2, last 2026-11-29 10:00:00 CET`.
fn failures(operation: &OperationStatus) -> Cell {
    let count = match operation.failures {
        0 if operation.last_failure == 0 => return Cell::from("-"),
        INFINITE_FAILURES.. => "INFINITY".to_owned(),
        count => count.to_string(),
    };
    let last = match operation.last_failure {
        0 => String::new(),
        last => format!(", last {}", time(last)),
    };
    Cell::new(format!("{count}{last}"), BAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor() -> OperationStatus {
        OperationStatus {
            service: "db".into(),
            assembly: "db1".into(),
            operation: "monitor/10000".into(),
            outcome: OperationOutcome::Done,
            failed: true,
            rc: Some(7),
            meaning: "not running".into(),
            reason: "no process".into(),
            time: 1_700_000_000_000_000,
            took_ms: Some(41),
            waited_ms: Some(0),
            failures: 2,
            last_failure: 1_700_000_000_000_000,
        }
    }

    fn shown(operations: &Operations) -> Vec<String> {
        let mut screen = Screen::new(None);
        operations.show(&mut screen);
        let lines = screen.into_lines().into_iter();
        lines.map(|line| line.as_str().to_owned()).collect()
    }

    #[test]
    fn an_operation_says_when_how_it_ended_how_long_it_took_and_how_often_it_failed() {
        let mut list = OperationList {
            deployment: "shop".into(),
            operations: vec![monitor()],
            left_out: 0,
        };
        let at = time(1_700_000_000_000_000);
        let lines = shown(&Operations::Known(list.clone()));
        let row = format!(
            "{at}  db       db1       monitor/10000  7 (not running)  41 ms  0 ms    2, last {at}  no process"
        );
        assert_eq!(lines.last(), Some(&row), "{lines:#?}");
        list.left_out = 7;
        let lines = shown(&Operations::Known(list));
        let more = "7 more: cpectl status shop --operations=SERVICE shows those of a service";
        assert_eq!(lines.last().map(String::as_str), Some(more));
    }

    #[test]
    fn what_has_no_exit_code_is_said_in_words() {
        let pending = OperationStatus {
            outcome: OperationOutcome::Pending,
            failed: false,
            rc: None,
            meaning: "waits for its start delay (30 s)".into(),
            took_ms: None,
            ..monitor()
        };
        assert_eq!(
            result(&pending).as_str(),
            "waits for its start delay (30 s)"
        );
        let endless = OperationStatus {
            failures: INFINITE_FAILURES,
            last_failure: 0,
            ..monitor()
        };
        assert_eq!(failures(&endless).as_str(), "INFINITY");
        let none = OperationStatus {
            failures: 0,
            last_failure: 0,
            ..monitor()
        };
        assert_eq!(failures(&none).as_str(), "-");
    }

    #[test]
    fn the_text_of_a_guest_cannot_drive_a_terminal() {
        let mut bad = monitor();
        bad.reason = "\u{1b}[2J\u{7}gone\n\u{202e}".into();
        let list = OperationList {
            operations: vec![bad],
            ..OperationList::default()
        };
        let lines = shown(&Operations::Known(list));
        let all = lines.join("|");
        assert!(!all.chars().any(char::is_control), "{all:?}");
        assert!(all.contains(r"\u{1b}[2J"), "{all:?}");
    }

    #[test]
    fn what_is_not_known_is_said_and_the_json_has_null() {
        let unknown = Operations::Unknown("the DPE of `shop` does not answer".into());
        let lines = shown(&unknown);
        let text = "the last operations are not known: the DPE of `shop` does not answer";
        assert_eq!(lines.last().map(String::as_str), Some(text));
        let status = DeploymentStatus::default();
        let json = serde_json::to_value(unknown.beside(&status)).unwrap();
        assert!(json["operations"].is_null() && json["state"] == "unknown");
        let known = Operations::Known(OperationList::default());
        let json = serde_json::to_value(known.beside(&status)).unwrap();
        assert_eq!(json["operations"], serde_json::json!([]));
    }
}
