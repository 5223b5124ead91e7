//! What operators order beyond switches: to forget failures, to look again, to empty assemblies.

use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::{Error, Fields, json};
use cpe_status::Plan;
use serde_json::json;

use crate::client::Client;
use crate::commands::administer::done;
use crate::commands::{confirm, plan};
use crate::failure::{Failure, Kind, of_change};
use crate::options::{Cleanup, Planned, Refresh, Standby, Unstandby};
use crate::output::Output;

pub(crate) async fn cleanup(
    client: &Client,
    arguments: &Cleanup,
    output: &Output,
) -> Result<(), Failure> {
    let service = arguments.service.as_deref().unwrap_or("");
    let assembly = arguments.assembly.as_deref().unwrap_or("");
    let deployment = client.deployment(&arguments.name).await?;
    let Some(operation) = &arguments.operation else {
        let cleaned = deployment.cleanup(service, assembly).await;
        cleaned.map_err(of_change)?;
        let of = whole(service, "all services");
        return done(
            output,
            &format!("failures of {of} of {} are forgotten", arguments.name),
        );
    };
    let mut options = Fields::new();
    if let Some(interval) = arguments.interval {
        put(&mut options, "interval_ms", milliseconds(interval)?);
    }
    let cleaned = deployment.cleanup_operation(service, assembly, operation, options);
    cleaned.await.map_err(of_change)?;
    let every = match arguments.interval {
        Some(interval) if !interval.is_zero() => format!(" every {}", shown(interval)),
        _ => String::new(),
    };
    done(
        output,
        &format!(
            "failures of {operation}{every} of {service} of {} are forgotten",
            arguments.name
        ),
    )
}

/// What an interval is on the bus. Nothing is cut off: it would be another operation.
fn milliseconds(interval: Duration) -> Result<u64, Failure> {
    let interval_ms = u64::try_from(interval.as_millis()).ok();
    let whole = interval_ms.filter(|it| Duration::from_millis(*it) == interval);
    whole.ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            "an interval is a whole number of milliseconds, such as 10s or 500ms",
        )
    })
}

fn shown(interval: Duration) -> String {
    match interval.subsec_nanos() {
        0 => format!("{} s", interval.as_secs()),
        _ => format!("{} ms", interval.as_millis()),
    }
}

fn whole<'a>(name: &'a str, all: &'a str) -> &'a str {
    if name.is_empty() { all } else { name }
}

pub(crate) async fn refresh(
    client: &Client,
    arguments: &Refresh,
    output: &Output,
) -> Result<(), Failure> {
    let service = arguments.service.as_deref().unwrap_or("");
    let assembly = arguments.assembly.as_deref().unwrap_or("");
    let deployment = client.deployment(&arguments.name).await?;
    let looked = deployment.refresh(service, assembly).await;
    looked.map_err(of_change)?;
    let of = whole(service, "everything");
    let at = match assembly {
        "" => String::new(),
        assembly => format!(" on {assembly}"),
    };
    done(
        output,
        &format!(
            "{of} of {}{at} is looked at again, and its failures are forgotten",
            arguments.name
        ),
    )
}

pub(crate) async fn standby(
    client: &Client,
    arguments: &Standby,
    output: &Output,
) -> Result<(), Failure> {
    let (name, assembly) = (&arguments.name, arguments.assembly.as_deref());
    let switch = Switch {
        name,
        assembly,
        on: !arguments.off,
        force: arguments.force,
    };
    switch.give(client, arguments.planned, output).await
}

pub(crate) async fn unstandby(
    client: &Client,
    arguments: &Unstandby,
    output: &Output,
) -> Result<(), Failure> {
    let (name, assembly) = (&arguments.name, arguments.assembly.as_deref());
    let switch = Switch {
        name,
        assembly,
        on: false,
        force: false,
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
        let deployment = client.deployment(name).await?;
        match self.assembly {
            Some(assembly) => deployment.set_standby(assembly, on).await,
            None => deployment.set_standby_of_all(on).await,
        }
        .map_err(of_change)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_not_rounded() {
        let ms = |interval| milliseconds(interval).ok();
        assert_eq!(ms(Duration::from_secs(10)), Some(10_000));
        assert_eq!(ms(Duration::ZERO), Some(0));
        assert_eq!(ms(Duration::from_micros(1_500)), None);
        assert_eq!(ms(Duration::MAX), None);
        assert_eq!(shown(Duration::from_secs(90)), "90 s");
        assert_eq!(shown(Duration::from_millis(1_500)), "1500 ms");
    }
}
