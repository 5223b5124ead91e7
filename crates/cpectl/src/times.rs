//! Times as they are given on the command line.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

use crate::cells::local_zone;

/// From where events are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// After the event with this cursor.
    Cursor(u64),
    /// From this time, in microseconds since the Unix epoch.
    Time(u64),
}

/// Reads `90s`, `5m`, `1h 30m`, `2d`; a number alone is seconds, a day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let span: Option<Span> = text.parse().ok();
    span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok())
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "expected a time such as 90s, 5m, 1h 30m or 2d".into())
}

/// Reads a cursor, a duration before now, or a date and time; without a time zone it is local time,
/// as `cpectl events` prints it.
pub(crate) fn since(text: &str) -> Result<Since, String> {
    since_in(text, &local_zone())
}

/// As [`since`], but for cursors: a time, in microseconds since the Unix epoch.
pub(crate) fn moment(text: &str) -> Result<u64, String> {
    match since(text)? {
        Since::Time(time) => Ok(time),
        Since::Cursor(_) => Err("expected a time before now such as 90s or 1h30m, or a date and time such as 2026-01-31T12:30:00Z".to_owned()),
    }
}

fn since_in(text: &str, zone: &TimeZone) -> Result<Since, String> {
    if let Ok(cursor) = text.parse() {
        return Ok(Since::Cursor(cursor));
    }
    let time = match duration(text) {
        Ok(duration) => Timestamp::now().checked_sub(duration).ok(),
        Err(_) => date(text, zone),
    };
    // Nothing was recorded before the Unix epoch.
    time.map(|time| Since::Time(u64::try_from(time.as_microsecond()).unwrap_or(0)))
        .ok_or_else(|| {
            "expected a cursor, a time before now such as 90s or 1h 30m, or a date and time such as 2026-01-31T12:30:00Z".into()
        })
}

fn date(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let without_zone = || {
        let date: DateTime = text.parse().ok()?;
        zone.to_timestamp(date).ok()
    };
    text.parse().ok().or_else(without_zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("5m", 300),
            ("5min", 300),
            ("1h", 3600),
            ("1h 30m", 5400),
            ("2d", 172_800),
            ("500d 1h", 43_203_600),
            ("1w", 604_800),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "fast", "m", "-5m", "5m ago", "90x", "1y", "2mo"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn events_are_wanted_from_a_cursor_or_a_time_on() {
        assert_eq!(since("42"), Ok(Since::Cursor(42)));
        let noon = Ok(Since::Time(1_769_860_800_000_000));
        assert_eq!(since("2026-01-31T12:00:00Z"), noon);
        assert_eq!(since("2026-01-31T13:00:00+01:00"), noon);
        for (zone, hour) in [("UTC0", 12), ("CET-1", 13)] {
            let zone = TimeZone::posix(zone).unwrap();
            let local = format!("2026-01-31 {hour}:00:00");
            assert_eq!(since_in(&local, &zone), noon);
            // A time that says its zone is not local time.
            assert_eq!(since_in("2026-01-31T12:00:00Z", &zone), noon);
        }
        assert_eq!(since("1900-01-01"), Ok(Since::Time(0)));
        for text in ["", "yesterday", "-5"] {
            assert!(since(text).is_err(), "{text}");
        }
        let now = u64::try_from(Timestamp::now().as_microsecond()).unwrap();
        let Ok(Since::Time(time)) = since("1h 30m") else {
            panic!("a duration is a time");
        };
        assert!((now - 5_400_000_000).abs_diff(time) < 10_000_000);
    }
}
