//! `cpectl token`: who may call the gateway. All of it is a file that is root's; the gateway reads
//! it again when it changes.

use std::fs::File;
use std::path::Path;

use cpe_terminal::{Cell, Table};
use cpe_tokens::{Error, GATEWAY_GROUP, Tokens};
use jiff::{SignedDuration, Timestamp};
use nix::unistd::Group;
use serde_json::json;

use crate::cells;
use crate::failure::{Failure, Kind};
use crate::options::{Token, TokenCommand};
use crate::output::{BAD, GOOD, HEAD, Output};

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let kind = match &error {
            Error::File(_, error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Kind::Denied
            }
            Error::File(..) | Error::Invalid(..) | Error::TooMany => Kind::Failed,
            Error::Id(_) => Kind::Usage,
            Error::Exists(_) => Kind::Conflict,
        };
        Failure::new(kind, error.to_string())
    }
}

pub(crate) fn run(token: &Token, output: &Output) -> Result<(), Failure> {
    let _turn = match &token.command {
        TokenCommand::List => None,
        TokenCommand::New { .. } | TokenCommand::Revoke { .. } => Some(turn(&token.file)?),
    };
    let tokens = Tokens::load(&token.file)?;
    match &token.command {
        TokenCommand::New { id, days, note } => new(token, tokens, (id, *days, note), output),
        TokenCommand::List => list(&tokens, output),
        TokenCommand::Revoke { id } => revoke(token, tokens, id, output),
    }
}

/// One change at a time: of two at once, one would be lost.
fn turn(file: &Path) -> Result<File, Failure> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    let failed = |error| Failure::from(Error::File(folder.display().to_string(), error));
    let lock = File::open(folder).map_err(failed)?;
    lock.lock().map_err(failed)?;
    Ok(lock)
}

fn new(
    token: &Token,
    mut tokens: Tokens,
    (id, days, note): (&str, u32, &str),
    output: &Output,
) -> Result<(), Failure> {
    let now = Timestamp::now();
    let life = SignedDuration::from_hours(24 * i64::from(days));
    let too_long = |_| Failure::new(Kind::Usage, "--days: that is too long");
    let end = now.checked_add(life).map_err(too_long)?;
    let made = tokens.add(id, now, Some(end), note)?;
    save(token, &tokens, output)?;
    if output.json {
        return output.json(&json!({ "id": id, "token": made, "expires": end.to_string() }));
    }
    output.line(made);
    output.note(&format!(
        "callers with it are token:{id}; it is not shown again, and ends at {}",
        cells::time(microseconds(end))
    ));
    Ok(())
}

/// Before anything is shown: what is shown counts.
fn save(token: &Token, tokens: &Tokens, output: &Output) -> Result<(), Failure> {
    let group = Group::from_name(GATEWAY_GROUP).ok().flatten();
    if group.is_none() {
        output.note(&format!(
            "there is no group {GATEWAY_GROUP}: the gateway, if it is another user, cannot read {}",
            token.file.display()
        ));
    }
    Ok(tokens.save(&token.file, group.map(|group| group.gid.as_raw()))?)
}

fn list(tokens: &Tokens, output: &Output) -> Result<(), Failure> {
    let now = Timestamp::now();
    if output.json {
        let rows = tokens.tokens.iter().map(|entry| {
            json!({
                "id": entry.id,
                "created": entry.created.to_string(),
                "expires": entry.expires.map(|end| end.to_string()),
                "expired": entry.is_expired(now),
                "note": entry.note,
            })
        });
        return output.json(&rows.collect::<Vec<_>>());
    }
    let rows = tokens.tokens.iter().map(|entry| {
        let style = if entry.is_expired(now) { BAD } else { GOOD };
        let end = entry
            .expires
            .map_or_else(|| "never".to_owned(), |end| cells::time(microseconds(end)));
        [
            Cell::from(&entry.id),
            Cell::from(cells::time(microseconds(entry.created))),
            Cell::new(end, style),
            Cell::from(&entry.note),
        ]
    });
    output.table(&Table::new(["ID", "CREATED", "ENDS", "NOTE"], HEAD, rows));
    Ok(())
}

fn microseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_microsecond()).unwrap_or(0)
}

fn revoke(token: &Token, mut tokens: Tokens, id: &str, output: &Output) -> Result<(), Failure> {
    if !tokens.revoke(id) {
        let known: Vec<&str> = tokens
            .tokens
            .iter()
            .map(|entry| entry.id.as_str())
            .collect();
        let known = match known[..] {
            [] => "there are none".to_owned(),
            _ => format!("there are: {}", known.join(" ")),
        };
        return Err(Failure::new(
            Kind::NotFound,
            format!("there is no token `{id}`; {known}"),
        ));
    }
    save(token, &tokens, output)?;
    match output.json {
        true => output.json(&json!({ "id": id, "result": "revoked" })),
        false => {
            output.line(format!("token {id} is revoked"));
            Ok(())
        }
    }
}
