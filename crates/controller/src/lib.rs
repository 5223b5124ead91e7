//! One deployment's brain, as a deterministic state machine: time and inputs in, effects out. No
//! I/O, no clock, no threads.
//!
//! A *shell* (the daemon `dpe`, or a simulator) owns sockets, files and clocks. It gives the
//! [`Controller`] what happened, and does what the controller wants. The same inputs at the same
//! times give the same effects, so a simulator can drive it through years of faults in seconds, and
//! any bug replays from a seed.
//!
//! ```text
//!            ┌─▶ assemblies: which are alive, which are safe ─┐
//!            ├─▶ histories: what runs where                   │
//!  Input ────┼─▶ failures, node attributes                    ├─▶ EngineInput ──▶ policy engine
//!            └─▶ what administrators want                     ┘                        │
//!            ▲                                                                         ▼
//!  Effect ◀──┼───────────────────── transition ◀───────────────────────────────── Decision
//!            │ results
//! ```
//!
//! # What goes in
//!
//! [`Controller::handle`] takes one [`Input`] at a time, with the [`Time`] at which it happened:
//!
//! - [`Input::Request`], [`Input::Order`]: an administrator, or the CPE for one, wants something;
//!   the only kinds that can be refused.
//! - [`Input::AgentConnected`], [`Input::AgentDisconnected`], [`Input::AgentOccupied`]: how the
//!   stream to an agent fares.
//! - [`Input::AgentLeaving`], [`Input::AgentLeft`]: a guest goes down as planned.
//! - [`Input::Heartbeat`], [`Input::OperationCompleted`], [`Input::AttributesChanged`]: what
//!   agents report by themselves.
//! - [`Input::ExecuteRefused`], [`Input::Cancelled`], [`Input::FencingResult`],
//!   [`Input::DeviceChecked`], [`Input::EventRecorded`], [`Input::Decided`]: how an effect ended.
//! - [`Input::Tick`]: the time of [`Controller::deadline`] has come.
//!
//! # What comes out
//!
//! [`Controller::poll_effect`] gives what the shell has to do, in order, until there is no more:
//!
//! - [`Effect::Persist`]: write facts, durably, before anything else.
//! - [`Effect::Connect`], [`Effect::Disconnect`], [`Effect::Renew`], [`Effect::Restart`],
//!   [`Effect::Release`]: keep the streams to agents, and their leases.
//! - [`Effect::Execute`], [`Effect::Cancel`], [`Effect::Forget`]: have an agent work.
//! - [`Effect::Fence`], [`Effect::CheckDevice`]: make an assembly safe; ask whether what does that
//!   is well.
//! - [`Effect::Decide`], [`Effect::KeepInput`]: ask the policy engine, and keep what it was
//!   asked.
//! - [`Effect::Event`], [`Effect::StatusChanged`]: let others know.
//! - [`Effect::Unloaded`] is the end.
//!
//! Between inputs, [`Controller::status`], [`Controller::plan`] and [`Controller::input`] look at
//! the state without changing it.
//!
//! # The loop of a shell
//!
//! 1. Read the saved rows ([`Durable::from_rows`]) and make a controller of them
//!    ([`Controller::new`], or [`Controller::ruled`]): it takes the next epoch and resumes what was
//!    loaded.
//! 2. Do all effects, in order. An [`Effect::Persist`] has to be on disk before the next effect is
//!    begun. Long work (streams, fencing, the policy engine) runs beside the loop and comes back as
//!    an input.
//! 3. Answer the requests of before: what they asked for is durable now.
//! 4. Wait for an input, at most until [`Controller::deadline`] on the boot-time clock, and then
//!    give [`Input::Tick`]. Go to 2.
//!
//! # Facts before effects
//!
//! Facts that must outlive the process are rows ([`Durable`]). Each input gives at most one
//! [`Effect::Persist`], and it is the first effect of that input: whatever follows from a fact
//! follows its durability. Events are rows too, until the event log has them.
//!
//! # An assembly's life
//!
//! ```text
//!                   Hello, History       late                  heartbeat_timeout
//!  ┌─────────┐ ───────────────────▶ online ─────▶ missed ───────────────────┐
//!  │ unknown │                       ▲ ▲ ▲          │                       ▼
//!  └────┬────┘                       │ │ └──────────┘ heartbeat          ┌──────┐
//!       │ it did not appear in time  │ └──── its agent is back ──────────┤ lost │
//!       └────────────────────────────┼─────────────────────────────────▶ └──┬───┘
//!                                    │ Hello, History                       │ a graph demands it
//!                                 ┌──┴───┐                             ┌────▼────┐
//!                                 │ safe │ ◀───────────────────────────┤ fencing │◀── also of an
//!                                 └──────┘  lease, device, manager     └─────────┘    online one
//! ```
//!
//! All its edges are in `docs/assembly-life.dot`, which is drawn from the table that the code goes
//! by.
//!
//! *Unknown is not down*: until every assembly is online, lost or safe the policy engine is not
//! asked at all. Lost is not down either: to the policy engine a lost assembly is *unclean*, so
//! that whatever must wait for its fencing waits.
//!
//! # When the policy engine is asked
//!
//! After a change of the world that it should know of, one input at a time; a change that comes
//! before the answer makes the answer worthless. Of values that tools in guests set all the time
//! only one in a second counts as a change, and after three worthless answers in a row the next one
//! is taken although values have changed: it is as if they had changed after it.
//!
//! A decision that fails the check of
//! [`policy_engine::lint()`] is refused: nothing of it is done, the event `decision.refused` and
//! the state ([`DpeState::Failed`](cpe_status::DpeState)) with its summary say why, and the policy
//! engine is not asked again before the world changes or the recheck interval is over, since the
//! same input would bring the same answer.
//!
//! Time alone changes what rules say. The policy engine is asked again when the moment comes that
//! it named itself, and whenever `cluster-recheck-interval` has passed without a question.
//!
//! # Inside
//!
//! `vocabulary` is plain data; `machines` are parts with a state of their own, which know nothing
//! of the controller; `controller` says how inputs go through them and become effects.

#![warn(missing_docs)]

mod controller;
mod machines;
mod vocabulary;

pub use controller::{Controller, PlanInput, ServicePlanInput, UpkeepPlanInput};
pub use deployment::{
    CONFIGURE_PARAMETER, Command, Configure, Device, DeviceUse, HostArgument, HostCheck,
};
pub use machines::facts::{Damaged, Durable, SAVES};
pub use machines::room::{RoomDetail, RoomInput};
pub use policy_engine::Zone;
pub use vocabulary::{
    Asker, AssemblyId, Attribute, Attributes, Ban, CONFIGURE, Change, Connect, DEBUG, DebugInput,
    DebugOrder, DebugTask, Decision, DeviceCheck, EVENTS_KEPT, Effect, EngineInput, EpochRule,
    EpochsUsedUp, Event, EventKind, FORCE_RESTART, FailedOperation, FenceDevice, FenceRequest,
    Hello, Holder, Input, InputName, Keeping, LeasesHeld, Lifetime, MIGRATE_SOURCE, MIGRATE_TARGET,
    OP_DIGEST, Occupant, Operation, Place, PowerOn, PowerOrder, Proposal, Question, Record,
    RecordState, Refusal, Reply, Request, RoomAnswer, RoomQuestion, STATUS_CANCELLED, STATUS_DONE,
    STATUS_ERROR, STATUS_TIMEOUT, ServiceId, ServiceOrder, Task, TicketId, TicketOrder, Time,
    TransitionKey, UnfenceRequest, Value, Whose, Why, Zones, dispatcher_uuid, exit_code_name,
};
