//! What the controller takes from a deployment document.
//!
//! The document's model belongs to crate `deployment`; here is only what the controller decides by,
//! in its units, and in a form that can be saved (an assembly that left the document must still be
//! made safe by the means that the document gave it, and so must one whose document a later version
//! does not read).

use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{ConfiguredService, ResourceStatus};
use deployment::{
    Configure, Device, DeviceUse, GuestSecret, LiveReference, TicketUse, only_cuts_off,
};
use serde::{Deserialize, Serialize};

use super::effect::FenceDevice;
use super::ids::{AssemblyId, ServiceId};
use super::tree::tree_and_options;

/// A deployment as the controller sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Spec {
    pub name: String,
    pub uuid: String,
    pub heartbeat_interval_ms: u32,
    pub heartbeat_timeout_ms: u32,
    pub lease_ms: u32,
    /// How long an agent may take to stop services in order after its lease.
    pub grace_ms: u32,
    /// The longest time that any stop may take.
    pub stop_timeout_ms: u32,
    /// In the document's order.
    pub order: Vec<AssemblyId>,
    pub assemblies: BTreeMap<AssemblyId, AssemblySpec>,
    /// In the document's order.
    pub services: Vec<ServiceSpec>,
    /// `<configuration>` for the policy engine.
    pub configuration: String,
    /// Resources of the configuration that run in one assembly or nowhere, with that assembly.
    pub pins: Vec<(String, AssemblyId)>,
    /// Fencing devices of the configuration.
    pub devices: Vec<Device>,
    /// What depends on tickets, in the document's order.
    pub tickets: Vec<TicketUse>,
    /// Parameters that follow values beyond the document, in the order of the services.
    pub live: Vec<LiveReference>,
    /// The services as a tree, as far as the document says it.
    pub resources: Vec<ResourceStatus>,
    /// Cluster options of the configuration, by name; those whose sets have rules left out.
    pub options: BTreeMap<String, String>,
    /// Attributes that the document gives assemblies.
    pub attributes: BTreeMap<AssemblyId, BTreeMap<String, String>>,
}

/// An assembly as the controller sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AssemblySpec {
    pub uuid: String,
    pub address: Option<String>,
    /// The host that it runs on, by the cloud manager's name; empty: not said.
    pub host: String,
    pub fencing: Fencing,
    pub fencing_timeout_ms: u32,
    /// Devices that let it in again when its guest has booted.
    pub unfenced_by: Vec<DeviceUse>,
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
    /// The shell does it, with devices of the configuration: level by level, until all devices of
    /// one have succeeded.
    Devices(Vec<Vec<DeviceUse>>),
    /// The cloud manager does it.
    Manager,
    /// Nobody does it: a lost heartbeat counts as down.
    None,
}

impl Fencing {
    /// Its guest may have to end what runs there by itself: it holds a lease.
    pub(crate) fn needs_lease(&self) -> bool {
        match self {
            Fencing::Lease => true,
            Fencing::Devices(levels) => levels.iter().any(|level| only_cuts_off(level)),
            _ => false,
        }
    }

    /// It has a device that can switch its power off, and on.
    pub(crate) fn switches_power(&self) -> bool {
        match self {
            Fencing::Device(_) => true,
            Fencing::Devices(levels) => levels.iter().any(|level| !only_cuts_off(level)),
            _ => false,
        }
    }

    /// Nothing but the end of its lease makes it safe, also after a device has cut it off.
    pub(crate) fn has_only_lease(&self) -> bool {
        match self {
            Fencing::Devices(levels) => levels.iter().all(|level| only_cuts_off(level)),
            other => *other == Fencing::Lease,
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Fencing::Lease => "lease",
            Fencing::Device(FenceDevice::Unit { .. }) => "unit",
            Fencing::Device(FenceDevice::Agent { .. }) => "agent",
            Fencing::Device(FenceDevice::Level(_)) | Fencing::Devices(_) => "devices",
            Fencing::Manager => "manager",
            Fencing::None => "none",
        }
    }
}

/// The number of failures within a period that fails the next higher level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Escalation {
    pub failures: u32,
    pub period_us: u64,
}

/// How often a service may run at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Copies {
    One,
    Several,
}

/// A service as the controller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceSpec {
    pub id: ServiceId,
    pub agent: String,
    pub escalation: Option<Escalation>,
    pub copies: Copies,
    /// What its guest runs before it starts.
    pub configure: Option<Configure>,
    /// The parameters whose values are secret; `None`: those whose names say so.
    #[serde(default)]
    pub secrets: Option<BTreeSet<String>>,
    /// Its guest has values of it.
    #[serde(default)]
    pub reads_guest: bool,
}

