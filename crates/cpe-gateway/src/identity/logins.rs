//! Who has logged in: a cookie stands for the token that was shown then.
//!
//! A cookie is 256 random bits; what is kept is its SHA-256, in memory alone. It counts for as long
//! as the token does, and 12 hours at most. A gateway that was restarted knows no cookie.
//!
//! The 12 hours are counted since the boot, also while the host is suspended: a clock that somebody
//! sets makes no login longer, and ends none. The end of a token is a date.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use cpe_tokens::Entry;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// The cookie's name. Browsers take one that begins like that only over TLS, for this host alone
/// and all of it, so that no other host can set it.
pub const COOKIE: &str = "__Host-cpe";

/// A login counts for so long.
const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Logins with one token; the oldest makes room.
const MOST_EACH: usize = 16;
/// Logins in all; the oldest makes room.
const MOST: usize = 4096;

/// A login.
#[derive(Debug, Clone)]
pub struct Login {
    /// The token that was shown.
    pub token: Entry,
    /// When it ends, by the clock as it is set now.
    pub until: Timestamp,
    /// Time since the boot.
    begun: Duration,
}

/// A login that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// What the cookie has, which is kept nowhere.
    pub secret: String,
    /// Seconds for which it counts.
    pub seconds: u64,
}

/// All of them.
#[derive(Debug)]
pub struct Logins {
    all: Mutex<HashMap<[u8; 32], Login>>,
    /// The time since the boot.
    clock: fn() -> Duration,
}

impl Default for Logins {
    fn default() -> Logins {
        Logins::by(|| Duration::from_micros(cpe_daemon::boottime_us()))
    }
}

impl Logins {
    /// By that clock, which tells the time since the boot.
    fn by(clock: fn() -> Duration) -> Logins {
        Logins {
            all: Mutex::default(),
            clock,
        }
    }

    /// Begins one, for a token that was found to be good.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn begin(&self, token: Entry) -> std::io::Result<Begun> {
        let secret = cpe_tokens::secret()?;
        let (now, clock) = (Timestamp::now(), (self.clock)());
        let until = until(&token, now, LIFE);
        let login = Login {
            token,
            until,
            begun: clock,
        };
        let mut logins = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, login| login.left(clock).is_some());
        let id = login.token.id.clone();
        let of_token = |it: &Login| it.token.id == id;
        while logins.values().filter(|it| of_token(it)).count() >= MOST_EACH {
            drop_oldest(&mut logins, of_token);
        }
        while logins.len() >= MOST {
            drop_oldest(&mut logins, |_| true);
        }
        logins.insert(key(&secret), login);
        let seconds = until.as_second().saturating_sub(now.as_second());
        Ok(Begun {
            secret,
            seconds: u64::try_from(seconds).unwrap_or(0),
        })
    }

    /// The login that a cookie stands for. Whether its token still counts is for the caller to ask.
    pub fn find(&self, secret: &str) -> Option<Login> {
        let logins = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let login = logins.get(&key(secret))?;
        let left = login.left((self.clock)())?;
        let until = until(&login.token, Timestamp::now(), left);
        Some(Login {
            until,
            ..login.clone()
        })
    }

    /// Ends one.
    pub fn end(&self, secret: &str) {
        let mut logins = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        logins.remove(&key(secret));
    }
}

impl Login {
    /// For how long it counts still; `None`: it does not.
    fn left(&self, clock: Duration) -> Option<Duration> {
        let left = LIFE.saturating_sub(clock.saturating_sub(self.begun));
        (!left.is_zero()).then_some(left)
    }
}

/// When a login ends that has so long left, and its token with its date.
fn until(token: &Entry, now: Timestamp, left: Duration) -> Timestamp {
    let end = now.checked_add(left).unwrap_or(Timestamp::MAX);
    token.expires.map_or(end, |expires| expires.min(end))
}

