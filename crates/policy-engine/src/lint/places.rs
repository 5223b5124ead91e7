//! No resource is active in two places: it starts once, and only where or after it was stopped.

use super::Finding;
use super::doing::Doing;
use super::view::View;
use crate::model::{NodeId, Resource, ResourceId};

/// Every instance of a clone is a resource of its own here.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (index, resource) in view.cluster.resources.iter().enumerate() {
        if resource.is_primitive() {
            check_resource(view, ResourceId::new(index), resource, findings);
        }
    }
    view.looked_at(view.cluster.resources.len());
}

fn check_resource(
    view: &View<'_>,
    id: ResourceId,
    resource: &Resource,
    findings: &mut Vec<Finding>,
) {
    let starts = view.actions(id, Doing::Start);
    let takeovers = view.actions(id, Doing::MigrateFrom);
    if starts.is_empty() && takeovers.is_empty() {
        return;
    }
    let real = |entry: &&u32| view.entry(**entry).is_operation();
    let gains: Vec<u32> = starts
        .iter()
        .chain(takeovers)
        .filter(real)
        .copied()
        .collect();
    if gains.len() > 1 {
        findings.push(Finding::StartedTwice {
            resource: resource.id.to_string(),
            starts: gains.iter().map(|entry| view.name(*entry)).collect(),
        });
    }
    let stops = view.actions(id, Doing::Stop);
    for start in starts {
        for stop in stops {
            if !view.waits(*start, *stop) {
                findings.push(Finding::StartBeforeStop {
                    start: view.name(*start),
                    stop: view.name(*stop),
                });
            }
        }
    }
    for gain in gains {
        for node in &resource.active_on {
            if view.node(gain) != Some(*node) && !is_stopped(view, stops, *node) {
                findings.push(Finding::ActiveElsewhere {
                    start: view.name(gain),
                    node: view.cluster.node(*node).name.to_string(),
                });
            }
        }
    }
    check_migration(view, id, takeovers, stops, findings);
}

/// Whether there is a stop on that node, or a stop whose node is not known.
fn is_stopped(view: &View<'_>, stops: &[u32], node: NodeId) -> bool {
    view.looked_at(stops.len());
    let mut nodes = stops.iter().map(|stop| view.node(*stop));
    nodes.any(|stopped| stopped.is_none_or(|stopped| stopped == node))
}

/// The source lets go, the target takes over, then the source is cleaned up.
fn check_migration(
    view: &View<'_>,
    id: ResourceId,
    takeovers: &[u32],
    stops: &[u32],
    findings: &mut Vec<Finding>,
) {
    let mut expect = |first: u32, then: u32| {
        if !view.waits(then, first) {
            findings.push(Finding::MigrationOutOfOrder {
                first: view.name(first),
                then: view.name(then),
            });
        }
    };
    for takeover in takeovers {
        for handover in view.actions(id, Doing::MigrateTo) {
            expect(*handover, *takeover);
        }
        for stop in stops {
            expect(*takeover, *stop);
        }
    }
}
