//! Nothing happens before the fencing that it has to wait for.

use super::Finding;
use super::doing::Doing;
use super::view::{Entry, NOWHERE, View};
use crate::graph::ActionKind;
use crate::model::{NodeId, NodeSet, ResourceId};

/// The fencings of a graph. Fencing here is what takes a node down by a device. Unfencing is not;
/// nor is the pseudo-fencing of a guest, which is over when its launcher was stopped.
struct Fencings {
    /// The nodes that are fenced.
    nodes: NodeSet,
    /// The place of the fencing of each of them, by node.
    places: Vec<u32>,
}

impl Fencings {
    fn read(view: &View<'_>) -> Fencings {
        let mut fencings = Fencings {
            nodes: NodeSet::default(),
            places: vec![NOWHERE; view.cluster.nodes.len()],
        };
        for (place, entry) in (0u32..).zip(&view.entries) {
            if is_fencing(view, place, entry)
                && let Some(node) = view.node(place)
            {
                fencings.nodes.insert(node);
                fencings.places[node.index()] = place;
            }
        }
        view.looked_at(view.entries.len() + view.cluster.nodes.len());
        fencings
    }

    fn place(&self, node: NodeId) -> u32 {
        self.places[node.index()]
    }
}

/// Looks at what happens on a node that is fenced or unclean, and at each start, promotion and
/// migration.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let fencings = Fencings::read(view);
    if fencings.nodes.is_empty() && view.cluster.nodes.iter().all(|node| !node.unclean) {
        return;
    }
    for (place, entry) in (0u32..).zip(&view.entries) {
        let node = view.node(place);
        let here = node.filter(|node| fencings.nodes.contains(*node));
        if let Some(node) = here
            && has_to_wait_here(view, entry)
        {
            expect(view, fencings.place(node), place, findings);
        }
        if gains_a_role(entry)
            && let Some(id) = entry.resource
        {
            for node in required(view, id, entry.doing, &fencings.nodes).iter() {
                expect(view, fencings.place(node), place, findings);
            }
        }
        if here.is_none()
            && entry.is_operation()
            && let Some(node) = node
            && view.cluster.node(node).unclean
        {
            findings.push(Finding::OnUncleanNode {
                action: view.name(place),
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
    entry.doing == Doing::Stonith
        && entry.kind == Some(ActionKind::Cluster)
        && view
            .graph
            .actions
            .get(index as usize)
            .is_some_and(|action| {
                action.resource.is_none()
                    && action.attribute("CRM_meta_stonith_action") != Some("on")
            })
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

/// The nodes for whose fencing a resource has to wait when it gains a role somewhere: all of
/// `fenced`, if it requires fencing; if it requires quorum only, and is started, those where it
/// could be active, because nothing is known about it there.
fn required(view: &View<'_>, id: ResourceId, doing: Doing, fenced: &NodeSet) -> NodeSet {
    let resource = view.cluster.resource(id);
    if resource.needs_fencing {
        return fenced.clone();
    }
    if !resource.needs_quorum || doing != Doing::Start {
        return NodeSet::default();
    }
    let mut unknown = fenced.clone();
    unknown.subtract(&resource.known_on);
    let parent = resource.parent.map(|parent| view.cluster.resource(parent));
    if let Some(clone) = parent.filter(|parent| parent.is_clone() && !parent.unique) {
        unknown.subtract(&clone.known_on);
    }
    let mut required = NodeSet::default();
    for node in unknown.iter() {
        view.looked_at(1);
        if resource.allowed.contains(node) {
            required.insert(node);
        }
    }
    required
}
