//! Operations as they go to a guest agent, and the records that come back.
//!
//! The shapes are those of `org.cloudpolicy.Agent1` (Execute, OperationCompleted, History): a shell
//! only has to copy fields. Both serialise with serde under the names of the bus.

use std::collections::BTreeMap;
use std::fmt;

use cpe_status::Said;
use deployment::Configure;
use serde::{Deserialize, Serialize};

use super::task::Task;

/// What an agent is asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The transition key, `ACTION:TRANSITION:EXPECTED-RC:UUID`: see [`TransitionKey`].
    pub id: String,
    /// Id of the resource under which the agent keeps its history.
    pub resource: String,
    /// `ocf`, `systemd`, `lsb`, `service`; `stonith`, which no agent gets to see.
    pub class: String,
    /// Provider, for class `ocf`; else empty.
    pub provider: String,
    /// Name of the resource agent.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it does.
    pub action: Task,
    /// 0 = once.
    pub interval_ms: u32,
    /// After this the agent kills the operation.
    pub timeout_ms: u32,
    /// Parameters of the resource agent, without `OCF_RESKEY_`.
    pub parameters: BTreeMap<String, String>,
    /// `CRM_meta_*` values, with their prefix.
    pub meta: BTreeMap<String, String>,
    /// What the agent keeps with the record for the controller: see the constants below.
    pub annotations: BTreeMap<String, String>,
    /// What the agent runs first, unless it has done so in this boot with these parameters. Only
    /// what is asked for has it: records do not.
    #[serde(skip)]
    pub configure: Option<Box<Configure>>,
    /// All that it writes is told with its result, as far as that is not too much.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verbose: bool,
}

/// Meta value: what a failure of the operation does.
const META_ON_FAIL: &str = "CRM_meta_on_fail";
/// Meta value: by how many milliseconds its agent begins the operation later.
const META_START_DELAY: &str = "CRM_meta_start_delay";

/// The meta values of which the controller makes use in a result.
pub(crate) const META_OF_RESULTS: [&str; 2] = [META_ON_FAIL, META_START_DELAY];

/// Class of fencing devices, which the shell runs on its own host.
pub(crate) const DEVICE_CLASS: &str = "stonith";

impl Operation {
    /// Whether it is about a fencing device.
    pub fn is_of_device(&self) -> bool {
        self.class == DEVICE_CLASS
    }

    /// By how many milliseconds its agent begins it later; 0: at once.
    pub fn start_delay_ms(&self) -> u32 {
        let delay_ms = self.meta.get(META_START_DELAY);
        delay_ms.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Whether the document says that its failure does not matter.
    pub fn failure_is_ignored(&self) -> bool {
        self.meta
            .get(META_ON_FAIL)
            .is_some_and(|on_fail| on_fail == "ignore")
    }
}

/// Annotation: digest of the parameters, so that a changed definition is noticed later.
pub const OP_DIGEST: &str = "op-digest";
/// Annotation that an agent adds to what it ran: the names of the parameters whose change needs a
/// restart, with blanks around each. The others can be changed by `reload-agent`. Absent: a change
/// of any parameter is a restart.
pub const FORCE_RESTART: &str = "op-force-restart";
/// Annotation of operations on a service with a configure executable, but for recurring ones: which
/// one it is. Of such a service a change of any parameter is a restart.
pub const CONFIGURE: &str = "configure";
/// Annotation of operations that an administrator has had run once: who that was.
pub const DEBUG: &str = "debug";
/// Annotation: the assembly from which a live migration comes.
pub const MIGRATE_SOURCE: &str = "migrate_source";
/// Annotation: the assembly to which a live migration goes.
pub const MIGRATE_TARGET: &str = "migrate_target";

/// Whether an operation is still running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordState {
    /// Accepted or running.
    Pending,
    /// Ended by itself, or by its timeout.
    #[default]
    Complete,
    /// A recurring operation that was cancelled.
    Cancelled,
}

/// One operation in an agent's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What was asked for.
    #[serde(flatten)]
    pub operation: Operation,
    /// Whether it has ended.
    pub state: RecordState,
    /// Number in the agent's history: later operations have higher numbers, for the whole boot of
    /// the guest.
    pub call_id: u32,
    /// Pacemaker's `op-status`: 0 done, 1 cancelled, 2 timed out, 3 not supported, 4 error, 5 hard
    /// error, 7 not installed, …
    pub status: i32,
    /// Exit code in the sense of OCF.
    pub rc: i32,
    /// Wall clock of the guest when it began, microseconds.
    pub started: u64,
    /// Wall clock of the guest when it ended, microseconds.
    pub completed: u64,
    /// Recurring: when the result last changed; else when it ended. Microseconds, wall clock of the
    /// guest.
    pub last_rc_change: u64,
    /// When it last ran. Microseconds, wall clock of the guest.
    pub last_run: u64,
    /// How long it ran.
    pub exec_ms: u32,
    /// How long it waited before it ran.
    pub queue_ms: u32,
    /// What the resource agent said about a failure.
    pub exit_reason: String,
    /// Bounded output.
    pub output: String,
    /// All that it wrote, if that was asked for and the result came over the present stream.
    #[serde(skip)]
    pub said: Option<Box<Said>>,
}

