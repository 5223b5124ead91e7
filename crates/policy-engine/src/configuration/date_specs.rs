//! `date_spec`: ranges of the fields of a clock (scheduler-spec/01 §6.4), and when such a
//! specification may next begin or end to hold.

use jiff::civil::Date;

use super::dates::{DAY, civil, days_since_epoch, digits};
use crate::model::Zone;
use crate::xml::Element;

/// A range with both ends; `None`: every value is in it.
type Range = Option<(i64, i64)>;

/// A specification that some time may be in. One that no time can be in is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct DateSpec {
    years: Range,
    months: Range,
    monthdays: Range,
    yeardays: Range,
    weekyears: Range,
    weeks: Range,
    weekdays: Range,
    hours: Range,
    minutes: Range,
    seconds: Range,
}

impl DateSpec {
    /// Reads a specification. `None`: a range is not valid, or empty, so that no time is in it.
    pub(super) fn read(spec: Element<'_>) -> Option<DateSpec> {
        let field = |name: &str| match spec.get(name) {
            None => Some(None),
            Some(text) => read_field(name, text),
        };
        Some(DateSpec {
            years: field("years")?,
            months: field("months")?,
            monthdays: field("monthdays")?,
            yeardays: field("yeardays")?,
            weekyears: field("weekyears")?,
            weeks: field("weeks")?,
            weekdays: field("weekdays")?,
            hours: field("hours")?,
            minutes: field("minutes")?,
            seconds: field("seconds")?,
        })
    }

    /// Whether a time is in all ranges: what a clock shows, in seconds from 1970 on.
    pub(super) fn holds(&self, shown: i64) -> bool {
        let Some((date, second)) = civil(shown) else {
            return false;
        };
        contains(self.hours, second / 3600)
            && contains(self.minutes, second / 60 % 60)
            && contains(self.seconds, second % 60)
            && self.has_date(date)
    }

    fn has_date(&self, date: Date) -> bool {
        let of_week = || {
            let week = date.iso_week_date();
            contains(self.weekyears, week.year().into())
                && contains(self.weeks, week.week().into())
                && contains(self.weekdays, week.weekday().to_monday_one_offset().into())
        };
        contains(self.years, date.year().into())
            && contains(self.months, date.month().into())
            && contains(self.monthdays, date.day().into())
            && (self.yeardays.is_none() || contains(self.yeardays, date.day_of_year().into()))
            && (!self.has_weeks() || of_week())
    }

    fn has_weeks(&self) -> bool {
        self.weekyears.is_some() || self.weeks.is_some() || self.weekdays.is_some()
    }

    /// The first instant after `now`, and not after `until`, at which the specification begins or
    /// ends to hold.
    pub(super) fn next_change(&self, now: i64, until: i64, zone: &Zone) -> Option<i64> {
        let (mut at, mut offset) = (now, zone.offset_s(now));
        let mut leap = zone.next_transition(now).unwrap_or(i64::MAX);
        let holds = self.holds(at.saturating_add(offset));
        loop {
            let shown = at.saturating_add(offset);
            at = self
                .lasts_until(shown, holds)
                .unwrap_or(i64::MAX)
                .saturating_sub(offset);
            if at >= leap {
                at = leap;
                offset = zone.offset_s(at);
                leap = zone.next_transition(at).unwrap_or(i64::MAX);
            }
            if at > until || at == i64::MAX {
                return None;
            }
            if self.holds(at.saturating_add(offset)) != holds {
                return Some(at);
            }
        }
    }

    /// Until when nothing changes for sure, of a clock that does not leap. `None`: for ever.
    fn lasts_until(&self, shown: i64, holds: bool) -> Option<i64> {
        let (date, second) = civil(shown)?;
        let midnight = shown - second;
        let (hour, minute) = (shown - second % 3600, shown - second % 60);
        // While it holds, the finest field ends it; while it does not, the coarsest one that is not
        // met must change.
        if holds {
            if self.seconds.is_some() {
                return Some(end(self.seconds, second % 60, minute, 1, 60));
            }
            if self.minutes.is_some() {
                return Some(end(self.minutes, second / 60 % 60, hour, 60, 60));
            }
            if self.hours.is_some() {
                return Some(end(self.hours, second / 3600, midnight, 3600, 24));
            }
            return self.date_lasts_until(date, midnight);
        }
        if !self.has_date(date) {
            return self.date_lasts_until(date, midnight);
        }
        if !contains(self.hours, second / 3600) {
            return Some(start(self.hours, second / 3600, midnight, 3600, 24));
        }
        if !contains(self.minutes, second / 60 % 60) {
            return Some(start(self.minutes, second / 60 % 60, hour, 60, 60));
        }
        Some(start(self.seconds, second % 60, minute, 1, 60))
    }

