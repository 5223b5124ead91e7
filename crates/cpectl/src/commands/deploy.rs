//! `cpectl deploy`: create or change, and wait for it if asked.

use std::path::Path;
use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::{Error, Event, EventKind, Fields};
use cpe_status::{DeploymentState, DeploymentStatus, RoomReport};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, read_document};
use crate::commands::{agents, events, status, validate, wait};
use crate::failure::{Failure, Kind, of_change};
use crate::follow::{Filter, Follower};
use crate::options::Deploy;
use crate::output::Output;

/// The state is asked for after every event, and when none has come for this long.
const QUIET: Duration = Duration::from_millis(500);

pub(crate) async fn run(
    client: &Client,
    arguments: &Deploy,
    output: &Output,
) -> Result<(), Failure> {
    let document = read_document(&arguments.file)?;
    validate::warn(&arguments.file, &document, output);
    warn_of_room(client, &document, output).await;
    // From before the change, so that --wait shows everything that follows from it.
    let cursor = match arguments.wait {
        true => wait::newest_cursor(client).await?,
        false => 0,
    };
    let (name, generation, done) = store(client, arguments, &document)
        .await
        .map_err(|error| in_file(error, &arguments.file))?;
    // A new one has no DPE yet that could ask.
    let is_new = done == "stored" && generation == 1;
    if !is_new {
        agents::warn(client, &name, &arguments.file, &document, output).await;
    }
    if !arguments.wait {
        if output.json {
            return output.json(&json!({ "name": name, "generation": generation, "result": done }));
        }
        output.line(format!("deployment {name} {done}, generation {generation}"));
        return Ok(());
    }
    if !output.json {
        output.line(format!(
            "deployment {name} {done}, generation {generation}; waiting until it is active"
        ));
    }
    let status =
        wait_until_active(client, arguments.timeout, output, &name, generation, cursor).await;
    // Also if it failed: perhaps for that.
    if is_new {
        agents::warn(client, &name, &arguments.file, &document, output).await;
    }
    let status = status?;
    if output.json {
        return output.json(&status);
    }
    output.line(status::headline(&status));
    Ok(())
}

/// Name, generation, and what was done.
async fn store(
    client: &Client,
    arguments: &Deploy,
    document: &str,
) -> Result<(String, u64, &'static str), Error> {
    let manager = client.manager().await?;
    let options = || forced(arguments.force);
    let name = name_of(document);
    if let (Some(expected), Some(name)) = (arguments.expect, &name) {
        let updated = manager.update_deployment(name, expected, document, options());
        let generation = updated.await.map_err(of_change)?;
        return Ok((name.clone(), generation, "changed"));
    }
    let created = manager.create_deployment(document, options()).await;
    match (created.map_err(of_change), name) {
        (Ok((name, generation)), _) => Ok((name, generation, "stored")),
        (Err(Error::Exists(_)), Some(name)) => {
            let updated = manager.update_deployment(&name, 0, document, options());
            let generation = updated.await.map_err(of_change)?;
            Ok((name, generation, "changed"))
        }
        (Err(error), _) => Err(error),
    }
}

/// The options of a document that is to be stored.
pub(crate) fn forced(force: bool) -> Fields {
    let mut options = Fields::new();
    if force {
        put(&mut options, "force", true);
    }
    options
}

/// Says on standard error which losses would leave services out. What cannot be found out is no
/// reason to fail, and what is wrong with the document is said when it is stored.
async fn warn_of_room(client: &Client, document: &str, output: &Output) {
    let found = match client.manager().await {
        Ok(manager) => manager.check_room(document, Fields::new()).await,
        Err(error) => Err(error),
    };
    let report = found.and_then(|text| cpe_bus::json::from_json::<RoomReport>(&text));
    match report {
        Ok(report) => {
            for warning in report.warnings() {
                output.note(&format!("warning: {warning}"));
            }
        }
        Err(Error::NotReady(reason) | Error::Busy(reason)) => {
            output.note(&format!(
                "whether there is room after a loss is not known: {reason}"
            ));
        }
        Err(_) => {}
    }
}

/// The name in the document, if this program can read it.
fn name_of(document: &str) -> Option<String> {
    deployment::read(document.as_bytes())
        .ok()
        .map(|deployment| deployment.name)
}

/// The daemon's problems begin with line and column: the file's name before them makes them
/// clickable.
pub(crate) fn in_file(error: Error, file: &Path) -> Failure {
    match error {
        Error::InvalidDocument(problems) => {
            let lines: Vec<String> = problems
                .lines()
                .map(|line| format!("{}:{line}", file.display()))
                .collect();
            Failure::new(
                Kind::Invalid,
                format!("the document is invalid\n{}", lines.join("\n")),
            )
        }
        other => other.into(),
    }
}

/// Waits until the deployment is active at this generation or a later one.
pub(crate) async fn wait_until_active(
    client: &Client,
    timeout: Duration,
    output: &Output,
    name: &str,
    generation: u64,
    cursor: u64,
) -> Result<DeploymentStatus, Failure> {
    let deadline = wait::deadline(timeout);
    let filter = Filter {
        deployment: name.into(),
        ..Filter::default()
    };
    let mut follower = Follower::new(client, filter, cursor).await?;
    let mut shown = String::new();
    loop {
        while let Some(event) = follower.next_within(QUIET).await {
            if !output.json {
                output.line(events::line(&event));
            }
            if Instant::now() >= deadline || may_end_the_wait(&event) {
                break;
            }
        }
        // The daemon may be restarting: that is not a reason to give up before the time is over.
        let patience = deadline.max(Instant::now() + wait::LOOK);
        if let Ok(Ok(status)) = timeout_at(patience, client.status(name)).await {
            let state = match status.summary.as_str() {
                "" => status.state.to_string(),
                summary => format!("{}: {summary}", status.state),
            };
            if let Some(result) = result(status, generation) {
                return result;
            }
            if state != shown && !output.json {
                output.line(state.as_str());
            }
            shown = state;
        }
        if Instant::now() >= deadline {
            let state = format!("active ({shown})");
            return Err(wait::timed_out(name, &state, timeout));
        }
    }
}

/// The result of the wait, if this status ends it.
fn result(status: DeploymentStatus, generation: u64) -> Option<Result<DeploymentStatus, Failure>> {
    let is_current = status.generation >= generation;
    match status.state {
        // Active alone is not enough: the actions of the change may be under way.
        DeploymentState::Active if is_current && !wait::is_under_way(&status) => Some(Ok(status)),
        DeploymentState::Failed if is_current => Some(Err(Failure::failed(format!(
            "deployment {} failed: {}",
            status.name, status.summary
        )))),
        DeploymentState::Destroying => Some(Err(Failure::new(
            Kind::Conflict,
            format!("deployment {} is being destroyed", status.name),
        ))),
        _ => None,
    }
}

/// Whether the state is worth asking for after this event.
fn may_end_the_wait(event: &Event) -> bool {
    let Ok(kind) = event.kind.parse() else {
        return false;
    };
    matches!(
        kind,
        EventKind::TransitionCompleted
            | EventKind::DeploymentCreated
            | EventKind::DeploymentModified
            | EventKind::DeploymentStarted
            | EventKind::DeploymentDegraded
            | EventKind::DeploymentRecovered
            | EventKind::DeploymentFailed
            | EventKind::DeploymentDestroyed
    )
}
