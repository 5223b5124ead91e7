//! `cpectl list` and `cpectl show`.

use cpe_terminal::{Cell, Table};
use serde_json::json;

use crate::cells::deployment_style;
use crate::client::Client;
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
            Cell::from(&entry.uuid),
        ]
    });
    output.table(&Table::new(
        ["NAME", "STATE", "GENERATION", "UUID"],
        HEAD,
        rows,
    ));
    Ok(())
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
