//! How states, times and counts are shown: a state has a shape, a word and a tone, so that nobody
//! needs colours to read it.

use std::fmt::Display;

use cpe_bus::cloudevents::rfc3339;
use cpe_status::{AssemblyState, DeploymentState, ServiceState, TransitionState};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is not itself in a part of an address.
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Microseconds of a second.
pub(super) const SECOND: u64 = 1_000_000;

/// A state as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sign {
    /// Name of a shape of [`SHAPES`].
    pub shape: &'static str,
    /// `good`, `busy`, `warn`, `bad`, `apart` or `idle`.
    pub tone: &'static str,
    /// The word.
    pub word: &'static str,
}

/// The shapes, drawn in a square of 16.
pub(super) const SHAPES: &[(&str, &str)] = &[
    ("disc", "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Z"),
    ("gem", "M8 1 15 8 8 15 1 8Z"),
    (
        "left",
        "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 1.7a4.3 4.3 0 0 1 0 8.6Z",
    ),
    (
        "right",
        "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 1.7v8.6a4.3 4.3 0 0 1 0-8.6Z",
    ),
    (
        "ring",
        "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 1.8a4.2 4.2 0 1 1 0 8.4 4.2 4.2 0 0 1 0-8.4Z",
    ),
    (
        "cross",
        "M3.9 1.8 8 5.9l4.1-4.1 2.1 2.1L10.1 8l4.1 4.1-2.1 2.1L8 10.1l-4.1 4.1-2.1-2.1L5.9 8 1.8 3.9Z",
    ),
    (
        "block",
        "M2 2h12v12H2Zm1.8 1.8v8.4h8.4V3.8Zm1.6 1.6h5.2v5.2H5.4Z",
    ),
    ("frame", "M8 1 15 8 8 15 1 8Zm0 2.6L3.6 8 8 12.4 12.4 8Z"),
    (
        "peak",
        "M8 1.4 15.2 14.4H.8ZM7.1 5.8v4.4h1.8V5.8Zm0 5.4v1.7h1.8v-1.7Z",
    ),
    (
        "what",
        "M8 1.6c2.6 0 4.4 1.5 4.4 3.8 0 1.7-1 2.6-2 3.4-.9.7-1.3 1-1.3 1.8H6.9c0-1.9.9-2.6 1.9-3.4.8-.6 1.3-1 1.3-1.7C10.1 4.4 9.2 3.8 8 3.8c-1.3 0-2.1.8-2.2 2.1H3.6C3.7 3.3 5.400 1.6 8 1.6ZM6.8 12h2.4v2.4H6.8Z",
    ),
];

const fn sign(shape: &'static str, tone: &'static str, word: &'static str) -> Sign {
    Sign { shape, tone, word }
}

/// Of a deployment.
pub(super) fn of_deployment(state: DeploymentState) -> Sign {
    let (shape, tone) = match state {
        DeploymentState::Active => ("disc", "good"),
        DeploymentState::Degraded => ("peak", "warn"),
        DeploymentState::Failed => ("cross", "bad"),
        DeploymentState::Stored => ("ring", "idle"),
        DeploymentState::Starting | DeploymentState::Loading => ("left", "busy"),
        DeploymentState::Destroying => ("right", "busy"),
        DeploymentState::Unknown => ("what", "idle"),
    };
    sign(shape, tone, state.as_str())
}

/// Of an assembly.
pub(super) fn of_assembly(state: AssemblyState) -> Sign {
    let (shape, tone) = match state {
        AssemblyState::Online => ("disc", "good"),
        AssemblyState::Standby | AssemblyState::Maintenance => ("frame", "apart"),
        AssemblyState::Leaving => ("right", "busy"),
        AssemblyState::Lost | AssemblyState::Fencing => ("cross", "bad"),
        AssemblyState::Offline => ("ring", "warn"),
        AssemblyState::Occupied => ("block", "warn"),
        AssemblyState::Unknown => ("what", "idle"),
    };
    sign(shape, tone, state.as_str())
}

