//! The numbers of Pacemaker's exporter (ClusterLabs' `ha_cluster_exporter`, as it documents them),
//! for dashboards and alerts that are there. They have one more label, the deployment.
//!
//! There, and only there, a resource's series has the node that it is on: that is what those
//! dashboards show.

use std::collections::BTreeMap;
use std::fmt;

use cpe_status::{
    AssemblyState, AssemblyStatus, DeploymentStatus, INFINITE_FAILURES, ResourceKind,
    ResourceStatus, ServiceState, ServiceStatus,
};

use super::deployment::answers;
use super::facts::Facts;
use super::families::Families;
use super::process::left_out;
use super::selection::fitting;

/// All that a node may be. Those that this system does not have are always 0.
const NODE: [&str; 9] = [
    "online",
    "standby",
    "standby_onfail",
    "maintenance",
    "pending",
    "unclean",
    "shutdown",
    "expected_up",
    "dc",
];
/// All that a resource may be.
const RESOURCE: [&str; 5] = ["active", "orphaned", "blocked", "failed", "failure_ignored"];

/// A deployment, and where its services are in its tree.
struct Told<'f> {
    name: &'f str,
    status: &'f DeploymentStatus,
    /// The group and the clone of each service.
    nests: BTreeMap<&'f str, (&'f str, &'f str)>,
    fail_counts: BTreeMap<(&'f str, &'f str), u32>,
}

/// Writes all of them.
pub(super) fn write(facts: &Facts, families: &mut Families<'_>) -> fmt::Result {
    let (all, dropped) = fitting(facts, of_deployment);
    nodes(&all, families)?;
    resources(&all, families)?;
    failures(&all, families)?;
    left_out(dropped, families)
}

fn nodes(all: &[Told<'_>], families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "ha_cluster_pacemaker_nodes",
        "Whether an assembly is in that status, as a node of a cluster (0 or 1)",
        |series| {
            for own in all {
                for node in &own.status.assemblies {
                    for status in NODE {
                        let labels = [
                            ("deployment", own.name),
                            ("node", &node.name),
                            ("type", "member"),
                            ("status", status),
                        ];
                        series.gauge(labels, u32::from(node_is(node, status)))?;
                    }
                }
            }
            Ok(())
        },
    )
}

fn resources(all: &[Told<'_>], families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "ha_cluster_pacemaker_resources",
        "Whether an instance of a service is in that status, as a resource of a cluster (0 or 1)",
        |series| {
            for own in all {
                let resources = own.status.services.iter();
                for instance in resources {
                    let (group, clone) = nest(own, instance);
                    let managed = instance.state != ServiceState::Unmanaged;
                    for status in RESOURCE {
                        let labels = [
                            ("deployment", own.name),
                            ("node", &instance.assembly),
                            ("resource", &instance.service),
                            ("role", role(instance)),
                            ("managed", if managed { "true" } else { "false" }),
                            ("status", status),
                            ("agent", &instance.agent),
                            ("group", group),
                            ("clone", clone),
                        ];
                        series.gauge(labels, u32::from(resource_is(own, instance, status)))?;
                    }
                }
            }
            Ok(())
        },
    )
}

fn failures(all: &[Told<'_>], families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "ha_cluster_pacemaker_fail_count",
        "The fail count of an instance of a service in an assembly",
        |series| {
            for own in all {
                for ((resource, node), count) in &own.fail_counts {
                    let labels = [
                        ("deployment", own.name),
                        ("node", node),
                        ("resource", resource),
                    ];
                    let count = match *count {
                        INFINITE_FAILURES.. => f64::INFINITY,
                        count => f64::from(count),
                    };
                    series.gauge(labels, count)?;
                }
            }
            Ok(())
        },
    )
}

/// A deployment, and how many series it has.
fn of_deployment<'f>(name: &'f str, status: &'f DeploymentStatus) -> (Told<'f>, usize) {
    let fail_counts = fail_counts(status);
    let series = NODE.len() * status.assemblies.len()
        + RESOURCE.len() * status.services.len()
        + fail_counts.len();
    let mut nests = BTreeMap::new();
    enter(&status.resources, "", "", &mut nests);
    let own = Told {
        name,
        status,
        nests,
        fail_counts,
    };
    (own, series)
}

/// Finds the group and the clone of each service below.
fn enter<'f>(
    parts: &'f [ResourceStatus],
    group: &'f str,
    clone: &'f str,
    nests: &mut BTreeMap<&'f str, (&'f str, &'f str)>,
) {
    for part in parts {
        let (group, clone) = match part.kind {
            ResourceKind::Group => (part.name.as_str(), clone),
            ResourceKind::Clone | ResourceKind::Bundle => (group, part.name.as_str()),
            _ => (group, clone),
        };
        if part.kind == ResourceKind::Service {
            nests.insert(&part.name, (group, clone));
        }
        enter(&part.members, group, clone, nests);
    }
}

fn nest<'f>(own: &Told<'f>, instance: &ServiceStatus) -> (&'f str, &'f str) {
    let found = own.nests.get(instance.service.as_str());
    found.copied().unwrap_or_default()
}

fn fail_counts(status: &DeploymentStatus) -> BTreeMap<(&str, &str), u32> {
    let mut counts: BTreeMap<_, u32> = BTreeMap::new();
    for failure in &status.failures {
        let place = (failure.service.as_str(), failure.assembly.as_str());
        let count = counts.entry(place).or_default();
        *count = count.saturating_add(failure.count).min(INFINITE_FAILURES);
    }
    counts
}

fn node_is(node: &AssemblyStatus, status: &str) -> bool {
    use AssemblyState::{Fencing, Leaving, Lost, Occupied, Offline, Unknown};
    match status {
        "online" => answers(node.state),
        "standby" => node.standby,
        "maintenance" => node.maintenance,
        // Nobody knows what runs there.
        "unclean" => matches!(node.state, Lost | Fencing | Unknown),
        "pending" => matches!(node.state, Unknown),
        "shutdown" => matches!(node.state, Leaving),
        "expected_up" => !matches!(node.state, Offline | Leaving | Occupied),
        _ => false,
    }
}

fn role(instance: &ServiceStatus) -> &'static str {
    match instance.state {
        ServiceState::Promoted => "master",
        ServiceState::Starting => "starting",
        ServiceState::Stopping => "stopping",
        _ if instance.role == cpe_status::ServiceRole::Promoted => "master",
        _ if !instance.assembly.is_empty() => "started",
        _ => "stopped",
    }
}

fn resource_is(own: &Told<'_>, instance: &ServiceStatus, word: &str) -> bool {
    match word {
        "active" => !instance.assembly.is_empty(),
        "blocked" => instance.state == ServiceState::Blocked,
        "failed" => instance.state == ServiceState::Failed,
        // It still runs, and the document does not have it any more.
        "orphaned" => !own.nests.contains_key(instance.service.as_str()),
        _ => false,
    }
}
