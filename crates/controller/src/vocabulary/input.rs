//! What a shell tells the controller.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::debug::DebugOrder;
use super::engine_input::Decision;
use super::failed_operation::FailedOperation;
use super::ids::{AssemblyId, ServiceId, TicketId};
use super::operation::Record;
use super::overlay::ServiceOrder;
use super::proposal::Proposal;
use super::question::{Asker, Holder, Question, Reply};
use super::room::RoomAnswer;
use super::task::Task;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The time of [`Controller::deadline`](crate::Controller::deadline) has come. Harmless at any
    /// other time.
    Tick,
    /// The time zone of the host, by its name: rules read the clock in it if their document names
    /// none. `None`: UTC, as long as the shell says nothing.
    HostTimeZone(Option<String>),
    /// Someone wants something. With [`Input::Order`] and [`Input::Debug`] the only input that
    /// [`Controller::handle`](crate::Controller::handle) may refuse.
    Request(Request),
    /// As [`Input::Request`], by somebody who is named: what follows from it says so.
    Order {
        /// What is wanted.
        request: Request,
        /// Who wants it, for people.
        by: String,
    },
    /// An operation is to be run once, as [`Controller::plan_debug`](crate::Controller::plan_debug)
    /// has found it. May be refused: its assembly is not online, something is under way, the
    /// service is managed, or it may run elsewhere.
    Debug {
        /// What, and for which state of affairs.
        order: Box<DebugOrder>,
        /// Who wants it, for people.
        by: String,
    },
    /// The unit of this host by which an assembly is fenced is active while its agent answers: it
    /// may be its guest's.
    UnitSeen {
        /// Which assembly.
        assembly: AssemblyId,
        /// Which unit.
        unit: String,
    },
    /// A stream to an agent is up; it has answered Hello, and History after that. Signals that came
    /// in between follow this input.
    AgentConnected {
        /// Which assembly.
        assembly: AssemblyId,
        /// That of the [`Connect`](crate::Connect) with which it was greeted.
        number: u64,
        /// Its answer to Hello.
        hello: Hello,
        /// Its whole history, pending operations too.
        history: Vec<Record>,
        /// Its guest's node attributes; none of an agent that does not know them.
        attributes: Attributes,
    },
    /// The stream to an agent ended, or could not be made. The shell goes on trying until
    /// [`Effect::Disconnect`](crate::Effect).
    AgentDisconnected {
        /// Which assembly.
        assembly: AssemblyId,
        /// Why, for people.
        reason: String,
    },
    /// An agent refused Hello with `org.cloudpolicy.Error.Occupied`: its guest belongs to another
    /// deployment, or to another assembly of this one. The shell goes on trying.
    AgentOccupied {
        /// Which assembly.
        assembly: AssemblyId,
        /// That of the [`Connect`](crate::Connect) with which it was greeted.
        number: u64,
        /// To whom the guest belongs.
        occupant: Occupant,
    },
    /// The certificate of an agent, or the DPE's by its agent, was refused. The shell goes on
    /// trying, and says each reason once until the agent has answered.
    IdentityRefused {
        /// Which assembly.
        assembly: AssemblyId,
        /// That of the [`Connect`](crate::Connect) with which it was to be greeted.
        number: u64,
        /// Who is refused by whom and why, for people.
        reason: String,
    },
    /// The agent in a guest answers and cannot operate services there, until somebody changes the
    /// guest. The shell goes on trying, and says each reason once until the agent could.
    AgentUnusable {
        /// Which assembly.
        assembly: AssemblyId,
        /// That of the [`Connect`](crate::Connect) with which it was to be greeted.
        number: u64,
        /// Why, and what to change, for people.
        reason: String,
    },
    /// An agent says that its guest goes down as planned, or that it ends itself for good. Nothing
    /// new begins there; what runs is to be moved or stopped.
    AgentLeaving {
        /// Which assembly.
        assembly: AssemblyId,
        /// The boot of the guest whose agent said it.
        boot_id: String,
        /// Why, in a word.
        reason: String,
    },
    /// An agent says that nothing runs in its guest any more and that it begins nothing more before
    /// its next Hello. Its last word on a stream.
    AgentLeft {
        /// Which assembly.
        assembly: AssemblyId,
        /// The boot of the guest whose agent said it.
        boot_id: String,
    },
    /// An agent's heartbeat. `now` is the time of its receipt, or later.
    Heartbeat {
        /// Which assembly.
        assembly: AssemblyId,
        /// The agent's own boot-time clock, microseconds: opaque here, echoed by Renew.
        stamp_us: u64,
    },
    /// An operation ended, or a recurring one has a new result. May come more than once.
    OperationCompleted {
        /// Which assembly.
        assembly: AssemblyId,
        /// The record.
        record: Box<Record>,
    },
    /// The node attributes of an agent's guest have changed.
    AttributesChanged {
        /// Which assembly.
        assembly: AssemblyId,
        /// All of them.
        attributes: Attributes,
    },
    /// A guest has another host name or other addresses.
    FactsChanged {
        /// Which assembly.
        assembly: AssemblyId,
        /// All of them, as in [`Hello`].
        facts: BTreeMap<String, String>,
    },
    /// A tool in a guest wants something. The answer is [`Effect::Answer`](crate::Effect). An agent
    /// asks again over its next stream what was not answered over this one.
    Asked {
        /// Who asks.
        asker: Asker,
        /// What.
        question: Question,
    },
    /// An agent has answered a question that was passed on to it, or could not be asked.
    Relayed {
        /// Who asked.
        asker: Asker,
        /// The answer.
        reply: Reply,
    },
    /// An agent refused an Execute for good (not: the stream broke).
    ExecuteRefused {
        /// Which assembly.
        assembly: AssemblyId,
        /// Id of the operation.
        id: String,
        /// The error, for people.
        reason: String,
    },
    /// An agent has answered a Cancel, whether it found the operation or not.
    Cancelled {
        /// Which assembly.
        assembly: AssemblyId,
        /// The resource.
        resource: String,
        /// The action.
        action: Task,
        /// Its interval.
        interval_ms: u32,
    },
    /// A fencing request has ended.
    FencingResult {
        /// Which assembly.
        assembly: AssemblyId,
        /// Of [`FenceRequest::attempt`](crate::FenceRequest).
        attempt: u64,
        /// `Err`: why the assembly may still run.
        result: Result<(), String>,
    },
    /// An attempt to unfence has ended, and nothing of it is left: no agent that could still let
    /// the assembly in.
    UnfencingResult {
        /// Which assembly.
        assembly: AssemblyId,
        /// Of [`UnfenceRequest::attempt`](crate::UnfenceRequest).
        attempt: u64,
        /// `Err`: why it may not be let in.
        result: Result<(), String>,
    },
    /// A fencing device was asked whether it is well.
    DeviceChecked {
        /// Of [`DeviceCheck::question`](crate::DeviceCheck).
        question: u64,
        /// `Err`: why it is not.
        result: Result<(), String>,
    },
    /// The event log has the event durably.
    EventRecorded {
        /// Its id.
        id: String,
    },
    /// The answer to [`Effect::Decide`](crate::Effect).
    Decided(Box<Decision>),
    /// The answer to [`Effect::CheckRoom`](crate::Effect).
    RoomChecked(Box<RoomAnswer>),
}

