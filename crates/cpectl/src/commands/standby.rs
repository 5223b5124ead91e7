//! `cpectl standby` and `unstandby`: assemblies are emptied, one or all, and filled again.

use cpe_bus::fields::put;
use cpe_bus::{Error, Fields, json};
use cpe_status::Plan;
use serde_json::json;

use crate::client::Client;
use crate::commands::{confirm, plan};
use crate::failure::{Failure, Kind, of_change};
use crate::options::{Planned, Standby};
use crate::output::Output;

pub(crate) async fn standby(
    client: &Client,
    arguments: &Standby,
    output: &Output,
) -> Result<(), Failure> {
    let switch = Switch {
        name: &arguments.name,
        assembly: arguments.assembly.as_deref(),
        on: !arguments.off,
        force: arguments.force,
    };
    switch.give(client, arguments.planned, output).await
}

/// Standby of an assembly (`None`: of all) is switched on or off.
struct Switch<'a> {
    name: &'a str,
    assembly: Option<&'a str>,
    on: bool,
    force: bool,
}

impl Switch<'_> {
    async fn give(
        &self,
        client: &Client,
        planned: Planned,
        output: &Output,
    ) -> Result<(), Failure> {
        let Switch { name, on, .. } = *self;
        let asks = self.assembly.is_none() && !planned.dry_run;
        if asks {
            confirm::possible(planned.yes, output)?;
        }
        let plan = self.show(client, planned, output).await?;
        if planned.dry_run {
            return report(name, "planned", plan.as_ref(), output);
        }
        let (what, word) = (self.what(), self.word());
        if asks {
            confirm::confirmed(&format!("{what} of {name} {word}?"), planned.yes)?;
        }
        let mut options = Fields::new();
        put(&mut options, "on", on);
        if let Some(assembly) = self.assembly {
            put(&mut options, "assembly", assembly.to_owned());
        }
        if self.force {
            put(&mut options, "force", true);
        }
        let deployment = client.deployment(name).await?;
        let given = deployment.order_upkeep("standby", options).await;
        given.map_err(of_change)?;
        if !output.json {
            let are = if self.assembly.is_some() { "is" } else { "are" };
            output.line(format!("{what} of {name} {are} {word}"));
        }
        report(name, "done", plan.as_ref(), output)
    }

    /// Shows what it would do. Fails if it would not hold; `None` if nobody can say that now and it
    /// is done all the same.
    async fn show(
        &self,
        client: &Client,
        planned: Planned,
        output: &Output,
    ) -> Result<Option<Plan>, Failure> {
        let Switch { name, on, .. } = *self;
        let deployment = client.deployment(name).await?;
        let told = deployment.plan_standby(self.assembly.unwrap_or(""), on);
        let told = match told.await {
            Err(error) if !planned.dry_run && self.goes_on_after(&error) => {
                let reason = Failure::from(error).message;
                output.note(&format!("what it would do is not known: {reason}"));
                return Ok(None);
            }
            told => told?,
        };
        let mut plan: Plan = json::from_json(&told)?;
        if self.force {
            plan = plan::forced(plan);
        }
        if !output.json {
            let what = format!("{} of {name} {}", self.what(), self.word());
            plan::print_of(&plan, &what, output);
        }
        if plan.refused.is_empty() {
            return Ok(Some(plan));
        }
        report(name, "refused", Some(&plan), output)?;
        Err(Failure::new(
            Kind::Conflict,
            format!(
                "standby of {} would not hold: nothing was changed; --force does it all the same",
                self.what()
            ),
        ))
    }

    /// Whether it is done although nobody can say what it would do: one assembly can be emptied
    /// while others are not known yet, and standby can be ended.
    fn goes_on_after(&self, error: &Error) -> bool {
        match error {
            Error::NotFound(_) | Error::AccessDenied(_) | Error::InvalidArgument(_) => false,
            Error::NotReady(_) if self.assembly.is_some() => true,
            _ => self.force || !self.on,
        }
    }

    fn what(&self) -> &str {
        self.assembly.unwrap_or("all assemblies")
    }

    fn word(&self) -> &'static str {
        match self.on {
            true => "in standby",
            false => "out of standby",
        }
    }
}

fn report(name: &str, result: &str, plan: Option<&Plan>, output: &Output) -> Result<(), Failure> {
    match output.json {
        true => output.json(&json!({ "name": name, "result": result, "plan": plan })),
        false => Ok(()),
    }
}
