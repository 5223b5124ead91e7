//! What operators order beyond switches: to forget failures, to look again, to empty assemblies.

use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::{Fields, json};
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
    switch(
        client,
        name,
        assembly,
        !arguments.off,
        arguments.planned,
        output,
    )
    .await
}

pub(crate) async fn unstandby(
    client: &Client,
    arguments: &Unstandby,
    output: &Output,
) -> Result<(), Failure> {
    let (name, assembly) = (&arguments.name, arguments.assembly.as_deref());
    switch(client, name, assembly, false, arguments.planned, output).await
}

/// Standby of an assembly (`None`: of all) is switched on or off.
async fn switch(
    client: &Client,
    name: &str,
    assembly: Option<&str>,
    on: bool,
    planned: Planned,
    output: &Output,
) -> Result<(), Failure> {
    match assembly {
        _ if planned.dry_run => {
            let plan = show(client, name, assembly, on, output).await?;
            report(name, "planned", &plan, output)
        }
        Some(assembly) => {
            let deployment = client.deployment(name).await?;
            let set = deployment.set_standby(assembly, on).await;
            set.map_err(of_change)?;
            let word = match on {
                true => "in standby: its services move elsewhere",
                false => "out of standby",
            };
            done(output, &format!("{assembly} of {name} is {word}"))
        }
        None => all(client, name, on, planned.yes, output).await,
    }
}

async fn all(
    client: &Client,
    name: &str,
    on: bool,
    yes: bool,
    output: &Output,
) -> Result<(), Failure> {
    confirm::possible(yes, output)?;
    let plan = show(client, name, None, on, output).await?;
    let word = word(on);
    confirm::confirmed(&format!("all assemblies of {name} {word}?"), yes)?;
    let deployment = client.deployment(name).await?;
    let set = deployment.set_standby_of_all(on).await;
    set.map_err(of_change)?;
    if !output.json {
        output.line(format!("all assemblies of {name} are {word}"));
    }
    report(name, "done", &plan, output)
}

fn word(on: bool) -> &'static str {
    if on { "in standby" } else { "out of standby" }
}

/// Shows what it would do.
async fn show(
    client: &Client,
    name: &str,
    assembly: Option<&str>,
    on: bool,
    output: &Output,
) -> Result<Plan, Failure> {
    let deployment = client.deployment(name).await?;
    let told = deployment.plan_standby(assembly.unwrap_or(""), on).await?;
    let plan: Plan = json::from_json(&told)?;
    if !output.json {
        let what = assembly.unwrap_or("all assemblies");
        plan::print_of(&plan, &format!("{what} of {name} {}", word(on)), output);
    }
    Ok(plan)
}

fn report(name: &str, result: &str, plan: &Plan, output: &Output) -> Result<(), Failure> {
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
