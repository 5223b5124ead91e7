//! `cpectl events`: the log as lines, as JSON lines, or as CloudEvents.

use std::collections::VecDeque;

use cpe_bus::Event;
use cpe_bus::cloudevents::to_cloudevent;
use cpe_terminal::Line;

use crate::cells::{kind_style, time};
use crate::client::Client;
use crate::failure::Failure;
use crate::follow::{self, Filter, Follower};
use crate::options::Events;
use crate::output::{FAINT, Output};
use crate::times::Since;

pub(crate) async fn run(
    client: Client,
    arguments: &Events,
    output: &Output,
) -> Result<(), Failure> {
    let (cursor, since) = match arguments.since {
        None => (0, None),
        Some(Since::Cursor(cursor)) => (cursor, None),
        Some(Since::Time(time)) => (0, Some(time)),
    };
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let filter = Filter {
        deployment: text(&arguments.deployment),
        assembly: text(&arguments.assembly),
        service: text(&arguments.service),
        kind: text(&arguments.kind),
        since,
    };
    let mut kept: VecDeque<Event> = VecDeque::new();
    let each = |event| match arguments.last {
        None => print(&event, arguments, output),
        Some(last) => {
            kept.push_back(event);
            if kept.len() > last {
                kept.pop_front();
            }
            Ok(())
        }
    };
    let cursor = follow::past(&client, &filter, cursor, each).await?;
    for event in kept {
        print(&event, arguments, output)?;
    }
    if arguments.follow {
        let mut follower = Follower::new(&client, filter, cursor).await?;
        loop {
            let event = follower.next().await;
            if follower.was_replaced() {
                output.note("the event log was lost or restored; it is shown from its beginning");
            }
            print(&event, arguments, output)?;
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
        output.line(with_event(
            Line::from(format!("{:>6} ", event.cursor)),
            event,
        ));
        Ok(())
    }
}

/// `2026-11-22 19:02:11 UTC service.moved shop web1/db (started): web2 was lost`
pub(crate) fn line(event: &Event) -> Line {
    with_event(Line::new(), event)
}

fn with_event(line: Line, event: &Event) -> Line {
    let mut line = line
        .styled(time(event.time), FAINT)
        .plain(" ")
        .styled(&event.kind, kind_style(&event.kind));
    let subject = match (event.assembly.as_str(), event.service.as_str()) {
        ("", "") => String::new(),
        (assembly, "") => assembly.to_owned(),
        ("", service) => service.to_owned(),
        (assembly, service) => format!("{assembly}/{service}"),
    };
    for part in [&event.deployment, &subject] {
        if !part.is_empty() {
            line = line.plain(" ").plain(part);
        }
    }
    if !event.state.is_empty() {
        line = line.plain(format!(" ({})", event.state));
    }
    if !event.reason.is_empty() {
        // One event, one line.
        line = line.plain(format!(": {}", event.reason.replace('\n', " ")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_says() {
        let event = Event {
            time: 1_700_000_000_000_000,
            kind: "service.failed".into(),
            deployment: "shop".into(),
            assembly: "web1".into(),
            service: "db".into(),
            state: "failed".into(),
            reason: "two\nlines\x1b[2J".into(),
            ..Event::default()
        };
        let expected = format!(
            r"{} service.failed shop web1/db (failed): two lines\u{{1b}}[2J",
            time(event.time)
        );
        assert_eq!(line(&event).as_str(), expected);
    }
}
