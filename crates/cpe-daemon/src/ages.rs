//! What is old by the wall clock, and when that may be believed.
//!
//! A host whose clock is wrong when it boots, or is set to another year by mistake, must not lose
//! what is kept for a time. So nothing is old by a clock that was set, before it has gone on
//! steadily for an hour. The steady clock goes on while the host is suspended, as the wall clock
//! does: so a suspend is not taken for a clock that was set.

use std::time::Duration;

use crate::clock;

/// A clock that was set is believed after this time.
const DOUBT: Duration = Duration::from_secs(3600);
/// The wall clock may run away so far from the steady one between two looks, microseconds: a clock
/// that is being corrected was not set.
const DRIFT_US: u64 = 60 * 1_000_000;
/// At the start, the newest of what is kept may be so old, microseconds. If it is older, either
/// nothing happened for that time or the clock was set meanwhile.
const QUIET_US: u64 = 24 * 3600 * 1_000_000;

/// Both clocks: the wall clock, and the time since the host was booted, µs.
type Clocks = (u64, u64);

/// Says what is old.
#[derive(Debug)]
pub struct Ages {
    /// Both clocks at the last look.
    seen: Clocks,
    /// The wall clock is not believed before this time of the steady one, µs.
    doubted_until: Option<u64>,
}

impl Ages {
    /// `newest`: when the newest of what is kept was noted, microseconds since the Unix epoch.
    pub fn new(newest: Option<u64>) -> Ages {
        Ages::beginning(newest, (clock::now(), clock::boottime_us()))
    }

    fn beginning(newest: Option<u64>, now: Clocks) -> Ages {
        let quiet = newest.is_some_and(|newest| now.0.abs_diff(newest) > QUIET_US);
        Ages {
            seen: now,
            doubted_until: quiet.then(|| now.1 + micros(DOUBT)),
        }
    }

    /// What was noted before this is older than `keep`; microseconds since the Unix epoch. `None`:
    /// nobody knows, since the clock was set.
    pub fn oldest(&mut self, keep: Duration) -> Option<u64> {
        self.oldest_at(keep, (clock::now(), clock::boottime_us()))
    }

    fn oldest_at(&mut self, keep: Duration, now: Clocks) -> Option<u64> {
        let passed_us = now.1.saturating_sub(self.seen.1);
        let expected_us = self.seen.0.saturating_add(passed_us);
        self.seen = now;
        if now.0.abs_diff(expected_us) > DRIFT_US {
            self.doubted_until = Some(now.1 + micros(DOUBT));
        }
        if self.doubted_until.is_some_and(|until| now.1 < until) {
            return None;
        }
        self.doubted_until = None;
        Some(now.0.saturating_sub(micros(keep)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);
    const YEAR_US: u64 = 365 * 24 * 3600 * 1_000_000;
    const NOW_US: u64 = 50 * YEAR_US;
    const BOOTED_US: u64 = 7_000_000;

    /// Both clocks go on; the wall clock is set by so much more.
    fn later(from: Clocks, passed: Duration, set_us: i64) -> Clocks {
        let wall_us = (from.0 + micros(passed)).saturating_add_signed(set_us);
        (wall_us, from.1 + micros(passed))
    }

    #[test]
    fn a_clock_that_goes_on_is_believed_at_once() {
        let begin = (NOW_US, BOOTED_US);
        let mut ages = Ages::beginning(Some(NOW_US - 5), begin);
        assert_eq!(ages.oldest_at(HOUR, begin), Some(NOW_US - micros(HOUR)));
        let corrected = later(begin, HOUR, 2_000_000);
        let oldest = ages.oldest_at(HOUR, corrected);
        assert_eq!(oldest, Some(NOW_US + 2_000_000));
        let mut ages = Ages::beginning(None, begin);
        assert!(ages.oldest_at(HOUR, begin).is_some(), "nothing is kept yet");
    }

    #[test]
    fn a_clock_that_was_set_makes_nothing_old_for_an_hour() {
        for set_us in [10 * YEAR_US as i64, -10 * YEAR_US as i64, 61_000_000] {
            let begin = (NOW_US, BOOTED_US);
            let mut ages = Ages::beginning(Some(NOW_US), begin);
            let set = later(begin, MINUTE, set_us);
            assert_eq!(ages.oldest_at(HOUR, set), None);
            assert_eq!(ages.oldest_at(HOUR, later(set, HOUR - MINUTE, 0)), None);
            let believed = later(set, HOUR, 0);
            assert_eq!(ages.oldest_at(HOUR, believed), Some(set.0), "{set_us}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_in_time_has_made_nothing_old() {
        let begin = (NOW_US, BOOTED_US);
        let mut ages = Ages::beginning(Some(NOW_US), begin);
        let wrong = later(begin, MINUTE, 10 * YEAR_US as i64);
        assert_eq!(ages.oldest_at(HOUR, wrong), None);
        let right = later(wrong, MINUTE, -10 * YEAR_US as i64);
        assert_eq!(ages.oldest_at(HOUR, right), None);
        let believed = later(right, HOUR, 0);
        assert_eq!(ages.oldest_at(HOUR, believed), Some(right.0));
    }

    #[test]
    fn a_clock_that_was_set_while_nobody_looked_is_noticed_at_the_start() {
        for newest in [NOW_US - 10 * YEAR_US, NOW_US + 10 * YEAR_US] {
            let begin = (NOW_US, BOOTED_US);
            let mut ages = Ages::beginning(Some(newest), begin);
            assert_eq!(ages.oldest_at(HOUR, begin), None);
            assert!(ages.oldest_at(HOUR, later(begin, HOUR, 0)).is_some());
        }
    }
}
