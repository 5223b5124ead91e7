//! The errors that cross the bus, named `org.cloudpolicy.Error.*`.
//!
//! One enum serves both sides: a daemon returns it from an interface method, and a proxy hands the
//! same variant to the caller, so that a program can match on what went wrong instead of reading a
//! text. The text says what was expected, what was found and what to do.

use zbus::DBusError;

/// The result of a call over the bus.
pub type Result<T> = std::result::Result<T, Error>;

/// An error with a name on the bus.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.cloudpolicy.Error")]
pub enum Error {
    /// The call did not reach the other side, or that side failed in a way that has no name of
    /// ours.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// A deployment document that cannot be accepted; the text lists every problem with line and
    /// column.
    InvalidDocument(String),
    /// The expected generation is not the current one: somebody else changed the deployment in
    /// between.
    GenerationConflict(String),
    /// No such deployment, assembly, service, operation or resource agent.
    NotFound(String),
    /// A deployment of that name exists with another document.
    Exists(String),
    /// An argument is missing, has the wrong type, or lies outside its range.
    InvalidArgument(String),
    /// Correct, but not yet: the receiver is still starting or has nothing loaded. Try again.
    NotReady(String),
    /// The caller's epoch is lower than one that the agent has seen: another DPE has taken over.
    /// The agent's Describe says the highest one.
    StaleEpoch(String),
    /// Another connection has said Hello to this agent since, with the same epoch or a higher one.
    Superseded(String),
    /// The guest belongs to another deployment or assembly, which has not released it. The agent's
    /// Describe says which. Trying again is of no use until that one gives it up.
    Occupied(String),
    /// Correct, but something that excludes it is being done. Try again.
    Busy(String),
    /// Correct, and possible, but it would not hold or would take others down, or something else
    /// would be done than was planned: nothing was changed. The text says what would be, and what
    /// to do.
    Refused(String),
    /// It was begun, and nobody knows whether it was done, or will be: look before you try again.
    OutcomeUnknown(String),
    /// The receiver could not do it; the text says why.
    Failed(String),
    /// The caller may not do this.
    AccessDenied(String),
    /// A certificate was refused: the other side's by this one, or this one's by the other. The
    /// text says which and why.
    IdentityRefused(String),
    /// A document, record or text exceeds its bound.
    TooLarge(String),
    /// The cursor is not of this event log: the log was lost or restored. Read it from its
    /// beginning.
    OtherLog(String),
}

impl From<cpe_status::AddressError> for Error {
    fn from(error: cpe_status::AddressError) -> Error {
        Error::InvalidArgument(format!("this is no address of an agent: {error}"))
    }
}

impl Error {
    /// The text without the error's name, as a person should read it.
    pub fn message(&self) -> String {
        match self {
            Error::ZBus(zbus::Error::MethodError(name, text, _)) => match text {
                Some(text) => format!("{text} ({name})"),
                None => name.to_string(),
            },
            Error::ZBus(error) => error.to_string(),
            Error::InvalidDocument(text)
            | Error::GenerationConflict(text)
            | Error::NotFound(text)
            | Error::Exists(text)
            | Error::InvalidArgument(text)
            | Error::NotReady(text)
            | Error::StaleEpoch(text)
            | Error::Superseded(text)
            | Error::Occupied(text)
            | Error::Busy(text)
            | Error::Refused(text)
            | Error::OutcomeUnknown(text)
            | Error::Failed(text)
            | Error::AccessDenied(text)
            | Error::IdentityRefused(text)
            | Error::TooLarge(text)
            | Error::OtherLog(text) => text.clone(),
        }
    }

