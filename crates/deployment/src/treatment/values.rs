//! What the values of options and attributes may be: those that the policy engine understands.
//!
//! It takes its default instead of any other, so that a misspelt `maintenance-mode="ture"` would
//! leave the author without what was asked for (scheduler-spec/01 §3, §7).

use policy_engine::{Zone, parse_clock_time, parse_interval, parse_milliseconds};

use crate::problem::Problems;
use crate::value;

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Any text.
    Text,
    /// `true`, `on`, `yes`, `y`, `1`, `false`, `off`, `no`, `n`, `0`, ignoring case.
    Boolean,
    /// A boolean, or `default`.
    BooleanOrDefault,
    /// A whole number; `INFINITY` too.
    Integer,
    /// A whole number from 0.
    Count,
    /// A whole number from 1.
    Positive,
    /// A whole number, `INFINITY` or `-INFINITY`; or one of the words of node health.
    Score,
    /// A score from 0.
    Threshold,
    /// `10s`, `5min`, `2h`, `PT10S`, …, from 0.
    Duration,
    /// The same, longer than 0.
    PositiveDuration,
    /// `10s`, `5min`, `2h`, …, longer than 0: not in the form of ISO 8601.
    Timeout,
    /// The same, from 0.
    Delay,
    /// A date, a time of day, or both.
    Moment,
    /// One of these, ignoring case.
    Words(&'static [&'static str]),
    /// One of these, as they are written here.
    Exactly(&'static [&'static str]),
}

/// Words that stand for scores (Pacemaker Explained, "Node Health").
const HEALTH: [&str; 3] = ["red", "yellow", "green"];

/// What takes away the value that another set gives.
const REMOVED: &str = "#default";

/// The roles that a resource can have, with their older names.
pub(crate) const ROLES: &[&str] = &[
    "Started",
    "Stopped",
    "Promoted",
    "Unpromoted",
    "Master",
    "Slave",
];

/// What may be done about a failure. `migrate` and `nothing` are older words.
pub(crate) const ON_FAIL: &[&str] = &[
    "ignore",
    "block",
    "stop",
    "restart",
    "standby",
    "fence",
    "demote",
    "restart-container",
];

impl Values {
    /// Whether the policy engine understands the value.
    pub fn contain(self, text: &str) -> bool {
        match self {
            Values::Text => true,
            Values::Boolean => value::boolean(text).is_ok(),
            Values::BooleanOrDefault => {
                value::boolean(text).is_ok() || text.eq_ignore_ascii_case("default")
            }
            Values::Integer => integer(text).is_some(),
            Values::Count => !is_infinity(text) && integer(text).is_some_and(|it| it >= 0),
            Values::Positive => !is_infinity(text) && integer(text).is_some_and(|it| it > 0),
            Values::Score => is_health(text) || integer(text).is_some(),
            Values::Threshold => integer(text).is_some_and(|score| score >= 0),
            Values::Duration => parse_interval(text).is_some(),
            Values::PositiveDuration => parse_interval(text).is_some_and(|ms| ms > 0),
            Values::Timeout => parse_milliseconds(text).is_some_and(|ms| ms > 0),
            Values::Delay => parse_milliseconds(text).is_some_and(|ms| ms >= 0),
            Values::Moment => parse_clock_time(text, 0, &Zone::default()).is_some(),
            Values::Words(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            Values::Exactly(words) => words.contains(&text),
        }
    }

    /// [`Values::contain`], of what a name/value pair says: it may also take a value away.
    pub fn contain_pair(self, text: &str) -> bool {
        text.eq_ignore_ascii_case(REMOVED) || self.contain(text)
    }

    /// What is expected instead of a value: the word that was meant, or what there is.
    pub(crate) fn expected(self, found: &str, problems: &Problems) -> String {
        const BOOLEANS: [&str; 10] = [
            "true", "false", "yes", "no", "on", "off", "y", "n", "1", "0",
        ];
        let words: &[&str] = match self {
            Values::Boolean | Values::BooleanOrDefault => &BOOLEANS,
            Values::Words(words) | Values::Exactly(words) => words,
            _ => &[],
        };
        let hint = problems.suggest(found, words.iter().copied());
        let hint = hint.unwrap_or_default();
        match hint.starts_with("did you") {
            true => format!("{hint} {}", self.said()),
            false => self.said(),
        }
    }

    /// What there is, in words.
    pub(crate) fn said(self) -> String {
        let said = match self {
            Values::Text => "expected text",
            Values::Boolean => "expected 'true' or 'false'",
            Values::BooleanOrDefault => "expected 'true', 'false' or 'default'",
            Values::Integer => "expected an integer",
            Values::Count => "expected a whole number from 0",
            Values::Positive => "expected a whole number from 1",
            Values::Score => "expected an integer, 'INFINITY' or '-INFINITY'",
            Values::Threshold => "expected a whole number from 0, or 'INFINITY'",
            Values::Duration => {
                "expected a duration such as '10s', '5min', '2h' or 'PT10S'; there is no unit for days"
            }
            Values::PositiveDuration => {
                "expected a duration longer than 0, such as '10s', '5min', '2h' or 'PT10S'"
            }
            Values::Timeout => {
                "expected a duration longer than 0, such as '10s', '5min' or '2h'; neither days nor 'PT10S'"
            }
            Values::Delay => "expected a duration such as '10s', '5min' or '2h'",
            Values::Moment => "expected a date and time such as '2026-12-01 08:00:00'",
            Values::Words(words) | Values::Exactly(words) => {
                return format!("expected one of: {}", words.join(", "));
            }
        };
        said.to_owned()
    }

    /// For the reference.
    pub(super) fn documented(self) -> Option<String> {
        Some(match self {
            Values::Text => return None,
            Values::Words(words) | Values::Exactly(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                words.join(", ")
            }
            Values::Boolean => "a boolean".to_owned(),
            Values::BooleanOrDefault => "a boolean, or `default`".to_owned(),
            Values::Integer => "an integer".to_owned(),
            Values::Count => "a whole number from 0".to_owned(),
            Values::Positive => "a whole number from 1".to_owned(),
            Values::Score => "a score".to_owned(),
            Values::Threshold => "a score from 0".to_owned(),
            Values::Duration => "a duration, also as `PT10S`".to_owned(),
            Values::PositiveDuration => "a duration longer than 0, also as `PT10S`".to_owned(),
            Values::Timeout => "a duration longer than 0".to_owned(),
            Values::Delay => "a duration".to_owned(),
            Values::Moment => "a date and time".to_owned(),
        })
    }
}

fn is_health(text: &str) -> bool {
    HEALTH.iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn is_infinity(text: &str) -> bool {
    text.contains("INFINITY")
}

/// A whole number or an infinity, clipped. Blanks around digits do no harm; around the words they
/// do. `1.0` is 1. The policy engine takes `5x` for 5, which nobody can mean.
fn integer(text: &str) -> Option<i32> {
    let text = if is_infinity(text) { text } else { text.trim() };
    let whole = text.split_once('.').filter(|(_, rest)| !rest.is_empty());
    let text = match whole {
        Some((whole, rest)) if rest.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    value::score(text).ok().map(|score| score.0)
}
