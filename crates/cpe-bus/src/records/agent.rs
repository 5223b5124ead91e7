//! What a DPE and a guest agent tell each other in Hello.

use super::MAX_ID;
use crate::Result;
use crate::fields::{Fields, Reader, put};

/// Capability of an agent that reports node attributes.
pub const ATTRIBUTES: &str = "attributes";

/// The settings that a DPE gives an agent in Hello.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HelloSettings {
    /// Time between heartbeats; 0 means the agent's default (1 s).
    pub heartbeat_interval_ms: u32,
    /// How long the agent goes on without its DPE before it stops its services; 0 means no lease.
    pub lease_ms: u32,
    /// How long all services together may take to stop once the lease has ended; then the guest is
    /// rebooted. 0 means the agent's default (20 s). The DPE waits lease + drift margin + this + a
    /// margin for the reboot.
    pub stop_timeout_ms: u32,
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
        put(&mut fields, "stop_timeout_ms", self.stop_timeout_ms);
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
            stop_timeout_ms: reader.u32("stop_timeout_ms")?,
        })
    }
}

/// What the agent answers to Hello.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelloReply {
    /// The guest's boot id: another one means that nothing of the last boot runs any more.
    pub boot_id: String,
    /// The agent's version.
    pub version: String,
    /// What the agent can do: resource classes (`class:ocf`, …) and optional behaviour
    /// ([`ATTRIBUTES`]).
    pub capabilities: Vec<String>,
    /// How much of the lease is left; 0 where there is none or it is over.
    pub lease_remaining_ms: u64,
    /// The guest's CLOCK_BOOTTIME in microseconds: a stamp that may be renewed like a heartbeat's.
    pub now_boottime_us: u64,
}

impl HelloReply {
    /// As `a{sv}`.
    pub fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put(&mut fields, "boot_id", self.boot_id.as_str());
        put(&mut fields, "version", self.version.as_str());
        put(&mut fields, "capabilities", self.capabilities.clone());
        put(&mut fields, "lease_remaining_ms", self.lease_remaining_ms);
        put(&mut fields, "now_boottime_us", self.now_boottime_us);
        fields
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("reply to Hello", fields);
        Ok(HelloReply {
            boot_id: reader.required_text("boot_id", MAX_ID)?,
            version: reader.text("version", MAX_ID)?,
            capabilities: reader.list("capabilities", 64, MAX_ID)?,
            lease_remaining_ms: reader.u64("lease_remaining_ms")?,
            now_boottime_us: reader.u64("now_boottime_us")?,
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
            stop_timeout_ms: 20_000,
        };
        assert_eq!(
            HelloSettings::from_fields(&settings.to_fields()).unwrap(),
            settings
        );
        let reply = HelloReply {
            boot_id: "b".into(),
            version: "0.1.0".into(),
            capabilities: vec!["class:ocf".into()],
            lease_remaining_ms: 1,
            now_boottime_us: 2,
        };
        assert_eq!(HelloReply::from_fields(&reply.to_fields()).unwrap(), reply);
    }
}
