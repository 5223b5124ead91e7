//! Nothing happens before the fencing that it has to wait for.

use std::collections::BTreeMap;

use super::Finding;
use super::doing::Doing;
use super::view::{Entry, View};
use crate::graph::ActionKind;
use crate::model::{NodeId, ResourceId};

/// Fencing here is what takes a node down by a device. Unfencing is not; nor is the pseudo-fencing
/// of a guest, which is over when its launcher was stopped.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let fencings: BTreeMap<NodeId, u32> = (0u32..)
        .zip(&view.entries)
        .filter(|(index, entry)| is_fencing(view, *index, entry))
        .filter_map(|(index, entry)| Some((entry.node?, index)))
        .collect();
    view.looked_at(view.entries.len() + view.cluster.nodes.len());
    if fencings.is_empty() && view.cluster.nodes.iter().all(|node| !node.unclean) {
        return;
    }
    for (index, entry) in (0u32..).zip(&view.entries) {
        let here = entry.node.and_then(|node| fencings.get(&node));
        if let Some(fencing) = here
            && has_to_wait_here(view, entry)
        {
            expect(view, *fencing, index, findings);
        }
        if gains_a_role(entry)
            && let Some(id) = entry.resource
        {
            for (node, fencing) in &fencings {
                if has_to_wait_for(view, id, entry.doing, *node) {
                    expect(view, *fencing, index, findings);
                }
            }
        }
        if here.is_none()
            && entry.is_operation()
            && let Some(node) = entry.node
            && view.cluster.node(node).unclean
        {
            findings.push(Finding::OnUncleanNode {
                action: view.name(index),
                node: view.cluster.node(node).name.to_string(),
            });
        }
    }
    view.looked_at(view.entries.len());
}

fn expect(view: &View<'_>, fencing: u32, then: u32, findings: &mut Vec<Finding>) {
    if !view.waits(then, fencing) {
        findings.push(Finding::BeforeFencing {
            action: view.name(then),
            fencing: view.name(fencing),
        });
    }
}

fn is_fencing(view: &View<'_>, index: u32, entry: &Entry) -> bool {
    let action = &view.graph.synapses[index as usize].action;
    entry.doing == Doing::Stonith
        && entry.kind == Some(ActionKind::Cluster)
        && action.resource.is_none()
        && action.attribute("CRM_meta_stonith_action") != Some("on")
}

/// Whether an action has to wait for the fencing of its own node: what would be executed there; and
/// that a resource was stopped or demoted by the fencing, if it requires fencing.
fn has_to_wait_here(view: &View<'_>, entry: &Entry) -> bool {
    match entry.kind {
        Some(ActionKind::Resource) => true,
        // The DC deletes the history of a resource (mode `cib`), wherever that is. Unfencing is not
        // done by the node itself.
        Some(ActionKind::Cluster) => {
            let head = view.graph.head(entry.number);
            entry.doing != Doing::Stonith && head.is_some_and(|head| head.mode.is_none())
        }
        Some(ActionKind::Pseudo) => {
            matches!(entry.doing, Doing::Stop | Doing::Demote)
                && entry.resource.is_some_and(|id| {
                    let resource = view.cluster.resource(id);
                    resource.is_primitive() && resource.needs_fencing && !view.cluster.in_bundle(id)
                })
        }
        None => false,
    }
}

fn gains_a_role(entry: &Entry) -> bool {
    entry.is_operation()
        && matches!(
            entry.doing,
            Doing::Start | Doing::Promote | Doing::MigrateTo
        )
}

/// Whether a resource that gains a role somewhere has to wait for the fencing of `node`: always if
/// it requires fencing; if it requires quorum only, when it is started and could be active there,
/// because nothing is known about it there.
fn has_to_wait_for(view: &View<'_>, id: ResourceId, doing: Doing, node: NodeId) -> bool {
    let resource = view.cluster.resource(id);
    let known = || {
        let clone = resource.parent.map(|parent| view.cluster.resource(parent));
        let by_clone = clone
            .filter(|clone| clone.is_clone() && !clone.unique)
            .is_some_and(|clone| clone.known_on.contains(node));
        by_clone || resource.known_on.contains(node)
    };
    view.looked_at(1);
    resource.needs_fencing
        || resource.needs_quorum
            && doing == Doing::Start
            && resource.allowed.contains(node)
            && !known()
}