/// `op-status` of an operation that is done.
pub const STATUS_DONE: i32 = 0;
/// `op-status` of a cancelled operation.
pub const STATUS_CANCELLED: i32 = 1;
/// `op-status` of an operation that took longer than its timeout.
pub const STATUS_TIMEOUT: i32 = 2;
/// `op-status` of an operation that could not be run.
pub const STATUS_ERROR: i32 = 4;
/// Exit code of an operation that has not ended.
pub(crate) const RC_PENDING: i32 = 193;
/// Exit code of an operation of which nobody knows the result.
const RC_UNKNOWN: i32 = 193;

/// The record of an operation that an agent is asked to do now.
pub(crate) fn pending(operation: &Operation) -> Record {
    Record {
        operation: Operation {
            configure: None,
            ..operation.clone()
        },
        state: RecordState::Pending,
        rc: RC_PENDING,
        ..Record::default()
    }
}

impl Record {
    /// The exit code that the operation was expected to have: from its id; 0 if that is not a
    /// transition key.
    pub fn expected_rc(&self) -> i32 {
        TransitionKey::parts(&self.operation.id).map_or(0, |(_, _, expected_rc, _)| expected_rc)
    }

    /// Ended otherwise than expected. Pending and cancelled operations have not failed; degraded
    /// results (190, 191) count as good, and so does whatever comes of a notification: resource
    /// agents need not know the action (scheduler-spec/05 §18.5).
    pub fn failed(&self) -> bool {
        let ended = self.state == RecordState::Complete && self.status != STATUS_CANCELLED;
        if !ended || self.operation.action == Task::Notify {
            return false;
        }
        let rc = match self.rc {
            190 => 0,
            191 => 8,
            other => other,
        };
        self.status != STATUS_DONE || rc != self.expected_rc()
    }

    /// A recurring operation whose first turn has not come, because of its start delay. It is in
    /// force.
    pub(crate) fn waits_for_its_first_turn(&self) -> bool {
        let operation = &self.operation;
        self.state == RecordState::Pending
            && operation.interval_ms > 0
            && operation.start_delay_ms() > 0
    }

    /// That nothing of it has begun because of its start delay, for people. `None`: it has begun,
    /// or has none.
    pub(crate) fn waits_for_its_start_delay(&self) -> Option<String> {
        let delay_ms = self.operation.start_delay_ms();
        let waits = self.state == RecordState::Pending && self.started == 0 && delay_ms > 0;
        waits.then(|| match delay_ms % 1000 {
            0 => format!("waits for its start delay ({} s)", delay_ms / 1000),
            _ => format!("waits for its start delay ({delay_ms} ms)"),
        })
    }

    /// An administrator has had it run once: nobody has decided it, and it counts nowhere.
    pub fn is_debug(&self) -> bool {
        self.operation.annotations.contains_key(DEBUG)
    }

    /// It starts or stops something.
    pub(crate) fn changes(&self) -> bool {
        self.operation.action != Task::Monitor
    }

    /// What carried it out was killed meanwhile: nobody knows what it has come to.
    pub fn is_unknown(&self) -> bool {
        (self.state, self.status, self.rc) == (RecordState::Complete, STATUS_ERROR, RC_UNKNOWN)
    }

    /// A single check whether a resource is there: finding it otherwise than expected is news, not
    /// a failure of the resource.
    pub fn is_probe(&self) -> bool {
        self.operation.action == Task::Monitor && self.operation.interval_ms == 0
    }

    /// What tells one result from another: a recurring operation keeps its call id while its result
    /// changes.
    pub fn result_key(&self) -> (u32, u64, i32, i32) {
        (self.call_id, self.last_rc_change, self.status, self.rc)
    }

    /// `monitor after 10 s returned 7 (not running): no process`, for people.
    pub fn describe(&self) -> String {
        let operation = &self.operation;
        let mut text = operation.action.to_string();
        if operation.interval_ms > 0 {
            text += &format!(" (every {} ms)", operation.interval_ms);
        }
        match self.status {
            STATUS_TIMEOUT => text += &format!(" timed out after {} ms", operation.timeout_ms),
            STATUS_DONE => text += &format!(" returned {} ({})", self.rc, exit_code_name(self.rc)),
            status => {
                text += &format!(
                    " ended with status {status}, exit code {} ({})",
                    self.rc,
                    exit_code_name(self.rc)
                )
            }
        }
        if !self.exit_reason.is_empty() {
            text += ": ";
            text += &self.exit_reason;
        }
        text
    }
}

/// The words of the OCF standard for an exit code.
pub fn exit_code_name(rc: i32) -> &'static str {
    match rc {
        0 => "ok",
        1 => "error",
        2 => "invalid parameter",
        3 => "unimplemented feature",
        4 => "insufficient privileges",
        5 => "not installed",
        6 => "not configured",
        7 => "not running",
        8 => "promoted",
        9 => "failed promoted",
        190 => "degraded",
        191 => "promoted, degraded",
        193 => "pending",
        _ => "unknown",
    }
}

