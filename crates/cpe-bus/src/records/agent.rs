//! What a DPE and a guest agent tell each other in Hello.

use super::{GuestFacts, MAX_ID};
use crate::Result;
use crate::fields::{Fields, Reader, put, put_text};

/// Capability of an agent that reports node attributes.
pub const ATTRIBUTES: &str = "attributes";

/// Capability of an agent that asks its DPE for what concerns the whole deployment, and answers
/// what the DPE asks for others.
pub const QUESTIONS: &str = "questions";

/// Capability of an agent that tells its guest's host name and addresses.
pub const FACTS: &str = "facts";

/// Capability of an agent that runs what an operation has under `configure`. Others ignore it.
pub const CONFIGURE: &str = "configure";

/// The most resource agents that a guest lists, of a class: many times those of a distribution.
pub const MAX_LISTED_AGENTS: usize = 4096;

/// The settings that a DPE gives an agent in Hello.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HelloSettings {
    /// Time between heartbeats; 0 means the agent's default (1 s).
    pub heartbeat_interval_ms: u32,
    /// How long the agent goes on without its DPE before it stops its services; 0 means no lease.
    pub lease_ms: u32,
    /// Time to stop services in order after the lease has ended; then the agent kills what is left
    /// and resets the guest at once. 0 means the agent's default (5 s). The DPE waits lease + this
    /// + drift + a margin for the reset.
    pub grace_ms: u32,
    /// Time to stop all services in order where nothing is lost yet: for Release, and before the
    /// guest goes down as planned. 0 means the agent's default (20 s).
    pub stop_timeout_ms: u32,
    /// The DPE answers questions.
    pub answers: bool,
    /// Counts what a process of the DPE says: a Hello with a lower number than another one was on
    /// its way for longer, and its settings are not in force any more. 0: from older DPEs.
    pub number: u64,
    /// Which process counts. One that cannot save its epoch, since its disk is full, is followed by
    /// one that may have the same epoch and counts from the beginning.
    pub process: u64,
}

impl HelloSettings {
    /// As `a{sv}`.
    pub fn to_fields(self) -> Fields {
        let mut fields = Fields::new();
        put(
            &mut fields,
            "heartbeat_interval_ms",
            self.heartbeat_interval_ms,
        );
        put(&mut fields, "lease_ms", self.lease_ms);
        put(&mut fields, "grace_ms", self.grace_ms);
        put(&mut fields, "stop_timeout_ms", self.stop_timeout_ms);
        put(&mut fields, "answers", self.answers);
        put(&mut fields, "number", self.number);
        put(&mut fields, "process", self.process);
        fields
    }

    /// Reads settings.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("settings of Hello", fields);
        Ok(HelloSettings {
            heartbeat_interval_ms: reader.u32("heartbeat_interval_ms")?,
            lease_ms: reader.u32("lease_ms")?,
            grace_ms: reader.u32("grace_ms")?,
            stop_timeout_ms: reader.u32("stop_timeout_ms")?,
            answers: reader.boolean("answers")?,
            number: reader.u64("number")?,
            process: reader.u64("process")?,
        })
    }
}

/// What the agent answers to Hello.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelloReply {
    /// The guest's identity, the same over reboots: another one means another guest. Empty from
    /// agents that do not know theirs yet.
    pub machine_id: String,
    /// The guest's boot id: another one, of the same machine, means that nothing of the last boot
    /// runs any more.
    pub boot_id: String,
    /// The agent's version.
    pub version: String,
    /// What the agent can do: resource classes (`class:ocf`, …) and optional behaviour
    /// ([`ATTRIBUTES`], [`QUESTIONS`], [`FACTS`], [`CONFIGURE`]).
    pub capabilities: Vec<String>,
    /// How much of the lease is left; 0 where there is none or it is over.
    pub lease_remaining_ms: u64,
    /// The guest's CLOCK_BOOTTIME in microseconds: a stamp that may be renewed like a heartbeat's.
    pub now_boottime_us: u64,
    /// The guest is about to go down as planned (see signal `Leaving`).
    pub leaving: bool,
    /// Its host name and addresses, as of signal `FactsChanged`.
    pub facts: GuestFacts,
}

impl HelloReply {
    /// As `a{sv}`.
    pub fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put_text(&mut fields, "machine_id", &self.machine_id);
        put(&mut fields, "boot_id", self.boot_id.as_str());
        put(&mut fields, "version", self.version.as_str());
        put(&mut fields, "capabilities", self.capabilities.clone());
        put(&mut fields, "lease_remaining_ms", self.lease_remaining_ms);
        put(&mut fields, "now_boottime_us", self.now_boottime_us);
        put(&mut fields, "leaving", self.leaving);
        fields.extend(self.facts.to_fields());
        fields
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("reply to Hello", fields);
        Ok(HelloReply {
            machine_id: reader.text("machine_id", MAX_ID)?,
            boot_id: reader.required_text("boot_id", MAX_ID)?,
            version: reader.text("version", MAX_ID)?,
            capabilities: reader.list("capabilities", 64, MAX_ID)?,
            lease_remaining_ms: reader.u64("lease_remaining_ms")?,
            now_boottime_us: reader.u64("now_boottime_us")?,
            leaving: reader.boolean("leaving")?,
            facts: GuestFacts::from_fields(fields)?,
        })
    }
}

