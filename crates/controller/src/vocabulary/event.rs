//! Events: what happened, for the event log of the cloud.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What kind of event. The text of each is part of the bus API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
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
    /// The policy engine demands actions.
    #[serde(rename = "transition.started")]
    TransitionStarted,
    /// They are done.
    #[serde(rename = "transition.completed")]
    TransitionCompleted,
    /// The world changed before they were done.
    #[serde(rename = "transition.aborted")]
    TransitionAborted,
}

impl Kind {
    /// The text of the kind on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::DeploymentStarted => "deployment.started",
            Kind::DeploymentDegraded => "deployment.degraded",
            Kind::DeploymentRecovered => "deployment.recovered",
            Kind::DeploymentFailed => "deployment.failed",
            Kind::AssemblyOnline => "assembly.online",
            Kind::AssemblyHeartbeatMissed => "assembly.heartbeat-missed",
            Kind::AssemblyLost => "assembly.lost",
            Kind::AssemblyFencingRequested => "assembly.fencing-requested",
            Kind::AssemblyFencingSucceeded => "assembly.fencing-succeeded",
            Kind::AssemblyFencingFailed => "assembly.fencing-failed",
            Kind::AssemblyRecovered => "assembly.recovered",
            Kind::ServiceStarted => "service.started",
            Kind::ServiceStopped => "service.stopped",
            Kind::ServiceFailed => "service.failed",
            Kind::ServiceRecovered => "service.recovered",
            Kind::ServiceMoved => "service.moved",
            Kind::ServiceUnrecoverable => "service.unrecoverable",
            Kind::TransitionStarted => "transition.started",
            Kind::TransitionCompleted => "transition.completed",
            Kind::TransitionAborted => "transition.aborted",
        }
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
    pub kind: Kind,
    /// Name of the deployment.
    pub deployment: String,
    /// Name of the assembly it is about, or empty.
    pub assembly: String,
    /// Id of the service it is about, or empty.
    pub service: String,
    /// The state afterwards, in one word, or empty.
    pub state: String,
    /// Why, for people.
    pub reason: String,
    /// What else is known.
    pub details: BTreeMap<String, String>,
}

/// A version 7 uuid: 48 bits of milliseconds, then 74 bits that no two events share: 24 of
/// `counter`, 32 of `epoch`, 18 of a hash of the deployment.
pub(crate) fn event_id(wall_us: u64, deployment: &str, epoch: u64, counter: u64) -> String {
    let hash = deployment
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    let hash = (hash ^ (hash >> 32)) & 0x3_ffff;
    let (high, low) = ((counter >> 12) & 0xfff, counter & 0xfff);
    let ms = (wall_us / 1_000) & 0xffff_ffff_ffff;
    // 62 bits after the variant: the counter's low 12 first, so that events of one millisecond sort
    // in order.
    let tail = (low << 50) | ((epoch & 0xffff_ffff) << 18) | hash;
    let variant = 0x8000 | (tail >> 48);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        ms >> 16,
        ms & 0xffff,
        0x7000 | high,
        variant,
        tail & 0xffff_ffff_ffff
    )
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
        assert_ne!(event_id(1, "shop", 1, 1), event_id(1, "blog", 1, 1));
        assert_ne!(event_id(1, "shop", 1, 1), event_id(1, "shop", 2, 1));
    }
}
