//! The kinds of events and their journal message ids.
//!
//! Kinds and ids are an interface: other programs filter by them, and `journalctl MESSAGE_ID=…`
//! finds every event of a kind. A kind's name or id never changes; a new kind gets a new random id
//! (`systemd-id128 new`).

use std::fmt;
use std::str::FromStr;

macro_rules! kinds {
    ($($variant:ident, $name:literal, $id:literal, $doc:literal;)*) => {
        /// What an event says happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind { $(#[doc = $doc] $variant,)* }

        impl EventKind {
            /// Every kind, in the order of the subjects: deployment, DPE, assembly, service,
            /// policy, ticket.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$variant,)*];

            /// Its name, as `service.moved`.
            pub fn as_str(self) -> &'static str {
                match self { $(EventKind::$variant => $name,)* }
            }

            /// Its journal MESSAGE_ID: 32 hexadecimal digits.
            pub fn message_id(self) -> &'static str {
                match self { $(EventKind::$variant => $id,)* }
            }

            /// What it says, in a sentence.
            pub fn describe(self) -> &'static str {
                match self { $(EventKind::$variant => $doc,)* }
            }
        }
    };
}

kinds! {
    DeploymentCreated, "deployment.created", "775d68410d6e6c1ee0077d70f886da1d", "A document was accepted and stored.";
    DeploymentModified, "deployment.modified", "4a7847652eb230d98cd8859a4bbae890", "A new generation of a document was accepted and stored.";
    DeploymentStarted, "deployment.started", "49599ef8c02c3e4b667aa588b31bec02", "All services of a deployment run for the first time since it was created or its DPE loaded it.";
    DeploymentDegraded, "deployment.degraded", "515f4c65e41beb3ba8b1bcff1271a066", "A deployment does not have everything that its policy asks for.";
    DeploymentRecovered, "deployment.recovered", "e1f3004447e95753a4189396274ce95e", "A degraded or failed deployment has everything again.";
    DeploymentFailed, "deployment.failed", "3eda522c045580628017c8c2d11627e2", "A deployment cannot be kept running.";
    DeploymentRoomMissing, "deployment.room-missing", "c710407e673a415fa27f3212e0bad46d", "Not every service would run if any one assembly were lost.";
    DeploymentRoomRegained, "deployment.room-regained", "9810ece32a574668925b6243ad20f053", "Every service would run again if any one assembly were lost.";
    DeploymentMoved, "deployment.moved", "8f6f0b6d3c0e4f0e9d6a5e3b7c214a90", "Another host runs the DPE of a deployment; its services run on where they are.";
    DeploymentDestroyed, "deployment.destroyed", "8d2977e39c9ded62d349c7a9421b74fe", "A deployment and its document are gone.";
    DeploymentAdministered, "deployment.administered", "23bf8439be414d6895aaa15c522d3d49", "An administrator asked for something; the details say who, and what for.";
    DpeStarted, "dpe.started", "11e91effe5933b0f01d047ab36e1b172", "The DPE of a deployment began to run.";
    DpeDied, "dpe.died", "1050f5711de424ba00aab9aaba8861ec", "The DPE of a deployment ended without being asked to.";
    DpeStopped, "dpe.stopped", "3b7e0f6c52d94d1f9a64c8e1d7a05b92", "The DPE of a deployment was stopped, as by an upgrade or `systemctl restart`; it had not died.";
    DpeRestarted, "dpe.restarted", "e34c42a5b9535e52784c2276034fb9b6", "The DPE of a deployment runs again after it died or was stopped.";
    DpeStorageFailed, "dpe.storage-failed", "6c2b6fe9a15c4b6ca9ac3c7bd3a0a2a5", "The DPE of a deployment cannot save its state: it renews leases, and decides nothing.";
    DpeStorageRecovered, "dpe.storage-recovered", "0d7f3f0c1f7c4c0fb0f2b6f4f1b2a9ce", "The DPE of a deployment can save its state again, and goes on.";
    AssemblyOnline, "assembly.online", "9b28224639e47dc5ecf07b5380823df7", "An assembly's agent answered and its services are managed.";
    AssemblyHeartbeatMissed, "assembly.heartbeat-missed", "760accb70e7b7d8785a34128bd10ae04", "No heartbeat of an assembly came within the heartbeat timeout.";
    AssemblyLost, "assembly.lost", "090da5e967fdf7df01546fb56d4cbd8c", "An assembly is taken for lost; its services move once it is known to be down.";
    AssemblyFencingRequested, "assembly.fencing-requested", "209037e56ac1927446125428b12f066f", "A lost or failed assembly is being made safe.";
    AssemblyFencingSucceeded, "assembly.fencing-succeeded", "66f37a6293e5594475531f0234879568", "An assembly is known to be down.";
    AssemblyFencingFailed, "assembly.fencing-failed", "2fa2a4f5ee8694f2faa6cb4d370e6bf6", "An assembly could not be made safe; its services stay where they are.";
    AssemblyUnfencingRequested, "assembly.unfencing-requested", "d64d11a60daa4c869d13dfda0021e211", "The devices that cut an assembly off are asked to let it in again.";
    AssemblyUnfencingSucceeded, "assembly.unfencing-succeeded", "0fe6e3c7254a48b6949c902399cc0ddf", "All devices that unfence an assembly have let it in.";
    AssemblyUnfencingFailed, "assembly.unfencing-failed", "3243904528494d56be02dbca58892420", "A device could not let an assembly in; what requires that does not start there.";
    AssemblyIdentityRefused, "assembly.identity-refused", "7d1c0f5b9ae14f0f8c6be1a94c7a52d3", "The certificate or host key of an assembly was refused, or the DPE's by its guest: nothing is said to each other.";
    AssemblyAgentUnusable, "assembly.agent-unusable", "c0a2f6d84d0b4e3d9b8a4a5c1f6e7d20", "The agent in a guest answers and cannot operate services there until somebody changes the guest.";
    AssemblyLeaving, "assembly.leaving", "d38477a51a42091bd2cc385968164aa5", "A guest is being shut down as planned, or its agent ends for good; its services move or stop.";
    AssemblyLeft, "assembly.left", "c42bc77aa2307f386b1bca3148fd85d8", "Nothing runs in a guest that was leaving: it needs no fencing, and is back when its agent answers again.";
    AssemblyRecovered, "assembly.recovered", "abd56e35931f855463b95eb78a1d35a7", "A lost assembly is back.";
    ServiceStarted, "service.started", "69eeb44f9ab8ff3377162704f91cc7d6", "A service was started.";
    ServiceStopped, "service.stopped", "75c16091b2e16188b73cde83f40a12f3", "A service was stopped.";
    ServiceFailed, "service.failed", "587b2a51cf4102e24ff74cea1ef1ecba", "An operation on a service failed.";
    ServiceRecovered, "service.recovered", "f8b860222334df96cbcd333d9c48525d", "A failed service runs again on the same assembly; or, of no assembly, all of its instances that are left do.";
    ServiceMoved, "service.moved", "0586ab7bc0f68a4b582949e825938a00", "A service runs on another assembly than before.";
    ServiceUnrecoverable, "service.unrecoverable", "a7fabc1119ca31785c2d739401f999c0", "A service has failed as often as its policy allows, or can run nowhere.";
    ServiceDebugged, "service.debugged", "a1b28c5f7b8f46f7b037f35f39a945a9", "An administrator had the resource agent of a service do something once; the details say what, who asked, and what came of it.";
    TransitionStarted, "transition.started", "a5208a1c28c066278750f8eac17b65c2", "The policy engine decided on actions and they are being carried out.";
    TransitionCompleted, "transition.completed", "f9a6bd25a046bf24b49b96d2a3b88175", "All actions of a transition are done.";
    TransitionAborted, "transition.aborted", "7b855a354c0e82be5bca0644b818dab4", "A transition was given up because the world changed; the next one is being decided.";
    DecisionRefused, "decision.refused", "2a5fa39b94a4470e93533e1988e100eb", "The policy engine decided what must not be carried out: nothing of it was, and its input is kept.";
    TicketGranted, "ticket.granted", "efa63fe466b6732f4f443eb2bcba08d6", "A ticket is granted to a deployment: what needs it may run there.";
    TicketRevoked, "ticket.revoked", "6905b8ca4f01894c5501ab189595f203", "A ticket is not granted to a deployment any more; what needs it goes by its loss policy.";
    TicketStandby, "ticket.standby", "c2631aaadae2b1468678f6cd7633dfc0", "What needs a ticket is stopped, although it may be granted.";
    TicketActivated, "ticket.activated", "804883c428a51f853678839f2813a7d5", "What needs a ticket may run again, if it is granted.";
    OverlayAdded, "overlay.added", "7a6e9357c8c44e2b8c91cdd05a0ae8f8", "An administrator wants something of a service beside the document: a move, a ban, a stop, a restart, or that it is left alone.";
    OverlayRemoved, "overlay.removed", "bc3861964f4f4a58b349a6bde2610c5c", "What an administrator wanted of a service has ended: it was cleared, it is done, or the document does not name it any more.";
    AccessChanged, "access.changed", "49e834f3d64f4bda82d7c25da8bf8cd0", "Other rights are in force: access.toml was changed, came or went.";
    AccessRefused, "access.refused", "755e179687d94ac2b005a2b89fc3a815", "There is a mistake in access.toml: the rights from before stay; when cpe starts, only root has any.";
    OverlayExpired, "overlay.expired", "4fefbca8347c4e1db4d36d7a0af2d55b", "What an administrator wanted of a service has ended: its time is over.";
}

