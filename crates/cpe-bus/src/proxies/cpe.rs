//! Clients of `org.cloudpolicy.Cpe1.*`. Documented in `docs/bus/org.cloudpolicy.Cpe1.*.xml`.

use crate::records::ProblemRecord;
use crate::{Fields, Result};

/// Creates, changes and destroys deployments.
#[zbus::proxy(
    interface = "org.cloudpolicy.Cpe1.Manager",
    default_service = "org.cloudpolicy.Cpe1",
    default_path = "/org/cloudpolicy/cpe1",
    async_name = "CpeManagerProxy"
)]
pub trait CpeManager {
    /// Stores a document and starts its DPE; returns name and generation when it is durably stored.
    fn create_deployment(&self, document: &str, options: Fields) -> Result<(String, u64)>;
    /// Stores the next generation of a document; `expected_generation` 0 is any.
    fn update_deployment(
        &self,
        name: &str,
        expected_generation: u64,
        document: &str,
        options: Fields,
    ) -> Result<u64>;
    /// Destroys a deployment; returns when that is durably marked.
    fn destroy_deployment(&self, name: &str, stop_services: bool) -> Result<()>;
    /// The same, if it is at that generation.
    fn destroy_deployment_at(
        &self,
        name: &str,
        expected_generation: u64,
        stop_services: bool,
    ) -> Result<()>;
    /// Checks a document.
    fn validate_deployment(&self, document: &str) -> Result<(bool, Vec<ProblemRecord>)>;
    /// What would be done ([`cpe_status::Plan`] as JSON), without doing it.
    fn plan_deployment(&self, document: &str) -> Result<String>;
    /// Whether there would be room for every service after a loss ([`cpe_status::RoomReport`] as
    /// JSON), with that document in force.
    fn check_room(&self, document: &str, options: Fields) -> Result<String>;
    /// How the delivery of events stands ([`cpe_status::SinkList`] as JSON), as cpe-notify tells.
    fn list_sinks(&self) -> Result<String>;
    /// Has a dead letter (empty: all of the sink) tried once more; how many are.
    fn redeliver(&self, sink: &str, id: &str) -> Result<u32>;
    /// Confirms that a host is down, with all assemblies whose documents name it: deployment,
    /// assembly and what came of it, for each.
    fn host_failed(&self, host: &str, options: Fields) -> Result<Vec<(String, String, String)>>;
    /// Has this connection speak for a principal (`user:NAME`, `token:ID`, `cert:…`) until it ends;
    /// for delegates. Its roles, each with a pattern of deployments.
    fn assume(&self, principal: &str) -> Result<Vec<(String, String)>>;
    /// All deployments ([`crate::DeploymentEntry`]).
    fn list_deployments(&self) -> Result<Vec<Fields>>;
    /// The CPE's version.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> Result<String>;
}

/// Reads and writes the event log.
#[zbus::proxy(
    interface = "org.cloudpolicy.Cpe1.Events",
    default_service = "org.cloudpolicy.Cpe1",
    default_path = "/org/cloudpolicy/cpe1",
    async_name = "CpeEventsProxy"
)]
pub trait CpeEvents {
    /// Events after a cursor ([`crate::Event`]), oldest first, and the cursor to go on from.
    fn query(&self, after_cursor: u64, limit: u32, filter: Fields) -> Result<(Vec<Fields>, u64)>;
    /// Records an event; idempotent on its id.
    fn record(&self, event: Fields) -> Result<u64>;
    /// The id of the log that the cursors belong to.
    #[zbus(property(emits_changed_signal = "const"))]
    fn log_id(&self) -> Result<String>;
    /// An event was recorded.
    #[zbus(signal)]
    fn recorded(&self, event: Fields) -> zbus::Result<()>;
}

