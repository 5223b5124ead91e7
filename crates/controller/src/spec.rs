//! What the controller takes from a deployment document.
//!
//! The document's model belongs to crate `deployment`; here is only what the controller decides by, in its units, and in a form that
//! can be saved (an assembly that left the document must still be made safe by the means that the document gave it).

use crate::effect::FenceDevice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A deployment as the controller sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spec {
    pub name: String,
    pub uuid: String,
    pub heartbeat_interval_ms: u32,
    pub heartbeat_timeout_ms: u32,
    pub lease_ms: u32,
    /// The longest time that any stop may take.
    pub stop_timeout_ms: u32,
    /// In the document's order.
    pub order: Vec<String>,
    pub assemblies: BTreeMap<String, AssemblySpec>,
    /// In the document's order.
    pub services: Vec<ServiceSpec>,
    /// `<configuration>` for the policy engine.
    pub configuration: String,
}

/// An assembly as the controller sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AssemblySpec {
    pub uuid: String,
    pub address: Option<String>,
    pub fencing: Fencing,
    pub fencing_timeout_ms: u32,
    pub escalation: Option<Escalation>,
}

/// How an assembly is made safe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fencing {
    /// Its agent stops the services when the lease is over.
    #[default]
    Lease,
    /// The shell does it.
    Device(FenceDevice),
    /// The cloud manager does it.
    Manager,
    /// Nobody does it: a lost heartbeat counts as down.
    None,
}

impl Fencing {
    pub fn word(&self) -> &'static str {
        match self {
            Fencing::Lease => "lease",
            Fencing::Device(FenceDevice::Unit { .. }) => "unit",
            Fencing::Device(FenceDevice::Agent { .. }) => "agent",
            Fencing::Manager => "manager",
            Fencing::None => "none",
        }
    }
}

/// So many failures within a period fail the next higher level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Escalation {
    pub failures: u32,
    pub period_us: u64,
}

/// A service as the controller sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ServiceSpec {
    pub id: String,
    pub agent: String,
    pub escalation: Option<Escalation>,
    /// May run several times.
    pub instances: bool,
}
