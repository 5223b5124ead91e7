//! `cpectl events`: the log as lines, as JSON lines, or as CloudEvents.

use std::collections::VecDeque;

use cpe_bus::Event;
use cpe_bus::cloudevents::to_cloudevent;

use crate::client::Client;
use crate::failure::Failure;
use crate::follow::{Filter, Follower};
use crate::options::Events;
use crate::output::{Color, Output, time};

pub(crate) async fn run(
    client: Client,
    arguments: &Events,
    output: &Output,
) -> Result<(), Failure> {
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let filter = Filter {
        deployment: text(&arguments.deployment),
        assembly: text(&arguments.assembly),
        service: text(&arguments.service),
        kind: text(&arguments.kind),
    };
    let proxy = client.events().await?;
    let mut cursor = arguments.since;
    let mut kept: VecDeque<Event> = VecDeque::new();
    loop {
        let (page, next) = proxy.query(cursor, 0, filter.to_fields()).await?;
        cursor = next;
        if page.is_empty() {
            break;
        }
        for fields in &page {
            let event = Event::from_fields(fields)?;
            match arguments.last {
                None => print(&event, arguments, output)?,
                Some(last) => {
                    kept.push_back(event);
                    if kept.len() > last {
                        kept.pop_front();
                    }
                }
            }
        }
    }
    for event in kept {
        print(&event, arguments, output)?;
    }
    if arguments.follow {
        let mut follower = Follower::new(&client, filter, cursor).await?;
        loop {
            print(&follower.next().await, arguments, output)?;
        }
    }
    Ok(())
}

fn print(event: &Event, arguments: &Events, output: &Output) -> Result<(), Failure> {
    if arguments.cloudevents {
        output.json_line(&to_cloudevent(event))
    } else if output.json {
        output.json_line(event)
    } else {
        output.line(&format!("{:>6} {}", event.cursor, line(event, output)));
        Ok(())
    }
}

/// `2026-11-22 19:02:11 service.moved shop web1/db (started): web2 was lost`
pub(crate) fn line(event: &Event, output: &Output) -> String {
    let mut line = format!("{} ", output.paint(&time(event.time), Color::Faint));
    line.push_str(&output.paint(&event.kind, color(&event.kind)));
    let of = match (event.assembly.as_str(), event.service.as_str()) {
        ("", "") => String::new(),
        (assembly, "") => assembly.to_owned(),
        ("", service) => service.to_owned(),
        (assembly, service) => format!("{assembly}/{service}"),
    };
    for part in [event.deployment.as_str(), &of] {
        if !part.is_empty() {
            line.push(' ');
            line.push_str(part);
        }
    }
    if !event.state.is_empty() {
        line.push_str(&format!(" ({})", event.state));
    }
    if !event.reason.is_empty() {
        // One event, one line.
        line.push_str(&format!(": {}", event.reason.replace('\n', " ")));
    }
    line
}

fn color(kind: &str) -> Color {
    match kind.rsplit('.').next().unwrap_or_default() {
        "failed" | "died" | "lost" | "unrecoverable" | "fencing-failed" | "degraded" => Color::Bad,
        "heartbeat-missed" | "fencing-requested" | "aborted" => Color::Busy,
        "started" | "recovered" | "online" | "restarted" | "fencing-succeeded" | "completed" => {
            Color::Good
        }
        _ => Color::Plain,
    }
}
