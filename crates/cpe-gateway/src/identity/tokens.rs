//! The file of tokens, read again when it changes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cpe_tokens::{Presented, Tokens};
use jiff::Timestamp;

use crate::files::Stamp;

/// The file.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Tokens)>>,
}

impl TokenFile {
    /// Tokens are in `path`.
    pub fn new(path: PathBuf) -> TokenFile {
        TokenFile {
            path,
            read: Mutex::default(),
        }
    }

    /// The id of the token that somebody shows; `None`: there is no such token, or not any more.
    pub fn check(&self, shown: &str) -> Option<String> {
        let presented = Presented::read(shown)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        if read.as_ref().is_none_or(|(known, _)| *known != stamp) {
            // A file that cannot be read has no tokens: what was revoked in it does not count.
            let tokens = Tokens::load(&self.path).unwrap_or_else(|error| {
                tracing::error!("no token is accepted: {error}");
                Tokens::default()
            });
            *read = Some((stamp, tokens));
        }
        let (_, tokens) = read.as_ref()?;
        let entry = tokens.check(&presented, Timestamp::now()).ok()?;
        Some(entry.id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_until_the_file_has_it_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let file = TokenFile::new(path.clone());
        let mut tokens = Tokens::default();
        let token = tokens.add("ci", Timestamp::now(), None, "").unwrap();
        assert_eq!(file.check(&token), None, "the file does not have it yet");
        tokens.save(&path, None).unwrap();
        assert_eq!(file.check(&token).as_deref(), Some("ci"));
        tokens.revoke("ci");
        tokens.save(&path, None).unwrap();
        assert_eq!(file.check(&token), None);
        let token = tokens.add("ci", Timestamp::now(), None, "").unwrap();
        tokens.save(&path, None).unwrap();
        assert_eq!(file.check(&token).as_deref(), Some("ci"));
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(file.check(&token), None);
    }
}
