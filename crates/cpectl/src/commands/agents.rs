//! `cpectl agents`, `cpectl describe`: the resource agents of a deployment's guests; and what they
//! say about a document that is deployed. All of it comes from guests: it is escaped, as everything
//! is that is printed.

use std::path::Path;

use cpe_bus::json;
use cpe_status::{
    AgentAction, AgentCheck, AgentDescriptions, AgentList, AgentParameter, AgentVariant, Unasked,
};
use cpe_terminal::{Cell, Line, Table};

use crate::cells::or_dash;
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::options::{Agents, Describe};
use crate::output::{BUSY, FAINT, HEAD, Output};

/// Guests that a remark names.
const NAMED: usize = 6;

pub(crate) async fn list(
    client: &Client,
    arguments: &Agents,
    output: &Output,
) -> Result<(), Failure> {
    let name = deployment(client, arguments.name.as_deref()).await?;
    let class = arguments.class.map(|class| class.as_str());
    let proxy = client.deployment(&name).await?;
    let answer = match proxy.list_agents(class.unwrap_or_default()).await {
        Ok(answer) => answer,
        Err(error) => return Err(client.with_deployments(error).await),
    };
    let list: AgentList = json::from_json(&answer)?;
    if output.json {
        return output.json(&list);
    }
    match list.agents.is_empty() {
        true => output.line(format!("the guests of {name} have no such agents")),
        false => output.table(&entries(&list)),
    }
    for assembly in &list.cut_off {
        output.note(&format!("{assembly} has more agents than it lists"));
    }
    not_asked(&list.unasked, output);
    Ok(())
}

/// How many guests have listed their agents.
fn guests(list: &AgentList) -> usize {
    let all = list.agents.iter().flat_map(|agent| &agent.assemblies);
    all.collect::<std::collections::BTreeSet<_>>().len()
}

fn entries(list: &AgentList) -> Table<4> {
    let guests = guests(list);
    let all_asked = list.unasked.is_empty();
    let rows = list.agents.iter().map(|entry| {
        let is_everywhere = entry.assemblies.len() == guests && guests > 1 && all_asked;
        let assemblies = match is_everywhere {
            true => format!("all {guests}"),
            false => entry.assemblies.join(" "),
        };
        [
            Cell::new(&entry.agent, if entry.deprecated { BUSY } else { FAINT }),
            Cell::from(assemblies),
            Cell::from(or_dash(&entry.version)),
            Cell::from(match entry.deprecated && !says_so(&entry.short) {
                true => format!("deprecated: {}", or_dash(&entry.short)),
                false => or_dash(&entry.short).to_owned(),
            }),
        ]
    });
    let heads = ["AGENT", "ASSEMBLIES", "VERSION", "DESCRIPTION"];
    Table::new(heads, HEAD, rows)
}

/// An agent says itself that it is deprecated.
fn says_so(short: &str) -> bool {
    let short = short.to_ascii_lowercase();
    short.contains("deprecated") || short.contains("obsolete")
}

pub(crate) async fn describe(
    client: &Client,
    arguments: &Describe,
    output: &Output,
) -> Result<(), Failure> {
    let name = deployment(client, arguments.deployment.as_deref()).await?;
    let assembly = arguments.assembly.as_deref().unwrap_or_default();
    let proxy = client.deployment(&name).await?;
    let answer = match proxy.describe_agent(&arguments.agent, assembly).await {
        Ok(answer) => answer,
        Err(error) => return Err(client.with_deployments(error).await),
    };
    let found: AgentDescriptions = json::from_json(&answer)?;
    if found.variants.is_empty() {
        let reasons = reasons(&found.unasked);
        return Err(match (found.missing.is_empty(), reasons.as_str()) {
            (_, "") => Failure::new(
                Kind::NotFound,
                format!(
                    "{} is not installed in {}; cpectl agents {name} lists what is",
                    found.agent,
                    named(&found.missing)
                ),
            ),
            _ => Failure::failed(format!("{} is not described: {reasons}", found.agent)),
        });
    }
    if output.json {
        return output.json(&found);
    }
    for variant in &found.variants {
        print(&found, variant, output);
    }
    if !found.missing.is_empty() {
        output.note(&format!("it is not installed in {}", named(&found.missing)));
    }
    not_asked(&found.unasked, output);
    Ok(())
}

fn print(found: &AgentDescriptions, variant: &AgentVariant, output: &Output) {
    let agent = &variant.metadata;
    let head = Line::new().styled(&found.agent, HEAD);
    let version = match agent.version.as_str() {
        "" => String::new(),
        version => format!(" {version}"),
    };
    let places = format!("{version} in {}", named(&variant.assemblies));
    let head = head.plain(places);
    output.line(match agent.deprecated {
        true => head.styled(", deprecated", BUSY),
        false => head,
    });
    for text in [&agent.short, &agent.long] {
        text.lines().for_each(|line| output.line(line.trim_end()));
    }
    if !agent.parameters.is_empty() {
        output.line("");
        output.table(&parameters(&agent.parameters));
    }
    if !agent.actions.is_empty() {
        output.line("");
        output.table(&actions(&agent.actions));
    }
}

