//! What administrators have resource agents do once, as the bus says it.

use controller::DebugTask;
use cpe_bus::fields::bounded;
use cpe_bus::{Error, Result};

use super::object::LONGEST_NAME;

/// What an agent is to do.
///
/// # Errors
/// [`Error::InvalidArgument`] with what would be right.
pub(super) fn task(verb: &str) -> Result<DebugTask> {
    let mut all = DebugTask::ALL.into_iter();
    all.find(|task| task.as_str() == verb).ok_or_else(|| {
        Error::InvalidArgument(format!(
            "`{}` is nothing that an agent is had to do once: expected monitor, start or stop",
            bounded(verb, LONGEST_NAME)
        ))
    })
}

/// Nothing is known of it. `all_known`: nor will there be.
pub(crate) fn unknown(id: &str, all_known: bool) -> Error {
    if !all_known {
        let text = "nothing is known yet about some assemblies: try again in some seconds";
        return Error::NotReady(text.to_owned());
    }
    Error::NotFound(format!(
        "nothing is known of the operation {}: the DPE or the guest was started since, or there were many others since; cpectl status --operations shows what is known of the service",
        bounded(id, LONGEST_NAME)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_administrator_may_have_done_is_taken() {
        assert_eq!(task("stop").unwrap(), DebugTask::Stop);
        for verb in ["", "promote", "STOP"] {
            assert!(matches!(task(verb), Err(Error::InvalidArgument(_))));
        }
    }
}
