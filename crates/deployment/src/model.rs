//! What a deployment document says, after every check: the types that the controller, the daemons
//! and the lowering share.
//!
//! All references are resolved, all names are unique, all durations are typed. There are no
//! positions: they matter only while a document is read.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

pub use cpe_status::PeerAddress as Address;
use cpe_status::{Configure, ConfiguredService};
use serde::{Deserialize, Serialize};

use crate::device::{Device, DeviceUse};
use crate::failover;
use crate::live::LiveReference;

/// A checked deployment document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`, unique per host.
    pub name: String,
    /// Lower-case RFC 4122 text, if the document gives one.
    pub uuid: Option<String>,
    /// Free text for people.
    pub description: Option<String>,
    /// Where rules read the clock, by its IANA name. `None`: in the host's zone.
    pub time_zone: Option<String>,
    /// How the assemblies' liveness is observed.
    pub heartbeat: Heartbeat,
    /// In the order of the document. Names are unique.
    pub assemblies: Vec<Assembly>,
    /// Every primitive resource: services in the order of the document (pinned ones with their
    /// assemblies first, then free ones), then the primitives of `<configuration>`. Ids are unique.
    pub services: Vec<Service>,
    /// Groups of the short form, each a range of `services`.
    pub groups: Vec<Group>,
    /// The short forms of constraints, with names resolved to resource ids.
    pub constraints: Vec<Constraint>,
    /// What `<configuration>` holds, verbatim.
    pub raw: RawConfiguration,
    /// Fencing devices of `<configuration>`, in the order of the document. They are among
    /// `services` too.
    pub devices: Vec<Device>,
    /// What depends on tickets, in the order of the document: one for each `<rsc_ticket>`, or for
    /// each set of one.
    pub tickets: Vec<TicketUse>,
    /// Parameters that follow values beyond the document, in the order of the services.
    pub live: Vec<LiveReference>,
    /// The longest time that any stop operation may take: after a lease has ended, stops may still
    /// run for this long.
    pub longest_stop_timeout: Duration,
}

impl Deployment {
    /// Resources that are allowed in one assembly only, with that assembly: services that are in no
    /// group, and groups.
    pub fn pins(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut alone = vec![true; self.services.len()];
        for group in &self.groups {
            alone[group.members.clone()].fill(false);
        }
        let services = self.services.iter().zip(alone);
        let services = services.filter_map(|(service, alone)| alone.then_some(service));
        let services = services.map(|service| (&service.id, &service.assembly));
        let groups = self.groups.iter();
        let groups = groups.map(|group| (&group.id, &group.assembly));
        let pins = services.chain(groups);
        pins.filter_map(|(id, assembly)| Some((id.as_str(), assembly.as_deref()?)))
    }

    /// What guests run before services start, in the order of the document.
    pub fn configured(&self) -> Vec<ConfiguredService> {
        let services = self.services.iter();
        let told = services.filter_map(|service| {
            Some(ConfiguredService {
                service: service.id.clone(),
                program: service.configure.as_ref()?.to_string(),
            })
        });
        told.collect()
    }

    /// The assembly of that name.
    pub fn assembly(&self, name: &str) -> Option<&Assembly> {
        self.assemblies
            .iter()
            .find(|assembly| assembly.name == name)
    }

    /// The service whose resource has that id. Instances of clones (`web:0`) are found by their id
    /// without suffix.
    pub fn service(&self, id: &str) -> Option<&Service> {
        let base = id.split_once(':').map_or(id, |(base, _)| base);
        self.services.iter().find(|service| service.id == base)
    }

    /// How much the policy engine has to weigh, and so what a decision costs in memory, at worst
    /// about 2.5 kB each: every service in every assembly. An instance of a clone costs a tenth of
    /// a service, since instances that cannot be told apart share most of what is known about them;
    /// if they can be told apart, each counts as a service.
    pub fn placements(&self) -> u64 {
        let assemblies = u64::try_from(self.assemblies.len()).unwrap_or(u64::MAX);
        let tenths = self.services.iter().map(|service| {
            if let Some(raw) = self.raw.instances.get(&service.id) {
                return match raw.unique {
                    true if raw.count == 0 => assemblies.saturating_mul(10),
                    true => raw.count.saturating_mul(10),
                    false => raw.count.max(assemblies).saturating_add(10),
                };
            }
            match service.instances {
                None => 10,
                Some(Instances::Count(count)) => 10 + u64::from(count),
                Some(Instances::All) => assemblies.saturating_add(10),
            }
        });
        let tenths = tenths.fold(0, u64::saturating_add);
        tenths.saturating_mul(assemblies) / 10
    }
}

