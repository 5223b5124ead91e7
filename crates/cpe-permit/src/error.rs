//! Errors that say of what they are.

use std::fmt::Display;
use std::io::Error;

/// The same error, of this file.
pub(crate) fn of(what: impl Display, error: &Error) -> Error {
    Error::new(error.kind(), format!("{what}: {error}"))
}
