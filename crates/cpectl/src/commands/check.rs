//! `cpectl check`: whether every service would run if assemblies were lost, and what would make it
//! so.

use cpe_bus::fields::put;
use cpe_bus::{Fields, json};
use cpe_status::{RoomLoss, RoomOutcome, RoomReport, RoomScope, RoomService};
use cpe_terminal::Line;

use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::options::Check;
use crate::output::{BAD, BUSY, GOOD, Output, PLAIN};

pub(crate) async fn run(
    client: &Client,
    arguments: &Check,
    output: &Output,
) -> Result<(), Failure> {
    let deployment = client.deployment(&arguments.name).await?;
    let report = match deployment.check_room(options(arguments)).await {
        Ok(report) => report,
        Err(error) => return Err(client.with_deployments(error).await),
    };
    let report: RoomReport = json::from_json(&report)?;
    match output.json {
        true => output.json(&report)?,
        false => lines(&report)
            .into_iter()
            .for_each(|line| output.line(line)),
    }
    verdict(&report)
}

fn options(arguments: &Check) -> Fields {
    let loss = &arguments.loss;
    let mut options = Fields::new();
    if !loss.lose.is_empty() {
        put(&mut options, "assemblies", loss.lose.clone());
    }
    let scope = match () {
        () if loss.lose_any_host => "any-host",
        () if loss.lose_two => "two",
        () if !loss.lose.is_empty() => "named",
        () => "any",
    };
    put(&mut options, "scope", scope);
    options
}

/// The exit status.
fn verdict(report: &RoomReport) -> Result<(), Failure> {
    let failing = report.failing().count();
    let name = &report.deployment;
    match (failing, report.not_looked_at) {
        (0, 0) => Ok(()),
        (0, more) => Err(Failure::new(
            Kind::Timeout,
            format!(
                "{more} losses of {name} were not looked at, nothing is known of them: ask about some with --lose"
            ),
        )),
        (1, _) => Err(Failure::new(
            Kind::NotWell,
            format!("{name} does not hold: one loss would leave services down"),
        )),
        (failing, _) => Err(Failure::new(
            Kind::NotWell,
            format!("{name} does not hold: {failing} losses would leave services down"),
        )),
    }
}

/// The answer for people.
pub(super) fn lines(report: &RoomReport) -> Vec<Line> {
    let of = match report.scope {
        RoomScope::Any => "any one assembly",
        RoomScope::AnyHost => "any one host",
        RoomScope::Two => "any two assemblies",
        RoomScope::Named => "what was named",
        RoomScope::Unknown => "something that this version of cpectl does not know",
    };
    let (name, generation) = (&report.deployment, report.generation);
    let head = format!("room in {name} (generation {generation}) for the loss of {of}: ");
    let failing = report.failing().count();
    let looked_at = report.looked_at;
    let (word, style) = match (failing, report.not_looked_at) {
        (0, 0) => ("yes".to_owned(), GOOD),
        (0, more) => (format!("not known, {more} losses were not looked at"), BUSY),
        (failing, 0) => (format!("no, not for {failing} of {looked_at}"), BAD),
        (failing, more) => (
            format!("no, not for {failing} of {looked_at}; {more} more were not looked at"),
            BAD,
        ),
    };
    let mut lines = vec![Line::new().plain(head).styled(word, style)];
    if !report.down_already.is_empty() {
        let down = report.down_already.join(", ");
        lines.push(format!("  down already, whatever is lost: {down}").into());
    }
    for loss in &report.losses {
        of_loss(loss, &mut lines);
    }
    lines
}

fn of_loss(loss: &RoomLoss, lines: &mut Vec<Line>) {
    let style = if loss.holds { PLAIN } else { BAD };
    let head = format!("without {}:", loss.name());
    lines.push(Line::new().styled(head, style));
    for service in &loss.services {
        lines.push(format!("  {}", sentence(service)).into());
        if !service.reason.is_empty() {
            lines.push(format!("    {}", service.reason).into());
        }
    }
    for remedy in &loss.remedies {
        let helps = match remedy.complete {
            true => "all would run with this".to_owned(),
            false => format!("{} would run with this", remedy.services.join(", ")),
        };
        lines.push(format!("  {helps}: {}", remedy.text).into());
    }
    if !loss.holds && loss.remedies.is_empty() {
        lines.push("  no single change that was tried would make it fit".into());
    }
}

fn sentence(service: &RoomService) -> String {
    let name = &service.service;
    match service.outcome {
        RoomOutcome::Down => format!("{name} would not run"),
        RoomOutcome::NotPromoted => format!("{name} would run, and not be promoted"),
        RoomOutcome::Fewer => format!(
            "{name} would run with fewer instances: {} of {}",
            service.after, service.before
        ),
        RoomOutcome::Unknown => format!("{name} would run otherwise than now"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_looked_at_is_neither_yes_nor_no() {
        let mut report = RoomReport {
            holds: true,
            ..RoomReport::default()
        };
        assert!(verdict(&report).is_ok());
        report.not_looked_at = 2;
        assert_eq!(verdict(&report).unwrap_err().kind, Kind::Timeout);
        report.losses.push(RoomLoss::default());
        assert_eq!(verdict(&report).unwrap_err().kind, Kind::NotWell);
        let head = lines(&report)[0].as_str().to_owned();
        assert!(
            head.ends_with("no, not for 1 of 0; 2 more were not looked at"),
            "{head}"
        );
    }
}
