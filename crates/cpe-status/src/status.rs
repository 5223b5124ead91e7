//! A deployment's status: what runs where, what failed, what is being done about it.
//!
//! It crosses the bus as JSON, between programs of different versions: every field that may be
//! absent has a default, and unknown fields are ignored. Times are microseconds since the Unix
//! epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::overlay::OverlayStatus;
use crate::resource::{BanStatus, ResourceStatus};
use crate::room::RoomStatus;
use crate::state::{
    AssemblyState, DeploymentState, FencingResult, ServiceRole, ServiceState, TransitionState,
};

/// A fail count of this and more is Pacemaker's INFINITY.
pub const INFINITE_FAILURES: u32 = 1_000_000;

/// What a DPE knows and does: the answer of GetStatus.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeploymentStatus {
    /// The deployment's name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// Whose it is, as `user:alice`; empty: nobody's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// The group whose members are operators; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The host that runs its DPE; empty where a host shares no deployments with others, or none
    /// has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Since when it runs it. Absent: that is another host than the one that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_since: Option<u64>,
    /// Its state.
    pub state: DeploymentState,
    /// The state in a sentence: what is wrong and what is being done about it.
    pub summary: String,
    /// All that is wrong, the worst first, each in a sentence; the summary names the first. At most
    /// 100.
    pub problems: Vec<String>,
    /// The generation that the DPE works by.
    pub generation: u64,
    /// The DPE's epoch, from 1. 0: no DPE has told this, and all but the name, the uuid, the state,
    /// the summary and the generation is unknown.
    pub epoch: u64,
    /// When this was written.
    pub time: u64,
    /// The whole deployment is left alone.
    pub maintenance: bool,
    /// In the document's order.
    pub assemblies: Vec<AssemblyStatus>,
    /// In the document's order, one entry per instance. Last those that still run and that the
    /// document does not have any more.
    pub services: Vec<ServiceStatus>,
    /// The services as a tree, as the document has them in groups, clones and bundles.
    pub resources: Vec<ResourceStatus>,
    /// The policy engine is being asked, or is about to be: what follows from the last change is
    /// not known yet.
    pub deciding: bool,
    /// The last transition, running or done.
    pub transition: Option<TransitionStatus>,
    /// Failures that were neither forgotten nor cleaned up, newest first: one entry per service,
    /// assembly and operation.
    pub failures: Vec<FailureStatus>,
    /// The tickets that services depend on, in the document's order.
    pub tickets: Vec<TicketStatus>,
    /// Location constraints that moves of Pacemaker's tools left in the document, and what tools in
    /// guests have banned.
    pub bans: Vec<BanStatus>,
    /// What administrators want of single services beside the document, by service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlay: Vec<OverlayStatus>,
    /// Parameters of services that follow what guests tell and node attributes, in the document's
    /// order.
    pub references: Vec<ReferenceStatus>,
    /// What guests run before services start, in the document's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configured: Vec<ConfiguredService>,
    /// Options that were set beside the document, by name: resource agents keep what concerns all
    /// of their instances there.
    pub options: BTreeMap<String, String>,
    /// Values of attributes and options are left out, and empty: whoever asked may not read
    /// documents. Their names are told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub values_withheld: bool,
    /// Attempts to make assemblies safe, newest first; the last 100.
    pub fencing: Vec<FencingStatus>,
    /// When rules, failures and all else that time changes are looked at again though nothing
    /// happens. Absent: nothing is, or the policy engine is being asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_look: Option<NextLook>,
    /// Whether every service would run if any one assembly were lost. Absent: that is not known
    /// yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomStatus>,
}

impl DeploymentStatus {
    /// Whether a DPE that has loaded the document told this. If not, that something is empty says
    /// nothing.
    pub fn is_complete(&self) -> bool {
        self.epoch > 0 && self.generation > 0
    }

    /// How many assemblies are online, of all.
    pub fn online(&self) -> (usize, usize) {
        let online = self.assemblies.iter().filter(|it| it.state.is_online());
        (online.count(), self.assemblies.len())
    }

    /// How many services run, of all: instances of clones count each.
    pub fn running(&self) -> (usize, usize) {
        let running = self.services.iter().filter(|it| it.state.runs());
        (running.count(), self.services.len())
    }

    /// What attributes and options are set to, and what parameters that follow a value have: not
    /// everybody is to see it.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let of_assemblies = self.assemblies.iter_mut();
        let of_assemblies =
            of_assemblies.flat_map(|own| [&mut own.attributes, &mut own.permanent, &mut own.told]);
        let sets = of_assemblies.chain([&mut self.options]);
        let references = self.references.iter_mut();
        let of_references = references.flat_map(|own| [&mut own.value, &mut own.settling]);
        sets.flat_map(|values| values.values_mut())
            .chain(of_references.flatten())
    }
}

