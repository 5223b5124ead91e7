//! What the daemon says: statuses again and again, and the event log.

use std::time::{Duration, Instant};

use cpe_bus::fields::put;
use cpe_bus::{BusSelection, Fields, json};
use cpe_status::{DeploymentStatus, RoomReport};
use tokio::sync::{mpsc, watch};

use super::keys::Want;
use super::round::Round;
use super::state::Told;
use crate::client::Client;
use crate::commands::{check, wait};
use crate::failure::{Failure, Kind};
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

/// Which deployments are looked at.
pub(super) struct Subject {
    /// The only deployment; `None`: all.
    pub only: Option<String>,
    /// The one that somebody looks at now.
    pub looked_at: watch::Receiver<Option<String>>,
}

/// Tells of one deployment or of all, until nobody listens.
pub(super) async fn run(bus: BusSelection, mut subject: Subject, tell: mpsc::Sender<Told>) {
    let mut cursor = None;
    while !tell.is_closed() {
        let silence = match follow(&bus, &mut subject, &mut cursor, &tell).await {
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
    subject: &mut Subject,
    cursor: &mut Option<u64>,
    tell: &mpsc::Sender<Told>,
) -> Result<(), Failure> {
    let client = Client::connect_within(bus, REPLY).await?;
    let filter = Filter {
        deployment: subject.only.clone().unwrap_or_default(),
        ..Filter::default()
    };
    let from = match *cursor {
        Some(cursor) => cursor,
        None => wait::newest_cursor(&client).await?.saturating_sub(PAST),
    };
    let mut follower = Follower::new(&client, filter, from).await?;
    let mut round = Round::default();
    loop {
        let statuses = match &subject.only {
            Some(name) => vec![client.status(name).await?],
            None => all(&client, &mut round, subject).await?,
        };
        if tell.send(Told::Statuses(statuses)).await.is_err() {
            return Ok(());
        }
        let mut time = PAUSE;
        loop {
            let event = tokio::select! {
                event = follower.next_within(time) => event,
                // Another one is looked at: its status is not of now, perhaps.
                Ok(()) = subject.looked_at.changed() => None,
            };
            let Some(event) = event else { break };
            *cursor = Some(event.cursor);
            round.touch(&event.deployment);
            if tell.send(Told::Event(Box::new(event))).await.is_err() {
                return Ok(());
            }
            time = TOGETHER;
        }
    }
}

/// The statuses of all deployments. Those are asked for again that may be otherwise.
async fn all(
    client: &Client,
    round: &mut Round,
    subject: &mut Subject,
) -> Result<Vec<DeploymentStatus>, Failure> {
    let entries = client.list().await?;
    let open = subject.looked_at.borrow_and_update().clone();
    let wanted = round.wanted(&entries, open.as_deref(), Instant::now());
    for entry in entries.iter().filter(|own| wanted.contains(&own.name)) {
        let status = match client.status(&entry.name).await {
            Ok(status) => Some(status),
            // Destroyed since the list was made.
            Err(failure) if failure.kind == Kind::NotFound => None,
            Err(failure) => return Err(failure),
        };
        round.learn(entry, status, Instant::now());
    }
    Ok(round.statuses())
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
