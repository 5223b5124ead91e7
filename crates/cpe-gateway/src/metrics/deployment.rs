//! Series of deployments: first of each as a whole, then of single services and assemblies.

use std::fmt;

use cpe_status::{
    AssemblyState, DeploymentState, DeploymentStatus, OverlayKind, RoomStatus, ServiceState,
};

use super::facts::{Facts, told};
use super::families::{Families, moment};
use super::selection::Selection;
use crate::mirror::Seen;

/// Writes all of them.
pub(super) fn write(
    facts: &Facts,
    selection: &Selection<'_>,
    families: &mut Families<'_>,
) -> fmt::Result {
    states(facts, families)?;
    numbers(facts, families)?;
    parts(facts, families)?;
    services(selection, families)?;
    assemblies(selection, families)
}

fn name(seen: &Seen) -> (&'static str, &str) {
    ("deployment", seen.entry.name.as_str())
}

/// The deployments of which a DPE has told, with what it has told.
fn all_told(facts: &Facts) -> impl Iterator<Item = (&Seen, &DeploymentStatus)> {
    facts
        .seen
        .iter()
        .filter_map(|seen| Some((seen, told(seen)?)))
}

fn states(facts: &Facts, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "cpe_deployment_state",
        "Whether a deployment is in that state (0 or 1)",
        |series| {
            for seen in &facts.seen {
                for state in DeploymentState::ALL {
                    let labels = [name(seen), ("state", state.as_str())];
                    series.gauge(labels, u32::from(seen.entry.state == *state))?;
                }
            }
            Ok(())
        },
    )
}

fn numbers(facts: &Facts, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "cpe_deployment_generation",
        "The generation of a deployment's document",
        |series| {
            let mut all = facts.seen.iter();
            all.try_for_each(|seen| series.gauge([name(seen)], seen.entry.generation))
        },
    )?;
    families.gauges(
        "cpe_deployment_changed_timestamp_seconds",
        "When the state of a deployment changed last, as far as the event log tells",
        |series| {
            for seen in &facts.seen {
                if let Some(time) = facts.tally.changed(&seen.entry.name) {
                    series.gauge([name(seen)], moment(time))?;
                }
            }
            Ok(())
        },
    )?;
    families.gauges(
        "cpe_deployment_survives_loss",
        "Whether every service would run if any one assembly were lost (0 or 1); not there: not known",
        |series| {
            for (seen, status) in all_told(facts) {
                if let Some(holds) = status.room.as_ref().and_then(RoomStatus::survives) {
                    series.gauge([name(seen)], u32::from(holds))?;
                }
            }
            Ok(())
        },
    )?;
    families.counters(
        "cpe_dpe_restarts",
        "How often the DPE of a deployment was started again",
        |series| {
            let mut all = facts.seen.iter();
            all.try_for_each(|seen| {
                series.counter([name(seen)], facts.tally.restarts(&seen.entry.name))
            })
        },
    )
}

fn parts(facts: &Facts, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "cpe_assemblies",
        "How many assemblies of a deployment are in that state",
        |series| {
            for (seen, status) in all_told(facts) {
                let own = status.assemblies.iter().map(|it| it.state);
                for (state, count) in counts(AssemblyState::ALL, own) {
                    series.gauge([name(seen), ("state", state.as_str())], count)?;
                }
            }
            Ok(())
        },
    )?;
    families.gauges(
        "cpe_services",
        "How many instances of services of a deployment are in that state",
        |series| {
            for (seen, status) in all_told(facts) {
                let own = status.services.iter().map(|it| it.state);
                for (state, count) in counts(ServiceState::ALL, own) {
                    series.gauge([name(seen), ("state", state.as_str())], count)?;
                }
            }
            Ok(())
        },
    )?;
    families.gauges(
        "cpe_overlay_entries",
        "What administrators want of services of a deployment beside its document",
        |series| {
            for (seen, status) in all_told(facts) {
                let own = status.overlay.iter().map(|it| it.kind);
                for (kind, count) in counts(OverlayKind::ALL, own) {
                    series.gauge([name(seen), ("kind", kind.as_str())], count)?;
                }
            }
            Ok(())
        },
    )
}

/// How many there are of each kind.
fn counts<K: Copy + PartialEq>(
    kinds: &[K],
    own: impl Iterator<Item = K> + Clone,
) -> impl Iterator<Item = (K, u64)> {
    kinds.iter().map(move |kind| {
        let count = own.clone().filter(|it| it == kind).count();
        (*kind, u64::try_from(count).unwrap_or(u64::MAX))
    })
}

fn services(selection: &Selection<'_>, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "cpe_service_running",
        "How many instances of a service run",
        |series| {
            for own in &selection.deployments {
                for (service, counts) in &own.services {
                    let labels = [("deployment", own.name), ("service", service)];
                    series.gauge(labels, counts.running)?;
                }
            }
            Ok(())
        },
    )?;
    families.gauges(
        "cpe_service_failures",
        "Failures that count against a service, of all its instances together; 1000000 is INFINITY",
        |series| {
            for own in &selection.deployments {
                for (service, counts) in &own.services {
                    let labels = [("deployment", own.name), ("service", service)];
                    series.gauge(labels, counts.failures)?;
                }
            }
            Ok(())
        },
    )
}

fn assemblies(selection: &Selection<'_>, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "cpe_assembly_online",
        "Whether the agent of an assembly answers (0 or 1)",
        |series| {
            for own in &selection.deployments {
                for assembly in &own.status.assemblies {
                    let labels = [("deployment", own.name), ("assembly", &assembly.name)];
                    series.gauge(labels, u32::from(answers(assembly.state)))?;
                }
            }
            Ok(())
        },
    )?;
    families.gauges(
        "cpe_assembly_last_heartbeat_timestamp_seconds",
        "When the last heartbeat of an assembly came, when its deployment was looked at last; not there: none has",
        |series| {
            for own in &selection.deployments {
                for assembly in own.status.assemblies.iter().filter(|it| it.last_heartbeat > 0) {
                    let labels = [("deployment", own.name), ("assembly", &assembly.name)];
                    series.gauge(labels, moment(assembly.last_heartbeat))?;
                }
            }
            Ok(())
        },
    )
}

/// Whether its agent answers: what goes down as planned does so, too.
pub(super) fn answers(state: AssemblyState) -> bool {
    state.is_online() || state == AssemblyState::Leaving
}
