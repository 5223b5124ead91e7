//! What the controller wants done.

use std::collections::BTreeSet;

use cpe_status::DpeState;
use deployment::{Device, DeviceUse};
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::engine_input::EngineInput;
use super::event::Event;
use super::ids::AssemblyId;
use super::operation::Operation;
use super::question::{Asker, Question, Reply};
use super::task::Task;

/// Something to do, in the order given. See the crate's documentation for a shell that does them.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write these changes in one transaction, durably, **before** any later effect is begun.
    Persist(Vec<Change>),
    /// Keep a stream to this agent: connect, again and again until a `Disconnect`, say Hello, get
    /// its History, then give [`Input::AgentConnected`](crate::Input). Replaces an earlier
    /// `Connect` of the assembly: a stream that is up is closed and opened again (settings may have
    /// changed).
    Connect(Connect),
    /// Give the stream up and do not make it again.
    Disconnect {
        /// Which assembly.
        assembly: AssemblyId,
    },
    /// Answer a heartbeat. May be dropped if the stream is gone; must not be delayed behind other
    /// work.
    Renew {
        /// Which assembly.
        assembly: AssemblyId,
        /// The stamp of the heartbeat.
        stamp_us: u64,
    },
    /// Have the agent do this. If the stream is gone, drop it: the controller sees from the next
    /// History that it must ask again.
    Execute {
        /// Which assembly.
        assembly: AssemblyId,
        /// What.
        operation: Box<Operation>,
    },
    /// Stop a recurring operation, then give [`Input::Cancelled`](crate::Input).
    Cancel {
        /// Which assembly.
        assembly: AssemblyId,
        /// The resource.
        resource: String,
        /// The action.
        action: Task,
        /// Its interval.
        interval_ms: u32,
    },
    /// Have the agent forget a resource: history and monitors.
    Forget {
        /// Which assembly.
        assembly: AssemblyId,
        /// The resource.
        resource: String,
    },
    /// Have the agent stop its services and reset its guest: its lease ends now. Best effort: the
    /// assembly is safe when its guest was booted again, or when the lease is over. If the stream
    /// is gone, drop it: the controller asks again when it hears the same boot.
    Restart {
        /// Which assembly.
        assembly: AssemblyId,
        /// Why, for people.
        reason: String,
    },
    /// End of service: the agent is on its own again, without lease. Best effort; a stream that is
    /// gone is no error.
    Release {
        /// Which assembly.
        assembly: AssemblyId,
        /// Leave its services running.
        keep_services: bool,
    },
    /// Answer what an agent asked for its guest. If the stream over which it asked is gone, drop
    /// it: the agent asks again.
    Answer {
        /// Who asked.
        asker: Asker,
        /// The answer.
        reply: Reply,
    },
    /// Have an agent answer a question about its guest's boot, then give
    /// [`Input::Relayed`](crate::Input). If its stream is gone, drop it: who asked gives up.
    Relay {
        /// Whose agent.
        assembly: AssemblyId,
        /// Who asked.
        asker: Asker,
        /// What.
        question: Box<Question>,
    },
    /// Make an assembly safe, then give [`Input::FencingResult`](crate::Input).
    Fence(FenceRequest),
    /// Switch the power of an assembly on that is safe. Best effort: its agent shows when it is
    /// back, and if it does not, this is asked for again.
    PowerOn(PowerOn),
    /// Have devices let an assembly in, then give
    /// [`Input::UnfencingResult`](crate::Input).
    Unfence(UnfenceRequest),
    /// End that at once: kill what is being run for it, then give
    /// [`Input::UnfencingResult`](crate::Input) when nothing of it is left. It is to be fenced,
    /// which waits for that. Nothing is to be done if it has ended already.
    EndUnfencing {
        /// Which assembly.
        assembly: AssemblyId,
        /// Of [`UnfenceRequest::attempt`].
        attempt: u64,
    },
    /// Ask a fencing device whether it is well, then give
    /// [`Input::DeviceChecked`](crate::Input).
    CheckDevice(Box<DeviceCheck>),
    /// Bring this event to the event log (which ignores an id that it has), then give
    /// [`Input::EventRecorded`](crate::Input). In order; as often as it takes.
    Event(Event),
    /// Run [`EngineInput::answer`] beside everything else, then give
    /// [`Input::Decided`](crate::Input) with what it returns. At most one is not answered
    /// yet.
    Decide(EngineInput),
    /// Run [`RoomInput::answer_in`](crate::RoomInput::answer_in) of
    /// [`Controller::plan_room`](crate::Controller::plan_room) about any one loss beside everything
    /// else, at leisure, then give [`Input::RoomChecked`](crate::Input) with this number and what
    /// it returns. At most one is worth an answer: the last.
    CheckRoom(u64),
    /// Write what the policy engine was asked and what it answered to disk. Best effort.
    KeepInput {
        /// Under which name.
        name: InputName,
        /// The CIB.
        cib: String,
        /// The transition graph; empty if there was no answer.
        graph: String,
    },
    /// The state or its summary changed.
    StatusChanged {
        /// The state.
        state: DpeState,
        /// One line for people.
        summary: String,
    },
    /// The deployment has ended; everything before this effect is done. Forget the durable state's
    /// document and stop.
    Unloaded,
}

