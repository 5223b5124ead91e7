//! Events: what happened, for the event log of the cloud.

use std::collections::BTreeMap;

use cpe_status::{AssemblyState, DeploymentState, ServiceState, TransitionState};
use serde::{Deserialize, Serialize};

use super::hash::fnv;
use super::ids::{AssemblyId, ServiceId};

/// Events that are kept for an event log that does not take them, at most: in the controller's
/// facts, and in the queue of a shell. The oldest are dropped: a log that is away for weeks must
/// fill neither disk nor memory. 100,000 events are about 50 MB.
pub const EVENTS_KEPT: usize = 100_000;

/// What kind of event. The text of each is part of the bus API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventKind {
    /// All services of a loaded deployment run for the first time.
    #[serde(rename = "deployment.started")]
    DeploymentStarted,
    /// Something that should run does not, or an assembly is lost.
    #[serde(rename = "deployment.degraded")]
    DeploymentDegraded,
    /// Everything is well again.
    #[serde(rename = "deployment.recovered")]
    DeploymentRecovered,
    /// An assembly failed too often: all of the deployment is restarted.
    #[serde(rename = "deployment.failed")]
    DeploymentFailed,
    /// Not every service would run if any one assembly were lost.
    #[serde(rename = "deployment.room-missing")]
    DeploymentRoomMissing,
    /// Every service would again.
    #[serde(rename = "deployment.room-regained")]
    DeploymentRoomRegained,
    /// An assembly's agent is there for the first time, or again after it was safe.
    #[serde(rename = "assembly.online")]
    AssemblyOnline,
    /// Heartbeats are late.
    #[serde(rename = "assembly.heartbeat-missed")]
    AssemblyHeartbeatMissed,
    /// Heartbeats are so late that the assembly is given up.
    #[serde(rename = "assembly.lost")]
    AssemblyLost,
    /// It is to be made safe.
    #[serde(rename = "assembly.fencing-requested")]
    AssemblyFencingRequested,
    /// It is safe.
    #[serde(rename = "assembly.fencing-succeeded")]
    AssemblyFencingSucceeded,
    /// It could not be made safe (yet).
    #[serde(rename = "assembly.fencing-failed")]
    AssemblyFencingFailed,
    /// Its fencing devices are to let it in again.
    #[serde(rename = "assembly.unfencing-requested")]
    AssemblyUnfencingRequested,
    /// All of them have.
    #[serde(rename = "assembly.unfencing-succeeded")]
    AssemblyUnfencingSucceeded,
    /// One of them could not (yet): what requires it does not start there.
    #[serde(rename = "assembly.unfencing-failed")]
    AssemblyUnfencingFailed,
    /// Its agent's certificate is refused, or the DPE's by its agent.
    #[serde(rename = "assembly.identity-refused")]
    AssemblyIdentityRefused,
    /// Its agent answers, and cannot operate services as its guest is.
    #[serde(rename = "assembly.agent-unusable")]
    AssemblyAgentUnusable,
    /// Its guest goes down as planned, or its agent for good.
    #[serde(rename = "assembly.leaving")]
    AssemblyLeaving,
    /// Nothing runs in it any more, by its own word: it is safe.
    #[serde(rename = "assembly.left")]
    AssemblyLeft,
    /// It is back before it had to be made safe, or heartbeats come again.
    #[serde(rename = "assembly.recovered")]
    AssemblyRecovered,
    /// A service runs.
    #[serde(rename = "service.started")]
    ServiceStarted,
    /// A service was stopped.
    #[serde(rename = "service.stopped")]
    ServiceStopped,
    /// A service failed.
    #[serde(rename = "service.failed")]
    ServiceFailed,
    /// A failed service runs again where it ran before.
    #[serde(rename = "service.recovered")]
    ServiceRecovered,
    /// A service runs in another assembly than before.
    #[serde(rename = "service.moved")]
    ServiceMoved,
    /// A failed service can run nowhere now.
    #[serde(rename = "service.unrecoverable")]
    ServiceUnrecoverable,
    /// An administrator has had its resource agent do something once.
    #[serde(rename = "service.debugged")]
    ServiceDebugged,
    /// The policy engine demands actions.
    #[serde(rename = "transition.started")]
    TransitionStarted,
    /// They are done.
    #[serde(rename = "transition.completed")]
    TransitionCompleted,
    /// The world changed before they were done.
    #[serde(rename = "transition.aborted")]
    TransitionAborted,
    /// The policy engine's decision is wrong, or it could not decide: nothing is done.
    #[serde(rename = "decision.refused")]
    DecisionRefused,
    /// A ticket is granted to this deployment.
    #[serde(rename = "ticket.granted")]
    TicketGranted,
    /// A ticket is not granted to this deployment any more.
    #[serde(rename = "ticket.revoked")]
    TicketRevoked,
    /// What needs a ticket is stopped, whether it is granted or not.
    #[serde(rename = "ticket.standby")]
    TicketStandby,
    /// What needs a ticket runs if it is granted.
    #[serde(rename = "ticket.activated")]
    TicketActivated,
    /// An administrator wants something of a service beside the document.
    #[serde(rename = "overlay.added")]
    OverlayAdded,
    /// That has ended: an administrator said so, what it was for is done, or the document does not
    /// name what it was about any more.
    #[serde(rename = "overlay.removed")]
    OverlayRemoved,
    /// Its time is over.
    #[serde(rename = "overlay.expired")]
    OverlayExpired,
}

