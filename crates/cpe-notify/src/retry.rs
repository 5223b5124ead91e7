//! What came of an attempt, and how long to wait before the next one.

use std::time::Duration;

use jiff::Timestamp;

/// What came of one attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Delivered,
    /// It did not, and may later.
    Again {
        /// Why, for people.
        reason: String,
        /// When the receiver wants it again.
        after: Option<Duration>,
    },
    /// It did not, and will not by being sent again.
    Never {
        /// Why, for people.
        reason: String,
    },
}

impl Outcome {
    /// It may arrive later.
    pub fn again(reason: impl Into<String>) -> Outcome {
        Outcome::Again {
            reason: reason.into(),
            after: None,
        }
    }

    /// It will not arrive.
    pub fn never(reason: impl Into<String>) -> Outcome {
        Outcome::Never {
            reason: reason.into(),
        }
    }
}

/// How long it is waited between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest pause after the first failed attempt; it doubles with each.
    pub first: Duration,
    /// The longest pause of all, also if a receiver asks for more.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(600),
        }
    }
}

/// The shortest pause: a receiver that refuses at once does not keep this program busy.
const SHORTEST: Duration = Duration::from_millis(20);

impl Patience {
    /// The pause after `failed` attempts, from 1. All of it is left to chance, so that many hosts
    /// that lost the same receiver do not come back together; what the receiver asks for counts.
    pub fn pause(&self, failed: u32, asked: Option<Duration>) -> Duration {
        if let Some(asked) = asked {
            return asked.clamp(SHORTEST, self.longest);
        }
        let longest = self.bound(failed).max(SHORTEST);
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(fastrand::u64(0..=millis)).max(SHORTEST)
    }

    /// The longest that [`Patience::pause`] gives if the receiver asks for nothing.
    fn bound(&self, failed: u32) -> Duration {
        let factor = 1_u32
            .checked_shl(failed.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// What an HTTP status means for the event.
pub fn of_status(status: u16, retry_after: Option<Duration>, said: &str) -> Outcome {
    let colon = if said.is_empty() { "" } else { ": " };
    let reason = format!("HTTP status {status}{colon}{said}");
    match status {
        200..=299 => Outcome::Delivered,
        408 | 425 | 429 | 500..=599 => Outcome::Again {
            reason,
            after: retry_after,
        },
        300..=399 => Outcome::never(format!(
            "{reason}; redirects are not followed: set `url` to where it leads"
        )),
        _ => Outcome::never(reason),
    }
}

/// The header `Retry-After`: seconds, or a date. `now`: microseconds since the Unix epoch.
pub fn retry_after(value: &str, now: u64) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at: Timestamp = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp();
    let at = u64::try_from(at.as_microsecond()).ok()?;
    Some(Duration::from_micros(at.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_left_to_chance() {
        let patience = Patience::default();
        let bounds: Vec<u64> = [1, 2, 3, 10, 11, 12, 40, u32::MAX]
            .map(|failed| patience.bound(failed).as_secs())
            .to_vec();
        assert_eq!(bounds, [1, 2, 4, 512, 600, 600, 600, 600]);
        let pauses: Vec<Duration> = (0..200).map(|_| patience.pause(4, None)).collect();
        let longest = Duration::from_secs(8);
        assert!(
            pauses
                .iter()
                .all(|pause| (SHORTEST..=longest).contains(pause))
        );
        assert!(pauses.iter().any(|pause| *pause < longest / 4));
        assert!(pauses.iter().any(|pause| *pause > longest / 2));
    }

    #[test]
    fn what_a_receiver_asks_for_counts_within_bounds() {
        let patience = Patience::default();
        let pause = |asked| patience.pause(1, Some(Duration::from_secs(asked)));
        assert_eq!(pause(90), Duration::from_secs(90));
        assert_eq!(pause(0), SHORTEST);
        assert_eq!(pause(u64::MAX), Duration::from_secs(600));
    }

    #[test]
    fn only_what_may_change_by_itself_is_tried_again() {
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            let outcome = of_status(status, None, "");
            assert!(matches!(outcome, Outcome::Again { .. }), "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 409, 410, 422] {
            let outcome = of_status(status, None, "");
            assert!(matches!(outcome, Outcome::Never { .. }), "{status}");
        }
        assert_eq!(of_status(204, None, ""), Outcome::Delivered);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = 1_700_000_000_000_000;
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        let date = "Tue, 14 Nov 2023 22:14:20 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(60)));
        assert_eq!(
            retry_after("Tue, 14 Nov 2023 22:12:20 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon", now), None);
    }
}
