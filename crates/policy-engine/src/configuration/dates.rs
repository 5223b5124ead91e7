//! Dates, times and durations (scheduler-spec/01 §6).
//!
//! An instant is a number of epoch seconds. A time without an offset is that of the zone's clock; a
//! date without a time begins at midnight UTC. Civil dates come from `jiff`; the texts have a
//! syntax of their own.

use jiff::civil::{Date, ISOWeekDate, Weekday};

use crate::model::Zone;
use crate::scalar;
use crate::xml::Element;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// An instant, as a text names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockTime {
    /// Epoch seconds.
    pub instant: i64,
    /// What the clock shows then, as seconds to the east of UTC: the offset that the text names,
    /// else the zone's.
    pub utc_offset_s: i64,
    /// The text names an offset other than `Z`.
    pub names_offset: bool,
}

/// Parses a date/time text (§6.1) to epoch seconds; `now` gives the date for texts that are only a
/// time.
pub(crate) fn parse_instant(text: &str, now: i64, zone: &Zone) -> Option<i64> {
    parse_clock_time(text, now, zone).map(|time| time.instant)
}

/// The same, with the offset from UTC (§2.3).
pub fn parse_clock_time(text: &str, now: i64, zone: &Zone) -> Option<ClockTime> {
    let text = text.trim();
    let utc = |instant| ClockTime {
        instant,
        utc_offset_s: 0,
        names_offset: false,
    };
    if text == "epoch" {
        return Some(utc(0));
    }
    let time_only = text.strip_prefix('T');
    let time_only = time_only.or_else(|| (text.as_bytes().get(2) == Some(&b':')).then_some(text));
    let (midnight, time) = if let Some(time) = time_only {
        let shown = now.saturating_add(zone.offset_s(now));
        (shown.div_euclid(DAY).saturating_mul(DAY), time)
    } else {
        let Some(at) = text.find(['T', ' ']) else {
            return Some(utc(days_since_epoch(parse_date(text)?) * DAY));
        };
        let date = parse_date(&text[..at])?;
        (days_since_epoch(date) * DAY, text[at + 1..].trim_start())
    };
    let (clock, offset) = parse_time(time)?;
    let shown = midnight.saturating_add(clock);
    let utc_offset_s = match offset {
        Some(offset) => offset,
        None => zone.offset_of_clock_s(shown)?,
    };
    Some(ClockTime {
        instant: shown.saturating_sub(utc_offset_s),
        utc_offset_s,
        names_offset: offset.is_some_and(|offset| offset != 0),
    })
}

/// `YYYY-MM-DD`, `YYYYMMDD`, `YYYY-DDD`, `YYYY-Www-D`.
fn parse_date(text: &str) -> Option<Date> {
    let year = digits(text.get(..4)?)?;
    let rest = text.get(4..)?;
    let dashed = rest.strip_prefix('-');
    let rest = dashed.unwrap_or(rest);
    if let Some(week) = rest.strip_prefix('W') {
        let (week, day) = match week.split_once('-') {
            Some(parts) => parts,
            None => (week.get(..2)?, week.get(2..)?),
        };
        let weekday = Weekday::from_monday_one_offset(digits(day)?.try_into().ok()?).ok()?;
        let week = digits(week)?.try_into().ok()?;
        let date = ISOWeekDate::new(year.try_into().ok()?, week, weekday).ok()?;
        return Some(date.date());
    }
    let civil = |month: &str, day: &str| {
        let (month, day) = (
            digits(month)?.try_into().ok()?,
            digits(day)?.try_into().ok()?,
        );
        Date::new(year.try_into().ok()?, month, day).ok()
    };
    match (rest.split_once('-'), rest.len()) {
        (Some((month, day)), _) => civil(month, day),
        (None, 4) => civil(rest.get(..2)?, rest.get(2..)?),
        (None, 3) => {
            let day = digits(rest)?;
            let first = Date::new(year.try_into().ok()?, 1, 1).ok()?;
            (1..=i64::from(first.days_in_year()))
                .contains(&day)
                .then(|| add_days(first, day - 1))?
        }
        _ => None,
    }
}