impl EventKind {
    /// The state that an event of the kind leads to, in one word.
    fn usual_state(self) -> &'static str {
        match self {
            EventKind::DeploymentStarted | EventKind::DeploymentRecovered => {
                DeploymentState::Active.as_str()
            }
            EventKind::DeploymentDegraded => DeploymentState::Degraded.as_str(),
            EventKind::DeploymentFailed => DeploymentState::Failed.as_str(),
            EventKind::DeploymentRoomMissing => "missing",
            EventKind::DeploymentRoomRegained => "enough",
            EventKind::AssemblyOnline | EventKind::AssemblyRecovered => {
                AssemblyState::Online.as_str()
            }
            EventKind::AssemblyHeartbeatMissed => "missed",
            EventKind::AssemblyLost => AssemblyState::Lost.as_str(),
            EventKind::AssemblyUnfencingRequested
            | EventKind::AssemblyUnfencingSucceeded
            | EventKind::AssemblyUnfencingFailed => AssemblyState::Online.as_str(),
            EventKind::AssemblyFencingRequested | EventKind::AssemblyFencingFailed => {
                AssemblyState::Fencing.as_str()
            }
            EventKind::AssemblyFencingSucceeded | EventKind::AssemblyLeft => {
                AssemblyState::Offline.as_str()
            }
            EventKind::AssemblyIdentityRefused => "refused",
            EventKind::AssemblyAgentUnusable => "unusable",
            EventKind::AssemblyLeaving => AssemblyState::Leaving.as_str(),
            EventKind::ServiceStarted | EventKind::ServiceRecovered | EventKind::ServiceMoved => {
                ServiceState::Started.as_str()
            }
            EventKind::ServiceStopped => ServiceState::Stopped.as_str(),
            EventKind::ServiceFailed => ServiceState::Failed.as_str(),
            EventKind::ServiceUnrecoverable => ServiceState::Blocked.as_str(),
            EventKind::ServiceDebugged => "done",
            EventKind::TransitionStarted => TransitionState::Running.as_str(),
            EventKind::TransitionCompleted => TransitionState::Completed.as_str(),
            EventKind::TransitionAborted => TransitionState::Aborted.as_str(),
            EventKind::DecisionRefused => "refused",
            EventKind::TicketGranted => "granted",
            EventKind::TicketRevoked => "revoked",
            EventKind::TicketStandby => "standby",
            EventKind::TicketActivated => "active",
            EventKind::OverlayAdded => "added",
            EventKind::OverlayRemoved => "removed",
            EventKind::OverlayExpired => "expired",
        }
    }

    /// The text of the kind on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::DeploymentStarted => "deployment.started",
            EventKind::DeploymentDegraded => "deployment.degraded",
            EventKind::DeploymentRecovered => "deployment.recovered",
            EventKind::DeploymentFailed => "deployment.failed",
            EventKind::DeploymentRoomMissing => "deployment.room-missing",
            EventKind::DeploymentRoomRegained => "deployment.room-regained",
            EventKind::AssemblyOnline => "assembly.online",
            EventKind::AssemblyHeartbeatMissed => "assembly.heartbeat-missed",
            EventKind::AssemblyLost => "assembly.lost",
            EventKind::AssemblyFencingRequested => "assembly.fencing-requested",
            EventKind::AssemblyFencingSucceeded => "assembly.fencing-succeeded",
            EventKind::AssemblyFencingFailed => "assembly.fencing-failed",
            EventKind::AssemblyUnfencingRequested => "assembly.unfencing-requested",
            EventKind::AssemblyUnfencingSucceeded => "assembly.unfencing-succeeded",
            EventKind::AssemblyUnfencingFailed => "assembly.unfencing-failed",
            EventKind::AssemblyIdentityRefused => "assembly.identity-refused",
            EventKind::AssemblyAgentUnusable => "assembly.agent-unusable",
            EventKind::AssemblyLeaving => "assembly.leaving",
            EventKind::AssemblyLeft => "assembly.left",
            EventKind::AssemblyRecovered => "assembly.recovered",
            EventKind::ServiceStarted => "service.started",
            EventKind::ServiceStopped => "service.stopped",
            EventKind::ServiceFailed => "service.failed",
            EventKind::ServiceRecovered => "service.recovered",
            EventKind::ServiceMoved => "service.moved",
            EventKind::ServiceUnrecoverable => "service.unrecoverable",
            EventKind::ServiceDebugged => "service.debugged",
            EventKind::TransitionStarted => "transition.started",
            EventKind::TransitionCompleted => "transition.completed",
            EventKind::TransitionAborted => "transition.aborted",
            EventKind::DecisionRefused => "decision.refused",
            EventKind::TicketGranted => "ticket.granted",
            EventKind::TicketRevoked => "ticket.revoked",
            EventKind::TicketStandby => "ticket.standby",
            EventKind::TicketActivated => "ticket.activated",
            EventKind::OverlayAdded => "overlay.added",
            EventKind::OverlayRemoved => "overlay.removed",
            EventKind::OverlayExpired => "overlay.expired",
        }
    }
}

