//! What can go wrong.

/// Why something could not be done; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none yet, or no such certificate.
    #[error("{0}")]
    NotFound(String),
    /// There is one already.
    #[error("{0}")]
    Exists(String),
    /// What was given cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// A file cannot be read or written.
    #[error("{0}")]
    File(String),
    /// This user may not.
    #[error("{0}")]
    Denied(String),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
