//! Resource agents of a deployment's guests: what each says about itself, who has it, and what that
//! says about a document. It crosses the bus as JSON, as a status does.
//!
//! The texts come from guests. Whoever made them has bounded them; whoever shows them escapes them.

use serde::{Deserialize, Serialize};

/// A resource agent, by its own metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceAgent {
    /// The agent's own version.
    pub version: String,
    /// What it is for, in a line.
    pub short: String,
    /// The same at length.
    pub long: String,
    /// Its authors advise against it.
    pub deprecated: bool,
    /// In the order of the metadata.
    pub parameters: Vec<AgentParameter>,
    /// In the order of the metadata.
    pub actions: Vec<AgentAction>,
}

/// A parameter of a resource agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentParameter {
    /// Its name.
    pub name: String,
    /// The agent does not work without it.
    pub required: bool,
    /// No two services should have the same value (of it, or of its group).
    pub unique: bool,
    /// A change of it needs no restart, where the agent has the action `reload-agent`.
    pub reloadable: bool,
    /// Its values are nobody else's business.
    pub private: bool,
    /// The agent's authors advise against it.
    pub deprecated: bool,
    /// The parameters to use instead of it.
    pub replaced_with: Vec<String>,
    /// `string`, `integer`, `boolean`, `select`, …; as the metadata says.
    pub kind: String,
    /// Its value if none is given.
    pub default: Option<String>,
    /// For `select`: its values.
    pub options: Vec<String>,
    /// What it means, in a line.
    pub short: String,
    /// The same at length.
    pub long: String,
}

/// An action of a resource agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentAction {
    /// `start`, `monitor`, …
    pub name: String,
    /// How long it should be given, as the metadata says.
    pub timeout: String,
    /// Time between two of it, as the metadata says.
    pub interval: String,
    /// The role that it is for.
    pub role: String,
    /// How closely it looks (`OCF_CHECK_LEVEL`).
    pub depth: String,
    /// A fence agent's: it is asked for whenever a node has booted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
    /// A fence agent's: it has to run in the node that it is about.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_target: bool,
}

/// The resource agents of a deployment's guests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentList {
    /// The deployment's name.
    pub deployment: String,
    /// By name.
    pub agents: Vec<AgentEntry>,
    /// Guests that have more agents than they list.
    pub cut_off: Vec<String>,
    /// Guests that gave no answer.
    pub unasked: Vec<Unasked>,
}

/// A resource agent, and which guests have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentEntry {
    /// `ocf:heartbeat:pgsql`.
    pub agent: String,
    /// The assemblies whose guests have it.
    pub assemblies: Vec<String>,
    /// Its version; empty if it did not say it in time.
    pub version: String,
    /// What it is for; empty if it did not say it in time.
    pub short: String,
    /// Its authors advise against it.
    pub deprecated: bool,
}

/// What one resource agent says about itself in the guests of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentDescriptions {
    /// The deployment's name.
    pub deployment: String,
    /// `ocf:heartbeat:pgsql`.
    pub agent: String,
    /// One for each that differs: guests may have different versions of it.
    pub variants: Vec<AgentVariant>,
    /// Guests that do not have it.
    pub missing: Vec<String>,
    /// Guests that gave no answer.
    pub unasked: Vec<Unasked>,
}

/// What guests have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentVariant {
    /// The guests.
    pub assemblies: Vec<String>,
    /// What the agent says there.
    pub metadata: ResourceAgent,
}

/// A guest that could not be asked, or an agent that gave no answer there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unasked {
    /// The assembly.
    pub assembly: String,
    /// The agent; empty: any.
    pub agent: String,
    /// Why.
    pub reason: String,
}

/// What guests' resource agents say about a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentCheck {
    /// In the order of the document.
    pub warnings: Vec<DocumentWarning>,
    /// Guests and agents about which nothing is known: what would be warned of there is not here.
    pub unasked: Vec<Unasked>,
}

/// A warning about a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DocumentWarning {
    /// From 1; 0 if it is about no one place.
    pub line: u32,
    /// From 1, in characters; 0 if it is about no one place.
    pub column: u32,
    /// What was found, and what would be right. It has no values of parameters in it.
    pub message: String,
}
