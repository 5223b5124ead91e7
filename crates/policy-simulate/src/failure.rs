//! Why a run ended early, with the exit statuses of `crm_simulate`.

/// The graph cannot be executed to its end.
pub(crate) const INVALID_TRANSITION: i32 = 1;
/// Wrong arguments.
pub(crate) const USAGE: i32 = 64;
/// The input cannot be read or parsed.
pub(crate) const DATA: i32 = 65;
/// The bus or the daemon on it cannot be reached.
pub(crate) const UNREACHABLE: i32 = 102;
/// There is no such deployment.
pub(crate) const ABSENT: i32 = 105;
/// The caller may not read the input.
pub(crate) const DENIED: i32 = 4;
/// Several deployments run, and none was named.
pub(crate) const AMBIGUOUS: i32 = 109;
/// A file cannot be written.
pub(crate) const OUTPUT: i32 = 74;
/// The input is a CIB that this engine cannot use.
pub(crate) const CONFIGURATION: i32 = 78;

/// An error with its exit status.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit status.
    pub code: i32,
    /// For standard error; empty: nothing to say.
    pub message: String,
}

impl Failure {
    /// Wrong arguments.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure {
            code: USAGE,
            message: message.into(),
        }
    }

    /// Unusable input.
    pub(crate) fn data(message: impl Into<String>) -> Failure {
        Failure {
            code: DATA,
            message: message.into(),
        }
    }

    /// Standard output (or `--output-to`) cannot be written. A reader that stops reading, such as
    /// `head`, is not an error.
    pub(crate) fn output(error: std::io::Error) -> Failure {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Failure {
                code: 0,
                message: String::new(),
            };
        }
        Failure {
            code: OUTPUT,
            message: format!("cannot write the output: {error}"),
        }
    }

    /// A named file cannot be written.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Failure {
        Failure {
            code: OUTPUT,
            message: format!("cannot write {}: {error}", path.display()),
        }
    }
}