/// `HH[:MM[:SS]]` or `HH[MM[SS]]`, then an offset: seconds since midnight there, and the offset if
/// it is named.
fn parse_time(text: &str) -> Option<(i64, Option<i64>)> {
    let clock_end = text
        .find(|c: char| !c.is_ascii_digit() && c != ':')
        .unwrap_or(text.len());
    let clock = parse_clock(&text[..clock_end], 24)?;
    let offset = match text[clock_end..].trim() {
        "" => None,
        "Z" | "z" => Some(0),
        offset => {
            let sign = match offset.as_bytes()[0] {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            Some(sign * parse_clock(&offset[1..], 24)?)
        }
    };
    Some((clock, offset))
}

fn parse_clock(text: &str, max_hours: i64) -> Option<i64> {
    let field = |from: usize| text.get(from..from + 2).and_then(digits);
    let separator = usize::from(text.as_bytes().get(2) == Some(&b':'));
    let hours = field(0)?;
    let minutes = match text.len() {
        2 => 0,
        _ => field(2 + separator)?,
    };
    let seconds = match text.len() {
        n if n <= 4 + separator => 0,
        _ => field(4 + 2 * separator)?,
    };
    let total = hours * 3600 + minutes * 60 + seconds;
    (hours <= max_hours && minutes < 60 && seconds < 60 && total <= DAY).then_some(total)
}

pub(super) fn digits(text: &str) -> Option<i64> {
    let valid = !text.is_empty() && text.len() <= 9 && text.bytes().all(|c| c.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

fn epoch_date() -> Date {
    Date::constant(1970, 1, 1)
}

pub(super) fn days_since_epoch(date: Date) -> i64 {
    date.duration_since(epoch_date()).as_secs() / DAY
}

fn add_days(date: Date, days: i64) -> Option<Date> {
    date.checked_add(jiff::Span::new().try_days(days).ok()?)
        .ok()
}

/// The civil date of an instant, UTC, and the seconds since its midnight.
pub(super) fn civil(instant: i64) -> Option<(Date, i64)> {
    let date = add_days(epoch_date(), instant.div_euclid(DAY))?;
    Some((date, instant.rem_euclid(DAY)))
}

/// An instant as Pacemaker's programs log it: `Nov 14 22:13:20 2023`.
pub(crate) fn in_words(instant: i64) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (date, second) = civil(instant)?;
    let month = MONTHS.get(usize::try_from(date.month()).ok()?.checked_sub(1)?)?;
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!(
        "{month} {:02} {hours:02}:{minutes:02}:{seconds:02} {}",
        date.day(),
        date.year()
    ))
}

/// Parses an interval specification (§3.5) to ms, capped at 2^32-1; `None` = invalid or negative.
pub fn parse_interval(text: &str) -> Option<u32> {
    let ms = if let Some(duration) = text.strip_prefix('P') {
        parse_duration(duration)?
            .clamp(0, i64::from(u32::MAX) / 1000)
            .saturating_mul(1000)
    } else {
        scalar::milliseconds(text)?
    };
    (ms >= 0).then(|| u32::try_from(ms).unwrap_or(u32::MAX))
}

/// The part of an ISO 8601 duration behind the `P`, in seconds; a year has 365 days, a month 30
/// (§6.5).
fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut in_time = false;
    let mut total: i64 = 0;
    let mut units = 0;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            in_time = true;
            rest = time;
            continue;
        }
        let signed = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let end = rest.len()
            - signed
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let count = scalar::integer(&rest[..end])?;
        let unit = match (rest.as_bytes().get(end)?, in_time) {
            (b'Y', _) => 365 * DAY,
            (b'M', false) => 30 * DAY,
            (b'W', _) => 7 * DAY,
            (b'D', _) => DAY,
            (b'H', _) => 3600,
            (b'M', true) => 60,
            (b'S', _) => 1,
            _ => return None,
        };
        total = total.saturating_add(count.saturating_mul(unit));
        units += 1;
        rest = &rest[end + 1..];
    }
    (units > 0).then_some(total)
}