    /// The name on the bus of an error of ours, without what all begin with; of others `Failed`.
    pub fn short_name(&self) -> &'static str {
        match self {
            Error::InvalidDocument(_) => "InvalidDocument",
            Error::GenerationConflict(_) => "GenerationConflict",
            Error::NotFound(_) => "NotFound",
            Error::Exists(_) => "Exists",
            Error::InvalidArgument(_) => "InvalidArgument",
            Error::NotReady(_) => "NotReady",
            Error::StaleEpoch(_) => "StaleEpoch",
            Error::Superseded(_) => "Superseded",
            Error::Occupied(_) => "Occupied",
            Error::Busy(_) => "Busy",
            Error::Refused(_) => "Refused",
            Error::OutcomeUnknown(_) => "OutcomeUnknown",
            Error::ZBus(_) | Error::Failed(_) => "Failed",
            Error::AccessDenied(_) => "AccessDenied",
            Error::IdentityRefused(_) => "IdentityRefused",
            Error::TooLarge(_) => "TooLarge",
            Error::OtherLog(_) => "OtherLog",
        }
    }

    /// The error of a name as of [`Error::short_name`], of those that an order can have; of others
    /// [`Error::Failed`].
    pub fn of_short_name(name: &str, text: String) -> Error {
        match name {
            "NotFound" => Error::NotFound(text),
            "InvalidArgument" => Error::InvalidArgument(text),
            "NotReady" => Error::NotReady(text),
            "Busy" => Error::Busy(text),
            "Refused" => Error::Refused(text),
            "OutcomeUnknown" => Error::OutcomeUnknown(text),
            "AccessDenied" => Error::AccessDenied(text),
            "TooLarge" => Error::TooLarge(text),
            _ => Error::Failed(text),
        }
    }

    /// The name on the bus of an error that is not one of ours, such as
    /// `org.freedesktop.DBus.Error.ServiceUnknown`.
    pub fn foreign_name(&self) -> Option<String> {
        match self {
            Error::ZBus(zbus::Error::MethodError(name, ..)) => Some(name.to_string()),
            // The standard errors of the bus come as a type of their own.
            Error::ZBus(zbus::Error::FDO(error)) => Some(DBusError::name(&**error).to_string()),
            _ => None,
        }
    }

    /// Whether what was asked for may have been done, or may still be: no answer says that it was
    /// not.
    pub fn leaves_it_open(&self) -> bool {
        match self {
            Error::OutcomeUnknown(_) => true,
            // What the other side or the bus says is a refusal, unless it says that no answer
            // comes any more. Of whom the bus knows nothing, nobody was told.
            Error::ZBus(_) => match self.foreign_name().as_deref() {
                None => true,
                Some(
                    "org.freedesktop.DBus.Error.ServiceUnknown"
                    | "org.freedesktop.DBus.Error.NameHasNoOwner",
                ) => false,
                Some(_) => self.is_temporary(),
            },
            _ => false,
        }
    }

    /// True where trying the same question again later is sensible: the peer is away, starting or
    /// busy. Before a change is tried again, see [`Error::leaves_it_open`].
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::NotReady(_) | Error::Busy(_) => true,
            Error::ZBus(zbus::Error::InputOutput(_)) => true,
            _ => matches!(
                self.foreign_name().as_deref(),
                Some(
                    "org.freedesktop.DBus.Error.ServiceUnknown"
                        | "org.freedesktop.DBus.Error.NameHasNoOwner"
                        | "org.freedesktop.DBus.Error.NoReply"
                        | "org.freedesktop.DBus.Error.Timeout"
                        | "org.freedesktop.DBus.Error.TimedOut"
                        | "org.freedesktop.DBus.Error.Disconnected"
                )
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_an_absent_peer_from_a_refusing_one() {
        let standard = |error: zbus::fdo::Error| Error::ZBus(zbus::Error::FDO(Box::new(error)));
        assert!(standard(zbus::fdo::Error::ServiceUnknown("gone".into())).is_temporary());
        assert!(standard(zbus::fdo::Error::NoReply("gone".into())).is_temporary());
        assert!(!standard(zbus::fdo::Error::AccessDenied("no".into())).is_temporary());
        assert!(Error::NotReady(String::new()).is_temporary());
        assert!(!Error::NotFound(String::new()).is_temporary());
        let open = Error::OutcomeUnknown(String::new());
        assert!(!open.is_temporary(), "again, it may be done twice");
    }

    #[test]
    fn it_knows_what_may_have_been_done() {
        let standard = |error: zbus::fdo::Error| Error::ZBus(zbus::Error::FDO(Box::new(error)));
        let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
        let late = Error::ZBus(zbus::Error::InputOutput(std::sync::Arc::new(late)));
        // An answer that cannot be read is one of somebody who has done something.
        let odd = Error::ZBus(zbus::Error::InvalidReply);
        let gone = standard(zbus::fdo::Error::NoReply("gone".into()));
        let kept = Error::OutcomeUnknown("kept in memory".into());
        for open in [late, odd, gone, kept] {
            assert!(open.leaves_it_open(), "{open:?}");
        }
        for closed in [
            standard(zbus::fdo::Error::UnknownMethod("what?".into())),
            standard(zbus::fdo::Error::AccessDenied("no".into())),
            standard(zbus::fdo::Error::ServiceUnknown("nobody".into())),
            standard(zbus::fdo::Error::NameHasNoOwner("nobody".into())),
            Error::NotReady(String::new()),
            Error::Busy(String::new()),
            Error::Failed(String::new()),
        ] {
            assert!(!closed.leaves_it_open(), "{closed:?}");
        }
    }
}
