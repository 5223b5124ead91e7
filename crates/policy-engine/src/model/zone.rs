//! The time zone in which rules read the clock. Its rules come from the caller, as data: this crate
//! looks nothing up.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

const DAY: i64 = 86_400;

/// A time zone: UTC, unless the caller knows better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Zone {
        Zone(TimeZone::UTC)
    }
}

impl From<TimeZone> for Zone {
    fn from(zone: TimeZone) -> Zone {
        Zone(zone)
    }
}

impl Zone {
    /// A zone whose clocks always show the same offset from UTC, in seconds to the east; UTC if no
    /// clock does so.
    pub(crate) fn at_offset(utc_offset_s: i64) -> Zone {
        let seconds = i32::try_from(utc_offset_s).ok();
        let offset = seconds.and_then(|seconds| Offset::from_seconds(seconds).ok());
        offset.map_or_else(Zone::default, |offset| Zone(TimeZone::fixed(offset)))
    }

    /// The offset from UTC in seconds to the east, at an instant; 0 at instants outside the
    /// calendar.
    pub fn offset_s(&self, instant: i64) -> i64 {
        let at = Timestamp::from_second(instant).ok();
        at.map_or(0, |at| self.0.to_offset(at).seconds().into())
    }

    /// The first instant after another one at which the offset may change.
    pub(crate) fn next_transition(&self, after: i64) -> Option<i64> {
        let after = Timestamp::from_second(after).ok()?;
        let next = self.0.following(after).next()?;
        Some(next.timestamp().as_second())
    }

    /// The offset at a time that a clock there shows, given in seconds from 1970 on. Of a time that
    /// it shows twice the first one counts; one that it leaves out is as far behind the leap as it
    /// says.
    pub(crate) fn offset_of_clock_s(&self, shown: i64) -> Option<i64> {
        let days = i32::try_from(shown.div_euclid(DAY)).ok()?;
        let second = i32::try_from(shown.rem_euclid(DAY)).ok()?;
        let date = Date::constant(1970, 1, 1);
        let date = date.checked_add(jiff::Span::new().try_days(days).ok()?);
        let time = date.ok()?.at(0, 0, 0, 0);
        let time = time.checked_add(jiff::Span::new().seconds(second)).ok()?;
        let offset: Offset = match self.0.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        };
        Some(offset.seconds().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Berlin's rules of today.
    fn berlin() -> Zone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3")
            .unwrap()
            .into()
    }

    #[test]
    fn a_zone_knows_its_offsets_and_when_they_change() {
        let (winter, spring) = (1_767_225_600, 1_774_746_000); // 2026-01-01, 2026-03-29T01:00Z
        assert_eq!(berlin().offset_s(winter), 3600);
        assert_eq!(berlin().next_transition(winter), Some(spring));
        assert_eq!(berlin().offset_s(spring - 1), 3600);
        assert_eq!(berlin().offset_s(spring), 7200);
        assert_eq!(Zone::default().next_transition(winter), None);
        assert_eq!(Zone::default().offset_s(i64::MAX), 0);
        assert_eq!(berlin().next_transition(i64::MAX), None);
    }

    #[test]
    fn a_time_that_is_shown_twice_or_never_has_the_offset_from_before() {
        let spring = 1_774_746_000 + 3600; // the clock would show 02:00
        assert_eq!(berlin().offset_of_clock_s(spring - 1), Some(3600));
        assert_eq!(berlin().offset_of_clock_s(spring + 1800), Some(3600));
        assert_eq!(berlin().offset_of_clock_s(spring + 3600), Some(7200));
        let autumn = 1_792_890_000 + 3600; // 2026-10-25T01:00Z: the clock shows 02:00 again
        assert_eq!(berlin().offset_of_clock_s(autumn + 60), Some(7200));
        assert_eq!(berlin().offset_of_clock_s(autumn + 3600), Some(3600));
        assert_eq!(berlin().offset_of_clock_s(i64::MAX), None);
    }
}