/// Adds a `duration` element to a time: years, months, weeks, days, hours, minutes, seconds, in
/// this order, of a clock that keeps the time's offset (§6.2, §6.5).
pub(crate) fn add_duration(start: ClockTime, duration: Element<'_>) -> Option<i64> {
    let field = |name: &str| match duration.get(name) {
        Some(text) => scalar::integer(text).filter(|n| n.unsigned_abs() < 1 << 40),
        None => Some(0),
    };
    let (mut date, second) = civil(start.instant.saturating_add(start.utc_offset_s))?;
    let years = field("years")?;
    if years != 0 {
        let year = i64::from(date.year()) + years;
        let first = Date::new(year.try_into().ok()?, 1, 1).ok()?;
        date = add_days(first, i64::from(date.day_of_year()) - 1)?;
    }
    date = date
        .checked_add(jiff::Span::new().try_months(field("months")?).ok()?)
        .ok()?;
    let days = field("weeks")? * 7 + field("days")?;
    let seconds = field("hours")? * 3600 + field("minutes")? * 60 + field("seconds")?;
    Some((days_since_epoch(date) + days) * DAY + second + seconds - start.utc_offset_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_in_all_forms() {
        for (text, instant) in [
            ("1970-01-02", DAY),
            ("19700102", DAY),
            ("1970-002", DAY),
            ("1970-W01-5", DAY),
            ("epoch", 0),
            ("1970-01-01T01:02:03Z", 3723),
            ("1970-01-01 01:02:03 -05:00", 3723 + 5 * 3600),
            ("1970-01-01T0102", 3720),
            ("1970-01-01 24:00:00", DAY),
            ("2005-020T12:30", 1_106_224_200),
            ("T01:00", 10 * DAY + 3600),
            ("01:00", 10 * DAY + 3600),
            ("2019-09-23 11:00:00 -05:00", 1_569_254_400),
        ] {
            assert_eq!(
                parse_instant(text, 10 * DAY + 5, &Zone::default()),
                Some(instant),
                "{text}"
            );
        }
        assert_eq!(
            parse_clock_time("1970-01-01 01:00 -05:00", 0, &Zone::default()),
            Some(ClockTime {
                instant: 6 * 3600,
                utc_offset_s: -5 * 3600,
                names_offset: true
            })
        );
        for text in [
            "",
            "x",
            "2005-13-01",
            "2005-02-30",
            "2005-366",
            "2005-01-01T25:00",
            "é005-01-01",
        ] {
            assert_eq!(parse_instant(text, 0, &Zone::default()), None, "{text}");
        }
    }

    #[test]
    fn a_time_without_offset_is_that_of_the_zone() {
        let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let zone = Zone::from(zone);
        let now = 1_774_742_400; // 2026-03-29T00:00:00Z
        for (text, instant) in [
            ("2026-07-01 10:00:00", 1_782_892_800),
            ("2026-01-01 10:00:00", 1_767_258_000),
            ("2026-07-01 10:00:00Z", 1_782_900_000),
            ("2026-07-01", 1_782_864_000),
            // Today, which began an hour ago there.
            ("00:30", now - 1800),
        ] {
            assert_eq!(parse_instant(text, now, &zone), Some(instant), "{text}");
        }
    }

    #[test]
    fn intervals_are_read_in_both_forms() {
        for (text, ms) in [
            ("10", Some(10_000)),
            ("10ms", Some(10)),
            ("3.14s", Some(3000)),
            ("2min", Some(120_000)),
            ("PT10S", Some(10_000)),
            ("P10S", Some(10_000)),
            ("P1M", Some(2_592_000_000)),
            ("PT1M", Some(60_000)),
            ("P1Y", Some(u32::MAX / 1000 * 1000)),
            ("999999h", Some(u32::MAX)),
            ("-5", None),
            ("x", None),
            ("P", None),
        ] {
            assert_eq!(parse_interval(text), ms, "{text}");
        }
    }
}
