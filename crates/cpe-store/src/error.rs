//! What can go wrong, by what it means to whoever asked.

/// Why the store could not do it. Everything that a caller may have caused is an outcome of the
/// call, not an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite says so. Nothing was done.
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// Somebody else has written it, or it is damaged. Nothing was done.
    #[error("the database holds a record that cannot be read: {0}")]
    Record(#[from] serde_json::Error),
    /// A sentence for people. Nothing was done.
    #[error("{0}")]
    Refused(String),
    /// A mistake of this program. Nothing was done.
    #[error(transparent)]
    Panicked(#[from] cpe_daemon::Panicked),
    /// It cannot be used. Nothing was done.
    #[error("cannot use the state directory: {0}")]
    Directory(#[from] std::io::Error),
    /// Nothing was done: a store that several hosts share cannot be reached. Try again.
    #[error("{0}")]
    Unavailable(String),
    /// It may have been done, or be done later. Read it, or ask the same again.
    #[error("{0}")]
    Unknown(String),
}

impl Error {
    /// Whether it is certain that nothing was done.
    pub fn leaves_nothing_open(&self) -> bool {
        !matches!(self, Error::Unknown(_))
    }
}

/// What most functions return.
pub type Result<T> = std::result::Result<T, Error>;
