//! What the daemon says: statuses again and again, and the event log.

use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::{BusSelection, Fields, json};
use cpe_status::RoomReport;
use tokio::sync::mpsc;

use super::keys::Want;
use super::state::Told;
use crate::client::Client;
use crate::commands::{check, wait};
use crate::failure::Failure;
use crate::follow::{Filter, Follower};

/// Statuses are asked for again after this time though no event came.
const PAUSE: Duration = Duration::from_secs(1);
/// Events within this time have the statuses asked for once.
const TOGETHER: Duration = Duration::from_millis(100);
/// A daemon that has not answered by then is said to be away.
const REPLY: Duration = Duration::from_secs(5);
/// An answer to what a key asked for may take this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Past events that are shown at the start.
const PAST: u64 = 100;

/// Tells of one deployment or of all, until nobody listens.
pub(super) async fn run(bus: BusSelection, name: Option<String>, tell: mpsc::Sender<Told>) {
    let mut cursor = None;
    while !tell.is_closed() {
        let silence = match follow(&bus, name.as_deref(), &mut cursor, &tell).await {
            Ok(()) => return,
            Err(failure) => Told::Silence(failure.message),
        };
        if tell.send(silence).await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tells until nobody listens. `cursor`: the last event that was told.
///
/// # Errors
/// The daemon is away.
async fn follow(
    bus: &BusSelection,
    name: Option<&str>,
    cursor: &mut Option<u64>,
    tell: &mpsc::Sender<Told>,
) -> Result<(), Failure> {
    let client = Client::connect_within(bus, REPLY).await?;
    let filter = Filter {
        deployment: name.unwrap_or_default().to_owned(),
        ..Filter::default()
    };
    let from = match *cursor {
        Some(cursor) => cursor,
        None => wait::newest_cursor(&client).await?.saturating_sub(PAST),
    };
    let mut follower = Follower::new(&client, filter, from).await?;
    loop {
        let statuses = match name {
            Some(name) => vec![client.status(name).await?],
            None => client.statuses().await?,
        };
        if tell.send(Told::Statuses(statuses)).await.is_err() {
            return Ok(());
        }
        let mut time = PAUSE;
        while let Some(event) = follower.next_within(time).await {
            *cursor = Some(event.cursor);
            if tell.send(Told::Event(Box::new(event))).await.is_err() {
                return Ok(());
            }
            time = TOGETHER;
        }
    }
}

/// Answers what a key has asked for.
pub(super) async fn answer(bus: BusSelection, want: Want) -> Told {
    let answer = async {
        let client = Client::connect_within(&bus, PATIENCE).await?;
        Ok(match want {
            Want::Quit => Told::Done(String::new()),
            Want::Explain(name, service, assembly) => {
                explain(&client, &name, service, assembly).await?
            }
            Want::WhatIf(name, assembly) => what_if(&client, &name, assembly).await?,
            Want::Plan(order) => {
                let planned = order.plan(&client).await?;
                Told::Planned(order, planned)
            }
            Want::Give(order, fingerprint) => {
                order.give(&client, &fingerprint).await?;
                Told::Done(format!("ordered: {}", order.text()))
            }
        })
    };
    let answer: Result<Told, Failure> = answer.await;
    answer.unwrap_or_else(|failure| Told::Done(failure.message))
}

async fn explain(
    client: &Client,
    name: &str,
    service: Option<String>,
    assembly: Option<String>,
) -> Result<Told, Failure> {
    let deployment = client.deployment(name).await?;
    let service = service.as_deref().unwrap_or_default();
    let assembly = assembly.as_deref().unwrap_or_default();
    let text = deployment.explain(service, assembly).await?;
    let about = [service, assembly].into_iter().find(|it| !it.is_empty());
    let title = format!("explain {}", about.unwrap_or(name));
    Ok(Told::Text(title, text.lines().map(str::to_owned).collect()))
}

async fn what_if(client: &Client, name: &str, assembly: Option<String>) -> Result<Told, Failure> {
    let deployment = client.deployment(name).await?;
    let mut options = Fields::new();
    if let Some(assembly) = &assembly {
        put(&mut options, "assemblies", vec![assembly.as_str()]);
    }
    let text = deployment.check_room(options).await?;
    let report: RoomReport = json::from_json(&text)?;
    let lines = check::lines(&report).into_iter();
    let lines = lines.map(|line| line.as_str().to_owned());
    let title = match assembly {
        Some(assembly) => format!("what if {assembly} is lost"),
        None => "what if any one assembly is lost".to_owned(),
    };
    Ok(Told::Text(title, lines.collect()))
}