/// `ACTION:TRANSITION:EXPECTED-RC:UUID`: which action of which transition of which DPE an operation
/// belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionKey {
    /// Number of the action in its graph.
    pub action: u32,
    /// Number of the transition since the start of the DPE.
    pub transition: u64,
    /// Expected exit code.
    pub expected_rc: i32,
    /// Names the start of the DPE: see [`dispatcher_uuid`].
    pub uuid: String,
}

/// When an operation was asked for. Clocks may jump, so that it goes by the numbers of transitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Names the start of the DPE: see [`dispatcher_uuid`].
    uuid: String,
    /// Number of the transition since.
    transition: u64,
}

impl Asked {
    /// In a transition of the DPE that has this epoch.
    pub(crate) fn new(epoch: u64, transition: u64) -> Asked {
        Asked {
            uuid: dispatcher_uuid(epoch),
            transition,
        }
    }

    /// When the operation with that id was asked for. `None`: the id is not a transition key.
    pub(crate) fn of(id: &str) -> Option<Asked> {
        let TransitionKey {
            uuid, transition, ..
        } = TransitionKey::parse(id)?;
        Some(Asked { uuid, transition })
    }
}

impl TransitionKey {
    /// Reads a key. `None` if the text is not a key.
    pub fn parse(text: &str) -> Option<TransitionKey> {
        let (action, transition, expected_rc, uuid) = TransitionKey::parts(text)?;
        Some(TransitionKey {
            action,
            transition,
            expected_rc,
            uuid: uuid.to_owned(),
        })
    }

    /// The same, for who looks at it only.
    fn parts(text: &str) -> Option<(u32, u64, i32, &str)> {
        let mut parts = text.splitn(4, ':');
        Some((
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
            parts.next().filter(|uuid| !uuid.is_empty())?,
        ))
    }

    /// Whether a text is a key.
    pub(crate) fn is_key(text: &str) -> bool {
        TransitionKey::parts(text).is_some()
    }
}

impl fmt::Display for TransitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}:{}",
            self.action, self.transition, self.expected_rc, self.uuid
        )
    }
}

/// The uuid that names one start of a DPE in transition keys: its epoch in the form of an RFC 9562
/// version 8 uuid: 48 bits at its beginning, and the rest, which is 0 for ages, at its end.
pub fn dispatcher_uuid(epoch: u64) -> String {
    let (high, low) = (epoch >> 48, epoch & 0xffff_ffff_ffff);
    let own = (u128::from(low) << 80) | u128::from(high);
    let id = uuid::Builder::from_custom_bytes(own.to_be_bytes());
    id.into_uuid().to_string()
}

/// The epoch that such a uuid was made of. `None`: it was made otherwise.
pub(crate) fn epoch_of_dispatcher(uuid: &str) -> Option<u64> {
    let bytes = uuid::Uuid::parse_str(uuid).ok()?.as_u128();
    let low = u64::try_from(bytes >> 80).ok()?;
    let epoch = low | (u64::try_from(bytes & 0xffff).ok()? << 48);
    (dispatcher_uuid(epoch) == uuid).then_some(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_from_the_uuid_that_it_was_made_into() {
        for epoch in [0, 1, 0x6921_aabb, 1 << 48, u64::MAX] {
            assert_eq!(epoch_of_dispatcher(&dispatcher_uuid(epoch)), Some(epoch));
        }
        let others = "7a6f1d9c-3b1e-4d6f-9a64-0d2f8b6a5c11";
        assert_eq!(epoch_of_dispatcher(others), None);
        assert_eq!(epoch_of_dispatcher("none"), None);
    }

    #[test]
    fn a_transition_key_survives_the_way_through_an_agent() {
        let key = TransitionKey {
            action: 12,
            transition: 3,
            expected_rc: 7,
            uuid: dispatcher_uuid(0x6921_aabb),
        };
        assert_eq!(key.uuid, "00006921-aabb-8000-8000-000000000000");
        assert_ne!(dispatcher_uuid(1 << 48), dispatcher_uuid(0));
        assert_eq!(TransitionKey::parse(&key.to_string()), Some(key));
        assert_eq!(TransitionKey::parse("lease-stop"), None);
        assert_eq!(TransitionKey::parse("1:2:0:"), None);
    }

    #[test]
    fn a_notification_never_fails() {
        let mut record = Record {
            rc: 3,
            ..Record::default()
        };
        record.operation.id = "1:1:0:u".into();
        assert!(record.failed());
        record.operation.action = Task::Notify;
        assert!(!record.failed());
        record.status = STATUS_TIMEOUT;
        assert!(!record.failed());
    }

    #[test]
    fn a_probe_that_finds_nothing_as_expected_has_not_failed() {
        let mut record = Record {
            rc: 7,
            ..Record::default()
        };
        record.operation.id = "1:1:7:u".into();
        assert!(!record.failed());
        record.rc = 0;
        assert!(record.failed());
        record.state = RecordState::Pending;
        assert!(!record.failed());
    }
}
