//! Dates, times and durations (scheduler-spec/01 §6).
//!
//! An instant is a number of epoch seconds; clock fields are those of UTC, unless "now" was given
//! with an offset. Civil dates come from `jiff`; the texts have a syntax of their own.

use jiff::civil::{Date, ISOWeekDate, Weekday};

use crate::scalar;
use crate::xml::Element;

const DAY: i64 = 86_400;

/// Parses a date/time text (§6.1) to epoch seconds; `today` gives the date for texts that are only
/// a time.
pub(crate) fn parse_instant(text: &str, today: i64) -> Option<i64> {
    parse_clock_time(text, today).map(|(instant, _)| instant)
}

/// The same, with the offset from UTC that the text names, in seconds to the east: the time that
/// its clock shows (§2.3).
pub fn parse_clock_time(text: &str, today: i64) -> Option<(i64, i64)> {
    let text = text.trim();
    if text == "epoch" {
        return Some((0, 0));
    }
    let time_only = text.strip_prefix('T');
    let time_only = time_only.or_else(|| (text.as_bytes().get(2) == Some(&b':')).then_some(text));
    let (midnight, time) = if let Some(time) = time_only {
        (today.div_euclid(DAY) * DAY, Some(time))
    } else {
        let (date, time) = match text.find(['T', ' ']) {
            Some(at) => (&text[..at], Some(text[at + 1..].trim_start())),
            None => (text, None),
        };
        (days_since_epoch(parse_date(date)?) * DAY, time)
    };
    let (clock, offset) = time.map_or(Some((0, 0)), parse_time)?;
    Some((midnight + clock - offset, offset))
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

/// `HH[:MM[:SS]]` or `HH[MM[SS]]`, then an offset: seconds since midnight there, and the offset.
fn parse_time(text: &str) -> Option<(i64, i64)> {
    let clock_end = text
        .find(|c: char| !c.is_ascii_digit() && c != ':')
        .unwrap_or(text.len());
    let clock = parse_clock(&text[..clock_end], 24)?;
    let offset = match text[clock_end..].trim() {
        "" | "Z" | "z" => 0,
        offset => {
            let sign = match offset.as_bytes()[0] {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            sign * parse_clock(&offset[1..], 24)?
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

fn digits(text: &str) -> Option<i64> {
    let valid = !text.is_empty() && text.len() <= 9 && text.bytes().all(|c| c.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

fn epoch_date() -> Date {
    Date::constant(1970, 1, 1)
}

fn days_since_epoch(date: Date) -> i64 {
    date.duration_since(epoch_date()).as_secs() / DAY
}

fn add_days(date: Date, days: i64) -> Option<Date> {
    date.checked_add(jiff::Span::new().try_days(days).ok()?)
        .ok()
}

/// The civil date of an instant, UTC, and the seconds since its midnight.
fn civil(instant: i64) -> Option<(Date, i64)> {
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
pub(crate) fn parse_interval(text: &str) -> Option<u32> {
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

/// Adds a `duration` element to an instant: years, months, weeks, days, hours, minutes, seconds, in
/// this order (§6.2, §6.5).
pub(crate) fn add_duration(start: i64, duration: Element<'_>) -> Option<i64> {
    let field = |name: &str| match duration.get(name) {
        Some(text) => scalar::integer(text).filter(|n| n.unsigned_abs() < 1 << 40),
        None => Some(0),
    };
    let (mut date, second) = civil(start)?;
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
    Some((days_since_epoch(date) + days) * DAY + second + seconds)
}

/// Whether the clock fields of `now`, at an offset from UTC, are in all ranges of a `date_spec`
/// (§6.4).
pub(crate) fn matches_spec(now: i64, utc_offset_s: i64, spec: Element<'_>) -> bool {
    let Some((date, second)) = civil(now.saturating_add(utc_offset_s)) else {
        return false;
    };
    let week = date.iso_week_date();
    let fields = [
        ("years", i64::from(date.year())),
        ("months", i64::from(date.month())),
        ("monthdays", i64::from(date.day())),
        ("hours", second / 3600),
        ("minutes", second / 60 % 60),
        ("seconds", second % 60),
        ("yeardays", i64::from(date.day_of_year())),
        ("weekyears", i64::from(week.year())),
        ("weeks", i64::from(week.week())),
        ("weekdays", i64::from(week.weekday().to_monday_one_offset())),
    ];
    fields
        .iter()
        .all(|(name, value)| spec.get(name).is_none_or(|range| in_range(range, *value)))
}

/// `N`, `N-M`, `N-`, `-M`.
fn in_range(range: &str, value: i64) -> bool {
    let bound = |text: &str| match text {
        "" => Some(None),
        text => digits(text).map(Some),
    };
    match range.split_once('-') {
        None => digits(range) == Some(value),
        Some((low, high)) => match (bound(low), bound(high)) {
            (Some(None), Some(None)) | (None, _) | (_, None) => false,
            (Some(low), Some(high)) => {
                low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high)
            }
        },
    }
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
            assert_eq!(parse_instant(text, 10 * DAY + 5), Some(instant), "{text}");
        }
        assert_eq!(
            parse_clock_time("1970-01-01 01:00 -05:00", 0),
            Some((6 * 3600, -5 * 3600))
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
            assert_eq!(parse_instant(text, 0), None, "{text}");
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

    #[test]
    fn ranges_include_their_ends() {
        assert!(in_range("5", 5) && in_range("5-7", 7) && in_range("5-", 9) && in_range("-7", 1));
        assert!(!in_range("5-7", 8) && !in_range("", 5) && !in_range("5x", 5) && !in_range("-", 5));
    }
}
