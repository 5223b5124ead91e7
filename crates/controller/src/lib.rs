//! One deployment's brain, as a deterministic state machine: time and inputs in, effects out. No
//! I/O, no clock, no threads.
//!
//! A *shell* (the daemon `dpe`, or a simulator) owns sockets, files and clocks. It tells the
//! controller what happened ([`Controller::handle`]), does what the controller wants
//! ([`Controller::poll_effect`]), in that order, and comes back when the controller has something
//! to do by itself ([`Controller::deadline`]). The same inputs at the same times give the same
//! effects, so a simulator can drive it through years of faults in seconds, and any bug replays
//! from a seed.
//!
//! ```text
//!  Input ──▶ handle ──▶ assemblies (alive? safe?) ─┐
//!                       histories (what runs where) ├─▶ EngineInput ─▶ policy engine ─▶ Decision: transition graph ─▶ Effect
//!                       failures, administration   ─┘            (run by the shell)              │
//!                          ▲                                                                     │ results
//!                          └─────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! # An assembly's life
//!
//! ```text
//!                     Hello + History            late               later: heartbeat_timeout
//!   ┌─────────┐  ┌──────────────────────▶ online ─────▶ missed ────────────────────────────┐
//!   │ unknown ├──┘                         ▲ ▲ ▲          │                               ▼
//!   └────┬────┘                            │ │ └──────────┘ heartbeat                   ┌──────┐
//!        │ not heard of within the grace   │ └──── agent is back before it was fenced ──┤ lost │
//!        └─────────────────────────────────┼───────────────────────────────────────────▶└──┬───┘
//!                                          │ Hello + History                               │ the policy engine's graph
//!                                     ┌────┴─┐          lease over / device / manager   ┌──▼──────┐  demands fencing; also
//!                                     │ safe │◀─────────────────────────────────────────┤ fencing │◀── of an online one after
//!                                     └──────┘                                          └─────────┘    a failed stop, escalation
//! ```
//!
//! *Unknown is not down*: until every assembly is online, lost or safe the policy engine is not
//! asked at all. Lost is not down either: to the policy engine a lost assembly is *unclean*, so
//! that whatever must wait for its fencing waits.
//!
//! # Durability
//!
//! Facts that must outlive the process are rows ([`Durable`]). Each input gives at most one
//! [`Effect::Persist`], and it is the first effect of that input: whatever follows from a fact
//! follows its durability. Events are rows too, until the event log has them.
//!
//! # A shell
//!
//! ```text
//! let durable = Durable::from_rows(table.read_all()?)?;
//! let mut controller = Controller::new("shop", durable, clock.now());
//! loop {
//!     while let Some(effect) = controller.poll_effect() {
//!         match effect {
//!             Effect::Persist(changes) => table.write(changes)?,          // one transaction, synced, then go on
//!             Effect::Connect(connect) => agents.connect(connect),        // a task per assembly: connect, Hello, History, forward
//!             Effect::Renew { assembly, stamp_us } => agents.renew(assembly, stamp_us),
//!             Effect::Execute { assembly, operation } => agents.execute(assembly, operation),
//!             Effect::Decide(question) => engine.run(|| question.answer()), // beside the loop; then Input::Decided
//!             Effect::Event(event) => outbox.push(event),                 // Record until acknowledged, then Input::EventRecorded
//!             …
//!         }
//!     }
//!     reply_to_requests();                                                // what they asked for is durable now
//!     let input = select! {
//!         input = inputs.recv() => input,
//!         () = sleep_until_boottime(controller.deadline()) => Input::Tick,
//!     };
//!     let outcome = controller.handle(clock.now(), input);                // Err only for Input::Request
//! }
//! ```
//!
//! Signatures:
//!
//! ```text
//! impl Controller {
//!     pub fn new(name: &str, durable: Durable, now: Time) -> Controller;               // takes the next epoch, resumes what is loaded
//!     pub fn handle(&mut self, now: Time, input: Input) -> Result<(), Refusal>;
//!     pub fn poll_effect(&mut self) -> Option<Effect>;
//!     pub fn deadline(&self) -> Option<u64>;                                           // boot time, µs
//!     pub fn status(&self, now: Time) -> DeploymentStatus;                                       // GetStatus (serialise it)
//!     pub fn input(&self, now: Time) -> String;                                        // GetInput: the CIB
//!     pub fn plan(&self, now: Time, document: &str) -> Result<PlanInput, Refusal>;  // nothing is done
//!     pub fn document(&self) -> Option<(&str, u64)>;                                   // GetDocument
//!     pub fn state(&self) -> DpeState;  generation(&self) -> u64;  epoch(&self) -> u64;
//! }
//! ```

#![warn(missing_docs)]

mod controller;
mod machines;
mod vocabulary;

pub use controller::{Controller, PlanInput};
pub use machines::facts::{Damaged, Durable};
pub use vocabulary::{
    AssemblyId, Attribute, Attributes, Change, Connect, Decision, EVENTS_KEPT, Effect, EngineInput,
    Event, EventKind, FORCE_RESTART, FenceDevice, FenceRequest, Hello, Input, InputName,
    MIGRATE_SOURCE, MIGRATE_TARGET, OP_DIGEST, Operation, Record, RecordState, Refusal, Request,
    STATUS_CANCELLED, STATUS_DONE, STATUS_ERROR, STATUS_TIMEOUT, ServiceId, Task, Time,
    TransitionKey, dispatcher_uuid, exit_code_name,
};