/// What a cookie is found by: how far a guess agrees with it does not show in the time it takes.
fn key(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn drop_oldest(logins: &mut HashMap<[u8; 32], Login>, of: impl Fn(&Login) -> bool) {
    let oldest = logins.iter().filter(|(_, it)| of(it));
    let oldest = oldest.min_by_key(|(_, it)| it.begun).map(|(key, _)| *key);
    oldest.and_then(|key| logins.remove(&key));
}

/// The cookie that a request shows. Of several none counts: which is meant nobody knows.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let shown = headers.get_all(header::COOKIE).iter();
    let shown = shown.filter_map(|value| value.to_str().ok());
    let pairs = shown.flat_map(|value| value.split(';'));
    let mut found = pairs.filter_map(|pair| {
        let (name, secret) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(secret)
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    thread_local! {
        static BOOTTIME: std::cell::Cell<Duration> = const { std::cell::Cell::new(LIFE) };
    }

    /// A host whose clock goes on as the test says: the tests' threads do not.
    fn logins() -> Logins {
        Logins::by(|| BOOTTIME.get())
    }

    fn pass(time: Duration) {
        BOOTTIME.set(BOOTTIME.get() + time);
    }

    fn token(id: &str) -> Entry {
        Entry::make(id, Timestamp::now(), None, "").unwrap().0
    }

    #[test]
    fn a_cookie_stands_for_its_token_for_twelve_hours_or_until_it_is_ended() {
        let logins = logins();
        let one = logins.begin(token("ci")).unwrap();
        let two = logins.begin(token("ci")).unwrap();
        assert_ne!(one.secret, two.secret);
        assert_eq!(one.seconds, LIFE.as_secs());
        assert_eq!(logins.find(&one.secret).unwrap().token.id, "ci");
        assert!(logins.find("").is_none());
        logins.end(&two.secret);
        assert!(logins.find(&two.secret).is_none());
        // Suspended or not, it is later.
        pass(LIFE / 2);
        let until = logins.find(&one.secret).unwrap().until;
        let left = until.as_second() - Timestamp::now().as_second();
        assert!((LIFE.as_secs() / 2).abs_diff(left.unsigned_abs()) <= 1);
        pass(LIFE / 2);
        assert!(logins.find(&one.secret).is_none());
    }

    #[test]
    fn the_time_in_which_the_host_is_suspended_counts() {
        let clock = Logins::default().clock;
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        // It is that of the boot, which goes on meanwhile.
        assert!((clock().as_secs_f64() - uptime).abs() < 5.0);
    }

    #[test]
    fn a_login_ends_with_its_token() {
        let expires = Timestamp::now() + jiff::SignedDuration::from_secs(60);
        let (token, _) = Entry::make("ci", Timestamp::now(), Some(expires), "").unwrap();
        let logins = logins();
        let begun = logins.begin(token).unwrap();
        assert!((58..=60).contains(&begun.seconds));
        assert_eq!(logins.find(&begun.secret).unwrap().until, expires);
    }

    #[test]
    fn the_oldest_of_a_token_makes_room_and_no_other() {
        let logins = logins();
        let other = logins.begin(token("other")).unwrap();
        let mut begun = Vec::new();
        for _ in 0..=MOST_EACH {
            pass(Duration::from_millis(1));
            begun.push(logins.begin(token("ci")).unwrap());
        }
        assert!(logins.find(&begun[0].secret).is_none());
        assert!(logins.find(&begun[1].secret).is_some());
        assert!(logins.find(&other.secret).is_some());
    }

    #[test]
    fn one_cookie_counts_and_of_two_none() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::COOKIE, HeaderValue::from_static(value));
            }
            cookie(&headers).map(str::to_owned)
        };
        assert_eq!(of(&["a=b; __Host-cpe=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(of(&["cpe=x", "__host-cpe=x"]), None);
        assert_eq!(of(&["__Host-cpe=x; __Host-cpe=y"]), None);
        assert_eq!(of(&["__Host-cpe=x", "__Host-cpe=x"]), None);
    }
}
