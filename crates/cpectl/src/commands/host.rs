//! `cpectl host`: the hosts that share deployments, and what administrators do with them.

use std::collections::BTreeMap;
use std::time::Duration;

use cpe_bus::json;
use cpe_bus::proxies::CpeHostsProxy;
use cpe_status::{HostDetails, HostList, HostStatus, OwnedDeployment};
use cpe_terminal::{Cell, Line, Table};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::administer::done;
use super::{confirm, wait};
use crate::cells::{duration, or_dash, time};
use crate::client::Client;
use crate::failure::{Failure, Kind, of_change};
use crate::options::{Drain, Host, HostCommand};
use crate::output::{BAD, BUSY, FAINT, GOOD, HEAD, Output, PLAIN};

/// Between two looks at a host that drains: it hands over five deployments a second.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(client: &Client, host: &Host, output: &Output) -> Result<(), Failure> {
    let hosts = client.hosts().await?;
    match &host.command {
        HostCommand::List => list(&hosts, output).await,
        HostCommand::Show { name } => show(&hosts, name.as_deref(), output).await,
        HostCommand::Drain(arguments) => drain(&hosts, arguments, output).await,
        HostCommand::Activate { name } => {
            hosts.activate(name).await.map_err(of_change)?;
            done(output, &format!("host {name} takes deployments"))
        }
        HostCommand::Move { name, host } => {
            hosts.move_to(name, host).await.map_err(of_change)?;
            done(output, &format!("{name} is handed over to host {host}"))
        }
        HostCommand::Remove { name } => {
            hosts.remove(name).await.map_err(of_change)?;
            done(output, &format!("host {name} is forgotten"))
        }
        HostCommand::ConfirmLost { name, yes } => confirm_lost(&hosts, (name, *yes), output).await,
    }
}

async fn all(hosts: &CpeHostsProxy<'_>) -> Result<HostList, Failure> {
    Ok(json::from_json(&hosts.list().await?)?)
}

async fn one(hosts: &CpeHostsProxy<'_>, name: &str) -> Result<HostDetails, Failure> {
    Ok(json::from_json(&hosts.get(name).await?)?)
}

async fn list(hosts: &CpeHostsProxy<'_>, output: &Output) -> Result<(), Failure> {
    let list = all(hosts).await?;
    if output.json {
        return output.json(&list);
    }
    output.table(&table(&list.hosts));
    notes(&list).iter().for_each(|note| output.note(note));
    Ok(())
}

/// A row for each host.
fn table(hosts: &[HostStatus]) -> Table<8> {
    let rows = hosts.iter().map(|host| {
        [
            Cell::from(&host.name),
            state(host),
            seen(host),
            Cell::new(time(host.since), FAINT),
            Cell::from(room(host)),
            Cell::from(host.version.to_string()),
            Cell::from(or_dash(&host.address)),
            Cell::from(remark(host)),
        ]
    });
    let heads = [
        "HOST",
        "STATE",
        "SEEN",
        "SINCE",
        "DEPLOYMENTS",
        "VERSION",
        "ADDRESS",
        "REMARK",
    ];
    Table::new(heads, HEAD, rows)
}

fn state(host: &HostStatus) -> Cell {
    let style = match host.state.as_str() {
        "active" => PLAIN,
        _ => BUSY,
    };
    Cell::new(host.state.as_str(), style)
}

fn seen(host: &HostStatus) -> Cell {
    match host.alive {
        true => Cell::new("alive", GOOD),
        false => Cell::new("gone", BAD),
    }
}

fn room(host: &HostStatus) -> String {
    format!("{} of {}", host.deployments, host.capacity)
}

fn remark(host: &HostStatus) -> String {
    let mut remarks = Vec::new();
    if host.answers {
        remarks.push("answers".to_owned());
    }
    if host.waited_for {
        remarks.push("nothing is taken from it".to_owned());
    } else if host.lost {
        remarks.push("confirmed to be lost".to_owned());
    }
    if !host.labels.is_empty() {
        remarks.push(host.labels.join(" "));
    }
    remarks.join("; ")
}

