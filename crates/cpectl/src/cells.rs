//! States, times and ages as they stand in tables and lines.

use anstyle::Style;
use cpe_bus::events::EventKind;
use cpe_status::{AssemblyState, DeploymentState, ServiceState};
use cpe_terminal::Cell;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::output::{BAD, BUSY, FAINT, GOOD, PLAIN};

pub(crate) fn deployment_style(state: DeploymentState) -> Style {
    match state {
        DeploymentState::Active => GOOD,
        DeploymentState::Degraded | DeploymentState::Failed => BAD,
        DeploymentState::Stored
        | DeploymentState::Starting
        | DeploymentState::Loading
        | DeploymentState::Destroying
        | DeploymentState::Unknown => BUSY,
    }
}

pub(crate) fn deployment_state(state: DeploymentState) -> Cell {
    Cell::new(state.as_str(), deployment_style(state))
}

pub(crate) fn assembly_state(state: AssemblyState) -> Cell {
    let style = match state {
        AssemblyState::Online => GOOD,
        AssemblyState::Lost
        | AssemblyState::Fencing
        | AssemblyState::Offline
        | AssemblyState::Occupied => BAD,
        AssemblyState::Standby
        | AssemblyState::Maintenance
        | AssemblyState::Leaving
        | AssemblyState::Unknown => BUSY,
    };
    Cell::new(state.as_str(), style)
}

pub(crate) fn service_state(state: ServiceState) -> Cell {
    let style = match state {
        ServiceState::Started | ServiceState::Promoted => GOOD,
        ServiceState::Failed | ServiceState::Blocked => BAD,
        ServiceState::Stopped => FAINT,
        ServiceState::Starting
        | ServiceState::Stopping
        | ServiceState::Unmanaged
        | ServiceState::Unknown => BUSY,
    };
    Cell::new(state.as_str(), style)
}

/// The style of an event's kind; plain for kinds of other programs.
pub(crate) fn kind_style(kind: &str) -> Style {
    let Ok(kind) = kind.parse::<EventKind>() else {
        return PLAIN;
    };
    match kind {
        EventKind::DeploymentDegraded
        | EventKind::DeploymentFailed
        | EventKind::DpeDied
        | EventKind::DpeStorageFailed
        | EventKind::AssemblyLost
        | EventKind::AssemblyFencingFailed
        | EventKind::AssemblyUnfencingFailed
        | EventKind::AssemblyIdentityRefused
        | EventKind::AssemblyAgentUnusable
        | EventKind::ServiceFailed
        | EventKind::ServiceUnrecoverable
        | EventKind::DecisionRefused
        | EventKind::AccessRefused => BAD,
        EventKind::AssemblyLeaving
        | EventKind::DpeStopped
        | EventKind::AssemblyHeartbeatMissed
        | EventKind::AssemblyFencingRequested
        | EventKind::AssemblyUnfencingRequested
        | EventKind::DeploymentRoomMissing
        | EventKind::TransitionAborted
        | EventKind::TicketStandby => BUSY,
        EventKind::DeploymentStarted
        | EventKind::DeploymentRecovered
        | EventKind::DeploymentRoomRegained
        | EventKind::DpeStarted
        | EventKind::DpeRestarted
        | EventKind::DpeStorageRecovered
        | EventKind::AssemblyOnline
        | EventKind::AssemblyFencingSucceeded
        | EventKind::AssemblyUnfencingSucceeded
        | EventKind::AssemblyRecovered
        | EventKind::ServiceStarted
        | EventKind::ServiceRecovered
        | EventKind::TransitionStarted
        | EventKind::TransitionCompleted
        | EventKind::TicketGranted
        | EventKind::TicketActivated => GOOD,
        EventKind::DeploymentCreated
        | EventKind::DeploymentModified
        | EventKind::DeploymentAdministered
        | EventKind::DeploymentDestroyed
        | EventKind::DeploymentMoved
        | EventKind::AssemblyLeft
        | EventKind::ServiceStopped
        | EventKind::ServiceDebugged
        | EventKind::ServiceMoved
        | EventKind::TicketRevoked
        | EventKind::OverlayAdded
        | EventKind::OverlayRemoved
        | EventKind::OverlayExpired
        | EventKind::AccessChanged => PLAIN,
    }
}

/// `2026-11-22 19:02:11 CET` of microseconds since the Unix epoch, in the time zone of whoever
/// looks at it (`TZ`, else the machine's); a dash for 0.
pub(crate) fn time(microseconds: u64) -> String {
    time_in(&local_zone(), microseconds)
}

/// A dash where there is nothing to say.
pub(crate) fn or_dash(text: &str) -> &str {
    match text {
        "" => "-",
        text => text,
    }
}

/// The time zone of whoever looks at it.
pub(crate) fn local_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

fn time_in(zone: &TimeZone, microseconds: u64) -> String {
    let microseconds = i64::try_from(microseconds).unwrap_or(i64::MAX);
    match Timestamp::from_microsecond(microseconds) {
        Ok(time) if microseconds > 0 => time
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S %Z")
            .to_string(),
        _ => "-".into(),
    }
}

/// `3m 20s` between two times in microseconds; `None` if one of them is unknown (0).
pub(crate) fn age(then: u64, now: u64) -> Option<String> {
    if then == 0 || now == 0 {
        return None;
    }
    let passed = std::time::Duration::from_micros(now.saturating_sub(then));
    Some(duration(passed))
}

/// `3m 20s`, in whole seconds.
pub(crate) fn duration(time: std::time::Duration) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    format!("{:#}", SignedDuration::from_secs(seconds))
}

/// `41 ms`, `3.2 s`, `2m 5s`.
pub(crate) fn milliseconds(ms: u32) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => duration(std::time::Duration::from_millis(ms.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_say_their_zone() {
        let at = |zone: &TimeZone| time_in(zone, 1_700_000_000_123_456);
        assert_eq!(at(&TimeZone::UTC), "2023-11-14 22:13:20 UTC");
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(at(&berlin), "2023-11-14 23:13:20 CET");
        let summer = time_in(&berlin, 1_690_000_000_000_000);
        assert_eq!(summer, "2023-07-22 06:26:40 CEST");
        assert_eq!(time(0), "-");
        assert_eq!(time(u64::MAX), "-", "no such time");
    }

    #[test]
    fn ages_are_in_seconds_minutes_and_hours() {
        let now = 1_700_000_000_000_000;
        assert_eq!(age(now - 200_900_000, now).unwrap(), "3m 20s");
        assert_eq!(age(now - 400, now).unwrap(), "0s");
        assert_eq!(age(now + 5_000_000, now).unwrap(), "0s");
        assert_eq!(age(0, now), None);
        assert_eq!(duration(Duration::from_secs(100 * 3600 + 60)), "100h 1m");
    }

    #[test]
    fn short_times_are_in_milliseconds_and_tenths_of_seconds() {
        let texts = [0, 999, 1_000, 59_999, 60_000, 125_000].map(milliseconds);
        assert_eq!(texts, ["0 ms", "999 ms", "1.0 s", "59.9 s", "1m", "2m 5s"]);
    }

    #[test]
    fn only_our_own_kinds_have_a_style() {
        assert_eq!(kind_style("service.failed"), BAD);
        assert_eq!(kind_style("service.moved"), PLAIN);
        assert_eq!(kind_style("cloud.failed"), PLAIN);
    }
}
