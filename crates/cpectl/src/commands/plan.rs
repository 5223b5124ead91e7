//! `cpectl plan`: what deploying a document would do.

use std::path::Path;

use anstyle::Style;
use cpe_bus::json;
use cpe_status::{Plan, PlanAction, PlanBasis};
use cpe_terminal::{Cell, Line, Table};

use crate::client::{Client, read_document};
use crate::commands::agents;
use crate::failure::Failure;
use crate::options::File;
use crate::output::{BAD, BUSY, HEAD, Output, PLAIN};

pub(crate) async fn run(client: &Client, arguments: &File, output: &Output) -> Result<(), Failure> {
    let document = read_document(&arguments.file)?;
    let text = client.manager().await?.plan_deployment(&document).await?;
    let plan: Plan = json::from_json(&text)?;
    if output.json {
        return output.json(&plan);
    }
    print(&plan, &arguments.file, output);
    Ok(())
}

/// Shows a plan for people; `label` is how its document is called.
pub(crate) fn print(plan: &Plan, label: &Path, output: &Output) {
    print_of(plan, &plan.deployment, output);
    agents::report(&plan.agents, label, |line| output.line(line));
}

/// Shows the plan of something for people, without what agents say.
pub(crate) fn print_of(plan: &Plan, what: &str, output: &Output) {
    let from = match plan.basis {
        PlanBasis::Live => format!("from what runs now (generation {})", plan.generation),
        PlanBasis::Empty => "from nothing: no service runs, every assembly answers".to_owned(),
        PlanBasis::Unknown => "from a state that this version of cpectl does not know".to_owned(),
    };
    output.line(format!("plan of {what}, {from}"));
    match plan.actions.is_empty() {
        true => output.line("nothing to do"),
        false => output.table(&actions(&plan.actions, PLAIN)),
    }
    if !plan.blocked.is_empty() {
        output.line(Line::new().styled("cannot run:", BAD));
        output.table(&actions(&plan.blocked, BAD));
    }
    for failover in &plan.failover {
        output.line(failover.text.as_str());
    }
    for configured in &plan.configured {
        output.line(configured.text());
    }
    for reason in &plan.refused {
        let line = Line::new().styled("refused unless it is forced:", BAD);
        output.line(line.plain(" ").plain(reason));
    }
    for warning in &plan.warnings {
        let line = Line::new().styled("warning:", BUSY);
        output.line(line.plain(" ").plain(warning));
    }
}

/// What would be refused is a warning to who forces it.
pub(crate) fn forced(mut plan: Plan) -> Plan {
    let refused = std::mem::take(&mut plan.refused);
    plan.warnings.splice(0..0, refused);
    plan
}

pub(crate) fn actions(actions: &[PlanAction], style: Style) -> Table<4> {
    let rows = actions.iter().map(|action| {
        let place = match (action.from.as_str(), action.to.as_str()) {
            ("", to) => to.to_owned(),
            (from, "") => from.to_owned(),
            (from, to) if from == to => to.to_owned(),
            (from, to) => format!("{from} → {to}"),
        };
        [
            Cell::new(&action.action, style),
            Cell::from(service(action)),
            Cell::from(place),
            Cell::from(&action.reason),
        ]
    });
    Table::new(["ACTION", "SERVICE", "ASSEMBLY", "REASON"], HEAD, rows)
}

/// A service in words: `web, instance 0 of webs`. What is written `web` with instances is a clone
/// that only the policy engine knows by a name of its own.
fn service(action: &PlanAction) -> String {
    let instance = action.service.rsplit_once(':');
    let instance = instance.filter(|(_, number)| number.parse::<u32>().is_ok());
    match instance {
        Some((name, number))
            if action.clone.is_empty() || action.clone == format!("{name}-clone") =>
        {
            format!("{name}, instance {number}")
        }
        Some((name, number)) => format!("{name}, instance {number} of {}", action.clone),
        None => action.service.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_named_with_their_clones() {
        for (name, clone, words) in [
            ("db", "", "db"),
            ("db:0", "dbs", "db, instance 0 of dbs"),
            ("web:1", "web-clone", "web, instance 1"),
            ("web:1", "", "web, instance 1"),
            ("odd:name", "", "odd:name"),
        ] {
            let action = PlanAction {
                service: name.to_owned(),
                clone: clone.to_owned(),
                ..PlanAction::default()
            };
            assert_eq!(service(&action), words);
        }
    }
}
