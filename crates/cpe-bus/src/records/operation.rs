//! One operation on one resource, and what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cpe_status::{Configure, Said};
use serde::{Deserialize, Serialize};

use super::{MAX_ENTRIES, MAX_ID, MAX_OUTPUT, MAX_REASON, MAX_SAID, MAX_VALUE, configure};
use crate::fields::{Fields, Reader, bounded, put, put_map, put_text};
use crate::{Error, Result};

/// The parameter by which resource agents know which tools they may call how: that of Pacemaker
/// 2.1.
pub const FEATURE_SET: (&str, &str) = ("crm_feature_set", "3.16.2");

/// What a resource agent begins a line with that says why it failed (OCF 1.1).
pub const EXIT_REASON: &str = "ocf-exit-reason:";

/// The last reason that a resource agent has given in what it wrote.
pub fn exit_reason(written: &str) -> Option<String> {
    let reason = written
        .lines()
        .rev()
        .find_map(|line| line.trim_start().strip_prefix(EXIT_REASON))?
        .trim();
    (!reason.is_empty()).then(|| reason.to_owned())
}

/// Exit codes of OCF 1.1 resource agents, which all classes are mapped to.
pub mod rc {
    /// Success; for a monitor: running.
    pub const OK: i32 = 0;
    /// An unspecified error, expected to be temporary.
    pub const GENERIC: i32 = 1;
    /// Parameters that cannot work on any node.
    pub const ARGS: i32 = 2;
    /// The agent does not know the action.
    pub const UNIMPLEMENTED: i32 = 3;
    /// Not enough permissions.
    pub const PERM: i32 = 4;
    /// Something the agent needs is not installed here.
    pub const INSTALLED: i32 = 5;
    /// Parameters that cannot work here.
    pub const CONFIGURED: i32 = 6;
    /// Not running, cleanly.
    pub const NOT_RUNNING: i32 = 7;
    /// Running in the promoted role.
    pub const RUNNING_PROMOTED: i32 = 8;
    /// Failed in the promoted role.
    pub const FAILED_PROMOTED: i32 = 9;
    /// Running, but more likely to fail.
    pub const DEGRADED: i32 = 190;
    /// Running in the promoted role, but more likely to fail.
    pub const DEGRADED_PROMOTED: i32 = 191;
    /// No agent ran to its end; what the resource does is unknown (as Pacemaker's
    /// PCMK_OCF_UNKNOWN).
    pub const UNKNOWN: i32 = 193;
}

/// How a resource is operated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceClass {
    /// An Open Cluster Framework 1.1 resource agent.
    Ocf,
    /// An init script.
    Lsb,
    /// A unit of the guest's systemd.
    Systemd,
    /// A systemd unit where there is one of that name, else an init script.
    Service,
}

impl ResourceClass {
    /// All of them.
    pub const ALL: [ResourceClass; 4] = [
        ResourceClass::Ocf,
        ResourceClass::Lsb,
        ResourceClass::Systemd,
        ResourceClass::Service,
    ];

    /// Its name, as in `ocf:heartbeat:pgsql`.
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceClass::Ocf => "ocf",
            ResourceClass::Lsb => "lsb",
            ResourceClass::Systemd => "systemd",
            ResourceClass::Service => "service",
        }
    }
}

impl FromStr for ResourceClass {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut all = ResourceClass::ALL.into_iter();
        all.find(|class| class.as_str() == text).ok_or_else(|| {
            Error::InvalidArgument(format!(
                "resource class must be one of ocf, lsb, systemd, service; found `{}`",
                bounded(text, MAX_ID)
            ))
        })
    }
}

impl fmt::Display for ResourceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Most bytes of parameters, meta attributes and annotations together.
pub(super) const MAX_OPERATION: usize = 256 * 1024;

