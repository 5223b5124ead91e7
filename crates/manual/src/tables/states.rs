//! Every word for a state, by the type that has it: an enum of `cpe-status`.

use cpe_status::{
    AssemblyState, DebugState, DeploymentState, DpeState, FencingResult, OperationOutcome,
    OverlayEnd, OverlayKind, PlanBasis, ResourceKind, RoomOutcome, RoomScope, ServiceRole,
    ServiceState, TransitionState,
};

use super::Table;

/// A table of all words of a type: `told` has what each means and what to do.
macro_rules! table {
    ($name:ident, $told:expr) => {{
        let told: fn($name) -> (&'static str, &'static str) = $told;
        let row = |state: &$name| {
            let (meaning, advice) = told(*state);
            [state.as_str(), meaning, advice].map(str::to_owned)
        };
        Table::new(
            stringify!($name),
            ["word", "what it means", "what to do"],
            $name::ALL.iter().map(row).collect(),
        )
    }};
}

const NOTHING: &str = "Nothing";
const LATER: (&str, &str) = (
    "A word of a later version",
    "Upgrade what shows it: `cpectl`, the gateway",
);

pub(super) fn tables() -> Vec<Table> {
    vec![
        table!(DeploymentState, of_deployment),
        table!(DpeState, of_dpe),
        table!(AssemblyState, of_assembly),
        table!(ServiceState, of_service),
        table!(ServiceRole, of_role),
        table!(OperationOutcome, of_operation),
        table!(DebugState, of_debug),
        table!(TransitionState, of_transition),
        table!(FencingResult, of_fencing),
        table!(OverlayKind, of_overlay),
        table!(OverlayEnd, of_end),
        table!(RoomOutcome, of_room),
        table!(RoomScope, of_scope),
        table!(PlanBasis, of_basis),
        table!(ResourceKind, of_kind),
    ]
}

fn of_deployment(state: DeploymentState) -> (&'static str, &'static str) {
    match state {
        DeploymentState::Stored => (
            "The document is stored; nothing runs yet",
            "Nothing: its DPE is started in a moment",
        ),
        DeploymentState::Starting => (
            "The unit of its DPE is being started",
            "If it stays so, the DPE dies at once: `journalctl -u dpe@NAME`",
        ),
        DeploymentState::Loading => (
            "Its DPE reads the document and finds out what runs",
            "If it stays so, an assembly does not answer: `cpectl status NAME` says which",
        ),
        DeploymentState::Active => ("Everything runs that should", NOTHING),
        DeploymentState::Degraded => (
            "Not everything runs, or an assembly is lost",
            "`cpectl explain NAME` names each cause and its remedy. Much of it mends itself while a transition runs",
        ),
        DeploymentState::Failed => (
            "It cannot be kept running. What runs goes on; nothing is started, moved or fenced",
            "Now: the summary says why. `cpectl explain NAME`, `journalctl -u dpe@NAME`",
        ),
        DeploymentState::Destroying => (
            "It is being ended: its services are stopped or released",
            "If it does not end, `cpectl status NAME` says which service or assembly holds it up; `cpectl destroy --keep-services NAME` ends it without stopping them",
        ),
        DeploymentState::Unknown => LATER,
    }
}

fn of_dpe(state: DpeState) -> (&'static str, &'static str) {
    match state {
        DpeState::Empty => ("It has no document", "Nothing: `cpe` sends it one"),
        DpeState::Loading => (
            "It loads the document and finds out what runs",
            "If it stays so, an assembly does not answer: `cpectl status NAME`",
        ),
        DpeState::Active => ("Everything runs that should", NOTHING),
        DpeState::Degraded => (
            "Not everything runs, or an assembly is lost",
            "`cpectl explain NAME`",
        ),
        DpeState::Failed => (
            "It cannot keep the deployment running",
            "Now: `cpectl explain NAME`, `journalctl -u dpe@NAME`",
        ),
        DpeState::Unloading => (
            "It stops or releases the services, because the deployment ends",
            "If it does not end: `cpectl status NAME`",
        ),
        DpeState::Unloaded => ("The deployment has ended", NOTHING),
        DpeState::Unknown => LATER,
    }
}

