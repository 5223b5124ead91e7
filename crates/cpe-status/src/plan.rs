//! A plan: what would be done, without doing it. It crosses the bus as JSON, as a status does.

use serde::{Deserialize, Serialize};

use crate::agents::AgentCheck;
use crate::room::RoomReport;
use crate::state::PlanBasis;
use crate::status::ConfiguredService;

/// What would be done: the answer of PlanDeployment and Plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// The deployment's name.
    pub deployment: String,
    /// The generation planned from; 0 if the deployment does not exist.
    pub generation: u64,
    /// What it starts from.
    pub basis: PlanBasis,
    /// What is done, in an order in which it could be.
    pub actions: Vec<PlanAction>,
    /// Services that would run nowhere, each with a reason.
    pub blocked: Vec<PlanAction>,
    /// Why it is refused unless it is forced, each in a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Whatever else is worth a thought before doing it.
    pub warnings: Vec<String>,
    /// Whether there would be room for every service after the loss of any one assembly, once it is
    /// done; `None`: nobody has looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<Box<RoomReport>>,
    /// When the services of lost assemblies start elsewhere, by the document.
    pub failover: Vec<Failover>,
    /// What guests run before services start, by the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configured: Vec<ConfiguredService>,
    /// What the guests' resource agents say about the document.
    pub agents: AgentCheck,
}

/// When the services of some assemblies start elsewhere if one of these is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failover {
    /// The assemblies of which this is true.
    pub assemblies: Vec<String>,
    /// How they are made safe: `lease`, `unit`, `agent`, `manager`, `none`.
    pub fencing: String,
    /// At most so long after the loss, ms; `None` if that depends on a device or a person.
    pub at_most_ms: Option<u64>,
    /// The same for people, in one line.
    pub text: String,
}

impl PlanAction {
    /// What a line of a plan can do; of services that would run nowhere it says `leave`.
    pub const ACTIONS: [&str; 9] = [
        "start", "stop", "restart", "move", "promote", "demote", "reload", "fence", "unfence",
    ];
}

/// A line of a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanAction {
    /// `start`, `stop`, `restart`, `move`, `promote`, `demote`, `reload`, `fence`, `unfence`,
    /// `leave`, …
    pub action: String,
    /// The service's instance; empty for actions on an assembly.
    pub service: String,
    /// The clone that it is an instance of; empty: it is none.
    pub clone: String,
    /// The assembly it leaves.
    pub from: String,
    /// The assembly it goes to.
    pub to: String,
    /// Why.
    pub reason: String,
}
