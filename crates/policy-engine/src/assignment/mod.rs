//! Chapters 3 and 4: which node each resource gets, and which role.
//!
//! ```text
//! criteria ─ what every score table starts from: locks, locations, stickiness, failures, discovery
//! primitive, group, clones, bundles ─ how each variant is assigned; each asks
//!    colocations ─ which constraints concern a resource
//!    apply       ─ what a placed primary does to a dependent
//!    merge       ─ what dependents' wishes do to a primary
//!       wishes       ─ those of one dependent
//!       sums, shift  ─ those of many, as one
//!       merge_memory ─ what is remembered of them
//!    candidates  ─ how nodes compare
//!    utilization ─ what fits where
//!       together ─ what must fit with it
//!    commit      ─ taking a node
//! instances, compatible, promotion ─ what only clones and bundles need
//! dump ─ the score lines
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
mod dump;
mod group;
mod hash_order;
mod instance_order;
pub(crate) mod instances;
mod locations;
mod merge;
mod merge_memory;
mod merge_sort;
mod placement_order;
mod primitive;
mod promotion;
mod promotion_scores;
mod shift;
mod sums;
#[cfg(test)]
mod tests;
mod together;
mod utilization;
mod wishes;

pub(crate) use commit::unassign_for_good;
pub(crate) use criteria::apply_criteria;

use crate::model::{Cluster, Level, NodeId, PlacementStrategy, ResourceId, Variant};
use merge_memory::MergeMemory;

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
                assign_resource(cluster, resource, target, true);
            }
        }
    }
    for resource in cluster.top_level.clone() {
        if !(cluster.has_remote_nodes && cluster.resource(resource).remote_connection) {
            assign_resource(cluster, resource, None, true);
        }
    }
    reset_effective_priorities(cluster);
    utilization::finish(cluster);
    *caches::of_mut(cluster).merges.get_mut() = MergeMemory::default();
    if caches::work_left(cluster) == 0 {
        cluster.say(
            Level::Warning,
            "Colocations are too entangled: wishes of distant dependents were not considered; use fewer colocation constraints",
        );
    }
}

/// Assigns a resource, unless it is assigned already. `prefer`: the node to prefer if it is as good
/// as any. `stop_if_fail`: false for tentative assignments. Returns the node of a primitive, or the
/// first node that a group's member got.
fn assign_resource(
    cluster: &mut Cluster,
    resource: ResourceId,
    prefer: Option<NodeId>,
    stop_if_fail: bool,
) -> Option<NodeId> {
    // a chain of colocations is as deep as it is long
    stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
        match cluster.resource(resource).variant {
            Variant::Primitive => primitive::assign(cluster, resource, prefer, stop_if_fail),
            Variant::Group(_) => group::assign(cluster, resource, prefer, stop_if_fail),
            Variant::Clone(_) => {
                clones::assign(cluster, resource, prefer, stop_if_fail);
                None
            }
            Variant::Bundle(_) => {
                bundles::assign(cluster, resource, prefer, stop_if_fail);
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
