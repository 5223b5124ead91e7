//! The routes of the gateway, as its contract has them.

use std::fmt::Write;

use anyhow::Context;
use serde_json::Value;

/// The routes as Markdown: of each what it does, what it takes, and what it answers.
pub(crate) fn markdown(contract: &str) -> anyhow::Result<String> {
    let contract: Value = serde_json::from_str(contract).context("the contract is not JSON")?;
    let paths = contract["paths"]
        .as_object()
        .context("the contract has no paths")?;
    let mut text =
        String::from("| route | what it means | takes | answers |\n| --- | --- | --- | --- |\n");
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let method = method.to_uppercase();
            let summary = plain(&operation["summary"]);
            let statuses: Vec<&str> = keys(&operation["responses"]).collect();
            let _ = writeln!(
                text,
                "| `{method} {path}` | {summary} | {} | {} |",
                taken(operation),
                statuses.join(" ")
            );
        }
    }
    Ok(text)
}

/// Parameters with their descriptions, and types of bodies.
fn taken(operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameter = |it: &Value| {
        let name = it["name"].as_str().unwrap_or_default();
        match plain(&it["description"]) {
            text if text.is_empty() => format!("`{name}`"),
            text => format!("`{name}` ({})", text.trim_end_matches('.')),
        }
    };
    let mut all: Vec<String> = parameters.map(parameter).collect();
    let bodies =
        keys(&operation["requestBody"]["content"]).map(|kind| format!("a body of `{kind}`"));
    all.extend(bodies);
    all.join(", ")
}

fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
}

fn plain(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.replace('\n', " ").replace('|', "\\|")
}
