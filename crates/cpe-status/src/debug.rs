//! One operation that an administrator had a resource agent do: what it said, what became of it,
//! and what is believed since. It crosses the bus as JSON, as a status does.

use serde::{Deserialize, Serialize};

use crate::state::DebugState;

/// What a resource agent wrote, the end of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    /// The end of its standard output, at most 64 KiB.
    #[serde(rename = "stdout")]
    pub out: String,
    /// The end of its standard error, at most 64 KiB.
    #[serde(rename = "stderr")]
    pub err: String,
    /// How many bytes of its standard output were before that.
    #[serde(rename = "stdout_cut")]
    pub out_cut: u64,
    /// How many bytes of its standard error were before that.
    #[serde(rename = "stderr_cut")]
    pub err_cut: u64,
}

/// An operation that was run once for an administrator: the answer of Debug and of GetDebug.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DebugReport {
    /// Names it.
    pub id: String,
    /// The deployment's name.
    pub deployment: String,
    /// `start`, `stop` or `monitor`.
    pub verb: String,
    /// The service's instance, `db` or `web:0`.
    pub service: String,
    /// In which assembly.
    pub assembly: String,
    /// The resource agent: `ocf:heartbeat:pgsql`.
    pub agent: String,
    /// After this the resource agent is killed, milliseconds.
    pub timeout_ms: u32,
    /// How far it is.
    pub state: DebugState,
    /// The exit code, in the sense of OCF. Absent: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rc: Option<i32>,
    /// What became of it, in words: `not running`, `timed out after 20000 ms`.
    pub meaning: String,
    /// The reason that the resource agent gave: of a guest, whose text nobody has checked.
    pub reason: String,
    /// How long it ran, milliseconds. Absent: that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u32>,
    /// What it wrote. Absent: there is `output` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// Without `said`: the end of what it wrote to either stream, as far as the guest kept it.
    pub output: String,
    /// What was believed of the service in this assembly before.
    pub before: String,
    /// What is believed of it now, as far as is known.
    pub belief: String,
    /// What the engine does about it, in a sentence.
    pub remark: String,
}
