//! Every way to fail has an exit status, so that scripts need not read texts. The list is part of
//! `cpectl --help`.

use std::io::ErrorKind;
use std::process::ExitCode;

use cpe_bus::Error;

/// The list in `--help`; the numbers are [`Kind`]'s.
pub(crate) const EXIT_STATUSES: &str = "\
Exit status:
  0  done
  1  it failed, or with --wait: the deployment failed; diff: something differs
  2  wrong usage; diff: it failed
  3  the document is invalid; import: the CIB, or the document that was made of it
  4  there is no such deployment, assembly, service, ticket, attribute, generation or host
  5  conflict: it exists with another document, or was changed in between; move, ban, disable, restart,
     standby, maintenance, cleanup, refresh, debug: it would not hold, or a service might run twice;
     confirm-fenced, fence: what is known of the assembly speaks against it; host: how the host is, or
     what it has, speaks against it; deploy, edit, rollback: this host takes no document without room
     for a loss; store backup: the file exists
  6  permission denied
  7  the daemon or the deployment's DPE cannot be reached, or does something else now: try again
  8  --wait, wait: not done within --timeout; check: not all losses could be looked at in time
  9  status --check: not all is well; check: a loss would leave services down
  10  it was begun, and nobody knows whether it was done: look before you try again";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Failed = 1,
    Usage = 2,
    Invalid = 3,
    NotFound = 4,
    Conflict = 5,
    Denied = 6,
    Unreachable = 7,
    Timeout = 8,
    NotWell = 9,
    Unknown = 10,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub kind: Kind,
    /// For people, without a full stop.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Failed, message)
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

/// The error of something that was to be changed. If it was sent, and no answer says that it was
/// not done, it may have been: nobody is told to try again, as of a question.
pub(crate) fn of_change(error: Error) -> Error {
    match error {
        known @ Error::OutcomeUnknown(_) => known,
        error if error.leaves_it_open() => Error::OutcomeUnknown(format!(
            "cpe was told, and has not answered ({}; `systemctl status cpe` tells what it does): it may have been done nevertheless, \
             `cpectl status`, `cpectl events` and `cpectl history` tell",
            error.message()
        )),
        error => error,
    }
}

/// Of changes, only after [`of_change`].
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::InvalidDocument(_) | Error::TooLarge(_) => Kind::Invalid,
            Error::NotFound(_) => Kind::NotFound,
            Error::Exists(_) | Error::GenerationConflict(_) | Error::Refused(_) => Kind::Conflict,
            Error::AccessDenied(_) => Kind::Denied,
            Error::NotReady(_) | Error::Busy(_) => Kind::Unreachable,
            Error::OutcomeUnknown(_) => Kind::Unknown,
            Error::InvalidArgument(_) => Kind::Usage,
            Error::ZBus(zbus::Error::InputOutput(error)) if error.kind() == ErrorKind::TimedOut => {
                return Failure::new(
                    Kind::Unreachable,
                    "cpe has not answered in time: `systemctl status cpe` tells what it does",
                );
            }
            Error::ZBus(zbus::Error::InputOutput(_)) => Kind::Unreachable,
            foreign => match foreign.foreign_name().as_deref() {
                Some("org.freedesktop.DBus.Error.AccessDenied") => {
                    return Failure::new(
                        Kind::Denied,
                        "permission denied: this needs root or membership in group `cpe`",
                    );
                }
                Some("org.freedesktop.DBus.Error.UnknownObject") => {
                    return Failure::new(
                        Kind::NotFound,
                        "there is no such deployment on this host",
                    );
                }
                _ if foreign.leaves_it_open() && foreign.is_temporary() => {
                    return Failure::new(
                        Kind::Unreachable,
                        "cpe has ended before it answered (`systemctl status cpe`): try again",
                    );
                }
                _ if foreign.is_temporary() => {
                    return Failure::new(
                        Kind::Unreachable,
                        "cpe does not answer on this bus; is cpe.service running? (--bus chooses another bus)",
                    );
                }
                _ => Kind::Failed,
            },
        };
        Failure::new(kind, error.message())
    }
}

impl From<zbus::Error> for Failure {
    fn from(error: zbus::Error) -> Self {
        Failure::from(Error::ZBus(error))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_status_is_documented_and_none_is_missing() {
        let kinds = [
            Kind::Failed,
            Kind::Usage,
            Kind::Invalid,
            Kind::NotFound,
            Kind::Conflict,
            Kind::Denied,
            Kind::Unreachable,
            Kind::Timeout,
            Kind::NotWell,
            Kind::Unknown,
        ];
        for (at, kind) in kinds.into_iter().enumerate() {
            assert_eq!(kind as usize, at + 1);
            assert!(
                EXIT_STATUSES.contains(&format!("\n  {}  ", at + 1)),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn errors_of_the_daemon_have_their_status() {
        assert_eq!(
            Failure::from(Error::Exists(String::new())).kind,
            Kind::Conflict
        );
        assert_eq!(
            Failure::from(Error::AccessDenied(String::new())).kind,
            Kind::Denied
        );
        assert_eq!(
            Failure::from(Error::Busy(String::new())).kind,
            Kind::Unreachable
        );
        assert_eq!(
            Failure::from(Error::OutcomeUnknown(String::new())).kind,
            Kind::Unknown
        );
        let of = |error: zbus::fdo::Error| Failure::from(zbus::Error::FDO(Box::new(error)));
        let ended = || zbus::fdo::Error::NoReply("gone".into());
        let question = of(ended());
        assert_eq!(question.kind, Kind::Unreachable);
        assert!(
            question.message.contains("try again"),
            "{}",
            question.message
        );
        let late = std::io::Error::from(ErrorKind::TimedOut);
        let late = Error::ZBus(zbus::Error::InputOutput(std::sync::Arc::new(late)));
        let ended = Error::ZBus(zbus::Error::FDO(Box::new(ended())));
        for open in [late, ended] {
            let change = Failure::from(of_change(open));
            assert_eq!(change.kind, Kind::Unknown);
            assert!(
                change.message.contains("may have been done"),
                "{}",
                change.message
            );
        }
        let busy = Failure::from(of_change(Error::Busy(String::new())));
        assert_eq!(busy.kind, Kind::Unreachable, "nothing was begun");
        let absent = of(zbus::fdo::Error::ServiceUnknown("none".into()));
        assert!(
            absent.message.contains("is cpe.service running"),
            "{}",
            absent.message
        );
        assert_eq!(
            Failure::from(Error::InvalidDocument(String::new())).kind,
            Kind::Invalid
        );
    }
}
