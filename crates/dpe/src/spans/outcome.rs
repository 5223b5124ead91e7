//! How a span ends.

use std::collections::BTreeMap;

use controller::{Record, RecordState, STATUS_CANCELLED, STATUS_TIMEOUT};
use opentelemetry::KeyValue;
use opentelemetry::trace::Status;

/// What came of a transition or of an action.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    /// In a word: `done`, `failed`, `timed-out`, `cancelled`, `refused`, `lost`, `unanswered`,
    /// `interrupted`, and of transitions `completed` and `aborted`.
    pub word: &'static str,
    pub status: Status,
    /// What else is known.
    pub attributes: Vec<KeyValue>,
}

impl Outcome {
    /// Nothing is wrong.
    pub(super) fn well(word: &'static str) -> Outcome {
        Outcome {
            word,
            status: Status::Unset,
            attributes: Vec::new(),
        }
    }

    /// Something is, for people.
    pub(super) fn wrong(word: &'static str, why: impl Into<String>) -> Outcome {
        Outcome {
            status: Status::error(why.into()),
            ..Outcome::well(word)
        }
    }

    /// The result of an operation. `None`: it has none yet.
    pub(super) fn of(record: &Record) -> Option<Outcome> {
        let outcome = match record.state {
            RecordState::Pending => return None,
            RecordState::Cancelled => Outcome::well("cancelled"),
            RecordState::Complete if record.status == STATUS_CANCELLED => {
                Outcome::well("cancelled")
            }
            RecordState::Complete if record.status == STATUS_TIMEOUT => {
                Outcome::wrong("timed-out", record.describe())
            }
            // What a look finds is news, and no failure.
            RecordState::Complete if record.failed() && !(record.is_probe() && ran(record)) => {
                Outcome::wrong("failed", record.describe())
            }
            RecordState::Complete => Outcome::well("done"),
        };
        let attributes = vec![
            KeyValue::new("cpe.rc", i64::from(record.rc)),
            KeyValue::new("cpe.expected_rc", i64::from(record.expected_rc())),
            KeyValue::new("cpe.exec_ms", i64::from(record.exec_ms)),
            KeyValue::new("cpe.queue_ms", i64::from(record.queue_ms)),
        ];
        Some(Outcome {
            attributes,
            ..outcome
        })
    }

    /// The end of a transition, as its event tells it.
    pub(super) fn of_transition(
        word: &'static str,
        reason: &str,
        details: &BTreeMap<String, String>,
    ) -> Outcome {
        let count = |name: &str| details.get(name)?.parse::<i64>().ok();
        let failed = count("failed").unwrap_or(0);
        let outcome = match failed {
            0 => Outcome::well(word),
            _ => Outcome::wrong(word, format!("{failed} of its actions failed: {reason}")),
        };
        let mut attributes = vec![KeyValue::new("cpe.ended", reason.to_owned())];
        for (key, name) in [
            ("cpe.done", "done"),
            ("cpe.failed", "failed"),
            ("cpe.skipped", "skipped"),
        ] {
            attributes.extend(count(name).map(|count| KeyValue::new(key, count)));
        }
        Outcome {
            attributes,
            ..outcome
        }
    }
}

/// The resource agent has run, and has said something.
fn ran(record: &Record) -> bool {
    record.status == controller::STATUS_DONE
}

#[cfg(test)]
mod tests {
    use controller::Operation;

    use super::*;

    fn record(expected_rc: i32, rc: i32, status: i32) -> Record {
        Record {
            operation: Operation {
                id: format!("1:1:{expected_rc}:u"),
                resource: "web".into(),
                ..Operation::default()
            },
            rc,
            status,
            ..Record::default()
        }
    }

    fn word(record: &Record) -> (&'static str, bool) {
        let outcome = Outcome::of(record).unwrap();
        (outcome.word, outcome.status != Status::Unset)
    }

    #[test]
    fn what_a_look_finds_is_no_error_and_what_fails_is_one() {
        assert_eq!(word(&record(0, 0, 0)), ("done", false));
        // A probe that finds it running, and one that could not be run.
        assert_eq!(word(&record(7, 0, 0)), ("done", false));
        assert_eq!(word(&record(7, 1, 4)), ("failed", true));
        let mut monitor = record(0, 7, 0);
        monitor.operation.interval_ms = 10_000;
        assert_eq!(word(&monitor), ("failed", true));
        assert_eq!(word(&record(0, 1, STATUS_TIMEOUT)), ("timed-out", true));
        assert_eq!(word(&record(0, 0, STATUS_CANCELLED)), ("cancelled", false));
        let pending = Record {
            state: RecordState::Pending,
            ..record(0, 193, 0)
        };
        assert_eq!(Outcome::of(&pending), None);
    }

    #[test]
    fn a_transition_is_an_error_if_an_action_of_it_failed() {
        let details = |failed: &str| {
            let details = [("done", "3"), ("failed", failed), ("skipped", "x")];
            details.map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let aborted = |failed| {
            let details = BTreeMap::from(details(failed));
            Outcome::of_transition("aborted", "web1 is lost", &details)
        };
        assert_eq!(aborted("0").status, Status::Unset);
        assert_eq!(
            aborted("2").status,
            Status::error("2 of its actions failed: web1 is lost")
        );
        assert!(
            aborted("0")
                .attributes
                .contains(&KeyValue::new("cpe.done", 3))
        );
        assert_eq!(aborted("0").attributes.len(), 3);
    }
}
