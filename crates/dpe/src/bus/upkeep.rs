//! What administrators ask for, as the bus says it.

use controller::{AssemblyId, FailedOperation, Request, ServiceId, Task};
use cpe_bus::fields::{Reader, bounded};
use cpe_bus::{Error, Fields, Result};
use cpe_status::{Plan, ServicePlan};

use super::object::LONGEST_NAME;

/// Bytes of an operation's name.
const LONGEST_OPERATION: usize = 64;

/// Upkeep of its word and of options.
///
/// # Errors
/// [`Error::InvalidArgument`] with what would be right.
pub(super) fn request(verb: &str, options: &Fields) -> Result<Request> {
    let reader = Reader::new("options", options);
    let name = |key| {
        let name = reader.text(key, LONGEST_NAME)?;
        match name.is_empty() && options.contains_key(key) {
            // Perhaps a variable of a script that nobody has set: all would be meant.
            true => Err(reader.invalid(key, "a name, or left out", "an empty text")),
            false => Ok(Some(name).filter(|name| !name.is_empty())),
        }
    };
    let service = name("service")?.map(ServiceId::from);
    let assembly = name("assembly")?.map(AssemblyId::from);
    match (verb, name("operation")?, service) {
        ("cleanup", None, service) => Ok(Request::Cleanup { service, assembly }),
        ("cleanup", Some(operation), Some(service)) => Ok(Request::CleanupOperation {
            service,
            assembly,
            operation: failed_operation(&operation, options)?,
        }),
        ("cleanup", Some(_), None) => Err(Error::InvalidArgument(
            "option `service` is missing: an operation is one of a service".to_owned(),
        )),
        ("refresh", None, service) => Ok(Request::Refresh { service, assembly }),
        ("maintenance", None, None) if options.contains_key("on") => Ok(Request::Maintenance {
            assembly,
            on: reader.boolean("on")?,
        }),
        ("maintenance", None, None) => Err(Error::InvalidArgument(
            "option `on` is missing: true switches maintenance on, false off".to_owned(),
        )),
        ("refresh" | "maintenance", ..) => Err(Error::InvalidArgument(format!(
            "{verb} is not about what the options name: a refresh has no `operation`, maintenance no `service` either"
        ))),
        (other, ..) => Err(Error::InvalidArgument(format!(
            "`{}` is no upkeep that is planned here: expected cleanup, refresh or maintenance",
            bounded(other, LONGEST_NAME)
        ))),
    }
}

/// Whether it may not hold, and is judged before it is done. Standby of all is not: who empties all
/// knows that nothing runs then.
pub(super) fn is_judged(request: &Request) -> bool {
    matches!(
        request,
        Request::Standby { on: true, .. }
            | Request::Maintenance { .. }
            | Request::Cleanup { .. }
            | Request::CleanupOperation { .. }
            | Request::Refresh { .. }
    )
}

/// What is judged of the plan of standby.
pub(super) fn of_standby(plan: Plan, assembly: &AssemblyId) -> ServicePlan {
    ServicePlan {
        deployment: plan.deployment,
        generation: plan.generation,
        verb: "standby".to_owned(),
        assembly: assembly.to_string(),
        refused: plan.refused,
        hints: vec!["--force does it nevertheless".to_owned()],
        ..ServicePlan::default()
    }
}

/// The operation whose failures are meant. Option `interval_ms`: at which interval; else at each.
pub(super) fn failed_operation(operation: &str, options: &Fields) -> Result<FailedOperation> {
    if operation.is_empty() || operation.len() > LONGEST_OPERATION {
        return Err(Error::InvalidArgument(format!(
            "an operation has a name of 1 to {LONGEST_OPERATION} bytes, such as monitor; found `{}`",
            bounded(operation, LONGEST_OPERATION)
        )));
    }
    let interval_ms = Reader::new("options", options).optional_u64("interval_ms")?;
    let interval_ms = interval_ms.map(|interval_ms| {
        u32::try_from(interval_ms).map_err(|_| {
            Error::InvalidArgument(format!(
                "an interval has at most {} ms; found {interval_ms}",
                u32::MAX
            ))
        })
    });
    Ok(FailedOperation {
        action: Task::from(operation),
        interval_ms: interval_ms.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use cpe_bus::fields::put;

    use super::*;

    #[test]
    fn upkeep_is_read_or_refused_with_what_would_be_right() {
        let of = |pairs: &[(&str, &str)]| {
            let mut options = Fields::new();
            for (key, value) in pairs {
                put(&mut options, key, (*value).to_owned());
            }
            options
        };
        let mut on = of(&[("assembly", "web1")]);
        put(&mut on, "on", true);
        let read = request("maintenance", &on).unwrap();
        assert!(matches!(read, Request::Maintenance { on: true, .. }));
        let one = of(&[("service", "db"), ("operation", "monitor")]);
        let read = request("cleanup", &one).unwrap();
        assert!(matches!(read, Request::CleanupOperation { .. }));
        for (verb, pairs, expected) in [
            ("hop", &[][..], "expected cleanup, refresh or maintenance"),
            ("standby", &[], "expected cleanup, refresh or maintenance"),
            ("maintenance", &[], "option `on` is missing"),
            ("cleanup", &[("operation", "start")], "`service` is missing"),
            ("cleanup", &[("service", "")], "or left out"),
            ("refresh", &[("assembly", "")], "or left out"),
            ("refresh", &[("operation", "start")], "has no `operation`"),
            ("maintenance", &[("service", "db")], "no `service`"),
        ] {
            let error = request(verb, &of(pairs)).unwrap_err().message();
            assert!(error.contains(expected), "{verb}: {error}");
        }
    }

    #[test]
    fn an_operation_is_meant_at_one_interval_or_at_each() {
        let mut options = Fields::new();
        let each = failed_operation("monitor", &options).unwrap();
        assert_eq!((each.action, each.interval_ms), (Task::Monitor, None));
        put(&mut options, "interval_ms", 10_000_u64);
        let one = failed_operation("monitor", &options).unwrap();
        assert_eq!(one.interval_ms, Some(10_000));
        put(&mut options, "interval_ms", u64::MAX);
        for (operation, options) in [
            ("monitor", &options),
            ("", &Fields::new()),
            (&"m".repeat(65), &Fields::new()),
        ] {
            let refused = failed_operation(operation, options);
            assert!(matches!(refused, Err(Error::InvalidArgument(_))));
        }
    }
}
