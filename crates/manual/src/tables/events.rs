//! Every kind of event.

use cpe_bus::events::EventKind;

use super::Table;

pub(super) fn table() -> Table {
    let row = |kind: &EventKind| {
        [
            kind.as_str().to_owned(),
            kind.describe().to_owned(),
            advice(*kind).to_owned(),
            format!("`{}`", kind.message_id()),
        ]
    };
    Table::new(
        "events",
        ["kind", "what it means", "what to do", "MESSAGE_ID"],
        EventKind::ALL.iter().map(row).collect(),
    )
}

/// What somebody does who is woken up by one.
fn advice(kind: EventKind) -> &'static str {
    use EventKind as Kind;
    match kind {
        Kind::DeploymentCreated
        | Kind::DeploymentModified
        | Kind::DeploymentDestroyed
        | Kind::DeploymentAdministered => of_orders(kind),
        Kind::DeploymentMoved => {
            "Nothing: services run on. `cpectl status NAME` says which host runs its DPE now; if nobody wanted it, look why the host that it was on is gone"
        }
        Kind::DeploymentStarted
        | Kind::DeploymentRecovered
        | Kind::DpeStarted
        | Kind::DpeStorageRecovered
        | Kind::AssemblyOnline
        | Kind::AssemblyRecovered
        | Kind::ServiceStarted
        | Kind::ServiceRecovered => NOTHING,
        Kind::DeploymentDegraded => {
            "`cpectl explain NAME` names each cause and its remedy. Much of it mends itself: look again when no transition runs"
        }
        Kind::DeploymentFailed => {
            "Now. The reason says what, `cpectl status NAME` and `cpectl explain NAME` what to do; what runs goes on"
        }
        Kind::DeploymentRoomMissing => {
            "Soon, before the next loss: `cpectl check NAME` says which loss, and what would make it fit"
        }
        Kind::DeploymentRoomRegained => NOTHING,
        Kind::DpeDied | Kind::DpeStopped | Kind::DpeRestarted | Kind::DpeStorageFailed => {
            of_dpes(kind)
        }
        Kind::AssemblyHeartbeatMissed
        | Kind::AssemblyLost
        | Kind::AssemblyFencingRequested
        | Kind::AssemblyFencingSucceeded
        | Kind::AssemblyFencingFailed
        | Kind::AssemblyIdentityRefused
        | Kind::AssemblyAgentUnusable
        | Kind::AssemblyLeaving
        | Kind::AssemblyLeft => of_assemblies(kind),
        Kind::AssemblyUnfencingRequested
        | Kind::AssemblyUnfencingSucceeded
        | Kind::AssemblyUnfencingFailed => of_unfencing(kind),
        Kind::ServiceStopped
        | Kind::ServiceFailed
        | Kind::ServiceMoved
        | Kind::ServiceUnrecoverable
        | Kind::ServiceDebugged => of_services(kind),
        Kind::TransitionStarted
        | Kind::TransitionCompleted
        | Kind::TransitionAborted
        | Kind::DecisionRefused => of_decisions(kind),
        Kind::TicketGranted | Kind::TicketRevoked | Kind::TicketStandby | Kind::TicketActivated => {
            of_tickets(kind)
        }
        Kind::OverlayAdded | Kind::OverlayRemoved | Kind::OverlayExpired => of_overlays(kind),
        Kind::AccessChanged => "If nobody meant to: look who has written `/etc/cpe/access.toml`",
        Kind::AccessRefused => {
            "Correct the line that the reason names. It is read again within seconds; deployments run on meanwhile"
        }
    }
}

const NOTHING: &str = "Nothing";

fn of_orders(kind: EventKind) -> &'static str {
    match kind {
        EventKind::DeploymentCreated => {
            "Nothing. With the detail `adopted=yes` it was taken over from its DPE after the database was lost: look whose it is (`cpectl chown`)"
        }
        EventKind::DeploymentModified => {
            "If something is wrong since: `cpectl history NAME` says who and what, `cpectl rollback NAME GENERATION` goes back"
        }
        EventKind::DeploymentDestroyed => "If nobody meant to: deploy its document again",
        _ => {
            "The state says what came of it, the `caller_…` details who it was. `unknown`: nobody knows whether it was done. `denied`: somebody has asked for what they may not do"
        }
    }
}

fn of_dpes(kind: EventKind) -> &'static str {
    match kind {
        EventKind::DpeDied => {
            "Nothing, if `dpe.restarted` follows: services run on meanwhile. If it comes again and again: `journalctl -u dpe@NAME`"
        }
        EventKind::DpeStopped => {
            "Nothing, if `dpe.restarted` follows at once: services run on meanwhile, for as long as their leases. Else: `systemctl status dpe@NAME`"
        }
        EventKind::DpeRestarted => "Nothing. If it had died, `journalctl -u dpe@NAME` says why",
        _ => {
            "Now: nothing is recovered until then. Make room on the disk of `/var/lib/dpe`, or mend it; the rest happens by itself"
        }
    }
}

