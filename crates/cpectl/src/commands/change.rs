//! A change that is planned first: shown, asked for, and sent only if nobody else has changed the
//! deployment meanwhile.

use std::path::Path;

use cpe_bus::{Error, Fields};
use cpe_status::Plan;
use serde_json::json;

use crate::client::Client;
use crate::commands::{confirm, deploy, plan, status, wait};
use crate::failure::Failure;
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
    pub how: &'a options::Change,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As that generation; and where the event log ended before.
    Stored { generation: u64, cursor: u64 },
    /// The one who was asked did not want it.
    Declined,
}

impl Change<'_> {
    /// What it would do; `None` if that cannot be said now: perhaps the DPE is away because of the
    /// very document that is to be replaced.
    pub(crate) async fn plan(
        &self,
        client: &Client,
        output: &Output,
    ) -> Result<Option<Plan>, Error> {
        let manager = client.manager().await;
        let manager = manager.map_err(|failure| Error::Failed(failure.message))?;
        match manager.plan_deployment(self.document).await {
            Ok(text) => cpe_bus::json::from_json(&text).map(Some),
            Err(Error::NotReady(reason)) => {
                output.note(&format!("what it would do is not known: {reason}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Shows the plan, asks, and stores the document.
    pub(crate) async fn apply(
        &self,
        client: &Client,
        plan: Option<&Plan>,
        output: &Output,
    ) -> Result<Outcome, Failure> {
        if let (Some(plan), false) = (plan, output.json) {
            plan::print(plan, self.label, output);
        }
        let next = self.from.saturating_add(1);
        let question = format!("store it as generation {next} of {}?", self.name);
        if !confirm::confirmed(&question, self.how.yes)? {
            return Ok(Outcome::Declined);
        }
        // From before the change, so that --wait shows everything that follows from it.
        let cursor = match self.how.wait {
            true => wait::newest_cursor(client).await?,
            false => 0,
        };
        let manager = client.manager().await?;
        let stored = manager.update_deployment(self.name, self.from, self.document, Fields::new());
        let generation = stored.await?;
        if !output.json {
            output.line(format!(
                "deployment {} changed, generation {generation}",
                self.name
            ));
        }
        Ok(Outcome::Stored { generation, cursor })
    }

    /// Waits for what follows from it, if that is wanted.
    pub(crate) async fn wait(
        &self,
        client: &Client,
        outcome: Outcome,
        output: &Output,
    ) -> Result<(), Failure> {
        let Outcome::Stored { generation, cursor } = outcome else {
            return Ok(());
        };
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
        outcome: Option<Outcome>,
        output: &Output,
    ) -> Result<(), Failure> {
        if !output.json {
            return Ok(());
        }
        let (result, generation) = match outcome {
            Some(Outcome::Stored { generation, .. }) => ("changed", generation),
            Some(Outcome::Declined) => ("declined", self.from),
            None => ("planned", self.from),
        };
        output.json(&json!({
            "name": self.name, "result": result, "generation": generation, "plan": plan,
        }))
    }
}
