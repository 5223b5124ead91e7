//! `cpectl report`: one archive about a deployment, for whoever is to help.
//!
//! What cannot be had is noted, and does not keep the rest from being put together: a report is
//! wanted most when something is broken.

mod archive;
mod secrets;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::names::dpe_unit;
use cpe_bus::{Event, Fields, GenerationEntry, json};
use cpe_status::DeploymentStatus;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};

use self::archive::Archive;
use crate::cells;
use crate::client::Client;
use crate::commands::{pki, transitions};
use crate::failure::{Failure, Kind};
use crate::follow::{self, Filter};
use crate::options::Report;
use crate::output::Output;

/// The newest documents that are put in.
const DOCUMENTS: usize = 5;
/// The newest events that are put in.
const EVENTS: usize = 50_000;
/// Lines of each journal that are put in, and bytes.
const JOURNAL_LINES: &str = "20000";
const JOURNAL_BYTES: usize = 16 << 20;
/// What a daemon does not answer by then is left out: it may hang.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);
/// A journal that is not read by then is left out.
const JOURNAL_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    client: &Client,
    arguments: &Report,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    let client = &Client::connect_within(&client.bus, REPLY_TIMEOUT).await?;
    // A wrong name, or a caller who may not, gets no archive.
    let status = match client.status(name).await {
        Err(failure) if [Kind::NotFound, Kind::Usage, Kind::Denied].contains(&failure.kind) => {
            return Err(failure);
        }
        status => status,
    };
    let now = Timestamp::now();
    let folder = format!("cpectl-report-{name}-{}", now.strftime("%Y%m%dT%H%M%SZ"));
    let path = arguments.output.clone();
    let path = path.unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.gz")));
    let time_s = u64::try_from(now.as_second()).unwrap_or(0);
    let archive = Archive::new(&path, arguments.force, folder, time_s)?;
    let mut collector = Collector {
        client,
        arguments,
        output,
        archive,
    };
    collector.versions().await?;
    collector.status(status)?;
    collector.answers().await?;
    collector.documents().await?;
    collector.events().await?;
    collector.inputs().await?;
    collector.journal("journal/cpe.txt", "cpe.service").await?;
    collector
        .journal("journal/dpe.txt", &dpe_unit(name))
        .await?;
    collector.certificates()?;
    let manifest = collector.archive.finish(&head(arguments))?;
    if output.json {
        return output.json(&json!({
            "name": name, "file": path.display().to_string(), "manifest": manifest,
        }));
    }
    output.text(&manifest);
    output.line(format!("written to {}", path.display()));
    Ok(())
}

/// What stands above the table of contents.
fn head(arguments: &Report) -> String {
    let secrets = match arguments.with_secrets {
        true => {
            "It has the values of parameters, attributes and options in it, PASSWORDS AMONG THEM, and comments."
        }
        false => {
            "Values of parameters, attributes and options, comments, and digests of parameters are masked (***).\n\
             So decisions that are replayed on the inputs may differ from those that were made."
        }
    };
    format!(
        "Report about deployment {}, events and journal since {}.\n{secrets}\n\
         Not masked are the journal, explanations, operations and reasons of events: what programs said is there as they said it.\n\
         Look at it before you give it away.\n\n",
        arguments.name,
        cells::time(arguments.since)
    )
}

struct Collector<'a> {
    client: &'a Client,
    arguments: &'a Report,
    output: &'a Output,
    archive: Archive,
}