/// Under which name an input of the policy engine is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputName {
    /// That of the transition with this number, counted from 1 per epoch. The last ones are kept,
    /// as many as the shell likes.
    Transition(u64),
    /// `refused-input-SLOT.xml` and `refused-graph-SLOT.xml`: that of a decision that was refused.
    /// Kept in any case, until the slot is used again.
    Refused(u64),
}

/// How to reach an agent and what to say to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// To be given back with the agent's answer: an answer to an earlier one says nothing.
    pub number: u64,
    /// Which assembly.
    pub assembly: AssemblyId,
    /// As the document gives it; `None`: it gives none, there is nothing to connect to.
    pub address: Option<String>,
    /// First argument of Hello and of every other call.
    pub epoch: u64,
    /// Second argument of Hello: name of the deployment.
    pub deployment: String,
    /// How often the agent sends heartbeats.
    pub heartbeat_interval_ms: u32,
    /// After this time without one it is late: a network that carries nothing is found out sooner.
    pub heartbeat_timeout_ms: u32,
    /// After this time without answer the agent stops its services; 0 = never.
    pub lease_ms: u32,
    /// How long that stopping may take before the agent kills what is left and resets its guest.
    pub grace_ms: u32,
    /// How long stopping may take where nothing is lost: at the release, and before a planned
    /// shutdown.
    pub stop_timeout_ms: u32,
}

/// Make an assembly safe: when the answer is `Ok`, nothing runs there any more that ran when this
/// was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceRequest {
    /// Which assembly.
    pub assembly: AssemblyId,
    /// To be given back with the result.
    pub attempt: u64,
    /// With what.
    pub device: FenceDevice,
    /// If that is a unit: it was active once while the agent answered.
    pub unit_seen: bool,
    /// Start it again afterwards (`reboot`), or leave it down (`off`).
    pub reboot: bool,
    /// After this time the controller takes the attempt as failed.
    pub timeout_ms: u32,
    /// How long to wait before a device of the configuration is asked: the policy's
    /// `priority-fencing-delay`. Part of `timeout_ms`.
    pub delay_ms: u32,
}

/// Let an assembly in, with all of these devices: the action `on` of each, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfenceRequest {
    /// Which assembly.
    pub assembly: AssemblyId,
    /// To be given back with the result.
    pub attempt: u64,
    /// With what.
    pub devices: Vec<DeviceUse>,
    /// After this time it is ended, as by [`Effect::EndUnfencing`].
    pub timeout_ms: u32,
}

/// Switch the power of an assembly on, unless it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerOn {
    /// Which assembly.
    pub assembly: AssemblyId,
    /// With what, one after the other: which of them has switched it off is not kept.
    pub devices: Vec<FenceDevice>,
    /// How long that may take with each.
    pub timeout_ms: u32,
}

/// Ask a fencing device whether it is well: its agent's monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCheck {
    /// To be given back with the answer.
    pub question: u64,
    /// The device.
    pub device: Device,
    /// After this time the controller takes the device as not well.
    pub timeout_ms: u32,
}

/// What makes an assembly safe, where that is work for the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FenceDevice {
    /// This unit of the host's service manager is stopped (and started).
    Unit {
        /// Name of the unit.
        unit: String,
    },
    /// A ClusterLabs fence agent is run with these parameters on its standard input.
    Agent {
        /// Name of the program.
        agent: String,
        /// `name=value` lines, in order.
        parameters: Vec<(String, String)>,
        /// Those whose values nothing may tell although their names do not say so.
        #[serde(default)]
        marked: BTreeSet<String>,
    },
    /// One level of devices of the configuration: all of them have to succeed, in order.
    Level(Vec<DeviceUse>),
}
