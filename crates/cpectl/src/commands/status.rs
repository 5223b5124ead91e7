//! `cpectl status`: what an administrator asks first. What runs where, what failed, what is being
//! done about it.

use cpe_status::{AssemblyState, DeploymentStatus, ServiceState, TransitionStatus};

use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::options::Name;
use crate::output::{
    Cell, Color, Output, assembly_state, deployment_state, service_state, time, word,
};

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
        output.note("no deployments; cpectl deploy FILE makes one");
        return Ok(());
    }
    let rows: Vec<Vec<Cell>> = statuses
        .iter()
        .map(|status| {
            let (online, assemblies) = online(status);
            let (running, services) = running(status);
            vec![
                status.name.clone().into(),
                deployment_state(status.state),
                part(online, assemblies),
                part(running, services),
                status.summary.clone().into(),
            ]
        })
        .collect();
    output.table(
        &[
            "NAME",
            "STATE",
            "ASSEMBLIES",
            "SERVICES",
            "WHAT IS GOING ON",
        ],
        &rows,
    );
    Ok(())
}

/// `shop: active, generation 3, 4 of 4 assemblies online, 9 of 9 services running`
pub(crate) fn headline(status: &DeploymentStatus, output: &Output) -> String {
    let state = deployment_state(status.state);
    let (online, assemblies) = online(status);
    let (running, services) = running(status);
    let mut line = format!(
        "{}: {}, generation {}, {online} of {assemblies} assemblies online, {running} of {services} services running",
        status.name,
        output.paint(&state.text, state.color),
        status.generation
    );
    if status.maintenance {
        line.push_str(", in maintenance");
    }
    line
}

fn one(status: &DeploymentStatus, output: &Output) {
    output.line(&headline(status, output));
    if !status.summary.is_empty() {
        output.line(&format!("  {}", status.summary));
    }
    if let Some(transition) = &status.transition {
        output.line(&format!("  {}", doing(transition)));
    }
    if !status.assemblies.is_empty() {
        output.line("");
        let rows: Vec<Vec<Cell>> = status
            .assemblies
            .iter()
            .map(|assembly| {
                let mut remark = assembly.reason.clone();
                for (set, word) in [
                    (assembly.standby, "standby"),
                    (assembly.maintenance, "maintenance"),
                ] {
                    if set && word != crate::output::word(&assembly.state) {
                        remark = if remark.is_empty() {
                            word.into()
                        } else {
                            format!("{word}; {remark}")
                        };
                    }
                }
                vec![
                    assembly.name.clone().into(),
                    assembly_state(assembly.state),
                    assembly.fencing.clone().into(),
                    Cell::new(time(assembly.last_heartbeat), Color::Faint),
                    remark.into(),
                ]
            })
            .collect();
        output.table(
            &["ASSEMBLY", "STATE", "FENCING", "LAST HEARTBEAT", "REMARK"],
            &rows,
        );
    }
    if !status.services.is_empty() {
        output.line("");
        let rows: Vec<Vec<Cell>> = status
            .services
            .iter()
            .map(|service| {
                let failures = match service.failures {
                    0 => Cell::from("-"),
                    n => Cell::new(n.to_string(), Color::Bad),
                };
                vec![
                    service.name.clone().into(),
                    service_state(service.state),
                    if service.assembly.is_empty() {
                        "-".into()
                    } else {
                        service.assembly.clone().into()
                    },
                    Cell::new(service.agent.clone(), Color::Faint),
                    failures,
                    service.reason.clone().into(),
                ]
            })
            .collect();
        output.table(
            &[
                "SERVICE", "STATE", "ASSEMBLY", "AGENT", "FAILURES", "REMARK",
            ],
            &rows,
        );
    }
    if !status.failures.is_empty() {
        output.line("");
        let rows: Vec<Vec<Cell>> = status
            .failures
            .iter()
            .map(|failure| {
                vec![
                    Cell::new(time(failure.time), Color::Faint),
                    failure.service.clone().into(),
                    failure.assembly.clone().into(),
                    failure.operation.clone().into(),
                    Cell::new(failure.rc.to_string(), Color::Bad),
                    failure.reason.clone().into(),
                ]
            })
            .collect();
        output.table(
            &[
                "FAILED (UTC)",
                "SERVICE",
                "ASSEMBLY",
                "OPERATION",
                "CODE",
                "REASON",
            ],
            &rows,
        );
        output.line(&output.paint(
            &format!(
                "cpectl cleanup {} [SERVICE] forgets failures once their cause is gone",
                status.name
            ),
            Color::Faint,
        ));
    }
}

fn doing(transition: &TransitionStatus) -> String {
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
        .map(
            |action| match (action.service.as_str(), action.assembly.as_str()) {
                ("", assembly) => format!("{} {assembly}", action.action),
                (service, assembly) => format!("{} {service} on {assembly}", action.action),
            },
        )
        .collect();
    if !running.is_empty() {
        text.push_str(&format!("; now: {}", running.join(", ")));
    }
    text
}

fn online(status: &DeploymentStatus) -> (usize, usize) {
    let answers = |state| {
        matches!(
            state,
            AssemblyState::Online | AssemblyState::Standby | AssemblyState::Maintenance
        )
    };
    (
        status
            .assemblies
            .iter()
            .filter(|assembly| answers(assembly.state))
            .count(),
        status.assemblies.len(),
    )
}

fn running(status: &DeploymentStatus) -> (usize, usize) {
    let runs =
        |state: ServiceState| matches!(word(&state).as_str(), "started" | "promoted" | "unmanaged");
    (
        status
            .services
            .iter()
            .filter(|service| runs(service.state))
            .count(),
        status.services.len(),
    )
}

fn part(some: usize, all: usize) -> Cell {
    let color = if some == all {
        Color::Plain
    } else {
        Color::Bad
    };
    Cell::new(format!("{some}/{all}"), color)
}