    /// Until when no field of the date changes that matters. `None`: for ever.
    fn date_lasts_until(&self, date: Date, midnight: i64) -> Option<i64> {
        let by_month = self.months.is_some();
        let by_year = self.years.is_some();
        let months_differ = !contains(self.months, date.month().into());
        let years_differ = !contains(self.years, date.year().into());
        let by_day = self.monthdays.is_some() || self.yeardays.is_some() || self.has_weeks();
        let next = if years_differ || (!by_day && !by_month && by_year) {
            date.last_of_year().tomorrow()
        } else if months_differ || (!by_day && by_month) {
            date.last_of_month().tomorrow()
        } else if by_day {
            return Some(midnight + DAY);
        } else {
            return None;
        };
        Some(days_since_epoch(next.ok()?) * DAY)
    }
}

/// When a field leaves its range, or the next coarser one changes: `from` is when that one began,
/// `size` the seconds of a unit, `units` how many of them there are.
fn end(range: Range, value: i64, from: i64, size: i64, units: i64) -> i64 {
    let high = range.map_or(value, |(_, high)| high);
    from + (high + 1).min(units) * size
}

/// When a field comes into its range, or the next coarser one changes.
fn start(range: Range, value: i64, from: i64, size: i64, units: i64) -> i64 {
    let low = range.map_or(units, |(low, _)| low);
    let next = if value < low { low.min(units) } else { units };
    from + next * size
}

fn contains(range: Range, value: i64) -> bool {
    range.is_none_or(|(low, high)| (low..=high).contains(&value))
}

/// The least and the most that a field of a clock shows.
fn limits(name: &str) -> (i64, i64) {
    match name {
        "months" => (1, 12),
        "monthdays" => (1, 31),
        "yeardays" => (1, 366),
        "weeks" => (1, 53),
        "weekdays" => (1, 7),
        "hours" => (0, 23),
        "minutes" | "seconds" => (0, 59),
        _ => (i64::MIN, i64::MAX),
    }
}

/// The range of a field. `None`: it is not valid, or no clock shows a value that is in it.
fn read_field(name: &str, text: &str) -> Option<Range> {
    let (least, most) = limits(name);
    let (low, high) = read_range(text)?;
    let (low, high) = (low.unwrap_or(least), high.unwrap_or(most));
    let possible = low <= high && low <= most && high >= least;
    let every = low <= least && high >= most;
    possible.then_some((!every).then_some((low, high)))
}

/// Whether a clock ever shows a value that is in the range of a field of a `date_spec`, by the
/// field's name (`hours`). A specification with a range in which nothing is never holds.
pub fn is_possible_range(field: &str, range: &str) -> bool {
    read_field(field, range).is_some()
}

