//! The file of tokens.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::Path;

use cpe_bus::identity::put;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::token::{Entry, ID_RULE, Presented, Refused, is_id};

/// Where it is.
pub const FILE: &str = "/etc/cpe/tokens.toml";
/// The group that reads it: the gateway's.
pub const GATEWAY_GROUP: &str = "cpe-gateway";

/// Most tokens in a file; each call with one looks through all of them.
const MOST: usize = 1000;
const HEAD: &str = "# Tokens of cpe-gateway(8), written by `cpectl token`. It has hashes: nobody can call with them.\n\n";

/// All tokens that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// One after another, in the order in which they were made.
    #[serde(rename = "token")]
    pub tokens: Vec<Entry>,
}

/// What is wrong with a file of tokens, or with a change of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or written.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    /// It says something that means nothing.
    #[error("{0}: {1}")]
    Invalid(String, String),
    /// An id that cannot be one.
    #[error("`{0}` is no id of a token: {ID_RULE}")]
    Id(String),
    /// There is a token with that id.
    #[error("there is a token `{0}` already; revoke it first, or use another id")]
    Exists(String),
    /// There are too many.
    #[error("there are {MOST} tokens already; revoke some first")]
    TooMany,
}

impl Tokens {
    /// Reads the file; without one there are no tokens.
    ///
    /// # Errors
    /// If it cannot be read, or says what means nothing: with its line.
    pub fn load(path: &Path) -> Result<Tokens, Error> {
        match std::fs::read_to_string(path) {
            Ok(text) => Tokens::parse(&text)
                .map_err(|what| Error::Invalid(path.display().to_string(), what)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Tokens::default()),
            Err(error) => Err(Error::File(path.display().to_string(), error)),
        }
    }

    fn parse(text: &str) -> Result<Tokens, String> {
        let tokens: Tokens = toml::from_str(text).map_err(|error| error.to_string())?;
        for (at, entry) in tokens.tokens.iter().enumerate() {
            if !is_id(&entry.id) {
                return Err(Error::Id(entry.id.clone()).to_string());
            }
            if tokens.tokens[..at].iter().any(|other| other.id == entry.id) {
                return Err(format!("there are two tokens `{}`", entry.id));
            }
        }
        Ok(tokens)
    }

    /// Writes the file as a whole, for root and the gateway's group to read.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path, group: Option<u32>) -> Result<(), Error> {
        let failed = |error| Error::File(path.display().to_string(), error);
        let text = toml::to_string(self)
            .map_err(|error| Error::Invalid(path.display().to_string(), error.to_string()))?;
        let share = |file: &File| {
            if let Some(group) = group {
                fchown(file, None, Some(group))?;
            }
            file.set_permissions(std::fs::Permissions::from_mode(0o640))
        };
        put(path, format!("{HEAD}{text}").as_bytes(), share).map_err(failed)
    }

    /// Makes a token; what it returns is the token itself, which is kept nowhere.
    ///
    /// # Errors
    /// If the id cannot be one, or is taken.
    pub fn add(
        &mut self,
        id: &str,
        now: Timestamp,
        expires: Option<Timestamp>,
        note: &str,
    ) -> Result<String, Error> {
        if !is_id(id) {
            return Err(Error::Id(id.to_owned()));
        }
        if self.tokens.iter().any(|entry| entry.id == id) {
            return Err(Error::Exists(id.to_owned()));
        }
        if self.tokens.len() >= MOST {
            return Err(Error::TooMany);
        }
        let (entry, token) = Entry::make(id, now, expires, note)
            .map_err(|error| Error::File("/dev/urandom".to_owned(), error))?;
        self.tokens.push(entry);
        Ok(token)
    }

    /// Takes a token away; whether there was one.
    pub fn revoke(&mut self, id: &str) -> bool {
        let before = self.tokens.len();
        self.tokens.retain(|entry| entry.id != id);
        self.tokens.len() < before
    }

    /// Whose token this is. It looks at all of them, so that its time does not say which ids there
    /// are.
    ///
    /// # Errors
    /// If there is none such, or it has expired.
    pub fn check(&self, presented: &Presented<'_>, now: Timestamp) -> Result<&Entry, Refused> {
        let mut found = None;
        for entry in &self.tokens {
            let has = entry.has(presented);
            if has && entry.id == presented.id {
                found = Some(entry);
            }
        }
        match found {
            None => Err(Refused::Unknown),
            Some(entry) if entry.is_expired(now) => Err(Refused::Expired),
            Some(entry) => Ok(entry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn checked(tokens: &Tokens, token: &str, now: i64) -> Result<String, Refused> {
        let presented = Presented::read(token).ok_or(Refused::Unknown)?;
        tokens
            .check(&presented, second(now))
            .map(|entry| entry.id.clone())
    }

    #[test]
    fn a_token_is_recognised_until_it_ends_or_is_revoked() {
        let mut tokens = Tokens::default();
        let ci = tokens
            .add("ci", second(10), Some(second(20)), "pipeline")
            .unwrap();
        let web = tokens.add("web", second(10), None, "").unwrap();
        assert_eq!(checked(&tokens, &ci, 19).as_deref(), Ok("ci"));
        assert_eq!(checked(&tokens, &ci, 20), Err(Refused::Expired));
        assert_eq!(checked(&tokens, &web, 20).as_deref(), Ok("web"));
        let other = ci.replace("cpe_ci_", "cpe_web_");
        assert_eq!(checked(&tokens, &other, 15), Err(Refused::Unknown));
        assert!(tokens.revoke("web"));
        assert!(!tokens.revoke("web"));
        assert_eq!(checked(&tokens, &web, 15), Err(Refused::Unknown));
    }

    #[test]
    fn the_file_has_no_secret_and_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        assert_eq!(Tokens::load(&path).unwrap(), Tokens::default());
        let mut tokens = Tokens::default();
        let token = tokens.add("ci", second(10), Some(second(20)), "").unwrap();
        tokens.save(&path, None).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let secret = token.rsplit_once('_').unwrap().1;
        assert!(!text.contains(secret), "{text}");
        assert_eq!(Tokens::load(&path).unwrap(), tokens);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let mut tokens = Tokens::default();
        for id in ["", "A", "a_b", "a b", &"a".repeat(64)] {
            assert!(matches!(
                tokens.add(id, second(0), None, ""),
                Err(Error::Id(_))
            ));
        }
        tokens.add("a", second(0), None, "").unwrap();
        assert!(matches!(
            tokens.add("a", second(0), None, ""),
            Err(Error::Exists(_))
        ));
        let unknown = Tokens::parse("[[token]]\nid = \"a\"\nsecret = \"b\"\n").unwrap_err();
        assert!(unknown.contains("line 3"), "{unknown}");
        for text in ["", "cpe_", "cpe_a_", "cpe_a_12", "bearer"] {
            assert!(Presented::read(text).is_none(), "{text}");
        }
    }
}
