//! What operators order of services beside switches: to forget failures, to look again, to take the
//! hands off. Planned first, and shown; then done, if the same would be done still.

use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::{Error, Fields, json};
use cpe_status::ServicePlan;
use cpe_terminal::Line;
use serde_json::json;

use crate::client::Client;
use crate::commands::plan;
use crate::failure::{Failure, Kind, of_change};
use crate::options::{Cleanup, Gently, Maintenance, Refresh, Switch};
use crate::output::{BUSY, Output, PLAIN};

pub(crate) async fn cleanup(
    client: &Client,
    arguments: &Cleanup,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    let (service, assembly) = (arguments.service.as_deref(), arguments.assembly.as_deref());
    let mut options = about(service, assembly);
    let of = service.unwrap_or("all services");
    let mut what = format!("failures of {of} of {name} are forgotten");
    if let Some(operation) = &arguments.operation {
        put(&mut options, "operation", operation.clone());
        if let Some(interval) = arguments.interval {
            put(&mut options, "interval_ms", milliseconds(interval)?);
        }
        let every = match arguments.interval {
            Some(interval) if !interval.is_zero() => format!(" every {}", shown(interval)),
            _ => String::new(),
        };
        what = format!("failures of {operation}{every} of {of} of {name} are forgotten");
    }
    let upkeep = Upkeep {
        verb: "cleanup",
        name,
        options,
        how: arguments.how,
        as_shown: true,
        done: what,
    };
    upkeep.give(client, output).await
}

pub(crate) async fn refresh(
    client: &Client,
    arguments: &Refresh,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    let (service, assembly) = (arguments.service.as_deref(), arguments.assembly.as_deref());
    let of = service.unwrap_or("everything");
    let at = assembly.map_or_else(String::new, |assembly| format!(" on {assembly}"));
    let upkeep = Upkeep {
        verb: "refresh",
        name,
        options: about(service, assembly),
        how: arguments.how,
        as_shown: true,
        done: format!("{of} of {name}{at} is looked at again, and its failures are forgotten"),
    };
    upkeep.give(client, output).await
}

pub(crate) async fn maintenance(
    client: &Client,
    arguments: &Maintenance,
    output: &Output,
) -> Result<(), Failure> {
    let Maintenance { name, switch, .. } = arguments;
    let assembly = arguments.assembly.as_deref();
    let of = match assembly {
        None => name.clone(),
        Some(assembly) => format!("{assembly} of {name}"),
    };
    let word = match switch {
        Switch::On => "in maintenance: its services are left alone",
        Switch::Off => "managed again",
    };
    let mut options = about(None, assembly);
    put(&mut options, "on", *switch == Switch::On);
    let upkeep = Upkeep {
        verb: "maintenance",
        name,
        options,
        how: arguments.how,
        // Who takes the hands off while things go on does not want to be asked again.
        as_shown: *switch == Switch::Off,
        done: format!("{of} is {word}"),
    };
    upkeep.give(client, output).await
}

/// What it is about: without a name it is about all.
fn about(service: Option<&str>, assembly: Option<&str>) -> Fields {
    let mut options = Fields::new();
    for (key, name) in [("service", service), ("assembly", assembly)] {
        if let Some(name) = name {
            put(&mut options, key, name.to_owned());
        }
    }
    options
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

/// Upkeep that is planned first.
struct Upkeep<'a> {
    verb: &'static str,
    name: &'a str,
    options: Fields,
    how: Gently,
    /// If something else would be done by then than was shown, nothing is.
    as_shown: bool,
    /// What is so when it is done.
    done: String,
}

impl Upkeep<'_> {
    async fn give(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let plan = self.show(client, output).await?;
        if self.how.dry_run {
            if !output.json {
                output.line("nothing was changed (--dry-run)");
            }
            return self.report("planned", plan.as_ref(), output);
        }
        let mut options = self.options.clone();
        if let Some(plan) = plan.as_ref().filter(|_| self.as_shown) {
            put(&mut options, "fingerprint", plan.fingerprint.clone());
        }
        if self.how.force {
            put(&mut options, "force", true);
        }
        let deployment = client.deployment(self.name).await?;
        let given = deployment.order_upkeep(self.verb, options).await;
        given.map_err(of_change)?;
        if !output.json {
            output.line(&*self.done);
        }
        self.report("done", plan.as_ref(), output)
    }

    /// Shows what it would do. Fails if it would not hold; `None` if nobody can say that now, and
    /// it is done all the same.
    async fn show(&self, client: &Client, output: &Output) -> Result<Option<ServicePlan>, Failure> {
        let deployment = client.deployment(self.name).await?;
        let told = deployment.plan_upkeep(self.verb, self.options.clone());
        let told = match told.await {
            Err(error) if !self.how.dry_run && self.goes_on_after(&error) => {
                let reason = Failure::from(error).message;
                output.note(&format!("what it would do is not known: {reason}"));
                return Ok(None);
            }
            told => told?,
        };
        let plan: ServicePlan = json::from_json(&told)?;
        if !output.json {
            self.print(&plan, output);
        }
        if plan.refused.is_empty() || self.how.force {
            return Ok(Some(plan));
        }
        self.report("refused", Some(&plan), output)?;
        let mut text = format!("refused: {}; nothing was changed", plan.refused.join("; "));
        for hint in &plan.hints {
            text += &format!("\n  {hint}");
        }
        Err(Failure::new(Kind::Conflict, text))
    }

    /// Whether it is done although nobody can say what it would do: to take the hands off and to
    /// look again is for when little is known.
    fn goes_on_after(&self, error: &Error) -> bool {
        match error {
            Error::NotFound(_) | Error::AccessDenied(_) | Error::InvalidArgument(_) => false,
            Error::NotReady(_) => true,
            _ => self.how.force,
        }
    }

    fn print(&self, plan: &ServicePlan, output: &Output) {
        output.line(format!("plan: {}", self.done));
        for change in &plan.changes {
            output.line(format!("  {change}"));
        }
        match (plan.unchanged, plan.actions.is_empty()) {
            (true, _) if self.verb == "maintenance" => output.line("it is so already"),
            (true, _) => output.line("there is nothing to forget"),
            (false, true) => output.line("nothing to start or stop"),
            (false, false) => output.table(&plan::actions(&plan.actions, PLAIN)),
        }
        let forced = plan.refused.iter().filter(|_| self.how.force);
        for warning in forced.chain(&plan.warnings) {
            let line = Line::new().styled("warning:", BUSY);
            output.line(line.plain(" ").plain(warning));
        }
    }

    fn report(
        &self,
        result: &str,
        plan: Option<&ServicePlan>,
        output: &Output,
    ) -> Result<(), Failure> {
        match output.json {
            true => output.json(&json!({ "name": self.name, "result": result, "plan": plan })),
            false => Ok(()),
        }
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