/// `N`, `N-M`, `N-`, `-M`. `None`: not valid.
fn read_range(range: &str) -> Option<(Option<i64>, Option<i64>)> {
    let bound = |text: &str| match text {
        "" => Some(None),
        text => digits(text).map(Some),
    };
    let Some((low, high)) = range.split_once('-') else {
        let value = digits(range)?;
        return Some((Some(value), Some(value)));
    };
    let (low, high) = (bound(low)?, bound(high)?);
    (low.is_some() || high.is_some()).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    /// 2026-03-29T00:00:00Z, an hour before the clocks of Berlin leap.
    const SPRING: i64 = 1_774_742_400;

    fn zone(rules: &str) -> Zone {
        TimeZone::posix(rules).unwrap().into()
    }

    fn berlin() -> Zone {
        zone("CET-1CEST,M3.5.0,M10.5.0/3")
    }

    fn spec(attributes: &str) -> Option<DateSpec> {
        let document = crate::xml::parse(&format!("<date_spec id=\"s\" {attributes}/>")).unwrap();
        DateSpec::read(document.root())
    }

    fn next(attributes: &str, now: i64, zone: &Zone) -> Option<i64> {
        spec(attributes).and_then(|spec| spec.next_change(now, now + 40 * DAY, zone))
    }

    #[test]
    fn ranges_include_their_ends() {
        let holds = |attributes: &str, second| spec(attributes).is_some_and(|s| s.holds(second));
        assert!(holds("seconds='5'", 5) && holds("seconds='5-7'", 7));
        assert!(holds("seconds='5-'", 59) && holds("seconds='-7'", 0));
        assert!(!holds("seconds='5-7'", 8) && !holds("seconds='5'", 6));
        for never in ["", "5x", "-", "60", "9-8", "61-", "-x", "1-2-3"] {
            assert!(spec(&format!("seconds='{never}'")).is_none(), "{never}");
        }
        assert!(spec("months='13'").is_none() && spec("moon='0'").is_some());
    }

    #[test]
    fn working_hours_turn_at_nine_and_after_the_last_minute_of_seventeen() {
        let hours = "hours='9-16' weekdays='1-5'";
        let monday = SPRING + DAY; // 2026-03-30, 02:00 in Berlin
        assert_eq!(next(hours, monday, &berlin()), Some(monday + 7 * 3600));
        let in_the_morning = monday + 8 * 3600;
        assert_eq!(
            next(hours, in_the_morning, &berlin()),
            Some(monday + 15 * 3600)
        );
        assert_eq!(
            next(hours, monday, &Zone::default()),
            Some(monday + 9 * 3600)
        );
        let friday_evening = monday + 4 * DAY + 20 * 3600;
        assert_eq!(
            next(hours, friday_evening, &Zone::default()),
            Some(monday + 7 * DAY + 9 * 3600)
        );
    }

    #[test]
    fn a_leap_of_the_clock_is_a_change_if_it_jumps_over_one() {
        assert_eq!(next("hours='2'", SPRING, &berlin()), Some(SPRING + DAY));
        assert_eq!(
            next("hours='0-1'", SPRING, &berlin()),
            Some(SPRING + 3600),
            "the clock leaps from 02:00 to 03:00"
        );
        let autumn = 1_792_886_400; // 2026-10-25T00:00Z, 02:00 in Berlin; an hour later again
        assert_eq!(next("hours='2'", autumn, &berlin()), Some(autumn + 7200));
        assert_eq!(
            next("hours='2' minutes='0-29'", autumn, &berlin()),
            Some(autumn + 1800)
        );
        assert_eq!(
            next("hours='2' minutes='0-29'", autumn + 1800, &berlin()),
            Some(autumn + 3600)
        );
    }

    #[test]
    fn leap_days_are_found_and_what_never_holds_is_not() {
        let february = 1_834_790_400; // 2028-02-22
        let leap_day = "months='2' monthdays='29'";
        assert_eq!(
            next(leap_day, february, &Zone::default()),
            Some(february + 7 * DAY)
        );
        let of_year = "yeardays='366'";
        let december = 1_861_228_800; // 2028-12-24
        assert_eq!(
            next(of_year, december, &Zone::default()),
            Some(december + 7 * DAY)
        );
        assert_eq!(next(leap_day, SPRING, &Zone::default()), None);
        assert_eq!(next("months='2' monthdays='30'", SPRING, &berlin()), None);
        assert_eq!(next("years='-2020'", SPRING, &berlin()), None);
        assert_eq!(next("years='1970-'", SPRING, &berlin()), None);
        assert_eq!(next("", SPRING, &berlin()), None);
        assert_eq!(next("hours='9'", i64::MAX - DAY * 50, &berlin()), None);
        assert_eq!(next("hours='9'", i64::MIN / 2, &berlin()), None);
    }

    /// Numbers that look random, the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: i64) -> i64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
            self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33).cast_signed() % limit
        }

        fn range(&mut self, name: &str, least: i64, most: i64) -> String {
            let span = most - least + 1;
            let low = least + self.below(span);
            let high = low + self.below(span);
            match self.below(4) {
                0 => format!("{name}='{low}'"),
                1 => format!("{name}='{low}-'"),
                2 => format!("{name}='-{high}'"),
                _ => format!("{name}='{low}-{high}'"),
            }
        }

        fn spec(&mut self) -> String {
            let fields = [
                ("years", 2025, 2029, 12),
                ("months", 1, 12, 5),
                ("monthdays", 1, 31, 5),
                ("yeardays", 1, 366, 8),
                ("weekyears", 2025, 2029, 12),
                ("weeks", 1, 53, 8),
                ("weekdays", 1, 7, 4),
                ("hours", 0, 23, 2),
                ("minutes", 0, 59, 3),
                ("seconds", 0, 59, 6),
            ];
            let mut text = String::new();
            for (name, least, most, one_in) in fields {
                if self.below(one_in) == 0 {
                    text += &self.range(name, least, most);
                    text.push(' ');
                }
            }
            text
        }
    }

    #[test]
    fn nothing_changes_before_the_moment_that_is_named() {
        let zones = [
            Zone::default(),
            berlin(),
            zone("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"),
            zone("<-02>2<-01>,M3.5.0/-1,M10.5.0/0"),
            // A clock that leaps over a whole day, and back.
            zone("<+14>-14<-10>10,M4.1.0,M9.1.0"),
        ];
        let mut numbers = Numbers(4);
        let (mut found, mut by_second) = (0, 0);
        for _ in 0..500 {
            let text = numbers.spec();
            let zone = &zones[usize::try_from(numbers.below(5)).unwrap()];
            let mut now = 1_767_225_600 + numbers.below(3 * 365 * DAY);
            if numbers.below(2) == 0 {
                // Near a leap of the clock.
                now = zone.next_transition(now).unwrap_or(now) - numbers.below(7200);
            }
            let Some(read) = spec(&text) else { continue };
            let until = now + 12 * DAY;
            let holds = |at: i64| read.holds(at + zone.offset_s(at));
            let named = read.next_change(now, until, zone);
            if let Some(named) = named {
                assert!(named > now && named <= until, "{text} at {now}");
                assert_ne!(holds(named), holds(now), "{text} at {now}: {named}");
                found += 1;
            }
            let end = named.unwrap_or(until + 1);
            let step = if end - now < 7200 { 1 } else { 60 };
            by_second += i64::from(step == 1);
            let mut at = now - now % step + step;
            while at < end {
                assert_eq!(holds(at), holds(now), "{text} from {now}: {at}, not {end}");
                at += step;
            }
        }
        assert!(found > 200 && by_second > 50, "{found} {by_second}");
    }
}
