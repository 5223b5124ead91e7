//! The words in which a shell, the controller and its machines speak: pure data.

mod change;
mod debug;
mod effect;
mod engine_input;
mod epochs;
mod event;
mod failed_operation;
mod hash;
mod ids;
mod input;
mod leases;
mod limits;
mod operation;
mod overlay;
mod proposal;
mod question;
mod room;
mod spec;
mod task;
mod time;
mod tree;
mod unfence;

pub use change::Change;
pub use debug::{DebugInput, DebugOrder, DebugTask};
pub use effect::{
    Connect, DeviceCheck, Effect, FenceDevice, FenceRequest, InputName, PowerOn, UnfenceRequest,
};
pub use engine_input::{Decision, EngineInput, Zones};
pub use epochs::{EpochRule, EpochsUsedUp};
pub use event::{EVENTS_KEPT, Event, EventKind};
pub use failed_operation::FailedOperation;
pub use ids::{AssemblyId, ServiceId, TicketId};
pub use input::{
    Attribute, Attributes, Hello, Input, Occupant, PowerOrder, Refusal, Request, TicketOrder,
};
pub use leases::LeasesHeld;
pub use operation::{
    CONFIGURE, DEBUG, FORCE_RESTART, MIGRATE_SOURCE, MIGRATE_TARGET, OP_DIGEST, Operation, Record,
    RecordState, STATUS_CANCELLED, STATUS_DONE, STATUS_ERROR, STATUS_TIMEOUT, TransitionKey,
    dispatcher_uuid, exit_code_name,
};
pub use overlay::{Lifetime, ServiceOrder};
pub use proposal::Proposal;
pub use question::{Asker, Ban, Holder, Keeping, Place, Question, Reply, Value, Whose, Why};
pub use room::{RoomAnswer, RoomQuestion};
pub use task::Task;
pub use time::Time;

pub(crate) use engine_input::{
    Goal, Outcome, Terms, Waits, Without, does_nothing, goal, only_utc, scheduled,
};
pub(crate) use event::{EventDraft, event_id};
pub(crate) use hash::fnv;
pub(crate) use limits::Limits;
pub(crate) use operation::{
    Asked, DEVICE_CLASS, META_OF_RESULTS, RC_PENDING, epoch_of_dispatcher, pending,
};
pub(crate) use overlay::OverlayKey;
pub(crate) use question::QUESTIONS;
pub(crate) use room::Loss;
pub(crate) use spec::{AssemblySpec, Copies, Escalation, Fencing, ServiceSpec, Spec};
pub(crate) use time::{MS, SECOND, utc};
pub(crate) use unfence::{Digests, Unfenced};
