//! What a guest agent is to run before a service starts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::MAX_VALUE;
use crate::Result;
use crate::fields::Reader;

/// The longest path, and the longest interpreter with its arguments, in bytes.
const MAX_PATH: usize = 1024;

/// A program that a guest runs before it starts a service, unless it has run it in this boot, for
/// the service with these parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Configure {
    /// A file of the guest, by its absolute path.
    Path(String),
    /// A script that comes along.
    Content {
        /// The absolute path of what runs it and arguments before the script's own path, with
        /// blanks between.
        interpreter: String,
        /// The script.
        text: String,
    },
}

impl Configure {
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
        let digest = digest.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
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

    pub(super) fn to_map(&self) -> BTreeMap<String, String> {
        let pairs = match self {
            Configure::Path(path) => vec![("path", path)],
            Configure::Content { interpreter, text } => {
                vec![("interpreter", interpreter), ("content", text)]
            }
        };
        let owned = |(name, value): (&str, &String)| (name.to_owned(), value.clone());
        pairs.into_iter().map(owned).collect()
    }

    /// Reads what an operation has under `configure`.
    pub(super) fn read(reader: &Reader<'_>) -> Result<Option<Configure>> {
        let mut map = reader.map("configure", 3, MAX_VALUE)?;
        if map.is_empty() {
            return Ok(None);
        }
        let mut take = |name| map.remove(name).filter(|value| !value.is_empty());
        let is_path = |text: &str| {
            text.starts_with('/') && text.len() <= MAX_PATH && !text.chars().any(char::is_control)
        };
        match (take("path"), take("interpreter"), take("content")) {
            (Some(path), None, None) if is_path(&path) => Ok(Some(Configure::Path(path))),
            (None, Some(interpreter), Some(text)) if is_path(&interpreter) => {
                Ok(Some(Configure::Content { interpreter, text }))
            }
            _ => Err(reader.invalid(
                "configure",
                "an absolute `path`, or `content` with an `interpreter`, which is an absolute path",
                "something else",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_program_or_parameter_is_another_configuration() {
        let parameters = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
            pairs.iter().map(owned).collect()
        };
        let path = Configure::Path("/x".into());
        let content = |text: &str| Configure::Content {
            interpreter: "/bin/sh".into(),
            text: text.into(),
        };
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
