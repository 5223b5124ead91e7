//! The last operations of services: what was done where, when, how it ended and how long it took.
//! They cross the bus as JSON, as a status does.

use serde::{Deserialize, Serialize};

use crate::state::OperationOutcome;

/// The last operations of a deployment: the answer of GetOperations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationList {
    /// The deployment's name.
    pub deployment: String,
    /// By service, assembly, and the order in which they were done. One entry for each operation of
    /// an instance: the last of its kind.
    pub operations: Vec<OperationStatus>,
    /// How many more there are. Those that failed or have not ended come before others, newer ones
    /// before older ones.
    pub left_out: usize,
}

/// The last operation of one kind of an instance in an assembly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationStatus {
    /// The service's instance, `web` or `web:0`; or the fencing device.
    pub service: String,
    /// The assembly.
    pub assembly: String,
    /// `start`, `monitor/10000`: the operation, and its interval in milliseconds if it recurs.
    pub operation: String,
    /// Whether it ended, and how.
    pub outcome: OperationOutcome,
    /// It ended otherwise than it should.
    pub failed: bool,
    /// The exit code, in the sense of OCF; of [`OperationOutcome::Done`] only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rc: Option<i32>,
    /// What outcome and exit code mean, in words: `not running`, `timed out after 20000 ms`.
    pub meaning: String,
    /// What the resource agent said about it: of guests, whose text nobody has checked. At most 256
    /// bytes.
    pub reason: String,
    /// When it ended; of a recurring one, since when it ends like that; of one that has not ended,
    /// when it began. By the clock of its guest; 0 if unknown.
    pub time: u64,
    /// How long it ran, milliseconds. Absent: it has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u32>,
    /// How long it waited for other operations of its service before, milliseconds. Absent: that is
    /// unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u32>,
    /// How many failures of it count there; [`INFINITE_FAILURES`](crate::INFINITE_FAILURES) is
    /// INFINITY.
    pub failures: u32,
    /// When it failed last; 0: no failure is known any more.
    pub last_failure: u64,
}