/// A service before which its guest runs a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfiguredService {
    /// The service.
    pub service: String,
    /// The path of the program, or for content of the document its length, what runs it, and its
    /// SHA-256.
    pub program: String,
}

impl ConfiguredService {
    /// In a sentence.
    pub fn text(&self) -> String {
        format!("before {} starts: {}", self.service, self.program)
    }
}

/// When the policy engine is asked though nothing has happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NextLook {
    /// When.
    pub time: u64,
    /// What time may have changed then.
    pub reason: String,
    /// Nothing that is known turns then: only the `cluster-recheck-interval` is over.
    pub by_interval: bool,
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
    /// The host that it runs on, as the document says; empty: it does not.
    pub host: String,
    /// Names the loss for which it is being made safe; empty if it is not. ConfirmFenced must carry
    /// it.
    pub fencing_attempt: String,
    /// Where its agent is reached.
    pub address: String,
    /// The version of its agent.
    pub agent_version: String,
    /// The boot id of the guest.
    pub boot_id: String,
    /// Node attributes that resource agents in it have set, as promotion scores, by name. They last
    /// as long as its guest's boot.
    pub attributes: BTreeMap<String, String>,
    /// Permanent node attributes that were set beside the document, by name. They are stronger than
    /// the document's, and weaker than those of the boot.
    pub permanent: BTreeMap<String, String>,
    /// What its guest tells of itself and counts, by the names that references have for it:
    /// `hostname`, `ipaddress`, `ipaddress.eth0`, `machine_id`. What a guest that is away has told
    /// last stays.
    pub told: BTreeMap<String, String>,
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
    /// Its role, also where its state says something else, such as `unmanaged`.
    pub role: ServiceRole,
    /// Since when it is in that state; 0 if unknown.
    pub since: u64,
    /// Failures that count against it: of an instance of a clone those of this instance, else those
    /// on all assemblies.
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

/// Failures of one operation of a service in one assembly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureStatus {
    /// The service's instance, as `name` of [`ServiceStatus`].
    pub service: String,
    /// The assembly.
    pub assembly: String,
    /// The operation that failed, `monitor/10000`.
    pub operation: String,
    /// The fail count; [`INFINITE_FAILURES`] is INFINITY, 0 of an operation with `on-fail=ignore`.
    pub count: u32,
    /// The `migration-threshold` that the fail counts of all operations are compared with; 0 if
    /// there is none.
    pub threshold: u32,
    /// The threshold is reached: the service cannot run there until the failures are forgotten.
    pub banned: bool,
    /// The OCF exit code of the last failure.
    pub rc: i32,
    /// When it failed last.
    pub time: u64,
    /// When the policy engine forgets the failures of the service there (`failure-timeout`); 0: not
    /// by itself.
    pub forgotten: u64,
    /// How it failed last, with the agent's exit reason.
    pub reason: String,
}

/// An attempt to make an assembly safe, or to let it in again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FencingStatus {
    /// The assembly.
    pub assembly: String,
    /// It lets the assembly in again (`on`), and makes nothing safe. Of those that fail one after
    /// another the last is kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unfences: bool,
    /// Names the loss, as `fencing_attempt` of [`AssemblyStatus`]; empty: it unfences.
    pub attempt: String,
    /// Why it is to be made safe, or to be let in.
    pub reason: String,
    /// By what: `lease`, `unit web1.service`, `agent fence_virsh`, `devices ipmi1, pdu1 (level 1 of
    /// 2)`, `confirmation`, `none`, `devices switch (on)`.
    pub device: String,
    /// When the attempt began.
    pub began: u64,
    /// When it ended; 0: it is under way.
    pub ended: u64,
    /// How it ended.
    pub result: FencingResult,
    /// The same for people.
    pub detail: String,
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

/// A parameter of a service that follows a value beyond the document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReferenceStatus {
    /// The service.
    pub service: String,
    /// Its parameter.
    pub parameter: String,
    /// Whose value it is.
    pub assembly: String,
    /// Of that assembly: `ipaddress`, or the name of a node attribute.
    pub name: String,
    /// Where the value comes from: `guest`, `attribute` (of the boot), `permanent` (attribute) or
    /// `document`; empty: it is not known.
    pub from: String,
    /// The value that counts. Absent: it is not known, and the service is not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Since when it counts; 0: since the document does.
    pub since: u64,
    /// What the guest tells now. It counts when it has lasted for some seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settling: Option<String>,
    /// What a change does: `restart`, `reload` or `ignore`.
    pub on_change: String,
    /// Though `on_change` is `reload`, a change restarts the service: its agent does not say that
    /// it takes this parameter over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restarts: bool,
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
