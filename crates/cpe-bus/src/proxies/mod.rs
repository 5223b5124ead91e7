//! Clients of the interfaces: ours, and the parts of systemd's that we use.

pub mod agent;
pub mod cpe;
pub mod dpe;
pub mod notify;
pub mod systemd;

pub use agent::AgentProxy;
pub use cpe::{CpeDeploymentProxy, CpeEventsProxy, CpeHostsProxy, CpeManagerProxy};
pub use dpe::DpeProxy;
pub use notify::NotifyProxy;
pub use systemd::{SystemdManagerProxy, SystemdServiceProxy, SystemdUnitProxy};