fn of_assembly(state: AssemblyState) -> (&'static str, &'static str) {
    match state {
        AssemblyState::Online => ("Its agent answers", NOTHING),
        AssemblyState::Standby => (
            "It answers, and somebody wants it to keep no services",
            "`cpectl unstandby NAME ASSEMBLY` ends it",
        ),
        AssemblyState::Maintenance => (
            "It answers, and its services are left alone",
            "`cpectl maintenance NAME off` (of one assembly: `cpectl maintenance NAME off ASSEMBLY`) ends it, or a change of the document",
        ),
        AssemblyState::Leaving => (
            "Its guest goes down as planned, or its agent for good: its services move or stop",
            "If it takes long, a service takes long to stop: `cpectl explain NAME --assembly ASSEMBLY`",
        ),
        AssemblyState::Lost => (
            "Its heartbeats are missing. It is not known to be down: its services may still run there, and run nowhere else",
            "Find out why its guest does not answer. Fencing follows by itself, but in mode `manager`: power it off, then `cpectl confirm-fenced NAME ASSEMBLY`",
        ),
        AssemblyState::Fencing => (
            "It is being made safe",
            "If it takes long: `cpectl fencing NAME` says what is being done, and how to confirm by hand",
        ),
        AssemblyState::Offline => (
            "It is known to be down, and nothing runs there",
            "Start its guest when you want it back; nothing else is needed",
        ),
        AssemblyState::Occupied => (
            "The guest at its address belongs to another deployment or assembly; it is left alone",
            "Remove it there, or correct the `address`",
        ),
        AssemblyState::Unknown => (
            "Nothing is known about it yet, which is not the same as down",
            "If it stays so: does its guest run, is `address` right, does `cpe-agent` run there?",
        ),
    }
}

fn of_service(state: ServiceState) -> (&'static str, &'static str) {
    match state {
        ServiceState::Stopped => (
            "It runs nowhere, and is meant to",
            "If it should run: `cpectl explain NAME SERVICE`",
        ),
        ServiceState::Starting => (
            "It is being started",
            "If it takes long: its log in the guest; its timeout ends it",
        ),
        ServiceState::Started => ("It runs", NOTHING),
        ServiceState::Promoted => ("It runs in the promoted role", NOTHING),
        ServiceState::Stopping => (
            "It is being stopped",
            "If it takes long: its log in the guest. A stop that fails has its assembly fenced, unless the document says otherwise",
        ),
        ServiceState::Failed => (
            "Its last operation failed",
            "If it does not recover by itself: `cpectl explain NAME SERVICE`, its log in the guest, then `cpectl cleanup NAME SERVICE`",
        ),
        ServiceState::Blocked => (
            "It should run, and can run nowhere",
            "Now: `cpectl explain NAME SERVICE` says what keeps it off each assembly",
        ),
        ServiceState::Unmanaged => (
            "It is left alone: unmanaged, or in maintenance",
            "`cpectl manage NAME SERVICE` or `cpectl maintenance NAME off` (of one assembly: `cpectl maintenance NAME off ASSEMBLY`) ends it",
        ),
        ServiceState::Unknown => (
            "Nothing is known about it yet",
            "If it stays so, its assembly does not answer: `cpectl status NAME`",
        ),
    }
}

fn of_role(role: ServiceRole) -> (&'static str, &'static str) {
    match role {
        ServiceRole::Stopped => ("The instance does not run", NOTHING),
        ServiceRole::Started => ("It runs", NOTHING),
        ServiceRole::Promoted => ("It runs and is promoted", NOTHING),
        ServiceRole::Unknown => (
            "Nothing is known about it, or it is just changing",
            "Look again when no transition runs",
        ),
    }
}

fn of_operation(outcome: OperationOutcome) -> (&'static str, &'static str) {
    match outcome {
        OperationOutcome::Pending => ("It has not ended", "If it takes long: its timeout ends it"),
        OperationOutcome::Done => (
            "Its resource agent ran to its end and gave an exit code",
            "The exit code says whether it failed",
        ),
        OperationOutcome::TimedOut => (
            "It took longer than its timeout, and was killed",
            "Is the guest overloaded? Else raise the timeout of that operation in the document",
        ),
        OperationOutcome::Error => (
            "It could not be run, or died of a signal",
            "The reason says why: is the resource agent installed in the guest?",
        ),
        OperationOutcome::Unknown => LATER,
    }
}

fn of_debug(state: DebugState) -> (&'static str, &'static str) {
    match state {
        DebugState::Running => ("It was sent to its agent, and has not ended", NOTHING),
        DebugState::Looking => (
            "It has ended, and it is looked again what runs",
            "Nothing: nothing else is begun with the service until then",
        ),
        DebugState::Done => ("It has ended, and what it has changed is known", NOTHING),
        DebugState::NotRun => ("It was not run", "The remark says why; try again"),
        DebugState::Lost => (
            "Nobody knows what became of it",
            "`cpectl status NAME` shows what runs now: it is looked again",
        ),
        DebugState::Unknown => LATER,
    }
}