/// What a guest agent is asked to do with one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The transition key; unique per request. Executing the same id again is the same request.
    pub id: String,
    /// The resource's instance id, `OCF_RESOURCE_INSTANCE`.
    pub resource: String,
    /// `ocf`, `lsb`, `systemd` or `service`; see [`ResourceClass`].
    pub class: String,
    /// The provider of an OCF agent; empty for other classes.
    #[serde(default)]
    pub provider: String,
    /// The agent's, script's or unit's name. On the bus: `type`.
    #[serde(rename = "type")]
    pub agent: String,
    /// `start`, `stop`, `monitor`, `promote`, …
    pub action: String,
    /// Interval of a recurring operation; 0 runs once.
    #[serde(default)]
    pub interval_ms: u32,
    /// After this the operation's processes are killed and its status is
    /// [`OperationStatus::Timeout`]; 0 means the agent's default.
    #[serde(default)]
    pub timeout_ms: u32,
    /// Instance parameters, without the `OCF_RESKEY_` prefix.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Meta attributes, `CRM_meta_*`; a name without that prefix gets it.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
    /// Opaque to the agent: kept with the record and given back.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What is run before it, with `start` and `migrate_from` only. On the bus: a map with `path`,
    /// or with `interpreter` and `content`. Records on the bus do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configure: Option<Configure>,
    /// OperationCompleted is to have all that it wrote: [`OperationRecord::said`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verbose: bool,
}

impl Operation {
    /// The operation as `a{sv}`.
    pub fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put(&mut fields, "id", self.id.as_str());
        put(&mut fields, "resource", self.resource.as_str());
        put(&mut fields, "class", self.class.as_str());
        put_text(&mut fields, "provider", &self.provider);
        put(&mut fields, "type", self.agent.as_str());
        put(&mut fields, "action", self.action.as_str());
        put(&mut fields, "interval_ms", self.interval_ms);
        put(&mut fields, "timeout_ms", self.timeout_ms);
        put_map(&mut fields, "parameters", &self.parameters);
        put_map(&mut fields, "meta", &self.meta);
        put_map(&mut fields, "annotations", &self.annotations);
        if let Some(configure) = &self.configure {
            put_map(&mut fields, "configure", &configure::to_map(configure));
        }
        if self.verbose {
            put(&mut fields, "verbose", true);
        }
        fields
    }

    /// The operation without what is run before it.
    #[must_use]
    pub fn without_configure(self) -> Self {
        Operation {
            configure: None,
            ..self
        }
    }

    /// Reads an operation.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("operation", fields);
        let operation = Operation {
            id: reader.required_text("id", MAX_ID)?,
            resource: reader.required_text("resource", MAX_ID)?,
            class: reader.required_text("class", MAX_ID)?,
            provider: reader.text("provider", MAX_ID)?,
            agent: reader.required_text("type", MAX_ID)?,
            action: reader.required_text("action", MAX_ID)?,
            interval_ms: reader.u32("interval_ms")?,
            timeout_ms: reader.u32("timeout_ms")?,
            parameters: reader.map("parameters", MAX_ENTRIES, MAX_VALUE)?,
            meta: reader.map("meta", MAX_ENTRIES, MAX_VALUE)?,
            annotations: reader.map("annotations", MAX_ENTRIES, MAX_VALUE)?,
            configure: configure::read(&reader)?,
            verbose: reader.boolean("verbose")?,
        };
        operation.check_names(&reader)?;
        operation.check_size()?;
        Ok(operation)
    }

    /// What becomes a part of a file name, a command line or an environment must be fit for it.
    fn check_names(&self, reader: &Reader<'_>) -> Result<()> {
        for (key, value) in [
            ("class", &self.class),
            ("provider", &self.provider),
            ("type", &self.agent),
        ] {
            if value.contains('/') || value.starts_with('.') {
                return Err(reader.invalid(
                    key,
                    "a name without `/` that does not begin with `.`",
                    format_args!("`{value}`"),
                ));
            }
        }
        if !self
            .action
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Err(reader.invalid(
                "action",
                "letters, digits, `-` and `_`",
                format_args!("`{}`", self.action),
            ));
        }
        let starts = matches!(self.action.as_str(), "start" | "migrate_from");
        if self.configure.is_some() && !(starts && self.interval_ms == 0) {
            let found = format_args!("with {}", self.label());
            return Err(reader.invalid("configure", "with start or migrate_from only", found));
        }
        for (key, map) in [("parameters", &self.parameters), ("meta", &self.meta)] {
            if let Some(name) = map
                .keys()
                .find(|name| name.is_empty() || name.contains('='))
            {
                return Err(reader.invalid(
                    key,
                    "names that are not empty and hold no `=`",
                    format_args!("`{name}`"),
                ));
            }
        }
        Ok(())
    }

    /// Everything but the annotations becomes a process's environment, which the kernel bounds as
    /// well.
    fn check_size(&self) -> Result<()> {
        let size: usize = [&self.parameters, &self.meta, &self.annotations]
            .into_iter()
            .flatten()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if size > MAX_OPERATION {
            return Err(Error::TooLarge(format!(
                "operation: parameters, meta and annotations have {size} bytes; at most {MAX_OPERATION} are accepted"
            )));
        }
        Ok(())
    }

    /// `ocf:heartbeat:IPaddr2`, `systemd:nginx`: the agent's specification.
    pub fn specification(&self) -> String {
        if self.provider.is_empty() {
            format!("{}:{}", self.class, self.agent)
        } else {
            format!("{}:{}:{}", self.class, self.provider, self.agent)
        }
    }

    /// `web:monitor/10000`, `web:start`: the operation for a person.
    pub fn label(&self) -> String {
        match self.interval_ms {
            0 => format!("{}:{}", self.resource, self.action),
            interval => format!("{}:{}/{interval}", self.resource, self.action),
        }
    }
}

