//! What administrators ask for, as the bus says it.

use controller::{FailedOperation, Task};
use cpe_bus::fields::{Reader, bounded};
use cpe_bus::{Error, Fields, Result};

/// Bytes of an operation's name.
const LONGEST_OPERATION: usize = 64;

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
