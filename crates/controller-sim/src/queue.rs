//! What is still to happen, in order of virtual time.

use controller::{AssemblyId, EngineInput, Event, Request, Task};

use crate::faults::Fault;
use crate::network::{ToAgent, ToDpe};

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub enum SimEvent {
    /// The controller's deadline, as it was when this was planned.
    Tick(u64, u64),
    /// The DPE is started (by the service manager).
    StartDpe,
    /// A stopped DPE may go on.
    DpeGoesOn,
    /// The shell tries to connect to an assembly's address.
    Attempt(u64, AssemblyId),
    /// Hello was not answered in time.
    HelloOverdue(u64),
    /// A message arrives.
    ToAgent(u64, ToAgent),
    /// A message arrives.
    ToDpe(u64, ToDpe),
    /// The DPE sees that a stream has ended.
    Closed(u64),
    /// A timer in a guest's life.
    Timer(usize, u64, Timer),
    /// The guard of a guest looks at its lease, in that boot.
    Guard(usize, u64),
    /// The DPE's disk has taken what was to be written.
    Saved(u64),
    /// A guest's power comes on.
    Boot(usize),
    /// A paused guest goes on.
    Resume(usize),
    /// A fence device acts.
    DeviceActs(usize),
    /// A device cuts a guest off, which runs on.
    DeviceCuts(usize),
    /// A guest is taken back to its snapshot.
    SnapshotRestored(usize),
    /// A fence device answers.
    DeviceAnswers(u64, AssemblyId, u64, Result<(), String>),
    /// A device lets a guest in, if that was not ended before.
    LetsIn(u64, u64),
    /// Nothing of an attempt to let a guest in is left: why it failed.
    LettingInEnds(u64, u64, Result<(), String>),
    /// The DPE hears that an attempt to let a guest in has ended.
    LettingInEnded(u64, AssemblyId, u64, Result<(), String>),
    /// A fence device has said whether it is well.
    DeviceTells(u64, u64, Result<(), String>),
    /// The policy engine answers.
    Decided(u64, EngineInput),
    /// An event arrives at the log.
    Record(u64, Box<Event>),
    /// The log's acknowledgement arrives at the DPE.
    Recorded(u64, String),
    /// The shell brings what was not acknowledged again.
    RetryEvents(u64),
    /// Something goes wrong.
    Fault(Fault),
    /// A tool of a guest sets values, and again until that time.
    Chatter(usize, u64),
    /// People leave the guests alone: they have set maintenance. The DPE stops for that time, µs.
    HandsOff(u64),
    /// The cloud manager looks after assemblies that wait for it.
    ManagerLooks,
    /// Someone wants something.
    Request(Request),
}

impl SimEvent {
    /// A DPE that is stopped does not notice it.
    pub(crate) fn is_for_the_dpe(&self) -> bool {
        matches!(
            self,
            SimEvent::Tick(..)
                | SimEvent::Attempt(..)
                | SimEvent::HelloOverdue(..)
                | SimEvent::ToDpe(..)
                | SimEvent::Closed(..)
                | SimEvent::DeviceAnswers(..)
                | SimEvent::DeviceTells(..)
                | SimEvent::LettingInEnded(..)
                | SimEvent::Decided(..)
                | SimEvent::Recorded(..)
                | SimEvent::RetryEvents(..)
                | SimEvent::Saved(..)
                | SimEvent::Request(..)
        )
    }
}

/// Timers in a guest.
#[derive(Clone, Debug)]
pub enum Timer {
    /// Time for a heartbeat.
    Heartbeat,
    /// An operation ends.
    OperationEnds(String, u64),
    /// A recurring operation is due.
    Monitor(String, Task, u32, u32),
    /// The start delay of an operation is over, by its call id.
    Delayed(u32),
    /// The lease may be over.
    LeaseCheck,
    /// A service that is stopped because the lease is over has stopped.
    LeaseStopped(String),
    /// Services that would not stop: the guest is rebooted.
    LeaseGivesUp,
    /// The DPE has not stopped everything for an agent that leaves.
    LeaveLate,
    /// A service that an agent stops before it leaves has stopped.
    LeaveStopped(String),
    /// Services that would not stop for an agent that leaves.
    LeaveGivesUp,
    /// The reboot has ended everything.
    Halted,
    /// The service manager kills a hung agent.
    Watchdog,
    /// A hung agent goes on by itself.
    AgentResumes,
    /// The service manager starts the agent.
    AgentStarts,
}

/// Events by time.
pub(crate) type Queue = sim_kit::Queue<SimEvent>;
