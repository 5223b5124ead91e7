//! What ends a driver.

use std::path::Path;

/// Why a driver cannot begin, or go on. Who has it starts again: what it has left is read then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{0}")]
    File(String),
    /// Something is not as it must be.
    #[error("{0}")]
    Broken(String),
    /// Another process of this host does the same.
    #[error("another process holds {0}: one host has one part in a cluster")]
    Held(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] cpe_etcd::Error),
}

/// What most functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn file(path: impl AsRef<Path>, error: &dyn std::fmt::Display) -> Error {
        Error::File(format!("{}: {error}", path.as_ref().display()))
    }

    /// Of an error that says itself of what it is.
    pub(crate) fn told(error: &std::io::Error) -> Error {
        Error::File(error.to_string())
    }
}