/// How far an operation is. A record is `Pending` from its acceptance to its completion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationState {
    /// Accepted, waiting or running.
    #[default]
    Pending,
    /// Done; `status` and `rc` say how.
    Complete,
    /// A recurring operation that was cancelled.
    Cancelled,
}

impl OperationState {
    /// Its name on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            OperationState::Pending => "pending",
            OperationState::Complete => "complete",
            OperationState::Cancelled => "cancelled",
        }
    }
}

/// Whether an operation ran to its end, by Pacemaker's op-status numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationStatus {
    /// -1: not completed.
    #[default]
    Pending,
    /// 0: the agent ran to its end and gave an exit code.
    Done,
    /// 1: cancelled before it could run.
    Cancelled,
    /// 2: exceeded its timeout and was killed.
    Timeout,
    /// 3: the class does not have this action.
    NotSupported,
    /// 4: could not be executed, or died of a signal.
    Error,
    /// 5: an error that will not go away on this node.
    ErrorHard,
    /// 6: an error that will not go away on any node.
    ErrorFatal,
    /// 7: the resource agent is not installed.
    NotInstalled,
}

impl OperationStatus {
    /// The number on the bus.
    pub fn number(self) -> i32 {
        match self {
            OperationStatus::Pending => -1,
            OperationStatus::Done => 0,
            OperationStatus::Cancelled => 1,
            OperationStatus::Timeout => 2,
            OperationStatus::NotSupported => 3,
            OperationStatus::Error => 4,
            OperationStatus::ErrorHard => 5,
            OperationStatus::ErrorFatal => 6,
            OperationStatus::NotInstalled => 7,
        }
    }

    /// The status of a number; numbers without a meaning here are an error of the operation.
    pub fn from_number(number: i32) -> Self {
        match number {
            -1 => OperationStatus::Pending,
            0 => OperationStatus::Done,
            1 => OperationStatus::Cancelled,
            2 => OperationStatus::Timeout,
            3 => OperationStatus::NotSupported,
            5 => OperationStatus::ErrorHard,
            6 => OperationStatus::ErrorFatal,
            7 => OperationStatus::NotInstalled,
            _ => OperationStatus::Error,
        }
    }
}

/// An operation and what became of it: an entry of the agent's history. Times are microseconds
/// since the Unix epoch by the guest's clock, 0 where unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationRecord {
    /// The operation as requested.
    pub operation: Operation,
    /// How far it is.
    pub state: OperationState,
    /// Counts the operations of this agent since the guest's boot; a later operation of a resource
    /// has a higher number.
    pub call_id: u32,
    /// Whether the agent ran to its end.
    pub status: OperationStatus,
    /// The OCF exit code; see [`rc`].
    pub rc: i32,
    /// When it began to run.
    pub started: u64,
    /// When it completed.
    pub completed: u64,
    /// When `(status, rc)` last changed (recurring operations; otherwise equal to `started`).
    pub last_rc_change: u64,
    /// When it last began to run.
    pub last_run: u64,
    /// How long it ran.
    pub exec_ms: u32,
    /// How long it waited for another operation of its resource.
    pub queue_ms: u32,
    /// The agent's `ocf-exit-reason:`, or why it could not be run.
    pub exit_reason: String,
    /// The end of what the agent wrote, bounded to [`MAX_OUTPUT`].
    pub output: String,
    /// The end of its start delay, µs of the guest's CLOCK_BOOTTIME; 0: it has none. For the agent
    /// alone: not on the bus.
    #[serde(default)]
    pub not_before_us: u64,
    /// What a verbose operation wrote. In OperationCompleted only: neither on disk nor in History.
    #[serde(skip)]
    pub said: Option<Said>,
}