fn of_transition(state: TransitionState) -> (&'static str, &'static str) {
    match state {
        TransitionState::Running => (
            "Its actions are being carried out",
            "`cpectl status NAME --watch`",
        ),
        TransitionState::Completed => ("Everything that it asks for was done", NOTHING),
        TransitionState::Aborted => (
            "It was given up before its end, since the world changed",
            "Nothing: the next one follows",
        ),
        TransitionState::Unknown => LATER,
    }
}

fn of_fencing(result: FencingResult) -> (&'static str, &'static str) {
    match result {
        FencingResult::Pending => (
            "It has not ended",
            "`cpectl fencing NAME` says what is awaited",
        ),
        FencingResult::Succeeded => ("The assembly is safe", NOTHING),
        FencingResult::Failed => (
            "The assembly is not known to be safe; its services start nowhere else",
            "Now: make sure that its guest is off, then `cpectl confirm-fenced NAME ASSEMBLY`. Then mend what the remark names",
        ),
        FencingResult::GivenUp => (
            "It came to no end of its own: it was begun again, or there was no need any more, as the remark says. Of a fencing, the agent is back; of an unfencing, the guest is lost, or to be fenced, or no device has to let it in any more",
            NOTHING,
        ),
        FencingResult::Unknown => LATER,
    }
}

fn of_overlay(kind: OverlayKind) -> (&'static str, &'static str) {
    let clear = "`cpectl clear NAME SERVICE` ends it";
    match kind {
        OverlayKind::Move => ("It is to run in an assembly", clear),
        OverlayKind::Ban => ("It is not to run in an assembly", clear),
        OverlayKind::Disable => (
            "It is to be stopped",
            "`cpectl enable NAME SERVICE` ends it",
        ),
        OverlayKind::Unmanage => (
            "It is to be left alone",
            "`cpectl manage NAME SERVICE` ends it",
        ),
        OverlayKind::Restart => (
            "It is to be stopped once, and started again",
            "Nothing: it ends by itself",
        ),
        OverlayKind::Unknown => LATER,
    }
}

fn of_end(end: OverlayEnd) -> (&'static str, &'static str) {
    match end {
        OverlayEnd::Placed => (
            "It ends when the service is where it is wanted, and would stay there by itself",
            NOTHING,
        ),
        OverlayEnd::Time => ("It ends at a time", "To keep it: order it again"),
        OverlayEnd::Cleared => (
            "It stays until somebody ends it",
            "Do not forget it: `cpectl clear`, `enable` or `manage`",
        ),
        OverlayEnd::Stopped => (
            "It ends when the service is stopped, which starts again then",
            NOTHING,
        ),
        OverlayEnd::Unknown => LATER,
    }
}

fn of_room(outcome: RoomOutcome) -> (&'static str, &'static str) {
    match outcome {
        RoomOutcome::Down => (
            "After that loss the service would run nowhere",
            "Soon: do what `cpectl check NAME` proposes",
        ),
        RoomOutcome::NotPromoted => (
            "After that loss it would run, and none of its instances would be promoted",
            "Soon: do what `cpectl check NAME` proposes",
        ),
        RoomOutcome::Fewer => ("After that loss it would run with fewer instances", NOTHING),
        RoomOutcome::Unknown => LATER,
    }
}

fn of_scope(scope: RoomScope) -> (&'static str, &'static str) {
    match scope {
        RoomScope::Any => ("The loss of any one assembly was asked for", NOTHING),
        RoomScope::AnyHost => (
            "That of any one host, with all assemblies whose document names it in `host`",
            NOTHING,
        ),
        RoomScope::Two => ("That of any two assemblies at once", NOTHING),
        RoomScope::Named => ("That of the named assemblies, at once", NOTHING),
        RoomScope::Unknown => LATER,
    }
}

fn of_basis(basis: PlanBasis) -> (&'static str, &'static str) {
    match basis {
        PlanBasis::Live => ("The plan starts from the state of a running DPE", NOTHING),
        PlanBasis::Empty => (
            "It starts from nothing: as if nothing ran and every assembly answered",
            "Of a deployment that exists: plan again when its DPE answers",
        ),
        PlanBasis::Unknown => LATER,
    }
}

fn of_kind(kind: ResourceKind) -> (&'static str, &'static str) {
    match kind {
        ResourceKind::Service => ("One service", NOTHING),
        ResourceKind::Group => ("Services that run together, one after the other", NOTHING),
        ResourceKind::Clone => ("Instances of a service or a group", NOTHING),
        ResourceKind::Bundle => ("Replicas of a container", NOTHING),
        ResourceKind::Unknown => LATER,
    }
}