/// How the liveness of assemblies is observed. `interval < timeout <= lease`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// An agent sends a heartbeat this often.
    pub interval: Duration,
    /// An assembly that was silent for this long is lost.
    pub timeout: Duration,
    /// An agent that got no answer for this long stops its services by itself (fencing mode
    /// `lease`).
    pub lease: Duration,
    /// How long that stopping in order may take; then the agent kills what is left and resets its
    /// guest.
    pub grace: Duration,
}

impl Heartbeat {
    /// How long after its last heartbeat an assembly of fencing mode `lease` is safe at the latest.
    pub fn safe_after(&self) -> Duration {
        failover::safe_after(self.lease, self.grace)
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            lease: Duration::from_secs(10),
            grace: Duration::from_secs(5),
        }
    }
}

/// One guest; a node to the policy engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembly {
    /// Also the id and the name of the policy engine's node.
    pub name: String,
    /// Lower-case RFC 4122 text, unique in the document, if the document gives one.
    pub uuid: Option<String>,
    /// Where its agent listens. `None`: the assembly cannot be reached, and the reader warned about
    /// it.
    pub address: Option<Address>,
    /// The host that it runs on, by the cloud manager's name: who is confirmed to be down when that
    /// host is.
    pub host: Option<String>,
    /// How it is made safe when it is lost.
    pub fencing: Fencing,
    /// Fencing devices that let it in again when its guest has booted, in the document's order.
    pub unfenced_by: Vec<DeviceUse>,
    /// How many of its failures, within which period, fail the whole deployment.
    pub escalation: Option<Escalation>,
    /// What it offers, by kind (`cpu`, `memory`, …): the node's utilization attributes.
    pub capacity: BTreeMap<String, u32>,
    /// The node's attributes, for rules, references and people.
    pub attributes: BTreeMap<String, String>,
}

/// How a lost assembly is made safe before its services start elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fencing {
    /// By what it is made safe.
    pub mode: FencingMode,
    /// How long one fencing operation may take. `None`: the controller's default.
    pub timeout: Option<Duration>,
    /// The assembly's own `<fencing>` says it.
    pub is_own: bool,
}

impl Default for Fencing {
    fn default() -> Self {
        Fencing {
            mode: FencingMode::Lease,
            timeout: None,
            is_own: false,
        }
    }
}

/// How the DPE knows that an assembly is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FencingMode {
    /// The agent stops its services by itself when its lease ends; the DPE waits for that.
    Lease,
    /// A ClusterLabs fence agent is run.
    Agent {
        /// `fence_…`, the name of the program.
        agent: String,
        /// Its options, in the order of the document, references resolved.
        parameters: Vec<Parameter>,
    },
    /// The assembly is this unit of the host's service manager, stopped and started.
    Unit {
        /// With its suffix, `….service` or `….scope`.
        unit: String,
    },
    /// The fencing devices of `<configuration>` that may be for it: levels in the order in which
    /// they are tried, until all devices of one have succeeded.
    Devices(Vec<Vec<DeviceUse>>),
    /// The cloud manager does it, and says so with ConfirmFenced.
    Manager,
    /// A lost heartbeat counts as down. Unsafe.
    None,
}

impl FencingMode {
    /// The word of the document: `lease`, `agent`, `unit`, `manager`, `none`; `devices` where the
    /// devices of `<configuration>` do it.
    pub fn as_str(&self) -> &'static str {
        match self {
            FencingMode::Lease => "lease",
            FencingMode::Agent { .. } => "agent",
            FencingMode::Unit { .. } => "unit",
            FencingMode::Devices(_) => "devices",
            FencingMode::Manager => "manager",
            FencingMode::None => "none",
        }
    }
}