/// To whom the guest of an agent belongs that refuses Hello for that, as the agent describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupant {
    /// Who the guest is, as in [`Hello`].
    pub machine_id: String,
    /// The deployment that it belongs to.
    pub deployment: String,
    /// The assembly of that deployment that it is.
    pub assembly: String,
}

impl Occupant {
    /// A document may have named that assembly.
    pub(crate) fn is_possible(&self) -> bool {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        (1..=63).contains(&self.assembly.len()) && self.assembly.bytes().all(allowed)
    }

    /// In a sentence, for people.
    pub(crate) fn text(&self) -> String {
        format!(
            "the guest at its address is assembly {} of deployment {}: remove it there, or give this assembly another address",
            self.assembly, self.deployment
        )
    }
}

/// An agent's answer to Hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Who the guest is, the same over its boots; empty from agents that do not say so.
    pub machine_id: String,
    /// Boot id of the guest: another one means that everything which ran there is gone.
    pub boot_id: String,
    /// Version of the agent.
    pub version: String,
    /// Resource classes and features of the agent.
    pub capabilities: Vec<String>,
    /// What is left of the lease. For people: the controller counts by itself.
    pub lease_remaining_ms: u64,
    /// Its guest goes down as planned: see [`Input::AgentLeaving`].
    pub leaving: bool,
    /// Its host name and its addresses, by the names that references have for them: `hostname`,
    /// `ipaddress`, `ipaddress.eth0`. The shell lets no other texts through than such.
    pub facts: BTreeMap<String, String>,
}

/// The node attributes of one guest: what its resource agents tell the policy engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Counts up with every change.
    pub version: u64,
    /// By name. The shell lets none through whose names mean something to the controller:
    /// `standby`, `fail-count-…` and the like.
    pub values: BTreeMap<String, Attribute>,
}

/// One node attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// Its value.
    pub value: String,
    /// How long a change waits for further ones, in other assemblies too, before it counts.
    pub dampening_ms: u32,
}

