//! `cpectl rollback`: an older document becomes a new generation, planned first.

use std::path::PathBuf;

use serde_json::json;

use crate::client::Client;
use crate::commands::change::Change;
use crate::commands::{confirm, deploy, history};
use crate::failure::{Failure, Kind};
use crate::options::Rollback;
use crate::output::Output;

pub(crate) async fn run(
    client: &Client,
    arguments: &Rollback,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    if !arguments.dry_run {
        confirm::possible(arguments.change.yes, output)?;
    }
    let (current, from) = history::document(client, name, 0).await?;
    let (document, generation) = history::document(client, name, arguments.generation).await?;
    if document == current {
        if output.json {
            return output.json(&json!({ "name": name, "result": "same", "generation": from }));
        }
        output.line(match generation == from {
            true => format!("generation {generation} of {name} is the current one: nothing to do"),
            false => format!(
                "generation {generation} of {name} is the same document as the current one, {from}: nothing to do"
            ),
        });
        return Ok(());
    }
    let label = PathBuf::from(format!("{name} generation {generation}"));
    let change = Change {
        name,
        from,
        document: &document,
        label: &label,
        after_conflict: "nothing was rolled back",
        how: &arguments.change,
    };
    let plan = change.plan(client, output).await;
    // This version may refuse what an earlier one took.
    let plan = plan.map_err(|error| deploy::in_file(error, &label))?;
    if arguments.dry_run {
        let Some(plan) = plan else {
            return Err(Failure::new(Kind::Unreachable, "nothing was planned"));
        };
        change.show(&plan, output)?;
        return change.report(Some(&plan), None, output);
    }
    let stored = change.apply(client, plan.as_ref(), output).await?;
    change.report(plan.as_ref(), Some(stored), output)?;
    change.wait(client, stored, output).await
}