/// What happened, before it gets its time and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventDraft {
    pub kind: EventKind,
    pub assembly: Option<AssemblyId>,
    pub service: Option<ServiceId>,
    pub state: &'static str,
    pub reason: String,
    pub details: BTreeMap<String, String>,
}

impl EventDraft {
    /// An event of that kind that led to its usual state.
    pub(crate) fn new(kind: EventKind) -> EventDraft {
        EventDraft {
            kind,
            assembly: None,
            service: None,
            state: kind.usual_state(),
            reason: String::new(),
            details: BTreeMap::new(),
        }
    }

    /// It is about this assembly.
    pub(crate) fn assembly(self, assembly: &AssemblyId) -> EventDraft {
        EventDraft {
            assembly: Some(assembly.clone()),
            ..self
        }
    }

    /// It is about this service.
    pub(crate) fn service(self, service: &ServiceId) -> EventDraft {
        EventDraft {
            service: Some(service.clone()),
            ..self
        }
    }

    /// It led to this state, not to the usual one of its kind.
    pub(crate) fn state(self, state: &'static str) -> EventDraft {
        EventDraft { state, ..self }
    }

    /// Why, for people.
    pub(crate) fn reason(self, reason: impl Into<String>) -> EventDraft {
        EventDraft {
            reason: reason.into(),
            ..self
        }
    }

    /// What else is known, for programs.
    pub(crate) fn detail(mut self, name: &str, value: impl ToString) -> EventDraft {
        self.details.insert(name.to_owned(), value.to_string());
        self
    }
}

/// One event, in the form of the bus (without the log's cursor).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Unique: a version 7 uuid made of the time, the deployment, the epoch and a counter, so that
    /// it is the same in a replay.
    pub id: String,
    /// Microseconds since the Unix epoch.
    pub time: u64,
    /// What kind.
    pub kind: EventKind,
    /// Name of the deployment.
    pub deployment: String,
    /// The assembly it is about.
    #[serde(with = "empty_if_absent")]
    pub assembly: Option<AssemblyId>,
    /// The service it is about.
    #[serde(with = "empty_if_absent")]
    pub service: Option<ServiceId>,
    /// The state afterwards, in one word, or empty.
    pub state: String,
    /// Why, for people.
    pub reason: String,
    /// What else is known.
    pub details: BTreeMap<String, String>,
}

/// An id that may be absent is saved as a text that may be empty.
mod empty_if_absent {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<I, S>(id: &Option<I>, serializer: S) -> Result<S::Ok, S::Error>
    where
        I: Clone + Into<String>,
        S: Serializer,
    {
        let text = id.clone().map(Into::into).unwrap_or_default();
        text.serialize(serializer)
    }

    pub(super) fn deserialize<'de, I, D>(deserializer: D) -> Result<Option<I>, D::Error>
    where
        I: From<String>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

/// A version 7 uuid: 48 bits of milliseconds, then 74 bits that no two events share: 24 of
/// `counter`, 32 of `epoch`, 18 of a hash of the deployment.
pub(crate) fn event_id(wall_us: u64, deployment: &str, epoch: u64, counter: u64) -> String {
    let hash = fnv(deployment.bytes());
    let hash = (hash ^ (hash >> 32)) & 0x3_ffff;
    let (high, low) = ((counter >> 12) & 0xfff, counter & 0xfff);
    // 12 bits before the variant and 62 after it: the counter's low 12 first of these, so that
    // events of one millisecond sort in order.
    let tail = (low << 50) | ((epoch & 0xffff_ffff) << 18) | hash;
    let mut own = [0; 10];
    own[..2].copy_from_slice(&high.to_be_bytes()[6..]);
    own[2..].copy_from_slice(&tail.to_be_bytes());
    let id = uuid::Builder::from_unix_timestamp_millis(wall_us / 1_000, &own);
    id.into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_are_version_7_uuids_that_sort_by_time_and_counter() {
        let ids = [
            event_id(1_795_000_000_000_000, "shop", 1_795_000_000, 1),
            event_id(1_795_000_000_000_000, "shop", 1_795_000_000, 2),
            event_id(1_795_000_000_000_000, "shop", 1_795_000_000, 5000),
            event_id(1_795_000_000_001_000, "shop", 1_795_000_000, 3),
        ];
        assert!(ids.is_sorted());
        for id in &ids {
            assert_eq!(id.len(), 36);
            assert_eq!(&id[14..15], "7");
            assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        }
        assert_eq!(
            event_id(1_795_000_000_123_456, "shop", 1_795_000_000, 5000),
            "01a1ee56-5e7b-7001-8e21-abf61b027a11"
        );
        assert_ne!(event_id(1, "shop", 1, 1), event_id(1, "blog", 1, 1));
        assert_ne!(event_id(1, "shop", 1, 1), event_id(1, "shop", 2, 1));
    }
}