impl Collector<'_> {
    fn progress(&self, what: &str) {
        self.output.note(&format!("collecting {what} …"));
    }

    fn add_json(&mut self, name: &str, what: &str, value: &Value) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::failed(error.to_string()))?;
        self.archive.add(name, what, text.as_bytes())
    }

    async fn versions(&mut self) -> Result<(), Failure> {
        self.progress("versions");
        let cpe = match self.client.manager().await {
            Ok(manager) => manager.version().await,
            Err(error) => Err(error),
        };
        let cpe = cpe.unwrap_or_else(|error| format!("unknown ({})", Failure::from(error).message));
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let system = read("/etc/os-release");
        let system = system
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let text = format!(
            "cpectl {}\ncpe {cpe}\nsystem {}\nkernel {}\n",
            env!("CARGO_PKG_VERSION"),
            system.unwrap_or("unknown").trim_matches('"'),
            read("/proc/sys/kernel/osrelease").trim()
        );
        let what = "of cpectl, cpe, and the host; those of guests' agents are in the status";
        self.archive.add("versions.txt", what, text.as_bytes())
    }

    fn status(&mut self, status: Result<DeploymentStatus, Failure>) -> Result<(), Failure> {
        let mut status = match status {
            Ok(status) => status,
            Err(failure) => {
                self.archive.missing("status.json", &failure.message);
                return Ok(());
            }
        };
        let what = match self.arguments.with_secrets {
            true => "as it is",
            false => {
                secrets::mask_status(&mut status);
                "values of attributes and options masked"
            }
        };
        self.add_json("status.json", what, &json!(status))
    }

    /// What can be asked besides.
    async fn answers(&mut self) -> Result<(), Failure> {
        let name = &self.arguments.name;
        self.progress("explanations and operations");
        let proxy = self.client.deployment(name).await?;
        let mut options = Fields::new();
        put(&mut options, "scores", true);
        let explanation = proxy.get_explanation(options).await.and_then(|text| {
            let answer: Value = json::from_json(&text)?;
            Ok(answer["text"].as_str().unwrap_or_default().to_owned())
        });
        match explanation {
            Ok(text) => {
                let what = "what is not as it should be, with cause and remedy, not masked";
                self.archive.add("explain.txt", what, text.as_bytes())?;
            }
            Err(error) => self.archive.missing("explain.txt", &error.message()),
        }
        match proxy.get_operations(Fields::new()).await {
            Ok(text) => {
                let what = "the last operations, as the guests told them, not masked";
                self.archive.add("operations.json", what, text.as_bytes())?;
            }
            Err(error) => self.archive.missing("operations.json", &error.message()),
        }
        Ok(())
    }

    async fn documents(&mut self) -> Result<(), Failure> {
        let name = &self.arguments.name;
        self.progress("documents");
        let proxy = self.client.deployment(name).await?;
        let listed = proxy.list_generations().await.and_then(|listed| {
            let entries = listed.iter().map(GenerationEntry::from_fields);
            entries.collect::<cpe_bus::Result<Vec<_>>>()
        });
        let entries = match listed {
            Ok(entries) => entries,
            Err(error) => {
                self.archive.missing("history.json", &error.message());
                return Ok(());
            }
        };
        self.add_json(
            "history.json",
            "who stored which generation",
            &json!(entries),
        )?;
        for entry in entries.iter().rev().take(DOCUMENTS) {
            let file = format!("documents/generation-{}.xml", entry.generation);
            let text = proxy.get_document(entry.generation).await;
            let text = text.map(|(text, _)| text);
            self.add_xml(&file, "document", text)?;
        }
        Ok(())
    }

    fn add_xml(
        &mut self,
        file: &str,
        what: &str,
        text: cpe_bus::Result<String>,
    ) -> Result<(), Failure> {
        let text = text.map_err(|error| error.message());
        let masked = text.and_then(|text| secrets::of_xml(text, self.arguments.with_secrets));
        match masked {
            Ok((text, how)) => {
                let what = format!("{what}, {how}");
                self.archive.add(file, &what, text.as_bytes())
            }
            Err(why) => {
                self.archive.missing(file, &why);
                Ok(())
            }
        }
    }

    async fn events(&mut self) -> Result<(), Failure> {
        self.progress("events");
        match self.read_events().await {
            Ok(events) => {
                let mut text = String::new();
                for event in &events {
                    text.push_str(&json!(event).to_string());
                    text.push('\n');
                }
                let what = match events.len() {
                    EVENTS => format!("the last {EVENTS} events, one a line"),
                    count => format!("{count} events, one a line"),
                };
                self.archive.add("events.jsonl", &what, text.as_bytes())
            }
            Err(failure) => {
                self.archive.missing("events.jsonl", &failure.message);
                Ok(())
            }
        }
    }

    async fn read_events(&self) -> Result<VecDeque<Event>, Failure> {
        let filter = Filter {
            deployment: self.arguments.name.clone(),
            since: Some(self.arguments.since),
            ..Filter::default()
        };
        let mut events = VecDeque::new();
        let keep = |mut event| {
            if !self.arguments.with_secrets {
                secrets::mask_event(&mut event);
            }
            events.push_back(event);
            if events.len() > EVENTS {
                events.pop_front();
            }
            Ok(())
        };
        follow::past(self.client, &filter, 0, keep).await?;
        Ok(events)
    }

    async fn inputs(&mut self) -> Result<(), Failure> {
        let name = &self.arguments.name;
        self.progress("inputs of the policy engine");
        let proxy = self.client.deployment(name).await?;
        let present = proxy.get_input().await;
        self.add_xml(
            "inputs/present.xml",
            "what would be decided on now",
            present,
        )?;
        let kept = match transitions::kept(self.client, name).await {
            Ok(kept) => kept,
            Err(failure) => {
                self.archive.missing("inputs", &failure.message);
                return Ok(());
            }
        };
        for input in kept.iter().rev() {
            // Names come from the DPE.
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if !input.name.chars().all(plain) {
                continue;
            }
            let what = match input.transition {
                Some(number) => format!("what transition {number} was decided on"),
                None => "what a refused decision was made on".to_owned(),
            };
            let what = format!("{what}, {}", cells::time(input.time));
            let text = proxy.get_kept_input(&input.name).await;
            self.add_xml(&format!("inputs/{}.xml", input.name), &what, text)?;
        }
        Ok(())
    }

    async fn journal(&mut self, file: &str, unit: &str) -> Result<(), Failure> {
        self.progress(&format!("the journal of {unit}"));
        let read = read_journal(unit, self.arguments.since);
        let read = tokio::time::timeout(JOURNAL_TIMEOUT, read).await;
        let read = read.unwrap_or_else(|_| Err("journalctl takes too long".to_owned()));
        match read {
            Ok(text) if text.is_empty() => {
                let why = format!(
                    "the journal has nothing of {unit} that you may read (group systemd-journal)"
                );
                self.archive.missing(file, &why);
                Ok(())
            }
            Ok(text) => {
                let what = format!("journal of {unit}, its last {JOURNAL_LINES} lines, not masked");
                self.archive.add(file, &what, &text)
            }
            Err(why) => {
                self.archive.missing(file, &why);
                Ok(())
            }
        }
    }

    fn certificates(&mut self) -> Result<(), Failure> {
        match pki::issued(&self.arguments.pki_directory, &self.arguments.name) {
            Ok(issued) => {
                let what = "certificates that were issued, without keys";
                self.add_json("certificates.json", what, &issued)
            }
            Err(failure) => {
                self.archive.missing("certificates.json", &failure.message);
                Ok(())
            }
        }
    }
}