/// MESSAGE_ID of events whose kind is not one of ours (recorded by other programs).
pub const OTHER_MESSAGE_ID: &str = "99faeb9435dea917c4996fa4ec69f9cc";

/// The MESSAGE_ID of any kind by its name.
pub fn message_id(kind: &str) -> &'static str {
    kind.parse::<EventKind>()
        .map_or(OTHER_MESSAGE_ID, EventKind::message_id)
}

/// The name of a kind that another program recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of event that the Cloud Policy Engine records itself")]
pub struct OtherKind;

impl FromStr for EventKind {
    type Err = OtherKind;

    fn from_str(text: &str) -> Result<Self, OtherKind> {
        EventKind::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == text)
            .ok_or(OtherKind)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// True if a kind matches a filter's pattern, where `*` stands for any text: `service.*`,
/// `*.failed`, `deployment.created`.
pub fn kind_matches(pattern: &str, kind: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = kind.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_gives_every_kind_a_name_and_a_message_id_of_its_own() {
        let names: BTreeSet<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let ids: BTreeSet<_> = EventKind::ALL
            .iter()
            .map(|kind| kind.message_id())
            .chain([OTHER_MESSAGE_ID])
            .collect();
        assert_eq!(names.len(), EventKind::ALL.len());
        assert_eq!(ids.len(), EventKind::ALL.len() + 1);
        assert!(
            ids.iter()
                .all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        );
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        assert_eq!(message_id("cloud.vm-created"), OTHER_MESSAGE_ID);
    }

    #[test]
    fn it_matches_kinds_by_pattern() {
        for (pattern, kind, matches) in [
            ("*", "service.moved", true),
            ("service.*", "service.moved", true),
            ("service.*", "assembly.lost", false),
            ("*.failed", "service.failed", true),
            ("*.fail", "service.failed", false),
            ("service.moved", "service.moved", true),
            ("service.move", "service.moved", false),
            ("a*fencing*ed", "assembly.fencing-failed", true),
            ("", "service.moved", false),
        ] {
            assert_eq!(kind_matches(pattern, kind), matches, "{pattern} {kind}");
        }
    }
}
