//! `cpectl status --check`: whether all is well, for scripts and monitoring.
//!
//! All is well if the deployment is active and not in maintenance, its assemblies are online or in
//! standby, its services run as the last decision wants them, and no failure counts.

use cpe_status::{DeploymentState, DeploymentStatus, ResourceStatus, ServiceState};
use serde_json::json;

use super::{NO_DEPLOYMENTS, Seen, tree};
use crate::failure::{Failure, Kind};
use crate::output::Output;

pub(super) fn run(seen: &Seen, output: &Output) -> Result<(), Failure> {
    if seen.is_empty() && !output.json {
        output.line(NO_DEPLOYMENTS);
        return Ok(());
    }
    let all = seen.statuses().iter();
    let checked: Vec<(&str, Vec<String>)> = all
        .map(|status| (status.name.as_str(), complaints(status)))
        .collect();
    if output.json {
        let rows = checked.iter().map(|(name, complaints)| {
            json!({ "name": name, "well": complaints.is_empty(), "complaints": complaints })
        });
        let rows: Vec<serde_json::Value> = rows.collect();
        match (seen, rows.first()) {
            (Seen::One(..), Some(row)) => output.json(row)?,
            _ => output.json(&rows)?,
        }
    } else {
        for (name, complaints) in &checked {
            match complaints.is_empty() {
                true => output.line(format!("{name}: all is well")),
                false => output.line(format!("{name}: not well")),
            }
            for complaint in complaints {
                output.line(format!("  {complaint}"));
            }
        }
    }
    let unwell = checked.iter().filter(|(_, found)| !found.is_empty());
    let names: Vec<&str> = unwell.map(|(name, _)| *name).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(
            Kind::NotWell,
            format!("not well: {}", names.join(", ")),
        )),
    }
}

/// All that is not well, each in a line.
fn complaints(status: &DeploymentStatus) -> Vec<String> {
    let mut complaints = Vec::new();
    if status.state != DeploymentState::Active {
        complaints.push(format!("it is {}: {}", status.state, status.summary));
    }
    if status.maintenance {
        complaints.push("it is in maintenance: nothing is recovered".to_owned());
    }
    for assembly in &status.assemblies {
        let name = &assembly.name;
        if !assembly.state.is_online() {
            let reason = because(&assembly.reason);
            complaints.push(format!("assembly {name} is {}{reason}", assembly.state));
        } else if assembly.maintenance && !status.maintenance {
            complaints.push(format!("assembly {name} is in maintenance"));
        }
    }
    complaints.extend(of_services(status));
    for failure in status.failures.iter().filter(|it| it.count > 0) {
        complaints.push(format!(
            "{} of {} on {} failed: {}",
            failure.operation, failure.service, failure.assembly, failure.reason
        ));
    }
    for problem in &status.problems {
        let is_told = complaints
            .iter()
            .any(|told| told.contains(problem.as_str()));
        if !is_told {
            complaints.push(problem.clone());
        }
    }
    complaints
}

fn of_services(status: &DeploymentStatus) -> Vec<String> {
    let mut complaints = Vec::new();
    for service in &status.services {
        let (name, reason) = (&service.name, because(&service.reason));
        let place = match service.assembly.as_str() {
            "" => String::new(),
            assembly => format!(" on {assembly}"),
        };
        match service.state {
            ServiceState::Started
            | ServiceState::Promoted
            | ServiceState::Unmanaged
            | ServiceState::Stopped => {}
            state => complaints.push(format!("service {name} is {state}{place}{reason}")),
        }
    }
    let by_service = tree::by_service(&status.services);
    let all = status.resources.iter().flat_map(ResourceStatus::all);
    for leaf in all.filter(|leaf| leaf.members.is_empty() && leaf.enabled) {
        let own = by_service.get(leaf.name.as_str());
        let own = own.map(Vec::as_slice).unwrap_or_default();
        let count = |is_so: fn(&cpe_status::ServiceStatus) -> bool| {
            let some = own.iter().filter(|service| is_so(service)).count();
            u32::try_from(some).unwrap_or(u32::MAX)
        };
        let (name, running) = (&leaf.name, count(|service| service.state.runs()));
        let is_told = own
            .iter()
            .any(|it| !it.state.runs() && it.state != ServiceState::Stopped);
        if running < leaf.wanted && !is_told {
            let wanted = leaf.wanted;
            complaints.push(format!(
                "service {name}: {running} of {wanted} instances run"
            ));
        } else if running == 0 && leaf.wanted == 0 && leaf.instances > 0 && !is_told {
            complaints.push(format!("service {name} can run nowhere"));
        }
        let promoted = count(|service| service.role == cpe_status::ServiceRole::Promoted);
        if promoted < leaf.promoted && running >= leaf.wanted {
            let wanted = leaf.promoted;
            complaints.push(format!(
                "service {name}: {promoted} of {wanted} instances are promoted"
            ));
        }
    }
    for service in tree::left_over(status) {
        complaints.push(format!(
            "service {} runs on {}, and the document does not have it",
            service.name, service.assembly
        ));
    }
    complaints
}

