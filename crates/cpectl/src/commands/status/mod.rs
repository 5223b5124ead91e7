//! `cpectl status`: what an administrator asks first. What runs where, what failed, what is being
//! done about it; once, again and again, or only whether all is well.

mod check;
mod operations;
mod references;
mod screen;
mod tree;
mod watch;

use cpe_status::DeploymentStatus;
use cpe_terminal::Line;

pub(crate) use screen::{attempts, headline};

use crate::cells::duration;
use crate::client::Client;
use crate::commands::wait::{LONGEST, LOOK};
use crate::failure::{Failure, Kind};
use crate::options::Status;
use crate::output::{Output, Screen};
use operations::Operations;

pub(crate) async fn run(
    client: Client,
    arguments: &Status,
    output: &Output,
) -> Result<(), Failure> {
    if arguments.watch {
        return watch::run(client, arguments, output).await;
    }
    let seen = Seen::within(&client, arguments).await?;
    if arguments.check {
        return check::run(&seen, output);
    }
    if output.json {
        return output.json(&seen.json()?);
    }
    if seen.is_empty() {
        output.note(NO_DEPLOYMENTS);
        return Ok(());
    }
    let lines = seen.lines(arguments, output.columns());
    output.lines(&lines);
    Ok(())
}

/// Said where there is nothing to show.
const NO_DEPLOYMENTS: &str = "no deployments; cpectl deploy FILE creates one";

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    /// One deployment, perhaps with its last operations.
    One(Box<DeploymentStatus>, Option<Operations>),
    /// All of them.
    All(Vec<DeploymentStatus>),
}

impl Seen {
    async fn within(client: &Client, arguments: &Status) -> Result<Seen, Failure> {
        let asked = Seen::ask(client, arguments);
        let Some(longest) = arguments.timeout else {
            return asked.await;
        };
        // Even without patience it is looked once.
        let answer = tokio::time::timeout(longest.clamp(LOOK, LONGEST), asked).await;
        answer.unwrap_or_else(|_| {
            let text = format!("no answer after {}", duration(longest));
            Err(Failure::new(Kind::Timeout, text))
        })
    }

    async fn ask(client: &Client, arguments: &Status) -> Result<Seen, Failure> {
        if let Some(name) = &arguments.name {
            let status = Box::new(client.status(name).await?);
            let operations = match &arguments.operations {
                Some(service) => Some(Operations::ask(client, name, service).await?),
                None => None,
            };
            return Ok(Seen::One(status, operations));
        }
        Ok(Seen::All(client.statuses().await?))
    }

    fn is_empty(&self) -> bool {
        self.statuses().is_empty()
    }

    fn statuses(&self) -> &[DeploymentStatus] {
        match self {
            Seen::One(status, _) => std::slice::from_ref(&**status),
            Seen::All(statuses) => statuses,
        }
    }

    /// For programs.
    fn json(&self) -> Result<serde_json::Value, Failure> {
        let value = match self {
            Seen::One(status, None) => serde_json::to_value(status),
            Seen::One(status, Some(operations)) => serde_json::to_value(operations.beside(status)),
            Seen::All(statuses) => serde_json::to_value(statuses),
        };
        value.map_err(|error| Failure::failed(error.to_string()))
    }

    /// For people; `columns`: the width of the terminal, `None`: it goes elsewhere.
    fn lines(&self, arguments: &Status, columns: Option<usize>) -> Vec<Line> {
        let mut screen = Screen::new(columns);
        match self {
            Seen::One(status, operations) => {
                screen::one(status, arguments.flat, &mut screen);
                if let Some(operations) = operations {
                    operations.show(&mut screen);
                }
            }
            Seen::All(statuses) if statuses.is_empty() => screen.line(NO_DEPLOYMENTS),
            Seen::All(statuses) => screen.table(&screen::summaries(statuses)),
        }
        screen.into_lines()
    }
}