impl OperationRecord {
    /// The record as `a{sv}`: the operation's keys and its own.
    pub fn to_fields(&self) -> Fields {
        let mut fields = self.operation.to_fields();
        // It may be long, and who asked has it.
        fields.remove("configure");
        put(&mut fields, "state", self.state.as_str());
        put(&mut fields, "call_id", self.call_id);
        put(&mut fields, "status", self.status.number());
        put(&mut fields, "rc", self.rc);
        put(&mut fields, "started", self.started);
        put(&mut fields, "completed", self.completed);
        put(&mut fields, "last_rc_change", self.last_rc_change);
        put(&mut fields, "last_run", self.last_run);
        put(&mut fields, "exec_ms", self.exec_ms);
        put(&mut fields, "queue_ms", self.queue_ms);
        put_text(
            &mut fields,
            "exit_reason",
            &bounded(&self.exit_reason, MAX_REASON),
        );
        put_text(&mut fields, "output", &bounded(&self.output, MAX_OUTPUT));
        if let Some(said) = &self.said {
            put(&mut fields, "stdout", said.out.as_str());
            put_text(&mut fields, "stderr", &said.err);
            put(&mut fields, "stdout_cut", said.out_cut);
            put(&mut fields, "stderr_cut", said.err_cut);
        }
        fields
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("operation record", fields);
        let state = match reader.required_text("state", MAX_ID)?.as_str() {
            "pending" => OperationState::Pending,
            "complete" => OperationState::Complete,
            "cancelled" => OperationState::Cancelled,
            other => {
                return Err(reader.invalid(
                    "state",
                    "pending, complete or cancelled",
                    format_args!("`{other}`"),
                ));
            }
        };
        Ok(OperationRecord {
            operation: Operation::from_fields(fields)?,
            state,
            call_id: reader.u32("call_id")?,
            status: OperationStatus::from_number(reader.i32("status")?),
            rc: reader.i32("rc")?,
            started: reader.u64("started")?,
            completed: reader.u64("completed")?,
            last_rc_change: reader.u64("last_rc_change")?,
            last_run: reader.u64("last_run")?,
            exec_ms: reader.u32("exec_ms")?,
            queue_ms: reader.u32("queue_ms")?,
            exit_reason: reader.text("exit_reason", MAX_REASON)?,
            output: reader.text("output", MAX_OUTPUT)?,
            not_before_us: 0,
            said: said(&reader, fields)?,
        })
    }
}

/// What a verbose operation wrote; `None`: that is not told.
fn said(reader: &Reader<'_>, fields: &Fields) -> Result<Option<Said>> {
    if !fields.contains_key("stdout") {
        return Ok(None);
    }
    Ok(Some(Said {
        out: reader.text("stdout", MAX_SAID)?,
        err: reader.text("stderr", MAX_SAID)?,
        out_cut: reader.u64("stdout_cut")?,
        err_cut: reader.u64("stderr_cut")?,
    }))
}

#[cfg(test)]
mod tests {
    use cpe_status::limits::MAX_CONFIGURE;

    use super::*;

    fn operation() -> Operation {
        Operation {
            id: "3:1:0:uuid".into(),
            resource: "web".into(),
            class: "ocf".into(),
            provider: "heartbeat".into(),
            agent: "Dummy".into(),
            action: "monitor".into(),
            interval_ms: 10_000,
            timeout_ms: 20_000,
            parameters: BTreeMap::from([("state".into(), "/run/x".into())]),
            meta: BTreeMap::from([("CRM_meta_timeout".into(), "20000".into())]),
            annotations: BTreeMap::from([("digest".into(), "abc".into())]),
            configure: None,
            verbose: true,
        }
    }