fn because(reason: &str) -> String {
    match reason {
        "" => String::new(),
        reason => format!(": {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use cpe_status::{
        AssemblyState, AssemblyStatus, FailureStatus, ResourceKind, ServiceRole, ServiceStatus,
    };

    use super::*;

    /// A service that is to run and does, in one assembly.
    fn well() -> DeploymentStatus {
        DeploymentStatus {
            name: "shop".into(),
            state: DeploymentState::Active,
            assemblies: vec![AssemblyStatus {
                name: "web1".into(),
                state: AssemblyState::Online,
                ..AssemblyStatus::default()
            }],
            services: vec![ServiceStatus {
                name: "web".into(),
                service: "web".into(),
                assembly: "web1".into(),
                state: ServiceState::Started,
                role: ServiceRole::Started,
                ..ServiceStatus::default()
            }],
            resources: vec![ResourceStatus {
                name: "web".into(),
                kind: ResourceKind::Service,
                instances: 1,
                enabled: true,
                wanted: 1,
                ..ResourceStatus::default()
            }],
            ..DeploymentStatus::default()
        }
    }

    #[track_caller]
    fn complains(change: impl Fn(&mut DeploymentStatus), expected: &str) {
        let mut status = well();
        change(&mut status);
        assert_eq!(complaints(&status), [expected]);
    }

    #[test]
    fn all_is_well_where_everything_is_as_it_was_ordered() {
        assert_eq!(complaints(&well()), [""; 0]);
        let mut standby = well();
        standby.assemblies[0].state = AssemblyState::Standby;
        assert_eq!(complaints(&standby), [""; 0]);
        let mut disabled = well();
        disabled.services[0].state = ServiceState::Stopped;
        (disabled.resources[0].enabled, disabled.resources[0].wanted) = (false, 0);
        assert_eq!(complaints(&disabled), [""; 0]);
        let mut ignored = well();
        ignored.failures.push(FailureStatus::default());
        assert_eq!(
            complaints(&ignored),
            [""; 0],
            "on-fail=ignore counts nothing"
        );
    }

    #[test]
    fn what_is_not_well_is_named() {
        complains(
            |status| {
                status.state = DeploymentState::Starting;
                status.summary = "its DPE is being started".into();
            },
            "it is starting: its DPE is being started",
        );
        complains(
            |status| status.maintenance = true,
            "it is in maintenance: nothing is recovered",
        );
        complains(
            |status| status.assemblies[0].state = AssemblyState::Lost,
            "assembly web1 is lost",
        );
        complains(
            |status| status.services[0].state = ServiceState::Starting,
            "service web is starting on web1",
        );
        complains(
            |status| status.services[0].state = ServiceState::Stopped,
            "service web: 0 of 1 instances run",
        );
        complains(
            |status| {
                status.services[0].state = ServiceState::Stopped;
                status.resources[0].wanted = 0;
            },
            "service web can run nowhere",
        );
        complains(
            |status| status.resources[0].promoted = 1,
            "service web: 0 of 1 instances are promoted",
        );
    }

    #[test]
    fn what_the_dpe_calls_a_problem_is_not_well() {
        complains(
            |status| status.problems = vec!["the disk is full".into()],
            "the disk is full",
        );
    }

    #[test]
    fn a_service_that_the_document_does_not_have_is_not_well() {
        complains(
            |status| {
                let mut old = status.services[0].clone();
                (old.name, old.service) = ("old".into(), "old".into());
                status.services.push(old);
            },
            "service old runs on web1, and the document does not have it",
        );
    }
}
