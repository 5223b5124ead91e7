//! Inputs of the policy engine that a DPE has kept: the answer of ListInputs. It crosses the bus as
//! JSON, as a status does.

use serde::{Deserialize, Serialize};

/// The inputs that are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptInputList {
    /// The deployment's name.
    pub deployment: String,
    /// Oldest first.
    pub inputs: Vec<KeptInput>,
}

/// An input, without its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptInput {
    /// By which it is asked for: the transition's number, or `refused-0`.
    pub name: String,
    /// The transition that was decided on it; absent: the decision was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transition: Option<u64>,
    /// When it was kept, microseconds since the Unix epoch.
    pub time: u64,
    /// Its length.
    pub bytes: u64,
}
