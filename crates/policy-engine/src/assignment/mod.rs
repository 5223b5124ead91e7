//! Chapters 3 and 4: which node each resource gets, and which role.
//!
//! Stage interface: [`apply_criteria`] (steps C1–C4), [`assign`] (step D3), and for later stages [`unassign_for_good`],
//! [`instances::find_compatible`], [`colocations::with_this`], [`colocations::this_with`].

pub mod colocations;
pub mod instances;

use crate::model::{Cluster, ResourceId};

/// C1–C4: shutdown locks, location entries, stickiness, failure thresholds, exclusive discovery.
pub fn apply_criteria(_cluster: &mut Cluster) {}

/// D3: assigns every resource; remote connections first.
pub fn assign(_cluster: &mut Cluster) {}

/// Commits a resource (and its children) to no node, next role Stopped, and adjusts its existing actions (03 §15.3, 05 §5.6).
/// True if that changed anything.
pub fn unassign_for_good(_cluster: &mut Cluster, _resource: ResourceId) -> bool {
    false
}

/// After the clone's actions were created (04 §9.5 end): each instance's priority is the clone's again.
pub fn reset_instance_priorities(cluster: &mut Cluster, clone: ResourceId) {
    let priority = cluster.resource(clone).priority;
    for i in 0..cluster.resource(clone).children.len() {
        let instance = cluster.resource(clone).children[i];
        cluster.resource_mut(instance).priority = priority;
    }
}