/// The last lines of a text, at most so many bytes.
async fn newest(mut text: impl AsyncRead + Unpin, bytes: usize) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    // Twice as much is held, so that not every part moves all of it.
    while text.read_buf(&mut kept).await? > 0 {
        if kept.len() > 2 * bytes {
            drop_oldest(&mut kept, bytes);
        }
    }
    drop_oldest(&mut kept, bytes);
    Ok(kept)
}

/// Leaves whole lines.
fn drop_oldest(text: &mut Vec<u8>, bytes: usize) {
    let Some(surplus) = text.len().checked_sub(bytes).filter(|&surplus| surplus > 0) else {
        return;
    };
    let rest = text[surplus - 1..].iter().position(|byte| *byte == b'\n');
    text.drain(..rest.map_or(text.len(), |rest| surplus + rest));
}

async fn read_journal(unit: &str, since_us: u64) -> Result<Vec<u8>, String> {
    let mut child = tokio::process::Command::new("journalctl")
        .args(["--no-pager", "--quiet", "--output=short-iso-precise"])
        .args(["--lines", JOURNAL_LINES, "--unit", unit])
        .arg(format!("--since=@{}", since_us / 1_000_000))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run journalctl: {error}"))?;
    let text = match child.stdout.take() {
        Some(stdout) => newest(stdout, JOURNAL_BYTES).await,
        None => Ok(Vec::new()),
    };
    let text = text.map_err(|error| error.to_string())?;
    let status = child.wait().await.map_err(|error| error.to_string())?;
    match status.success() || !text.is_empty() {
        true => Ok(text),
        false => Err(format!("journalctl failed ({status})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_lines_of_a_journal_are_kept_whole() {
        let lines =
            |from: u32, to: u32| (from..to).map(|n| format!("{n:03}\n")).collect::<String>();
        let text = lines(0, 1000);
        for (bytes, first) in [
            (8, 998),
            (9, 998),
            (11, 998),
            (12, 997),
            (4000, 0),
            (5000, 0),
        ] {
            let kept = newest(text.as_bytes(), bytes).await.unwrap();
            assert_eq!(
                String::from_utf8(kept).unwrap(),
                lines(first, 1000),
                "{bytes}"
            );
        }
        assert!(newest(text.as_bytes(), 3).await.unwrap().is_empty());
    }
}
