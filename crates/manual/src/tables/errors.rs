//! Every error that a daemon of ours gives over the bus.

use cpe_bus::Error;
use zbus::DBusError;

use super::Table;

pub(super) fn table() -> Table {
    let row = |error: &Error| {
        let (meaning, advice) = told(error);
        [
            error.name().to_string(),
            meaning.to_owned(),
            advice.to_owned(),
        ]
    };
    Table::new(
        "errors",
        ["error", "what it means", "what to do"],
        every().iter().map(row).collect(),
    )
}

/// One of each; that none is missing, a test finds out.
fn every() -> Vec<Error> {
    let text = String::new;
    vec![
        Error::InvalidDocument(text()),
        Error::InvalidArgument(text()),
        Error::TooLarge(text()),
        Error::NotFound(text()),
        Error::Exists(text()),
        Error::GenerationConflict(text()),
        Error::Refused(text()),
        Error::AccessDenied(text()),
        Error::NotReady(text()),
        Error::Busy(text()),
        Error::OutcomeUnknown(text()),
        Error::Failed(text()),
        Error::OtherLog(text()),
        Error::IdentityRefused(text()),
        Error::Occupied(text()),
        Error::StaleEpoch(text()),
        Error::Superseded(text()),
    ]
}

fn told(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::InvalidDocument(_) => (
            "A document that cannot be accepted; nothing was stored",
            "Correct what the text lists, with line and column. `cpectl validate FILE` says the same without a daemon",
        ),
        Error::InvalidArgument(_) => (
            "An argument is missing, has the wrong type, or lies outside its range",
            "Correct the call: the text says what was expected",
        ),
        Error::TooLarge(_) => (
            "A document, record or text exceeds its bound; nothing was stored",
            "Make it smaller, or raise the bound that the text names (`[limits]` of `cpe.toml`)",
        ),
        Error::NotFound(_) => (
            "There is no such deployment, assembly, service, operation or resource agent, or none that the caller may see",
            "`cpectl list` and `cpectl status NAME` have the names. On the right host?",
        ),
        Error::Exists(_) => (
            "A deployment of that name exists with another document",
            "Choose another name, or change the one that exists: `cpectl deploy`",
        ),
        Error::GenerationConflict(_) => (
            "Somebody else has changed the deployment in between; nothing was stored",
            "Look at what it is now (`cpectl history NAME`, `cpectl diff`), and do it again from there",
        ),
        Error::Refused(_) => (
            "It would not hold, would take others down, something else would be done than was planned, or what is known speaks against it; nothing was changed",
            "The text says what would be. Do what it proposes, plan again, or use `--force` where there is one",
        ),
        Error::AccessDenied(_) => (
            "The caller may not do this",
            "Become root or a member of group `cpe`, or have somebody grant the role in cpe-access(5)",
        ),
        Error::NotReady(_) => (
            "Correct, but not yet: the receiver starts, or has nothing loaded",
            "Try again in seconds. If it stays so: `cpectl status NAME`, `systemctl status dpe@NAME`",
        ),
        Error::Busy(_) => (
            "Correct, but something that excludes it is being done",
            "Try again when that has ended: `cpectl wait NAME --for settled`",
        ),
        Error::OutcomeUnknown(_) => (
            "It was begun, and nobody knows whether it was done, or still will be",
            "Look before you do it again: `cpectl status NAME`, `cpectl events -d NAME`, `cpectl fencing NAME`",
        ),
        Error::Failed(_) => (
            "The receiver could not do it",
            "The text says why; `journalctl -u cpe` and `-u dpe@NAME` have more",
        ),
        Error::OtherLog(_) => (
            "The cursor is of another event log: the log was lost or restored from a backup",
            "Read the new log from its beginning, and remember its `LogId`",
        ),
        of_guests => told_of_guests(of_guests),
    }
}

fn told_of_guests(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::IdentityRefused(_) => (
            "A certificate or host key was refused, by this side or the other",
            "The text says whose and why: renew it (`cpectl pki renew`), issue it again, or mend the clock",
        ),
        Error::Occupied(_) => (
            "The guest belongs to another deployment or assembly, which has not released it",
            "Remove it there, or correct the `address`; trying again is of no use until then",
        ),
        Error::StaleEpoch(_) => (
            "Another DPE with a higher epoch has taken the guest over",
            "Nothing: the newer one is right. If there should be one DPE only: does a second host have the same deployment?",
        ),
        Error::Superseded(_) => (
            "Another connection has taken over this agent since",
            "Nothing: the newer connection is right",
        ),
        _ => ("", ""),
    }
}
