//! `cpectl history`: the generations of a document, with who, when, and what changed.

use cpe_bus::{Fields, GenerationEntry};
use cpe_terminal::{Cell, Table};
use deployment::Change;
use serde_json::json;

use crate::cells;
use crate::client::Client;
use crate::commands::diff;
use crate::failure::{Failure, Kind};
use crate::options::History;
use crate::output::{FAINT, GOOD, HEAD, Output, PLAIN};

/// So many changes are named in a line.
const NAMED: usize = 3;

/// A generation, and what it changed.
struct Told {
    entry: GenerationEntry,
    changes: String,
}

pub(crate) async fn run(
    client: &Client,
    arguments: &History,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    let mut entries = generations(client, name).await?;
    let kept = entries.len();
    let shown = arguments.last.unwrap_or(kept).min(kept);
    // The one before the first tells what that changed.
    entries.drain(..kept.saturating_sub(shown + 1));
    let told = tell(client, name, entries).await?;
    let told = told.get(told.len().saturating_sub(shown)..);
    let told = told.unwrap_or_default().iter().rev();
    if output.json {
        let rows = told.map(|told| {
            let mut row = json!(told.entry);
            row["changes"] = told.changes.as_str().into();
            row
        });
        return output.json(&rows.collect::<Vec<_>>());
    }
    let rows = told.map(|told| {
        let entry = &told.entry;
        let style = if entry.current { GOOD } else { PLAIN };
        [
            Cell::new(entry.generation.to_string(), style),
            Cell::from(cells::time(entry.time)),
            Cell::new(by(entry), if entry.by.is_empty() { FAINT } else { PLAIN }),
            Cell::from(&told.changes),
        ]
    });
    output.table(&Table::new(
        ["GENERATION", "STORED", "BY", "CHANGES"],
        HEAD,
        rows,
    ));
    Ok(())
}

/// The generations that are kept, oldest first; never empty.
async fn generations(client: &Client, name: &str) -> Result<Vec<GenerationEntry>, Failure> {
    let listed = client.deployment(name).await?.list_generations().await;
    let listed: Vec<Fields> = match listed {
        Ok(listed) => listed,
        Err(error) => return Err(client.with_deployments(error).await),
    };
    let entries: cpe_bus::Result<Vec<_>> =
        listed.iter().map(GenerationEntry::from_fields).collect();
    let entries = entries?;
    match entries.is_empty() {
        // It was destroyed meanwhile.
        true => Err(Failure::new(
            Kind::NotFound,
            format!("deployment `{name}` has no document any more"),
        )),
        false => Ok(entries),
    }
}

/// The generation before the current one.
pub(crate) async fn previous(client: &Client, name: &str) -> Result<u64, Failure> {
    match generations(client, name).await?.as_slice() {
        [.., previous, _] => Ok(previous.generation),
        [only] => Err(Failure::new(
            Kind::NotFound,
            format!(
                "only generation {} of {name} is kept: there is none to compare it with",
                only.generation
            ),
        )),
        [] => Err(Failure::failed("there is no generation")),
    }
}

/// The document of a generation (0: the current one), and which that is.
pub(crate) async fn document(
    client: &Client,
    name: &str,
    generation: u64,
) -> Result<(String, u64), Failure> {
    let found = client
        .deployment(name)
        .await?
        .get_document(generation)
        .await;
    match found {
        Ok(found) => Ok(found),
        Err(error) => Err(client.with_deployments(error).await),
    }
}

async fn tell(
    client: &Client,
    name: &str,
    entries: Vec<GenerationEntry>,
) -> Result<Vec<Told>, Failure> {
    let mut all = Vec::new();
    let mut texts: Vec<(u64, String)> = Vec::new();
    for entry in entries {
        let text = match document(client, name, entry.generation).await {
            Ok((text, _)) => text,
            // Others change it meanwhile: it is not kept any more.
            Err(failure) if failure.kind == Kind::NotFound => continue,
            Err(failure) => return Err(failure),
        };
        let same = texts.iter().rev().find(|(_, known)| *known == text);
        let changes = match (texts.last(), same) {
            (Some(_), Some((same, _))) => format!("rollback: as generation {same}"),
            (Some((_, previous)), None) => summary(diff::meaning(previous, &text)),
            (None, _) if entry.generation == 1 => "created".to_owned(),
            (None, _) => "the one before it is not kept".to_owned(),
        };
        let changes = match entry.remark.as_str() {
            "" => changes,
            remark => format!("{changes}; {remark}"),
        };
        texts.push((entry.generation, text));
        all.push(Told { entry, changes });
    }
    Ok(all)
}

fn summary(changes: Option<Vec<Change>>) -> String {
    let Some(changes) = changes else {
        return "its text".to_owned();
    };
    if changes.is_empty() {
        return "only comments, white space or order".to_owned();
    }
    let named = changes.iter().take(NAMED);
    let named = named.map(|it| format!("{} {} {}", it.kind, it.name, it.how.as_str()));
    let named: Vec<String> = named.collect();
    match changes.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{}, {more} more", named.join(", ")),
    }
}

/// `alice, cpectl`; a dash if nobody asked, or nobody knows.
fn by(entry: &GenerationEntry) -> String {
    let known = ["caller_user", "caller_program"];
    let known = known.iter().filter_map(|key| entry.caller.get(*key));
    let known: Vec<&str> = known.map(String::as_str).collect();
    match (known.as_slice(), entry.by.as_str()) {
        ([], "") => "-".to_owned(),
        ([], by) => by.to_owned(),
        (known, _) => known.join(", "),
    }
}
