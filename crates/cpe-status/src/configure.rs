//! The configure executable of a service: a program that a guest runs before it starts the service,
//! once per boot and once per change of the service's parameters.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A program that a guest runs before it starts a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Configure {
    /// A file of the guest, by its absolute path.
    Path(String),
    /// A script that comes along.
    Content {
        /// The absolute path of what runs it, and arguments before the script's own path, with
        /// blanks between.
        interpreter: String,
        /// The script.
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

    /// Which program it is, with which parameters: another digest is another configuration.
    pub fn digest(&self, parameters: &BTreeMap<String, String>) -> String {
        let mut digest = Sha256::new();
        let mut put = |word: &str| {
            digest.update(word.len().to_be_bytes());
            digest.update(word);
        };
        match self {
            Configure::Path(path) => put(path),
            Configure::Content { interpreter, text } => {
                put(interpreter);
                put(text);
            }
        }
        for (name, value) in parameters {
            put(name);
            put(value);
        }
        hexadecimal(&digest.finalize())
    }

    /// The program's name, for people: a script that comes along has none.
    pub fn name(&self) -> &str {
        match self {
            Configure::Path(path) => path,
            Configure::Content { .. } => "of the document",
        }
    }

    /// How long it is, in bytes.
    pub fn size(&self) -> usize {
        match self {
            Configure::Path(path) => path.len(),
            Configure::Content { interpreter, text } => interpreter.len() + text.len(),
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
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Configure {
        Configure::Content {
            interpreter: "/bin/sh".into(),
            text: text.into(),
        }
    }

    #[test]
    fn content_is_told_by_its_digest() {
        let told = content("exit 0\n").to_string();
        assert_eq!(
            told,
            "content of 7 bytes, run by /bin/sh, sha256 28d3b9e880a77975493dc7e359144c0295a4f694cfe0af4f928c22307bc5c320"
        );
        assert_ne!(content("exit 0\n").mark(), content("exit 1\n").mark());
        assert_eq!(Configure::Path("/a".into()).mark(), "/a");
    }

    #[test]
    fn another_program_or_parameter_is_another_configuration() {
        let parameters = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
            pairs.iter().map(owned).collect()
        };
        let path = Configure::Path("/x".into());
        let mut digests = vec![
            path.digest(&parameters(&[])),
            path.digest(&parameters(&[("a", "b")])),
            path.digest(&parameters(&[("ab", "")])),
            path.digest(&parameters(&[("a", "b"), ("c", "d")])),
            content("a").digest(&parameters(&[])),
            content("b").digest(&parameters(&[])),
        ];
        assert_eq!(path.digest(&parameters(&[])), digests[0]);
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 6);
        assert_eq!(digests[0].len(), 64);
    }
}