    #[test]
    fn it_reads_the_last_exit_reason() {
        let stderr = "INFO: x\nocf-exit-reason: first\nnoise\nocf-exit-reason:no such device\n";
        assert_eq!(exit_reason(stderr).as_deref(), Some("no such device"));
        assert_eq!(exit_reason("ERROR: ocf-exit-reason: inside"), None);
    }

    #[test]
    fn it_reads_what_it_wrote() {
        let record = OperationRecord {
            operation: operation(),
            state: OperationState::Complete,
            call_id: 9,
            status: OperationStatus::Timeout,
            rc: rc::GENERIC,
            started: 1,
            completed: 2,
            last_rc_change: 3,
            last_run: 4,
            exec_ms: 5,
            queue_ms: 6,
            exit_reason: "too slow".into(),
            output: "text".into(),
            not_before_us: 0,
            said: None,
        };
        let told = OperationRecord {
            said: Some(Said {
                err: "no such device".into(),
                out_cut: 7,
                ..Said::default()
            }),
            ..record.clone()
        };
        for record in [&record, &told] {
            let read = OperationRecord::from_fields(&record.to_fields());
            assert_eq!(read.unwrap(), *record);
        }
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            serde_json::from_str::<OperationRecord>(&json).unwrap(),
            record
        );
        assert_eq!(record.operation.specification(), "ocf:heartbeat:Dummy");
        assert_eq!(record.operation.label(), "web:monitor/10000");
    }

    #[test]
    fn what_is_run_before_a_start_comes_along_and_is_in_no_record() {
        let start = |configure| Operation {
            action: "start".into(),
            interval_ms: 0,
            configure: Some(configure),
            ..operation()
        };
        let script = |interpreter: &str| Configure::Content {
            interpreter: interpreter.into(),
            text: "exit 0\n".into(),
        };
        for configure in [Configure::Path("/x".into()), script("/bin/sh -e")] {
            let asked = start(configure);
            let read = Operation::from_fields(&asked.to_fields()).unwrap();
            assert_eq!(read, asked);
            let record = OperationRecord {
                operation: asked.clone(),
                ..OperationRecord::default()
            };
            let read = OperationRecord::from_fields(&record.to_fields()).unwrap();
            assert_eq!(read.operation, asked.without_configure());
        }
        let monitor = Operation {
            configure: Some(script("/bin/sh")),
            ..operation()
        };
        let long = Configure::Content {
            interpreter: "/bin/sh".into(),
            text: "x".repeat(MAX_CONFIGURE + 2),
        };
        for wrong in [
            start(Configure::Path("x".into())),
            start(Configure::Path("/a\nb".into())),
            start(script("sh")),
            start(script("")),
            start(long),
            monitor,
        ] {
            let error = Operation::from_fields(&wrong.to_fields()).unwrap_err();
            assert!(error.message().contains("`configure`"), "{error}");
        }
    }

    #[test]
    fn it_ignores_keys_of_later_versions() {
        let mut fields = operation().to_fields();
        put(&mut fields, "colour", "green");
        assert_eq!(Operation::from_fields(&fields).unwrap(), operation());
    }

    #[test]
    fn it_refuses_names_that_would_leave_the_agents_directory() {
        for (key, value) in [
            ("type", "../../bin/sh"),
            ("provider", ".."),
            ("action", "start;reboot"),
            ("class", "a/b"),
            ("id", ""),
        ] {
            let mut fields = operation().to_fields();
            put(&mut fields, key, value);
            let error = Operation::from_fields(&fields).unwrap_err();
            assert!(
                matches!(&error, Error::InvalidArgument(text) if text.contains(&format!("`{key}`"))),
                "{error}"
            );
        }
        let mut operation = operation();
        operation.parameters.insert("a=b".into(), "c".into());
        assert!(Operation::from_fields(&operation.to_fields()).is_err());
    }

    #[test]
    fn it_keeps_a_record_within_its_bounds() {
        let record = OperationRecord {
            operation: operation(),
            output: "x".repeat(100_000),
            ..Default::default()
        };
        let read = OperationRecord::from_fields(&record.to_fields()).unwrap();
        assert!(read.output.len() <= MAX_OUTPUT);
    }
}
