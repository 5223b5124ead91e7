//! A deployment's status: what runs where, what failed, what is being done about it.
//!
//! It crosses the bus as JSON, between programs of different versions: every field that may be
//! absent has a default, and unknown fields are ignored. Times are microseconds since the Unix
//! epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::{AssemblyState, DeploymentState, ServiceState, TransitionState};

/// What a DPE knows and does: the answer of GetStatus.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeploymentStatus {
    /// The deployment's name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// Its state.
    pub state: DeploymentState,
    /// The state in a sentence: what is wrong and what is being done about it.
    pub summary: String,
    /// The generation that the DPE works by.
    pub generation: u64,
    /// The DPE's epoch.
    pub epoch: u64,
    /// When this was written.
    pub time: u64,
    /// The whole deployment is left alone.
    pub maintenance: bool,
    /// In the document's order.
    pub assemblies: Vec<AssemblyStatus>,
    /// In the document's order, one entry per instance.
    pub services: Vec<ServiceStatus>,
    /// The policy engine is being asked, or is about to be: what follows from the last change is
    /// not known yet.
    pub deciding: bool,
    /// The last transition, running or done.
    pub transition: Option<TransitionStatus>,
    /// Failures that count against services and have not been cleaned up, newest first.
    pub failures: Vec<FailureStatus>,
    /// The tickets that services depend on, in the document's order.
    pub tickets: Vec<TicketStatus>,
}

/// One assembly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssemblyStatus {
    /// Its name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// Its state.
    pub state: AssemblyState,
    /// Why it is in that state, and what is being done.
    pub reason: String,
    /// Set to standby.
    pub standby: bool,
    /// Set to maintenance.
    pub maintenance: bool,
    /// When its last heartbeat came; 0 if none has.
    pub last_heartbeat: u64,
    /// How it is made safe: `lease`, `agent`, `unit`, `manager` or `none`.
    pub fencing: String,
    /// Names the loss for which it is being made safe; empty if it is not. ConfirmFenced must carry
    /// it.
    pub fencing_attempt: String,
    /// Where its agent is reached.
    pub address: String,
    /// The version of its agent.
    pub agent_version: String,
    /// The boot id of the guest.
    pub boot_id: String,
    /// Node attributes that resource agents in it have set, as promotion scores, by name.
    pub attributes: BTreeMap<String, String>,
}

/// One instance of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceStatus {
    /// The instance's name, `web` or `web:0`.
    pub name: String,
    /// The service that it is an instance of.
    pub service: String,
    /// `ocf:heartbeat:nginx`.
    pub agent: String,
    /// The assembly it runs on; empty if it runs nowhere.
    pub assembly: String,
    /// Its state.
    pub state: ServiceState,
    /// Since when it is in that state; 0 if unknown.
    pub since: u64,
    /// Failures that count against it.
    pub failures: u32,
    /// Its main process in the guest, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Why it is in that state.
    pub reason: String,
}

/// The carrying out of one transition graph.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransitionStatus {
    /// Counts the transitions of this DPE.
    pub number: u64,
    /// How far it is.
    pub state: TransitionState,
    /// When it began.
    pub started: u64,
    /// When it ended; 0 while it runs.
    pub completed: u64,
    /// How many actions the graph has.
    pub actions: u32,
    /// How many of them are done.
    pub done: u32,
    /// How many of them failed.
    pub failed: u32,
    /// The actions under way.
    pub running: Vec<RunningAction>,
}

/// An action under way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunningAction {
    /// `start`, `stop`, `monitor`, `fence`, …
    pub action: String,
    /// The service; empty for actions on an assembly.
    pub service: String,
    /// The assembly it runs on.
    pub assembly: String,
    /// When it began.
    pub since: u64,
}

/// A failure that counts against a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureStatus {
    /// The service.
    pub service: String,
    /// The assembly.
    pub assembly: String,
    /// The operation that failed, `monitor/10000`.
    pub operation: String,
    /// Its OCF exit code.
    pub rc: i32,
    /// When.
    pub time: u64,
    /// The agent's exit reason.
    pub reason: String,
}

/// A ticket that services of a deployment depend on. They have it while it is granted and not in
/// standby.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TicketStatus {
    /// The ticket.
    pub name: String,
    /// It is granted to this deployment.
    pub granted: bool,
    /// What needs it is stopped although it may be granted.
    pub standby: bool,
    /// When it was granted or revoked last; 0: never.
    pub since: u64,
    /// When it was granted last; 0: never.
    pub last_granted: u64,
    /// What depends on it.
    pub uses: Vec<TicketUse>,
}

/// What depends on a ticket: a ticket constraint, or one of its sets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TicketUse {
    /// Id of the constraint.
    pub constraint: String,
    /// The services, of many only the first.
    pub services: Vec<String>,
    /// How many more there are.
    pub more: usize,
    /// The role that needs the ticket; empty: any.
    pub role: String,
    /// What becomes of the services without it: `stop`, `demote`, `freeze` or `fence`.
    pub loss_policy: String,
}
