//! The configure executable of a service: a program that a guest runs before it starts the service,
//! once per boot and once per change of the service's parameters.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The parameter by which the policy engine sees another configure executable as another definition
/// of the service. No resource agent gets it.
pub const CONFIGURE_PARAMETER: &str = "cpe.configure";

/// The longest content, in bytes: it goes to the guest with each start.
pub const MAX_CONFIGURE: usize = 64 * 1024;

/// What runs content that does not begin with `#!`.
pub(crate) const SHELL: &str = "/bin/sh";

/// A program that is run before a service starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Configure {
    /// A file of the guest.
    Path(String),
    /// A script of the document.
    Content {
        /// The absolute path of what runs it, and arguments before the script's own path, with
        /// blanks between.
        interpreter: String,
        /// The script, at most [`MAX_CONFIGURE`] bytes.
        text: String,
    },
}

impl Configure {
    /// The same for the same executable, and another one for another: for the policy engine.
    pub fn mark(&self) -> String {
        match self {
            Configure::Path(path) => path.clone(),
            Configure::Content { interpreter, text } => {
                format!("sha256:{} {interpreter}", sha256(text))
            }
        }
    }
}

/// For people: the content only by its digest.
impl fmt::Display for Configure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Configure::Path(path) => f.write_str(path),
            Configure::Content { interpreter, text } => write!(
                f,
                "content of {} bytes, run by {interpreter}, sha256 {}",
                text.len(),
                sha256(text)
            ),
        }
    }
}

/// As `sha256sum` writes it.
fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_told_by_its_digest() {
        let content = |text: &str| Configure::Content {
            interpreter: SHELL.into(),
            text: text.into(),
        };
        let told = content("exit 0\n").to_string();
        assert_eq!(
            told,
            "content of 7 bytes, run by /bin/sh, sha256 28d3b9e880a77975493dc7e359144c0295a4f694cfe0af4f928c22307bc5c320"
        );
        assert_ne!(content("exit 0\n").mark(), content("exit 1\n").mark());
        assert_eq!(Configure::Path("/a".into()).mark(), "/a");
    }
}
