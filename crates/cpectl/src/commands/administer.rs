//! What an administrator vouches for: that an assembly is fenced.

use serde_json::json;

use super::confirm;
use crate::cells;
use crate::client::Client;
use crate::failure::{Failure, Kind, of_change};
use crate::options::{ConfirmFenced, Target};
use crate::output::Output;

pub(crate) async fn confirm_fenced(
    client: &Client,
    arguments: &ConfirmFenced,
    output: &Output,
) -> Result<(), Failure> {
    let Target { name, assembly } = &arguments.target;
    let attempt = match &arguments.attempt {
        Some(attempt) => attempt.clone(),
        None => present_attempt(client, &arguments.target, output).await?,
    };
    let deployment = client.deployment(name).await?;
    let confirmed = deployment.confirm_fenced(assembly, &attempt).await;
    confirmed.map_err(of_change)?;
    done(
        output,
        &format!("{assembly} of {name} counts as powered off"),
    )
}

/// Which loss it is, for whoever looks now and says that it is that one. A program may have been
/// delayed: what it knows is a former loss.
async fn present_attempt(
    client: &Client,
    Target { name, assembly }: &Target,
    output: &Output,
) -> Result<String, Failure> {
    if !confirm::can_ask(output) {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                "nobody can be asked here whether {assembly} is down now: say for which loss it was powered off, \
                 --attempt ID (detail attempt of its events, or cpectl fencing {name})"
            ),
        ));
    }
    let status = client.status(name).await?;
    let mut own = status.assemblies.iter().filter(|own| own.name == *assembly);
    let attempt = own.next().map(|own| own.fencing_attempt.clone());
    let attempt = attempt.unwrap_or_default();
    // What is not lost is refused by its DPE, which says why.
    if attempt.is_empty() {
        return Ok(attempt);
    }
    let noted = status
        .fencing
        .iter()
        .rev()
        .find(|own| own.attempt == attempt);
    let since = noted.map_or_else(String::new, |noted| {
        let since = cells::time(noted.began);
        format!(", being made safe since {since}: {}", noted.reason)
    });
    let question = format!(
        "attempt {attempt}: {assembly} of {name}{since}\nif it still runs, its services may run twice; is it powered off?"
    );
    confirm::confirmed(&question, false)?;
    Ok(attempt)
}

pub(super) fn done(output: &Output, text: &str) -> Result<(), Failure> {
    if output.json {
        return output.json(&json!({ "done": text }));
    }
    output.line(text);
    Ok(())
}
