//! `cpectl destroy`: the end of a deployment, and the wait for it.

use serde_json::json;
use tokio::time::Instant;

use crate::client::Client;
use crate::commands::events;
use crate::failure::{Failure, Kind};
use crate::follow::{Filter, Follower};
use crate::options::Destroy;
use crate::output::Output;

pub(crate) async fn run(
    client: &Client,
    arguments: &Destroy,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    let filter = Filter {
        deployment: name.clone(),
        ..Filter::default()
    };
    // From before the call, so that its end cannot be missed.
    let nothing = Filter {
        kind: "none.such".into(),
        ..Filter::default()
    };
    let (_, cursor) = client
        .events()
        .await?
        .query(0, 1, nothing.to_fields())
        .await?;
    client
        .manager()
        .await?
        .destroy_deployment(name, !arguments.keep_services)
        .await?;
    let services = if arguments.keep_services {
        "left running"
    } else {
        "stopped"
    };
    if !arguments.wait {
        return told(
            output,
            name,
            "destroying",
            &format!("deployment {name} is being destroyed, its services are {services}"),
        );
    }
    if !output.json {
        output.line(&format!("deployment {name} is being destroyed, its services are {services}; waiting until it is gone"));
    }
    let deadline = Instant::now() + arguments.timeout;
    let mut follower = Follower::new(client, filter, cursor).await?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(event) = follower.next_within(left).await else {
            return Err(Failure::new(
                Kind::Timeout,
                format!(
                    "deployment {name} is not gone after {} s; it goes on without us",
                    arguments.timeout.as_secs()
                ),
            ));
        };
        if !output.json {
            output.line(&events::line(&event, output));
        }
        if event.kind == "deployment.destroyed" {
            return told(
                output,
                name,
                "destroyed",
                &format!("deployment {name} is gone"),
            );
        }
    }
}

fn told(output: &Output, name: &str, result: &str, text: &str) -> Result<(), Failure> {
    if output.json {
        return output.json(&json!({ "name": name, "result": result }));
    }
    output.line(text);
    Ok(())
}
