//! Node attributes: what resource agents tell the scheduler about this guest, and what they ask of
//! the whole deployment.
//!
//! Agents of promotable services say how well their instance is suited for promotion, others
//! whether the guest reaches its gateway or how healthy it is. They do so with Pacemaker's command
//! line tools, so the agent brings its own of these names:
//!
//! ```text
//! resource agent ──▶ crm_attribute, crm_master, attrd_updater ──▶ attributes.sock ──▶ engine
//!                    (this program by another name: tools)         (socket)            (set)
//!                                                          policy engine ◀── DPE ◀─────┘
//! ```
//!
//! A request is one JSON object on a connection of its own, the answer another. The answer is sent
//! when the change is on disk. Values live as long as the guest's boot.
//!
//! What belongs to other guests, to all boots or to the deployment is not here: the engine asks the
//! DPE, and answers when the DPE has.

pub mod install;
mod service_tool;
pub mod set;
pub mod socket;
mod status_tool;
pub mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cpe_bus::Question;
use cpe_bus::records::question::Value;
use serde::{Deserialize, Serialize};

/// Longest request or answer, in bytes: all attributes fit, whatever JSON escapes of them.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// The variable that says to the tools where the agent's state folder is.
pub const STATE_DIR_VARIABLE: &str = "CPE_AGENT_STATE_DIR";

/// The state folder unless another one is named.
pub const DEFAULT_STATE_DIR: &str = "/run/cpe-agent";

/// The socket of the agent with that state folder.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("attributes.sock")
}

/// The folder of the tools of the agent with that state folder.
pub fn tools_path(state_dir: &Path) -> PathBuf {
    state_dir.join("bin")
}

/// What a tool asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeRequest {
    /// Whose attributes are meant; `None`: this guest's.
    #[serde(default)]
    pub node: Option<String>,
    /// What is wanted.
    pub want: Want,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    /// The assembly's name.
    Name,
    /// One value, or all.
    Query {
        /// `None`: all that are not private.
        name: Option<String>,
    },
    /// A change.
    Change(Change),
    /// Something that only the DPE knows or does.
    Ask(Question),
}

/// A change of one attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Gives it a value.
    Update {
        /// Its name.
        name: String,
        /// `None`: it keeps its value, and only its dampening changes.
        value: Option<String>,
        /// How long changes are held back. Of an attribute that exists it is changed only with
        /// `redampen`.
        dampening_ms: Option<u32>,
        /// Change the dampening of an attribute that exists.
        redampen: bool,
        /// If it is new, it stays in this guest: the DPE does not get it.
        private: bool,
    },
    /// Deletes it, if it exists.
    Delete {
        /// Its name.
        name: String,
    },
}

impl Change {
    /// Gives an attribute a value, and leaves its dampening as it is.
    pub fn update(name: impl Into<String>, value: impl Into<String>) -> Change {
        Change::Update {
            name: name.into(),
            value: Some(value.into()),
            dampening_ms: None,
            redampen: false,
            private: false,
        }
    }
}

/// Exit codes of the tools, which are those of Pacemaker's.
pub mod exit_code {
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// A name or value is not allowed.
    pub const DATA_ERROR: u8 = 65;
    /// There is no such node.
    pub const NO_HOST: u8 = 68;
    /// It cannot be made durable.
    pub const IO_ERROR: u8 = 74;
    /// Not now: the same may be done in a moment.
    pub const TRY_AGAIN: u8 = 75;
    /// The agent, or its DPE, does not answer.
    pub const DISCONNECTED: u8 = 102;
    /// The attribute does not exist.
    pub const NO_SUCH: u8 = 105;
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done, and durable.
    Done,
    /// What was asked for.
    Values {
        /// The assembly; empty while the guest belongs to no deployment.
        assembly: String,
        /// Empty: the attribute does not exist.
        values: BTreeMap<String, String>,
    },
    /// What the DPE knows.
    Rows(Vec<Value>),
    /// Nothing was done.
    Refused {
        /// Exit code of the tool: see [`exit_code`].
        code: u8,
        /// Why, and what to do.
        message: String,
    },
}
