//! Client of `org.cloudpolicy.Dpe1`. Documented in `docs/bus/org.cloudpolicy.Dpe1.xml`.

use crate::{Fields, Result};

/// A DPE; the destination is [`crate::names::dpe_name`].
#[zbus::proxy(
    interface = "org.cloudpolicy.Dpe1",
    default_path = "/org/cloudpolicy/dpe1",
    async_name = "DpeProxy"
)]
pub trait Dpe {
    /// Takes a generation of the document; returns when it is durable there.
    fn load(&self, document: &str, generation: u64, options: Fields) -> Result<()>;
    /// Ends the deployment; returns when that is durable, progress is in `State`.
    fn unload(&self, stop_services: bool) -> Result<()>;
    /// [`cpe_status::DeploymentStatus`] as JSON.
    fn get_status(&self) -> Result<String>;
    /// The last operations ([`cpe_status::OperationList`] as JSON). `options`: `service`,
    /// `assembly`.
    fn get_operations(&self, options: Fields) -> Result<String>;
    /// The policy engine's input, CIB XML.
    fn get_input(&self) -> Result<String>;
    /// The inputs of the policy engine that are kept ([`cpe_status::KeptInputList`] as JSON).
    fn list_inputs(&self) -> Result<String>;
    /// One of them, CIB XML: of a transition, by its number, or of a refused decision
    /// (`refused-0`).
    fn get_kept_input(&self, name: &str) -> Result<String>;
    /// The document that is loaded and its generation; empty and 0 if there is none.
    fn get_document(&self) -> Result<(String, u64)>;
    /// What a document would change ([`cpe_status::Plan`] as JSON).
    fn plan(&self, document: &str) -> Result<String>;
    /// Why a service is where it is, and why not on an assembly (empty: on each of the others);
    /// without a service, of an assembly or of the whole.
    fn explain(&self, service: &str, assembly: &str) -> Result<String>;
    /// The same as data and text: JSON with `text` and `explanations`. `options`: `service`,
    /// `assembly`, `scores`.
    fn get_explanation(&self, options: Fields) -> Result<String>;
    /// Whether there is room for every service after a loss ([`cpe_status::RoomReport`] as JSON).
    /// `options`: `scope` (any, any-host, two, named), `assemblies`.
    fn check_room(&self, options: Fields) -> Result<String>;
    /// The resource agents of the guests, of a class (empty: `ocf` and `lsb`):
    /// [`cpe_status::AgentList`] as JSON.
    fn list_agents(&self, class: &str) -> Result<String>;
    /// What an agent says about itself in an assembly (empty: in each):
    /// [`cpe_status::AgentDescriptions`] as JSON.
    fn describe_agent(&self, agent: &str, assembly: &str) -> Result<String>;
    /// What the guests' agents say about a document (empty: the one in force):
    /// [`cpe_status::AgentCheck`] as JSON.
    fn check_agents(&self, document: &str) -> Result<String>;
    /// Forgets failures of a service (empty: all) on an assembly (empty: all). `options`, here and
    /// below: `by`, who asks, for people.
    fn cleanup(&self, service: &str, assembly: &str, options: Fields) -> Result<()>;
    /// What an order about a service would bring, and why it would not hold
    /// ([`cpe_status::ServicePlan`] as JSON). `verb`: `move`, `ban`, `clear`, `disable`, `enable`,
    /// `unmanage`, `manage`, `restart`. `options`: `assembly`, `promoted`, `lifetime` (`placed`,
    /// `cleared`), `for_ms`.
    fn plan_service(&self, verb: &str, service: &str, options: Fields) -> Result<String>;
    /// Gives the order, if it holds: `options` as of [`Self::plan_service`], and `force`,
    /// `fingerprint`. The plan by which that was decided, as JSON.
    fn order_service(&self, verb: &str, service: &str, options: Fields) -> Result<String>;
    /// Has the resource agent of a service do something once in an assembly: `monitor`, `start` or
    /// `stop`. What is known of it then ([`cpe_status::DebugReport`] as JSON): its end comes later.
    fn debug(&self, verb: &str, service: &str, assembly: &str, options: Fields) -> Result<String>;
    /// What is known by now of what an agent was had to do once ([`cpe_status::DebugReport`] as
    /// JSON). `id`: as of [`Self::debug`].
    fn get_debug(&self, id: &str) -> Result<String>;
    /// Forgets failures of one operation of a service on an assembly (empty: all). `options`:
    /// `interval_ms` (t), else at each interval.
    fn cleanup_operation(
        &self,
        service: &str,
        assembly: &str,
        operation: &str,
        options: Fields,
    ) -> Result<()>;
    /// Forgets failures of a service (empty: all) on an assembly (empty: all), and looks at
    /// everything there again.
    fn refresh(&self, service: &str, assembly: &str, options: Fields) -> Result<()>;
    /// Puts all assemblies into standby, or ends that.
    fn set_standby_of_all(&self, on: bool, options: Fields) -> Result<()>;
    /// What a clean-up, a refresh, maintenance or its end would bring, and why it would not hold
    /// ([`cpe_status::ServicePlan`] as JSON). `verb`: `cleanup`, `refresh`, `maintenance`.
    /// `options`: `service`, `assembly`, `operation`, `interval_ms`, `on`.
    fn plan_upkeep(&self, verb: &str, options: Fields) -> Result<String>;
    /// What standby of an assembly (empty: of all), or its end, would change
    /// ([`cpe_status::Plan`] as JSON).
    fn plan_standby(&self, assembly: &str, on: bool) -> Result<String>;
    /// Puts an assembly into standby, where it runs no services, or ends that.
    fn set_standby(&self, assembly: &str, on: bool, options: Fields) -> Result<()>;
    /// Leaves the services of an assembly (empty: of the whole deployment) alone, or ends that.
    fn set_maintenance(&self, assembly: &str, on: bool, options: Fields) -> Result<()>;
    /// Confirms that an assembly is down.
    fn confirm_fenced(&self, assembly: &str, attempt: &str, options: Fields) -> Result<()>;
    /// Switches the power of an assembly: `off`, `on` or `reboot`.
    fn fence(&self, assembly: &str, action: &str, options: Fields) -> Result<()>;
    /// Grants a ticket to the deployment: no other site holds it.
    fn grant_ticket(&self, ticket: &str, options: Fields) -> Result<()>;
    /// Takes a ticket from the deployment.
    fn revoke_ticket(&self, ticket: &str, options: Fields) -> Result<()>;
    /// Has what needs a ticket stopped although it may be granted, or ends that.
    fn set_ticket_standby(&self, ticket: &str, on: bool, options: Fields) -> Result<()>;
    /// Gives an assembly an attribute, or the deployment an option.
    fn set_attribute(&self, assembly: &str, name: &str, value: &str, options: Fields)
    -> Result<()>;
    /// Takes it away.
    fn delete_attribute(&self, assembly: &str, name: &str, options: Fields) -> Result<()>;
    /// `empty`, `loading`, `active`, `degraded`, `failed`, `unloading` or `unloaded`.
    #[zbus(property)]
    fn state(&self) -> Result<String>;
    /// The generation that the DPE works by; 0 if it has none.
    #[zbus(property)]
    fn generation(&self) -> Result<u64>;
    /// This start's epoch.
    #[zbus(property(emits_changed_signal = "const"))]
    fn epoch(&self) -> Result<u64>;
    /// The state or its summary changed.
    #[zbus(signal)]
    fn status_changed(&self, state: &str, summary: &str) -> zbus::Result<()>;
}
