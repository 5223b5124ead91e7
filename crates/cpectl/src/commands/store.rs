//! `cpectl store`: where deployments and events are kept, and how that is.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cpe_bus::json;
use cpe_status::{StoreMember, StoreStatus};
use cpe_terminal::{Cell, Line, Table};
use serde_json::json;

use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::options::{Store, StoreCommand};
use crate::output::{BAD, GOOD, HEAD, Output};

/// Of its quota, a member of etcd that has more is close to taking nothing any more, in hundredths.
const NEARLY_FULL: u64 = 60;

pub(crate) async fn run(client: &Client, store: &Store, output: &Output) -> Result<(), Failure> {
    match &store.command {
        StoreCommand::Status => status(client, output).await,
        StoreCommand::Backup { file } => backup(client, file, output).await,
    }
}

async fn status(client: &Client, output: &Output) -> Result<(), Failure> {
    let text = client.hosts().await?.get_store().await?;
    let store: StoreStatus = json::from_json(&text)?;
    if output.json {
        return output.json(&store);
    }
    lines(&store).into_iter().for_each(|line| output.line(line));
    if !store.members.is_empty() {
        output.line("");
        output.table(&table(&store.members));
    }
    Ok(())
}

async fn backup(client: &Client, path: &Path, output: &Output) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let shown = path.display();
    let file = options.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(
            Kind::Conflict,
            format!("{shown} exists, and nothing is written over it"),
        ),
        _ => Failure::failed(format!("cannot create {shown}: {error}")),
    })?;
    let made = async {
        let hosts = client.hosts().await?;
        Ok::<u64, Failure>(hosts.back_up_store((&file).into()).await?)
    };
    let size = made.await.inspect_err(|_| {
        // What is there is not whole.
        let _ = std::fs::remove_file(path);
    })?;
    if output.json {
        return output.json(&json!({ "file": path, "bytes": size }));
    }
    output.line(format!(
        "{shown} is a copy of the database, {}",
        bytes(size)
    ));
    Ok(())
}

fn lines(store: &StoreStatus) -> Vec<Line> {
    let head = Line::from(format!("{}: ", store.kind));
    let head = match store.trouble.as_str() {
        "" => head.styled("answers", GOOD),
        trouble => head.styled(trouble, BAD),
    };
    let head = match store.revision {
        Some(revision) => head.plain(format!(", revision {revision}")),
        None => head,
    };
    let free = store.free.map_or_else(String::new, |free| {
        format!(", {} free on its file system", bytes(free))
    });
    let what = match store.kind.as_str() {
        "etcd" => "this host's copy of the event log",
        _ => "file",
    };
    vec![
        head,
        Line::from(format!(
            "  {what} {}, {}{free}",
            store.file,
            bytes(store.size)
        )),
        Line::from(format!(
            "  event log {}, newest event {}",
            store.log, store.cursor
        )),
    ]
}

/// A row for each member.
fn table(members: &[StoreMember]) -> Table<7> {
    let rows = members.iter().map(|member| {
        let (state, style) = match (member.error.as_str(), member.leads) {
            ("", true) => ("leads", GOOD),
            ("", false) => ("follows", GOOD),
            _ => ("silent", BAD),
        };
        let is_known = member.error.is_empty();
        let known = |text: String| if is_known { text } else { "-".to_owned() };
        let quota = member.quota.map_or("?".to_owned(), bytes);
        [
            Cell::from(&member.endpoint),
            Cell::new(state, style),
            Cell::from(known(member.version.clone())),
            Cell::from(known(bytes(member.size))),
            Cell::from(known(bytes(member.used))),
            Cell::from(known(quota)),
            Cell::from(remark(member)),
        ]
    });
    let heads = [
        "MEMBER", "STATE", "VERSION", "SIZE", "USED", "QUOTA", "REMARK",
    ];
    Table::new(heads, HEAD, rows)
}

fn remark(member: &StoreMember) -> String {
    let mut remarks = Vec::new();
    if !member.error.is_empty() {
        remarks.push(member.error.clone());
    }
    if let Some(quota) = member.quota.filter(|quota| *quota > 0) {
        let percent = member.size.saturating_mul(100) / quota;
        if percent >= NEARLY_FULL {
            remarks.push(format!("{percent} % of its quota"));
        }
    }
    remarks.extend(member.alarms.iter().cloned());
    remarks.join("; ")
}

/// `3.2 MiB`
fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} bytes");
    }
    let mut tenths = count.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_units_that_people_read() {
        let texts = [0, 1023, 1024, 1_600_000, 20 << 30].map(bytes);
        assert_eq!(
            texts,
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB", "20.0 GiB"]
        );
    }

    #[test]
    fn a_member_says_what_is_wrong_with_it() {
        let full = StoreMember {
            size: 70,
            quota: Some(100),
            alarms: vec!["NOSPACE".into()],
            ..StoreMember::default()
        };
        assert_eq!(remark(&full), "70 % of its quota; NOSPACE");
        let silent = StoreMember {
            error: "it is silent".into(),
            ..StoreMember::default()
        };
        let lines = table(&[silent]).lines(None);
        let row: Vec<&str> = lines[1].as_str().split_whitespace().collect();
        assert_eq!(row[..5], ["silent", "-", "-", "-", "-"]);
    }
}