fn parameters(parameters: &[AgentParameter]) -> Table<5> {
    let rows = parameters.iter().map(|parameter| {
        let words = [
            (parameter.required, "required"),
            (parameter.unique, "unique"),
            (parameter.reloadable, "reloadable"),
            (parameter.private, "private"),
            (parameter.deprecated, "deprecated"),
        ];
        let words = words.iter().filter(|(is_so, _)| *is_so);
        let words: Vec<&str> = words.map(|(_, word)| *word).collect();
        let kind = match parameter.options.is_empty() {
            true => parameter.kind.clone(),
            false => parameter.options.join("|"),
        };
        [
            Cell::from(&parameter.name),
            Cell::from(kind),
            Cell::from(or_dash(parameter.default.as_deref().unwrap_or_default())),
            Cell::from(or_dash(&words.join(", "))),
            Cell::from(or_dash(match parameter.short.as_str() {
                "" => parameter.long.lines().next().unwrap_or_default(),
                short => short,
            })),
        ]
    });
    let heads = ["PARAMETER", "TYPE", "DEFAULT", "", "DESCRIPTION"];
    Table::new(heads, HEAD, rows)
}

fn actions(actions: &[AgentAction]) -> Table<4> {
    let rows = actions.iter().map(|action| {
        [
            Cell::from(&action.name),
            Cell::from(or_dash(&action.timeout)),
            Cell::from(or_dash(&action.interval)),
            Cell::from(or_dash(&action.role)),
        ]
    });
    Table::new(["ACTION", "TIMEOUT", "INTERVAL", "ROLE"], HEAD, rows)
}

/// The deployment that is meant: the only one, if none is named.
async fn deployment(client: &Client, name: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = name {
        return Ok(name.to_owned());
    }
    let entries = client.list().await?;
    match entries.as_slice() {
        [only] => Ok(only.name.clone()),
        [] => Err(Failure::new(
            Kind::NotFound,
            "there is no deployment on this host",
        )),
        several => {
            let names: Vec<&str> = several.iter().map(|entry| entry.name.as_str()).collect();
            Err(Failure::new(
                Kind::Usage,
                format!("say which deployment is meant: {}", names.join(", ")),
            ))
        }
    }
}

/// Prints what agents say about a document that was deployed, on standard error. What cannot be
/// asked is no reason to fail: it is deployed.
pub(crate) async fn warn(client: &Client, name: &str, file: &Path, text: &str, output: &Output) {
    let answer = match client.deployment(name).await {
        Ok(proxy) => proxy.check_agents(text).await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    let check = answer.and_then(|answer| Ok(json::from_json::<AgentCheck>(&answer)?));
    match check {
        Ok(check) => report(&check, file, |line| output.note(line)),
        Err(failure) => {
            let text = "parameters are not checked against the guests' agents";
            output.note(&format!("{text}: {}", failure.message));
        }
    }
}

/// The lines of a check, with the file's name before places.
pub(crate) fn report(check: &AgentCheck, file: &Path, mut print: impl FnMut(&str)) {
    for warning in &check.warnings {
        let (line, column) = (warning.line, warning.column);
        let message = &warning.message;
        print(&format!(
            "{}:{line}:{column}: warning: {message}",
            file.display()
        ));
    }
    if !check.unasked.is_empty() {
        print(&format!(
            "not all parameters are checked against the guests' agents: {}",
            reasons(&check.unasked)
        ));
    }
}

fn not_asked(unasked: &[Unasked], output: &Output) {
    if !unasked.is_empty() {
        output.note(&format!("not asked: {}", reasons(unasked)));
    }
}

/// The first reasons why guests or agents gave no answer.
fn reasons(unasked: &[Unasked]) -> String {
    let texts = unasked.iter().take(NAMED).map(|one| {
        let who = match (one.assembly.as_str(), one.agent.as_str()) {
            ("", _) => return one.reason.clone(),
            (assembly, "") => assembly.to_owned(),
            (assembly, agent) => format!("{agent} in {assembly}"),
        };
        format!("{who} ({})", one.reason)
    });
    let texts: Vec<String> = texts.collect();
    match unasked.len().checked_sub(NAMED) {
        None | Some(0) => texts.join(", "),
        Some(more) => format!("{} and {more} more", texts.join(", ")),
    }
}

fn named(assemblies: &[String]) -> String {
    match assemblies.len().checked_sub(NAMED) {
        None | Some(0) => assemblies.join(", "),
        Some(more) => format!("{} and {more} more", assemblies[..NAMED].join(", ")),
    }
}