/// What a user, or the CPE for them, wants. Refused or done as a whole; done means durable once the
/// effects that [`poll_effect`](crate::Controller::poll_effect) gives right after it are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Take this document. The same again is no change.
    Load {
        /// The deployment document.
        document: String,
        /// Its generation, from 1.
        generation: u64,
        /// Assemblies in which services of this deployment may run if this controller has no
        /// document: its state was lost, or an earlier deployment of the name left services
        /// running. Whoever is not heard of is made safe before anything runs elsewhere.
        in_doubt: BTreeSet<AssemblyId>,
    },
    /// As [`Request::Load`], of a document that is read already: that takes long, and a shell has
    /// heartbeats to answer.
    LoadRead {
        /// The deployment document.
        proposal: Box<Proposal>,
        /// Its generation, from 1.
        generation: u64,
        /// As in [`Request::Load`].
        in_doubt: BTreeSet<AssemblyId>,
    },
    /// End this deployment; progress in the state, at the end [`Effect::Unloaded`](crate::Effect).
    Unload {
        /// Stop the services in order first; else they are left running.
        stop_services: bool,
    },
    /// Keep services off an assembly, or let them back.
    Standby {
        /// Which assembly.
        assembly: AssemblyId,
        /// On or off.
        on: bool,
    },
    /// Keep services off all assemblies of the document, or let them back.
    StandbyOfAll {
        /// On or off.
        on: bool,
    },
    /// Leave services alone, whatever they do.
    Maintenance {
        /// Which assembly; `None`: the whole deployment.
        assembly: Option<AssemblyId>,
        /// On or off.
        on: bool,
    },
    /// Forget failures, look again at what runs, try again.
    Cleanup {
        /// Which service; `None`: all.
        service: Option<ServiceId>,
        /// In which assembly; `None`: in all.
        assembly: Option<AssemblyId>,
    },
    /// Forget failures, and look at everything again, when nothing is under way any more.
    Refresh {
        /// Which service, group, clone or bundle; `None`: all.
        service: Option<ServiceId>,
        /// In which assembly; `None`: in all.
        assembly: Option<AssemblyId>,
    },
    /// Forget the failures of one operation of a service, and no others.
    CleanupOperation {
        /// Which service, group, clone or bundle.
        service: ServiceId,
        /// In which assembly; `None`: in all.
        assembly: Option<AssemblyId>,
        /// Which operation.
        operation: FailedOperation,
    },
    /// A person (or the cloud manager) vouches that a lost assembly is down.
    ConfirmFenced {
        /// Which assembly.
        assembly: AssemblyId,
        /// Which loss of it: detail `attempt` of the event that told it, `fencing_attempt` of its
        /// status.
        attempt: String,
    },
    /// Switch an assembly's power by an administrator's word: `Off` and `Reboot` through its
    /// fencing, so that its services run elsewhere.
    Fence {
        /// Which assembly.
        assembly: AssemblyId,
        /// What is to be done.
        order: PowerOrder,
    },
    /// Change what is said about a ticket. What is so already is no change.
    Ticket {
        /// Which ticket: one that a constraint of the document names.
        ticket: TicketId,
        /// What becomes of it.
        order: TicketOrder,
    },
    /// Change what is wanted of a service beside the document. Not asked whether that would hold:
    /// see [`Controller::plan_service`](crate::Controller::plan_service). What is so already is no
    /// change.
    Service {
        /// The service, group, clone or bundle, or an instance of one.
        service: ServiceId,
        /// What is wanted.
        order: ServiceOrder,
    },
    /// Give an assembly a permanent attribute, or the deployment an option, or take it away. What
    /// is so already is no change. Names and values: as of [`Question::Put`].
    Put {
        /// Who is to have it.
        holder: Holder,
        /// Its name.
        name: String,
        /// `None`: it has none any more.
        value: Option<String>,
    },
}

/// What is to become of an assembly's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerOrder {
    /// Off, and to stay so.
    Off,
    /// On.
    On,
    /// Off, and on again.
    Reboot,
}

/// What becomes of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketOrder {
    /// This site holds it from now on. Who says so vouches that no other does.
    Grant,
    /// This site does not hold it any more: what needs it goes by its loss policy.
    Revoke,
    /// What needs it is stopped, in order, although the site holds it.
    Standby,
    /// End of standby.
    Activate,
}

/// Why a [`Request`] was not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The document has errors. One line each, with line and column.
    #[error("the document is not acceptable:\n{0}")]
    InvalidDocument(String),
    /// A newer generation, or another document of the same generation, is loaded.
    #[error(
        "generation {loaded} is loaded, generation {offered} was offered: load a document with a higher generation"
    )]
    GenerationConflict {
        /// The generation that is loaded.
        loaded: u64,
        /// The generation that was offered.
        offered: u64,
    },
    /// No such assembly, service or ticket.
    #[error("there is no {kind} \"{name}\" in this deployment: it has {known}")]
    NotFound {
        /// `assembly`, `service` or `ticket`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Not in this state.
    #[error("{0}")]
    NotReady(String),
    /// Possible, but it would not hold, or a service might run twice; or what is known speaks
    /// against it, and time alone does not change that.
    #[error("{0}")]
    Refused(String),
    /// An argument makes no sense.
    #[error("{0}")]
    InvalidArgument(String),
}
