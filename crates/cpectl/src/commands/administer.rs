//! What an administrator does to a running deployment: maintenance, confirming that an assembly is
//! fenced.

use serde_json::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::options::{ConfirmFenced, Maintenance, Switch, Target};
use crate::output::Output;

pub(crate) async fn maintenance(
    client: &Client,
    arguments: &Maintenance,
    output: &Output,
) -> Result<(), Failure> {
    let on = arguments.switch == Switch::On;
    let assembly = arguments.assembly.as_deref().unwrap_or("");
    client
        .deployment(&arguments.name)
        .await?
        .set_maintenance(assembly, on)
        .await?;
    let of = match assembly {
        "" => arguments.name.clone(),
        assembly => format!("{assembly} of {}", arguments.name),
    };
    let word = if on {
        "in maintenance: its services are left alone"
    } else {
        "managed again"
    };
    done(output, &format!("{of} is {word}"))
}

pub(crate) async fn confirm_fenced(
    client: &Client,
    arguments: &ConfirmFenced,
    output: &Output,
) -> Result<(), Failure> {
    let Target { name, assembly } = &arguments.target;
    let deployment = client.deployment(name).await?;
    let attempt = match &arguments.attempt {
        Some(attempt) => attempt.clone(),
        // Whoever types this now vouches for now.
        None => client
            .status(name)
            .await?
            .assemblies
            .into_iter()
            .find(|status| status.name == *assembly)
            .map(|status| status.fencing_attempt)
            .unwrap_or_default(),
    };
    deployment.confirm_fenced(assembly, &attempt).await?;
    done(
        output,
        &format!("{assembly} of {name} counts as powered off"),
    )
}

pub(super) fn done(output: &Output, text: &str) -> Result<(), Failure> {
    if output.json {
        return output.json(&json!({ "done": text }));
    }
    output.line(text);
    Ok(())
}
