//! What was issued, and what became of it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The longest time that a certificate may be issued for, in days: that of a CA.
pub const LONGEST_DAYS: u32 = 3650;
/// How long what has expired is kept, in seconds: somebody may ask what it was.
const KEPT_S: i64 = 400 * 24 * 3600;
/// Until when after its end a revoked certificate is on the list, in seconds: clocks may be behind.
const LISTED_S: i64 = 30 * 24 * 3600;

/// A certificate that was issued. Times are seconds of Unix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its serial number: 32 hexadecimal digits.
    pub serial: String,
    /// Whom it names: a URI, as [`cpe_bus::identity::Name`] reads it.
    pub name: String,
    /// From when on it is valid.
    pub not_before_s: i64,
    /// Until when it is valid.
    pub not_after_s: i64,
    /// When it was revoked, if it was.
    #[serde(default)]
    pub revoked_s: Option<i64>,
    /// It was signed, and is not known to have come to whom it names: the one before it is still in
    /// use.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undelivered: bool,
}

/// What a certificate is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is accepted.
    Valid,
    /// It is on the list.
    Revoked,
    /// Its time is over.
    Expired,
}

impl Entry {
    /// What it is at that time, in seconds of Unix.
    pub fn state(&self, now_s: i64) -> State {
        match self.revoked_s {
            Some(_) => State::Revoked,
            None if now_s > self.not_after_s => State::Expired,
            None => State::Valid,
        }
    }

    /// Whether two thirds of its time are over, in seconds of Unix.
    pub fn is_due(&self, now_s: i64) -> bool {
        let (from, until) = (self.not_before_s, self.not_after_s);
        now_s.saturating_sub(from) >= until.saturating_sub(from) / 3 * 2
    }

    /// For how many days it was issued.
    pub fn days(&self) -> u32 {
        let days = self.not_after_s.saturating_sub(self.not_before_s) / (24 * 3600);
        u32::try_from(days)
            .unwrap_or(LONGEST_DAYS)
            .clamp(1, LONGEST_DAYS)
    }
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    /// Number of the newest list of what is revoked.
    pub(crate) list: u64,
    /// Number of the newest list that has reached everybody on this host.
    pub(crate) published: u64,
    /// Folders of DPEs that get the list.
    #[serde(default)]
    pub(crate) folders: Vec<String>,
    pub(crate) certificates: Vec<Entry>,
}

impl Index {
    /// What is to be on the list.
    pub(crate) fn listed(&self, now_s: i64) -> impl Iterator<Item = (&Entry, i64)> {
        let revoked = self
            .certificates
            .iter()
            .filter_map(|entry| entry.revoked_s.map(|revoked_s| (entry, revoked_s)));
        revoked.filter(move |(entry, _)| entry.not_after_s + LISTED_S > now_s)
    }

    /// Drops what expired long ago.
    pub(crate) fn forget(&mut self, now_s: i64) {
        self.certificates
            .retain(|entry| entry.not_after_s + KEPT_S > now_s);
    }
}

/// Now, in seconds of Unix.
pub(crate) fn now_s() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}
