//! Series of this host: what everybody may know, and what tells of all deployments together.

use std::fmt;

use super::facts::{Facts, Whole};
use super::families::{Families, moment};
use crate::mirror::Tally;

/// What tells of no deployment.
pub(super) fn for_all(facts: &Facts, dropped: usize, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "cpe_build_info",
        "Always 1; the labels have the versions of the gateway and of cpe",
        |series| {
            let own = env!("CARGO_PKG_VERSION");
            series.gauge([("component", "cpe-gateway"), ("version", own)], 1)?;
            match facts.cpe.as_str() {
                "" => Ok(()),
                version => series.gauge([("component", "cpe"), ("version", version)], 1),
            }
        },
    )?;
    families.gauge(
        "cpe_gateway_mirror_age_seconds",
        "How long ago cpe answered the gateway",
        facts.age.as_secs_f64(),
    )?;
    left_out(dropped, families)
}

/// What there is no room for.
pub(super) fn left_out(dropped: usize, families: &mut Families<'_>) -> fmt::Result {
    families.gauge(
        "cpe_metrics_dropped_series",
        "Series of single services and assemblies that are left out, since there would be more than metrics.max_series",
        u64::try_from(dropped).unwrap_or(u64::MAX),
    )
}

/// What tells of all deployments together.
pub(super) fn for_those_who_see_all(
    whole: &Whole,
    tally: &Tally,
    families: &mut Families<'_>,
) -> fmt::Result {
    families.counters(
        "cpe_events",
        "Events that were recorded, by kind; `other`: of kinds that other programs record",
        |series| {
            let mut all = tally.events();
            all.try_for_each(|(kind, count)| series.counter([("kind", kind)], count))
        },
    )?;
    families.kept(
        "cpe_transition_duration_seconds",
        "How long transitions took that have ended",
        &tally.transitions,
    )?;
    families.kept(
        "cpe_failover_duration_seconds",
        "How long services were away that moved since their assembly was lost: from its first missed heartbeat",
        &tally.failovers,
    )?;
    sinks(whole, families)?;
    families.kept(
        "cpe_gateway_http_request_duration_seconds",
        "How long the gateway took until it began to answer",
        whole.requests.durations(),
    )
}

fn sinks(whole: &Whole, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "cpe_sink_lag_events",
        "Events of the log that a sink has not dealt with",
        |series| {
            for sink in &whole.sinks {
                if let Some(lag) = sink.lag {
                    series.gauge([("sink", &sink.name)], lag)?;
                }
            }
            Ok(())
        },
    )?;
    families.gauges(
        "cpe_sink_last_success_timestamp_seconds",
        "When an event arrived at a sink last; not there: never",
        |series| {
            for sink in whole.sinks.iter().filter(|it| it.last_success > 0) {
                series.gauge([("sink", &sink.name)], moment(sink.last_success))?;
            }
            Ok(())
        },
    )?;
    families.counters(
        "cpe_sink_deliveries",
        "Attempts to deliver an event to a sink: delivered, failed (made again), dead (given up)",
        |series| {
            for sink in &whole.sinks {
                for (outcome, count) in [
                    ("delivered", sink.delivered),
                    ("failed", sink.failed),
                    ("dead", sink.given_up),
                ] {
                    series.counter([("sink", &sink.name), ("outcome", outcome)], count)?;
                }
            }
            Ok(())
        },
    )
}