impl Spec {
    /// From a checked document.
    pub(crate) fn new(deployment: &deployment::Deployment) -> Spec {
        let assemblies: BTreeMap<_, _> = deployment
            .assemblies
            .iter()
            .map(|assembly| (assembly.name.as_str().into(), AssemblySpec::new(assembly)))
            .collect();
        // It is shown to people, and kept for them.
        let configuration = deployment.configuration_without_secrets();
        let (resources, options) = tree_and_options(&configuration);
        Spec {
            name: deployment.name.clone(),
            uuid: deployment.uuid.clone().unwrap_or_default(),
            heartbeat_interval_ms: millis(deployment.heartbeat.interval),
            heartbeat_timeout_ms: millis(deployment.heartbeat.timeout),
            lease_ms: millis(deployment.heartbeat.lease),
            grace_ms: millis(deployment.heartbeat.grace),
            stop_timeout_ms: millis(deployment.longest_stop_timeout),
            order: deployment
                .assemblies
                .iter()
                .map(|assembly| assembly.name.as_str().into())
                .collect(),
            assemblies,
            services: services(deployment),
            resources,
            options,
            attributes: attributes(deployment),
            configuration,
            pins: deployment
                .pins()
                .map(|(resource, assembly)| (resource.to_owned(), assembly.into()))
                .collect(),
            devices: deployment.devices.clone(),
            tickets: deployment.tickets.clone(),
            live: deployment.live.clone(),
        }
    }

    /// The fencing device of that id.
    pub(crate) fn device(&self, id: &ServiceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id.as_str())
    }

    /// What guests run before services start.
    pub(crate) fn configured(&self) -> Vec<ConfiguredService> {
        let services = self.services.iter();
        let told = services.filter_map(|service| {
            Some(ConfiguredService {
                service: service.id.to_string(),
                program: service.configure.as_ref()?.to_string(),
            })
        });
        told.collect()
    }

    /// The service of that id.
    pub(crate) fn service(&self, id: &ServiceId) -> Option<&ServiceSpec> {
        self.services.iter().find(|service| service.id == *id)
    }
}

impl AssemblySpec {
    fn new(assembly: &deployment::Assembly) -> AssemblySpec {
        use deployment::FencingMode;
        let fencing = match &assembly.fencing.mode {
            FencingMode::Lease => Fencing::Lease,
            FencingMode::Unit { unit } => Fencing::Device(FenceDevice::Unit { unit: unit.clone() }),
            FencingMode::Agent { agent, parameters } => Fencing::Device(FenceDevice::Agent {
                agent: agent.clone(),
                parameters: parameters
                    .iter()
                    .map(|p| (p.name.clone(), p.value.clone()))
                    .collect(),
                marked: names_of_secrets(parameters),
            }),
            FencingMode::Devices(levels) => Fencing::Devices(levels.clone()),
            FencingMode::Manager => Fencing::Manager,
            FencingMode::None => Fencing::None,
        };
        AssemblySpec {
            uuid: assembly.uuid.clone().unwrap_or_default(),
            address: assembly.address.as_ref().map(ToString::to_string),
            host: assembly.host.clone().unwrap_or_default(),
            fencing,
            fencing_timeout_ms: assembly.fencing.timeout.map_or(FENCING_TIMEOUT_MS, millis),
            unfenced_by: assembly.unfenced_by.clone(),
            escalation: assembly.escalation.as_ref().map(Escalation::new),
        }
    }
}

fn attributes(
    deployment: &deployment::Deployment,
) -> BTreeMap<AssemblyId, BTreeMap<String, String>> {
    let assemblies = deployment.assemblies.iter();
    let with = assemblies.filter(|own| !own.attributes.is_empty());
    with.map(|own| (own.name.as_str().into(), own.attributes.clone()))
        .collect()
}

fn services(deployment: &deployment::Deployment) -> Vec<ServiceSpec> {
    let mut services: Vec<ServiceSpec> = deployment.services.iter().map(ServiceSpec::new).collect();
    let groups = deployment.groups.iter();
    for group in groups.filter(|group| group.instances.is_some()) {
        let members = services.get_mut(group.members.clone());
        for member in members.into_iter().flatten() {
            member.copies = Copies::Several;
        }
    }
    services
}

impl ServiceSpec {
    fn new(service: &deployment::Service) -> ServiceSpec {
        ServiceSpec {
            id: service.id.as_str().into(),
            agent: service.agent.to_string(),
            escalation: service.escalation.as_ref().map(Escalation::new),
            configure: service.configure.clone(),
            secrets: secrets(service),
            reads_guest: service
                .parameters
                .iter()
                .any(|it| GuestSecret::of_value(&it.value).is_some()),
            copies: if service.instances.is_some() {
                Copies::Several
            } else {
                Copies::One
            },
        }
    }
}

/// Of a service of `<configuration>`, only the policy engine knows the parameters.
fn secrets(service: &deployment::Service) -> Option<BTreeSet<String>> {
    let is_short = service.origin == deployment::Origin::Service;
    is_short.then(|| names_of_secrets(&service.parameters))
}

fn names_of_secrets(parameters: &[deployment::Parameter]) -> BTreeSet<String> {
    let secret = parameters.iter().filter(|own| own.secret);
    secret.map(|own| own.name.clone()).collect()
}

impl Escalation {
    fn new(escalation: &deployment::Escalation) -> Escalation {
        Escalation {
            failures: escalation.failures,
            period_us: u64::from(millis(escalation.period)) * super::time::MS,
        }
    }
}

/// How long one fencing operation may take, unless the document says otherwise. Milliseconds.
const FENCING_TIMEOUT_MS: u32 = 60_000;

fn millis(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
