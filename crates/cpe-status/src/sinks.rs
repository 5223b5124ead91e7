//! How the delivery of events stands: what `cpe-notify` says of its sinks. It crosses the bus as
//! JSON, as a status does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// All sinks: the answer of List.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkList {
    /// Those that work, by name.
    pub sinks: Vec<SinkStatus>,
    /// Files that are not sinks.
    pub refused: Vec<RefusedSink>,
    /// Whether the event log can be read now; else why not.
    pub log: String,
}

/// A file that is not a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedSink {
    /// Its path.
    pub file: String,
    /// `LINE:COLUMN: what is wrong`, or what is wrong with the file.
    pub reason: String,
}

impl fmt::Display for RefusedSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As compilers write places: no blank before a line number.
        let blank = match self.reason.starts_with(|c: char| c.is_ascii_digit()) {
            true => "",
            false => " ",
        };
        write!(f, "{}:{blank}{}", self.file, self.reason)
    }
}

/// One sink. Times are microseconds since the Unix epoch; 0: never.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkStatus {
    /// Its name.
    pub name: String,
    /// `http` or `exec`.
    pub r#type: String,
    /// Where to: the address without its query, or the program.
    pub target: String,
    /// `idle`, `delivering`, `waiting` (for the next attempt), `starting`, or `stuck` (its state
    /// cannot be saved).
    pub state: String,
    /// Everything up to here in the log is dealt with.
    pub cursor: u64,
    /// How many events of the log it has not looked at. Absent: the log cannot be read now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Events that arrived.
    pub delivered: u64,
    /// Dead letters that are kept.
    pub dead: u64,
    /// Events that retention removed from the log before the sink had looked at them.
    pub lost: u64,
    /// Failed attempts of the event that is next.
    pub attempts: u32,
    /// When it is tried again.
    pub next_attempt: u64,
    /// When an event arrived last.
    pub last_success: u64,
    /// Why the last attempt that failed did.
    pub last_error: String,
    /// When that was.
    pub last_error_time: u64,
}

/// What can be counted of all sinks, and no text of anybody else: the answer of Numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkNumbersList {
    /// Those that work, by name.
    pub sinks: Vec<SinkNumbers>,
}

/// What can be counted of one sink. Attempts are counted since the daemon has started, or the
/// sink's file has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkNumbers {
    /// Its name.
    pub name: String,
    /// As of [`SinkStatus`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// When an event arrived last, microseconds since the Unix epoch; 0: never.
    pub last_success: u64,
    /// Attempts with which an event arrived.
    pub delivered: u64,
    /// Attempts that failed, and are made again.
    pub failed: u64,
    /// Attempts after which an event was given up, or stayed a dead letter.
    pub given_up: u64,
}

/// The dead letters of a sink: the answer of Dead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLetterList {
    /// The sink.
    pub sink: String,
    /// Oldest first.
    pub letters: Vec<DeadLetter>,
    /// How many more there are, newer ones.
    pub left_out: u64,
}

/// An event that did not arrive, and is not tried any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLetter {
    /// The event's id.
    pub id: String,
    /// Its place in the log.
    pub cursor: u64,
    /// When it happened, microseconds since the Unix epoch.
    pub time: u64,
    /// Its kind.
    pub kind: String,
    /// Its deployment.
    pub deployment: String,
    /// When it was given up.
    pub died: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: String,
    /// It is to be delivered again, and is under way.
    pub wanted: bool,
}

/// What came of a test: the answer of Test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkTest {
    /// The sink.
    pub sink: String,
    /// The id of the event that was made up for it.
    pub id: String,
    /// It arrived.
    pub delivered: bool,
    /// Why it did not.
    pub error: String,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_compilers_do() {
        let said = |reason: &str| {
            let refused = RefusedSink {
                file: "a.toml".into(),
                reason: reason.into(),
            };
            refused.to_string()
        };
        assert_eq!(said("3:1: unknown field"), "a.toml:3:1: unknown field");
        assert_eq!(said("cannot be read"), "a.toml: cannot be read");
    }
}
