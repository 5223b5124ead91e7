//! What is ordered of single services beside the document: `cpectl move`, `ban`, `clear`,
//! `disable`, `enable`, `unmanage`, `manage`, `restart`. Planned first, and shown; then done, if
//! the same would be done still.

use std::time::{Duration, Instant};

use cpe_bus::fields::put;
use cpe_bus::{Fields, json};
use cpe_status::{DeploymentStatus, OverlayEnd, OverlayKind, OverlayStatus, ServicePlan};
use cpe_terminal::{Cell, Line, Table};

use crate::cells::time;
use crate::client::Client;
use crate::commands::{plan, wait};
use crate::failure::{Failure, Kind, of_change};
use crate::options::{Ban, Clear, Condition, How, Move, Of, Plain, Role};
use crate::output::{BUSY, FAINT, HEAD, Output, PLAIN};

pub(crate) async fn move_service(
    client: &Client,
    arguments: &Move,
    output: &Output,
) -> Result<(), Failure> {
    let mut options = options(arguments.assembly.as_deref(), arguments.promoted);
    lifetime(&mut options, arguments.lasts, arguments.until_cleared);
    let order = Order {
        verb: "move",
        of: &arguments.of,
        how: &arguments.how,
        options,
    };
    order.give(client, output).await
}

pub(crate) async fn ban(client: &Client, arguments: &Ban, output: &Output) -> Result<(), Failure> {
    let mut options = options(Some(&arguments.assembly), arguments.promoted);
    lifetime(&mut options, arguments.lasts, arguments.until_cleared);
    let order = Order {
        verb: "ban",
        of: &arguments.of,
        how: &arguments.how,
        options,
    };
    order.give(client, output).await
}

pub(crate) async fn clear(
    client: &Client,
    arguments: &Clear,
    output: &Output,
) -> Result<(), Failure> {
    let order = Order {
        verb: "clear",
        of: &arguments.of,
        how: &arguments.how,
        options: options(arguments.assembly.as_deref(), false),
    };
    order.give(client, output).await
}

/// An order that is about all of a service.
pub(crate) async fn plain(
    client: &Client,
    verb: &'static str,
    arguments: &Plain,
    output: &Output,
) -> Result<(), Failure> {
    let order = Order {
        verb,
        of: &arguments.of,
        how: &arguments.how,
        options: Fields::new(),
    };
    order.give(client, output).await
}

fn options(assembly: Option<&str>, promoted: bool) -> Fields {
    let mut options = Fields::new();
    if let Some(assembly) = assembly {
        put(&mut options, "assembly", assembly.to_owned());
    }
    if promoted {
        put(&mut options, "promoted", true);
    }
    options
}

fn lifetime(options: &mut Fields, lasts: Option<Duration>, until_cleared: bool) {
    if let Some(lasts) = lasts {
        let ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        put(options, "for_ms", ms);
    }
    if until_cleared {
        put(options, "lifetime", "cleared".to_owned());
    }
}

/// An order about a service.
struct Order<'a> {
    verb: &'static str,
    of: &'a Of,
    how: &'a How,
    options: Fields,
}

impl Order<'_> {
    async fn give(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let Of { name, service } = self.of;
        let deployment = client.deployment(name).await?;
        let options = self.options.clone();
        let text = deployment.plan_service(self.verb, service, options).await?;
        let plan: ServicePlan = json::from_json(&text)?;
        if !output.json {
            print(&plan, output);
        }
        if !plan.refused.is_empty() && !self.how.force {
            if output.json {
                output.json(&plan)?;
            }
            return Err(refused(&plan));
        }
        // What is so already is said all the same: the reply comes when it is durable.
        if !self.how.dry_run {
            let mut options = self.options.clone();
            put(&mut options, "fingerprint", plan.fingerprint.clone());
            if self.how.force {
                put(&mut options, "force", true);
            }
            let given = deployment.order_service(self.verb, service, options);
            given.await.map_err(of_change)?;
        }
        if self.how.wait && !self.how.dry_run {
            let begin = Instant::now();
            let timeout = self.how.timeout;
            wait::until(client, name, &Condition::Settled, timeout).await?;
            // Nothing is done any more also where it could not start again.
            if matches!(self.verb, "restart" | "move") {
                let runs = Condition::Service(service.clone(), Role::Started);
                let left = timeout.saturating_sub(begin.elapsed());
                wait::until(client, name, &runs, left).await?;
            }
        }
        if output.json {
            return output.json(&plan);
        }
        match (self.how.dry_run, plan.unchanged) {
            (_, true) => output.line("it is so already: nothing was changed"),
            (true, false) => output.line("nothing was changed (--dry-run)"),
            (false, false) => output.line(self.done(&plan)),
        }
        Ok(())
    }

    fn done(&self, plan: &ServicePlan) -> String {
        let begun = match (plan.actions.is_empty(), self.how.wait) {
            (true, _) => "done: nothing has to be started or stopped for it".to_owned(),
            (false, true) => "done".to_owned(),
            (false, false) => format!(
                "ordered: cpectl status {} shows how it goes on",
                self.of.name
            ),
        };
        match plan.refused.is_empty() {
            true => begun,
            false => format!("{begun} (forced)"),
        }
    }
}