/// This many failures within this period fail the next higher level: a service its assembly, an
/// assembly its deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escalation {
    /// At least 1.
    pub failures: u32,
    /// Greater than zero.
    pub period: Duration,
}

/// One primitive resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The resource's id in the configuration, and what status, events and commands call it: the
    /// name, or `NAME-ASSEMBLY` if services of several assemblies have this name. Unique in the
    /// deployment.
    pub id: String,
    /// As the document says.
    pub name: String,
    /// Whether the document describes it in the short form.
    pub origin: Origin,
    /// The assembly that it is pinned to; `None`: it may run in any, and moves.
    pub assembly: Option<String>,
    /// What controls it.
    pub agent: Agent,
    /// Instance attributes, in the order of the document, references resolved. Empty for primitives
    /// of `<configuration>`.
    pub parameters: Vec<Parameter>,
    /// What its guest runs before it starts.
    pub configure: Option<Configure>,
    /// Time between two monitors; `None`: not monitored.
    pub monitor_interval: Option<Duration>,
    /// How long a monitor may take; `None`: Pacemaker's default, 20 s. The same holds for the next
    /// two.
    pub monitor_timeout: Option<Duration>,
    /// How long its start may take.
    pub start_timeout: Option<Duration>,
    /// How long its stop may take.
    pub stop_timeout: Option<Duration>,
    /// What happens when its start or monitor fails; `None`: it is restarted.
    pub on_fail: Option<OnFail>,
    /// How many of its failures, within which period, fail the assembly that it runs in.
    pub escalation: Option<Escalation>,
    /// Number of failures after which it leaves the assembly.
    pub migration_threshold: Option<u32>,
    /// Time after which its failures are forgotten.
    pub failure_timeout: Option<Duration>,
    /// Services of higher priority are placed first; `None`: 0.
    pub priority: Option<Score>,
    /// How much it prefers to stay where it runs; `None`: the default of the configuration.
    pub stickiness: Option<Score>,
    /// `false`: kept stopped.
    pub enabled: bool,
    /// How many instances run at a time, each in another assembly; `None`: one. For services of
    /// `<configuration>`: `All` in a clone or bundle.
    pub instances: Option<Instances>,
    /// What it uses of an assembly's capacity.
    pub utilization: BTreeMap<String, u32>,
}

/// Where a service is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A `<service>`.
    Service,
    /// A `<primitive>` of `<configuration>`: only the policy engine knows more than `id` and
    /// `agent`.
    Configuration,
}

/// Services that run together, started in order and stopped in reverse order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's id in the configuration.
    pub id: String,
    /// The assembly that all its services are pinned to, if any.
    pub assembly: Option<String>,
    /// How many instances of the whole group run at a time; `None`: one.
    pub instances: Option<Instances>,
    /// Indices of its services in [`Deployment::services`]; never empty.
    pub members: Range<usize>,
}

/// How many instances of a service or group run at a time, at most one in an assembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instances {
    /// One in every assembly that is allowed.
    All,
    /// This many, at least 1.
    Count(u32),
}

/// The id that a service or group of this id and number of instances has among the policy engine's
/// resources: of the clone, where there is one.
pub(crate) fn resource_id(id: &str, instances: Option<Instances>) -> String {
    match instances {
        Some(_) => format!("{id}-clone"),
        None => id.to_owned(),
    }
}

/// The resource agent that controls a service, e.g. `ocf:heartbeat:nginx`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Agent {
    /// `ocf`, `lsb`, `systemd`, `service`; in `<configuration>` also other classes of Pacemaker.
    pub class: String,
    /// Class `ocf` only.
    pub provider: Option<String>,
    /// The agent's name. Empty for a primitive of `<configuration>` whose template could not say.
    pub kind: String,
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{}:{}:{}", self.class, provider, self.kind),
            None => write!(f, "{}:{}", self.class, self.kind),
        }
    }
}

/// A name with its resolved value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// As the document says.
    pub name: String,
    /// The text, or the text that a reference leads to. Of one that leads beyond the document: what
    /// counts until there is a value; empty if nothing does.
    pub value: String,
    /// The value is for nobody but who may read the document: it says so, its name does, or that of
    /// what it refers to.
    pub secret: bool,
}