/// What a person should know besides.
fn notes(list: &HostList) -> Vec<String> {
    let mut notes = Vec::new();
    if !list.shares {
        notes.push(
            "this host shares deployments with no other: there is no [cluster] in its cpe.toml"
                .to_owned(),
        );
        return notes;
    }
    if !list.trouble.is_empty() {
        notes.push(format!(
            "the store that hosts share does not answer, so this may be old: {}; cpectl store status tells more",
            list.trouble
        ));
    }
    if !list.complete {
        notes.push("this host does not know all of them yet".to_owned());
    }
    if list.too_old {
        notes.push(
            "the programs of this host are too old for the others: upgrade it; until then it runs nothing"
                .to_owned(),
        );
    }
    if list.guard_holds {
        let waited = list.hosts.iter().filter(|host| host.waited_for);
        let names: Vec<&str> = waited.map(|host| host.name.as_str()).collect();
        notes.push(format!(
            "very many hosts are gone at once ({}), and nothing is taken from them: look what is wrong. They come back by themselves, or, if one is lost: cpectl host confirm-lost HOST",
            names.join(" ")
        ));
    }
    if list.unowned > 0 {
        notes.push(format!("deployments that no host owns: {}", list.unowned));
    }
    notes
}

async fn show(
    hosts: &CpeHostsProxy<'_>,
    name: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let details = match name {
        Some(name) => one(hosts, name).await?,
        None => {
            let list = all(hosts).await?;
            let own = list.hosts.iter().find(|host| host.answers);
            let none = || Failure::new(Kind::Unreachable, "this host is joining the others");
            one(hosts, &own.ok_or_else(none)?.name).await?
        }
    };
    if output.json {
        return output.json(&details);
    }
    for line in headlines(&details.host) {
        output.line(line);
    }
    if details.owned.is_empty() {
        return Ok(());
    }
    output.line("");
    let rows = details.owned.iter().map(|owned| {
        [
            Cell::from(&owned.name),
            Cell::new(time(owned.since), FAINT),
            Cell::from(or_dash(&owned.next)),
        ]
    });
    let heads = ["DEPLOYMENT", "SINCE", "IF DRAINED"];
    output.table(&Table::new(heads, HEAD, rows));
    Ok(())
}

fn headlines(host: &HostStatus) -> Vec<Line> {
    let since = match host.since {
        0 => String::new(),
        at => format!(" since {}", time(at)),
    };
    let (state, seen) = (state(host), seen(host));
    let head = Line::from(format!("{}: ", host.name))
        .styled(state.as_str(), state.style())
        .plain(", ")
        .styled(seen.as_str(), seen.style())
        .plain(format!("{since}, {} deployments", room(host)));
    let mut lines = vec![head];
    let labels = host.labels.join(" ");
    for (what, text) in [("address", &host.address), ("labels", &labels)] {
        if !text.is_empty() {
            lines.push(Line::from(format!("  {what} {text}")));
        }
    }
    if host.waited_for {
        let text = format!(
            "  it is gone together with others, so nothing is taken from it; if it is lost: cpectl host confirm-lost {}",
            host.name
        );
        lines.push(Line::from(text));
    }
    lines
}

async fn drain(
    hosts: &CpeHostsProxy<'_>,
    arguments: &Drain,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    let plan = one(hosts, name).await?.owned;
    if !output.json {
        moves(name, &plan)
            .iter()
            .for_each(|line| output.line(line.as_str()));
    }
    if !arguments.dry_run {
        hosts.drain(name).await.map_err(of_change)?;
    }
    if arguments.wait {
        emptied(hosts, arguments, output).await?;
    }
    if output.json {
        let result = match (arguments.dry_run, arguments.wait) {
            (true, _) => "planned",
            (_, true) => "drained",
            _ => "draining",
        };
        return output.json(&json!({ "host": name, "result": result, "plan": plan }));
    }
    if !arguments.dry_run && !arguments.wait {
        output.line(format!(
            "host {name} drains; what is left: cpectl host show {name}"
        ));
    }
    Ok(())
}

