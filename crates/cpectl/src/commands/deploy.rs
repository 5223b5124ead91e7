//! `cpectl deploy`: create or change, and wait for it if asked.

use std::path::Path;

use cpe_bus::{Error, Event, Fields};
use cpe_status::{DeploymentState, DeploymentStatus, TransitionState};
use serde_json::json;
use tokio::time::Instant;

use crate::client::{Client, read_document};
use crate::commands::{events, status, validate};
use crate::failure::{Failure, Kind};
use crate::follow::{Filter, Follower};
use crate::options::Deploy;
use crate::output::{Output, word};

pub(crate) async fn run(
    client: &Client,
    arguments: &Deploy,
    output: &Output,
) -> Result<(), Failure> {
    let document = read_document(&arguments.file)?;
    validate::warn(&arguments.file, &document, output);
    // From before the change, so that --wait tells of everything that follows from it.
    let cursor = match arguments.wait {
        true => newest_cursor(client).await?,
        false => 0,
    };
    let (name, generation, done) = store(client, arguments, &document)
        .await
        .map_err(|error| in_file(error, &arguments.file))?;
    if !arguments.wait {
        if output.json {
            return output.json(&json!({ "name": name, "generation": generation, "result": done }));
        }
        output.line(&format!(
            "deployment {name} {done}, generation {generation}"
        ));
        return Ok(());
    }
    if !output.json {
        output.line(&format!(
            "deployment {name} {done}, generation {generation}; waiting until it is active"
        ));
    }
    let status = wait(client, arguments, output, &name, generation, cursor).await?;
    if output.json {
        return output.json(&status);
    }
    output.line(&status::headline(&status, output));
    Ok(())
}

/// Name, generation, and what was done.
async fn store(
    client: &Client,
    arguments: &Deploy,
    document: &str,
) -> Result<(String, u64, &'static str), Error> {
    let manager = client
        .manager()
        .await
        .map_err(|failure| Error::Failed(failure.message))?;
    let name = name_of(document);
    if let (Some(expected), Some(name)) = (arguments.expect, &name) {
        let generation = manager
            .update_deployment(name, expected, document, Fields::new())
            .await?;
        return Ok((name.clone(), generation, "changed"));
    }
    match (
        manager.create_deployment(document, Fields::new()).await,
        name,
    ) {
        (Ok((name, generation)), _) => Ok((name, generation, "stored")),
        (Err(Error::Exists(_)), Some(name)) => {
            let generation = manager
                .update_deployment(&name, 0, document, Fields::new())
                .await?;
            Ok((name, generation, "changed"))
        }
        (Err(error), _) => Err(error),
    }
}

/// The name that the document says, as far as this program can read it.
fn name_of(document: &str) -> Option<String> {
    deployment::read(document.as_bytes())
        .ok()
        .map(|deployment| deployment.name)
}

/// The daemon's problems begin with line and column: the file's name before them makes them
/// clickable.
fn in_file(error: Error, file: &Path) -> Failure {
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

async fn newest_cursor(client: &Client) -> Result<u64, Failure> {
    // A filter that nothing fits: the reply is only where the log ends.
    let nothing = Filter {
        kind: "none.such".into(),
        ..Filter::default()
    };
    let (_, next) = client
        .events()
        .await?
        .query(0, 1, nothing.to_fields())
        .await?;
    Ok(next)
}

async fn wait(
    client: &Client,
    arguments: &Deploy,
    output: &Output,
    name: &str,
    generation: u64,
    cursor: u64,
) -> Result<DeploymentStatus, Failure> {
    use std::time::Duration;
    /// The state is asked for after every event, and when none has come for this long.
    const QUIET: Duration = Duration::from_millis(500);

    let deadline = Instant::now() + arguments.timeout;
    let filter = Filter {
        deployment: name.into(),
        ..Filter::default()
    };
    let mut follower = Follower::new(client, filter, cursor).await?;
    let mut told = String::new();
    loop {
        while let Some(event) = follower.next_within(QUIET).await {
            tell(&event, output);
            if Instant::now() >= deadline {
                break;
            }
            if ends_the_wait(&event) {
                break;
            }
        }
        // The daemon may be restarting: that is no reason to give up before the time is over.
        if let Ok(status) = client.status(name).await {
            match status.state {
                // Active alone is not enough: what a change demands is perhaps being carried out
                // just now.
                DeploymentState::Active
                    if status.generation >= generation && !under_way(&status) =>
                {
                    return Ok(status);
                }
                DeploymentState::Failed if status.generation >= generation => {
                    return Err(Failure::failed(format!(
                        "deployment {name} failed: {}",
                        status.summary
                    )));
                }
                DeploymentState::Destroying => {
                    return Err(Failure::new(
                        Kind::Conflict,
                        format!("deployment {name} is being destroyed"),
                    ));
                }
                _ => {}
            }
            let now = match status.summary.as_str() {
                "" => word(&status.state),
                summary => format!("{}: {summary}", word(&status.state)),
            };
            if now != told && !output.json {
                output.line(&now);
            }
            told = now;
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(
                Kind::Timeout,
                format!(
                    "deployment {name} is not active after {} s ({told}); it goes on without us",
                    arguments.timeout.as_secs()
                ),
            ));
        }
    }
}

fn under_way(status: &DeploymentStatus) -> bool {
    let transition = status.transition.as_ref();
    transition.is_some_and(|transition| transition.state == TransitionState::Running)
}

fn ends_the_wait(event: &Event) -> bool {
    event.kind.starts_with("deployment.") || event.kind == "transition.completed"
}

fn tell(event: &Event, output: &Output) {
    if output.json {
        return;
    }
    output.line(&events::line(event, output));
}
