//! Fencing by hand: the power of an assembly, what was done to make assemblies safe, and hosts that
//! are down.

use std::time::Duration;

use cpe_bus::{Fields, fields};
use cpe_status::{AssemblyStatus, DeploymentStatus};
use cpe_terminal::Line;
use serde_json::json;
use tokio::time::Instant;

use crate::cells::assembly_state;
use crate::client::Client;
use crate::commands::status::attempts;
use crate::failure::{Failure, Kind, of_change};
use crate::options::{Fence, HostFailed};
use crate::output::{BAD, FAINT, GOOD, Output, Screen};

/// What came of an assembly that is confirmed.
const CONFIRMED: &str = "confirmed";
/// How often a host is said to be down again, while assemblies on it still count as online.
const AGAIN: Duration = Duration::from_secs(1);

/// `cpectl fence`
pub(crate) async fn fence(
    client: &Client,
    arguments: &Fence,
    output: &Output,
) -> Result<(), Failure> {
    let (name, assembly) = (&arguments.target.name, &arguments.target.assembly);
    let (action, what) = match (arguments.off, arguments.on) {
        (true, _) => ("off", "is to be switched off, and stays off"),
        (_, true) => ("on", "is to be switched on"),
        _ => ("reboot", "is to be restarted"),
    };
    let deployment = client.deployment(name).await?;
    let ordered = deployment.fence(assembly, action).await;
    ordered.map_err(of_change)?;
    let done = format!("{assembly} of {name} {what}; how that goes on: cpectl fencing {name}");
    if output.json {
        return output.json(&json!({ "done": done }));
    }
    output.line(done);
    Ok(())
}

/// `cpectl fencing`
pub(crate) async fn show(client: &Client, name: &str, output: &Output) -> Result<(), Failure> {
    let status = client.status(name).await?;
    let concerned = status.assemblies.iter().filter(|own| is_concerned(own));
    if output.json {
        let concerned: Vec<&AssemblyStatus> = concerned.collect();
        return output.json(&json!({ "assemblies": concerned, "attempts": status.fencing }));
    }
    let mut screen = Screen::new(output.columns());
    for assembly in concerned {
        for line in present(&status, assembly) {
            screen.line(line);
        }
    }
    match status.fencing.is_empty() {
        true => screen.line(Line::from("no assembly was fenced")),
        false => screen.section(&attempts(&status.fencing)),
    }
    output.lines(&screen.into_lines());
    Ok(())
}

/// It is being made safe, or was and is not back, or its devices have not let it in yet.
fn is_concerned(assembly: &AssemblyStatus) -> bool {
    let says = |words: &str| assembly.reason.contains(words);
    !assembly.fencing_attempt.is_empty()
        || ["made safe", "unfenced by", "has to boot"]
            .into_iter()
            .any(says)
}

/// What is done about one assembly, and what a person can do.
fn present(status: &DeploymentStatus, assembly: &AssemblyStatus) -> Vec<Line> {
    let (name, own) = (&status.name, &assembly.name);
    let state = assembly_state(assembly.state);
    let head = Line::from(format!("{own}: "))
        .styled(state.as_str(), state.style())
        .plain(format!(" ({}): {}", assembly.fencing, assembly.reason));
    let mut lines = vec![head];
    let attempt = &assembly.fencing_attempt;
    if !attempt.is_empty() {
        let text = format!(
            "  if it is down, and only then: cpectl confirm-fenced {name} {own} --attempt {attempt}"
        );
        lines.push(Line::new().styled(text, FAINT));
    }
    lines
}

/// `cpectl host-failed`
pub(crate) async fn host_failed(
    client: &Client,
    arguments: &HostFailed,
    output: &Output,
) -> Result<(), Failure> {
    let manager = client.manager().await?;
    let end = Instant::now() + Duration::from_secs(arguments.wait);
    let mut options = Fields::new();
    if let Some(at_us) = arguments.failed_at {
        fields::put(&mut options, "failed-at", at_us);
    }
    let results = loop {
        let told = manager.host_failed(&arguments.host, options.clone());
        let results = told.await.map_err(of_change)?;
        let all = results.iter().all(|(.., outcome)| outcome == CONFIRMED);
        if all || Instant::now() >= end {
            break results;
        }
        tokio::time::sleep(AGAIN).await;
    };
    if output.json {
        let results = results.iter().map(|(deployment, assembly, outcome)| {
            json!({ "deployment": deployment, "assembly": assembly, "outcome": outcome })
        });
        output.json(&results.collect::<Vec<_>>())?;
    } else if results.is_empty() {
        output.line(format!(
            "no deployment of this host has an assembly on {}",
            arguments.host
        ));
    } else {
        for (deployment, assembly, outcome) in &results {
            let style = if outcome == CONFIRMED { GOOD } else { BAD };
            output.line(Line::from(format!("{deployment} {assembly}: ")).styled(outcome, style));
        }
    }
    let refused = results.iter().filter(|(.., outcome)| outcome != CONFIRMED);
    match refused.count() {
        0 => Ok(()),
        count => Err(Failure::new(
            Kind::Failed,
            format!("{count} of {} assemblies are not confirmed", results.len()),
        )),
    }
}
