//! Deployment documents: from the XML that a cloud manager sends to a checked model, and from the
//! model to the configuration that the policy engine reads.
//!
//! ```text
//! bytes ─ tree ─→ elements with positions ─ reader ─→ Deployment ─ lower ─→ <configuration>
//!                                             └── configuration: Pacemaker's own elements,
//!                                                 checked, taken verbatim
//! ```
//!
//! The crate does no I/O. All problems of a document are reported at once, each with its line and
//! column and with what would be right. `docs/deployment-document.md` is the reference of the
//! format, [`SCHEMA`] its RELAX NG schema.
//!
//! ```
//! let deployment = deployment::read(br#"
//!     <deployable name="shop">
//!       <assemblies><assembly name="web1" address="unix:/run/web1.sock"/></assemblies>
//!       <services><service name="web" class="ocf" provider="heartbeat" type="nginx"/></services>
//!     </deployable>"#).expect("a valid document");
//! assert_eq!(deployment.services[0].id, "web");
//! let configuration = deployment.configuration();
//! assert!(configuration.contains(r#"<primitive id="web" class="ocf" provider="heartbeat""#));
//! ```

#![warn(missing_docs)]

mod agents;
mod changes;
mod configuration;
mod configure;
mod device;
pub mod failover;
mod fence_agents;
mod import;
mod live;
mod loss;
mod lower;
mod mask;
pub mod metadata;
mod model;
mod problem;
mod reader;
mod report;
mod secret;
pub mod treatment;
mod tree;
mod uses;
mod value;

pub use agents::{Answer, Answers, Uses};
pub use changes::{Change, Detail, How, changes};
pub use configure::CONFIGURE_PARAMETER;
pub use cpe_status::limits::{MAX_CONFIGURE, MAX_PARAMETER, MAX_PARAMETERS, MAX_PARAMETERS_SIZE};
pub use cpe_status::{Configure, GuestSecret, SECRET_NAMES, names_secret};
pub use device::{Command, Device, DeviceUse, HostArgument, HostCheck, only_cuts_off};
pub use fence_agents::FenceAgents;
pub use import::{Imported, import};
pub use live::{LiveReference, LiveSource, OnChange};
pub use mask::{Masked, mask};
pub use model::{
    Address, Agent, Assembly, Constraint, Deployment, Escalation, Fencing, FencingMode, Group,
    Heartbeat, Instances, OnFail, OrderKind, Origin, Parameter, RawConfiguration, RawInstances,
    Score, Service, TicketUse,
};
pub use problem::{Problem, Severity, quote, suggest};
pub use reader::{Outcome, read_accepted, read_uses, read_with_warnings};
pub use secret::{SECRETS, SecretUse, is_secret, secret_use};
pub use tree::{MAX_DEPTH, MAX_SIZE};

/// The RELAX NG schema of deployment documents (XML syntax), for cloud managers to check against
/// before they send.
///
/// It describes form only; [`read`] also checks what a grammar cannot: that names are unique and
/// references exist.
pub const SCHEMA: &str = include_str!("../../../docs/deployment.rng");

/// Whether a deployment, or an assembly, may be called that.
///
/// # Errors
/// What would be right.
pub fn check_name(name: &str) -> Result<(), String> {
    value::name(name).map(drop)
}

/// Whether a cluster option of that name means something: to the policy engine, or to Pacemaker's
/// daemons.
pub fn is_cluster_option(name: &str) -> bool {
    configuration::is_cluster_option(name)
}

/// Reads and checks a document.
///
/// # Errors
/// All problems at once, in the order of the document, warnings among them.
pub fn read(document: &[u8]) -> Result<Deployment, Vec<Problem>> {
    let outcome = read_with_warnings(document);
    outcome.deployment.ok_or(outcome.problems)
}
