//! Time as the controller sees it: handed in with every input, never read.

use serde::{Deserialize, Serialize};

/// One instant on the two clocks that matter.
///
/// Everything that waits (heartbeats, leases, timeouts) is counted on the boot-time clock, which
/// runs while the machine sleeps and never jumps. The wall clock is used for what people and guests
/// read, and for periods that outlive the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time {
    /// `CLOCK_BOOTTIME` of the host, microseconds. Must never go back.
    pub boottime_us: u64,
    /// `CLOCK_REALTIME`, microseconds since the Unix epoch. May jump.
    pub wall_us: u64,
}

impl Time {
    /// Wall clock in whole seconds, as the policy engine counts.
    pub fn wall_s(self) -> i64 {
        i64::try_from(self.wall_us / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// Microseconds in a millisecond.
pub(crate) const MS: u64 = 1_000;
/// Microseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000;
/// Seconds in a day.
const DAY_S: u64 = 86_400;

/// A moment of the wall clock (µs since the Unix epoch) for people, in UTC.
pub(crate) fn utc(wall_us: u64) -> String {
    let seconds = wall_us / SECOND;
    let (mut days, of_day) = (seconds / DAY_S, seconds % DAY_S);
    let mut year = 1970;
    let length = |year: u64| {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        (365 + u64::from(leap), 28 + u64::from(leap))
    };
    while days >= length(year).0 {
        days -= length(year).0;
        year += 1;
    }
    let february = length(year).1;
    let mut month = 1;
    for own in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < own {
            break;
        }
        days -= own;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let day = days + 1;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc() {
        for (second, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_827_696, "2000-02-29 12:34:56 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_709_251_200, "2024-03-01 00:00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(second * SECOND), expected);
        }
    }
}
