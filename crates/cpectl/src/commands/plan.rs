//! `cpectl plan`: what deploying would do.

use cpe_bus::json;
use cpe_status::{Plan, PlanAction};

use crate::client::{Client, read_document};
use crate::failure::Failure;
use crate::options::File;
use crate::output::{Cell, Color, Output};

pub(crate) async fn run(client: &Client, arguments: &File, output: &Output) -> Result<(), Failure> {
    let document = read_document(&arguments.file)?;
    let text = client.manager().await?.plan_deployment(&document).await?;
    let plan: Plan = json::from_json(&text)?;
    if output.json {
        return output.json(&plan);
    }
    let from = match (plan.basis.as_str(), plan.generation) {
        ("live", generation) => format!("from what runs now (generation {generation})"),
        _ => "from nothing: no service runs, every assembly answers".to_owned(),
    };
    output.line(&format!("plan of {}, {from}", plan.deployment));
    match plan.actions.is_empty() {
        true => output.line("nothing to do"),
        false => table(&plan.actions, output, Color::Plain),
    }
    if !plan.blocked.is_empty() {
        output.line(&output.paint("cannot run:", Color::Bad));
        table(&plan.blocked, output, Color::Bad);
    }
    for warning in &plan.warnings {
        output.line(&format!(
            "{} {warning}",
            output.paint("warning:", Color::Busy)
        ));
    }
    Ok(())
}

fn table(actions: &[PlanAction], output: &Output, color: Color) {
    let rows: Vec<Vec<Cell>> = actions
        .iter()
        .map(|action| {
            let place = match (action.from.as_str(), action.to.as_str()) {
                ("", to) => to.to_owned(),
                (from, "") => from.to_owned(),
                (from, to) if from == to => to.to_owned(),
                (from, to) => format!("{from} → {to}"),
            };
            vec![
                Cell::new(action.action.clone(), color),
                action.service.clone().into(),
                place.into(),
                action.reason.clone().into(),
            ]
        })
        .collect();
    output.table(&["ACTION", "SERVICE", "ASSEMBLY", "REASON"], &rows);
}
