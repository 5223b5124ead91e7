//! What can go wrong, sorted by what it means to whoever asked.

use std::error::Error as StdError;

use tonic::Code;

/// Of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was done: no member could be asked, or the one that was asked has no leader.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// It may have been done, or be done later.
    #[error("the store has not answered, so that it is not known whether it was done: {0}")]
    Unknown(String),
    /// Nothing was done: there is no such lease.
    #[error("the store knows no such lease: it has ended")]
    NoLease,
    /// The history does not go back that far.
    #[error("the store does not remember changes that are that old: list everything again")]
    Compacted,
    /// Nothing was done: deletes are possible only.
    #[error("the store is full: raise its quota, or compact and defragment it")]
    Full,
    /// Nothing was done.
    #[error("the store refuses it: {0}. Look at the user and the role of this host's certificate")]
    Denied(String),
    /// Nothing was done.
    #[error("{0}")]
    Invalid(String),
}

/// What most functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether another member may be asked: this one has done nothing, and is not well.
    pub(crate) fn is_of_the_member(&self) -> bool {
        matches!(self, Error::Unavailable(_))
    }
}

/// What etcd says, by code and text: several of its errors have the same code.
const NO_LEADER: &str = "no leader";
const COMPACTED: &str = "has been compacted";
const FUTURE: &str = "future revision";
const FULL: &str = "database space exceeded";
const NO_LEASE: &str = "lease not found";
const TOO_MANY: &str = "too many requests";
const NO_USER: &str = "user name is empty";

impl From<etcd_client::Error> for Error {
    fn from(error: etcd_client::Error) -> Error {
        match error {
            etcd_client::Error::GRpcStatus(status) => of_status(&status),
            etcd_client::Error::InvalidArgs(text) => Error::Invalid(text),
            etcd_client::Error::InvalidUri(error) => Error::Invalid(error.to_string()),
            etcd_client::Error::LeaseKeepAliveError(_) => Error::NoLease,
            other => Error::Unknown(whole(&other)),
        }
    }
}

/// All that an error of the library says. It does not tell what its errors come from: of a
/// certificate that cannot be used it only says “transport error”.
pub(crate) fn whole(error: &etcd_client::Error) -> String {
    let inner: &(dyn StdError + 'static) = match error {
        etcd_client::Error::TransportError(inner) => inner,
        etcd_client::Error::IoError(inner) => inner,
        etcd_client::Error::InvalidUri(inner) => inner,
        etcd_client::Error::GRpcStatus(inner) => inner,
        other => return other.to_string(),
    };
    with_sources(inner)
}

fn of_status(status: &tonic::Status) -> Error {
    let message = status.message().trim_start_matches("etcdserver: ");
    let text = || match message {
        "" => with_sources(status),
        _ if status.source().is_some() => with_sources(status),
        text => text.to_owned(),
    };
    match status.code() {
        Code::Unavailable if was_not_sent(status) || message.contains(NO_LEADER) => {
            Error::Unavailable(text())
        }
        // It lags, or has too much to do; in no case it has taken anything.
        Code::ResourceExhausted if message.contains(TOO_MANY) => Error::Unavailable(text()),
        Code::OutOfRange if message.contains(FUTURE) => Error::Unavailable(text()),
        Code::OutOfRange if message.contains(COMPACTED) => Error::Compacted,
        Code::ResourceExhausted if message.contains(FULL) => Error::Full,
        Code::NotFound if message.contains(NO_LEASE) => Error::NoLease,
        Code::PermissionDenied | Code::Unauthenticated => Error::Denied(text()),
        Code::InvalidArgument if message.contains(NO_USER) => Error::Denied(text()),
        Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound => Error::Invalid(text()),
        _ => Error::Unknown(text()),
    }
}

/// Whether there was no connection to send it on.
fn was_not_sent(error: &tonic::Status) -> bool {
    let first = error as &(dyn StdError + 'static);
    std::iter::successors(Some(first), |&error| error.source())
        .any(|error| error.is::<tonic::ConnectError>())
}

/// An error and what it comes from: the libraries say little in the first line.
fn with_sources(error: &(dyn StdError + 'static)) -> String {
    let first = match error.downcast_ref::<tonic::Status>() {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    let mut texts = vec![first];
    for error in std::iter::successors(error.source(), |&error| error.source()) {
        let text = error.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
    }
    texts.retain(|text| !text.is_empty());
    texts.join(": ")
}
