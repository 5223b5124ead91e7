//! What a value may be, and what is read instead of one that is not.

use crate::configuration::dates::{parse_clock_time, parse_interval};
use crate::model::Zone;
use crate::scalar;

/// What a value may be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Any,
    Boolean,
    /// A boolean, or `default`.
    BooleanOrDefault,
    /// A boolean, or a number: since when.
    BooleanOrTime,
    /// A whole number.
    Integer,
    /// A whole number from 0.
    Count,
    /// A whole number or an infinity, or a word of node health.
    Score,
    /// The same, from 0.
    Threshold,
    /// A time from 0.
    Interval,
    /// A time from 0, not in the form of ISO 8601.
    Delay,
    /// The same, longer than 0.
    Timeout,
    /// A part of a hundred.
    Percent,
    Moment,
    /// One of these, ignoring case.
    Words(&'static [&'static str]),
    /// One of these, as they are written here.
    Exactly(&'static [&'static str]),
}

use Kind::{
    Any, Boolean, BooleanOrDefault, BooleanOrTime, Count, Delay, Exactly, Integer, Interval,
    Moment, Percent, Score, Threshold, Timeout, Words,
};

impl Kind {
    pub(super) fn holds(self, text: &str) -> bool {
        // It takes away what another set says.
        if text.eq_ignore_ascii_case("#default") {
            return true;
        }
        let health = ["red", "yellow", "green"];
        match self {
            Any => true,
            Boolean => scalar::boolean(text).is_some(),
            BooleanOrDefault => {
                scalar::boolean(text).is_some() || text.eq_ignore_ascii_case("default")
            }
            BooleanOrTime => scalar::boolean(text).is_some() || scalar::integer(text).is_some(),
            Integer => whole(text).is_some(),
            Count => whole(text).is_some_and(|it| it >= 0),
            Score => whole(text).is_some() || is_infinity(text) || is_of(&health, text),
            Threshold => whole(text).is_some_and(|it| it >= 0) || text.ends_with("INFINITY"),
            Interval => parse_interval(text).is_some_and(|ms| ms < u32::MAX),
            Delay => scalar::milliseconds(text).is_some_and(|ms| ms >= 0),
            Timeout => scalar::milliseconds(text).is_some_and(|ms| ms > 0),
            Percent => whole(text.strip_suffix('%').unwrap_or(text)).is_some_and(|it| it >= 0),
            Moment => parse_clock_time(text, 0, &Zone::default()).is_some(),
            Words(words) => is_of(words, text),
            Exactly(words) => words.contains(&text),
        }
    }

    pub(super) fn said(self) -> String {
        let said = match self {
            Any => "a text",
            Boolean | BooleanOrTime => "true or false",
            BooleanOrDefault => "true, false or default",
            Integer => "a whole number",
            Count => "a whole number from 0",
            Score => "a whole number, INFINITY or -INFINITY",
            Threshold => "a whole number from 0, or INFINITY",
            Interval => "a time from 0 to 49 days, such as 10s, 5min, 2h or PT10S",
            Delay => "a time from 0, such as 10s, 5min or 2h",
            Timeout => "a time longer than 0, such as 10s, 5min or 2h",
            Percent => "a part of a hundred, such as 80%",
            Moment => "a date and time such as 2026-01-31T12:30:00Z",
            Words([word]) | Exactly([word]) => return (*word).to_owned(),
            Words(words) | Exactly(words) => return format!("one of {}", words.join(", ")),
        };
        said.to_owned()
    }

    /// The number that is read of a text that only begins with one.
    pub(super) fn beginning(self, text: &str) -> Option<i64> {
        let clipped = |number: i64| number.clamp(-1_000_000, 1_000_000);
        match self {
            Integer | Score | Threshold => scalar::integer(text).map(clipped),
            Count => scalar::integer(text).map(|it| it.clamp(0, i64::from(i32::MAX))),
            _ => None,
        }
    }
}

fn is_of(words: &[&str], text: &str) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn is_infinity(text: &str) -> bool {
    matches!(text, "INFINITY" | "+INFINITY" | "-INFINITY")
}

/// A whole number of 32 bits; `1.0` is 1.
fn whole(text: &str) -> Option<i32> {
    let text = text.trim();
    let text = match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    text.parse().ok()
}
