//! One token: how it is made, written and recognised.

use std::io::Read;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a token begins with, so that scanners for leaked secrets find it.
const PREFIX: &str = "cpe_";
/// Bytes of a secret.
const SECRET: usize = 32;
/// Longest id in bytes.
const MAX_ID: usize = 63;

/// What an id may be, as messages say it: the rule of [`is_id`].
pub const ID_RULE: &str = "use 1 to 63 characters a-z, 0-9 and `-`";

/// Whether a token may have that id.
pub fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(plain)
}

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Who it is for: the principal is `token:ID`.
    pub id: String,
    /// SHA-256 of the secret, in hexadecimal digits.
    pub sha256: String,
    /// When it was made.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub created: Timestamp,
    /// When it ends; never, if absent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_end",
        deserialize_with = "read_end"
    )]
    pub expires: Option<Timestamp>,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

fn write_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = text.parse();
    time.map_err(|_| {
        let expected = "expected a time such as \"2026-01-31T12:00:00Z\"";
        serde::de::Error::custom(format!("{expected}, found \"{text}\""))
    })
}

fn write_end<S: Serializer>(end: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match end {
        Some(end) => write_time(end, serializer),
        None => serializer.serialize_none(),
    }
}

fn read_end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    read_time(deserializer).map(Some)
}

/// 256 random bits, as hexadecimal digits.
///
/// # Errors
/// If the system gives no random bytes.
pub fn secret() -> std::io::Result<String> {
    let mut bytes = [0; SECRET];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hexadecimal(&bytes))
}

impl Entry {
    /// Makes a token: what is kept of it, and the token itself.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn make(
        id: &str,
        created: Timestamp,
        expires: Option<Timestamp>,
        note: &str,
    ) -> std::io::Result<(Entry, String)> {
        let secret = secret()?;
        let entry = Entry {
            id: id.to_owned(),
            sha256: hash(&secret),
            created,
            expires,
            note: note.to_owned(),
        };
        Ok((entry, format!("{PREFIX}{id}_{secret}")))
    }

    /// Whether it has ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether a secret is this token's, in a time that says nothing about it.
    pub(crate) fn has(&self, presented: &Presented<'_>) -> bool {
        let found = hash(presented.secret);
        bool::from(found.as_bytes().ct_eq(self.sha256.as_bytes()))
    }
}

/// A token as a caller shows it.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// Its id; not checked yet.
    pub id: &'a str,
    secret: &'a str,
}

impl<'a> Presented<'a> {
    /// Reads `cpe_ID_SECRET`; `None` if the text is something else.
    pub fn read(text: &'a str) -> Option<Presented<'a>> {
        let (id, secret) = text.strip_prefix(PREFIX)?.rsplit_once('_')?;
        let is_secret = secret.len() == 2 * SECRET && secret.bytes().all(|b| b.is_ascii_hexdigit());
        (is_id(id) && is_secret).then_some(Presented { id, secret })
    }
}

/// Why a token is not accepted. Callers are not told which of these it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is none with that id, or its secret is another one.
    #[error("no such token")]
    Unknown,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
}

fn hash(secret: &str) -> String {
    hexadecimal(&Sha256::digest(secret.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
