//! `cpectl list` and `cpectl show`.

use cpe_bus::DeploymentEntry;
use cpe_terminal::{Cell, Table};
use serde_json::json;

use crate::cells::deployment_style;
use crate::client::Client;
use crate::commands::owner::shown;
use crate::failure::Failure;
use crate::options::Show;
use crate::output::{HEAD, Output};

pub(crate) async fn list(client: &Client, output: &Output) -> Result<(), Failure> {
    let entries = client.list().await?;
    if output.json {
        return output.json(&entries);
    }
    if entries.is_empty() {
        output.note("no deployments; cpectl deploy FILE creates one");
        return Ok(());
    }
    let rows = entries.iter().map(|entry| {
        // A state of a later version is shown with the daemon's word.
        let style = deployment_style(entry.state);
        [
            Cell::from(&entry.name),
            Cell::new(entry.state.as_str(), style),
            Cell::from(entry.generation.to_string()),
            Cell::from(owner(entry)),
            Cell::from(&entry.uuid),
        ]
    });
    output.table(&Table::new(
        ["NAME", "STATE", "GENERATION", "OWNER", "UUID"],
        HEAD,
        rows,
    ));
    Ok(())
}

/// `alice`, `alice:ops` with a group, `-` if it is nobody's.
fn owner(entry: &DeploymentEntry) -> String {
    let owner = match entry.owner.as_str() {
        "" => "-",
        owner => shown(owner),
    };
    match entry.group.as_str() {
        "" => owner.to_owned(),
        group => format!("{owner}:{group}"),
    }
}

pub(crate) async fn show(
    client: &Client,
    arguments: &Show,
    output: &Output,
) -> Result<(), Failure> {
    let (document, generation) = client
        .deployment(&arguments.name)
        .await?
        .get_document(arguments.generation)
        .await?;
    if output.json {
        return output.json(
            &json!({ "name": arguments.name, "generation": generation, "document": document }),
        );
    }
    output.text(&document);
    Ok(())
}
