//! `cpectl ticket`: what this site holds of what is granted to one site at a time.

use cpe_status::{TicketStatus, TicketUse};
use cpe_terminal::{Cell, Table};
use serde_json::json;

use crate::cells::time;
use crate::client::Client;
use crate::failure::{Failure, Kind, of_change};
use crate::options::{Ticket, TicketCommand};
use crate::output::{BUSY, FAINT, GOOD, HEAD, Output, PLAIN};

pub(crate) async fn run(
    client: &Client,
    arguments: &Ticket,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    match &arguments.command {
        TicketCommand::List => list(client, name, output).await,
        TicketCommand::Grant { ticket, force } => grant(client, name, ticket, *force, output).await,
        TicketCommand::Revoke { ticket } => revoke(client, name, ticket, output).await,
        TicketCommand::Standby { ticket } => standby(client, name, ticket, true, output).await,
        TicketCommand::Activate { ticket } => standby(client, name, ticket, false, output).await,
    }
}

async fn list(client: &Client, name: &str, output: &Output) -> Result<(), Failure> {
    let tickets = client.complete_status(name).await?.tickets;
    if output.json {
        return output.json(&tickets);
    }
    if tickets.is_empty() {
        output.note(&format!(
            "no service of {name} needs a ticket: its document has no <rsc_ticket>"
        ));
        return Ok(());
    }
    output.table(&table(&tickets));
    Ok(())
}

async fn grant(
    client: &Client,
    name: &str,
    ticket: &str,
    force: bool,
    output: &Output,
) -> Result<(), Failure> {
    let deployment = client.deployment(name).await?;
    if !force {
        let text = format!(
            "nobody here knows whether another site holds ticket {ticket}: make sure that none does, and that nothing that needs \
             it runs there any more, else services run twice; then say it again with --force"
        );
        return Err(Failure::new(Kind::Usage, text));
    }
    let granted = deployment.grant_ticket(ticket).await;
    granted.map_err(of_change)?;
    let needs = needs(client, name, ticket).await;
    let mut lines = vec![format!("ticket {ticket} of {name} is granted")];
    if needs.as_ref().is_some_and(|status| status.standby) {
        lines.push(format!(
            "it is in standby, so that nothing starts yet: cpectl ticket {name} activate {ticket} ends that"
        ));
    }
    done(output, name, ticket, "granted", &lines)
}

async fn revoke(client: &Client, name: &str, ticket: &str, output: &Output) -> Result<(), Failure> {
    let deployment = client.deployment(name).await?;
    let revoked = deployment.revoke_ticket(ticket).await;
    revoked.map_err(of_change)?;
    let mut lines = vec![format!("ticket {ticket} of {name} is revoked")];
    let needs = needs(client, name, ticket).await.unwrap_or_default();
    let policies = needs.uses.iter().map(|needed| {
        let becomes = match needed.loss_policy.as_str() {
            "demote" => "demoted",
            "freeze" => "left as it is: it runs on",
            "fence" => "ended, and the assemblies where it runs are fenced",
            _ => "stopped",
        };
        format!("  {}: {becomes}", services(needed))
    });
    lines.extend(policies);
    lines.push(format!(
        "grant it to another site only when nothing that needs it runs here any more: cpectl status {name}"
    ));
    done(output, name, ticket, "revoked", &lines)
}

async fn standby(
    client: &Client,
    name: &str,
    ticket: &str,
    on: bool,
    output: &Output,
) -> Result<(), Failure> {
    let deployment = client.deployment(name).await?;
    let set = deployment.set_ticket_standby(ticket, on).await;
    set.map_err(of_change)?;
    let (result, text) = match on {
        true => ("standby", "in standby: what needs it is stopped"),
        false => ("active", "active"),
    };
    let mut lines = vec![format!("ticket {ticket} of {name} is {text}")];
    let needs = needs(client, name, ticket).await;
    if needs.is_some_and(|status| !on && !status.granted) {
        lines.push("it is not granted, so that nothing starts yet".to_owned());
    }
    done(output, name, ticket, result, &lines)
}

/// What is known of a ticket; `None` if that cannot be had now, as it is only told beside.
async fn needs(client: &Client, name: &str, ticket: &str) -> Option<TicketStatus> {
    let status = client.status(name).await.ok()?;
    let mut tickets = status.tickets.into_iter();
    tickets.find(|status| status.name == ticket)
}

fn done(
    output: &Output,
    name: &str,
    ticket: &str,
    result: &str,
    lines: &[String],
) -> Result<(), Failure> {
    if output.json {
        return output.json(&json!({ "name": name, "ticket": ticket, "result": result }));
    }
    lines.iter().for_each(|line| output.line(line.as_str()));
    Ok(())
}

/// A row for each ticket: what is said about it, and what needs it.
pub(crate) fn table(tickets: &[TicketStatus]) -> Table<4> {
    let rows = tickets.iter().map(|ticket| {
        let (state, style) = match (ticket.granted, ticket.standby) {
            (true, false) => ("granted", GOOD),
            (true, true) => ("granted, in standby", BUSY),
            (false, false) => ("revoked", PLAIN),
            (false, true) => ("revoked, in standby", PLAIN),
        };
        let uses: Vec<String> = ticket.uses.iter().map(needed).collect();
        [
            Cell::from(&ticket.name),
            Cell::new(state, style),
            Cell::new(time(ticket.since), FAINT),
            Cell::from(uses.join("; ")),
        ]
    });
    Table::new(["TICKET", "STATE", "SINCE", "NEEDED BY"], HEAD, rows)
}

/// `web, db (stop)`
fn needed(needed: &TicketUse) -> String {
    format!("{} ({})", services(needed), needed.loss_policy)
}

/// `web, db`, and the role of those that need the ticket for it only.
fn services(needed: &TicketUse) -> String {
    let mut text = needed.services.join(", ");
    if needed.more > 0 {
        text.push_str(&format!(" and {} more", needed.more));
    }
    if !needed.role.is_empty() {
        text = format!("{text} as {}", needed.role.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_needs_the_ticket_and_what_becomes_of_it() {
        let use_of = |services: &[&str], more, role: &str, policy: &str| TicketUse {
            constraint: "t".into(),
            services: services.iter().map(|name| (*name).to_owned()).collect(),
            more,
            role: role.into(),
            loss_policy: policy.into(),
        };
        let ticket = TicketStatus {
            name: "east".into(),
            granted: true,
            standby: true,
            since: 1_700_000_000_000_000,
            last_granted: 0,
            uses: vec![
                use_of(&["web", "db"], 7, "", "stop"),
                use_of(&["pg"], 0, "Promoted", "demote"),
            ],
        };
        let lines = table(&[ticket]).lines(None);
        let row: Vec<&str> = lines[1].as_str().split("  ").collect();
        let expected = [
            "east",
            "granted, in standby",
            "2023-11-14 22:13:20 UTC",
            "web, db and 7 more (stop); pg as promoted (demote)",
        ];
        let row: Vec<&str> = row.into_iter().filter(|cell| !cell.is_empty()).collect();
        assert_eq!(
            row.iter().map(|cell| cell.trim()).collect::<Vec<_>>(),
            expected
        );
    }
}
