//! `cpectl status`: what an administrator asks first. What runs where, what failed, what is being
//! done about it.

use cpe_status::{
    AssemblyState, AssemblyStatus, DeploymentStatus, FailureStatus, ServiceState, ServiceStatus,
    TransitionStatus,
};
use cpe_terminal::{Cell, Line, Table};

use crate::cells::{age, assembly_state, deployment_state, deployment_style, service_state, time};
use crate::client::Client;
use crate::commands::ticket;
use crate::failure::{Failure, Kind};
use crate::options::Name;
use crate::output::{BAD, FAINT, HEAD, Output, PLAIN};

pub(crate) async fn run(client: &Client, arguments: &Name, output: &Output) -> Result<(), Failure> {
    match &arguments.name {
        Some(name) => {
            let status = client.status(name).await?;
            if output.json {
                return output.json(&status);
            }
            one(&status, output);
            Ok(())
        }
        None => all(client, output).await,
    }
}

async fn all(client: &Client, output: &Output) -> Result<(), Failure> {
    let mut statuses = Vec::new();
    for entry in client.list().await? {
        match client.status(&entry.name).await {
            Ok(status) => statuses.push(status),
            // Destroyed since the list was made.
            Err(failure) if failure.kind == Kind::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    if output.json {
        return output.json(&statuses);
    }
    if statuses.is_empty() {
        output.note("no deployments; cpectl deploy FILE creates one");
        return Ok(());
    }
    output.table(&summaries(&statuses));
    Ok(())
}

/// A row for each deployment.
fn summaries(statuses: &[DeploymentStatus]) -> Table<5> {
    let rows = statuses.iter().map(|status| {
        [
            Cell::from(&status.name),
            deployment_state(status.state),
            fraction(online(status)),
            fraction(running(status)),
            Cell::from(&status.summary),
        ]
    });
    let heads = [
        "NAME",
        "STATE",
        "ASSEMBLIES",
        "SERVICES",
        "WHAT IS GOING ON",
    ];
    Table::new(heads, HEAD, rows)
}

/// `shop: active, generation 3, 4 of 4 assemblies online, 9 of 9 services running`
pub(crate) fn headline(status: &DeploymentStatus) -> Line {
    let (online, assemblies) = online(status);
    let (running, services) = running(status);
    let line = Line::from(format!("{}: ", status.name))
        .styled(status.state.as_str(), deployment_style(status.state))
        .plain(format!(
            ", generation {}, {online} of {assemblies} assemblies online, {running} of {services} services running",
            status.generation
        ));
    match status.maintenance {
        true => line.plain(", in maintenance"),
        false => line,
    }
}

fn one(status: &DeploymentStatus, output: &Output) {
    // When the status was written; `None` where programs read times.
    let now = output.is_terminal().then_some(status.time);
    output.line(headline(status));
    if !status.summary.is_empty() {
        output.line(format!("  {}", status.summary));
    }
    if let Some(transition) = &status.transition {
        output.line(format!("  {}", progress(transition, now)));
    }
    if !status.assemblies.is_empty() {
        output.line("");
        output.table(&assemblies(&status.assemblies, now));
    }
    if !status.services.is_empty() {
        output.line("");
        output.table(&services(&status.services));
    }
    if !status.tickets.is_empty() {
        output.line("");
        output.table(&ticket::table(&status.tickets));
    }
    if !status.failures.is_empty() {
        output.line("");
        output.table(&failures(&status.failures));
        let remedy = format!(
            "cpectl cleanup {} [SERVICE] forgets failures once their cause is gone",
            status.name
        );
        output.line(Line::new().styled(remedy, FAINT));
    }
}

/// With `now`, in microseconds since the Unix epoch, heartbeats have ages instead of times.
fn assemblies(assemblies: &[AssemblyStatus], now: Option<u64>) -> Table<5> {
    let heartbeat = |assembly: &AssemblyStatus| {
        let age = now.and_then(|now| age(assembly.last_heartbeat, now));
        age.map_or_else(|| time(assembly.last_heartbeat), |age| format!("{age} ago"))
    };
    let rows = assemblies.iter().map(|assembly| {
        [
            Cell::from(&assembly.name),
            assembly_state(assembly.state),
            Cell::from(&assembly.fencing),
            Cell::new(heartbeat(assembly), FAINT),
            Cell::from(remark(assembly)),
        ]
    });
    let heads = ["ASSEMBLY", "STATE", "FENCING", "LAST HEARTBEAT", "REMARK"];
    Table::new(heads, HEAD, rows)
}

/// The reason of the state, and what an administrator has set that the state does not say.
fn remark(assembly: &AssemblyStatus) -> String {
    let mut parts = Vec::new();
    for (is_set, state) in [
        (assembly.maintenance, AssemblyState::Maintenance),
        (assembly.standby, AssemblyState::Standby),
    ] {
        if is_set && assembly.state != state {
            parts.push(state.as_str());
        }
    }
    if !assembly.reason.is_empty() {
        parts.push(&assembly.reason);
    }
    parts.join("; ")
}

fn services(services: &[ServiceStatus]) -> Table<6> {
    let rows = services.iter().map(|service| {
        [
            Cell::from(&service.name),
            service_state(service.state),
            Cell::from(match service.assembly.as_str() {
                "" => "-",
                assembly => assembly,
            }),
            Cell::new(&service.agent, FAINT),
            match service.failures {
                0 => Cell::from("-"),
                failures => Cell::new(failures.to_string(), BAD),
            },
            Cell::from(&service.reason),
        ]
    });
    let heads = [
        "SERVICE", "STATE", "ASSEMBLY", "AGENT", "FAILURES", "REMARK",
    ];
    Table::new(heads, HEAD, rows)
}

fn failures(failures: &[FailureStatus]) -> Table<6> {
    let rows = failures.iter().map(|failure| {
        [
            Cell::new(time(failure.time), FAINT),
            Cell::from(&failure.service),
            Cell::from(&failure.assembly),
            Cell::from(&failure.operation),
            Cell::new(failure.rc.to_string(), BAD),
            Cell::from(&failure.reason),
        ]
    });
    let heads = [
        "FAILED (UTC)",
        "SERVICE",
        "ASSEMBLY",
        "OPERATION",
        "CODE",
        "REASON",
    ];
    Table::new(heads, HEAD, rows)
}

/// How far a transition is. With `now`, in microseconds since the Unix epoch, its actions have
/// ages.
fn progress(transition: &TransitionStatus, now: Option<u64>) -> String {
    let mut text = format!(
        "transition {} {}: {} of {} actions done",
        transition.number, transition.state, transition.done, transition.actions
    );
    if transition.failed > 0 {
        text.push_str(&format!(", {} failed", transition.failed));
    }
    let running: Vec<String> = transition
        .running
        .iter()
        .map(|action| {
            let what = match (action.service.as_str(), action.assembly.as_str()) {
                ("", assembly) => format!("{} {assembly}", action.action),
                (service, assembly) => format!("{} {service} on {assembly}", action.action),
            };
            match now.and_then(|now| age(action.since, now)) {
                Some(age) => format!("{what} ({age})"),
                None => what,
            }
        })
        .collect();
    if !running.is_empty() {
        text.push_str(&format!("; now: {}", running.join(", ")));
    }
    text
}

/// How many assemblies answer, and how many there are.
fn online(status: &DeploymentStatus) -> (usize, usize) {
    let answers = |assembly: &&AssemblyStatus| {
        matches!(
            assembly.state,
            AssemblyState::Online | AssemblyState::Standby | AssemblyState::Maintenance
        )
    };
    let assemblies = &status.assemblies;
    (assemblies.iter().filter(answers).count(), assemblies.len())
}

/// How many services run, and how many there are.
fn running(status: &DeploymentStatus) -> (usize, usize) {
    let runs = |service: &&ServiceStatus| {
        matches!(
            service.state,
            ServiceState::Started | ServiceState::Promoted | ServiceState::Unmanaged
        )
    };
    let services = &status.services;
    (services.iter().filter(runs).count(), services.len())
}

fn fraction((some, all): (usize, usize)) -> Cell {
    let style = if some == all { PLAIN } else { BAD };
    Cell::new(format!("{some}/{all}"), style)
}

#[cfg(test)]
mod tests {
    use cpe_status::{RunningAction, TransitionState};

    use super::*;

    #[test]
    fn a_remark_says_what_is_set_and_the_state_does_not_say() {
        let mut assembly = AssemblyStatus {
            state: AssemblyState::Standby,
            standby: true,
            ..AssemblyStatus::default()
        };
        assert_eq!(remark(&assembly), "");
        assembly.maintenance = true;
        assembly.reason = "web1 answers".into();
        assert_eq!(remark(&assembly), "maintenance; web1 answers");
        assembly.state = AssemblyState::Lost;
        assert_eq!(remark(&assembly), "maintenance; standby; web1 answers");
    }

    #[test]
    fn heartbeats_and_actions_have_ages_for_people_only() {
        let now = 1_700_000_200_000_000;
        let assembly = AssemblyStatus {
            last_heartbeat: now - 2_000_000,
            ..AssemblyStatus::default()
        };
        let heartbeat = |now| {
            let lines = assemblies(std::slice::from_ref(&assembly), now).lines(None);
            lines[1].as_str().trim().to_owned()
        };
        assert!(heartbeat(Some(now)).ends_with("2s ago"));
        assert!(heartbeat(None).ends_with("2023-11-14 22:16:38"));

        let transition = TransitionStatus {
            number: 7,
            state: TransitionState::Running,
            actions: 3,
            done: 1,
            running: vec![RunningAction {
                action: "start".into(),
                service: "db".into(),
                assembly: "web1".into(),
                since: now - 80_000_000,
            }],
            ..TransitionStatus::default()
        };
        let text = "transition 7 running: 1 of 3 actions done; now: start db on web1";
        assert_eq!(progress(&transition, None), text);
        assert_eq!(progress(&transition, Some(now)), format!("{text} (1m 20s)"));
    }
}
