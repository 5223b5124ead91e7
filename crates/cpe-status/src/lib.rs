//! What a deployment's status and a plan consist of: the same types in the controller that makes
//! them, on the bus that carries them as JSON, and in the programs that read them; what a guest's
//! [address](PeerAddress) is, and what is run before a service [starts](Configure), in documents,
//! settings and statuses; values that only a guest has ([`GuestSecret`]); how the delivery of
//! events [stands](SinkList), and [hosts](HostList) that share deployments; and the limits that
//! hold in all of these. No I/O.

#![warn(missing_docs)]

mod address;
mod agents;
mod configure;
mod debug;
mod guest_secret;
mod hosts;
mod input;
pub mod limits;
mod operation;
mod overlay;
mod plan;
mod resource;
mod room;
mod sinks;
mod state;
mod status;
mod tone;

pub use address::{
    ANY_CID, AddressError, DEFAULT_PORT, DEFAULT_SOCKET, DEFAULT_SSH_PORT, HOST_CID,
    MAX_SOCKET_PATH, PeerAddress,
};
pub use agents::{
    AgentAction, AgentCheck, AgentDescriptions, AgentEntry, AgentList, AgentParameter,
    AgentVariant, DocumentWarning, ResourceAgent, Unasked,
};
pub use configure::Configure;
pub use debug::{DebugReport, Said};
pub use guest_secret::{
    GUEST_SECRETS, GuestSecret, MAX_GUEST_SECRET, SECRET_NAMES, name_secrets, names_secret,
};
pub use hosts::{HostDetails, HostList, HostStatus, OwnedDeployment, StoreMember, StoreStatus};
pub use input::{KeptInput, KeptInputList};
pub use operation::{OperationList, OperationStatus};
pub use overlay::{OverlayStatus, ServicePlan};
pub use plan::{Failover, Plan, PlanAction};
pub use resource::{BanStatus, ResourceStatus};
pub use room::{RoomLoss, RoomRemedy, RoomReport, RoomService, RoomStatus};
pub use sinks::{
    DeadLetter, DeadLetterList, RefusedSink, SinkList, SinkNumbers, SinkNumbersList, SinkStatus,
    SinkTest,
};
pub use state::{
    AssemblyState, DebugState, DeploymentState, DpeState, FencingResult, OperationOutcome,
    OverlayEnd, OverlayKind, PlanBasis, ResourceKind, RoomOutcome, RoomScope, ServiceRole,
    ServiceState, TransitionState,
};
pub use status::{
    AssemblyStatus, ConfiguredService, DeploymentStatus, FailureStatus, FencingStatus,
    INFINITE_FAILURES, NextLook, ReferenceStatus, RunningAction, ServiceStatus, TicketStatus,
    TicketUse, TransitionStatus,
};
pub use tone::EventTone;
