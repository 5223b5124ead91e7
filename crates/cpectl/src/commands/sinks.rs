//! `cpectl sinks`: how the delivery of events to others stands, and what did not arrive.

use cpe_bus::json;
use cpe_bus::proxies::NotifyProxy;
use cpe_status::{DeadLetterList, SinkList, SinkStatus, SinkTest};
use cpe_terminal::{Cell, Table};
use serde_json::json;
use zbus::proxy::CacheProperties;

use crate::cells::time;
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::options::{Sinks, SinksCommand};
use crate::output::{BAD, BUSY, FAINT, GOOD, HEAD, Output, PLAIN};

pub(crate) async fn run(
    client: &Client,
    arguments: &Sinks,
    output: &Output,
) -> Result<(), Failure> {
    let daemon = NotifyProxy::builder(&client.connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    match &arguments.command {
        None | Some(SinksCommand::List) => list(&daemon, output).await,
        Some(SinksCommand::Test { name }) => test(&daemon, name, output).await,
        Some(SinksCommand::Dead { name }) => dead(&daemon, name, output).await,
        Some(SinksCommand::Redeliver { name, id }) => {
            redeliver(&daemon, name, id.as_deref(), output).await
        }
    }
}

/// The failure of a question: of this daemon, not of cpe.
fn failure(error: cpe_bus::Error) -> Failure {
    if error.is_temporary() {
        return Failure::new(
            Kind::Unreachable,
            "cpe-notify does not answer on this bus: it runs if /etc/cpe/sinks.d has a sink, after `systemctl start cpe-notify`",
        );
    }
    Failure::from(error)
}

async fn list(daemon: &NotifyProxy<'_>, output: &Output) -> Result<(), Failure> {
    let list: SinkList = json::from_json(&daemon.list().await.map_err(failure)?)?;
    if output.json {
        return output.json(&list);
    }
    if !list.log.is_empty() {
        output.note(&format!("the event log cannot be read now: {}", list.log));
    }
    if list.sinks.is_empty() && list.refused.is_empty() {
        output.note("no sinks; each file /etc/cpe/sinks.d/NAME.toml is one (cpe-sinks(5))");
    }
    if !list.sinks.is_empty() {
        output.table(&table(&list.sinks));
    }
    for sink in &list.sinks {
        remarks(sink)
            .iter()
            .for_each(|line| output.line(line.as_str()));
    }
    for refused in &list.refused {
        output.line(format!("refused: {refused}").as_str());
    }
    Ok(())
}

/// A row for each sink.
fn table(sinks: &[SinkStatus]) -> Table<7> {
    let rows = sinks.iter().map(|sink| {
        let style = match sink.state.as_str() {
            "idle" => GOOD,
            "stuck" => BAD,
            _ => BUSY,
        };
        let dead = if sink.dead == 0 { PLAIN } else { BAD };
        [
            Cell::from(&sink.name),
            Cell::new(sink.state.as_str(), style),
            Cell::from(sink.lag.map_or("?".to_owned(), |lag| lag.to_string())),
            Cell::from(sink.delivered.to_string()),
            Cell::new(sink.dead.to_string(), dead),
            Cell::new(time(sink.last_success), FAINT),
            Cell::from(format!("{} {}", sink.r#type, sink.target)),
        ]
    });
    let heads = [
        "SINK",
        "STATE",
        "LAG",
        "DELIVERED",
        "DEAD",
        "LAST SUCCESS",
        "TARGET",
    ];
    Table::new(heads, HEAD, rows)
}

/// What a person should know of a sink besides.
fn remarks(sink: &SinkStatus) -> Vec<String> {
    let mut lines = Vec::new();
    if sink.attempts > 0 {
        lines.push(format!(
            "{}: the next event was tried {} times, again at {}",
            sink.name,
            sink.attempts,
            time(sink.next_attempt)
        ));
    }
    if !sink.last_error.is_empty() {
        let at = time(sink.last_error_time);
        lines.push(format!(
            "{}: last error at {at}: {}",
            sink.name, sink.last_error
        ));
    }
    if sink.dead > 0 {
        lines.push(format!(
            "{0}: cpectl sinks dead {0} lists what did not arrive, cpectl sinks redeliver {0} tries it again",
            sink.name
        ));
    }
    if sink.lost > 0 {
        lines.push(format!(
            "{}: {} events lost by retention: they were removed from the log before the sink had looked at them",
            sink.name, sink.lost
        ));
    }
    lines
}

async fn test(daemon: &NotifyProxy<'_>, name: &str, output: &Output) -> Result<(), Failure> {
    let test: SinkTest = json::from_json(&daemon.test(name).await.map_err(failure)?)?;
    if !test.delivered {
        let text = format!(
            "{name} did not take it ({} ms): {}",
            test.took_ms, test.error
        );
        return Err(Failure::failed(text));
    }
    if output.json {
        return output.json(&test);
    }
    output.line(format!("{name} took event {} in {} ms", test.id, test.took_ms).as_str());
    Ok(())
}

async fn dead(daemon: &NotifyProxy<'_>, name: &str, output: &Output) -> Result<(), Failure> {
    let list: DeadLetterList = json::from_json(&daemon.dead(name).await.map_err(failure)?)?;
    if output.json {
        return output.json(&list);
    }
    if list.letters.is_empty() {
        output.note(&format!("{name} has no dead letters"));
        return Ok(());
    }
    let rows = list.letters.iter().map(|letter| {
        let error = match letter.wanted {
            true => format!("is tried again; before: {}", letter.error),
            false => letter.error.clone(),
        };
        [
            Cell::from(&letter.id),
            Cell::from(letter.cursor.to_string()),
            Cell::new(time(letter.time), FAINT),
            Cell::from(&letter.kind),
            Cell::from(&letter.deployment),
            Cell::from(letter.attempts.to_string()),
            Cell::from(error),
        ]
    });
    let heads = [
        "ID",
        "CURSOR",
        "TIME",
        "KIND",
        "DEPLOYMENT",
        "ATTEMPTS",
        "ERROR",
    ];
    output.table(&Table::new(heads, HEAD, rows));
    if list.left_out > 0 {
        output.note(&format!("and {} more", list.left_out));
    }
    Ok(())
}

async fn redeliver(
    daemon: &NotifyProxy<'_>,
    name: &str,
    id: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let asked = daemon.redeliver(name, id.unwrap_or_default()).await;
    let count = asked.map_err(|error| match error.leaves_it_open() {
        true => Failure::new(
            Kind::Unknown,
            format!(
                "cpe-notify was told, and has not answered: `cpectl sinks dead {name}` says which are tried again"
            ),
        ),
        false => failure(error),
    })?;
    if output.json {
        return output.json(&json!({ "sink": name, "count": count }));
    }
    output.line(match count {
        0 => format!("{name} has no dead letters"),
        count => format!(
            "{count} dead letters of {name} are tried once more; cpectl sinks dead {name} shows which are left"
        ),
    }
    .as_str());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_that_fails_says_why_and_what_to_do() {
        let sink = SinkStatus {
            name: "pager".into(),
            r#type: "http".into(),
            target: "https://pager.example/cpe".into(),
            state: "waiting".into(),
            lag: Some(7),
            delivered: 12,
            dead: 1,
            lost: 3,
            attempts: 2,
            next_attempt: 1_700_000_000_000_000,
            last_error: "HTTP status 503".into(),
            last_error_time: 1_700_000_000_000_000,
            ..SinkStatus::default()
        };
        let lines = table(std::slice::from_ref(&sink)).lines(None);
        let row: Vec<&str> = lines[1].as_str().split_whitespace().collect();
        let expected = [
            "pager",
            "waiting",
            "7",
            "12",
            "1",
            "-",
            "http",
            "https://pager.example/cpe",
        ];
        assert_eq!(row, expected);
        let text = remarks(&sink).join("\n");
        for part in [
            "tried 2 times",
            "HTTP status 503",
            "redeliver pager",
            "3 events lost by retention",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let well = SinkStatus {
            name: "pager".into(),
            ..SinkStatus::default()
        };
        assert_eq!(remarks(&well), [""; 0]);
    }
}
