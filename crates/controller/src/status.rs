//! What GetStatus says: what runs where, what failed, what is being done about it.
//!
//! Serialised to JSON these are the trees of the bus API (`DeploymentStatus` and `Plan` there);
//! this crate has its own types so that it needs no D-Bus.

use std::collections::BTreeMap;

use serde::Serialize;

/// A deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its uuid, or empty.
    pub uuid: String,
    /// `empty`, `loading`, `active`, `degraded`, `failed`, `unloading`, `unloaded`.
    pub state: &'static str,
    /// The state in a sentence.
    pub summary: String,
    /// The generation in force; 0: none.
    pub generation: u64,
    /// The epoch of this start.
    pub epoch: u64,
    /// Now; microseconds since the Unix epoch, as all times here.
    pub time: u64,
    /// All of it is left alone.
    pub maintenance: bool,
    /// In the document's order.
    pub assemblies: Vec<AssemblyStatus>,
    /// One entry per instance, in the document's order.
    pub services: Vec<ServiceStatus>,
    /// The last transition.
    pub transition: Option<TransitionStatus>,
    /// Failures that count, newest first.
    pub failures: Vec<FailureStatus>,
}

/// An assembly.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AssemblyStatus {
    /// Its name.
    pub name: String,
    /// Its uuid, or empty.
    pub uuid: String,
    /// `unknown`, `online`, `standby`, `maintenance`, `lost`, `fencing`, `offline`.
    pub state: &'static str,
    /// Why, and what is being done.
    pub reason: String,
    /// Set to standby.
    pub standby: bool,
    /// Set to maintenance.
    pub maintenance: bool,
    /// When it was last heard; 0: never.
    pub last_heartbeat: u64,
    /// Mode of fencing.
    pub fencing: String,
    /// Where its agent listens, or empty.
    pub address: String,
    /// Version of its agent, or empty.
    pub agent_version: String,
    /// Boot id of the guest, or empty.
    pub boot_id: String,
    /// Node attributes that resource agents have set, as promotion scores, by name.
    pub attributes: BTreeMap<String, String>,
}

/// One instance of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceStatus {
    /// Id of the instance.
    pub name: String,
    /// Id of the service.
    pub service: String,
    /// `ocf:heartbeat:nginx`.
    pub agent: String,
    /// Where it runs (or is being started or stopped), or empty.
    pub assembly: String,
    /// `stopped`, `starting`, `started`, `promoted`, `stopping`, `failed`, `blocked`, `unmanaged`,
    /// `unknown`.
    pub state: &'static str,
    /// Since when; 0: unknown.
    pub since: u64,
    /// Failures that count, all assemblies together.
    pub failures: u32,
    /// Why.
    pub reason: String,
}

/// The execution of a transition graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TransitionStatus {
    /// Counts from 1 per epoch.
    pub number: u64,
    /// `running`, `completed`, `aborted`.
    pub state: &'static str,
    /// When it began.
    pub started: u64,
    /// When it ended; 0: it runs.
    pub completed: u64,
    /// Actions in the graph, pseudo-actions not counted.
    pub actions: u32,
    /// Of these, done.
    pub done: u32,
    /// Of these, failed.
    pub failed: u32,
    /// Being executed now.
    pub running: Vec<RunningAction>,
}

/// An action under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunningAction {
    /// `start`, `stop`, …; `fence`.
    pub action: String,
    /// Id of the service, or empty.
    pub service: String,
    /// Name of the assembly.
    pub assembly: String,
    /// Since when.
    pub since: u64,
}

/// A failure that counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FailureStatus {
    /// Id of the service.
    pub service: String,
    /// Name of the assembly.
    pub assembly: String,
    /// `monitor/10000`.
    pub operation: String,
    /// Exit code.
    pub rc: i32,
    /// When.
    pub time: u64,
    /// What the resource agent said.
    pub reason: String,
}

/// What would be done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Name of the deployment.
    pub deployment: String,
    /// The generation in force; 0: none.
    pub generation: u64,
    /// `live`: from what runs now; `empty`: as if nothing ran and all assemblies answered.
    pub basis: &'static str,
    /// In an order in which it could be done.
    pub actions: Vec<PlanAction>,
    /// Services that would run nowhere.
    pub blocked: Vec<PlanAction>,
    /// What else is to be considered.
    pub warnings: Vec<String>,
}

/// A line of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlanAction {
    /// `start`, `stop`, `restart`, `move`, `promote`, `demote`, `reload`, `fence`, …
    pub action: String,
    /// Id of the instance, or empty.
    pub service: String,
    /// The assembly it leaves, or empty.
    pub from: String,
    /// The assembly it goes to, or empty.
    pub to: String,
    /// Why.
    pub reason: String,
}
