//! `cpectl diff`: what differs between two generations of a document, by meaning or by text.

use std::time::Duration;

use cpe_terminal::Line;
use deployment::{Change, Deployment, Detail, How};
use serde_json::json;
use similar::TextDiff;

use crate::client::Client;
use crate::commands::history;
use crate::failure::{Failure, Kind};
use crate::options::Diff;
use crate::output::{BAD, BUSY, GOOD, Output, PLAIN};

/// A difference that takes longer is told less well, with more lines than need be.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether nothing differs.
pub(crate) async fn run(
    client: &Client,
    arguments: &Diff,
    output: &Output,
) -> Result<bool, Failure> {
    let name = &arguments.name;
    let from = match arguments.from {
        Some(generation) => generation,
        None => history::previous(client, name).await?,
    };
    let from = history::document(client, name, from).await?;
    let to = history::document(client, name, arguments.to.unwrap_or(0)).await?;
    let meaning = match arguments.text {
        true => None,
        false => meaning(&from.0, &to.0),
    };
    if meaning.is_none() && !arguments.text {
        output.note("this version of cpectl cannot read one of them: their texts are compared, with all values");
    }
    let (same, changes, text) = match &meaning {
        Some(changes) => (changes.is_empty(), changes.as_slice(), None),
        None => (from.0 == to.0, &[][..], Some(text(name, &from, &to))),
    };
    if output.json {
        let changes: Vec<_> = changes.iter().map(change_json).collect();
        let (from, to) = (from.1, to.1);
        let changes = meaning.is_some().then_some(changes);
        output.json(&json!({
            "name": name, "from": from, "to": to, "same": same, "changes": changes, "text": text,
        }))?;
        return Ok(same);
    }
    if let Some(text) = text {
        if !same {
            output.text(&text);
        }
        return Ok(same);
    }
    for line in changes.iter().flat_map(lines) {
        output.line(line);
    }
    if same && from.0 != to.0 {
        output.note(&format!(
            "generations {} and {} mean the same; their texts differ (--text)",
            from.1, to.1
        ));
    }
    Ok(same)
}

/// What differs by meaning; `None` if one of them cannot be read.
pub(crate) fn meaning(from: &str, to: &str) -> Option<Vec<Change>> {
    let read = |text: &str| deployment::read_accepted(text.as_bytes()).deployment;
    let (from, to): (Deployment, Deployment) = (read(from)?, read(to)?);
    let mut changes = deployment::changes(&from, &to);
    if changes.is_empty() && from != to {
        changes.push(Change {
            how: How::Changed,
            kind: "deployment".to_owned(),
            name: to.name,
            details: vec![Detail {
                name: "the order of what it contains, or a part of <configuration>".to_owned(),
                from: None,
                to: None,
                secret: false,
            }],
        });
    }
    Some(changes)
}

fn lines(change: &Change) -> Vec<Line> {
    let style = match change.how {
        How::Added => GOOD,
        How::Removed => BAD,
        How::Changed => BUSY,
    };
    let head = Line::from(format!("{} {} ", change.kind, change.name));
    let details = change.details.iter().map(|detail| {
        let from = detail.from.as_deref().unwrap_or("-");
        let to = detail.to.as_deref().unwrap_or("-");
        let text = match (&detail.from, &detail.to) {
            (None, None) => detail.name.clone(),
            _ if detail.secret => format!("{}: another one (secret)", detail.name),
            _ => format!("{}: {from} → {to}", detail.name),
        };
        Line::new().styled(format!("  {text}"), PLAIN)
    });
    [head.styled(change.how.as_str(), style)]
        .into_iter()
        .chain(details)
        .collect()
}

fn change_json(change: &Change) -> serde_json::Value {
    let details = change.details.iter().map(|detail| {
        let value = |value: &Option<String>| match detail.secret {
            true => None,
            false => value.clone(),
        };
        json!({
            "name": detail.name, "from": value(&detail.from), "to": value(&detail.to), "secret": detail.secret,
        })
    });
    json!({
        "how": change.how.as_str(),
        "kind": change.kind,
        "name": change.name,
        "details": details.collect::<Vec<_>>(),
    })
}

/// As `diff -u`.
fn text(name: &str, from: &(String, u64), to: &(String, u64)) -> String {
    let heads = [from, to].map(|(_, generation)| format!("{name} generation {generation}"));
    TextDiff::configure()
        .timeout(PATIENCE)
        .diff_lines(&from.0, &to.0)
        .unified_diff()
        .header(&heads[0], &heads[1])
        .to_string()
}

/// The exit status of a comparison that failed, as of `diff`: 1 would say that something differs.
pub(crate) fn trouble(failure: Failure) -> Failure {
    match failure.kind {
        Kind::Failed => Failure::new(Kind::Usage, failure.message),
        _ => failure,
    }
}
