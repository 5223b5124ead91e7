//! A change that is planned first: shown, asked for, and sent only if nobody else has changed the
//! deployment meanwhile.

use std::path::Path;

use cpe_bus::Error;
use cpe_status::Plan;
use serde_json::json;

use crate::client::Client;
use crate::commands::{confirm, deploy, plan, status, wait};
use crate::failure::{Failure, Kind, of_change};
use crate::options;
use crate::output::Output;

/// What is to be changed, and from where.
pub(crate) struct Change<'a> {
    pub name: &'a str,
    /// The generation that is current as far as the caller knows.
    pub from: u64,
    pub document: &'a str,
    /// How messages name the document.
    pub label: &'a Path,
    /// What is said if somebody else changed it meanwhile.
    pub after_conflict: &'a str,
    pub how: &'a options::Change,
}

/// It is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    generation: u64,
    /// Where the event log ended before.
    cursor: u64,
}

impl Change<'_> {
    /// What it would do; `None` if that cannot be said now: perhaps the DPE is away because of the
    /// very document that is to be replaced.
    pub(crate) async fn plan(
        &self,
        client: &Client,
        output: &Output,
    ) -> Result<Option<Plan>, Error> {
        let manager = client.manager().await?;
        match manager.plan_deployment(self.document).await {
            Ok(text) => cpe_bus::json::from_json(&text).map(Some),
            Err(Error::NotReady(reason)) => {
                output.note(&format!("what it would do is not known: {reason}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Shows the plan, asks, and stores the document. Fails if whoever is asked does not want it.
    /// Nobody is asked about what the host would refuse.
    pub(crate) async fn apply(
        &self,
        client: &Client,
        plan: Option<&Plan>,
        output: &Output,
    ) -> Result<Stored, Failure> {
        if let Some(plan) = plan {
            self.show(plan, output)?;
        }
        let next = self.from.saturating_add(1);
        let question = format!("store it as generation {next} of {}?", self.name);
        confirm::confirmed(&question, self.how.yes)?;
        // From before the change, so that --wait shows everything that follows from it.
        let cursor = match self.how.wait {
            true => wait::newest_cursor(client).await?,
            false => 0,
        };
        let manager = client.manager().await?;
        let options = deploy::forced(self.how.force);
        let stored = manager.update_deployment(self.name, self.from, self.document, options);
        let generation = stored.await.map_err(of_change);
        let generation = generation.map_err(|error| self.failure(error))?;
        if !output.json {
            output.line(format!(
                "deployment {} changed, generation {generation}",
                self.name
            ));
        }
        Ok(Stored { generation, cursor })
    }

    /// Shows a plan for people. Fails if it would be refused; programs see it then, too.
    pub(crate) fn show(&self, plan: &Plan, output: &Output) -> Result<(), Failure> {
        let shown = match self.how.force {
            true => plan::forced(plan.clone()),
            false => plan.clone(),
        };
        if !output.json {
            plan::print(&shown, self.label, output);
        }
        if shown.refused.is_empty() {
            return Ok(());
        }
        self.report(Some(plan), None, output)?;
        Err(Failure::new(
            Kind::Conflict,
            "this host takes no such document (admission.room in cpe.toml): nothing was changed; --force stores it all the same",
        ))
    }

    fn failure(&self, error: Error) -> Failure {
        let is_conflict = matches!(error, Error::GenerationConflict(_));
        let failure = Failure::from(error);
        match is_conflict {
            true => Failure {
                message: format!("{}; {}", failure.message, self.after_conflict),
                ..failure
            },
            false => failure,
        }
    }

    /// Waits for what follows from it, if that is wanted.
    pub(crate) async fn wait(
        &self,
        client: &Client,
        stored: Stored,
        output: &Output,
    ) -> Result<(), Failure> {
        let Stored { generation, cursor } = stored;
        if !self.how.wait {
            return Ok(());
        }
        let (name, timeout) = (self.name, self.how.timeout);
        let waited = deploy::wait_until_active(client, timeout, output, name, generation, cursor);
        let status = waited.await?;
        if !output.json {
            output.line(status::headline(&status));
        }
        Ok(())
    }

    /// The same for programs.
    pub(crate) fn report(
        &self,
        plan: Option<&Plan>,
        stored: Option<Stored>,
        output: &Output,
    ) -> Result<(), Failure> {
        if !output.json {
            return Ok(());
        }
        let is_refused = plan.is_some_and(|plan| !plan.refused.is_empty());
        let (result, generation) = match stored {
            Some(stored) => ("changed", stored.generation),
            None if is_refused && !self.how.force => ("refused", self.from),
            None => ("planned", self.from),
        };
        output.json(&json!({
            "name": self.name, "result": result, "generation": generation, "plan": plan,
        }))
    }
}
