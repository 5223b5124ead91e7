//! The file of tokens, read again when it changes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cpe_tokens::{Entry, Presented, Tokens};
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

    /// What is known of the token that somebody shows; `None`: there is no such token, or not any
    /// more.
    pub fn check(&self, shown: &str) -> Option<Entry> {
        let presented = Presented::read(shown)?;
        self.look(|tokens| tokens.check(&presented, Timestamp::now()).ok().cloned())
    }

    /// Whether a token that was shown once would still be accepted: not revoked, also not for
    /// another one of the same id, and not expired.
    pub fn has(&self, entry: &Entry) -> bool {
        let is_same = |it: &&Entry| (&it.id, &it.sha256) == (&entry.id, &entry.sha256);
        self.look(|tokens| {
            let now = tokens.tokens.iter().find(is_same);
            now.is_some_and(|now| !now.is_expired(Timestamp::now()))
        })
    }

    /// Looks into the file as it is now.
    fn look<T>(&self, see: impl FnOnce(&Tokens) -> T) -> T {
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
        match read.as_ref() {
            Some((_, tokens)) => see(tokens),
            None => see(&Tokens::default()),
        }
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
        let first = file.check(&token).unwrap();
        assert_eq!(first.id, "ci");
        assert!(file.has(&first));
        tokens.revoke("ci");
        tokens.save(&path, None).unwrap();
        assert_eq!(file.check(&token), None);
        assert!(!file.has(&first));
        let token = tokens.add("ci", Timestamp::now(), None, "").unwrap();
        tokens.save(&path, None).unwrap();
        let second = file.check(&token).unwrap();
        assert!(file.has(&second) && !file.has(&first), "of the same id");
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(file.check(&token), None);
        assert!(!file.has(&second));
    }
}
