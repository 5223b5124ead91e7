//! `cpectl attribute`: what resource agents and administrators have set beside the document.

use std::collections::BTreeMap;

use cpe_status::{AssemblyStatus, DeploymentStatus};
use cpe_terminal::{Cell, Table};
use serde_json::json;

use crate::client::Client;
use crate::failure::{Failure, Kind, of_change};
use crate::options::{Attribute, AttributeCommand, Whose};
use crate::output::{HEAD, Output};

/// What options are called in a list, where assemblies have their names.
const OF_DEPLOYMENT: &str = "(option)";

pub(crate) async fn run(
    client: &Client,
    arguments: &Attribute,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    match &arguments.command {
        AttributeCommand::List { assembly } => {
            list(client, name, assembly.as_deref(), output).await
        }
        AttributeCommand::Get { attribute, whose } => {
            get(client, name, attribute, whose, output).await
        }
        AttributeCommand::Set {
            attribute,
            value,
            whose,
        } => {
            let deployment = client.deployment(name).await?;
            let (assembly, lifetime) = (assembly(whose), lifetime(whose));
            let set = deployment.set_attribute(assembly, lifetime, attribute, value);
            set.await.map_err(of_change)?;
            let text = format!(
                "{} of {} is {value}",
                what(attribute, whose),
                owner(name, whose)
            );
            done(output, name, attribute, &text)
        }
        AttributeCommand::Delete { attribute, whose } => {
            let deployment = client.deployment(name).await?;
            let (assembly, lifetime) = (assembly(whose), lifetime(whose));
            let deleted = deployment.delete_attribute(assembly, lifetime, attribute);
            deleted.await.map_err(of_change)?;
            let text = format!(
                "{} of {} is deleted",
                what(attribute, whose),
                owner(name, whose)
            );
            done(output, name, attribute, &text)
        }
    }
}

fn assembly(whose: &Whose) -> &str {
    whose.assembly.as_deref().unwrap_or_default()
}

fn lifetime(whose: &Whose) -> &'static str {
    if whose.transient { "reboot" } else { "forever" }
}

fn what(attribute: &str, whose: &Whose) -> String {
    let kind = match (whose.option, whose.transient) {
        (true, _) => "option",
        (false, true) => "transient attribute",
        (false, false) => "permanent attribute",
    };
    format!("{kind} {attribute}")
}

fn owner<'a>(name: &'a str, whose: &'a Whose) -> &'a str {
    whose.assembly.as_deref().unwrap_or(name)
}

async fn list(
    client: &Client,
    name: &str,
    assembly: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let mut status = readable(client.complete_status(name).await?)?;
    if let Some(wanted) = assembly {
        known(&status, wanted)?;
        status.assemblies.retain(|own| own.name == wanted);
        status.options.clear();
    }
    if output.json {
        let own = status.assemblies.iter().map(|own| {
            json!({ "assembly": own.name, "transient": own.attributes, "permanent": own.permanent })
        });
        let own: Vec<_> = own.collect();
        return output.json(&json!({ "assemblies": own, "options": status.options }));
    }
    let rows = rows(&status);
    if rows.is_empty() {
        output.note("nothing is set beside the document");
        return Ok(());
    }
    let heads = ["ASSEMBLY", "ATTRIBUTE", "VALUE", "UNTIL"];
    output.table(&Table::new(heads, HEAD, rows));
    Ok(())
}

/// A row for each value: those of assemblies, then options.
fn rows(status: &DeploymentStatus) -> Vec<[Cell; 4]> {
    let row = |owner: &str, (name, value): (&String, &String), until: &str| {
        [owner, name, value, until].map(Cell::from)
    };
    let mut rows = Vec::new();
    for own in &status.assemblies {
        let transient = own.attributes.iter();
        rows.extend(transient.map(|pair| row(&own.name, pair, "reboot")));
        let permanent = own.permanent.iter();
        rows.extend(permanent.map(|pair| row(&own.name, pair, "deleted")));
    }
    let options = status.options.iter();
    rows.extend(options.map(|pair| row(OF_DEPLOYMENT, pair, "deleted")));
    rows
}

async fn get(
    client: &Client,
    name: &str,
    attribute: &str,
    whose: &Whose,
    output: &Output,
) -> Result<(), Failure> {
    let status = readable(client.complete_status(name).await?)?;
    let value = match &whose.assembly {
        None => status.options.get(attribute),
        Some(assembly) => {
            let own = known(&status, assembly)?;
            // That of the boot is stronger.
            let kept: [Option<&BTreeMap<_, _>>; 2] = [
                (!whose.permanent).then_some(&own.attributes),
                (!whose.transient).then_some(&own.permanent),
            ];
            kept.into_iter()
                .flatten()
                .find_map(|kept| kept.get(attribute))
        }
    };
    let Some(value) = value else {
        let owner = owner(name, whose);
        let text = format!(
            "nobody has set {attribute} for {owner}: what the document says is shown by cpectl show {name}"
        );
        return Err(Failure::new(Kind::NotFound, text));
    };
    if output.json {
        return output.json(&json!({ "name": name, "attribute": attribute, "value": value }));
    }
    output.line(value.as_str());
    Ok(())
}

/// The status, if it has the values in it.
fn readable(status: DeploymentStatus) -> Result<DeploymentStatus, Failure> {
    if status.values_withheld {
        let text = "permission denied: values need root or membership in group `cpe`; cpectl --json status has the names";
        return Err(Failure::new(Kind::Denied, text));
    }
    Ok(status)
}

fn known<'a>(status: &'a DeploymentStatus, name: &str) -> Result<&'a AssemblyStatus, Failure> {
    let mut assemblies = status.assemblies.iter();
    assemblies.find(|own| own.name == name).ok_or_else(|| {
        let text = format!("there is no assembly {name} in {}", status.name);
        Failure::new(Kind::NotFound, text)
    })
}

fn done(output: &Output, name: &str, attribute: &str, text: &str) -> Result<(), Failure> {
    if output.json {
        return output.json(&json!({ "name": name, "attribute": attribute, "result": "done" }));
    }
    output.line(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_were_left_out_are_not_shown_as_empty() {
        let status = DeploymentStatus {
            values_withheld: true,
            ..DeploymentStatus::default()
        };
        assert_eq!(readable(status).unwrap_err().kind, Kind::Denied);
        assert!(readable(DeploymentStatus::default()).is_ok());
    }

    #[test]
    fn a_list_says_whose_each_value_is_and_how_long_it_lasts() {
        let pair = |name: &str, value: &str| BTreeMap::from([(name.into(), value.into())]);
        let web1 = AssemblyStatus {
            name: "web1".into(),
            attributes: pair("pingd", "1000"),
            permanent: pair("rack", "7"),
            ..AssemblyStatus::default()
        };
        let status = DeploymentStatus {
            assemblies: vec![web1],
            options: pair("db_REPL_INFO", "web1|f|7"),
            ..DeploymentStatus::default()
        };
        let table = Table::new(["A", "B", "C", "D"], HEAD, rows(&status));
        let lines: Vec<String> = table
            .lines(None)
            .iter()
            .map(|line| {
                line.as_str()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        let expected = [
            "A B C D",
            "web1 pingd 1000 reboot",
            "web1 rack 7 deleted",
            "(option) db_REPL_INFO web1|f|7 deleted",
        ];
        assert_eq!(lines, expected);
    }
}
