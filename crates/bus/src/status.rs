//! The trees that cross the bus as JSON text: a deployment's status, and a plan.
//!
//! They are written by the DPE and read by the CPE, `cpectl` and other people's programs, of other versions too: every field
//! that may be absent has a default, unknown fields are ignored, and unknown states read as `Unknown`. Times are microseconds
//! since the Unix epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The state of a deployment: does everything run that its policy asks for?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentState {
    /// The CPE has the document; nothing runs yet.
    Stored,
    /// The DPE's unit is being started.
    Starting,
    /// The DPE is loading the document and taking up the state from the agents.
    Loading,
    /// Everything that the policy asks for runs.
    Active,
    /// Not everything runs, or an assembly is lost.
    Degraded,
    /// It cannot be kept running.
    Failed,
    /// It is being destroyed.
    Destroying,
    /// A state of a later version.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The state of an assembly as its DPE sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssemblyState {
    /// Its agent answers.
    Online,
    /// Online, but keeps no services.
    Standby,
    /// Online, but its services are left alone.
    Maintenance,
    /// Its heartbeats are missing.
    Lost,
    /// It is being made safe.
    Fencing,
    /// Known to be down.
    Offline,
    /// Nothing is known about it yet. Unknown is not down.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The state of one instance of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// Runs nowhere, as it should.
    Stopped,
    /// Is being started.
    Starting,
    /// Runs.
    Started,
    /// Runs in the promoted role.
    Promoted,
    /// Is being stopped.
    Stopping,
    /// Its last operation failed.
    Failed,
    /// Should run, but can run nowhere.
    Blocked,
    /// Is left alone (unmanaged or in maintenance).
    Unmanaged,
    /// Nothing is known about it yet.
    #[default]
    #[serde(other)]
    Unknown,
}

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
    /// The last transition, running or done.
    pub transition: Option<TransitionStatus>,
    /// Failures that count against services and have not been cleaned up, newest first.
    pub failures: Vec<FailureStatus>,
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
    /// `running`, `completed` or `aborted`.
    pub state: String,
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

/// What would be done: the answer of PlanDeployment and Plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// The deployment's name.
    pub deployment: String,
    /// The generation planned from; 0 if the deployment does not exist.
    pub generation: u64,
    /// What the plan assumes: `live` (a running DPE's state) or `empty` (nothing runs, every assembly answers).
    pub basis: String,
    /// What is done, in an order in which it could be.
    pub actions: Vec<PlanAction>,
    /// Services that would run nowhere, each with a reason.
    pub blocked: Vec<PlanAction>,
    /// Whatever else is worth a thought before doing it.
    pub warnings: Vec<String>,
}

/// A line of a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanAction {
    /// `start`, `stop`, `restart`, `move`, `promote`, `demote`, `reload`, `fence`, `leave`, …
    pub action: String,
    /// The service's instance; empty for actions on an assembly.
    pub service: String,
    /// The assembly it leaves.
    pub from: String,
    /// The assembly it goes to.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// Reads a tree; at most 64 MiB.
///
/// # Errors
/// [`Error::TooLarge`] and [`Error::InvalidArgument`] with line and column.
pub fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    const MAX: usize = 64 * 1024 * 1024;
    if text.len() > MAX {
        return Err(Error::TooLarge(format!(
            "status of {} bytes; at most {MAX} are read",
            text.len()
        )));
    }
    serde_json::from_str(text).map_err(|error| {
        Error::InvalidArgument(format!("status is not what it should be: {error}"))
    })
}

/// Writes a tree.
///
/// # Errors
/// [`Error::Failed`] if a value cannot be written as JSON, which no tree of this module holds.
pub fn to_json<T: Serialize>(tree: &T) -> Result<String> {
    serde_json::to_string(tree)
        .map_err(|error| Error::Failed(format!("status cannot be written as JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_a_status_of_another_version() {
        let text = r#"{"name": "shop", "state": "hibernating", "colour": 1, "assemblies": [{"name": "web1", "state": "online"}]}"#;
        let status: DeploymentStatus = from_json(text).unwrap();
        assert_eq!(status.state, DeploymentState::Unknown);
        assert_eq!(status.assemblies[0].state, AssemblyState::Online);
        assert!(
            from_json::<DeploymentStatus>("{")
                .unwrap_err()
                .message()
                .contains("line 1")
        );
    }

    #[test]
    fn it_reads_what_it_wrote() {
        let status = DeploymentStatus {
            name: "shop".into(),
            state: DeploymentState::Degraded,
            services: vec![ServiceStatus {
                name: "db".into(),
                state: ServiceState::Started,
                ..Default::default()
            }],
            transition: Some(TransitionStatus {
                number: 3,
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(
            from_json::<DeploymentStatus>(&to_json(&status).unwrap()).unwrap(),
            status
        );
    }
}