/// What a drain moves where.
fn moves(name: &str, plan: &[OwnedDeployment]) -> Vec<String> {
    let mut by_host: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for owned in plan {
        by_host.entry(&owned.next).or_default().push(&owned.name);
    }
    let stays = by_host.remove("");
    if plan.is_empty() {
        return vec![format!("host {name} has no deployments")];
    }
    let to = by_host
        .iter()
        .map(|(to, names)| format!("to host {to} ({}): {}", names.len(), names.join(" ")));
    let mut lines: Vec<String> = to.collect();
    if let Some(names) = stays {
        lines.push(format!(
            "stays ({}), since no other host can take it now: {}",
            names.len(),
            names.join(" ")
        ));
    }
    lines
}

/// Waits until a host has no deployments, and tells how many are left when that changes.
async fn emptied(
    hosts: &CpeHostsProxy<'_>,
    arguments: &Drain,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    let deadline = wait::deadline(arguments.timeout);
    let mut told = None;
    loop {
        let host = one(hosts, name).await?.host;
        if host.state == "active" {
            let text = format!("host {name} was activated meanwhile");
            return Err(Failure::new(Kind::Conflict, text));
        }
        let left = host.deployments;
        if !output.json && told != Some(left) {
            output.line(match left {
                0 => format!("host {name} has no deployments any more"),
                left => format!("host {name} has {} left", counted(left)),
            });
        }
        told = Some(left);
        if left == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let text = format!(
                "host {name} has {} left after {}; the work goes on",
                counted(left),
                duration(arguments.timeout)
            );
            return Err(Failure::new(Kind::Timeout, text));
        }
        sleep(PAUSE.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

fn counted(deployments: u64) -> String {
    match deployments {
        1 => "1 deployment".to_owned(),
        more => format!("{more} deployments"),
    }
}

async fn confirm_lost(
    hosts: &CpeHostsProxy<'_>,
    (name, yes): (&str, bool),
    output: &Output,
) -> Result<(), Failure> {
    confirm::possible(yes, output)?;
    if !yes {
        let host = one(hosts, name).await?.host;
        headlines(&host)
            .into_iter()
            .for_each(|line| output.line(line));
        let question = format!("others take what host {name} has; is it lost?");
        confirm::confirmed(&question, false)?;
    }
    hosts.confirm_lost(name).await.map_err(of_change)?;
    done(output, &format!("host {name} counts as lost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_has_to_know_is_said() {
        let host = |name: &str, waited_for| HostStatus {
            name: name.into(),
            waited_for,
            ..HostStatus::default()
        };
        let list = HostList {
            hosts: vec![host("a", false), host("b", true), host("c", true)],
            shares: true,
            complete: true,
            guard_holds: true,
            too_old: true,
            unowned: 3,
            trouble: "10.0.0.1: silent".into(),
        };
        let notes = notes(&list).join("\n");
        for part in [
            "(b c)",
            "confirm-lost HOST",
            "upgrade it",
            "no host owns: 3",
            "10.0.0.1: silent",
        ] {
            assert!(notes.contains(part), "{notes}");
        }
    }

    #[test]
    fn a_plan_says_what_goes_where_and_what_stays() {
        let owned = |name: &str, next: &str| OwnedDeployment {
            name: name.into(),
            next: next.into(),
            since: 0,
        };
        let plan = [owned("a", "h2"), owned("b", ""), owned("c", "h2")];
        let lines = moves("h1", &plan);
        assert_eq!(
            lines,
            [
                "to host h2 (2): a c",
                "stays (1), since no other host can take it now: b"
            ]
        );
    }
}
