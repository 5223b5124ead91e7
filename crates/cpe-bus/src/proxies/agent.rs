//! Client of `org.cloudpolicy.Agent1`, on a peer-to-peer connection (see [`crate::peer`]).
//! Documented in `docs/bus/org.cloudpolicy.Agent1.xml`.

use crate::{Fields, Result};

/// A guest agent.
///
/// A peer-to-peer connection has no names: the macro requires a destination, and nobody looks at
/// it.
#[zbus::proxy(
    interface = "org.cloudpolicy.Agent1",
    default_service = "org.cloudpolicy.Agent1",
    default_path = "/org/cloudpolicy/agent1",
    async_name = "AgentProxy"
)]
pub trait Agent {
    /// Takes over the agent with an epoch. Settings: [`crate::HelloSettings`]; reply:
    /// [`crate::HelloReply`].
    fn hello(
        &self,
        epoch: u64,
        deployment: &str,
        assembly: &str,
        settings: Fields,
    ) -> Result<Fields>;
    /// Who this guest is and what it belongs to ([`crate::AgentDescription`]); needs no Hello.
    fn describe(&self) -> Result<Fields>;
    /// Answers a heartbeat; the lease runs from `stamp`.
    fn renew(&self, epoch: u64, stamp: u64) -> Result<()>;
    /// Asks for an operation ([`crate::Operation`]); returns when it is accepted.
    fn execute(&self, epoch: u64, operation: Fields) -> Result<()>;
    /// Cancels a recurring operation, or one that has not begun; false if there is none.
    fn cancel(&self, epoch: u64, resource: &str, action: &str, interval_ms: u32) -> Result<bool>;
    /// Deletes a resource's history and stops its monitors.
    fn forget(&self, epoch: u64, resource: &str) -> Result<()>;
    /// All records ([`crate::OperationRecord`]), pending ones included.
    fn history(&self, epoch: u64) -> Result<Vec<Fields>>;
    /// The guest's node attributes ([`crate::NodeAttributes`]): version and records.
    fn attributes(&self, epoch: u64) -> Result<(u64, Vec<Fields>)>;
    /// Answers a question of the guest's ([`crate::records::question::Reply`]).
    fn answer(&self, epoch: u64, number: u64, answer: Fields, values: Vec<Fields>) -> Result<()>;
    /// Has a question about this guest's boot ([`crate::Question`]) answered for another guest.
    fn ask(&self, epoch: u64, question: Fields) -> Result<(Fields, Vec<Fields>)>;
    /// The agents of a class (empty: `ocf` and `lsb`) by name, and how many more there are.
    fn list_agents(&self, class: &str) -> Result<(Vec<String>, u32)>;
    /// An agent's metadata, XML.
    fn metadata(&self, class: &str, provider: &str, type_: &str) -> Result<String>;
    /// Makes a key and a request (PKCS #10, PEM) for another certificate of the same name.
    fn request_certificate(&self) -> Result<String>;
    /// Gives it the certificate (PEM) for the last request on this connection; durable.
    fn take_certificate(&self, certificate: &str) -> Result<()>;
    /// Ends the lease now: services are stopped and the guest is reset.
    fn restart(&self, epoch: u64, reason: &str) -> Result<()>;
    /// Ends the service for this DPE: lease and monitors off.
    fn release(&self, epoch: u64, keep_services: bool) -> Result<()>;

    /// An operation completed, or a monitor's result changed.
    #[zbus(signal)]
    fn operation_completed(&self, record: Fields) -> zbus::Result<()>;
    /// The guest's node attributes are these from now on.
    #[zbus(signal)]
    fn attributes_changed(&self, version: u64, attributes: Vec<Fields>) -> zbus::Result<()>;
    /// The guest's host name and addresses are these from now on ([`crate::GuestFacts`]).
    #[zbus(signal)]
    fn facts_changed(&self, facts: Fields) -> zbus::Result<()>;
    /// A tool in the guest asks for what concerns the whole deployment ([`crate::Question`]).
    #[zbus(signal)]
    fn question(&self, number: u64, question: Fields) -> zbus::Result<()>;
    /// The agent is alive.
    #[zbus(signal)]
    fn heartbeat(&self, stamp: u64, running_operations: u32, info: Fields) -> zbus::Result<()>;
    /// The guest is about to go down as planned: move its services ([`crate::Leaving`]).
    #[zbus(signal)]
    fn leaving(&self, info: Fields) -> zbus::Result<()>;
    /// Nothing runs in this guest any more, and this agent begins nothing more.
    #[zbus(signal)]
    fn left(&self) -> zbus::Result<()>;
}