/// What happens when an operation of a service fails. Pacemaker Explained, "Operation Properties".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFail {
    /// The failure is recorded, nothing else.
    Ignore,
    /// Nothing is done with the service until a person has cleaned up.
    Block,
    /// It is stopped and stays so.
    Stop,
    /// It is stopped and started, perhaps elsewhere.
    Restart,
    /// Its assembly gives up all its services.
    Standby,
    /// Its assembly is fenced.
    Fence,
}

impl OnFail {
    /// Pacemaker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            OnFail::Ignore => "ignore",
            OnFail::Block => "block",
            OnFail::Stop => "stop",
            OnFail::Restart => "restart",
            OnFail::Standby => "standby",
            OnFail::Fence => "fence",
        }
    }
}

/// One of Pacemaker's scores: within ±1000000, where the ends mean infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(pub i32);

impl Score {
    /// Must, or as much as possible.
    pub const INFINITY: Score = Score(1_000_000);
    /// Must not.
    pub const NEG_INFINITY: Score = Score(-1_000_000);
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self >= Score::INFINITY {
            f.write_str("INFINITY")
        } else if *self <= Score::NEG_INFINITY {
            f.write_str("-INFINITY")
        } else {
            self.0.fmt(f)
        }
    }
}

/// A rule between resources, or between a resource and an assembly. The strings are ids in the
/// configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// `<service_dependency>`: `then` starts after `first` and stops before it.
    Order {
        /// What starts first and stops last.
        first: String,
        /// What starts then.
        then: String,
        /// How strictly.
        kind: OrderKind,
    },
    /// `<colocation>`, `<together>`, `<separate>`: `resource` is placed with (or, if the score is
    /// negative, away from) `with`.
    Colocation {
        /// What is placed second (Pacemaker's *dependent*).
        resource: String,
        /// What is placed first (Pacemaker's *primary*).
        with: String,
        /// How much, as in [`Score`].
        score: i32,
    },
    /// `<location>`: `resource` prefers (or, if the score is negative, avoids) the assembly.
    Location {
        /// What is placed.
        resource: String,
        /// Where.
        assembly: String,
        /// How much, as in [`Score`].
        score: i32,
    },
}

/// Pacemaker Explained, "Ordering Properties".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderKind {
    /// `then` cannot run without `first`.
    Mandatory,
    /// Only if both start, or both stop, in one transition.
    Optional,
    /// Never at the same time, in either order.
    Serialize,
}

impl OrderKind {
    /// Pacemaker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderKind::Mandatory => "Mandatory",
            OrderKind::Optional => "Optional",
            OrderKind::Serialize => "Serialize",
        }
    }
}

/// Services that run, or are promoted, only while a ticket is granted (scheduler-spec/03 §6).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TicketUse {
    /// The ticket.
    pub ticket: String,
    /// Id of the `<rsc_ticket>`.
    pub constraint: String,
    /// Ids of the services, those of groups, clones, tags and templates one by one. Of many only
    /// the first are named.
    pub services: Vec<String>,
    /// How many more there are.
    pub more: usize,
    /// The role that needs the ticket; empty: any.
    pub role: String,
    /// What becomes of them without it: `stop`, `demote`, `freeze` or `fence`.
    pub loss_policy: String,
}

/// The sections of the document's `<configuration>`: for each, its child elements as XML text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawConfiguration {
    /// Options of the cluster.
    pub crm_config: String,
    /// Primitives, templates, groups, clones, bundles.
    pub resources: String,
    /// Locations, colocations, orders, tickets.
    pub constraints: String,
    /// Defaults of meta attributes.
    pub rsc_defaults: String,
    /// Defaults of operations.
    pub op_defaults: String,
    /// Names for several objects.
    pub tags: String,
    /// Of the primitives in clones and bundles, by id: how many instances they ask for.
    pub instances: BTreeMap<String, RawInstances>,
}

/// The instances of a primitive in a clone or bundle of `<configuration>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawInstances {
    /// The highest number that is said; 0 if none is (then it is one for each assembly).
    pub count: u64,
    /// Whether the instances can be told apart, so that each is looked for in every assembly.
    pub unique: bool,
}
