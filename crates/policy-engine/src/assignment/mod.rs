//! Chapters 3 and 4: which node each resource gets, and which role.
//!
//! ```text
//! criteria ─ what every score table starts from: locks, locations, stickiness, failures, discovery
//! placement_order ─ the order of resources, where capacities matter
//! primitive, group, clones, bundles ─ how each variant is assigned; each uses
//!    colocations ─ which constraints concern a resource
//!    apply       ─ how a primary that has a node changes a dependent's scores
//!    preferences ─ how the preferences of dependents change a primary's scores
//!    candidates  ─ how nodes compare
//!    utilization ─ which resources fit on which node
//!    commit      ─ assigning a node
//! instance_order, instances, compatible, collective_primaries ─ only for clones and bundles
//! promotion, promotion_scores ─ which instances of a promotable clone are promoted
//! score_lines ─ the scores as people and tests read them
//! reference_quirks ─ orders that only reproduce Pacemaker's scheduler
//! ```
//!
//! Stage interface: [`apply_criteria`] (steps C1–C4), [`assign`] (step D3), and for later stages
//! [`unassign_for_good`], [`instances::find_compatible`], [`colocations::with_this`],
//! [`colocations::this_with`].

mod apply;
mod bundles;
mod caches;
mod candidates;
mod clones;
mod collective_primaries;
pub(crate) mod colocations;
mod commit;
mod compatible;
mod criteria;
mod group;
mod instance_order;
pub(crate) mod instances;
mod locations;
mod placement_order;
mod preferences;
mod primitive;
mod promotion;
mod promotion_scores;
mod reference_quirks;
mod score_lines;
mod utilization;

pub(crate) use commit::unassign_for_good;
pub(crate) use criteria::apply_criteria;

use crate::model::{Cluster, Level, NodeId, PlacementStrategy, ResourceId, Variant};
use preferences::PreferenceCache;

/// D3: assigns every resource; remote connections first, because remote nodes are only usable once
/// their connection has a node.
pub(crate) fn assign(cluster: &mut Cluster) {
    utilization::prepare(cluster);
    if cluster.options.placement_strategy != PlacementStrategy::Default {
        placement_order::sort(cluster);
    }
    if cluster.has_remote_nodes {
        for resource in cluster.top_level.clone() {
            if cluster.resource(resource).remote_connection {
                let target = cluster.resource(resource).partial_target;
                assign_resource(cluster, resource, target, Attempt::Final);
            }
        }
    }
    for resource in cluster.top_level.clone() {
        if !(cluster.has_remote_nodes && cluster.resource(resource).remote_connection) {
            assign_resource(cluster, resource, None, Attempt::Final);
        }
    }
    reset_effective_priorities(cluster);
    utilization::finish(cluster);
    *caches::of_mut(cluster).preferences.get_mut() = PreferenceCache::default();
    if caches::work_left(cluster) == 0 {
        cluster.say(
            Level::Warning,
            "Colocations are too entangled: the preferences of distant dependents were not considered; use fewer colocation constraints",
        );
    }
}

/// Whether an assignment counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Attempt {
    /// It counts: a resource that gets no node will stop.
    Final,
    /// It may be undone: an instance tries whether it could stay on its node.
    Tentative,
}

/// Assigns a resource, unless it is assigned already. `prefer`: the node to prefer if it is as good
/// as any. Returns the node of a primitive, or the first node that a group's member got.
fn assign_resource(
    cluster: &mut Cluster,
    resource: ResourceId,
    prefer: Option<NodeId>,
    attempt: Attempt,
) -> Option<NodeId> {
    // a chain of colocations is as deep as it is long
    stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
        match cluster.resource(resource).variant {
            Variant::Primitive => primitive::assign(cluster, resource, prefer, attempt),
            Variant::Group(_) => group::assign(cluster, resource, prefer, attempt),
            Variant::Clone(_) => {
                clones::assign(cluster, resource, prefer, attempt);
                None
            }
            Variant::Bundle(_) => {
                bundles::assign(cluster, resource, prefer, attempt);
                None
            }
        }
    })
}

/// Roles are chosen: the instances of promotable clones have the clone's priority again (04 §9.5
/// end). Pacemaker's scheduler does this when a clone's actions exist; nothing asks in between.
fn reset_effective_priorities(cluster: &mut Cluster) {
    for index in 0..cluster.resources.len() {
        let resource = &cluster.resources[index];
        if !(resource.is_clone() && resource.promotable) {
            continue;
        }
        let priority = resource.effective_priority;
        for instance in resource.children.clone() {
            cluster.resource_mut(instance).effective_priority = priority;
        }
    }
}
