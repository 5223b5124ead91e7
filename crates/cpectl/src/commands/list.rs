//! `cpectl list` and `cpectl show`.

use cpe_status::DeploymentState;
use serde_json::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::options::Show;
use crate::output::{Cell, Output, deployment_state};

pub(crate) async fn list(client: &Client, output: &Output) -> Result<(), Failure> {
    let entries = client.list().await?;
    if output.json {
        return output.json(&entries);
    }
    if entries.is_empty() {
        output.note("no deployments; cpectl deploy FILE makes one");
        return Ok(());
    }
    let rows: Vec<Vec<Cell>> = entries
        .into_iter()
        .map(|entry| {
            // The state by its name, so that it has the colour it has everywhere.
            let state: DeploymentState =
                serde_json::from_value(json!(entry.state)).unwrap_or_default();
            vec![
                entry.name.into(),
                Cell {
                    text: entry.state,
                    ..deployment_state(state)
                },
                entry.generation.to_string().into(),
                entry.uuid.into(),
            ]
        })
        .collect();
    output.table(&["NAME", "STATE", "GENERATION", "UUID"], &rows);
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
    output.raw(&document);
    Ok(())
}