/// Of an instance of a service.
pub(super) fn of_service(state: ServiceState) -> Sign {
    let (shape, tone) = match state {
        ServiceState::Started => ("disc", "good"),
        ServiceState::Promoted => ("gem", "good"),
        ServiceState::Starting => ("left", "busy"),
        ServiceState::Stopping => ("right", "busy"),
        ServiceState::Stopped => ("ring", "idle"),
        ServiceState::Failed => ("cross", "bad"),
        ServiceState::Blocked => ("block", "warn"),
        ServiceState::Unmanaged => ("frame", "apart"),
        ServiceState::Unknown => ("what", "idle"),
    };
    sign(shape, tone, state.as_str())
}

/// Of a transition.
pub(super) fn of_transition(state: TransitionState) -> Sign {
    let (shape, tone) = match state {
        TransitionState::Running => ("left", "busy"),
        TransitionState::Completed => ("disc", "good"),
        TransitionState::Aborted => ("right", "idle"),
        TransitionState::Unknown => ("what", "idle"),
    };
    sign(shape, tone, state.as_str())
}

impl Sign {
    /// Its shape alone; whoever cannot see it needs the word beside it.
    pub(super) fn mark(self) -> Markup {
        html! {
            svg class=(format!("sign {}", self.tone)) viewBox="0 0 16 16" aria-hidden="true" {
                use href=(format!("#{}", self.shape)) {}
            }
        }
    }

    /// Shape and word.
    pub(super) fn told(self) -> Markup {
        html! { span class=(format!("state {}", self.tone)) { (self.mark()) (self.word) } }
    }
}

/// Now, in microseconds since the epoch.
pub(super) fn now() -> u64 {
    u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0)
}

/// A moment: its time of the day, and the day if it is another one.
pub(super) fn moment(time: u64) -> Markup {
    let (Some(then), Some(today)) = (zoned(time), zoned(now())) else {
        return html! { "–" };
    };
    let text = match then.date() == today.date() {
        true => then.strftime("%H:%M:%S").to_string(),
        false => then.strftime("%b %-d, %H:%M:%S").to_string(),
    };
    let whole = then.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(rfc3339(time)) title=(whole) { (text) } }
}

/// The same with its day and zone, for what is printed.
pub(super) fn stamp(time: u64) -> String {
    let zoned = zoned(time);
    zoned.map_or_else(String::new, |it| {
        it.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    })
}

fn zoned(time: u64) -> Option<jiff::Zoned> {
    let microseconds = i64::try_from(time).ok().filter(|it| *it > 0)?;
    let time = Timestamp::from_microsecond(microseconds).ok()?;
    Some(time.to_zoned(TimeZone::UTC))
}

/// How long ago that was; the page counts on.
pub(super) fn ago(time: u64) -> Markup {
    if time == 0 {
        return html! {};
    }
    let text = span(now().saturating_sub(time));
    html! { span.age data-since=(time / 1000) title=(stamp(time)) { (text) } }
}

/// A duration in microseconds, in one unit.
pub(super) fn span(microseconds: u64) -> String {
    let seconds = microseconds / SECOND;
    match seconds {
        0..10 => format!("{}.{} s", seconds, microseconds % SECOND / 100_000),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `1 service`, `2 services`, `2 losses`.
pub(super) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number if what.ends_with('s') => format!("{number} {what}es"),
        number => format!("{number} {what}s"),
    }
}

/// A part of a path, as an address has it.
pub(super) fn part(text: &str) -> impl Display + '_ {
    utf8_percent_encode(text, PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_a_service_has_a_shape_of_its_own() {
        let mut shapes: Vec<&str> = ServiceState::ALL
            .iter()
            .map(|state| of_service(*state).shape)
            .collect();
        shapes.sort_unstable();
        let before = shapes.len();
        shapes.dedup();
        assert_eq!(shapes.len(), before);
        for shape in shapes {
            assert!(SHAPES.iter().any(|(name, _)| *name == shape), "{shape}");
        }
    }

    #[test]
    fn durations_have_one_unit() {
        let told = [400_000, 12 * SECOND, 240 * SECOND, 7200 * SECOND].map(span);
        assert_eq!(told, ["0.4 s", "12 s", "4 min", "2 h"]);
        assert_eq!(span(200_000 * SECOND), "2 days");
    }

    #[test]
    fn what_is_put_into_an_address_stays_one_part_of_it() {
        assert_eq!(
            part("web:0/<script>?").to_string(),
            "web%3A0%2F%3Cscript%3E%3F"
        );
    }
}