/// What an agent says about itself and its guest to anybody who may connect, without Hello: who
/// this guest is, and what it belongs to. A DPE asks for it when Hello was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentDescription {
    /// As in [`HelloReply`].
    pub machine_id: String,
    /// As in [`HelloReply`].
    pub boot_id: String,
    /// The agent's version.
    pub version: String,
    /// The deployment that this guest belongs to; empty if it belongs to none.
    pub deployment: String,
    /// The assembly of that deployment that this guest is; empty if it belongs to none.
    pub assembly: String,
    /// The highest epoch of that deployment that the agent has seen; 0 if it has seen none.
    pub epoch: u64,
    /// Services that may be running, by the agent's history.
    pub active_services: u32,
    /// How much of the lease is left; 0 where there is none or it is over.
    pub lease_remaining_ms: u64,
    /// The guest is about to go down as planned.
    pub leaving: bool,
}

impl AgentDescription {
    /// As `a{sv}`.
    pub fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put_text(&mut fields, "machine_id", &self.machine_id);
        put(&mut fields, "boot_id", self.boot_id.as_str());
        put(&mut fields, "version", self.version.as_str());
        put_text(&mut fields, "deployment", &self.deployment);
        put_text(&mut fields, "assembly", &self.assembly);
        put(&mut fields, "epoch", self.epoch);
        put(&mut fields, "active_services", self.active_services);
        put(&mut fields, "lease_remaining_ms", self.lease_remaining_ms);
        put(&mut fields, "leaving", self.leaving);
        fields
    }

    /// Reads a description.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("description of an agent", fields);
        Ok(AgentDescription {
            machine_id: reader.text("machine_id", MAX_ID)?,
            boot_id: reader.required_text("boot_id", MAX_ID)?,
            version: reader.text("version", MAX_ID)?,
            deployment: reader.text("deployment", MAX_ID)?,
            assembly: reader.text("assembly", MAX_ID)?,
            epoch: reader.u64("epoch")?,
            active_services: reader.u32("active_services")?,
            lease_remaining_ms: reader.u64("lease_remaining_ms")?,
            leaving: reader.boolean("leaving")?,
        })
    }
}

/// What comes with the signal `Leaving`: the guest is about to go down, or its agent for good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaving {
    /// Why: `shutdown` (the guest goes down) or `stop` (its agent is stopped for good).
    pub reason: String,
    /// How long the agent leaves the services to the DPE; then it stops by itself what still runs.
    pub wait_ms: u32,
}

impl Leaving {
    /// As `a{sv}`.
    pub fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put(&mut fields, "reason", self.reason.as_str());
        put(&mut fields, "wait_ms", self.wait_ms);
        fields
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("signal Leaving", fields);
        Ok(Leaving {
            reason: reader.text("reason", MAX_ID)?,
            wait_ms: reader.u32("wait_ms")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_wrote() {
        let settings = HelloSettings {
            heartbeat_interval_ms: 1000,
            lease_ms: 10_000,
            grace_ms: 5000,
            stop_timeout_ms: 20_000,
            answers: true,
            number: 7,
            process: 8,
        };
        assert_eq!(
            HelloSettings::from_fields(&settings.to_fields()).unwrap(),
            settings
        );
        let reply = HelloReply {
            machine_id: "m".into(),
            boot_id: "b".into(),
            version: "0.1.0".into(),
            capabilities: vec!["class:ocf".into()],
            lease_remaining_ms: 1,
            now_boottime_us: 2,
            leaving: true,
            facts: GuestFacts {
                host_name: "web1".into(),
                ..GuestFacts::default()
            },
        };
        assert_eq!(HelloReply::from_fields(&reply.to_fields()).unwrap(), reply);
        let description = AgentDescription {
            machine_id: "m".into(),
            boot_id: "b".into(),
            version: "0.1.0".into(),
            deployment: "shop".into(),
            assembly: "web1".into(),
            epoch: 7,
            active_services: 3,
            lease_remaining_ms: 1,
            leaving: true,
        };
        assert_eq!(
            AgentDescription::from_fields(&description.to_fields()).unwrap(),
            description
        );
        let leaving = Leaving {
            reason: "shutdown".into(),
            wait_ms: 5,
        };
        assert_eq!(Leaving::from_fields(&leaving.to_fields()).unwrap(), leaving);
    }
}