/// Shows a plan for people.
fn print(plan: &ServicePlan, output: &Output) {
    let verb = plan.verb.as_str();
    output.line(format!("{verb} {} of {}", plan.service, plan.deployment));
    for change in &plan.changes {
        output.line(format!("  {change}"));
    }
    match plan.actions.is_empty() {
        true => output.line("nothing to start or stop"),
        false => output.table(&plan::actions(&plan.actions, PLAIN)),
    }
    for warning in &plan.warnings {
        let line = Line::new().styled("warning:", BUSY);
        output.line(line.plain(" ").plain(warning));
    }
}

fn refused(plan: &ServicePlan) -> Failure {
    let mut text = format!("refused: {}; nothing was changed", plan.refused.join("; "));
    for hint in &plan.hints {
        text += &format!("\n  {hint}");
    }
    Failure::new(Kind::Conflict, text)
}

/// A row for each thing that is wanted of services beside the document.
pub(crate) fn table(overlay: &[OverlayStatus]) -> Table<6> {
    let rows = overlay.iter().map(|entry| {
        let what = match (entry.kind, entry.role.as_str()) {
            (OverlayKind::Restart, _) => "restart".to_owned(),
            (kind, "") => kind.to_string(),
            (kind, role) => format!("{kind} as {}", role.to_lowercase()),
        };
        let until = match entry.until {
            OverlayEnd::Time => time(entry.ends),
            OverlayEnd::Placed => "it is placed and stays".to_owned(),
            OverlayEnd::Stopped => "it is stopped".to_owned(),
            OverlayEnd::Cleared | OverlayEnd::Unknown => "it is ended".to_owned(),
        };
        [
            Cell::from(what),
            Cell::from(&entry.service),
            Cell::from(dash(&entry.assembly)),
            Cell::from(until),
            Cell::new(time(entry.created), FAINT),
            Cell::from(dash(entry.by.split(" (").next().unwrap_or_default())),
        ]
    });
    let heads = ["WANTED", "SERVICE", "ASSEMBLY", "UNTIL", "SINCE", "BY"];
    Table::new(heads, HEAD, rows)
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Microseconds of a day.
const DAY_US: u64 = 24 * 3_600 * 1_000_000;

/// The commands that end entries, each once, and what seems to be forgotten.
pub(crate) fn remedies(status: &DeploymentStatus) -> Vec<String> {
    let mut remedies: Vec<String> = Vec::new();
    for entry in status.overlay.iter().filter(|own| !own.remedy.is_empty()) {
        let line = format!("{} ends what is wanted of {}", entry.remedy, entry.service);
        if !remedies.contains(&line) {
            remedies.push(line);
        }
    }
    let is_old = |entry: &&OverlayStatus| {
        entry.until == OverlayEnd::Cleared
            && matches!(entry.kind, OverlayKind::Move | OverlayKind::Ban)
            && status.time.saturating_sub(entry.created) > DAY_US
    };
    let old = status.overlay.iter().filter(is_old);
    remedies.extend(old.map(|entry| {
        let days = status.time.saturating_sub(entry.created) / DAY_US;
        format!("since {days} d, and without an end: {}", entry.text)
    }));
    remedies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_seems_to_be_forgotten_is_named() {
        let entry = |kind, created| OverlayStatus {
            kind,
            service: "db".into(),
            created,
            until: OverlayEnd::Cleared,
            text: format!("db is {created}"),
            remedy: "cpectl clear shop db".into(),
            ..OverlayStatus::default()
        };
        let status = DeploymentStatus {
            time: 3 * DAY_US,
            overlay: vec![
                entry(OverlayKind::Ban, DAY_US / 2),
                entry(OverlayKind::Ban, 2 * DAY_US),
                entry(OverlayKind::Disable, 1),
            ],
            ..DeploymentStatus::default()
        };
        let expected = [
            "cpectl clear shop db ends what is wanted of db".to_owned(),
            format!("since 2 d, and without an end: db is {}", DAY_US / 2),
        ];
        assert_eq!(remedies(&status), expected);
    }
}
