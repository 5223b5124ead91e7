//! `cpectl destroy`: the end of a deployment, and the wait for it.

use cpe_bus::EventKind;
use serde_json::json;
use tokio::time::Instant;

use crate::client::Client;
use crate::commands::{events, wait};
use crate::failure::{Failure, of_change};
use crate::follow::{Filter, Follower};
use crate::options::Destroy;
use crate::output::Output;

pub(crate) async fn run(
    client: &Client,
    arguments: &Destroy,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    // From before the call, so that its end cannot be missed.
    let cursor = wait::newest_cursor(client).await?;
    let (manager, stop) = (client.manager().await?, !arguments.keep_services);
    let begun = match arguments.expect {
        None => manager.destroy_deployment(name, stop).await,
        Some(generation) => manager.destroy_deployment_at(name, generation, stop).await,
    };
    begun.map_err(of_change)?;
    let services = if arguments.keep_services {
        "left running"
    } else {
        "stopped"
    };
    let begun = format!("deployment {name} is being destroyed, its services are {services}");
    if !arguments.wait {
        return report(output, name, "destroying", &begun);
    }
    if !output.json {
        output.line(format!("{begun}; waiting until it is gone"));
    }
    let deadline = wait::deadline(arguments.timeout);
    let filter = Filter {
        deployment: name.clone(),
        ..Filter::default()
    };
    let mut follower = Follower::new(client, filter, cursor).await?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(event) = follower.next_within(left).await else {
            return Err(wait::timed_out(name, "gone", arguments.timeout));
        };
        if !output.json {
            output.line(events::line(&event));
        }
        if event.kind.parse() == Ok(EventKind::DeploymentDestroyed) {
            let text = format!("deployment {name} is gone");
            return report(output, name, "destroyed", &text);
        }
    }
}

fn report(output: &Output, name: &str, result: &str, text: &str) -> Result<(), Failure> {
    if output.json {
        return output.json(&json!({ "name": name, "result": result }));
    }
    output.line(text);
    Ok(())
}
