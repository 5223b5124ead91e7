//! Client of `org.cloudpolicy.Notify1`. Documented in `docs/bus/org.cloudpolicy.Notify1.xml`.

use crate::Result;

/// How the delivery of events stands, and what did not arrive.
#[zbus::proxy(
    interface = "org.cloudpolicy.Notify1",
    default_service = "org.cloudpolicy.Notify1",
    default_path = "/org/cloudpolicy/notify1",
    async_name = "NotifyProxy"
)]
pub trait Notify {
    /// All sinks ([`cpe_status::SinkList`] as JSON).
    fn list(&self) -> Result<String>;
    /// What can be counted of all sinks ([`cpe_status::SinkNumbersList`] as JSON).
    fn numbers(&self) -> Result<String>;
    /// The dead letters of a sink ([`cpe_status::DeadLetterList`] as JSON).
    fn dead(&self, sink: &str) -> Result<String>;
    /// Has a dead letter (empty: all of the sink) tried once more; how many are.
    fn redeliver(&self, sink: &str, id: &str) -> Result<u32>;
    /// Sends an event that is made up, now and once ([`cpe_status::SinkTest`] as JSON).
    fn test(&self, sink: &str) -> Result<String>;
    /// The daemon's version.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> Result<String>;
}