fn of_assemblies(kind: EventKind) -> &'static str {
    match kind {
        EventKind::AssemblyHeartbeatMissed => {
            "Nothing yet. If it comes again and again: is the guest, its host or the network overloaded?"
        }
        EventKind::AssemblyLost => {
            "Find out why its guest does not answer. Its services move as soon as it is safe; where fencing is `manager`, that takes you: power it off, then `cpectl confirm-fenced NAME ASSEMBLY`"
        }
        EventKind::AssemblyFencingRequested => {
            "Nothing, unless `assembly.fencing-succeeded` stays away: `cpectl fencing NAME` says what is being done"
        }
        EventKind::AssemblyFencingSucceeded => {
            "Nothing now: its services start elsewhere. Later: why was it lost? Bring its guest back"
        }
        EventKind::AssemblyFencingFailed => {
            "Now: its services run nowhere else until it is safe. Make sure that the guest is off, then `cpectl confirm-fenced NAME ASSEMBLY`; never confirm what you do not know. Then mend what the reason names"
        }
        EventKind::AssemblyIdentityRefused => {
            "The reason says whose certificate or key and why: `cpectl pki renew` or `issue`, or files that were copied to the wrong guest. Else somebody else answers at that address"
        }
        EventKind::AssemblyAgentUnusable => "Change in the guest what the reason names",
        EventKind::AssemblyLeaving => {
            "Nothing. If it takes long, a service takes long to stop: `cpectl explain NAME --assembly ASSEMBLY`"
        }
        _ => "Nothing. Start the guest when you want it back",
    }
}

fn of_unfencing(kind: EventKind) -> &'static str {
    match kind {
        EventKind::AssemblyUnfencingRequested => {
            "Nothing, unless `assembly.unfencing-succeeded` stays away: `cpectl fencing NAME` says what is being done"
        }
        EventKind::AssemblyUnfencingFailed => {
            "Soon: what requires that device does not start there. Mend what the reason names (device, password, network); it is tried again by itself"
        }
        _ => NOTHING,
    }
}

fn of_services(kind: EventKind) -> &'static str {
    match kind {
        EventKind::ServiceStopped => {
            "Nothing, if it was meant to: `cpectl explain NAME SERVICE` says why it was stopped"
        }
        EventKind::ServiceFailed => {
            "Nothing, if `service.recovered` or `service.moved` follows. The details have operation and exit code; the reason is the resource agent's; look at the service's own log in the guest"
        }
        EventKind::ServiceMoved => "Nothing. `cpectl explain NAME SERVICE` says why it is there",
        EventKind::ServiceUnrecoverable => {
            "Now: it does not run. `cpectl explain NAME SERVICE` says what keeps it off each assembly. Mend the cause, then `cpectl cleanup NAME SERVICE`"
        }
        _ => "Nothing. What it has changed, the engine takes up by itself",
    }
}

fn of_decisions(kind: EventKind) -> &'static str {
    match kind {
        EventKind::TransitionStarted | EventKind::TransitionCompleted => {
            "Nothing. `cpectl transitions NAME` has what was done, and what for"
        }
        EventKind::TransitionAborted => {
            "Nothing: the next one follows. If one after the other is given up, `cpectl events` between them say what changes"
        }
        _ => {
            "Now: nothing is started, moved or fenced until it changes. The summary of the status says what is wrong; a change of the document may help. Please report it with the file that the detail `input` names"
        }
    }
}

fn of_tickets(kind: EventKind) -> &'static str {
    match kind {
        EventKind::TicketGranted => {
            "Make sure that no other site holds it: what needs it would run twice"
        }
        EventKind::TicketRevoked => {
            "If nobody meant to: the reason says why (the DPE's state was lost, or the document does not name it any more). Grant it again when no other site holds it"
        }
        EventKind::TicketStandby => "`cpectl ticket NAME activate TICKET` ends it",
        _ => NOTHING,
    }
}

fn of_overlays(kind: EventKind) -> &'static str {
    match kind {
        EventKind::OverlayAdded => {
            "Nothing. `cpectl status NAME` lists it with who wants it and how it ends; `cpectl clear`, `enable` or `manage` ends it"
        }
        EventKind::OverlayRemoved => {
            "Nothing. If the reason is that the document does not name it any more, and it was meant to stay: order it again"
        }
        _ => "Nothing. The service may move back now. If it should stay: order it again",
    }
}
