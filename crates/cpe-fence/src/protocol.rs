//! What a DPE says and hears: one line of JSON each way. The DPE then keeps the connection open:
//! its end is the end of the run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest request, in bytes: a hundred parameters, each a kilobyte, and as much again.
pub const MAX_REQUEST: usize = 256 << 10;
/// The longest reply, in bytes: what an agent says, with every byte escaped.
pub const MAX_REPLY: usize = 8 << 20;
/// The longest run of an agent. The unit ends it a minute later (`RuntimeMaxSec=`).
pub const MAX_RUN: Duration = Duration::from_secs(14 * 60);
/// Where secrets are, as documents name them: files there are for every deployment, files in a
/// folder there for the deployment of that name.
pub const SECRETS: &str = "/etc/cpe/secrets/";
/// What an agent can be asked for. What is not in it, such as `diag`, may switch something.
pub const ACTIONS: [&str; 9] = [
    "on",
    "off",
    "reboot",
    "status",
    "monitor",
    "list",
    "list-status",
    "metadata",
    "validate-all",
];

/// Run a fence agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Whose it is: the deployment of the unit that asks.
    pub deployment: String,
    /// For which assembly, for the log; empty: for a device as such.
    pub assembly: String,
    /// `fence_…`, the name of the program.
    pub agent: String,
    /// One of [`ACTIONS`].
    pub action: String,
    /// In order; the action comes after them.
    pub parameters: Vec<Parameter>,
    /// How long it may run, milliseconds; at most [`MAX_RUN`].
    pub timeout_ms: u64,
}

/// A parameter of a fence agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// As the agent knows it.
    pub name: String,
    /// Its value, or where that is.
    pub value: Value,
}

/// A value, or where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// This text.
    Text(String),
    /// This text, which is not to be seen in what the agent says.
    Secret(String),
    /// What this file below [`SECRETS`] contains.
    File(String),
    /// The path of a copy of this file below [`SECRETS`] that the agent can read.
    Copy(String),
}

/// How that ended. Nothing of the agent runs any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The agent has ended by itself.
    Ended {
        /// Its exit status; `None`: a signal has ended it.
        code: Option<i32>,
        /// The beginning of its standard output, without secrets.
        said: String,
        /// The beginning of its standard error, without secrets.
        complained: String,
    },
    /// It was ended, since its time was over.
    TimedOut,
    /// It was not run; why, for people.
    Refused(String),
}