/// Hosts that share deployments, and the store.
#[zbus::proxy(
    interface = "org.cloudpolicy.Cpe1.Hosts",
    default_service = "org.cloudpolicy.Cpe1",
    default_path = "/org/cloudpolicy/cpe1",
    async_name = "CpeHostsProxy"
)]
pub trait CpeHosts {
    /// All hosts ([`cpe_status::HostList`] as JSON).
    fn list(&self) -> Result<String>;
    /// A host with what it owns ([`cpe_status::HostDetails`] as JSON).
    fn get(&self, host: &str) -> Result<String>;
    /// Has a host hand over its deployments and take none.
    fn drain(&self, host: &str) -> Result<()>;
    /// Has a host take deployments.
    fn activate(&self, host: &str) -> Result<()>;
    /// Forgets a host that is gone.
    fn remove(&self, host: &str) -> Result<()>;
    /// Says that a host that is gone is lost.
    fn confirm_lost(&self, host: &str) -> Result<()>;
    /// Hands a deployment over to a host.
    #[zbus(name = "Move")]
    fn move_to(&self, deployment: &str, host: &str) -> Result<()>;
    /// The store ([`cpe_status::StoreStatus`] as JSON).
    fn get_store(&self) -> Result<String>;
    /// Writes a copy of the database to an empty file; how many bytes.
    fn back_up_store(&self, file: zbus::Fd<'_>) -> Result<u64>;
}

/// One deployment, at [`crate::names::deployment_path`].
#[zbus::proxy(
    interface = "org.cloudpolicy.Cpe1.Deployment",
    default_service = "org.cloudpolicy.Cpe1",
    async_name = "CpeDeploymentProxy"
)]
pub trait CpeDeployment {
    /// The document of a generation (0: the current one) and that generation.
    fn get_document(&self, generation: u64) -> Result<(String, u64)>;
    /// The generations that are kept ([`crate::GenerationEntry`]), oldest first.
    fn list_generations(&self) -> Result<Vec<Fields>>;
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
    /// Forgets failures of a service (empty: all) on an assembly (empty: all).
    fn cleanup(&self, service: &str, assembly: &str) -> Result<()>;
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
    fn debug(&self, verb: &str, service: &str, assembly: &str) -> Result<String>;
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
    fn refresh(&self, service: &str, assembly: &str) -> Result<()>;
    /// Has all assemblies keep no services, or ends that.
    fn set_standby_of_all(&self, on: bool) -> Result<()>;
    /// What a clean-up, a refresh, maintenance or its end would bring, and why it would not hold
    /// ([`cpe_status::ServicePlan`] as JSON). `verb`: `cleanup`, `refresh`, `maintenance`.
    /// `options`: `service`, `assembly`, `operation`, `interval_ms`, `on`.
    fn plan_upkeep(&self, verb: &str, options: Fields) -> Result<String>;
    /// Has it done, if it holds; also `standby` (of no assembly: of all). `options` as of
    /// [`Self::plan_upkeep`], and `force`, `fingerprint`.
    fn order_upkeep(&self, verb: &str, options: Fields) -> Result<()>;
    /// What standby of an assembly (empty: of all), or its end, would change
    /// ([`cpe_status::Plan`] as JSON).
    fn plan_standby(&self, assembly: &str, on: bool) -> Result<String>;
    /// Has an assembly keep no services, or ends that.
    fn set_standby(&self, assembly: &str, on: bool) -> Result<()>;
    /// Leaves the services of an assembly (empty: of the whole deployment) alone, or ends that.
    fn set_maintenance(&self, assembly: &str, on: bool) -> Result<()>;
    /// Vouches that an assembly is down.
    fn confirm_fenced(&self, assembly: &str, attempt: &str) -> Result<()>;
    /// Switches the power of an assembly: `off`, `on` or `reboot`.
    fn fence(&self, assembly: &str, action: &str) -> Result<()>;
    /// Gives it to another owner: a principal as `user:NAME`; empty: nobody's. `options`: `group`.
    fn set_owner(&self, owner: &str, options: Fields) -> Result<()>;
    /// Grants a ticket to the deployment: no other site holds it.
    fn grant_ticket(&self, ticket: &str) -> Result<()>;
    /// Takes a ticket from the deployment.
    fn revoke_ticket(&self, ticket: &str) -> Result<()>;
    /// Has what needs a ticket stopped although it may be granted, or ends that.
    fn set_ticket_standby(&self, ticket: &str, on: bool) -> Result<()>;
    /// Gives an assembly an attribute, or the deployment an option.
    fn set_attribute(&self, assembly: &str, lifetime: &str, name: &str, value: &str) -> Result<()>;
    /// Takes it away.
    fn delete_attribute(&self, assembly: &str, lifetime: &str, name: &str) -> Result<()>;
    /// Gives an order ([`crate::orders::Ordered`] as JSON) with an id, a UUID: however often it is
    /// sent, it is done once. What has become of it ([`crate::orders::OrderReport`] as JSON).
    fn give_order(&self, id: &str, order: &str) -> Result<String>;
    /// What has become of an order by now: as of [`Self::give_order`].
    fn get_order(&self, id: &str) -> Result<String>;
    /// The deployment's name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> Result<String>;
    /// The document's uuid.
    #[zbus(property)]
    fn uuid(&self) -> Result<String>;
    /// The stored generation.
    #[zbus(property)]
    fn generation(&self) -> Result<u64>;
    /// The host that owns it; empty: none, or hosts share nothing.
    #[zbus(property(emits_changed_signal = "false"))]
    fn host(&self) -> Result<String>;
    /// Since when that host owns it, microseconds since the Unix epoch; 0: not known.
    #[zbus(property(emits_changed_signal = "false"))]
    fn since(&self) -> Result<u64>;
    /// `stored`, `starting`, `loading`, `active`, `degraded`, `failed` or `destroying`.
    #[zbus(property)]
    fn state(&self) -> Result<String>;
    /// The DPE's process id; 0 if it does not run.
    #[zbus(property)]
    fn dpe_pid(&self) -> Result<u32>;
    /// The DPE's systemd unit.
    #[zbus(property(emits_changed_signal = "const"))]
    fn unit(&self) -> Result<String>;
}
